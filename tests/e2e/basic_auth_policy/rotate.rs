//! `basic-auth-policy rotate`.

use simulator::Fault;
use simulator::faults::Action;

use crate::fixture::{
    OTHER, PASSWORD, bench, connected, mode, password_of, pending, run, switch, the_policy, url,
};

#[test]
fn rotate_changes_the_password_proves_it_and_hands_it_over() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    let args = [
        "rotate",
        "--url",
        &url,
        "--password-out",
        "svc.password",
        "-vv",
    ];
    let told = run(&bench, &args);
    told.code(0)
        .prints("has a new password since 20")
        .prints("password in svc.password")
        .prints("closed")
        .tells("at no time are both accepted");
    let file = bench.home().join("svc.password");
    let handed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
    told.never_shows(handed.trim());
    // Again, over the file that is there.
    run(&bench, &args).code(0);
    let second = std::fs::read_to_string(&file).unwrap();
    assert_ne!(handed, second);
    run(&bench, &["apply", "--password-file", "svc.password"])
        .code(0)
        .prints("is up to date");
}

#[test]
fn rotate_waits_until_the_old_password_is_refused() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    switch(&bench, |switches| switches.api_manager.heard_after = 25);
    let url = url(&bench, "/orders");
    let told = run(&bench, &["rotate", "--url", &url, "--output", "json", "-v"]);
    told.code(0)
        .tells("200 with the previous password in 5 of 10 requests");
    let json = told.json();
    assert_eq!(json["proved_by"], "requests");
    assert_eq!(
        password_of(&the_policy(&bench)),
        json["password"].as_str().unwrap()
    );
}

#[test]
fn rotate_waits_while_a_replica_still_accepts_the_previous_password() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    run(&bench, &["verify", "--url", &url]).code(0);
    switch(&bench, |switches| {
        switches.api_manager.second_replica_after = 35;
    });
    let told = run(
        &bench,
        &["rotate", "--url", &url, "--password-out", "new", "-v"],
    );
    told.code(0).tells("200 with the previous password");
    switch(&bench, |switches| {
        switches.api_manager.second_replica_after = u64::MAX;
    });
    bench.write("old", std::fs::read(bench.home().join("new")).unwrap());
    let mut bench = bench;
    bench
        .set("BASIC_AUTH_PASSWORD_FILE", "old")
        .unset("BASIC_AUTH_PASSWORD");
    let (why, told) = {
        let args = [
            "rotate",
            "--url",
            &url,
            "--output",
            "json",
            "--timeout",
            "3s",
        ];
        let told = run(&bench, &args);
        let cause = told.json()["proof"]["verdicts"][0]["cause"]
            .as_str()
            .unwrap()
            .to_owned();
        (cause, told)
    };
    assert!(
        ["old-password-accepted", "credentials-refused"].contains(&why.as_str()),
        "{why}"
    );
    told.code(7);
}

#[test]
fn rotate_tries_the_old_password_where_it_stands_in_the_hand_over_file() {
    let mut bench = connected();
    let file = bench.write("svc.password", PASSWORD);
    bench
        .unset("BASIC_AUTH_PASSWORD")
        .set("BASIC_AUTH_PASSWORD_FILE", file.to_str().unwrap());
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    run(&bench, &["verify", "--url", &url]).code(0);
    let args = [
        "rotate",
        "--url",
        &url,
        "--password-out",
        "svc.password",
        "-v",
    ];
    let told_of_old = "200 with the previous password";
    switch(&bench, |switches| {
        switches.api_manager.second_replica_after = 35;
    });
    run(&bench, &args).code(0).tells(told_of_old);
    // Nothing but the file says what it was.
    bench.unset("BASIC_AUTH_PASSWORD_FILE");
    run(&bench, &args).code(0).tells(told_of_old);
    // Nor does a file that comes into being now stand in the way.
    bench.set("BASIC_AUTH_PASSWORD_FILE", "later");
    let args = ["rotate", "--url", &url, "--password-out", "later"];
    run(&bench, &args).code(0);
}

#[test]
fn rotate_finds_a_replica_that_does_not_enforce_the_policy() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    switch(&bench, |switches| {
        switches.api_manager.open_replica_every = 10;
    });
    let url = url(&bench, "/orders");
    let args = [
        "rotate",
        "--url",
        &url,
        "--output",
        "json",
        "--timeout",
        "3s",
    ];
    let told = run(&bench, &args);
    told.code(7);
    assert_eq!(
        told.json()["proof"]["verdicts"][0]["cause"],
        "partly-enforced"
    );
}

#[test]
fn rotate_hands_the_password_over_even_if_the_proof_fails() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    switch(&bench, |switches| {
        switches.api_manager.heard_after = u64::MAX;
    });
    let url = url(&bench, "/orders");
    let args = [
        "rotate",
        "--url",
        &url,
        "--password-out",
        "new",
        "--timeout",
        "3s",
    ];
    run(&bench, &args).code(7).prints("NOT PROVED");
    let handed = std::fs::read_to_string(bench.home().join("new")).unwrap();
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
}

#[test]
fn rotate_refuses_what_makes_no_sense() {
    let bench = bench();
    run(&bench, &["rotate"]).code(2).tells("--password-out");
    run(&bench, &["rotate", "--output", "json"])
        .code(4)
        .tells("basic-auth-policy apply");
    run(&bench, &["apply"]).code(0);
    bench.write("same", PASSWORD);
    run(&bench, &["rotate", "--password-file", "same"])
        .code(2)
        .tells("the password that the policy has");
    bench.write("weak", "short");
    run(&bench, &["rotate", "--password-file", "weak"])
        .code(2)
        .tells("fewer than 12");
    bench.write("other", OTHER);
    run(&bench, &["rotate", "--password-file", "other"])
        .code(0)
        .tells("no --url was given")
        .never_shows(OTHER);
    assert_eq!(password_of(&the_policy(&bench)), OTHER);
    run(&bench, &["rotate", "--password-out", "no/such/folder"])
        .code(2)
        .tells("--password-out");
}

#[test]
fn a_rotation_that_changed_nothing_leaves_no_file_and_one_of_unknown_effect_does() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    let staged = pending(&bench);
    let patch = |action| Fault::on("PATCH", "*/policies/*", action).always();
    let refused = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    bench.fault(patch(refused));
    run(&bench, &["rotate", "--password-out", "new"]).code(5);
    assert!(!staged.exists());
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    bench.sim.faults().clear();
    bench.fault(patch(Action::LostAnswer));
    run(&bench, &["rotate", "--password-out", "new"])
        .code(7)
        .tells("may be in force");
    let kept = std::fs::read_to_string(&staged).unwrap();
    assert_eq!(password_of(&the_policy(&bench)), kept.trim());
    bench.sim.faults().clear();
    run(&bench, &["rotate", "--password-out", "new"])
        .code(0)
        .tells("interrupted run");
    assert_eq!(
        kept,
        std::fs::read_to_string(bench.home().join("new")).unwrap()
    );
}
