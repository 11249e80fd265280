//! `check` in the forms that monitoring reads, and what it tells of work that was begun.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use fixtures::{Bench, Finished, assert_is_checked, wait_until};
use serde_json::Value;
use simulator::Fault;
use simulator::anypoint::ApiInstance;
use simulator::anypoint::api_manager::{Policy, Tracking};
use simulator::faults::Action;
use simulator::seed::{API_INSTANCE_ID, ORGANIZATION_ID, PRODUCTION_ID, SANDBOX_ID};

use crate::fixture::{PASSWORD, bench, change_api, connected, pending, run, switch};

fn add_api(bench: &Bench, asset: &str, label: Option<&str>) -> u64 {
    bench.sim.world().anypoint.add_api(ApiInstance {
        environment: SANDBOX_ID.to_owned(),
        asset: asset.to_owned(),
        label: label.map(str::to_owned),
        status: "active".to_owned(),
        tracking: Tracking::seen_now(),
        ..ApiInstance::default()
    })
}

/// The findings, which have to be as the schema says.
fn findings(told: &Finished) -> Vec<Value> {
    let checked = told.json();
    assert_is_checked(&checked);
    assert_eq!(checked["program"], "basic-auth-policy");
    checked["items"].as_array().unwrap().clone()
}

fn json(bench: &Bench, args: &[&str]) -> Vec<Value> {
    findings(&run(
        bench,
        &[&["check", "--output", "json"], args].concat(),
    ))
}

/// Does what a finding advises, word by word as a shell would.
fn follow(bench: &Bench, item: &Value) -> Finished {
    let advice = item["advice"].as_str().unwrap();
    let words: Vec<&str> = advice.split(' ').collect();
    assert_eq!(words[0], "basic-auth-policy");
    run(bench, &words[1..])
}

#[test]
fn a_closed_api_is_well_in_every_form() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    run(&bench, &["check"]).code(0).prints("0 of 1 APIs");
    let items = json(&bench, &[]);
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!(item["kind"], "api");
    assert_eq!(item["name"], "orders-api");
    assert_eq!(item["state"], "ok");
    assert_eq!(item["severity"], "ok");
    assert_eq!(item["at"]["organization"], ORGANIZATION_ID);
    assert_eq!(item["at"]["environment"], SANDBOX_ID);
    assert_eq!(item["at"]["api_instance"], API_INSTANCE_ID.to_string());
    assert!(item.get("advice").is_none() && item.get("not_after").is_none());
    run(&bench, &["check", "--output", "nagios"])
        .code(0)
        .prints("BASIC-AUTH-POLICY OK: 1 ok | 'items'=1;;;0");
    let metrics = run(&bench, &["check", "--output", "prometheus"]);
    metrics.code(0).prints(&format!(
        "anypoint_api_protected{{organization=\"{ORGANIZATION_ID}\",environment=\"{SANDBOX_ID}\",\
         api_instance=\"{API_INSTANCE_ID}\",name=\"orders-api\"}} 1\n"
    ));
    metrics.prints("anypoint_last_exit_code{program=\"basic-auth-policy\"} 0\n");
}

#[test]
fn an_open_api_is_critical_and_the_advice_closes_it() {
    let bench = connected();
    let opened = |reason: &str| {
        let told = run(&bench, &["check", "--output", "json"]);
        told.code(10);
        let item = findings(&told).remove(0);
        assert_eq!(item["state"], "open");
        assert_eq!(item["severity"], "critical");
        assert!(
            item["detail"].as_str().unwrap().starts_with(reason),
            "{item}"
        );
        run(&bench, &["check", "--output", "nagios"])
            .code(2)
            .prints("BASIC-AUTH-POLICY CRITICAL: 1 open; orders-api open: ")
            .prints(reason);
        run(&bench, &["check", "--output", "prometheus"])
            .code(10)
            .prints("name=\"orders-api\"} 0\n")
            .prints("anypoint_last_exit_code{program=\"basic-auth-policy\"} 10\n");
        follow(&bench, &item).code(0);
        run(&bench, &["check", "--output", "nagios"]).code(0);
    };
    opened("no authentication policy");
    run(&bench, &["disable", "--yes"]).code(0);
    opened("the policy is switched off: http-basic-authentication 1.3.2 (off)");
    change_api(&bench, |api| {
        api.policies[0].pointcut =
            serde_json::json!([{ "methodRegex": "GET", "uriTemplateRegex": "/a" }]);
    });
    opened("the policy is for some methods or paths only");
}

#[test]
fn what_a_command_cannot_close_is_said_in_words() {
    let bench = connected();
    let off = Policy {
        disabled: true,
        ..Policy::applied("jwt-validation", "1.0.0")
    };
    change_api(&bench, |api| api.policies.push(off));
    let advice = |items: &[Value]| items[0]["advice"].as_str().unwrap().to_owned();
    assert_eq!(
        advice(&json(&bench, &[])),
        "Switch on policy jwt-validation in API Manager."
    );
    let bench = self::bench();
    run(&bench, &["apply"]).code(0);
    let items = json(&bench, &["--api", "orders-api"]);
    assert!(
        advice(&items).ends_with(&format!(
            "--environment {SANDBOX_ID} --api {API_INSTANCE_ID} --app APPLICATION"
        )),
        "{items:?}"
    );
}

#[test]
fn an_api_that_cannot_be_read_is_unknown_and_the_others_are_shown() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let gone = add_api(&bench, "gone", Some("canary"));
    let missing = Action::Answer {
        status: 404,
        headers: Vec::new(),
        body: r#"{"name":"NotFoundError","message":"API not found"}"#.to_owned(),
    };
    let path = format!("*/apis/{gone}/policies");
    bench.fault(Fault::on("GET", &path, missing).always());
    let told = run(&bench, &["check", "--output", "json"]);
    told.code(10);
    let items = findings(&told);
    let of = |name: &str| items.iter().find(|item| item["name"] == name).unwrap();
    assert_eq!(of("orders-api")["state"], "ok");
    assert_eq!(of("gone/canary")["state"], "unknown");
    run(&bench, &["check", "--output", "nagios"])
        .code(3)
        .prints("BASIC-AUTH-POLICY UNKNOWN: 1 unknown, 1 ok; gone/canary unknown: ");
    let metrics = run(&bench, &["check", "--output", "prometheus"]);
    let samples = |told: &Finished| told.stdout.matches("anypoint_api_protected{").count();
    assert_eq!(samples(&metrics), 1, "{metrics}");

    // A platform that breaks down in the middle is a failure; what it has said counts all the same.
    bench.sim.faults().clear();
    bench.fault(Fault::on("GET", &path, Action::Html { status: 200 }).always());
    let told = run(&bench, &["check", "--output", "json"]);
    told.code(6)
        .tells("1 of 2 APIs could not be read, gone \"canary\"");
    let states: Vec<Value> = findings(&told)
        .iter()
        .map(|item| item["state"].clone())
        .collect();
    assert_eq!(states, ["ok", "unknown"]);
    run(&bench, &["check", "--output", "nagios"]).code(3);
    run(&bench, &["check"]).code(6).prints("NOT KNOWN: ");
    // What is open outweighs what is not known.
    run(&bench, &["disable", "--yes"]).code(0);
    run(&bench, &["check", "--output", "nagios"]).code(2);
}

#[test]
fn where_nothing_can_be_read_every_form_says_so() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    let metrics = ["check", "--textfile", "basic.prom"];
    run(&bench, &metrics).code(0);
    let written = |bench: &Bench| fs::read_to_string(bench.home().join("basic.prom")).unwrap();
    let success = |bench: &Bench| {
        let text = written(bench);
        let line = text
            .lines()
            .find(|line| line.starts_with("anypoint_last_success_timestamp_seconds"));
        line.unwrap().to_owned()
    };
    let (first, last) = (written(&bench), success(&bench));
    assert!(first.contains("anypoint_api_protected{"), "{first}");

    bench.set_secret("ANYPOINT_CLIENT_SECRET", "canary-that-is-wrong");
    let told = run(&bench, &[&metrics[..], &["--output", "json"]].concat());
    told.code(3);
    let items = findings(&told);
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["kind"], "platform");
    assert_eq!(items[0]["name"], "Sandbox");
    assert_eq!(items[0]["state"], "unknown");
    assert_eq!(items[0]["at"]["organization"], ORGANIZATION_ID);
    assert_eq!(items[0]["at"]["environment"], "Sandbox");
    assert!(items[0]["at"]["host"].is_string());
    assert!(!items[0]["detail"].as_str().unwrap().is_empty());
    let text = written(&bench);
    assert!(text.contains("anypoint_last_exit_code{program=\"basic-auth-policy\"} 3\n"));
    assert!(!text.contains("anypoint_api_protected{"), "{text}");
    assert_eq!(success(&bench), last);
    run(&bench, &["check", "--output", "nagios"])
        .code(3)
        .prints("BASIC-AUTH-POLICY UNKNOWN: 1 unknown; Sandbox unknown: ");

    bench.unset("ENVIRONMENT_ID");
    run(&bench, &["check", "--output", "nagios"])
        .code(3)
        .prints("no environment is given");
    run(&bench, &["status", "--output", "nagios"])
        .code(3)
        .tells("checks only");
}

#[test]
fn environments_that_cannot_be_reached_are_unknown_beside_the_others() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench.unset("API_INSTANCE_ID").unset("ENVIRONMENT_ID");
    let path = format!("*/environments/{PRODUCTION_ID}/apis");
    bench.fault(Fault::on("GET", &path, Action::Html { status: 200 }).always());
    let text = format!(
        r#"
        [[basic_auth_policy.api]]
        name = "orders"
        api_instance = {API_INSTANCE_ID}
        environment = "Sandbox"

        [[basic_auth_policy.api]]
        api_instance = "billing"
        environment = "{PRODUCTION_ID}"
        "#
    );
    bench.write("hooks.toml", text);
    bench.set("ANYPOINT_HOOKS_CONFIG", "hooks.toml");
    for (all, kind, name) in [(true, "platform", PRODUCTION_ID), (false, "api", "billing")] {
        let args = ["check", "--output", "json", "--all"];
        let told = run(&bench, &args[..if all { 4 } else { 3 }]);
        told.code(6).tells("1 of 2 APIs failed");
        let items = findings(&told);
        assert_eq!(items.len(), 2, "{items:?}");
        assert_eq!(items[0]["name"], "orders-api");
        assert_eq!(items[0]["state"], "ok");
        assert_eq!(items[1]["kind"], kind);
        assert_eq!(items[1]["name"], name);
        assert_eq!(items[1]["state"], "unknown");
    }
    // What is wrong with an entry is found without asking anybody.
    bench.write(
        "hooks.toml",
        "[[basic_auth_policy.api]]\nname = \"half\"\napi_instance = 1\nclient_id = \"x\"\n",
    );
    let told = run(&bench, &["check", "--output", "json"]);
    told.code(2);
    let items = findings(&told);
    assert_eq!(
        (&items[0]["name"], &items[0]["kind"]),
        (&"half".into(), &"api".into())
    );
}

#[test]
fn a_hostile_label_stays_text_in_every_form() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let hostile = format!(
        "<script>a|'b=1;\n\"$(id)`\u{1b}[2J\u{202e}{}",
        "é".repeat(300)
    );
    let id = add_api(&bench, "evil", Some(&hostile)).to_string();
    let told = run(&bench, &["check", "--output", "json"]);
    told.code(10);
    let items = findings(&told);
    let item = items.iter().find(|item| item["at"]["api_instance"] == id);
    assert_eq!(item.unwrap()["name"], format!("evil/{hostile}"));
    assert!(!told.stdout.contains('\u{1b}'));
    let nagios = run(&bench, &["check", "--output", "nagios"]);
    nagios.code(2);
    assert_eq!(nagios.stdout.lines().count(), 1, "{nagios}");
    assert_eq!(nagios.stdout.matches('|').count(), 1, "{nagios}");
    assert!(nagios.stdout.len() < 1024);
    let metrics = run(&bench, &["check", "--output", "prometheus"]);
    let line = metrics
        .stdout
        .lines()
        .find(|line| line.contains(&format!("api_instance=\"{id}\"")));
    assert!(line.unwrap().ends_with("é\"} 0"), "{metrics}");
    assert!(!metrics.stdout.contains('\u{1b}'));
}

#[test]
fn a_password_that_was_not_handed_over_shows_until_the_advice_is_followed() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let path = pending(&bench);
    bench.write(
        path.strip_prefix(bench.home()).unwrap().to_str().unwrap(),
        "canary-pending-password-88\n",
    );
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let told = run(&bench, &["check"]);
    told.code(10)
        .prints(&format!("UNFINISHED API {API_INSTANCE_ID}: "))
        .prints(path.to_str().unwrap())
        .never_shows("canary-pending-password-88");
    let told = run(&bench, &["check", "--output", "json"]);
    told.code(10).never_shows("canary-pending-password-88");
    let items = findings(&told);
    assert_eq!(items.len(), 2);
    let item = &items[1];
    assert_eq!(item["kind"], "unfinished_work");
    assert_eq!(item["state"], "unfinished");
    assert_eq!(item["at"]["target"], path.to_str().unwrap());
    run(&bench, &["check", "--output", "nagios"])
        .code(1)
        .prints(&format!("API {API_INSTANCE_ID} unfinished: "));
    run(&bench, &["status"])
        .code(10)
        .prints(&format!("UNFINISHED API {API_INSTANCE_ID}: "))
        .prints("authentication  yes");
    let status = run(&bench, &["status", "--output", "json"]).json();
    assert_eq!(status["authenticated"], true);
    assert_eq!(&status["unfinished"][0], item);
    // It is no matter of another API.
    let other = add_api(&bench, "other", None);
    let other = json(&bench, &["--api", &other.to_string()]);
    assert_eq!(other.len(), 1);
    follow(&bench, item).code(0);
    let handed_over = fs::read_to_string(bench.home().join("FILE")).unwrap();
    assert_eq!(handed_over, "canary-pending-password-88\n");
    run(&bench, &["check", "--api", "orders-api"]).code(0);
}

#[test]
fn a_password_that_waits_for_a_policy_that_was_never_applied_is_applied() {
    let mut bench = connected();
    bench.unset("BASIC_AUTH_PASSWORD");
    let path = pending(&bench);
    bench.write(
        path.strip_prefix(bench.home()).unwrap().to_str().unwrap(),
        format!("{PASSWORD}\n"),
    );
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let items = json(&bench, &["--api", "orders-api"]);
    assert_eq!(items[1]["kind"], "unfinished_work");
    follow(&bench, &items[1]).code(0);
    run(&bench, &["check", "--api", "orders-api"]).code(0);
}

#[test]
fn work_left_unfinished_shows_although_the_platform_is_away() {
    let mut bench = connected();
    bench.set_secret("ANYPOINT_CLIENT_SECRET", "canary-that-is-wrong");
    let path = pending(&bench);
    bench.write(
        path.strip_prefix(bench.home()).unwrap().to_str().unwrap(),
        "canary-pending-password-89\n",
    );
    let told = run(&bench, &["check", "--output", "json"]);
    told.code(3);
    let kinds: Vec<Value> = findings(&told)
        .iter()
        .map(|item| item["kind"].clone())
        .collect();
    assert_eq!(kinds, ["platform", "unfinished_work"]);
}

#[test]
fn an_autodiscovery_that_was_killed_shows_until_the_next_run_has_finished_it() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    switch(&bench, |switches| {
        switches.application_manager.redeploy_ms = 3_600_000;
    });
    let discover = ["autodiscover", "--app", "orders", "--yes"];
    let kill = |args: &[&str], connects: bool| {
        let mut child = bench
            .command("basic-auth-policy", args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("it is redeployed", || {
            let world = bench.sim.world();
            let desired = &world.anypoint.deployment("orders").unwrap().desired;
            desired.properties.contains_key("api.id") == connects
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let hour = Duration::from_secs(3600);
        bench.sim.world().clock.advance(hour);
    };
    let unfinished = || -> Vec<Value> {
        let mut items = json(&bench, &["--api", "orders-api"]);
        items.retain(|item| item["kind"] == "unfinished_work");
        items
    };
    kill(&discover, true);
    let left = unfinished();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["name"], "orders");
    assert_eq!(left[0]["detail"], "autodiscover was begun and not finished");
    follow(&bench, &left[0]).code(0);
    assert!(unfinished().is_empty());

    kill(&[&discover[..], &["--undo"]].concat(), false);
    let left = unfinished();
    assert_eq!(
        left[0]["detail"],
        "taking autodiscover back was begun and not finished"
    );
    assert!(left[0]["advice"].as_str().unwrap().ends_with(" --undo"));
    follow(&bench, &left[0]).code(0);
    assert!(unfinished().is_empty());
}

#[test]
fn the_form_costs_no_request() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench.unset("API_INSTANCE_ID");
    for number in 0..30 {
        add_api(&bench, &format!("api-{number}"), None);
    }
    let mut counts = Vec::new();
    for form in ["text", "json", "nagios", "prometheus"] {
        let before = bench.sim.requests().len();
        run(&bench, &["check", "--output", form]);
        let requests = bench.sim.requests().split_off(before);
        let policies = requests
            .iter()
            .filter(|entry| entry.path.contains("/apis/") && entry.path.ends_with("/policies"));
        assert_eq!(policies.count(), 31);
        counts.push(requests.len());
    }
    // Login, environments, automated policies, the list; then the policies of each API, and what the list leaves out of it.
    assert_eq!(counts, [4 + 31 + 31; 4]);
}
