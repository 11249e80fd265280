//! `spaces`, `list`, `status` and `check`.

use common::cert::Certificate;
use fixtures::{assert_is_checked, items_of};
use serde_json::json;
use simulator::Fault;
use simulator::faults::Action;

use std::collections::BTreeMap;
use std::fs;

use simulator::pki::{Leaf, Validity};

use crate::fixture::{CONTEXT, DOMAIN, Fixture, LIST, keep};
use crate::verify::open_ingress;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Valid for `lifetime` seconds in all, of which `left` are left.
fn aged(lifetime: u64, left: u64) -> Validity {
    let mut validity = Validity::days(0);
    validity.not_after += left;
    validity.not_before = validity.not_after - lifetime;
    validity
}

/// What `check` says of each TLS context.
fn states(checked: &serde_json::Value) -> BTreeMap<String, String> {
    let items = checked["items"].as_array().unwrap();
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    items
        .iter()
        .filter(|item| item["kind"] == "tls_context")
        .map(|row| (text(row, "name"), text(row, "state")))
        .collect()
}

/// Adds a line to the conf of a certificate in the home.
fn add_to_conf(fixture: &Fixture, domain: &str, line: &str) {
    let path = format!("acme/{domain}/{domain}.conf");
    let conf = fs::read_to_string(fixture.bench.home().join(&path)).unwrap();
    fixture.bench.write(&path, format!("{conf}{line}\n"));
}

#[test]
fn what_is_due_follows_the_lifetime_of_a_certificate() {
    let mut fixture = Fixture::new();
    // Lifetime and what is left of it; whether that is due.
    let table = [
        ("y.example", 365 * DAY, 31 * DAY, false),
        ("x.example", 365 * DAY, 29 * DAY, true),
        ("a.example", 90 * DAY, 23 * DAY, false),
        ("b.example", 90 * DAY, 22 * DAY, true),
        ("c.example", 45 * DAY, 12 * DAY, false),
        ("d.example", 45 * DAY, 11 * DAY, true),
        ("e.example", 160 * HOUR, 41 * HOUR, false),
        ("f.example", 160 * HOUR, 39 * HOUR, true),
    ];
    for (domain, lifetime, left, _) in table {
        let validity = aged(lifetime, left);
        let leaf = fixture.authority.leaf(&[domain], validity).unwrap();
        keep(&mut fixture, domain, &leaf, "cloudhub_v2,");
    }
    fixture.forget_environment();
    let reconciled = fixture.run(&["reconcile", "--home", "acme"]);
    reconciled.code(0);
    let checked = fixture.run(&["check", "--home", "acme", "--output", "json"]);
    let found = states(&checked.code(10).json());
    for (domain, _, _, due) in table {
        let state = if due { "due" } else { "ok" };
        assert_eq!(
            found[&domain.replace('.', "-")],
            state,
            "{domain}\n{checked}"
        );
        let warned = reconciled
            .stderr
            .contains(&format!("{domain} has to be renewed"));
        assert_eq!(warned, due, "{domain}\n{reconciled}");
        let status = fixture.run(&["status", domain, "--home", "acme"]);
        assert_eq!(
            status.code(0).stdout.contains(": due: "),
            due,
            "{domain}\n{status}"
        );
    }
    fixture
        .run(&["check", "d.example", "--home", "acme"])
        .code(10)
        .prints("d-example in prod: less than a quarter of its lifetime left, until ");
    fixture
        .run(&["check", "d.example", "--home", "acme", "--within", "5d"])
        .code(0);
    fixture
        .run(&["check", "c.example", "--home", "acme", "--within", "12d"])
        .code(10);
}

#[test]
fn where_the_lifetime_is_not_known_ten_days_are_due() {
    let mut fixture = Fixture::new();
    for (domain, left, code) in [("a.example", 12, 0), ("b.example", 9, 10)] {
        let validity = aged(45 * DAY, left * DAY);
        let leaf = fixture.authority.leaf(&[domain], validity).unwrap();
        fixture.deploy_leaf(domain, &leaf, &[]).code(0);
        fixture.run(&["check", domain]).code(code);
    }
}

#[test]
fn check_walks_the_home_and_tells_what_was_not_renewed_or_not_deployed() {
    let mut fixture = Fixture::new();
    let names = [
        "current.example",
        "late.example",
        "differs.example",
        "missing.example",
    ];
    for name in names {
        let leaf = fixture.leaf(&[name]);
        keep(&mut fixture, name, &leaf, "cloudhub_v2,");
    }
    let foreign = fixture.leaf(&["foreign.example"]);
    fixture
        .deploy_leaf("foreign.example", &foreign, &[])
        .code(0);
    fixture.forget_environment();
    fixture.run(&["reconcile", "--home", "acme"]).code(0);
    let checked = ["check", "--home", "acme"];
    fixture.run(&checked).code(0);

    fixture
        .run(&["remove", "missing.example", "--home", "acme", "--yes"])
        .code(0);
    let renewed = fixture.leaf(&["differs.example"]);
    fixture.store("acme/differs.example", "differs.example", &renewed);
    let planned = |before: u64| {
        let planned = Validity::days(0).not_after - before;
        format!("Le_NextRenewTime='{planned}'")
    };
    add_to_conf(&fixture, "late.example", &planned(25 * HOUR));
    add_to_conf(&fixture, "current.example", &planned(23 * HOUR));
    let run = fixture.run(&[&checked[..], &["--output", "json"]].concat());
    let found = states(&run.code(10).json());
    let expected = [
        ("current-example", "ok"),
        ("differs-example", "differs"),
        ("foreign-example", "ok"),
        ("late-example", "due"),
        ("missing-example", "missing"),
    ];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned()));
    assert_eq!(found, BTreeMap::from(expected), "{run}");
    fixture
        .run(&checked)
        .code(10)
        .prints("late-example in prod: acme.sh planned to renew it on ")
        .prints("differs-example in prod: differs from acme.sh's: it holds another certificate");
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .tells("late.example has to be renewed: acme.sh planned to renew it on ");

    // Asked without --home, acme.sh's usual one is meant.
    let home = fixture.bench.home().to_owned();
    fs::rename(home.join("acme"), home.join(".acme.sh")).unwrap();
    fixture.run(&["check"]).code(10).prints("late-example");
    fixture.bench.write(
        ".acme.sh/latin.example/latin.example.conf",
        b"Le_Alt='caf\xe9'\n",
    );
    fixture
        .run(&["check"])
        .code(2)
        .prints("late-example")
        .tells("latin.example.conf is not text");
}

#[test]
fn a_check_of_a_hundred_certificates_asks_for_each_private_space_once() {
    let mut fixture = Fixture::new();
    let spaces: Vec<String> = (0..10).map(|number| format!("space-{number}")).collect();
    let ids: Vec<String> = spaces
        .iter()
        .map(|name| fixture.bench.add_space(name))
        .collect();
    let leaf = fixture.leaf(&["*.acme.example"]);
    for number in 0..100 {
        let domain = format!("a{number}.acme.example");
        keep(&mut fixture, &domain, &leaf, "cloudhub_v2,");
        // By name or by id, it is the same space.
        let space = if number < 50 { &spaces } else { &ids };
        let space = &space[number % 10];
        add_to_conf(
            &fixture,
            &domain,
            &format!("SAVED_CH2_PRIVATE_SPACE_ID='{space}'"),
        );
    }
    fixture.forget_environment();
    fixture.bench.sim.clear_log();
    let run = fixture.run(&["check", "--home", "acme", "--output", "json"]);
    assert_eq!(states(&run.code(10).json()).len(), 100);
    let lines = fixture.lines();
    let lists = lines
        .iter()
        .filter(|line| *line == "GET tlsContexts")
        .count();
    assert_eq!(lists, 10);
    // One login, and one look for the ids of the spaces.
    assert_eq!(lines.len(), 12, "{lines:?}");
}

#[test]
fn spaces_list_and_status_show_what_is_there() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN, "acme.example"]);
    keep(&mut fixture, "*.acme.example_ecc", &leaf, "cloudhub_v2,");
    fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    let id = fixture.space_id("prod");
    fixture
        .run(&["spaces"])
        .code(0)
        .prints("prod")
        .prints(&id)
        .prints("us-east-1")
        .prints("usa-e1.cloudhub.io");
    fixture
        .run(&["list"])
        .code(0)
        .prints("default")
        .prints(CONTEXT)
        .prints("*.acme.example, acme.example")
        .prints("  90  ");
    fixture
        .run(&["status", DOMAIN, "--home", "acme"])
        .code(0)
        .prints("x-acme-example in prod: current");
    fixture.deploy().code(0);
    let json = fixture
        .run(&["status", DOMAIN, "--home", "acme", "--output", "json"])
        .json();
    assert_eq!(
        json["contexts"][0]["local"],
        "differs: it holds another certificate"
    );
    assert_eq!(json["contexts"][0]["days_left"], 90);
    fixture
        .run(&["status", "shop.example"])
        .code(0)
        .tells("no TLS context of the targets is for shop.example");
}

#[test]
fn check_tells_what_is_due_missing_or_expired() {
    let mut fixture = Fixture::new();
    fixture.run(&["check"]).code(0);
    fixture.run(&["check", DOMAIN]).code(10).prints("MISSING");
    fixture.deploy().code(0);
    fixture.run(&["check", DOMAIN]).code(0).prints("ok");
    fixture
        .run(&["check", "--within", "91d"])
        .code(10)
        .prints("DUE");
    let expired = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: json!([{"id": "1", "name": "n", "type": "custom",
            "keyStore": {"cn": DOMAIN, "expirationDate": "2020-01-01"}}])
        .to_string(),
    };
    fixture.fault("GET", LIST, expired);
    fixture.run(&["check"]).code(11).prints("EXPIRED");
}

#[test]
fn credentials_are_shown_to_other_control_planes_only_from_a_published_one() {
    let fixture = Fixture::new();
    fixture
        .run(&["check", "--planes"])
        .code(2)
        .tells("not one of the published control planes");
    assert_eq!(fixture.lines().len(), 0);
}

/// What a check says of each item of a kind: where, and the state.
fn served(checked: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    items_of(checked, "served_certificate")
        .iter()
        .map(|item| (text(&item["at"]["private_space"]), text(&item["state"])))
        .collect()
}

#[test]
fn a_check_sees_what_each_ingress_serves_and_waits_for_none() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("dr");
    open_ingress(&fixture, "prod");
    open_ingress(&fixture, "dr");
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "prod,dr");
    let check = ["check", "--served", "--output", "json"];
    // Nothing is there, and nothing is asked for.
    let run = fixture.run(&check);
    assert_eq!(served(&run.code(0).json()), []);
    fixture.deploy().code(0);
    let run = fixture.run(&check);
    let json = run.code(0).json();
    assert_is_checked(&json);
    let states = |prod: &str, dr: &str| {
        [("prod", prod), ("dr", dr)].map(|(space, state)| (space.to_owned(), state.to_owned()))
    };
    assert_eq!(served(&json), states("ok", "ok"));
    for item in items_of(&json, "served_certificate") {
        assert_eq!(item["days_left"], 89, "{item}");
        assert_eq!(item["at"]["server_name"], "cloudhub-v2-verify.acme.example");
    }
    fixture
        .run(&check[..2])
        .code(0)
        .prints("x-acme-example in prod: served: cloudhub-v2-verify.acme.example: ");
    fixture
        .run(&["check", "--served", "--output", "prometheus"])
        .code(0)
        .prints("anypoint_served_certificate_matches{");

    // The platform reports another certificate than the one that is served: the ingress has not followed.
    {
        let mut world = fixture.bench.sim.world();
        let space = world.anypoint.space_mut("dr").unwrap();
        let mut contexts = space.contexts.iter_mut();
        let context = contexts.find(|context| context.name == CONTEXT).unwrap();
        let name = context.file_names[0].as_mut().unwrap();
        *name = format!("{}.cer", "0".repeat(name.len() - ".cer".len()));
    }
    let run = fixture.run(&check);
    let json = run.code(10).json();
    assert_is_checked(&json);
    assert_eq!(json["state"], "critical");
    assert_eq!(served(&json), states("ok", "not_served"));
    let run = fixture.run(&["check", "--served", "--output", "nagios"]);
    run.code(2)
        .prints("CLOUDHUB_V2 CRITICAL: 1 not served, 3 ok; x-acme-example not served: ");
    let run = fixture.run(&["check", "--served", "--output", "prometheus"]);
    assert!(
        run.code(10)
            .stdout
            .contains("private_space=\"dr\",host=\"127.0.0.1\",name=\"x-acme-example\"} 0\n"),
        "{run}"
    );

    // An ingress that cannot be reached says nothing about the others.
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let mut world = fixture.bench.sim.world();
    world.anypoint.space_mut("dr").unwrap().dns_target = Some(closed);
    drop(world);
    let run = fixture.run(&check);
    let json = run.code(6).json();
    assert_is_checked(&json);
    assert_eq!(served(&json), states("ok", "unknown"));
    run.tells("what is served for x-acme-example in dr could not be seen");
    // Each private space is listed once, and asked for its ingress once.
    fixture.bench.sim.clear_log();
    let run = fixture.run(&[&check[..], &["-vv"]].concat());
    // The platform limits how many it answers in a second.
    let requests = fixture.bench.sim.requests();
    let answered = requests
        .iter()
        .filter(|entry| entry.method == "GET" && entry.status == Some(200));
    assert_eq!(answered.count(), 5, "{}", run.code(6));

    let ingress = fixture.bench.sim.ingress_addr().to_string();
    let run = fixture.run(&[&check[..], &["--connect", &ingress]].concat());
    assert_eq!(
        items_of(&run.json(), "served_certificate").len(),
        2,
        "{run}"
    );
}

#[test]
fn what_is_said_of_ingresses_is_refused_where_none_is_looked_at() {
    let fixture = Fixture::new();
    for flag in ["--connect", "--server-name", "--resolver"] {
        fixture
            .run(&["check", flag, "127.0.0.1"])
            .code(2)
            .tells(&format!("{flag} says nothing without --served"));
    }
    fixture
        .run(&["check", "--served", "--server-name", "www.acme.example"])
        .code(2)
        .tells("--server-name can be the name of one certificate only");
    assert_eq!(fixture.lines().len(), 0);
}

#[test]
fn the_plan_of_acme_sh_is_shown_beside_what_is_deployed() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.example"]);
    keep(&mut fixture, "shop.example_ecc", &leaf, "cloudhub_v2,");
    let conf = "acme/shop.example_ecc/shop.example.conf";
    let text = fs::read_to_string(fixture.bench.home().join(conf)).unwrap();
    let planned = "Le_NextRenewTime='1900000000'\n";
    fixture.bench.write(conf, format!("{text}{planned}"));
    fixture.forget_environment();
    fixture.run(&["reconcile", "--home", "acme"]).code(0);
    let run = fixture.run(&["check", "--home", "acme", "--output", "json"]);
    let json = run.code(0).json();
    assert_is_checked(&json);
    let certificate = items_of(&json, "certificate")[0];
    let context = items_of(&json, "tls_context")[0];
    for item in [certificate, context] {
        assert_eq!(item["renewal_due"], "2030-03-17T17:46:40Z", "{item}");
        assert_eq!(item["renewed_by"], "acme.sh");
        // To the second, where acme.sh has the same certificate.
        assert_eq!(item["not_after"], leaf_end(&leaf), "{item}");
        assert_eq!(item["days_left"], 89);
    }
    assert_eq!(certificate["at"]["key_type"], "ecc");
    fixture
        .run(&["check", "--home", "acme"])
        .code(0)
        .prints("2030-03-17");

    // Without the home only the day is known, and nothing renews it.
    let app = {
        let sim = fixture.bench.sim.world();
        let app = &sim.anypoint.apps[0];
        (app.client_id.clone(), app.client_secret.clone())
    };
    fixture
        .bench
        .set("CH2_CLIENT_ID", app.0)
        .set("CH2_CLIENT_SECRET", app.1)
        .set("CH2_PRIVATE_SPACE_ID", "prod");
    let organization = fixture.organization.clone();
    let url = fixture.bench.sim.url().to_owned();
    fixture
        .bench
        .set("ORGANIZATION_ID", organization)
        .set("ANYPOINT_URL", url);
    let json = fixture.run(&["check", "--output", "json"]).code(0).json();
    let context = items_of(&json, "tls_context")[0];
    let day = leaf_end(&leaf)[..10].to_owned();
    assert_eq!(context["not_after"], format!("{day}T00:00:00Z"));
    assert_eq!(context["days_left"], 90);
    assert_eq!(context.get("renewed_by"), None);
}

/// When a certificate ends, as JSON has it.
fn leaf_end(leaf: &Leaf) -> String {
    let certificate = Certificate::parse_all(&leaf.cert_pem).unwrap().remove(0);
    certificate.not_after.to_string()
}

#[test]
fn an_unreadable_certificate_and_a_private_space_that_fails_hide_no_other() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("dr");
    let leaf = fixture.leaf(&["shop.example"]);
    keep(&mut fixture, "shop.example", &leaf, "cloudhub_v2,");
    add_to_conf(
        &fixture,
        "shop.example",
        "SAVED_CH2_PRIVATE_SPACE_ID='prod,dr'",
    );
    let other = fixture.leaf(&["odd.example"]);
    keep(&mut fixture, "odd.example", &other, "cloudhub_v2,");
    fixture.bench.write("acme/odd.example/odd.example.cer", "x");
    fixture.forget_environment();
    let dr = fixture.space_id("dr");
    let path = format!("/runtimefabric/api/organizations/*/privatespaces/{dr}/tlsContexts");
    fixture
        .bench
        .fault(Fault::on("GET", &path, Action::Empty { status: 400 }).always());
    let run = fixture.run(&["check", "--home", "acme", "--output", "json"]);
    let json = run.json();
    assert_is_checked(&json);
    assert_ne!(run.code, Some(0));
    let names: Vec<_> = items_of(&json, "platform")
        .iter()
        .map(|item| item["name"].clone())
        .collect();
    assert_eq!(names, ["odd.example", "private space dr"], "{run}");
    let contexts = items_of(&json, "tls_context");
    assert_eq!(contexts.len(), 1, "{run}");
    assert_eq!(contexts[0]["state"], "missing");
    // What is known to be wrong outweighs what is not known.
    assert_eq!(json["state"], "warning");
}
