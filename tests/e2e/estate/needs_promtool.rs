//! Prometheus' own tool accepts the metrics of a whole estate, and the example alerts.

use std::fs;
use std::process::{Command, Stdio};

use fixtures::root;
use serde_json::json;

use crate::estate::{Estate, in_hours, item, text, wrong};

#[test]
#[ignore = "needs promtool, of Debian's prometheus: scripts/test.sh"]
fn promtool_accepts_the_metrics_of_a_run_whatever_things_are_called() {
    let estate = Estate::new();
    let names = [
        "a\"b\\c\nd",
        "\u{1b}[2J\u{202e}<script>",
        "{x=\"y\"} 1",
        "same",
        "same",
    ];
    for program in ["cloudhub_v2", "flex-renew"] {
        let mut items: Vec<_> = names.iter().map(|name| item("tls_context", name)).collect();
        for (hours, item) in (1..).zip(&mut items) {
            item["not_after"] = json!(in_hours(hours * 1000));
        }
        // Two programs that cannot ask the same host.
        items.push(wrong("platform", "anypoint", "unknown"));
        estate.finds(program, &items);
    }
    estate.ends("basic-auth-policy", "apply", 6);
    let file = estate.bench.home().join("anypoint.prom");
    estate.run(["run", "--textfile", text(&file)]).code(6);
    let output = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::from(fs::File::open(&file).unwrap()))
        .output()
        .unwrap();
    let metrics = fs::read_to_string(&file).unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}\n{metrics}"
    );
    assert!(
        metrics.contains("anypoint_last_run_timestamp_seconds{program=\"anypoint-estate\"}"),
        "{metrics}"
    );
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus: scripts/test.sh"]
fn the_example_alerts_follow_what_time_brings() {
    for (command, file) in [
        ("check", "scripts/prometheus/anypoint-alerts.yml"),
        ("test", "tests/e2e/estate/alerts.yml"),
    ] {
        let output = Command::new("promtool")
            .args([command, "rules"])
            .arg(root().join(file))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
