//! No leaf goes out without the chain that belongs to it, unless that is said.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use simulator::pki::{Authority, Leaf, Validity};

use crate::fixture::{CONTEXT, DOMAIN, Fixture, keep, normal};

/// A folder as acme.sh keeps it, without the CA file.
fn without_ca_file(fixture: &mut Fixture, leaf: &Leaf) -> PathBuf {
    let folder = fixture.store("cert", DOMAIN, leaf);
    fs::remove_file(folder.join("ca.cer")).unwrap();
    folder
}

fn is_chain(fixture: &Fixture, chain_pem: &str) -> bool {
    fixture.context("prod", CONTEXT).unwrap()["capath"] == json!(normal(chain_pem))
}

#[test]
fn where_the_ca_file_holds_no_chain_the_full_chain_does() {
    for empty in [false, true] {
        let mut fixture = Fixture::new();
        let leaf = fixture.leaf(&[DOMAIN]);
        let folder = without_ca_file(&mut fixture, &leaf);
        if empty {
            fs::write(folder.join("ca.cer"), "\n").unwrap();
        }
        fixture
            .deploy_from(&folder, DOMAIN, &[])
            .code(0)
            .never_shows("warning");
        assert!(is_chain(&fixture, &leaf.chain_pem));
    }
}

#[test]
fn a_leaf_whose_issuer_is_nowhere_is_named_and_a_missing_file_is_an_error() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    let folder = without_ca_file(&mut fixture, &leaf);
    fs::write(folder.join("fullchain.cer"), &leaf.cert_pem).unwrap();
    fixture
        .deploy_from(&folder, DOMAIN, &[])
        .code(4)
        .tells("issuer CN=Intermediate is missing")
        .tells("ca.cer does not exist");
    fs::write(folder.join("ca.cer"), "").unwrap();
    fixture
        .deploy_from(&folder, DOMAIN, &["--strict"])
        .code(2)
        .tells("issuer CN=Intermediate is missing")
        .tells("CAFILE or FULLCHAIN");
    assert_eq!(fixture.lines().len(), 0);
    fixture
        .deploy_from(&folder, DOMAIN, &[])
        .code(0)
        .tells("issuer CN=Intermediate is missing")
        .prints("created");

    // acme.sh names files that need not be there.
    fs::remove_file(folder.join("ca.cer")).unwrap();
    fixture.acme_calls("");
    fixture
        .deploy_from(&folder, DOMAIN, &[])
        .code(0)
        .tells("issuer CN=Intermediate is missing");
}

#[test]
fn a_context_that_was_deployed_without_its_chain_differs() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    let without = Leaf {
        chain_pem: String::new(),
        ..leaf.clone()
    };
    fixture.deploy_leaf(DOMAIN, &without, &[]).code(0);
    let name = format!("{DOMAIN}_ecc");
    keep(&mut fixture, &name, &leaf, "cloudhub_v2,");
    fixture
        .run(&["status", DOMAIN, "--home", "acme"])
        .prints("differs: it was deployed without its chain");
    fixture
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(10)
        .prints("would be deployed (it was deployed without its chain)");
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("updated");
    assert!(is_chain(&fixture, &leaf.chain_pem));
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("already deployed");
}

#[test]
fn an_expired_intermediate_is_refused_unless_another_file_has_a_current_one() {
    let mut fixture = Fixture::new();
    let root = fixture.bench.sim.world().authority.clone();
    let over = root.expired_intermediate("Of yesterday").unwrap();
    let current = over.cross_signed_by(&root).unwrap();
    let leaf = over.leaf(&[DOMAIN], Validity::days(90)).unwrap();
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(2)
        .tells("the intermediate certificate CN=Of yesterday expired on");
    assert_eq!(fixture.lines().len(), 0);

    let folder = fixture.store("cert", DOMAIN, &leaf);
    let whole = format!("{}{}", leaf.cert_pem, current.pem());
    fs::write(folder.join("fullchain.cer"), whole).unwrap();
    fixture.deploy_from(&folder, DOMAIN, &[]).code(0);
    assert!(is_chain(&fixture, current.pem()));
}

#[test]
fn a_chain_through_a_young_root_goes_out_whole_and_a_leaf_needs_no_common_name() {
    let mut fixture = Fixture::new();
    let old = fixture.bench.sim.world().authority.clone();
    let young = Authority::root("Root of generation Y").unwrap();
    let middle = old.intermediate("Older root").unwrap();
    let cross_signed = young.cross_signed_by(&middle).unwrap();
    let issuers = ["YE1", "YE2"].map(|name| cross_signed.intermediate(name).unwrap());
    for issuer in issuers {
        let leaf = issuer
            .leaf_without_common_name(&[DOMAIN, "acme.example"], Validity::days(45))
            .unwrap();
        let run = fixture.deploy_leaf(DOMAIN, &leaf, &["--strict"]);
        run.code(0);
        assert!(is_chain(&fixture, &leaf.chain_pem), "{run}");
        assert_eq!(leaf.chain_pem.matches("BEGIN").count(), 3);
        fixture
            .deploy_leaf(DOMAIN, &leaf, &["--strict"])
            .code(0)
            .prints("already deployed")
            .prints("identified by its fingerprint");
    }

    // Without the signature of an older root, clients that know only that one are lost.
    let issuer = young.intermediate("YE3").unwrap();
    let leaf = issuer.leaf(&[DOMAIN], Validity::days(45)).unwrap();
    fixture
        .deploy_leaf(DOMAIN, &leaf, &["--strict"])
        .code(2)
        .tells("issuer CN=Root of generation Y is missing");
    fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
}
