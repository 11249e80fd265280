//! Wrong input, and everything that can go wrong with `flexctl`: each has its exit code and its words, and the installed
//! registration stays as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use simulator::registration::{Identity, Layout, arrange, compose, material};

use crate::edge::{Edge, days_left, in_days, is_root, names};

/// `FLEXCTL_FAULT`, exit code, words.
const FAULTS: [(&str, i32, &str); 20] = [
    ("lie", 7, "wrote no registration"),
    ("platform", 5, "reg facade call returned error response"),
    ("empty", 7, "the new registration is empty"),
    ("garbage", 7, "not text in UTF-8"),
    ("html", 7, "is not YAML"),
    ("cut", 7, "cannot be used"),
    (
        "no-certificate",
        7,
        "there is no certificate in the new registration",
    ),
    ("same-date", 7, "no longer than the old one's"),
    ("copy", 7, "no longer than the old one's"),
    ("other-gateway", 7, "it is of gateway"),
    ("other-organization", 7, "it is of organization"),
    ("wrong-key", 7, "no private key that belongs"),
    ("exit", 5, "something went wrong after all"),
    (
        "echo",
        5,
        "flexctl registration renew ended with exit code 1",
    ),
    ("unreachable", 6, "no such host"),
    (
        "mfa",
        3,
        "multi-factor authentication, which flexctl cannot answer",
    ),
    (
        "scope",
        3,
        "Read Servers, Manage Servers and View Organization",
    ),
    ("old", 5, "too old to renew"),
    ("old-help", 5, "too old to renew"),
    ("hang", 6, "did not finish within 1s"),
];

#[test]
fn nothing_that_flexctl_does_wrong_reaches_the_gateway() {
    for (fault, code, words) in FAULTS {
        let mut edge = Edge::with_days(10);
        edge.bench
            .set("FLEXCTL_FAULT", fault)
            .set("FLEX_RESTART_CMD", "touch restarted");
        let before = edge.bytes();
        let run = edge.renew(&[
            "--flexctl-timeout",
            if fault == "hang" { "1s" } else { "60s" },
        ]);
        assert_eq!(run.code, Some(code), "{fault}: {run}");
        assert!(run.stderr.contains(words), "{fault}: {run}");
        assert_eq!(edge.bytes(), before, "{fault}");
        assert!(!edge.in_home("restarted").exists(), "{fault}");
        assert_eq!(
            names(edge.file.parent().unwrap()),
            ["registration.yaml"],
            "{fault}"
        );
        let left = names(&edge.state());
        assert!(
            left.iter().all(|name| name == "rejected"),
            "{fault}: {left:?}"
        );

        edge.bench.unset("FLEXCTL_FAULT");
        edge.renew(&[]).code(0);
        assert_eq!(days_left(&edge.installed()), 365, "{fault}");
    }
}

#[test]
fn a_renewal_without_the_success_message_counts_and_is_remarked_on() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_FAULT", "silent");
    edge.renew(&[]).code(0).tells("did not say");
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_different_opinion_of_flexctl_is_said_and_decides_nothing() {
    let mut edge = Edge::with_days(10);
    let flexctl = edge.in_home("differs");
    // Only the inspection after the renewal gets the fault.
    let real = fixtures::program("flexctl");
    edge.bench.write(
        "differs",
        format!("#!/bin/sh\n[ \"$2\" = inspect ] && export FLEXCTL_FAULT=inspect-differs\nexec {} \"$@\"\n", real.display()),
    );
    fs::set_permissions(&flexctl, fs::Permissions::from_mode(0o755)).unwrap();
    edge.bench.set("FLEXCTL", flexctl.to_str().unwrap());
    edge.renew(&[])
        .code(0)
        .tells("says that the certificate expires on 2001-02-03 04:05 UTC");
}

#[test]
fn flexctl_that_writes_and_then_hangs_is_stopped_and_what_it_wrote_is_kept() {
    let mut edge = Edge::with_days(10);
    edge.bench
        .set("FLEXCTL_FAULT", "hang-after-writing")
        .set("FLEXCTL_TIMEOUT", "1s");
    let before = edge.bytes();
    edge.renew(&[])
        .code(6)
        .tells("did not finish within 1s")
        .tells("what flexctl wrote is kept in");
    assert_eq!(edge.bytes(), before);
    assert!(edge.state().join("rejected/registration.yaml").exists());
}

#[test]
fn refused_credentials_are_named() {
    let mut edge = Edge::with_days(10);
    edge.bench
        .set_secret("FLEX_CLIENT_SECRET", "wrong-canary-secret-99");
    edge.renew(&[])
        .code(3)
        .tells("401")
        .tells("Check FLEX_CLIENT_ID and FLEX_CLIENT_SECRET");
    edge.bench.unset("FLEX_CLIENT_SECRET");
    edge.renew(&[])
        .code(2)
        .tells("FLEX_CLIENT_SECRET is missing, while FLEX_CLIENT_ID (environment) is given");
    edge.bench.unset("FLEX_CLIENT_ID");
    edge.renew(&[])
        .code(2)
        .tells("no credentials for flexctl: FLEX_CLIENT_ID and FLEX_CLIENT_SECRET are not set");
    edge.bench.set("FLEX_USERNAME", "ada");
    edge.renew(&[])
        .code(2)
        .tells("FLEX_PASSWORD is missing, while FLEX_USERNAME (environment) is given");
}

#[test]
fn credentials_of_the_platform_are_not_used_for_flexctl() {
    let mut edge = Edge::with_days(10);
    edge.bench
        .unset("FLEX_CLIENT_ID")
        .unset("FLEX_CLIENT_SECRET")
        .set("ANYPOINT_CLIENT_ID", "app")
        .set_secret("ANYPOINT_CLIENT_SECRET", "canary-anypoint-2");
    edge.renew(&[]).code(2).tells("no credentials for flexctl");
}

#[test]
fn each_kind_of_wrong_registration_is_named() {
    let mut edge = Edge::with_days(10);
    let identity = Identity::default();
    let whole = compose(&identity, Layout::Pem, in_days(10))
        .unwrap()
        .registration;
    let mut mixed = material(&identity, in_days(10)).unwrap();
    mixed.key_pem = material(&identity, in_days(10)).unwrap().key_pem;
    let mixed = arrange(&identity, Layout::Pem, &mixed)
        .unwrap()
        .registration;
    let key_only = compose(&identity, Layout::Split, in_days(10))
        .unwrap()
        .registration;
    let cut = &whole[..whole.find("-----END CERTIFICATE").unwrap() - 100];
    let cases: [(&str, &[u8], &str); 8] = [
        ("empty", b"\n", "is empty"),
        ("prose", b"hello\n", "holds no mapping"),
        ("broken", b"a: [b\nc: }\n", "is not YAML"),
        ("binary", &[0xff, 0xfe, 0, 1], "not text in UTF-8"),
        (
            "bare",
            b"kind: Configuration\nmetadata:\n  name: registration\n",
            "there is no certificate in",
        ),
        ("cut", cut.as_bytes(), "there is no certificate in"),
        (
            "split",
            key_only.as_bytes(),
            "certificate.yaml has to be beside it",
        ),
        (
            "mixed",
            mixed.as_bytes(),
            "holds no private key that belongs to its certificate",
        ),
    ];
    for (name, bytes, words) in cases {
        let path = edge
            .bench
            .write(&format!("{name}/registration.yaml"), bytes);
        let path = path.to_str().unwrap();
        for command in ["inspect", "check", "renew"] {
            let run = edge.run(&[command, path]);
            assert_eq!(run.code, Some(2), "{command} {name}: {run}");
            assert!(run.stderr.contains(words), "{command} {name}: {run}");
        }
    }
    edge.run(&["renew", "/nowhere/registration.yaml"])
        .code(4)
        .tells("/nowhere/registration.yaml does not exist");
    edge.run(&["renew", edge.bench.home().to_str().unwrap()])
        .code(2)
        .tells("is a folder");
    edge.bench.unset("FLEX_CLIENT_ID");
    assert!(edge.calls().is_empty());
}

#[test]
fn of_two_certificates_the_one_that_ends_first_counts() {
    let edge = Edge::with_days(300);
    let identity = Identity::default();
    let mut text = String::from_utf8(edge.bytes()).unwrap();
    let early = compose(&identity, Layout::Pem, in_days(5))
        .unwrap()
        .registration;
    text += &early;
    fs::write(&edge.file, text).unwrap();
    edge.run(&["check", edge.file.to_str().unwrap()])
        .code(10)
        .prints("5 days left");
    edge.renew(&[]).code(0);
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_missing_flexctl_and_a_missing_systemctl_are_found_before_anything_is_changed() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL", "/nowhere/flexctl");
    edge.renew(&[])
        .code(4)
        .tells("/nowhere/flexctl is not there")
        .tells("cron has a short PATH");
    let empty = edge.in_home("empty");
    fs::create_dir(&empty).unwrap();
    edge.bench
        .unset("FLEX_RESTART_CMD")
        .set("FLEXCTL", fixtures::program("flexctl").to_str().unwrap())
        .set("PATH", empty.to_str().unwrap());
    edge.renew(&[])
        .code(4)
        .tells("systemctl is not installed")
        .tells("Nothing was changed");
    edge.bench.unset("FLEXCTL");
    edge.renew(&[])
        .code(4)
        .tells("neither flexctl nor a usable docker or podman");
    assert!(edge.calls().is_empty());
}

#[test]
fn a_folder_that_may_not_be_written_is_found_before_flexctl_is_asked() {
    let edge = Edge::with_days(10);
    let state = edge.in_home("state");
    if is_root() {
        // Root may write everywhere but where the file system says no.
        let folder = edge.file.parent().unwrap();
        let frozen = std::process::Command::new("chattr")
            .arg("+i")
            .arg(folder)
            .status();
        if !frozen.is_ok_and(|status| status.success()) {
            return run_as_nobody(&edge);
        }
        let run = edge.renew(&["--state-dir", state.to_str().unwrap()]);
        std::process::Command::new("chattr")
            .arg("-i")
            .arg(folder)
            .status()
            .unwrap();
        run.code(2).tells("cannot be replaced");
    } else {
        let folder = edge.file.parent().unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
        let run = edge.renew(&["--state-dir", state.to_str().unwrap()]);
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        run.code(2).tells("cannot be replaced");
    }
    assert!(edge.calls().is_empty());
}

fn run_as_nobody(edge: &Edge) {
    use std::os::unix::process::CommandExt;
    let state = edge.in_home("state");
    fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(edge.bench.home(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&edge.file, fs::Permissions::from_mode(0o644)).unwrap();
    let file = edge.file.to_str().unwrap();
    let output = edge
        .bench
        .command(
            "flex-renew",
            ["renew", file, "--state-dir", state.to_str().unwrap()],
        )
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    fixtures::Finished::from(output)
        .code(2)
        .tells("cannot be replaced")
        .tells("Nothing was changed");
    assert!(edge.calls().is_empty());
}

#[test]
fn a_form_for_inspections_is_refused_elsewhere() {
    let edge = Edge::with_days(10);
    edge.run(&["renew", "--runtime", "cloud"])
        .code(2)
        .tells("possible values: linux, docker, podman, kubernetes");
    edge.renew(&["--output", "flexctl"])
        .code(2)
        .tells("is a form of inspect only");
}
