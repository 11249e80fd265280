//! `check` in the forms that monitoring reads, and what it tells of replicas.

use std::fmt::Write as _;
use std::fs;

use fixtures::{Finished, assert_is_checked};
use jiff::Timestamp;
use serde_json::Value;
use simulator::Fault;
use simulator::anypoint::{FlexGateway, Replica};
use simulator::faults::Action;
use simulator::registration::{Identity, Layout};
use simulator::seed::{CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, PRODUCTION_ID};

use crate::edge::{DAY, Edge, days_left, place};

/// The findings, which have to be as the schema says.
fn findings(told: &Finished) -> Vec<Value> {
    let checked = told.json();
    assert_is_checked(&checked);
    assert_eq!(checked["program"], "flex-renew");
    checked["items"].as_array().unwrap().clone()
}

fn find<'a>(items: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = items
        .iter()
        .filter(|item| item["kind"] == kind && item["name"] == name);
    let one = found.next();
    assert!(found.next().is_none());
    one.unwrap_or_else(|| panic!("no {kind} {name} in {items:#?}"))
}

fn moment(item: &Value, key: &str) -> Timestamp {
    item[key].as_str().unwrap().parse().unwrap()
}

fn in_days(days: i64) -> Timestamp {
    let day = i64::try_from(DAY).unwrap();
    Timestamp::from_second(Timestamp::now().as_second() + days * day + day / 2).unwrap()
}

/// Gateways `edge-0` and so on with so many days left.
fn with_gateways(days: &[i64]) -> Edge {
    let mut edge = Edge::with_days(100);
    let mut config = String::new();
    for (index, days) in days.iter().enumerate() {
        let folder = format!("g{index}/conf.d");
        let identity = Identity {
            agent: id(index),
            ..Identity::default()
        };
        place(&mut edge.bench, &folder, &identity, Layout::Pem, *days);
        write!(
            config,
            "[[flex.gateway]]\nname = \"edge-{index}\"\nfile = \"{folder}/registration.yaml\"\n"
        )
        .unwrap();
    }
    edge.bench.write("hooks.toml", config);
    edge.bench.set("ANYPOINT_HOOKS_CONFIG", "hooks.toml");
    edge
}

fn id(index: usize) -> String {
    format!("2f0c6f3e-0000-4000-8000-1000000000{index:02x}")
}

/// Has the platform know a gateway.
fn add(edge: &Edge, id: &str, name: &str, replicas: Vec<Replica>) {
    edge.bench.sim.world().anypoint.gateways.push(FlexGateway {
        id: id.to_owned(),
        name: name.to_owned(),
        organization: ORGANIZATION_ID.to_owned(),
        environment: PRODUCTION_ID.to_owned(),
        deleted: false,
        replicas,
    });
}

fn replica(name: &str, connected: bool, expires: Timestamp) -> Replica {
    Replica {
        name: name.to_owned(),
        connected,
        expires: Some(expires),
        ..Replica::default()
    }
}

/// Gives the program what it needs to ask the platform.
fn ask_the_platform(edge: &mut Edge) {
    let url = edge.bench.sim.url().to_owned();
    edge.bench
        .set("ANYPOINT_URL", url)
        .set("ANYPOINT_CLIENT_ID", CLIENT_ID)
        .set_secret("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET)
        .set("ORGANIZATION_ID", ORGANIZATION_ID)
        .set("ANYPOINT_ENV", "Production");
}

#[test]
fn every_form_tells_the_same_about_registrations() {
    for (days, code, nagios, state) in [
        (100, 0, 0, "ok"),
        (20, 10, 1, "due"),
        (-2, 11, 2, "expired"),
    ] {
        let edge = with_gateways(&[days]);
        let told = edge.run(&["check", "--output", "json"]);
        told.code(code);
        let items = findings(&told);
        assert_eq!(items.len(), 1);
        let item = &items[0];
        assert_eq!(item["kind"], "registration");
        assert_eq!(item["name"], "edge-0");
        assert_eq!(item["state"], state);
        assert_eq!(item["at"]["organization"], ORGANIZATION_ID);
        assert_eq!(item["at"]["environment"], PRODUCTION_ID);
        assert_eq!(item["at"]["gateway"], id(0));
        assert_eq!(item["days_left"], days);
        assert_eq!(item["renewed_by"], "flex-renew");
        let [not_before, not_after, due] =
            ["not_before", "not_after", "renewal_due"].map(|key| moment(item, key));
        assert!(not_before < due && due < not_after);
        let advice = (code != 0).then(|| "flex-renew renew edge-0".into());
        assert_eq!(item.get("advice"), advice.as_ref());

        let told = edge.run(&["check", "--output", "nagios"]);
        told.code(nagios)
            .prints(&format!("'registration_days_left'={days};;0:"));
        assert_eq!(told.stdout.lines().count(), 1);
        edge.run(&["check", "--output", "prometheus", "--textfile", "flex.prom"])
            .code(code)
            .prints(&format!(
                "anypoint_registration_not_after_timestamp_seconds{{organization=\"{ORGANIZATION_ID}\",\
                 environment=\"{PRODUCTION_ID}\",gateway=\"{}\",name=\"edge-0\"}} {}\n",
                id(0),
                not_after.as_second()
            ))
            .prints(&format!(
                "name=\"edge-0\"}} {}\n",
                due.as_second()
            ))
            .prints(&format!("anypoint_last_exit_code{{program=\"flex-renew\"}} {code}\n"));
        assert!(edge.in_home("flex.prom").exists());
    }
}

#[test]
fn a_check_foretells_from_when_run_renews() {
    // The certificates of the stand-in live a year and are new, so the second `within` is too long for them.
    for within in ["30d", "400d"] {
        let edge = with_gateways(&[10]);
        edge.run(&["renew", "edge-0"]).code(0);
        let json = |edge: &Edge| {
            let told = edge.run(&["check", "--within", within, "--output", "json"]);
            findings(&told).remove(0)
        };
        let item = json(&edge);
        assert_eq!(item["state"], "ok");
        let lifetime = moment(&item, "not_after").duration_since(moment(&item, "not_before"));
        let left = moment(&item, "not_after").duration_since(moment(&item, "renewal_due"));
        let expected = match within {
            "30d" => 30 * i64::try_from(DAY).unwrap(),
            _ => lifetime.as_secs() * 3 / 4,
        };
        assert!((left.as_secs() - expected).abs() <= 1, "{item}");
    }
}

#[test]
fn a_registration_that_cannot_be_read_is_unknown_and_stops_no_other() {
    let edge = with_gateways(&[100, 100]);
    fs::write(edge.in_home("g1/conf.d/registration.yaml"), "").unwrap();
    let told = edge.run(&["check", "--output", "json"]);
    told.code(2);
    let items = findings(&told);
    assert_eq!(find(&items, "registration", "edge-0")["state"], "ok");
    let unknown = find(&items, "registration", "edge-1");
    assert_eq!(unknown["state"], "unknown");
    assert!(
        unknown["detail"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    edge.run(&["check", "--output", "nagios"])
        .code(3)
        .prints("FLEX-RENEW UNKNOWN: 1 unknown, 1 ok; edge-1 unknown: ");
    fs::remove_file(edge.in_home("g0/conf.d/registration.yaml")).unwrap();
    let told = edge.run(&["check", "--output", "json"]);
    told.code(4);
    assert_eq!(findings(&told).len(), 2);
    edge.run(&["check", "--output", "prometheus"])
        .code(4)
        .never_shows("anypoint_registration_not_after")
        .prints("anypoint_check_items{program=\"flex-renew\",kind=\"registration\",severity=\"unknown\"} 2\n");
    edge.run(&["check", "/nowhere/r.yaml", "--output", "nagios"])
        .code(3)
        .prints("/nowhere/r.yaml unknown");
}

#[test]
fn a_renewal_that_was_begun_is_unfinished_beside_the_registration() {
    let mut edge = with_gateways(&[10]);
    edge.bench.set("FLEX_RESTART_CMD", "kill -9 $PPID");
    assert_eq!(edge.run(&["renew", "edge-0"]).code, None);
    let told = edge.run(&["check", "--output", "json"]);
    told.code(10);
    let items = findings(&told);
    assert_eq!(find(&items, "registration", "edge-0")["state"], "ok");
    let begun = find(&items, "unfinished_work", "edge-0");
    assert_eq!(begun["state"], "unfinished");
    assert_eq!(begun["advice"], "flex-renew renew edge-0");
    edge.run(&["check", "--output", "nagios"])
        .code(1)
        .prints("edge-0 unfinished: a renewal was begun and not finished");
    // In the middle of it there may be nothing that can be read.
    fs::write(edge.in_home("g0/conf.d/registration.yaml"), "").unwrap();
    let told = edge.run(&["check", "--output", "json"]);
    told.code(10);
    assert_eq!(findings(&told).len(), 1);
}

#[test]
fn credentials_that_are_refused_are_missing_and_the_registration_is_shown() {
    let mut edge = with_gateways(&[100]);
    let url = edge.bench.sim.url().to_owned();
    edge.bench
        .set("ANYPOINT_URL", url)
        .set("FLEX_CLIENT_ID", CLIENT_ID)
        .set_secret("FLEX_CLIENT_SECRET", "canary-that-is-wrong");
    let told = edge.run(&["check", "--credentials", "--output", "json"]);
    told.code(3);
    let items = findings(&told);
    assert_eq!(find(&items, "registration", "edge-0")["state"], "ok");
    let refused = find(&items, "platform", "credentials for flexctl of edge-0");
    assert_eq!(refused["state"], "missing");
    edge.run(&["check", "--credentials", "--output", "nagios"])
        .code(1);
}

#[test]
fn replicas_are_judged_by_the_dates_that_they_report() {
    let mut edge = with_gateways(&[100]);
    ask_the_platform(&mut edge);
    let expiry = crate::edge::read(&edge.in_home("g0/conf.d/registration.yaml")).expiry();
    add(
        &edge,
        &id(0),
        "edge-0",
        vec![
            replica("current", true, expiry),
            replica("not-restarted", true, in_days(40)),
            replica("gone", false, in_days(-3)),
        ],
    );
    add(
        &edge,
        &id(1),
        "elsewhere",
        vec![
            replica("well", true, in_days(31)),
            replica("late", true, in_days(29)),
            replica("over", true, in_days(-1)),
        ],
    );
    add(
        &edge,
        &id(2),
        "away",
        vec![
            replica("older", false, in_days(-400)),
            replica("last", false, in_days(-10)),
        ],
    );
    add(
        &edge,
        &id(3),
        "off",
        vec![replica("stopped", false, in_days(5))],
    );
    add(&edge, &id(4), "empty", Vec::new());
    let told = edge.run(&["check", "--replicas", "--output", "json"]);
    told.code(11);
    let items = findings(&told);
    assert_eq!(items.len(), 10, "{items:#?}");
    for (name, state) in [
        ("edge-0/current", "ok"),
        ("edge-0/not-restarted", "differs"),
        ("edge-0/gone", "ok"),
        ("elsewhere/well", "ok"),
        ("elsewhere/late", "due"),
        ("elsewhere/over", "expired"),
        ("away/older", "ok"),
        ("away/last", "expired"),
        ("off/stopped", "ok"),
    ] {
        let item = find(&items, "replica", name);
        assert_eq!(item["state"], state, "{item}");
    }
    let current = find(&items, "replica", "edge-0/current");
    assert_eq!(current["renewed_by"], "flex-renew");
    assert_eq!(moment(current, "not_after"), expiry);
    assert_eq!(
        current["renewal_due"],
        find(&items, "registration", "edge-0")["renewal_due"]
    );
    assert_eq!(current["at"]["gateway"], id(0));
    let older = find(&items, "replica", "edge-0/not-restarted");
    assert_eq!(older["advice"], "Restart the gateway.");
    assert!(older.get("renewal_due").is_none());
    assert_eq!(
        find(&items, "replica", "edge-0/gone")["detail"],
        "DISCONNECTED"
    );
    assert_eq!(
        find(&items, "replica", "elsewhere/over")["advice"],
        "flex-renew run, where its registration is"
    );

    edge.run(&["check", "--replicas", "--output", "nagios"])
        .code(2)
        .prints("FLEX-RENEW CRITICAL: 2 expired, 1 due, 1 differs, 6 ok; away/last expired");
    edge.run(&["check", "--replicas", "--output", "prometheus"])
        .code(11)
        .prints(&format!(
            "anypoint_replica_not_after_timestamp_seconds{{organization=\"{ORGANIZATION_ID}\",\
             environment=\"{PRODUCTION_ID}\",gateway=\"{}\",name=\"edge-0/current\"}} {}\n",
            id(0),
            expiry.as_second()
        ));
    edge.run(&["check", "--replicas"])
        .code(11)
        .prints("OK edge-0: 100 days left")
        .prints("OK edge-0/gone: was valid until ")
        .prints("; DISCONNECTED\n")
        .prints("DUE elsewhere/late: 29 days left, valid until ")
        .prints("EXPIRED elsewhere/over: was valid until ");
    // Without the flag nobody is asked.
    let asked = edge.bench.sim.requests().len();
    edge.run(&["check"]).code(0);
    assert_eq!(edge.bench.sim.requests().len(), asked);
}

#[test]
fn replicas_can_be_asked_about_where_no_registration_is() {
    let mut edge = Edge::with_days(100);
    ask_the_platform(&mut edge);
    edge.bench.set("PATH", "/nowhere");
    add(&edge, &id(1), "far", vec![replica("a", true, in_days(200))]);
    edge.run(&["check"]).code(4);
    let told = edge.run(&["check", "--replicas", "--output", "json"]);
    told.code(0);
    let items = findings(&told);
    assert_eq!(items.len(), 1);
    assert_eq!(find(&items, "replica", "far/a")["days_left"], 200);
    // That a named one is missing is no such case.
    edge.run(&["check", "/nowhere/r.yaml", "--replicas"])
        .code(4)
        .prints("OK far/a: ");
}

#[test]
fn a_gateway_whose_replicas_cannot_be_read_stops_no_other() {
    let mut edge = with_gateways(&[100]);
    ask_the_platform(&mut edge);
    add(
        &edge,
        &id(1),
        "well",
        vec![replica("a", true, in_days(200))],
    );
    add(
        &edge,
        &id(2),
        "lost",
        vec![replica("b", true, in_days(200))],
    );
    let unnamed = Replica {
        connected: true,
        ..Replica::default()
    };
    add(&edge, &id(3), "silent", vec![unnamed]);
    let path = format!("*/gateways/{}/replicas", id(2));
    let refused = Action::Answer {
        status: 404,
        headers: Vec::new(),
        body: "{\"message\":\"Gateway not found by id\"}".to_owned(),
    };
    edge.bench.fault(Fault::on("GET", &path, refused).always());
    let told = edge.run(&["check", "--replicas", "--output", "json"]);
    told.code(4).tells("2 of 4 gateways failed, lost first");
    let items = findings(&told);
    assert_eq!(find(&items, "registration", "edge-0")["state"], "ok");
    assert_eq!(find(&items, "replica", "well/a")["state"], "ok");
    assert_eq!(
        find(&items, "platform", "replicas of lost")["state"],
        "unknown"
    );
    let silent = find(&items, "replica", "silent/unnamed");
    assert_eq!(silent["detail"], "it reports no certificate");
    edge.run(&["check", "--replicas", "--output", "nagios"])
        .code(3)
        .prints("2 unknown, 2 ok; replicas of lost unknown: ");
    // Of what is connected with nobody knows what, it is not said that all is well.
    edge.bench.sim.faults().clear();
    edge.run(&["check", "--replicas"])
        .code(7)
        .prints("UNKNOWN silent/unnamed: it reports no certificate")
        .tells("replica silent/unnamed reports no certificate");
}

#[test]
fn a_platform_that_cannot_be_asked_is_unknown_beside_the_registrations() {
    let mut edge = with_gateways(&[20]);
    ask_the_platform(&mut edge);
    edge.bench.unset("ANYPOINT_ENV");
    let told = edge.run(&["check", "--replicas", "--output", "json"]);
    told.code(2).tells("no environment is given");
    let items = findings(&told);
    assert_eq!(find(&items, "registration", "edge-0")["state"], "due");
    assert_eq!(find(&items, "platform", "replicas")["state"], "unknown");
    // What is known to be wrong outweighs what is not known.
    edge.run(&["check", "--replicas", "--output", "nagios"])
        .code(1);
    edge.bench
        .set("ANYPOINT_ENV", "Production")
        .set_secret("ANYPOINT_CLIENT_SECRET", "canary-that-is-wrong");
    let told = edge.run(&["check", "--replicas", "--output", "json"]);
    told.code(3);
    let items = findings(&told);
    let platform = find(&items, "platform", "replicas in Production");
    assert_eq!(platform["at"]["organization"], ORGANIZATION_ID);
    assert_eq!(platform["at"]["environment"], "Production");
    assert!(platform["at"]["host"].is_string());
    edge.run(&["check", "--replicas"])
        .code(3)
        .prints("DUE edge-0: 20 days left");
}

#[test]
fn hostile_names_stay_text_in_every_form() {
    let mut edge = with_gateways(&[100]);
    ask_the_platform(&mut edge);
    let hostile = format!(
        "<script>a|'b=1;\n\"$(id)`\u{1b}[2J\u{202e}{}",
        "é".repeat(300)
    );
    add(
        &edge,
        &id(1),
        &hostile,
        vec![replica(&hostile, true, in_days(3))],
    );
    let told = edge.run(&["check", "--replicas", "--output", "json"]);
    told.code(10);
    let items = findings(&told);
    find(&items, "replica", &format!("{hostile}/{hostile}"));
    let nagios = edge.run(&["check", "--replicas", "--output", "nagios"]);
    nagios.code(1);
    assert_eq!(nagios.stdout.lines().count(), 1, "{nagios}");
    assert_eq!(nagios.stdout.matches('|').count(), 1, "{nagios}");
    let metrics = edge.run(&["check", "--replicas", "--output", "prometheus"]);
    let samples = metrics
        .stdout
        .lines()
        .filter(|line| line.starts_with("anypoint_replica_not_after_timestamp_seconds{"));
    assert_eq!(samples.count(), 1, "{metrics}");
    for told in [&told, &nagios, &metrics] {
        assert!(!told.stdout.contains('\u{1b}'), "{told}");
    }

    // In a shell, the advice names the gateway and does nothing else.
    edge.bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    let config = fs::read_to_string(edge.in_home("hooks.toml")).unwrap();
    edge.bench.write(
        "hooks.toml",
        config.replace("\"edge-0\"", "\"it's $(touch hit); `touch hit`\""),
    );
    let told = edge.run(&["check", "--within", "101d", "--output", "json"]);
    let advice = findings(&told)[0]["advice"].as_str().unwrap().to_owned();
    let program = fixtures::program("flex-renew");
    let command = advice.replacen("flex-renew", program.to_str().unwrap(), 1);
    edge.bench
        .run_other("sh", ["-c", &format!("{command} --within 101d")])
        .code(0);
    assert!(!edge.in_home("hit").exists());
    let installed = crate::edge::read(&edge.in_home("g0/conf.d/registration.yaml"));
    assert_eq!(days_left(&installed), 365);
}
