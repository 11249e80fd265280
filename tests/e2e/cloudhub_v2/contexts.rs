//! The TLS context for a domain is told from others.

use serde_json::json;
use simulator::faults::Action;
use simulator::pki::Validity;

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
    fixture.fault("GET", LIST, list(&ours, "x.acme.example.key"));
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(2)
        .tells("names no domain, and was written with the key x.acme.example.key");
    fixture.fault("GET", LIST, list("by-hand.pem", "by-hand.key"));
    fixture
        .run(&["remove", DOMAIN, "--yes"])
        .code(2)
        .tells("names no domain, and was not written by this program; it is not removed");
    assert_eq!(fixture.writes(), 0);
    fixture.fault("GET", LIST, list(&ours, "_wildcard.acme.example.key"));
    fixture.deploy_leaf(DOMAIN, &leaf, &[]);
    assert!(fixture.writes() > 0);
}

#[test]
fn a_context_of_the_shell_hook_is_taken_over_though_it_names_no_domain() {
    for file_name in [None, Some("certificate.pem".to_owned())] {
        let mut fixture = Fixture::new();
        let by_shell = fixture.leaf(&[DOMAIN]);
        fixture.deploy_leaf(DOMAIN, &by_shell, &[]).code(0);
        fixture.change(CONTEXT, |context| {
            context.file_names = [file_name, None, None];
        });
        fixture.switch(|switches| switches.domains = false);
        let renewed = fixture
            .authority
            .leaf(&[DOMAIN], Validity::days(91))
            .unwrap();
        // Not under a name of somebody's choice.
        fixture
            .deploy_leaf(DOMAIN, &renewed, &["--context-name", "x-acme-example-2"])
            .code(0);
        fixture.change("x-acme-example-2", |context| {
            context.file_names = [Some("by-hand.pem".into()), None, None];
        });
        fixture
            .deploy_leaf(DOMAIN, &renewed, &["--context-name", "x-acme-example-2"])
            .code(2)
            .tells("names no domain");
        fixture
            .deploy_leaf(DOMAIN, &renewed, &[])
            .code(0)
            .prints("updated")
            .prints("identified by its fingerprint")
            .tells("tells no domain: taken over for *.acme.example");
        assert!(fixture.holds("prod", CONTEXT, &renewed));
        let again = fixture.deploy_leaf(DOMAIN, &renewed, &[]);
        again.code(0).prints("already deployed");
        again.never_shows("taken over");
    }
}

#[test]
fn odd_entries_of_others_in_a_list_hurt_nobody() {
    let mut fixture = Fixture::new();
    {
        let mut world = fixture.bench.sim.world();
        world.anypoint.switches.strange_spaces = vec![
            json!(null),
            json!("space"),
            json!({"id": null, "name": null, "network": null, "environments": null}),
            json!({"id": 5, "name": 6, "status": 7, "region": {}, "network": {"dnsTarget": 8}}),
        ];
    }
    fixture.switch(|switches| {
        switches.strangers = vec![
            json!(null),
            json!(3),
            json!({}),
            json!({"id": null, "name": null, "type": null, "keyStore": null, "ciphers": null}),
            json!({"id": 1, "name": 2, "type": 3, "keyStore": {"cn": 4, "san": [null, 5], "expirationDate": 6,
                "fileName": 7}, "trustStore": 8, "ciphers": 9}),
        ];
    });
    fixture.deploy().code(0).prints("created");
    fixture.deploy().code(0).prints("updated");
    for command in ["spaces", "list"] {
        fixture.run(&[command]).code(0).prints("prod");
    }
    fixture.run(&["remove", DOMAIN, "--yes"]).code(0);
    assert!(fixture.context("prod", CONTEXT).is_none());
}

#[test]
fn what_is_needed_and_cannot_be_read_is_named() {
    let mut fixture = Fixture::new();
    fixture.switch(|switches| {
        let ours = json!({"id": null, "name": CONTEXT, "keyStore": {"cn": DOMAIN}});
        switches.strangers = vec![ours];
    });
    fixture
        .deploy()
        .code(6)
        .tells(&format!("no id of TLS context {CONTEXT:?}"))
        .never_shows("proxy");
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "strange");
    fixture.bench.sim.world().anypoint.switches.strange_spaces = vec![json!({"name": "strange"})];
    fixture
        .deploy()
        .code(6)
        .tells("no id of the private space \"strange\"");
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
