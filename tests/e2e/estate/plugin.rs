//! `check --output nagios` as the plugin of a monitoring system, which reads it by the guidelines for plugins.

use std::collections::BTreeMap;

use fixtures::{Finished, root};
use serde_json::json;

use crate::estate::{Estate, in_hours, item, text, wrong};

/// What a monitoring system has made of a run.
#[derive(Debug)]
struct Reading {
    state: String,
    text: String,
    data: BTreeMap<String, Datum>,
}

#[derive(Debug)]
struct Datum {
    value: f64,
    warning: String,
    critical: String,
}

impl Datum {
    /// The state that its thresholds make of it.
    fn state(&self) -> &'static str {
        if is_outside(self.value, &self.critical) {
            "CRITICAL"
        } else if is_outside(self.value, &self.warning) {
            "WARNING"
        } else {
            "OK"
        }
    }
}

/// Whether a value lies outside of a range as the guidelines write it, `START:END`, where `START:` may be left out.
fn is_outside(value: f64, range: &str) -> bool {
    if range.is_empty() {
        return false;
    }
    let (start, end) = range.split_once(':').unwrap_or(("0", range));
    let bound = |text: &str, none: f64| match text {
        "" => none,
        text => text.parse().unwrap(),
    };
    value < bound(start, 0.0) || value > bound(end, f64::INFINITY)
}

fn plugin(estate: &Estate, args: &[&str]) -> Reading {
    let wrapper = root().join("tests/e2e/estate/wrapper.sh");
    let program = estate.bin().join("anypoint-estate");
    let fixed = [text(&wrapper), text(&program)];
    let run = estate.bench.run_other("sh", fixed.iter().chain(args));
    read(run.code(0))
}

fn read(run: &Finished) -> Reading {
    let mut lines = run.stdout.lines();
    let mut next = || lines.next().unwrap().to_owned();
    let (state, text) = (next(), next());
    let data = lines.map(|line| {
        let mut parts = line.split(';').map(str::to_owned);
        let label = parts.next().unwrap();
        let datum = Datum {
            value: parts.next().unwrap().parse().unwrap(),
            warning: parts.next().unwrap_or_default(),
            critical: parts.next().unwrap_or_default(),
        };
        (label, datum)
    });
    Reading {
        state,
        text,
        data: data.collect(),
    }
}

const CHECK: [&str; 3] = ["check", "--output", "nagios"];

#[test]
fn a_monitoring_system_reads_the_four_states_and_thresholds_that_agree_with_them() {
    let estate = Estate::new();
    let expires = |name: &str, days: i64| {
        let mut item = match days {
            ..0 => wrong("tls_context", name, "expired"),
            _ => item("tls_context", name),
        };
        item["not_after"] = json!(in_hours(24 * days + 1));
        item["days_left"] = json!(days);
        item
    };
    let well = expires("shop", 60);
    for (items, state, said, least) in [
        (
            vec![well.clone(), expires("far", 80)],
            "OK",
            "2 ok; the first to expire is shop in 60 days",
            60.0,
        ),
        (
            vec![well.clone(), wrong("api_token", "CF_Token", "due")],
            "WARNING",
            "1 due, 1 ok; CF_Token due: CF_Token is due",
            60.0,
        ),
        (
            vec![
                well.clone(),
                expires("past|'x'=1;2;3", -2),
                wrong("api", "orders", "due"),
            ],
            "CRITICAL",
            "1 expired, 1 due, 1 ok; past/x=1;2;3 expired, -2 days left",
            -2.0,
        ),
        (
            vec![well.clone(), wrong("platform", "anypoint", "unknown")],
            "UNKNOWN",
            "1 unknown, 1 ok; anypoint unknown: anypoint is unknown",
            60.0,
        ),
    ] {
        let count = items.len();
        estate.finds("cloudhub_v2", &items);
        let reading = plugin(&estate, &CHECK);
        assert_eq!(reading.state, state, "{reading:?}");
        let start = format!("ANYPOINT-ESTATE {state}: {said}");
        assert!(reading.text.starts_with(&start), "{reading:?}");
        assert_eq!(reading.data["items"].value, count as f64);
        assert_eq!(reading.data["tls_context_days_left"].value, least);
        let by_thresholds: Vec<&str> = reading.data.values().map(Datum::state).collect();
        let worst = ["CRITICAL", "WARNING", "OK"]
            .into_iter()
            .find(|state| by_thresholds.contains(state))
            .unwrap();
        // A threshold cannot say that something is not known.
        let unknown = reading.data["unknown"].value > 0.0;
        assert_eq!(
            if unknown { "UNKNOWN" } else { worst },
            state,
            "{reading:?}"
        );
    }
}

#[test]
fn a_monitoring_system_reads_what_goes_wrong_with_the_check_itself_as_unknown() {
    let estate = Estate::new();
    let nonsense = [&CHECK[..], &["--nonsense"]].concat();
    for (args, said) in [
        (&nonsense[..], "--nonsense"),
        (
            &["check", "--output=nagios", "--config", "nowhere"],
            "nowhere",
        ),
    ] {
        let reading = plugin(&estate, args);
        assert_eq!(reading.state, "UNKNOWN");
        assert!(reading.text.contains(said), "{reading:?}");
    }
    estate.prints("flex-renew", "check", "{\"items\": [");
    let reading = plugin(&estate, &CHECK);
    assert_eq!(reading.state, "UNKNOWN");
    assert!(reading.text.contains("flex-renew check"), "{reading:?}");
    // What is worse than unknown stays so.
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "expired")]);
    assert_eq!(plugin(&estate, &CHECK).state, "CRITICAL");
    // Neither an answer nor a code of a check.
    estate.tells("flex-renew", "check", "killed\n");
    estate.ends("flex-renew", "check", 6);
    estate.finds("cloudhub_v2", &[]);
    assert_eq!(plugin(&estate, &CHECK).state, "UNKNOWN");
}

#[test]
fn the_wrapper_tells_what_is_amiss() {
    let estate = Estate::new();
    let wrapper = root().join("tests/e2e/estate/wrapper.sh");
    for (script, amiss) in [
        ("echo 'X OK: a | '", "performance data"),
        ("echo 'X OK: a'; exit 2", "no state at the start"),
        ("echo 'X OK: a'; exit 10", "exit code 10"),
        ("echo 'X OK: a'; echo b", "several lines"),
        ("echo 'X OK: a | b | c'", "two bars"),
        ("echo \"X OK: a | 'b'=1;x;;\"", "performance data"),
        (":", "no output"),
    ] {
        let args = [text(&wrapper), "sh", "-c", script];
        let run = estate.bench.run_other("sh", args);
        run.code(4).prints(&format!("amiss: {amiss}"));
    }
}
