//! Prometheus' own tool accepts the metrics.

use std::io::Write as _;
use std::process::{Command, Stdio};

use fixtures::Bench;
use jiff::Timestamp;
use simulator::anypoint::{ApiInstance, FlexGateway, Replica};
use simulator::seed::{ORGANIZATION_ID, SANDBOX_ID};

use crate::fixture::{bench, check, hostile_names, list, metrics, platform_fails};

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
fn promtool_accepts_gateways_and_apis_whatever_they_are_called() {
    let mut bench = Bench::with_api("canary-password-of-monitoring");
    // No registration of this host is meant.
    bench.set("ANYPOINT_ENV", "Sandbox").set("PATH", "/nowhere");
    for (number, name) in hostile_names().into_iter().enumerate() {
        let mut world = bench.sim.world();
        world.anypoint.add_api(ApiInstance {
            environment: SANDBOX_ID.to_owned(),
            asset: format!("api-{number}"),
            label: Some(name.clone()),
            ..ApiInstance::default()
        });
        let replica = Replica {
            name: name.clone(),
            connected: true,
            expires: Some(Timestamp::UNIX_EPOCH),
            ..Replica::default()
        };
        world.anypoint.gateways.push(FlexGateway {
            id: format!("2f0c6f3e-0000-4000-8000-00000000000{number}"),
            name,
            organization: ORGANIZATION_ID.to_owned(),
            environment: SANDBOX_ID.to_owned(),
            deleted: false,
            replicas: vec![replica],
        });
    }
    let gateways = ["check", "--replicas", "--output", "prometheus"];
    let gateways = bench.run("flex-renew", gateways);
    let apis = bench.run("basic-auth-policy", ["check", "--output", "prometheus"]);
    for (told, code, metric, samples) in [
        (
            gateways,
            11,
            "anypoint_replica_not_after_timestamp_seconds",
            4,
        ),
        // One is in the demonstration data.
        (apis, 10, "anypoint_api_protected", 5),
    ] {
        let text = &told.code(code).stdout;
        accepts(text);
        assert_eq!(metrics(text)[metric].len(), samples);
    }
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
