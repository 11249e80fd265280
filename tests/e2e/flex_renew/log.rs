//! What the gateway's log shows: a proof without credentials, a refusal, and a registration of version 1.

use std::fs;

use crate::edge::{Edge, days_left};

pub(crate) const STARTED: &str =
    "[flex-gateway-envoy][info] all dependencies initialized. starting workers\n";
pub(crate) const CONNECTED: &str = "[flex-gateway-agent][info] Anypoint websocket: connected\n";
pub(crate) const GAVE_UP: &str =
    "[flex-gateway-agent][error] Max retries reached for token authorization\n";
const TRIES: &str =
    "[flex-gateway-agent][error] Error authorizing https://anypoint.mulesoft.com/accounts\n";
const VERSION_1: &str = "[flex-gateway-agent][warn] Registration is using v1 version, but some metrics are only \
                         supported for v2. Please renew your registration to avoid errors.\n";

/// A gateway of systemd with this in its journal.
fn edge(days: i64, journal: &[&str]) -> Edge {
    let mut edge = Edge::with_days(days);
    edge.on_path("systemd");
    let file = edge.bench.write("journal", journal.concat());
    let log = edge.in_home("journalctl.log");
    edge.bench
        .unset("FLEX_RESTART_CMD")
        .set("JOURNAL", file.to_str().unwrap())
        .set("JOURNALCTL_LOG", log.to_str().unwrap());
    edge
}

#[test]
fn the_log_since_the_restart_proves_that_the_gateway_is_connected() {
    let edge = edge(10, &[STARTED, CONNECTED]);
    edge.renew(&[])
        .code(0)
        .prints("; the gateway's log shows that it is connected");
    let calls = fs::read_to_string(edge.in_home("journalctl.log")).unwrap();
    assert!(
        calls
            .lines()
            .all(|call| call.ends_with(" _SYSTEMD_INVOCATION_ID=0")),
        "{calls}"
    );
    let json = edge.renew(&["--force", "--output", "json"]).code(0).json();
    assert_eq!(json["log"], "connected");
}

#[test]
fn a_gateway_in_local_mode_has_to_start_and_no_more() {
    let edge = edge(10, &[STARTED]);
    let text = String::from_utf8(edge.bytes()).unwrap();
    fs::write(&edge.file, text.replace("mode: online", "mode: local")).unwrap();
    // The stand-in writes registrations of gateways that are connected.
    edge.renew(&["--timeout", "0s"])
        .code(7)
        .tells("does not show that it is connected");
    let wrapper = format!(
        "#!/bin/sh\n{} \"$@\"\nfor file in */registration.yaml; do sed -i 's/mode: online/mode: local/' \"$file\"; done\n",
        fixtures::program("flexctl").display()
    );
    let path = edge.bench.write("local-flexctl", wrapper);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    edge.renew(&["--force", "--flexctl", path.to_str().unwrap()])
        .code(0)
        .prints("; the gateway's log shows that it has started");
}

#[test]
fn a_registration_that_the_platform_refuses_goes_back() {
    for journal in [&[STARTED, GAVE_UP] as &[&str], &[STARTED, TRIES]] {
        let edge = edge(10, journal);
        let before = edge.bytes();
        edge.renew(&["--timeout", "0s"])
            .code(5)
            .tells("the platform does not accept the new registration")
            .tells("the old one is in place again");
        assert_eq!(edge.bytes(), before);
    }
}

#[test]
fn a_log_without_the_sign_proves_nothing_and_an_empty_one_is_no_log() {
    let edge_with = |journal: &[&str]| edge(10, journal);
    let silent = edge_with(&[STARTED]);
    silent
        .renew(&["--timeout", "0s"])
        .code(7)
        .tells("nothing proves it: the gateway's log does not show that it is connected");
    assert_eq!(days_left(&silent.installed()), 365);
    let empty = edge_with(&[]);
    empty.renew(&["--timeout", "0s"]).code(0);
}

#[test]
fn a_registration_of_version_1_is_due_whatever_its_date_but_not_again_and_again() {
    let edge = edge(100, &[VERSION_1, STARTED, CONNECTED]);
    let file = edge.file.to_str().unwrap();
    edge.run(&["check", file])
        .code(10)
        .prints("DUE ")
        .prints("100 days left");
    edge.renew(&[])
        .code(0)
        .tells("the registration is of version 1")
        .prints("renewed");
    // This log still says so, as that of a gateway would if flexctl were too old.
    edge.renew(&[])
        .code(0)
        .prints("not due")
        .tells("although it was renewed lately: use the newest flexctl");
    edge.run(&["check", file]).code(0);
    assert_eq!(edge.calls().len(), 1);
}
