//! Where the password comes from, and where a generated one goes.

use simulator::Fault;
use simulator::faults::Action;

use crate::fixture::{
    OTHER, PASSWORD, POLICIES, bench, mode, password_of, pending, run, scopes, the_policy,
};

#[test]
fn a_weak_password_is_refused_unless_allowed() {
    for (user, password, why) in [
        ("foo", "bar", "tutorial"),
        ("service-account", "service-account", "is the user name"),
        ("svc", "short", "fewer than 12"),
    ] {
        let mut bench = bench();
        bench
            .set("BASIC_AUTH_USERNAME", user)
            .set("BASIC_AUTH_PASSWORD", password);
        run(&bench, &["apply"])
            .code(2)
            .tells(why)
            .tells("--allow-weak");
        assert!(
            bench.sim.requests().is_empty(),
            "refused before any request"
        );
        run(&bench, &["apply", "--allow-weak"]).code(0).tells(why);
        assert_eq!(password_of(&the_policy(&bench)), password);
    }
}

#[test]
fn what_basic_authentication_cannot_carry_is_refused_with_the_reason() {
    let mut bench = bench();
    bench.set("BASIC_AUTH_USERNAME", "a:b");
    run(&bench, &["apply"])
        .code(2)
        .tells("BASIC_AUTH_USERNAME")
        .tells("colon");
    bench.set("BASIC_AUTH_USERNAME", "a\tb");
    run(&bench, &["apply"]).code(2).tells("control character");
    bench.set("BASIC_AUTH_USERNAME", "svc");
    bench.set("BASIC_AUTH_PASSWORD", "canary\u{1}control-7be1");
    run(&bench, &["apply"])
        .code(2)
        .tells("BASIC_AUTH_PASSWORD")
        .tells("control character");
}

#[test]
fn a_password_comes_from_a_file_or_standard_input() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    run(&bench, &["apply"])
        .code(2)
        .tells("BASIC_AUTH_PASSWORD_FILE")
        .tells("--generate-password");
    let file = bench.write("password", format!("{PASSWORD}\n"));
    run(&bench, &["apply", "--password-file", "password"]).code(0);
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    bench
        .run_with_input(
            "basic-auth-policy",
            ["apply", "--password-stdin"],
            &format!("{OTHER}\n"),
        )
        .code(0)
        .never_shows(OTHER);
    assert_eq!(password_of(&the_policy(&bench)), OTHER);
    bench.set("BASIC_AUTH_PASSWORD_FILE", file.to_str().unwrap());
    run(&bench, &["apply"]).code(0).prints("password");
    run(&bench, &["apply", "--password-file", "nowhere"])
        .code(4)
        .tells("nowhere");
    bench.write("empty", "");
    run(&bench, &["apply", "--password-file", "empty"])
        .code(2)
        .tells("is empty");
    run(&bench, &["apply", "--password-stdin"])
        .code(2)
        .tells("standard input is empty");
    bench.unset("BASIC_AUTH_USERNAME");
    run(&bench, &["apply"]).code(2).tells("BASIC_AUTH_USERNAME");
    let name = bench.write("user", "from-file\n");
    bench.set("BASIC_AUTH_USERNAME_FILE", name.to_str().unwrap());
    run(&bench, &["apply"]).code(0).prints("user from-file");
}

#[test]
fn a_generated_password_is_handed_over_once_to_a_private_file() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    run(&bench, &["apply", "--generate-password"])
        .code(2)
        .tells("--password-out");
    assert!(bench.sim.requests().is_empty());
    let args = [
        "apply",
        "--generate-password",
        "--password-out",
        "svc.password",
    ];
    let told = run(&bench, &args);
    told.code(0).prints("password in svc.password");
    let file = bench.home().join("svc.password");
    let handed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(handed.trim().len(), 24);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
    told.never_shows(handed.trim());
    // The same command again finds the password that was handed over.
    run(&bench, &args)
        .code(0)
        .prints("is up to date")
        .never_shows(handed.trim());
    assert!(!pending(&bench).exists());
}

#[test]
fn a_generated_password_comes_as_json_on_standard_output() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    let told = run(
        &bench,
        &["apply", "--generate-password", "--output", "json", "-vv"],
    );
    told.code(0);
    let json = told.json();
    let password = json["password"].as_str().unwrap();
    assert_eq!(password_of(&the_policy(&bench)), password);
    assert!(!told.stderr.contains(password));
    assert_eq!(json["action"], "created");
}

#[test]
fn a_generated_password_is_kept_when_its_effect_is_not_known_and_removed_when_there_was_none() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    let args = [
        "apply",
        "--generate-password",
        "--password-out",
        "svc.password",
    ];
    let staged = pending(&bench);
    scopes(
        &bench,
        &[
            "read:api_policies",
            "read:api_configuration",
            "view:environment",
        ],
    );
    run(&bench, &args).code(3);
    assert!(!staged.exists(), "nothing was changed");
    scopes(&bench, &["full"]);
    bench.fault(Fault::on("POST", POLICIES, Action::LostAnswer));
    bench.fault(Fault::on("PATCH", "*/policies/*", Action::LostAnswer).always());
    run(&bench, &args).code(7).tells("may be in force");
    let kept = std::fs::read_to_string(&staged).unwrap();
    bench.sim.faults().clear();
    run(&bench, &args)
        .code(0)
        .tells("left by an interrupted run");
    let handed = std::fs::read_to_string(bench.home().join("svc.password")).unwrap();
    assert_eq!(kept, handed);
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
}
