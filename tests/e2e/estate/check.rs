//! `check`: one view, the most urgent first.

use std::fs;

use fixtures::assert_is_checked;
use serde_json::{Value, json};

use crate::estate::{Estate, PROGRAMS, in_hours, item, text, wrong};

/// Something that expires in so many hours, and is renewed by somebody from then on.
fn expiring(name: &str, hours: i64, renewed_by: Option<&str>, due: i64) -> Value {
    let mut item = item("tls_context", name);
    item["not_after"] = json!(in_hours(hours));
    item["days_left"] = json!(hours / 24);
    if let Some(renewed_by) = renewed_by {
        item["renewed_by"] = json!(renewed_by);
        item["renewal_due"] = json!(in_hours(due));
    }
    item
}

fn names(checked: &Value) -> Vec<&str> {
    checked["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

#[test]
fn everything_stands_in_one_view_the_most_urgent_first() {
    let estate = Estate::new();
    estate.finds(
        "cloudhub_v2",
        &[
            expiring("late", 80 * 24, Some("acme.sh"), 50 * 24),
            wrong("tls_context", "due", "due"),
            expiring("soon", 60 * 24, Some("acme.sh"), 30 * 24),
        ],
    );
    estate.finds("flex-renew", &[wrong("platform", "anypoint", "unknown")]);
    estate.finds(
        "basic-auth-policy",
        &[wrong("api", "orders", "open"), item("api", "well")],
    );
    let checked = estate.run(["check", "--output", "json"]).code(10).json();
    assert_eq!(
        names(&checked),
        ["orders", "due", "anypoint", "soon", "late", "well"]
    );
    assert_is_checked(&checked);
    assert_eq!(checked["program"], "anypoint-estate");
    assert_eq!(checked["state"], "critical");
    assert_eq!(checked["items"][0]["program"], "basic-auth-policy");

    let shown = estate.run(["check"]);
    shown
        .code(10)
        .prints("OPEN")
        .prints("orders: orders is open. Look after orders.");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(
        lines[0].starts_with("STATE") && lines[0].contains("SLACK"),
        "{shown}"
    );
    assert!(lines[1].starts_with("OPEN"), "{shown}");
    assert!(
        lines[6].starts_with("OK") && lines[6].contains("well"),
        "{shown}"
    );
}

#[test]
fn slack_is_what_is_left_after_the_next_automatic_try() {
    let estate = Estate::new();
    estate.finds(
        "cloudhub_v2",
        &[
            // acme.sh looks once a day.
            expiring("planned", 240, Some("acme.sh"), 100),
            expiring("nobody", 241, None, 0),
        ],
    );
    estate.finds(
        "flex-renew",
        &[
            expiring("overdue", 242, Some("flex-renew"), -5),
            expiring("planned too", 243, Some("flex-renew"), 100),
        ],
    );
    let slack = |args: &[&str]| {
        let args = [&["check", "--output", "json"], args].concat();
        let checked = estate.run(args).code(0).json();
        assert_is_checked(&checked);
        let mut slack: Vec<(String, Option<i64>)> = checked["items"]
            .as_array()
            .unwrap()
            .iter()
            // A moment has passed since the test took the time.
            .map(|item| {
                (
                    item["name"].as_str().unwrap().to_owned(),
                    item["slack_hours"].as_i64().map(|hours| hours + 1),
                )
            })
            .collect();
        slack.sort();
        slack
    };
    let expected = |overdue, planned| {
        [
            ("nobody", None),
            ("overdue", overdue),
            ("planned", Some(240 - 100 - 24 + 1)),
            ("planned too", planned),
        ]
        .map(|(name, hours)| (name.to_owned(), hours))
    };
    let near = |found: Vec<(String, Option<i64>)>, wanted: [(String, Option<i64>); 4]| {
        for ((name, found), (wanted_name, wanted)) in found.iter().zip(&wanted) {
            assert_eq!(name, wanted_name);
            let differ = found
                .zip(*wanted)
                .map(|(found, wanted)| (found - wanted).abs());
            assert!(
                found.is_some() == wanted.is_some() && differ.is_none_or(|hours| hours <= 1),
                "{name}: {found:?}, not {wanted:?}"
            );
        }
    };
    near(
        slack(&[]),
        expected(Some(242 - 6 + 1), Some(243 - 100 - 6 + 1)),
    );
    near(
        slack(&["--every", "24h"]),
        expected(Some(242 - 24 + 1), Some(243 - 100 - 24 + 1)),
    );
}

#[test]
fn what_would_be_renewed_too_late_is_due_before_anything_has_failed() {
    let estate = Estate::new();
    estate.finds(
        "cloudhub_v2",
        &[
            expiring("in time", 100, Some("acme.sh"), 50),
            expiring("too close", 100, Some("acme.sh"), 60),
            expiring("too late", 100, Some("acme.sh"), 110),
        ],
    );
    let checked = estate.run(["check", "--output", "json"]).code(10).json();
    assert_eq!(names(&checked), ["too late", "too close", "in time"]);
    let states: Vec<&Value> = (0..3).map(|at| &checked["items"][at]["state"]).collect();
    assert_eq!(states, ["due", "due", "ok"]);
    let detail = checked["items"][0]["detail"].as_str().unwrap();
    assert_eq!(detail, "it expires before its renewal is tried next");
}

#[test]
fn the_exit_code_is_that_of_a_failure_else_of_the_gravest_finding() {
    let estate = Estate::new();
    estate.run(["check"]).code(0);
    estate.finds("dns_cf", &[wrong("api_token", "CF_Token", "due")]);
    estate.run(["check"]).code(10);
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "expired")]);
    estate.run(["check"]).code(11);
    estate.ends("basic-auth-policy", "check", 5);
    estate.ends("flex-renew", "check", 3);
    estate
        .run(["check"])
        .code(3)
        .tells("2 of 4 calls failed, flex-renew check first");
}

#[test]
fn a_program_that_fails_leaves_the_others_and_is_a_row_itself() {
    let estate = Estate::new();
    estate.finds("cloudhub_v2", &[item("tls_context", "there")]);
    estate.prints("flex-renew", "check", "");
    estate.tells(
        "flex-renew",
        "check",
        "flex-renew: error: the platform could not be reached\nflex-renew: help: Try again later.\n",
    );
    estate.ends("flex-renew", "check", 6);
    let finished = estate.run(["check", "--output", "json"]);
    finished.code(6).tells("flex-renew: help: Try again later.");
    let checked = finished.json();
    assert_eq!(names(&checked), ["flex-renew check", "there"]);
    let row = &checked["items"][0];
    assert_eq!(
        (&row["state"], &row["kind"]),
        (&json!("unknown"), &json!("platform"))
    );
    assert_eq!(row["program"], "flex-renew");
    let detail = row["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("the platform could not be reached"),
        "{detail}"
    );
}

#[test]
fn what_a_failed_check_has_found_counts_and_is_not_told_twice() {
    let estate = Estate::new();
    estate.finds(
        "cloudhub_v2",
        &[
            item("tls_context", "there"),
            wrong("platform", "eu1", "unknown"),
        ],
    );
    estate.ends("cloudhub_v2", "check", 6);
    let checked = estate.run(["check", "--output", "json"]).code(6).json();
    assert_eq!(names(&checked), ["eu1", "there"]);
}

#[test]
fn every_form_of_output_tells_the_same() {
    let estate = Estate::new();
    estate.finds(
        "cloudhub_v2",
        &[expiring("a", 80 * 24, Some("acme.sh"), 50 * 24)],
    );
    estate.finds("basic-auth-policy", &[wrong("api", "orders", "open")]);
    estate
        .run(["check", "--output", "nagios"])
        .code(2)
        .prints("ANYPOINT-ESTATE CRITICAL: 1 open, 1 ok; orders open");
    let metrics = "anypoint_tls_context_not_after_timestamp_seconds{";
    estate
        .run(["check", "--output", "prometheus"])
        .code(10)
        .prints(metrics)
        .prints("anypoint_last_exit_code{program=\"anypoint-estate\"} 10");
    let file = estate.bench.home().join("anypoint.prom");
    estate
        .run(["check", "--textfile", text(&file)])
        .code(10)
        .prints("OPEN");
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains(metrics), "{written}");

    // Also when it fails, and then for every program that has an answer.
    estate.prints("flex-renew", "check", "<html>");
    estate.run(["check", "--textfile", text(&file)]).code(6);
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains(metrics), "{written}");
    assert!(
        written.contains("anypoint_last_exit_code{program=\"anypoint-estate\"} 6"),
        "{written}"
    );
}

#[test]
fn an_answer_that_cannot_be_understood_is_reported_with_the_name_of_the_program() {
    let whole = |program: &str, version: u32| {
        json!({
            "schema_version": version, "program": program, "version": "9", "checked_at": "2026-11-25T10:00:00Z",
            "state": "ok", "items": [],
        })
        .to_string()
    };
    let of_another = whole("dns_cf", 1);
    let newer = whole("cloudhub_v2", 2);
    let answers = [
        "",
        "<html>bad gateway</html>",
        "{\"schema_version\": 1, \"program\": \"cloudhub_v2\", \"items\": [{\"kin",
        "{\"schema_version\": 1}",
        "[]",
        "null",
        "\u{1b}[2J\u{0}",
        &of_another,
        &newer,
    ];
    for answer in answers {
        let estate = Estate::new();
        estate.finds("dns_cf", &[item("zone", "acme.example")]);
        estate.prints("cloudhub_v2", "check", answer);
        let finished = estate.run(["check", "--output", "json"]);
        finished
            .code(6)
            .tells("the answer of cloudhub_v2 check cannot be understood");
        assert!(!finished.stderr.contains("panicked"), "{finished}");
        assert_eq!(
            names(&finished.json()),
            ["cloudhub_v2 check", "acme.example"]
        );
    }
}

#[test]
fn a_program_that_hangs_is_ended_when_its_time_is_up() {
    let estate = Estate::new();
    estate.finds("cloudhub_v2", &[item("tls_context", "there")]);
    // The first is asked to end, and says so; the second does not listen.
    for (trap, how) in [
        (
            r#"trap 'echo asked >"$here/asked"; exit 1' TERM"#,
            "did not finish within 5s",
        ),
        (
            "trap '' TERM",
            "did not finish within 5s, and had to be killed",
        ),
    ] {
        estate.does(
            "flex-renew",
            "check",
            &format!("{trap}\nwhile :; do sleep 1; done\n"),
        );
        let finished = estate.run([
            "check",
            "--check-timeout",
            "5s",
            "--grace",
            "2s",
            "--output",
            "json",
        ]);
        finished.code(6).tells(&format!("flex-renew check {how}"));
        let checked = finished.json();
        assert_eq!(names(&checked), ["flex-renew check", "there"]);
        assert_eq!(checked["items"][0]["state"], "unknown");
    }
    assert!(estate.bin().join("asked").is_file());
}

#[test]
fn a_program_that_is_missing_is_named_before_any_other_is_called() {
    for name in PROGRAMS {
        let mut estate = Estate::new();
        fs::remove_file(estate.bin().join(name)).unwrap();
        // None of this machine is to be found.
        estate.bench.set("PATH", "/usr/bin:/bin");
        for command in ["check", "run"] {
            estate.run([command]).code(2).tells(&format!(
                "the program {name} is neither beside anypoint-estate nor on PATH"
            ));
        }
        assert!(estate.calls().is_empty());
    }
}

#[test]
fn a_program_on_path_is_found_too_and_the_one_beside_comes_first() {
    let mut estate = Estate::new();
    let other = estate.bench.home().join("other");
    fs::create_dir(&other).unwrap();
    let bin = estate.bin();
    for name in ["dns_cf", "flex-renew"] {
        fs::copy(bin.join(name), other.join(name)).unwrap();
    }
    fs::rename(bin.join("dns_cf"), bin.join("dns_cf.moved")).unwrap();
    fs::copy(bin.join("dns_cf.check.out"), other.join("dns_cf.check.out")).unwrap();
    estate
        .bench
        .set("PATH", format!("{}:/usr/bin:/bin", text(&other)));
    estate.run(["check"]).code(0);
    let called = fs::read_to_string(other.join("calls")).unwrap();
    assert_eq!(called.lines().count(), 1, "{called}");
    assert!(called.starts_with("dns_cf check"), "{called}");
}

#[test]
fn what_nothing_is_set_up_for_is_left_out() {
    let mut estate = Estate::without_settings();
    // It finds no registration either.
    estate.ends("flex-renew", "inspect", 4);
    estate
        .run(["check"])
        .code(2)
        .tells("nothing is set up here");
    assert_eq!(estate.calls(), ["flex-renew inspect"]);

    estate.bench.write(
        "hooks.toml",
        "[[basic_auth_policy.api]]\napi_instance = \"1\"\n",
    );
    estate.bench.set("ANYPOINT_HOOKS_CONFIG", "hooks.toml");
    estate
        .run(["check", "-v"])
        .code(0)
        .tells("cloudhub_v2 is left out: nothing is set up for it")
        .tells("flex-renew is left out: nothing is set up for it, and it finds nothing")
        .tells("dns_cf is left out");
    let calls = estate.calls();
    assert!(
        calls[0].starts_with("basic-auth-policy check --all"),
        "{calls:?}"
    );
    assert_eq!(calls.len(), 2, "{calls:?}");

    // A registration that it finds by itself is enough.
    estate.works_again("flex-renew", "inspect");
    estate.run(["check"]).code(0);
    let calls = estate.calls();
    assert!(
        calls
            .iter()
            .any(|call| call.starts_with("flex-renew check --quiet")),
        "{calls:?}"
    );
}

#[test]
fn each_program_has_its_signs_of_being_set_up() {
    let signs: [(&str, &str, &str); 6] = [
        (
            "cloudhub_v2",
            ".acme.sh/acme.example/acme.example.conf",
            "Le_DeployHook='cloudhub_v2,'\n",
        ),
        (
            "cloudhub_v2",
            ".config/anypoint-hooks/config.toml",
            "[[cloudhub_v2.target]]\nprivate_space = \"p\"\n",
        ),
        (
            "flex-renew",
            ".config/anypoint-hooks/config.toml",
            "[[flex.gateway]]\nname = \"g\"\n",
        ),
        (
            "basic-auth-policy",
            ".config/anypoint-hooks/config.toml",
            "[basic_auth_policy]\nenvironment = \"e\"\n",
        ),
        (
            "dns_cf",
            ".config/anypoint-hooks/config.toml",
            "[dns_cf]\ntoken_file = \"t\"\n",
        ),
        (
            "dns_cf",
            ".acme.sh/account.conf",
            "SAVED_CF_Token='canary-of-account'\n",
        ),
    ];
    for (program, file, content) in signs {
        let estate = Estate::without_settings();
        estate.ends("flex-renew", "inspect", 4);
        estate.bench.write(file, content);
        estate.run(["check"]).code(0);
        let calls = estate.calls();
        let called: Vec<&str> = calls
            .iter()
            .filter(|call| call.contains(" check "))
            .map(|call| call.split(' ').next().unwrap())
            .collect();
        assert_eq!(called, [program], "{file}: {content}");
    }
}

#[test]
fn programs_can_be_chosen() {
    let estate = Estate::new();
    estate.run(["check", "--only", "dns_cf,flex-renew"]).code(0);
    let calls = estate.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    estate
        .run(["check", "--only", "dns"])
        .code(2)
        .tells("\"dns\" is none of cloudhub_v2, flex-renew, basic-auth-policy, dns_cf");
}
