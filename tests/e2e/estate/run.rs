//! `run`: what a timer calls.

use std::fs;
use std::process::Stdio;

use fixtures::{Finished, assert_is_checked, wait_until};

use crate::estate::{Estate, PROGRAMS, in_hours, item, text, wrong};

#[test]
fn the_regular_work_comes_before_the_checks_and_is_summed_up() {
    let estate = Estate::new();
    estate.prints(
        "cloudhub_v2",
        "reconcile",
        "a.acme.example: deployed\n12 certificates, 1 deployed now\n",
    );
    estate.prints("flex-renew", "run", "3 not due\n\n");
    estate.finds("dns_cf", &[item("zone", "acme.example")]);
    // Each check finds out whether all steps are done.
    for name in PROGRAMS {
        estate.does(name, "check", r#"cp "$here/calls" "$here/$me.before""#);
    }
    let finished = estate.run(["run"]);
    finished
        .code(0)
        .prints("cloudhub_v2 reconcile    12 certificates, 1 deployed now\n")
        .prints("flex-renew run           3 not due\n")
        .prints("basic-auth-policy apply  done\n")
        .prints("check                    1 ok\n");
    assert_eq!(finished.stderr, "");
    let calls = estate.calls();
    let words: Vec<String> = calls
        .iter()
        .map(|call| call.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        words,
        [
            "basic-auth-policy apply",
            "basic-auth-policy check",
            "cloudhub_v2 check",
            "cloudhub_v2 reconcile",
            "dns_cf check",
            "flex-renew check",
            "flex-renew run",
        ]
    );
    for name in PROGRAMS {
        let before = fs::read_to_string(estate.bin().join(format!("{name}.before"))).unwrap();
        for step in [
            "cloudhub_v2 reconcile",
            "flex-renew run",
            "basic-auth-policy apply",
        ] {
            assert!(before.contains(step), "{name}: {before}");
        }
    }
}

#[test]
fn a_quiet_run_says_nothing_when_all_is_well() {
    let estate = Estate::new();
    let finished = estate.run(["run", "--quiet"]);
    finished.code(0);
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("", "")
    );
    estate.finds("dns_cf", &[wrong("zone", "acme.example", "missing")]);
    estate
        .run(["run", "--quiet"])
        .code(10)
        .prints("acme.example is missing");
}

#[test]
fn a_step_that_fails_stops_nothing_else_and_is_seen_by_the_next_check() {
    let estate = Estate::new();
    estate.ends("flex-renew", "run", 3);
    estate.tells(
        "flex-renew",
        "run",
        "flex-renew: error: edge-1: the credentials are refused\n",
    );
    estate.finds("basic-auth-policy", &[wrong("api", "orders", "open")]);
    let finished = estate.run(["run"]);
    finished
        .code(3)
        .prints("flex-renew run           FAILED (3): edge-1: the credentials are refused\n")
        .prints("basic-auth-policy apply  done\n")
        .tells("flex-renew: error: edge-1: the credentials are refused")
        .tells("1 of 7 calls failed, flex-renew run first");
    assert_eq!(estate.calls().len(), 7);

    let checked = estate.run(["check", "--output", "json"]).code(10).json();
    assert_is_checked(&checked);
    let row = &checked["items"][1];
    assert_eq!(
        (row["name"].as_str(), row["kind"].as_str()),
        (Some("flex-renew run"), Some("run"))
    );
    assert_eq!(row["state"], "unfinished");
    assert_eq!(
        row["detail"],
        "its last run failed with exit code 3: edge-1: the credentials are refused"
    );

    estate.works_again("flex-renew", "run");
    estate.run(["run"]).code(10);
    let checked = estate.run(["check", "--output", "json"]).code(10).json();
    assert_eq!(checked["items"].as_array().unwrap().len(), 1);
}

#[test]
fn the_first_failure_in_order_decides_however_grave_the_findings_are() {
    let estate = Estate::new();
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "expired")]);
    estate.run(["run"]).code(11);
    estate.ends("dns_cf", "check", 5);
    estate.run(["run"]).code(5);
    estate.ends("basic-auth-policy", "apply", 7);
    estate.run(["run"]).code(7);
    estate.ends("cloudhub_v2", "reconcile", 2);
    estate.run(["run"]).code(2);
}

#[test]
fn a_step_that_hangs_is_ended_when_its_time_is_up() {
    let estate = Estate::new();
    estate.does("cloudhub_v2", "reconcile", "while :; do sleep 1; done");
    let args = ["run", "--step-timeout", "5s", "--grace", "2s"];
    estate
        .run(args)
        .code(6)
        .prints(
            "cloudhub_v2 reconcile    FAILED (6): cloudhub_v2 reconcile did not finish within 5s",
        )
        .prints("flex-renew run           done");
}

#[test]
fn who_may_change_something_can_be_chosen() {
    let mut estate = Estate::new();
    let steps = |estate: &Estate, args: &[&str]| {
        estate.run([&["run"], args].concat()).code(0);
        let calls = estate.calls();
        let steps = calls.iter().filter(|call| !call.contains(" check "));
        steps
            .map(|call| call.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(steps(&estate, &["--steps", "flex-renew"]), ["flex-renew"]);
    assert!(steps(&estate, &["--steps", "none"]).is_empty());
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        "[estate]\nsteps = [\"cloudhub_v2\"]\n",
    );
    assert_eq!(steps(&estate, &[]), ["cloudhub_v2"]);
    estate.bench.write(".config/anypoint-hooks/config.toml", "");
    // An environment is looked at; what the policy of an API in it is to be, it does not say.
    estate
        .bench
        .unset("API_INSTANCE_ID")
        .set("ENVIRONMENT_ID", "Sandbox");
    assert_eq!(steps(&estate, &[]), ["cloudhub_v2", "flex-renew"]);
    estate
        .run(["run", "--steps", "nobody"])
        .code(2)
        .tells("--steps");
}

#[test]
fn a_second_run_leaves_everything_to_the_first() {
    let estate = Estate::new();
    let metrics = estate.bench.home().join("anypoint.prom");
    fs::write(&metrics, "# of the run before\n").unwrap();
    // Goes on once it is told to.
    estate.does(
        "flex-renew",
        "run",
        r#"mkfifo "$here/fifo"; : >"$here/waits"; read -r _ <"$here/fifo""#,
    );
    let args = ["run", "--textfile", text(&metrics)];
    let mut command = estate.command(args);
    let first = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the first run is at work", || {
        estate.bin().join("waits").is_file()
    });
    estate
        .run(args)
        .code(0)
        .tells("another run is at work on the same estate: this one leaves everything to it");
    assert_eq!(
        fs::read_to_string(&metrics).unwrap(),
        "# of the run before\n"
    );
    let calls = estate.calls();
    assert!(
        !calls.iter().any(|call| call.contains(" check ")),
        "{calls:?}"
    );

    // An estate of another configuration is none of its business.
    let other = estate
        .bench
        .write("other.toml", "[estate]\nsteps = \"none\"\n");
    estate.run(["run", "--config", text(&other)]).code(0);

    fs::write(estate.bin().join("fifo"), "go on\n").unwrap();
    let finished = Finished::from(first.wait_with_output().unwrap());
    finished.code(0);
    assert!(
        fs::read_to_string(&metrics)
            .unwrap()
            .contains("anypoint_last_exit_code{program=\"anypoint-estate\"} 0")
    );
}

#[test]
fn a_run_that_fails_replaces_the_file_of_metrics_all_the_same() {
    let estate = Estate::new();
    let file = estate.bench.home().join("anypoint.prom");
    estate.run(["run", "--textfile", text(&file)]).code(0);
    let success = |content: &str| {
        let line = content
            .lines()
            .find(|line| line.starts_with("anypoint_last_success_timestamp_seconds{"));
        line.unwrap().to_owned()
    };
    let before = fs::read_to_string(&file).unwrap();
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        "[estate]\nevry = \"1h\"\n",
    );
    estate
        .run(["run", "--textfile", text(&file)])
        .code(2)
        .tells("unknown key `evry`");
    let after = fs::read_to_string(&file).unwrap();
    assert!(
        after.contains("anypoint_last_exit_code{program=\"anypoint-estate\"} 2"),
        "{after}"
    );
    assert_eq!(success(&before), success(&after));
}

#[test]
fn that_no_run_has_succeeded_for_too_long_is_a_finding() {
    let estate = Estate::new();
    // Whoever does without runs is told of none.
    estate.run(["check"]).code(0);
    estate.run(["run"]).code(0);
    estate.run(["check"]).code(0);
    let stalled = |estate: &Estate, args: &[&str]| {
        let args = [&["check", "--output", "json"], args].concat();
        let checked = estate.run(args).json();
        let row = checked["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["name"] == "anypoint-estate run");
        row.map(|row| {
            (
                row["state"].clone(),
                row["detail"].as_str().unwrap().to_owned(),
            )
        })
    };
    // Three times six hours.
    for (hours, is_stalled) in [(-17, false), (-19, true)] {
        estate.change_memory(|memory| memory["last_success"] = in_hours(hours).into());
        assert_eq!(stalled(&estate, &[]).is_some(), is_stalled, "{hours}");
    }
    let (state, detail) = stalled(&estate, &[]).unwrap();
    assert_eq!(state, "due");
    assert!(
        detail.contains("no run has succeeded since 20") && detail.contains("ended with 0"),
        "{detail}"
    );
    assert_eq!(stalled(&estate, &["--every", "1d"]), None);
    estate
        .run(["check"])
        .code(10)
        .prints("systemctl list-timers");

    // One that has never succeeded counts from the first.
    estate.change_memory(|memory| {
        memory["last_success"] = serde_json::Value::Null;
        memory["first_run"] = in_hours(-19).into();
    });
    assert!(
        stalled(&estate, &[])
            .unwrap()
            .1
            .starts_with("no run has succeeded yet")
    );

    // A run that fails changes nothing about it; one that succeeds, however bad what it finds, does.
    estate.ends("dns_cf", "check", 6);
    estate
        .run(["run"])
        .code(6)
        .prints("no run has succeeded yet");
    estate.finds("dns_cf", &[wrong("zone", "acme.example", "missing")]);
    estate.run(["run"]).code(10);
    assert_eq!(stalled(&estate, &[]), None);
}

#[test]
fn the_page_and_the_metrics_are_written_where_the_settings_say() {
    let estate = Estate::new();
    estate.finds("basic-auth-policy", &[wrong("api", "orders", "open")]);
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        "[estate]\nreport = \"out/page.html\"\ntextfile = \"out/anypoint.prom\"\n",
    );
    let out = estate.bench.home().join(".config/anypoint-hooks/out");
    // Found out before anything is done.
    estate
        .run(["run"])
        .code(2)
        .tells("anypoint.prom cannot be written");
    assert!(estate.calls().is_empty());
    fs::create_dir(&out).unwrap();
    estate.run(["run"]).code(10);
    let page = fs::read_to_string(out.join("page.html")).unwrap();
    assert!(page.contains("orders"), "{page}");
    let metrics = fs::read_to_string(out.join("anypoint.prom")).unwrap();
    assert!(
        metrics.contains("anypoint_last_exit_code{program=\"anypoint-estate\"} 10"),
        "{metrics}"
    );
    let other = estate.bench.home().join("other.prom");
    fs::remove_file(out.join("anypoint.prom")).unwrap();
    estate
        .run(["run", "--textfile", text(&other), "--report", "page.html"])
        .code(10);
    assert!(other.is_file() && !out.join("anypoint.prom").exists());
    assert!(estate.bench.home().join("page.html").is_file());
}
