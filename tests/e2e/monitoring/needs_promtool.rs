//! Prometheus' own tool accepts the metrics.

use std::io::Write as _;
use std::process::{Command, Stdio};

use fixtures::Bench;

use crate::fixture::{bench, check, hostile_names, list, platform_fails};

/// Has promtool read a text and judge its names and units.
#[track_caller]
fn accepts(text: &str) {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}\n{text}"
    );
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus: scripts/test.sh"]
fn promtool_accepts_what_is_found_whatever_it_is_called() {
    let bench = bench();
    list(&bench, &hostile_names(), "2020-01-01");
    accepts(&check(&bench, &["--output", "prometheus"]).code(11).stdout);
    let zone = Bench::with_zone("acme.example");
    accepts(
        &zone
            .run("dns_cf", ["check", "--output", "prometheus"])
            .code(0)
            .stdout,
    );
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus: scripts/test.sh"]
fn promtool_accepts_what_a_failed_run_writes() {
    let bench = bench();
    platform_fails(&bench);
    let run = check(&bench, &["--output", "prometheus"]);
    assert_ne!(run.code, Some(0));
    accepts(&run.stdout);
}
