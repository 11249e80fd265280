//! The forms that user name and password are handed over in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::fixture::{bench, mode, password_of, run, the_policy, url};

const FILES: [&str; 8] = [
    "--password-out",
    "plain",
    "--env-out",
    ".env",
    "--postman-out",
    "postman.json",
    "--netrc-out",
    "netrc",
];

#[test]
fn every_form_is_written_and_rotated_together_and_keeps_what_others_wrote() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    bench.write(".env", "# ours\nLOG_LEVEL=debug\n");
    let environment = bench.write(
        "postman.json",
        r#"{ "id": "e1", "name": "Orders", "values": [ { "key": "baseUrl", "value": "https://api.acme.example",
           "type": "default", "enabled": true }, { "key": "username", "value": "old", "enabled": false } ],
           "_postman_variable_scope": "environment" }"#,
    );
    fs::set_permissions(&environment, fs::Permissions::from_mode(0o644)).unwrap();
    bench.write("netrc", "machine api.acme.example login ada password one\n");
    let with = |args: &[&'static str]| [args, &FILES[..]].concat();
    run(&bench, &with(&["apply", "--generate-password"]))
        .code(2)
        .tells("--netrc-machine");
    assert!(bench.sim.requests().is_empty());
    let apply = with(&[
        "apply",
        "--generate-password",
        "--netrc-machine",
        "127.0.0.1",
    ]);
    run(&bench, &apply).code(0);
    let read = |name: &str| fs::read_to_string(bench.home().join(name)).unwrap();
    let in_all = || {
        let plain = read("plain").trim().to_owned();
        assert_eq!(password_of(&the_policy(&bench)), plain);
        assert_eq!(
            read(".env"),
            format!(
                "# ours\nLOG_LEVEL=debug\nBASIC_AUTH_USERNAME=svc\nBASIC_AUTH_PASSWORD={plain}\n"
            )
        );
        let environment: serde_json::Value = serde_json::from_str(&read("postman.json")).unwrap();
        assert_eq!(environment["id"], "e1");
        assert_eq!(
            environment["values"][0]["value"],
            "https://api.acme.example"
        );
        assert_eq!(environment["values"][1]["value"], "svc");
        assert_eq!(environment["values"][1]["enabled"], false);
        assert_eq!(environment["values"][2]["value"], plain);
        assert_eq!(
            read("netrc"),
            format!(
                "machine api.acme.example login ada password one\nmachine 127.0.0.1\n\tlogin svc\n\tpassword {plain}\n"
            )
        );
        for name in ["plain", "postman.json"] {
            assert_eq!(mode(&bench.home().join(name)), 0o600, "{name}");
        }
        plain
    };
    let first = in_all();
    // One that is missing gets the password that the others have.
    fs::remove_file(bench.home().join("plain")).unwrap();
    run(&bench, &apply)
        .code(0)
        .prints("is up to date")
        .never_shows(&first);
    assert_eq!(in_all(), first);
    let address = url(&bench, "/orders");
    let mut rotate = with(&["rotate", "--timeout", "1s", "--url"]);
    rotate.insert(4, &address);
    run(&bench, &rotate);
    assert_ne!(in_all(), first);
}

#[test]
fn a_file_of_another_form_is_refused_before_the_first_request() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    bench.write("postman.json", r#"{ "info": { "name": "a collection" } }"#);
    run(&bench, &["rotate", "--postman-out", "postman.json"])
        .code(2)
        .tells("--postman-out")
        .tells("not an environment");
    run(&bench, &["rotate", "--env-out", "no/such/folder"])
        .code(2)
        .tells("--env-out");
    assert!(bench.sim.requests().is_empty());
    run(&bench, &["apply", "--env-out", "x"])
        .code(2)
        .tells("--generate-password");
}
