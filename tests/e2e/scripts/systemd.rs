//! `install.sh --systemd`: units instead of lines in the crontab.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::{Place, lines, move_config, text, write};

/// A systemd that is there, for the user with this number, and whose timers are files.
pub(crate) struct Systemd {
    pub(crate) place: Place,
}

impl Systemd {
    pub(crate) fn of_user(number: u32) -> Self {
        Self::at(Place::new(), number)
    }

    fn at(place: Place, user: u32) -> Self {
        let tools = place.path("tools");
        fs::create_dir_all(&tools).unwrap();
        fs::create_dir(place.path("enabled")).unwrap();
        write(
            &tools.join("id"),
            &format!("#!/bin/sh\ncase $1 in -un) echo somebody ;; *) echo {user} ;; esac\n"),
            0o755,
        );
        write(
            &tools.join("systemctl"),
            &format!(
                "#!/bin/sh\necho \"$*\" >>'{log}'\nif [ -f '{down}' ]; then echo no bus >&2; exit 1; fi\n\
                 for unit; do :; done\ncase \"$*\" in\n\
                 *is-enabled*) [ -e '{enabled}'/\"$unit\" ] ;;\n\
                 *enable*--now*) [ ! -f '{stubborn}' ] || exit 1; : >'{enabled}'/\"$unit\" ;;\n\
                 *disable*) rm -f '{enabled}'/\"$unit\" ;;\nesac\n",
                log = text(&place.path("asked")),
                down = text(&place.path("down")),
                stubborn = text(&place.path("stubborn")),
                enabled = text(&place.path("enabled")),
            ),
            0o755,
        );
        Self { place }
    }

    fn unit(&self, job: &str, kind: &str) -> PathBuf {
        let home = text(&self.place.home)[1..]
            .replace('-', "\\x2d")
            .replace('/', "-");
        self.place.path(&format!("units/{job}@{home}.{kind}"))
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.place.files_in("units")
    }

    fn enabled(&self) -> Vec<PathBuf> {
        self.place.files_in("enabled")
    }

    /// What was asked of systemctl since the last time.
    fn asked(&self) -> Vec<String> {
        let log = self.place.path("asked");
        if !log.exists() {
            return Vec::new();
        }
        let asked = lines(&log);
        fs::remove_file(log).unwrap();
        asked
    }
}

/// Without the line of the checksum.
fn body(unit: &Path) -> String {
    let content = fs::read_to_string(unit).unwrap();
    let (first, body) = content.split_once('\n').unwrap();
    assert!(
        first.starts_with("# Written by install.sh of anypoint-acme-hooks"),
        "{content}"
    );
    body.to_owned()
}

const RECONCILE: &str = "cloudhub_v2-reconcile";
const FLEX: &str = "flex-renew-run";

#[test]
fn a_timer_of_the_system_runs_reconcile_and_goes_without_a_trace() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;

    place.install(&["--systemd"]).succeeds();

    let service = systemd.unit(RECONCILE, "service");
    let timer = systemd.unit(RECONCILE, "timer");
    let home = text(&place.home);
    let description = format!(
        "Description=Deploys certificates that differ from those of acme.sh to CloudHub 2.0 (cloudhub_v2 reconcile, {home})\n"
    );
    assert_eq!(
        body(&service),
        format!(
            "[Unit]\n{description}Wants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType=oneshot\nUser=root\nExecStart=\"{}\" reconcile --home \"{home}\"\n",
            text(&place.bin().join("cloudhub_v2"))
        )
    );
    assert_eq!(
        body(&timer),
        format!(
            "[Unit]\n{description}\n[Timer]\nOnCalendar=*-*-* 00/6:17:00\nRandomizedDelaySec=30m\nPersistent=true\n\n\
             [Install]\nWantedBy=timers.target\n"
        )
    );
    assert_eq!(systemd.files(), [service, timer.clone()]);
    let name = timer.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        systemd.asked(),
        [
            "show-environment",
            "daemon-reload",
            &format!("enable --quiet --now {name}")
        ]
    );

    place.install(&["--uninstall"]).succeeds();
    assert!(systemd.files().is_empty() && systemd.enabled().is_empty());
    let asked = systemd.asked();
    assert!(asked.contains(&"daemon-reload".to_owned()), "{asked:?}");
    assert!(
        asked.contains(&format!("clean --what=state {name}")),
        "{asked:?}"
    );
}

#[test]
fn a_user_gets_units_of_their_own_and_hears_when_they_run() {
    let systemd = Systemd::of_user(64_321);
    let ran = systemd.place.install(&["--systemd"]).succeeds();
    assert!(
        ran.stdout.contains("loginctl enable-linger somebody"),
        "{ran:?}"
    );
    let service = body(&systemd.unit(RECONCILE, "service"));
    assert!(!service.contains("User="), "{service}");
    assert!(!service.contains("network-online"), "{service}");
    let asked = systemd.asked();
    assert!(
        asked.iter().all(|line| line.starts_with("--user ")),
        "{asked:?}"
    );
    assert_eq!(systemd.enabled().len(), 1);
}

#[test]
fn units_go_where_systemd_looks_for_them() {
    let run = |user: u32| {
        let systemd = Systemd::of_user(user);
        let place = &systemd.place;
        let shell = [
            "env",
            "-u",
            "SYSTEMD_UNITS",
            "XDG_CONFIG_HOME=/xdg/config",
            "sh",
        ];
        place
            .install_under(&shell, &["--systemd", "--dry-run"])
            .succeeds()
            .stdout
    };
    let of_root = run(0);
    assert!(
        of_root.contains("would write /etc/systemd/system/cloudhub_v2-reconcile@"),
        "{of_root}"
    );
    let of_user = run(64_321);
    assert!(
        of_user.contains("would write /xdg/config/systemd/user/cloudhub_v2-reconcile@"),
        "{of_user}"
    );
}

#[test]
fn a_dry_run_writes_no_unit() {
    let systemd = Systemd::of_user(0);
    let ran = systemd
        .place
        .install(&["--systemd", "--dry-run"])
        .succeeds();
    assert!(
        ran.stdout.contains("would enable cloudhub_v2-reconcile@"),
        "{ran:?}"
    );
    assert!(systemd.files().is_empty());
    systemd.place.install(&["--systemd"]).succeeds();
    let ran = systemd
        .place
        .install(&["--uninstall", "--dry-run"])
        .succeeds();
    assert!(
        ran.stdout
            .contains(&format!("would remove {}", text(&systemd.files()[1]))),
        "{ran:?}"
    );
    assert_eq!(systemd.files().len(), 2);
    assert_eq!(systemd.enabled().len(), 1);
}

#[test]
fn installing_again_leaves_current_units_alone_and_updates_old_ones() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;
    place.install(&["--systemd"]).succeeds();
    systemd.asked();
    let ran = place.install(&["--systemd"]).succeeds();
    assert!(!ran.stdout.contains("systemd: "), "{ran:?}");
    place.install(&[]).succeeds();
    let asked = systemd.asked();
    assert!(
        !asked
            .iter()
            .any(|line| line.contains("reload") || line.contains("--now")),
        "{asked:?}"
    );

    let config = move_config(place, "config 50%");
    let moved = place.path("elsewhere $HOME/bin");
    place
        .install(&["--bin-dir", text(&moved), "--config-home", text(&config)])
        .succeeds();
    let service = body(&systemd.unit(RECONCILE, "service"));
    let expected = format!(
        "ExecStart=\"{}/cloudhub_v2\" reconcile --home \"{}\" --config-home \"{}\"\n",
        text(&moved),
        text(&place.home),
        text(&config).replace('%', "%%")
    );
    assert!(service.ends_with(&expected), "{service}");
    assert_eq!(
        systemd.asked(),
        ["show-environment", "daemon-reload"],
        "the timer is the same"
    );
}

#[test]
fn a_unit_that_a_user_has_edited_stays_and_runs_no_more_after_uninstalling() {
    for kind in ["service", "timer"] {
        let systemd = Systemd::of_user(0);
        let place = &systemd.place;
        place.install(&["--systemd"]).succeeds();
        let unit = systemd.unit(RECONCILE, kind);
        let edited = fs::read_to_string(&unit).unwrap() + "# mine\n";
        fs::write(&unit, &edited).unwrap();

        let moved = place.path("elsewhere");
        for arguments in [&[][..], &["--systemd"]] {
            let arguments = [&["--bin-dir", text(&moved)], arguments].concat();
            let ran = place.install(&arguments).succeeds();
            assert!(
                ran.stdout.contains(&format!("kept {}", text(&unit))),
                "{ran:?}"
            );
            assert_eq!(fs::read_to_string(&unit).unwrap(), edited);
        }
        place.with_crontab("");
        place.install(&["--cron"]).refused_with(text(&unit));

        let ran = place.install(&["--uninstall"]).succeeds();
        assert!(ran.stdout.contains("which were edited"), "{ran:?}");
        assert_eq!(fs::read_to_string(&unit).unwrap(), edited);
        assert!(systemd.enabled().is_empty());
    }
}

#[test]
fn a_foreign_unit_is_neither_replaced_nor_deleted() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;
    fs::create_dir(place.path("units")).unwrap();
    let unit = systemd.unit(RECONCILE, "service");
    fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
    let ran = place.install(&["--systemd"]).succeeds();
    assert!(ran.stdout.contains("not written by this script"), "{ran:?}");
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(
        fs::read_to_string(&unit).unwrap(),
        "[Service]\nExecStart=/bin/true\n"
    );
}

#[test]
fn a_timer_that_a_user_has_disabled_stays_disabled() {
    let systemd = Systemd::of_user(0);
    systemd.place.install(&["--systemd"]).succeeds();
    fs::remove_file(&systemd.enabled()[0]).unwrap();
    let ran = systemd.place.install(&["--systemd"]).succeeds();
    assert!(ran.stdout.contains("left this timer disabled"), "{ran:?}");
    assert!(systemd.enabled().is_empty());
}

#[test]
fn a_job_is_in_one_schedule_only() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;
    let table = place.with_crontab("0 0 * * * true\n");
    place.install(&["--cron"]).succeeds();
    let with_line = fs::read_to_string(&table).unwrap();

    let ran = place.install(&["--systemd"]).succeeds();
    assert!(ran.stdout.contains("crontab: removed 17 4"), "{ran:?}");
    assert_eq!(fs::read_to_string(&table).unwrap(), "0 0 * * * true\n");
    assert_eq!(systemd.enabled().len(), 1);

    let ran = place.install(&["--cron"]).succeeds();
    assert!(ran.stdout.contains("systemd: removed "), "{ran:?}");
    assert_eq!(fs::read_to_string(&table).unwrap(), with_line);
    assert!(systemd.files().is_empty() && systemd.enabled().is_empty());

    let edited = with_line.replace("reconcile", "--verbose reconcile");
    fs::write(&table, &edited).unwrap();
    place
        .install(&["--systemd"])
        .refused_with("with a line that you have edited");
    assert_eq!(fs::read_to_string(&table).unwrap(), edited);
    assert!(systemd.files().is_empty());

    let commented = with_line.replace("17 4", "# 17 4");
    fs::write(&table, &commented).unwrap();
    place.install(&["--systemd"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), commented);
    place
        .install(&["--cron", "--systemd"])
        .refused_with("choose one");
}

#[test]
fn a_job_that_does_not_get_its_timer_keeps_its_line() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let line = fs::read_to_string(&table).unwrap();
    fs::write(place.path("stubborn"), "").unwrap();
    place
        .install(&["--systemd"])
        .ends_with(1, "systemd did not enable cloudhub_v2-reconcile@");
    assert_eq!(fs::read_to_string(&table).unwrap(), line);
    assert!(systemd.files().is_empty());

    fs::remove_file(place.path("stubborn")).unwrap();
    place.install(&["--systemd"]).succeeds();
    fs::remove_file(&systemd.enabled()[0]).unwrap();
    fs::write(&table, &line).unwrap();
    place
        .install(&["--systemd"])
        .refused_with("Enable the timer first");
    assert_eq!(fs::read_to_string(&table).unwrap(), line);
}

#[test]
fn where_no_systemd_answers_that_is_said_and_nothing_changes() {
    let place = Place::new();
    let before = place.snapshot();
    place
        .install(&["--systemd"])
        .refused_with("--systemd: there is no ");
    assert_eq!(place.snapshot(), before);

    let systemd = Systemd::at(place, 0);
    fs::write(systemd.place.path("down"), "").unwrap();
    systemd
        .place
        .install(&["--systemd"])
        .refused_with("--systemd: no bus");
    assert_eq!(systemd.place.snapshot(), before);
    assert!(systemd.files().is_empty());

    fs::remove_file(systemd.place.path("down")).unwrap();
    systemd.place.install(&["--systemd"]).succeeds();
    fs::write(systemd.place.path("down"), "").unwrap();
    let ran = systemd.place.install(&[]).succeeds();
    assert!(ran.stderr.contains("stay as they are: no bus"), "{ran:?}");
    systemd.place.install(&["--uninstall"]).succeeds();
    assert!(systemd.files().is_empty());
}

#[test]
fn a_folder_that_systemd_runs_nothing_from_is_refused() {
    for name in ["it's", r"back\slash", r#"a "bin""#] {
        let systemd = Systemd::of_user(0);
        let place = &systemd.place;
        let bin = place.path(name);
        place
            .install(&["--systemd", "--bin-dir", text(&bin)])
            .refused_with("systemd runs no program");
        assert!(systemd.files().is_empty() && !bin.exists());
    }
}

#[test]
fn gateways_get_a_timer_only_when_asked_for() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;
    place.install(&["--systemd"]).succeeds();
    assert!(!systemd.unit(FLEX, "timer").exists());
    place.install(&["--flex"]).refused_with("--flex needs");

    place.install(&["--systemd", "--flex"]).succeeds();
    let service = body(&systemd.unit(FLEX, "service"));
    assert!(
        service.contains(&format!(
            "ExecStart=\"{}\" run --home \"{}\"\n",
            text(&place.bin().join("flex-renew")),
            text(&place.home)
        )),
        "{service}"
    );
    let timer = body(&systemd.unit(FLEX, "timer"));
    assert!(
        timer.contains("\nOnCalendar=*-*-* 04:17:00\nRandomizedDelaySec=1h\n"),
        "{timer}"
    );
    assert_eq!(systemd.enabled().len(), 2);

    place.install(&["--uninstall", "flex-renew"]).succeeds();
    assert!(!systemd.unit(FLEX, "timer").exists());
    assert!(systemd.unit(RECONCILE, "timer").exists());
}

mod needs_systemd_analyze {
    use std::process::Command;

    use super::{FLEX, Place, RECONCILE, Systemd, body, fs, move_config, text};
    use crate::fixture::Ran;

    #[test]
    #[ignore = "needs systemd-analyze; with it: cargo test -p tests --test e2e_scripts -- --ignored needs_systemd_analyze"]
    fn systemd_understands_the_units_whatever_the_paths() {
        for (user, manager) in [(0, "--system"), (64_321, "--user")] {
            let systemd = Systemd::at(Place::with_home_named(r#".a-c%me'\"$HOME"#), user);
            let place = &systemd.place;
            let config = move_config(place, "config $HOME 50%");
            let bin = place.path("bin %h $HOME;");
            place
                .install(&["--systemd", "--flex", "--config-home", text(&config)])
                .succeeds();
            place
                .install(&["--bin-dir", text(&bin), "--config-home", text(&config)])
                .succeeds();
            assert!(body(&systemd.files()[0]).contains("%%h"));
            let verify = || {
                Ran::of(
                    Command::new("systemd-analyze")
                        .args(["verify", manager])
                        .args(systemd.files())
                        .env("XDG_RUNTIME_DIR", place.path("")),
                )
            };
            assert_eq!(verify().succeeds().stderr, "");
            fs::remove_dir_all(&bin).unwrap();
            let ran = verify();
            assert!(ran.stderr.contains("is not executable"), "{ran:?}");
        }
    }

    #[test]
    #[ignore = "needs systemd-analyze; with it: cargo test -p tests --test e2e_scripts -- --ignored needs_systemd_analyze"]
    fn units_are_named_as_systemd_escape_would() {
        let systemd = Systemd::at(Place::with_home_named(r#".a-c%me:'\"$é_é"#), 0);
        systemd.place.install(&["--systemd", "--flex"]).succeeds();
        let escaped = |job: &str, kind: &str| {
            let ran = Ran::of(
                Command::new("systemd-escape")
                    .args(["--path", &format!("--template={job}@.{kind}")])
                    .arg(&systemd.place.home),
            );
            ran.succeeds().stdout.trim_end().to_owned()
        };
        let names: Vec<_> = [RECONCILE, FLEX]
            .into_iter()
            .flat_map(|job| [escaped(job, "service"), escaped(job, "timer")])
            .collect();
        let found: Vec<_> = systemd
            .files()
            .iter()
            .map(|unit| unit.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, names);
    }
}

#[test]
fn the_timer_of_the_estate_takes_over_from_the_others() {
    let systemd = Systemd::of_user(0);
    let place = &systemd.place;
    place.install(&["--systemd", "--flex"]).succeeds();
    assert_eq!(systemd.enabled().len(), 2);
    systemd.asked();

    place.install(&["--systemd", "--estate"]).succeeds();
    let service = systemd.unit("anypoint-estate-run", "service");
    let timer = systemd.unit("anypoint-estate-run", "timer");
    assert_eq!(systemd.files(), [service.clone(), timer.clone()]);
    let expected = format!(
        "ExecStart=\"{}\" run --home \"{}\"\nKillMode=mixed\nTimeoutStopSec=15m\n",
        text(&place.bin().join("anypoint-estate")),
        text(&place.home)
    );
    assert!(body(&service).ends_with(&expected), "{}", body(&service));
    assert!(body(&timer).contains("\nOnCalendar=*-*-* 00/6:17:00\n"));
    assert_eq!(systemd.enabled().len(), 1);
    // It is there before the others go.
    let asked = systemd.asked();
    let at = |what: &str| asked.iter().position(|line| line.contains(what)).unwrap();
    assert!(
        at("enable --quiet --now anypoint-estate-run") < at("disable --now cloudhub_v2"),
        "{asked:?}"
    );

    place.install(&["--systemd", "--flex"]).succeeds();
    assert_eq!(systemd.enabled().len(), 1);
    place.install(&["--uninstall"]).succeeds();
    assert!(systemd.files().is_empty() && systemd.enabled().is_empty());
}
