//! `spaces`, `list`, `status` and `check`.

use serde_json::json;
use simulator::faults::Action;

use crate::fixture::{CONTEXT, DOMAIN, Fixture, LIST, keep};

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
