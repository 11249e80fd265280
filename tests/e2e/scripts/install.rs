//! What the installer places, replaces and removes.

use std::fs;

use crate::fixture::{PROGRAMS, Place, RECORDER, SHIMS, mode, text, write};

#[test]
fn uninstalling_leaves_the_home_byte_for_byte_as_it_was() {
    let place = Place::new();
    let before = place.snapshot();
    place.install(&[]).succeeds();
    for file in SHIMS {
        // Readable, never executable: a shim on PATH would be taken for the program of its name.
        assert_eq!(mode(&place.home.join(file)), 0o644, "{file}");
    }
    for program in PROGRAMS {
        assert_eq!(mode(&place.bin().join(program)), 0o755, "{program}");
    }

    place.install(&["--uninstall"]).succeeds();

    assert_eq!(place.snapshot(), before);
    assert_eq!(fs::read_dir(place.bin()).unwrap().count(), 0);
}

#[test]
fn a_folder_for_executables_inside_the_home_goes_with_them() {
    let place = Place::new();
    let before = place.snapshot();
    let bin = place.home.join("bin");
    place.install(&["--bin-dir", text(&bin)]).succeeds();
    // The place was written down: --bin-dir is not needed again.
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
}

#[test]
fn installing_again_changes_nothing() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let once = place.snapshot();
    place.install(&[]).succeeds();
    assert_eq!(place.snapshot(), once);
}

#[test]
fn installing_again_updates_shims_and_executables_of_ours() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let shim = place.home.join("dnsapi/dns_cf");
    let current = fs::read_to_string(&shim).unwrap();
    fs::write(
        &shim,
        "#!/usr/bin/env sh\n# Part of anypoint-acme-hooks: an older one\n",
    )
    .unwrap();
    fs::write(
        place.bin().join("dns_cf"),
        "#!/bin/sh\n# an older one, ANYPOINT_HOOKS_VOICE\n",
    )
    .unwrap();

    place.install(&[]).succeeds();

    assert_eq!(fs::read_to_string(&shim).unwrap(), current);
    assert_eq!(
        fs::read_to_string(place.bin().join("dns_cf")).unwrap(),
        RECORDER
    );
}

#[test]
fn only_the_named_programs_are_installed() {
    let place = Place::new();
    place.install(&["dns_cf"]).succeeds();
    assert!(place.home.join("dnsapi/dns_cf").is_file());
    assert!(!place.home.join("deploy/cloudhub_v2").exists());
    assert!(!place.bin().join("cloudhub_v2").exists());
}

#[test]
fn a_foreign_file_with_the_name_of_a_shim_is_neither_replaced_nor_deleted() {
    let place = Place::new();
    write(
        &place.home.join("deploy/cloudhub_v2"),
        "cloudhub_v2_deploy() { :; }\n",
        0o644,
    );
    let before = place.snapshot();

    place
        .install(&[])
        .refused_with("was not installed by this script: move it out of the way");
    assert_eq!(place.snapshot(), before);
    assert!(!place.bin().exists());

    let ran = place.install(&["--uninstall"]).succeeds();
    assert!(
        ran.stdout.contains("it was not installed by this script"),
        "{ran:?}"
    );
    assert_eq!(place.snapshot(), before);
}

#[test]
fn a_foreign_program_with_the_name_of_an_executable_is_neither_replaced_nor_deleted() {
    let place = Place::new();
    fs::create_dir(place.bin()).unwrap();
    let foreign = place.bin().join("dns_cf");
    write(&foreign, "#!/bin/sh\necho mine\n", 0o755);
    let before = place.snapshot();

    place
        .install(&[])
        .refused_with("was not installed by this script");
    place.install(&["--uninstall"]).succeeds();

    assert_eq!(place.snapshot(), before);
    assert_eq!(
        fs::read_to_string(&foreign).unwrap(),
        "#!/bin/sh\necho mine\n"
    );
}

#[test]
fn an_original_shell_hook_stays_beside_the_shim() {
    let place = Place::new();
    write(
        &place.home.join("deploy/cloudhub_v2.sh"),
        "# the original\n",
        0o755,
    );
    let before = place.snapshot();
    place.install(&[]).succeeds();
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
}

#[test]
fn uninstalling_names_the_certificates_that_still_use_a_deploy_hook() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let ran = place.install(&["--uninstall"]).succeeds();
    assert!(
        ran.stderr
            .contains("example.com.conf still names the deploy hook cloudhub_v2"),
        "{ran:?}"
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}

#[test]
fn executables_do_not_go_where_acme_sh_would_source_them() {
    let place = Place::new();
    for folder in ["", "dnsapi", "deploy", "notify", "example.com"] {
        let bin = place.home.join(folder);
        place
            .install(&["--bin-dir", text(&bin).trim_end_matches('/')])
            .refused_with("acme.sh looks for hooks in");
    }
}

#[test]
fn an_executable_that_does_not_run_here_is_not_installed() {
    let place = Place::new();
    let before = place.snapshot();
    write(
        &place.path("built/flex-renew"),
        "\u{7f}ELF for another machine",
        0o755,
    );
    place
        .install(&[])
        .refused_with("flex-renew does not run on this system");
    assert_eq!(place.snapshot(), before);
    fs::remove_file(place.path("built/flex-renew")).unwrap();
    place.install(&[]).refused_with("no flex-renew in");
}

#[test]
fn a_wrong_command_line_is_refused() {
    let place = Place::new();
    place
        .install(&["--frob"])
        .refused_with("unknown option or program '--frob'");
    place
        .install(&["--home"])
        .refused_with("--home needs a folder");
    place
        .install(&["--home", text(&place.path("nowhere"))])
        .refused_with("no acme.sh home at");
    place
        .install(&["--home", text(&place.path("built"))])
        .refused_with("no acme.sh in");
    place.install(&["--cron", "dns_cf"]).refused_with("--cron");
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    let before = place.snapshot();
    let ran = place.install(&["--dry-run"]).succeeds();
    for program in PROGRAMS {
        assert!(ran.stdout.contains(program), "{ran:?}");
    }
    assert_eq!(place.snapshot(), before);
    assert!(!place.bin().exists());
}

#[test]
fn nothing_temporary_stays_behind() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let hidden: Vec<_> = place
        .snapshot()
        .into_keys()
        .chain(
            fs::read_dir(place.bin())
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        )
        // Who uses the executables of this folder is written down in it for good.
        .filter(|path| !path.ends_with(".anypoint-acme-hooks.homes"))
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}
