//! Client authentication and ciphers survive an update.

use simulator::anypoint::Patch;
use simulator::pki::Authority;

use crate::fixture::{CONTEXT, DOMAIN, Fixture};

fn truststore(fixture: &mut Fixture) {
    let path = fixture
        .bench
        .write("clients.pem", Authority::root("Clients").unwrap().pem());
    fixture.bench.set("CH2_TRUSTSTORE", path.to_str().unwrap());
}

#[test]
fn an_update_leaves_the_trust_store_alone() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    fixture.set_trust_store(CONTEXT);
    fixture.deploy().code(0);
    assert_eq!(
        fixture.context("prod", CONTEXT).unwrap()["trustStore"]["fileName"],
        "clients.pem"
    );
}

#[test]
fn a_trust_store_that_an_update_drops_is_reported_loudly_or_sent_again() {
    let mut fixture = Fixture::new();
    fixture.switch(|switches| switches.update_keeps_trust_store = false);
    fixture.deploy().code(0);
    fixture.set_trust_store(CONTEXT);
    fixture
        .deploy()
        .code(7)
        .tells("THE TRUST STORE IS GONE")
        .tells("CH2_TRUSTSTORE");

    fixture.set_trust_store(CONTEXT);
    truststore(&mut fixture);
    fixture.deploy().code(0);
    assert!(!fixture.context("prod", CONTEXT).unwrap()["trustStore"].is_null());
}

#[test]
fn a_trust_store_that_was_lost_comes_back_with_the_next_run() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    truststore(&mut fixture);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("updated");
    assert!(!fixture.context("prod", CONTEXT).unwrap()["trustStore"].is_null());
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("already deployed");
}

#[test]
fn without_the_trust_store_nothing_is_replaced_as_a_whole() {
    let mut fixture = Fixture::new();
    fixture.switch(|switches| {
        switches.update_keeps_trust_store = false;
        switches.patch = Patch::NotAllowed;
    });
    let first = fixture.leaf(&[DOMAIN]);
    fixture.deploy_leaf(DOMAIN, &first, &[]).code(0);
    let second = fixture.leaf(&[DOMAIN]);
    fixture.deploy_leaf(DOMAIN, &second, &[]).code(0);
    fixture.set_trust_store(CONTEXT);
    let third = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &third, &[])
        .code(2)
        .tells("Nothing was changed")
        .tells("CH2_TRUSTSTORE");
    assert!(fixture.holds("prod", CONTEXT, &second));

    truststore(&mut fixture);
    fixture.deploy_leaf(DOMAIN, &third, &[]).code(0);
    assert!(fixture.holds("prod", CONTEXT, &third));
    assert!(!fixture.context("prod", CONTEXT).unwrap()["trustStore"].is_null());
}

#[test]
fn ciphers_stay_as_they_are_unless_others_are_chosen() {
    let mut fixture = Fixture::new();
    fixture.switch(|switches| {
        switches.dead_ciphers = true;
        switches.update_keeps_ciphers = false;
    });
    fixture.deploy().code(0);
    fixture.change(CONTEXT, |context| {
        context.ciphers.insert("aes256Sha256".into(), true);
    });
    fixture.deploy().code(0);
    assert_eq!(
        fixture.context("prod", CONTEXT).unwrap()["ciphers"]["aes256Sha256"],
        true
    );

    fixture
        .bench
        .set("CH2_CIPHERS", "tlsAes256GcmSha384, ecdheRsaAes256GcmSha384");
    fixture.deploy().code(0);
    let ciphers = fixture.context("prod", CONTEXT).unwrap()["ciphers"].clone();
    let on: Vec<&String> = ciphers
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, on)| **on == true)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(on, ["ecdheRsaAes256GcmSha384", "tlsAes256GcmSha384"]);
    fixture.bench.set("CH2_CIPHERS", "rc4");
    fixture
        .deploy()
        .code(2)
        .tells("\"rc4\" is not a cipher")
        .tells("tlsAes256GcmSha384");
}
