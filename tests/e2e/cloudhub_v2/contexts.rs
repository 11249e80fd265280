//! The TLS context for a domain is told from others.

use serde_json::json;
use simulator::faults::Action;

use crate::fixture::{CONTEXT, DOMAIN, Fixture, LIST};

#[test]
fn contexts_with_longer_names_are_never_taken_for_it() {
    let mut fixture = Fixture::new();
    for name in ["x-acme-example-2", "ax-acme-example", "X-acme-example"] {
        let leaf = fixture.leaf(&["other.example"]);
        fixture
            .deploy_leaf("other.example", &leaf, &["--context-name", name])
            .code(0);
    }
    fixture.deploy().code(0).prints("created");
}

#[test]
fn a_context_of_another_domain_is_not_overwritten() {
    let mut fixture = Fixture::new();
    let first = fixture.leaf(&["a.b.example"]);
    fixture.deploy_leaf("a.b.example", &first, &[]).code(0);
    let second = fixture.leaf(&["a-b.example"]);
    fixture
        .deploy_leaf("a-b.example", &second, &["--force"])
        .code(2)
        .tells("belongs to a.b.example")
        .tells("a-b.example")
        .tells("CH2_TLS_CONTEXT_NAME");
    assert!(fixture.holds("prod", "a-b-example", &first));
    fixture.bench.set("CH2_TLS_CONTEXT_NAME", "the second");
    fixture.deploy_leaf("a-b.example", &second, &[]).code(0);
}

#[test]
fn a_context_that_names_no_domain_is_ours_only_by_our_file_names() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    let list = |file: &str, key: &str| {
        Action::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: json!([{"id": "1", "name": CONTEXT, "type": "custom", "keyStore": {"fileName": file, "keyFileName": key}}])
            .to_string(),
    }
    };
    let ours = format!("{}.cer", "0a".repeat(30));
    for (file, key) in [
        ("cert.pem", "_wildcard.acme.example.key"),
        (&ours, "x.acme.example.key"),
    ] {
        fixture.fault("GET", LIST, list(file, key));
        fixture
            .deploy_leaf(DOMAIN, &leaf, &[])
            .code(2)
            .tells("names no domain");
    }
    assert_eq!(fixture.writes(), 0);
    fixture.fault("GET", LIST, list(&ours, "_wildcard.acme.example.key"));
    fixture.deploy_leaf(DOMAIN, &leaf, &[]);
    assert!(fixture.writes() > 0);
}

#[test]
fn the_default_context_is_left_alone() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &["--context-name", "default"])
        .code(2)
        .tells("default TLS context");
    assert_eq!(fixture.writes(), 0);
}

#[test]
fn a_second_context_for_the_domain_is_warned_of() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &["--context-name", "by hand"])
        .code(0);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .tells("CH2_TLS_CONTEXT_NAME=\"by hand\"");
}

#[test]
fn an_eleventh_context_is_not_tried() {
    let mut fixture = Fixture::new();
    for number in 0..10 {
        let domain = format!("d{number}.example");
        let leaf = fixture.leaf(&[&domain]);
        fixture.deploy_leaf(&domain, &leaf, &[]).code(0);
    }
    fixture.bench.sim.clear_log();
    fixture
        .deploy()
        .code(5)
        .tells("10 are there already")
        .tells("cloudhub_v2 remove");
    assert_eq!(fixture.writes(), 0);
}
