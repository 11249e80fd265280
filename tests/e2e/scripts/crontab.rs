//! `install.sh --cron`: the lines in the crontab.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::fixture::{Place, Ran, lines, move_config, on_path, scripts, text, write};

#[test]
fn the_crontab_gets_one_line_an_hour_after_acme_sh_and_loses_exactly_that() {
    let place = Place::with_home_named("100%acme");
    let others = "# mine\n7 23 * * * \"/x\"/acme.sh --cron --home \"/x\" > /dev/null\n\n0 0 * * * true # anypoint-acme-hooks /elsewhere\n";
    let table = place.with_crontab(others);

    place.install(&["--cron"]).succeeds();
    let expected = format!(
        "7 0 * * * '{}' reconcile --quiet --home '{home}' >/dev/null # anypoint-acme-hooks {home}\n",
        text(&place.bin().join("cloudhub_v2")),
        home = text(&place.home).replace('%', r"\%"),
    );
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        format!("{others}{expected}")
    );

    place.install(&["--cron"]).succeeds();
    place.install(&[]).succeeds();
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        format!("{others}{expected}")
    );

    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), others);
}

#[test]
fn a_user_without_crontab_gets_one_and_others_are_left_alone() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&[]).succeeds();
    assert!(!table.exists());
    place.install(&["--cron"]).succeeds();
    assert_eq!(lines(&table).len(), 1);
}

#[test]
fn an_edited_crontab_line_stays_and_one_that_is_commented_out_is_not_revived() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let written = fs::read_to_string(&table).unwrap();
    for edited in [
        written.replace("17 4 * * *", "30 2 * * 1-5"),
        written.replace("17 4 * * *", "@daily"),
        written.replace("reconcile", "--verbose reconcile"),
        written.replace(">/dev/null", "| logger"),
        format!("# {written}"),
        format!("  #{written}"),
        format!("#{written}{}", written.replace("17 4", "0 3")),
    ] {
        assert_ne!(edited, written);
        fs::write(&table, &edited).unwrap();
        for arguments in [&[][..], &["--cron"]] {
            let ran = place.install(arguments).succeeds();
            assert_eq!(fs::read_to_string(&table).unwrap(), edited, "{ran:?}");
            let commented = edited.trim_start().starts_with('#');
            assert_eq!(
                ran.stdout.contains("left this line commented out: #"),
                commented,
                "{ran:?}"
            );
        }
    }
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), "");
}

#[test]
fn a_crontab_line_follows_its_executable_and_keeps_its_time() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let edited = fs::read_to_string(&table)
        .unwrap()
        .replace("17 4 * * *", "30  2 * * 1-5 nice");
    fs::write(&table, &edited).unwrap();

    let moved = place.path("elsewhere/bin");
    let ran = place
        .install(&["--bin-dir", text(&moved), "--dry-run"])
        .succeeds();
    assert!(ran.stdout.contains("crontab: would write 30"), "{ran:?}");
    assert_eq!(fs::read_to_string(&table).unwrap(), edited);
    place.install(&["--bin-dir", text(&moved)]).succeeds();

    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        edited.replace(text(&place.bin()), text(&moved))
    );
}

#[test]
fn a_crontab_line_of_an_earlier_installation_becomes_quiet() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron", "--flex"]).succeeds();
    let quiet = fs::read_to_string(&table).unwrap();
    let earlier = quiet.replace(" --quiet", "");
    assert_ne!(earlier, quiet);
    fs::write(&table, earlier).unwrap();
    place.install(&[]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), quiet);
}

#[test]
fn blank_lines_of_a_crontab_survive() {
    let place = Place::new();
    let others = "\n# mine\n\n0 0 * * * true\n\n\n";
    let table = place.with_crontab(others);
    place.install(&["--cron"]).succeeds();
    assert!(fs::read_to_string(&table).unwrap().starts_with(others));
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), others);
}

#[test]
fn what_crontab_says_on_standard_error_does_not_get_into_the_table() {
    let place = Place::new();
    let table = place.with_crontab("0 0 * * * true\n");
    let program = fs::read_to_string(place.path("tools/crontab")).unwrap();
    let chatty = program.replace(
        "case $1",
        "echo \"listing the crontab of user\" >&2\ncase $1",
    );
    write(&place.path("tools/crontab"), &chatty, 0o755);

    place.install(&["--cron"]).succeeds();

    let lines = lines(&table);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "0 0 * * * true");
    assert!(lines[1].contains(" reconcile --quiet --home "), "{lines:?}");
}

#[test]
fn the_crontab_program_is_found_on_path() {
    for name in ["crontab", "fcrontab"] {
        let place = Place::new();
        let table = place.with_crontab("");
        fs::rename(place.path("tools/crontab"), place.path("tools").join(name)).unwrap();
        for tool in [
            "awk", "basename", "cat", "chmod", "dirname", "grep", "id", "mkdir", "mv", "rm", "sed",
            "tr",
        ] {
            symlink(on_path(tool), place.path("tools").join(tool)).unwrap();
        }
        Ran::of(
            Command::new("/bin/sh")
                .arg(scripts().join("install.sh"))
                .args(["--home", text(&place.home), "--bin-dir", text(&place.bin())])
                .args(["--from", text(&place.path("built")), "--cron"])
                .env_clear()
                .env("PATH", place.path("tools"))
                .env("HOME", place.path("user")),
        )
        .succeeds();
        assert_eq!(lines(&table).len(), 1, "{name}");
    }
}

#[test]
fn a_config_home_of_its_own_is_in_the_crontab_line() {
    let place = Place::new();
    let config = move_config(&place, "config 50%");
    let table = place.with_crontab("");
    let expected = format!(
        "17 4 * * * '{}' reconcile --quiet --home '{home}' --config-home '{}' >/dev/null # anypoint-acme-hooks {home}\n",
        text(&place.bin().join("cloudhub_v2")),
        text(&config).replace('%', r"\%"),
        home = text(&place.home),
    );
    place
        .install(&["--cron", "--config-home", text(&config)])
        .succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);

    let ran = place
        .install(&["--uninstall", "--config-home", text(&config)])
        .succeeds();
    assert!(
        ran.stderr
            .contains("config 50%/example.com_ecc/example.com.conf still names the deploy hook"),
        "{ran:?}"
    );
    assert_eq!(fs::read_to_string(&table).unwrap(), "");

    // As acme.sh's own installation writes it down.
    fs::write(
        place.home.join("acme.sh.env"),
        format!(
            "export LE_WORKING_DIR=\"{}\"\nexport LE_CONFIG_HOME=\"{}\"\n",
            text(&place.home),
            text(&config)
        ),
    )
    .unwrap();
    place.install(&["--cron"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);
}

#[test]
fn a_crontab_line_without_the_config_home_gets_it() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let before = fs::read_to_string(&table).unwrap();
    let config = move_config(&place, "config");
    place.install(&["--config-home", text(&config)]).succeeds();
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        before.replace(
            " >/dev/null",
            &format!(" --config-home '{}' >/dev/null", text(&config))
        )
    );
}

#[test]
fn the_config_home_of_the_environment_counts_and_has_to_exist() {
    let place = Place::new();
    let config = move_config(&place, "config");
    let table = place.with_crontab("");
    let install = |config: &Path| {
        // `env` sets what the installer's cleared environment lacks.
        let setting = format!("LE_CONFIG_HOME={}", text(config));
        place.install_under(&["env", &setting, "sh"], &["--cron"])
    };
    install(&place.path("nowhere")).refused_with("no folder at");
    assert!(!table.exists());
    install(&config).succeeds();
    let line = fs::read_to_string(&table).unwrap();
    assert!(
        line.contains(&format!(" --config-home '{}' ", text(&config))),
        "{line}"
    );
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_overwritten() {
    let place = Place::new();
    place.with_crontab("");
    write(
        &place.path("tools/crontab"),
        "#!/bin/sh\necho 'you are not allowed' >&2\nexit 1\n",
        0o755,
    );
    let before = place.snapshot();
    place
        .install(&["--cron"])
        .refused_with("reading the crontab failed: you are not allowed");
    assert_eq!(place.snapshot(), before);
    let ran = place.install(&[]).succeeds();
    assert!(
        ran.stderr.contains("is not updated: you are not allowed"),
        "{ran:?}"
    );
}

#[test]
fn gateways_get_a_line_only_when_asked_for() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let reconcile = fs::read_to_string(&table).unwrap();

    place.install(&["--cron", "--flex"]).succeeds();
    let home = text(&place.home);
    let flex = |bin: &Path| {
        format!(
            "17 4 * * * '{}' run --quiet --home '{home}' >/dev/null # anypoint-acme-hooks flex-renew {home}\n",
            text(&bin.join("flex-renew"))
        )
    };
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        format!("{reconcile}{}", flex(&place.bin()))
    );

    let moved = place.path("elsewhere");
    place
        .install(&["--bin-dir", text(&moved), "flex-renew"])
        .succeeds();
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        format!("{reconcile}{}", flex(&moved))
    );
    place.install(&["--uninstall", "flex-renew"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), reconcile);
}

#[test]
fn a_host_of_gateways_alone_gets_their_line_alone() {
    let place = Place::new();
    let table = place.with_crontab("");
    place
        .install(&["--cron", "flex-renew"])
        .refused_with("with --flex for flex-renew");
    place
        .install(&["--cron", "--flex", "flex-renew"])
        .succeeds();
    let lines = lines(&table);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("/flex-renew' run "), "{lines:?}");
}

#[test]
fn the_line_of_the_estate_takes_over_from_the_others_every_six_hours() {
    let place = Place::new();
    let others = "7 23 * * * \"/x\"/acme.sh --cron --home \"/x\" > /dev/null\n";
    let table = place.with_crontab(others);
    place.install(&["--cron", "--flex"]).succeeds();
    assert_eq!(lines(&table).len(), 3);

    let ran = place
        .install(&["--cron", "--estate", "--dry-run"])
        .succeeds();
    assert!(ran.stdout.contains("crontab: would remove "), "{ran:?}");
    assert_eq!(lines(&table).len(), 3);
    let ran = place.install(&["--cron", "--estate"]).succeeds();
    assert!(ran.stdout.contains("crontab: removed "), "{ran:?}");
    let expected = format!(
        "{others}7 0,6,12,18 * * * '{}' run --quiet --home '{home}' # anypoint-acme-hooks anypoint-estate {home}\n",
        text(&place.bin().join("anypoint-estate")),
        home = text(&place.home),
    );
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);

    // Nothing comes back beside it.
    for arguments in [
        &[][..],
        &["--cron"],
        &["--cron", "--flex"],
        &["--cron", "--estate"],
    ] {
        place.install(arguments).succeeds();
        assert_eq!(
            fs::read_to_string(&table).unwrap(),
            expected,
            "{arguments:?}"
        );
    }
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), others);
}

#[test]
fn a_line_that_was_edited_is_not_taken_over() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let edited = fs::read_to_string(&table)
        .unwrap()
        .replace("reconcile", "--verbose reconcile");
    fs::write(&table, &edited).unwrap();
    place.install(&["--cron", "--estate"]).refused_with(
        "--estate: the crontab runs cloudhub_v2 already, with a line that you have edited",
    );
    assert_eq!(fs::read_to_string(&table).unwrap(), edited);
    for (arguments, reason) in [
        (&["--estate"][..], "--estate needs --cron or --systemd"),
        (
            &["--cron", "--estate", "--flex"],
            "--estate does the work of --flex, too",
        ),
        (
            &["--cron", "--estate", "dns_cf"],
            "--estate is for anypoint-estate",
        ),
    ] {
        place.install(arguments).refused_with(reason);
    }
}
