//! A gateway on the host itself: owners and modes, restart, going back, being interrupted.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Stdio;
use std::thread;

use fixtures::{Finished, wait_until};
use simulator::registration::Layout;

use crate::edge::{DAY, Edge, SECRET, days_left, entries, in_days, is_root, names, read};

#[test]
fn a_registration_that_is_not_due_is_left_alone() {
    let edge = Edge::with_days(100);
    let before = edge.bytes();
    edge.renew(&[]).code(0).prints("not due, valid until");
    assert_eq!(edge.bytes(), before);
    assert!(edge.calls().is_empty());
    assert!(!edge.state().exists());
    edge.renew(&["--within", "200d"]).code(0).prints("renewed");
}

#[test]
fn a_due_registration_is_renewed_with_its_owner_and_mode_and_the_unit_restarted() {
    let mut edge = Edge::with_days(10);
    edge.on_path("systemd");
    edge.bench.unset("FLEX_RESTART_CMD");
    let log = edge.in_home("systemctl.log");
    edge.bench.set("SYSTEMCTL_LOG", log.to_str().unwrap());
    if is_root() {
        chown(&edge.file, Some(4242), Some(4343)).unwrap();
    }
    let old = fs::metadata(&edge.file).unwrap();
    let before = edge.bytes();

    let run = edge.renew(&[]);
    run.code(0)
        .prints("renewed, valid until")
        .prints("restarted flex-gateway (systemd)");
    run.tells("runtime linux: FLEXCTL is set")
        .tells("flexctl registration inspect reports the same expiry");

    let new = fs::metadata(&edge.file).unwrap();
    assert_eq!(
        (new.uid(), new.gid(), new.mode()),
        (old.uid(), old.gid(), old.mode())
    );
    assert_eq!(days_left(&edge.installed()), 365);
    assert_eq!(names(edge.file.parent().unwrap()), ["registration.yaml"]);
    let systemctl = fs::read_to_string(log).unwrap();
    assert_eq!(systemctl.lines().next(), Some("restart -- flex-gateway"));
    assert!(systemctl.lines().skip(1).all(|line| {
        line == "is-active -- flex-gateway"
            || line.starts_with("show ") && line.ends_with(" -- flex-gateway")
    }));

    assert_eq!(names(&edge.state()), ["backups"]);
    let backup = edge.backups()[0].join("registration.yaml.old");
    assert_eq!(fs::read(&backup).unwrap(), before);
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(edge.state()).unwrap().mode() & 0o777, 0o700);
    edge.renew(&[]).code(0).prints("not due");
    assert_eq!(edge.calls().len(), 1);
}

#[test]
fn an_expired_registration_is_renewed_too_and_a_symlink_stays_one() {
    let mut edge = Edge::with_days(-5);
    let link = edge.in_home("link.yaml");
    std::os::unix::fs::symlink(&edge.file, &link).unwrap();
    edge.bench
        .set("FLEX_REGISTRATION_FILE", link.to_str().unwrap());
    edge.run(&["renew"]).code(0).tells("was valid until");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(days_left(&edge.installed()), 365);
    assert!(edge.state().join("backups").is_dir());
}

#[test]
fn every_layout_of_the_file_is_renewed() {
    for (name, layout) in [
        ("base64", Layout::Base64),
        ("der", Layout::Der),
        ("split", Layout::Split),
    ] {
        let mut edge = Edge::with(10, layout);
        edge.bench.set("FLEXCTL_LAYOUT", name);
        edge.renew(&[]).code(0);
        let installed = edge.installed();
        assert_eq!(
            (days_left(&installed), installed.split),
            (365, layout == Layout::Split),
            "{name}"
        );
        for file in entries(edge.file.parent().unwrap()) {
            assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o640, "{name}");
        }
    }
}

#[test]
fn a_split_registration_is_not_replaced_by_half_of_a_new_one() {
    let edge = Edge::with(10, Layout::Split);
    let before = edge.bytes();
    edge.renew(&[])
        .code(7)
        .tells("flexctl wrote no certificate.yaml");
    assert_eq!(edge.bytes(), before);
}

#[test]
fn flexctl_is_called_as_documented_in_an_empty_folder_outside_of_the_configuration() {
    let mut edge = Edge::with_days(10);
    edge.renew(&[]).code(0).prints("; flexctl 1.8.2");
    let calls = edge.calls();
    let call = &calls[0];
    let begin = format!(
        "registration renew --client-id=flex-app --client-secret={SECRET} --update-urls=true --output-directory="
    );
    assert!(call.starts_with(&begin), "{call}");
    assert!(
        call.ends_with("/in/registration.yaml") && call.contains("/.flex-renew/"),
        "{call}"
    );

    edge.bench
        .unset("FLEX_CLIENT_ID")
        .unset("FLEX_CLIENT_SECRET")
        .set("FLEX_USERNAME", "ada")
        .set_secret("FLEX_PASSWORD", "canary-flex-password-77");
    edge.renew(&["--force", "--no-update-urls"]).code(0);
    assert!(edge.calls()[1].starts_with(
        "registration renew --username=ada --password=canary-flex-password-77 --output"
    ));
}

#[test]
fn urls_are_updated_unless_somebody_says_no() {
    let updates = |edge: &Edge| edge.calls().last().unwrap().contains("--update-urls=true");
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEX_UPDATE_URLS", "false");
    edge.renew(&[]).code(0);
    assert!(!updates(&edge));
    edge.renew(&["--force", "--update-urls"]).code(0);
    assert!(updates(&edge));
    edge.bench.unset("FLEX_UPDATE_URLS");
    let config = |edge: &mut Edge, text: &str| {
        let config = edge.bench.write("hooks.toml", text);
        edge.bench
            .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
    };
    config(&mut edge, "[flex]\nupdate_urls = false\n");
    edge.renew(&["--force"]).code(0);
    assert!(!updates(&edge));
    config(
        &mut edge,
        "[flex]\nupdate_urls = false\n[[flex.gateway]]\nfile = \"flex/conf.d/registration.yaml\"\nupdate_urls = \
         true\n",
    );
    edge.renew(&["--force"]).code(0);
    assert!(updates(&edge));
}

#[test]
fn a_flexctl_that_cannot_update_urls_renews_all_the_same_unless_that_was_asked_for() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_FAULT", "no-urls");
    edge.renew(&["--update-urls"])
        .code(5)
        .tells("use the newest one, or leave the URLs as they are with --no-update-urls");
    assert_eq!(days_left(&edge.installed()), 10);
    edge.renew(&[])
        .code(0)
        .tells("too old to update the environment URLs");
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn it_makes_no_difference_in_which_folder_it_is_called() {
    let edge = Edge::with_days(10);
    let output = edge
        .bench
        .command("flex-renew", ["renew", "registration.yaml"])
        .current_dir(edge.file.parent().unwrap())
        .output()
        .unwrap();
    Finished::from(output).code(0);
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_secret_may_stand_in_a_file_and_no_child_finds_it_in_its_environment() {
    let mut edge = Edge::with_days(10);
    let secret = edge.bench.write("secret", "canary-in-a-file-31\n");
    edge.bench
        .unset("FLEX_CLIENT_SECRET")
        .never_shown("canary-in-a-file-31")
        .set("FLEX_CLIENT_SECRET_FILE", secret.to_str().unwrap())
        .set_secret("CF_Token", "canary-cloudflare-1")
        .set_secret("ANYPOINT_CLIENT_SECRET", "canary-anypoint-1")
        .set("FLEX_RESTART_CMD", "env > env.txt");
    // Half of the general credentials would be an error where they are used.
    edge.bench.unset("ANYPOINT_CLIENT_SECRET");
    edge.renew(&[]).code(0);
    assert!(edge.calls()[0].contains("--client-secret=canary-in-a-file-31"));
    let env = fs::read_to_string(edge.in_home("env.txt")).unwrap();
    assert!(
        env.contains("FLEX_CLIENT_ID=") && !env.contains("canary"),
        "{env}"
    );
}

#[test]
fn when_the_restart_fails_the_old_registration_goes_back_and_the_gateway_is_restarted_with_it() {
    let mut edge = Edge::with_days(10);
    let before = edge.bytes();
    edge.bench.set(
        "FLEX_RESTART_CMD",
        "cp flex/conf.d/registration.yaml seen-$(ls | grep -c seen); test -e seen-1 || { echo no such luck >&2; exit 1; }",
    );
    let run = edge.renew(&[]);
    run.code(5)
        .tells("no such luck")
        .tells("the old one is in place again")
        .tells("is kept in");
    assert_eq!(edge.bytes(), before);
    assert_eq!(fs::read(edge.in_home("seen-1")).unwrap(), before);
    assert_eq!(names(&edge.state()), ["backups", "rejected"]);
    assert_eq!(
        fs::read(edge.state().join("rejected/registration.yaml")).unwrap(),
        fs::read(edge.in_home("seen-0")).unwrap()
    );
    edge.bench.set("FLEX_RESTART_CMD", ":");
    edge.renew(&[]).code(0);
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_gateway_that_does_not_stay_up_gets_the_old_registration_back() {
    let mut edge = Edge::with_days(10);
    edge.on_path("systemd");
    edge.bench
        .unset("FLEX_RESTART_CMD")
        .set("SYSTEMCTL_FAILS", "is-active");
    let before = edge.bytes();
    edge.renew(&["--restart", "flex-gateway@a"])
        .code(5)
        .tells("flex-gateway@a did not stay up after the restart")
        .tells("nor with the old one");
    assert_eq!(edge.bytes(), before);
}

#[test]
fn a_unit_that_systemd_starts_again_and_again_gets_the_old_registration_back() {
    let mut edge = Edge::with_days(10);
    edge.on_path("systemd");
    let log = edge.in_home("systemctl.log");
    edge.bench
        .unset("FLEX_RESTART_CMD")
        .set("SYSTEMCTL_LOG", log.to_str().unwrap())
        .set("SYSTEMCTL_CRASHES", "1");
    let before = edge.bytes();
    edge.renew(&[])
        .code(5)
        .tells("flex-gateway did not stay up after the restart")
        .tells("it ended and was started again");
    assert_eq!(edge.bytes(), before);
}

#[test]
fn without_a_restart_it_is_said_that_one_is_missing() {
    let edge = Edge::with_days(10);
    edge.renew(&["--no-restart"])
        .code(0)
        .tells("not restarted, as asked")
        .prints("not restarted");
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn as_many_old_registrations_are_kept_as_asked() {
    let edge = Edge::with_days(10);
    for _ in 0..4 {
        edge.renew(&["--force", "--keep", "2"]).code(0);
    }
    assert_eq!(edge.backups().len(), 2);
    edge.renew(&["--force", "--keep", "0"]).code(0);
    assert!(edge.backups().is_empty());
}

#[test]
fn the_folder_for_backups_can_be_chosen_but_not_where_the_gateway_loads_files() {
    let edge = Edge::with_days(10);
    edge.renew(&["--state-dir", "flex/conf.d/old"])
        .code(2)
        .tells("from which the gateway loads every .yaml");
    let elsewhere = edge.in_home("elsewhere");
    edge.renew(&["--state-dir", elsewhere.to_str().unwrap()])
        .code(0);
    assert_eq!(entries(&elsewhere).len(), 1);
    assert!(!edge.state().exists());
}

#[test]
fn a_run_that_was_killed_before_the_restart_is_finished_by_the_next_without_asking_again() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEX_RESTART_CMD", "kill -9 $PPID");
    assert_eq!(edge.renew(&[]).code, None);
    assert_eq!(days_left(&edge.installed()), 365);
    let installed = edge.bytes();
    assert!(names(&edge.state()).contains(&"pending".to_owned()));

    edge.bench
        .set("FLEX_RESTART_CMD", "echo restarted > restarted");
    edge.renew(&[])
        .code(0)
        .tells("an earlier run was interrupted")
        .prints("restarted");
    assert!(edge.in_home("restarted").exists());
    assert_eq!(edge.bytes(), installed);
    assert_eq!(edge.calls().len(), 1);
    assert_eq!(names(&edge.state()), ["backups"]);
    assert_eq!(days_left(&read_backup(&edge)), 10);
}

#[test]
fn a_finished_run_that_cannot_restart_goes_back_to_the_registration_before_it() {
    let mut edge = Edge::with_days(10);
    let before = edge.bytes();
    edge.bench.set("FLEX_RESTART_CMD", "kill -9 $PPID");
    edge.renew(&[]);
    edge.bench.set("FLEX_RESTART_CMD", "false");
    edge.renew(&[]).code(5).tells("nor with the old one");
    assert_eq!(edge.bytes(), before);
}

#[test]
fn what_waits_to_be_installed_gives_way_to_something_newer() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEX_RESTART_CMD", "kill -9 $PPID");
    edge.renew(&[]);
    let newer = simulator::registration::compose(
        &simulator::registration::Identity::default(),
        Layout::Pem,
        in_days(700),
    );
    fs::write(&edge.file, newer.unwrap().registration).unwrap();
    edge.bench.set("FLEX_RESTART_CMD", ":");
    edge.renew(&[])
        .code(0)
        .prints("not due")
        .tells("somebody else has installed a registration since, which stays");
    assert_eq!(days_left(&edge.installed()), 700);
    assert_eq!(names(&edge.state()), ["backups", "rejected"]);
}

fn read_backup(edge: &Edge) -> common::flex::registration::Registration {
    let folder = edge.in_home("read");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("registration.yaml");
    fs::copy(edge.backups()[0].join("registration.yaml.old"), &path).unwrap();
    read(&path)
}

#[test]
fn two_runs_at_once_renew_once() {
    let edge = Edge::with_days(10);
    let codes: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| edge.renew(&[]).code))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(codes, [Some(0); 4]);
    assert_eq!(edge.calls().len(), 1);
}

#[test]
fn a_signal_ends_flexctl_too_and_leaves_nothing_behind() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_FAULT", "hang");
    let mut child = edge
        .bench
        .command("flex-renew", ["renew", edge.file.to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("flexctl is called", || !edge.calls().is_empty());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(6));
    assert!(
        names(&edge.state()).is_empty(),
        "{:?}",
        names(&edge.state())
    );
    // The stand-in is named by its folder, which no other test has.
    let mine = edge.state().to_str().unwrap().to_owned();
    wait_until("flexctl has ended", || {
        !entries(std::path::Path::new("/proc"))
            .iter()
            .any(|process| {
                fs::read(process.join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mine))
            })
    });
}

#[test]
fn acme_sh_keeps_what_it_takes_for_the_run_from_cron() {
    let mut edge = Edge::with_days(100);
    let conf = edge.bench.write("acme.conf", "Le_Domain='example.com'\n");
    let secret = edge.bench.write("secret", "canary-in-a-file-32\n");
    edge.bench
        .called_by_acme_sh(&conf)
        .set("FLEX_REGISTRATION_FILE", edge.file.to_str().unwrap())
        .unset("FLEX_CLIENT_SECRET")
        .set("FLEX_CLIENT_SECRET_FILE", secret.to_str().unwrap());
    edge.run(&["run"]).code(0).prints("not due");
    let saved = fs::read_to_string(&conf).unwrap();
    assert!(saved.contains("SAVED_FLEX_CLIENT_ID='flex-app'"), "{saved}");
    assert!(
        saved.contains("SAVED_FLEX_CLIENT_SECRET_FILE=") && !saved.contains("canary"),
        "{saved}"
    );

    for name in [
        "FLEX_REGISTRATION_FILE",
        "FLEX_CLIENT_ID",
        "FLEX_CLIENT_SECRET_FILE",
        "FLEX_RESTART_CMD",
        "FLEXCTL",
    ] {
        edge.bench.unset(name);
    }
    let due = simulator::registration::compose(
        &simulator::registration::Identity::default(),
        Layout::Pem,
        simulator::registration::now() + 3 * DAY,
    );
    fs::write(&edge.file, due.unwrap().registration).unwrap();
    edge.run(&["run"]).code(0).prints("renewed");
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_call_by_acme_sh_renews_what_would_be_due_before_the_next_one() {
    for (planned_in, days, renewed) in [(60, 85, true), (60, 100, false), (30, 85, false)] {
        let mut edge = Edge::with_days(days);
        let conf = format!("Le_NextRenewTime='{}'\n", in_days(planned_in));
        let conf = edge.bench.write("acme.conf", conf);
        let file = edge.file.to_str().unwrap().to_owned();
        edge.bench.set("FLEX_REGISTRATION_FILE", file);
        // Whoever calls it every night loses no time.
        edge.run(&["run"]).code(0).prints("not due");
        edge.bench.called_by_acme_sh(&conf);
        edge.run(&["run"]).code(0);
        assert_eq!(
            days_left(&edge.installed()) == 365,
            renewed,
            "{planned_in} {days}"
        );
    }
}

#[test]
fn flexctl_that_a_killed_run_left_running_is_waited_for_and_ended() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_FAULT", "hang-after-writing");
    let mut child = edge
        .bench
        .command("flex-renew", ["renew", edge.file.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("flexctl has written", || {
        entries(&edge.state()).iter().any(|work| {
            fs::metadata(work.join("new/registration.yaml")).is_ok_and(|meta| meta.len() > 0)
        })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    edge.bench.unset("FLEXCTL_FAULT");
    edge.renew(&["--flexctl-timeout", "10s"])
        .code(0)
        .tells("a program of a run that was killed was still running")
        .tells("what flexctl wrote in a run that was killed is kept in");
    assert_eq!(names(&edge.state()), ["backups", "rejected"]);
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
#[cfg(target_os = "linux")]
fn flexctl_of_a_run_that_was_killed_before_writing_down_which_program_it_started_is_ended() {
    let mut edge = Edge::with_days(10);
    let pid_file = edge.in_home("pid-of-flexctl");
    let flexctl = edge.bench.write(
        "kills-its-parent",
        format!(
            "#!/bin/sh\necho $$ > {}\nkill -9 $PPID\nexec sleep 1000\n",
            pid_file.display()
        ),
    );
    fs::set_permissions(&flexctl, fs::Permissions::from_mode(0o755)).unwrap();
    let real = fixtures::program("flexctl");
    edge.bench.set("FLEXCTL", flexctl.to_str().unwrap());
    assert_eq!(edge.renew(&[]).code, None);

    // The run may have been so quick as to write before it was killed.
    let left = names(&edge.state());
    let work = left.iter().find(|name| name.starts_with("work-")).unwrap();
    let lock = edge.state().join(work).join("lock");
    assert!(fs::File::open(&lock).unwrap().try_lock().is_err());
    fs::write(&lock, "").unwrap();

    edge.bench.set("FLEXCTL", real.to_str().unwrap());
    edge.renew(&["--flexctl-timeout", "10s"])
        .code(0)
        .tells("a program of a run that was killed was still running, and has ended now");
    let pid = fs::read_to_string(pid_file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    // Nobody may have waited for the orphan yet, so a zombie counts as ended.
    wait_until("the orphan has ended", || {
        fs::read_to_string(&stat).map_or(true, |state| state.contains(") Z"))
    });
    assert_eq!(edge.calls().len(), 1);
    assert_eq!(names(&edge.state()), ["backups"]);
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn no_second_flexctl_is_started_beside_one_that_cannot_be_ended() {
    let edge = Edge::with_days(10);
    let work = edge.state().join("work-left");
    fs::create_dir_all(&work).unwrap();
    fs::set_permissions(edge.state(), fs::Permissions::from_mode(0o700)).unwrap();
    let held = fs::File::create_new(work.join("lock")).unwrap();
    held.lock().unwrap();
    edge.renew(&["--flexctl-timeout", "1s"])
        .code(6)
        .tells("may still be running, and cannot be ended")
        .tells("Find it with lsof");
    assert!(edge.calls().is_empty());
    drop(held);
    edge.renew(&[]).code(0);
}

#[test]
fn a_restart_comes_to_its_own_end_when_the_run_is_told_to_stop() {
    for signal in ["TERM", "INT"] {
        let mut edge = Edge::with_days(10);
        edge.bench.set(
            "FLEX_RESTART_CMD",
            format!(
                "trap 'touch signalled' {signal}; kill -{signal} $PPID; sleep 1; touch restarted"
            ),
        );
        edge.renew(&[])
            .code(7)
            .tells("stopped by a signal after the restart");
        assert!(edge.in_home("restarted").exists() && !edge.in_home("signalled").exists());
        assert_eq!(days_left(&edge.installed()), 365);
        assert_eq!(names(&edge.state()), ["backups"]);
        edge.renew(&[]).code(0).prints("not due");
        assert_eq!(edge.calls().len(), 1);
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once_and_the_next_one_finishes_it() {
    let mut edge = Edge::with_days(10);
    edge.bench.set(
        "FLEX_RESTART_CMD",
        "kill -TERM $PPID; while kill -TERM $PPID 2>/dev/null; do :; done; touch ended",
    );
    assert_eq!(edge.renew(&[]).code, None);
    // Nobody cut it off.
    wait_until("the restart has ended", || edge.in_home("ended").exists());
    edge.run(&["check", edge.file.to_str().unwrap()])
        .code(10)
        .prints("UNFINISHED");
    edge.bench.set("FLEX_RESTART_CMD", ":");
    edge.renew(&[])
        .code(0)
        .tells("an earlier run was interrupted");
    assert_eq!(edge.calls().len(), 1);
    edge.run(&["check", edge.file.to_str().unwrap()]).code(0);
}

#[test]
fn a_restart_that_fails_after_a_signal_is_no_reason_to_go_back() {
    let mut edge = Edge::with_days(10);
    edge.bench
        .set("FLEX_RESTART_CMD", "kill -TERM $PPID; sleep 1; false");
    edge.renew(&[])
        .code(5)
        .tells("the next run restarts the gateway once more");
    assert_eq!(days_left(&edge.installed()), 365);
    edge.bench.set("FLEX_RESTART_CMD", ":");
    edge.renew(&[])
        .code(0)
        .tells("an earlier run was interrupted");
    assert_eq!(edge.calls().len(), 1);
}

#[test]
fn a_restart_has_the_time_that_it_is_given() {
    let mut edge = Edge::with_days(10);
    let before = edge.bytes();
    edge.bench.set("FLEX_RESTART_CMD", "exec sleep 1000");
    edge.renew(&["--restart-timeout", "1s"])
        .code(6)
        .tells("did not finish within 1s")
        .tells("is set by --restart-timeout");
    assert_eq!(edge.bytes(), before);
    // Going back is not finished as long as the gateway has not been restarted.
    edge.run(&["check", edge.file.to_str().unwrap()]).code(10);
    edge.bench.set("FLEX_RESTART_CMD", "touch back");
    edge.renew(&["--within", "1d"])
        .code(0)
        .tells("was putting the old registration back")
        .prints("not due");
    assert!(edge.in_home("back").exists());
    assert_eq!(edge.bytes(), before);
    assert_eq!(names(&edge.state()), ["backups", "rejected"]);
}

#[test]
fn acme_sh_at_its_finest_level_logs_no_secret() {
    for fault in ["", "echo", "wrong-key"] {
        let mut edge = Edge::with_days(10);
        let log = edge.in_home("acme.sh.log");
        edge.bench
            .set("ANYPOINT_HOOKS_VOICE", "acme")
            .set("DEBUG", "3")
            .set("LOG_LEVEL", "3")
            .set("LOG_FILE", log.to_str().unwrap())
            .set("FLEX_REGISTRATION_FILE", edge.file.to_str().unwrap())
            .set("FLEXCTL_FAULT", fault);
        let key = String::from_utf8(edge.bytes()).unwrap();
        let key = key.lines().rev().nth(2).unwrap().trim().to_owned();
        let run = edge.run(&["run"]);
        assert_eq!(run.code == Some(0), fault.is_empty(), "{run}");
        let log = fs::read_to_string(log).unwrap();
        assert!(
            !log.contains(SECRET) && !log.contains(&key) && log.contains("asking"),
            "{log}"
        );
    }
}

#[test]
fn a_time_longer_than_a_new_certificate_lasts_has_it_renewed_once_and_is_objected_to() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_DAYS", "90");
    edge.renew(&["--within", "400d"]).code(0).prints("renewed");
    for _ in 0..2 {
        edge.renew(&["--within", "400d"])
            .code(0)
            .prints("not due")
            .tells("a certificate of 90 days is not renewed before a quarter of that has passed")
            .tells("choose a shorter --within");
    }
    let file = edge.file.to_str().unwrap();
    edge.run(&["check", file, "--within", "400d"]).code(0);
    assert_eq!(edge.calls().len(), 1);
}
