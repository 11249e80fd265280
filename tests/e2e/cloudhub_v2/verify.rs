//! `verify` and `--verify` prove what the ingress serves.

use simulator::pki::{Authority, Validity};

use crate::fixture::{DOMAIN, Fixture};

#[test]
fn verify_proves_what_the_ingress_serves() {
    let mut fixture = Fixture::new();
    let ingress = fixture.bench.sim.ingress_addr().to_string();
    let leaf = fixture.leaf(&[DOMAIN]);
    let folder = fixture.store("cert", DOMAIN, &leaf);
    let file = folder.join(format!("{DOMAIN}.cer"));
    let file = file.to_str().unwrap();
    let verify = ["verify", DOMAIN, "--connect", &ingress, "--timeout", "60s"];
    fixture
        .run(&[&verify[..4], &["--timeout", "1s", "--cert", file]].concat())
        .code(7)
        .tells("another certificate")
        .tells("--timeout");
    fixture
        .run(&verify)
        .code(4)
        .tells("no TLS context of the targets is for");
    fixture.deploy_from(&folder, DOMAIN, &[]).code(0);
    fixture
        .run(&[&verify[..], &["--cert", file]].concat())
        .code(0)
        .prints("chain trusted");
    fixture
        .run(&verify)
        .code(0)
        .prints("cloudhub-v2-verify.acme.example");
    let proof = fixture
        .run(&[&verify[..], &["--output", "json"]].concat())
        .json();
    assert_eq!(proof["fingerprint"].as_str().unwrap().len(), 64);
}

#[test]
fn verify_waits_until_the_ingress_has_taken_it_up() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    fixture.switch(|switches| switches.update_delay_ms = 1500);
    let ingress = fixture.bench.sim.ingress_addr().to_string();
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(
            DOMAIN,
            &leaf,
            &["--verify", "--connect", &ingress, "--timeout", "60s"],
        )
        .code(0)
        .tells("chain trusted");
}

#[test]
fn a_certificate_that_clients_would_refuse_is_not_proved() {
    let mut fixture = Fixture::new();
    let stranger = Authority::root("Stranger").unwrap();
    let leaf = stranger
        .leaf(&["shop.acme.example"], Validity::days(90))
        .unwrap();
    let ingress = fixture.bench.sim.ingress_addr().to_string();
    fixture
        .deploy_leaf(
            "shop.acme.example",
            &leaf,
            &["--verify", "--connect", &ingress, "--timeout", "0s"],
        )
        .code(7)
        .tells("clients would refuse it")
        .tells("CA_BUNDLE");
    fixture.bench.set("CH2_VERIFY", "1");
    fixture
        .deploy_leaf(
            "shop.acme.example",
            &leaf,
            &["--connect", "127.0.0.1:1", "--timeout", "0s"],
        )
        .code(7)
        .prints("already deployed")
        .tells("refused");
}
