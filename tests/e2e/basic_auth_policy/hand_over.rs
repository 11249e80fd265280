//! A new password is never only in memory once it may be in force.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Stdio;

use fixtures::{Bench, Finished, wait_until};
use simulator::Fault;
use simulator::faults::Action;

use crate::fixture::{
    PASSWORD, bench, connected, mode, password_of, pending, policies, run, run_raw, scopes, switch,
    the_policy, url,
};

const TO_FILE: [&str; 3] = ["rotate", "--password-out", "new"];
const TO_STDOUT: [&str; 3] = ["rotate", "--output", "json"];

fn text(path: &std::path::Path) -> String {
    fs::read_to_string(path).unwrap().trim_end().to_owned()
}

fn in_force(bench: &Bench) -> String {
    password_of(&the_policy(bench)).to_owned()
}

#[test]
fn what_cannot_take_the_password_is_found_before_the_first_request() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    fs::create_dir(bench.home().join("new")).unwrap();
    bench.sim.clear_log();
    run(&bench, &TO_FILE).code(2).tells("it is a folder");
    run(&bench, &["rotate", "--password-out", "/dev/null"])
        .code(2)
        .tells("not an ordinary file");
    assert!(bench.sim.requests().is_empty());
    assert!(!pending(&bench).exists());
    assert_eq!(in_force(&bench), PASSWORD);
}

#[test]
fn a_password_whose_hand_over_failed_is_handed_over_by_the_next_run() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    let file = bench.home().join("new");
    bench.fault(Fault::on("PATCH", "*/policies/*", Action::Hang));
    let mut child = bench
        .command("basic-auth-policy", TO_FILE)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the password is on disk", || pending(&bench).exists());
    wait_until("it is written", || !text(&pending(&bench)).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = text(&pending(&bench));
    assert_eq!(mode(&pending(&bench)), 0o600);
    bench.sim.faults().clear();

    // A refusal does not delete what an earlier run may have brought into force.
    let refused = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    bench.fault(Fault::on("PATCH", "*/policies/*", refused));
    run(&bench, &TO_FILE)
        .code(5)
        .tells("may be in force")
        .tells(pending(&bench).to_str().unwrap())
        .never_shows(&kept);
    assert_eq!(text(&pending(&bench)), kept);
    bench.sim.faults().clear();

    run(&bench, &TO_FILE).code(0).tells("interrupted run");
    assert_eq!(text(&file), kept);
    assert_eq!(in_force(&bench), kept);
    assert!(!pending(&bench).exists());
}

#[test]
fn a_password_that_is_in_force_already_is_handed_over_all_the_same() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    run(&bench, &TO_FILE).code(0);
    let first = text(&bench.home().join("new"));
    // As a run leaves it that was killed after the write and before the hand-over.
    fs::rename(bench.home().join("new"), pending(&bench)).unwrap();
    let told = run(&bench, &TO_FILE);
    told.code(0)
        .tells("interrupted run")
        .tells("in force already")
        .prints("set by an earlier run");
    assert_eq!(text(&bench.home().join("new")), first);
    assert_eq!(in_force(&bench), first);
    assert!(!pending(&bench).exists());
}

#[test]
fn a_printed_password_is_on_disk_until_it_has_been_printed() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    switch(&bench, |switches| {
        switches.api_manager.heard_after = u64::MAX;
    });
    let url = url(&bench, "/orders");
    let while_it_waits = || {
        let before = in_force(&bench);
        let child = bench
            .command(
                "basic-auth-policy",
                ["rotate", "--output", "json", "--url", &url],
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("the password is in force", || in_force(&bench) != before);
        child
    };
    // Told to stop, it waits no longer, and says what it has.
    let child = while_it_waits();
    signal(child.id());
    let told = Finished::from(child.wait_with_output().unwrap());
    told.code(7).tells(pending(&bench).to_str().unwrap());
    assert_eq!(told.json()["password"], in_force(&bench));
    assert!(!pending(&bench).exists());
    // Killed, it leaves the password where it said.
    let mut child = while_it_waits();
    child.kill().unwrap();
    let told = Finished::from(child.wait_with_output().unwrap());
    told.tells(pending(&bench).to_str().unwrap());
    assert_eq!(text(&pending(&bench)), in_force(&bench));
    assert_eq!(mode(&pending(&bench)), 0o600);

    switch(&bench, |switches| switches.api_manager.heard_after = 0);
    let told = run(&bench, &TO_STDOUT);
    told.code(0).tells("interrupted run");
    assert_eq!(told.json()["password"], in_force(&bench));
    assert!(!pending(&bench).exists());
}

fn signal(child: u32) {
    let pid = child.to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_password_that_was_written_is_printed_even_if_it_cannot_be_read_back() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    let forbidden = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    // The first reading is the one before the write.
    bench.fault(
        Fault::on("GET", "*/policies", forbidden.clone())
            .after(1)
            .always(),
    );
    let told = run(&bench, &TO_STDOUT);
    told.code(7);
    assert_eq!(told.json()["password"], in_force(&bench));
    assert_eq!(told.json()["proved_by"], "failed");
    assert!(!pending(&bench).exists());

    bench.sim.faults().clear();
    bench.fault(Fault::on("GET", "*/policies", forbidden).after(1).always());
    run(&bench, &TO_FILE).code(7);
    assert_eq!(text(&bench.home().join("new")), in_force(&bench));
}

#[test]
fn a_generated_password_that_was_applied_is_kept_when_a_later_step_is_refused() {
    let mut bench = bench();
    run(&bench, &["apply"]).code(0);
    run(&bench, &["remove", "--yes"]).code(0);
    bench.unset("BASIC_AUTH_PASSWORD");
    let forbidden = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    bench.fault(Fault::on("GET", "*/policies", forbidden).after(1).always());
    let told = run(
        &bench,
        &["apply", "--generate-password", "--output", "json"],
    );
    told.code(7).tells(pending(&bench).to_str().unwrap());
    assert_eq!(text(&pending(&bench)), in_force(&bench));
}

#[test]
fn a_link_is_followed_and_mode_and_owner_are_kept() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    let file = bench.write("secrets/svc.password", "old\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let as_root = fs::metadata(&file).unwrap().uid() == 0;
    if as_root {
        chown(&file, Some(65534), Some(65534)).unwrap();
    }
    symlink("secrets/svc.password", bench.home().join("new")).unwrap();
    run(&bench, &TO_FILE).code(0);
    assert!(bench.home().join("new").is_symlink());
    assert_eq!(text(&file), in_force(&bench));
    assert_eq!(mode(&file), 0o640);
    if as_root {
        assert_eq!(fs::metadata(&file).unwrap().uid(), 65534);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    run(&bench, &TO_FILE)
        .code(0)
        .tells("every user of this machine can read it");
}

#[test]
fn a_planted_password_is_never_taken() {
    let mut bench = bench();
    run(&bench, &["apply"]).code(0);
    // Without a state folder it is kept beside the file.
    bench.unset("HOME");
    let planted = bench.write("new.new", "canary-planted-5b0e\n");
    run(&bench, &TO_FILE)
        .code(2)
        .tells("new.new was not left by a run of this user");
    assert_eq!(in_force(&bench), PASSWORD);
    fs::remove_file(&planted).unwrap();
    run(&bench, &TO_FILE).code(0);
    assert!(!planted.exists());
    assert_eq!(text(&bench.home().join("new")), in_force(&bench));
    // What is printed at the end needs a place until then.
    run(&bench, &TO_STDOUT).code(2).tells("could get lost");
}

#[test]
fn a_password_that_never_was_in_force_leaves_nothing() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    scopes(
        &bench,
        &[
            "read:api_policies",
            "read:api_configuration",
            "view:environment",
        ],
    );
    run(&bench, &TO_STDOUT).code(3);
    assert!(!pending(&bench).exists());
    assert_eq!(policies(&bench).len(), 1);
    // Two runs at once would each bring another password into force.
    scopes(&bench, &["full"]);
    bench.write("busy", "");
    fs::copy(bench.home().join("busy"), pending(&bench)).unwrap();
    fs::set_permissions(pending(&bench), fs::Permissions::from_mode(0o600)).unwrap();
    let held = fs::File::open(pending(&bench)).unwrap();
    held.lock().unwrap();
    run_raw(&bench, &TO_STDOUT).code(2).tells("another run");
    assert_eq!(in_force(&bench), PASSWORD);
}
