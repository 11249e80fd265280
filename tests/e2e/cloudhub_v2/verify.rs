//! `verify` and `--verify` prove what the ingress serves.

use simulator::cloudflare::Record;
use simulator::pki::{Authority, Validity};

use crate::fixture::{DOMAIN, Fixture, keep};

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
    let fingerprint = proof["proofs"][0]["fingerprint"].as_str();
    assert_eq!(fingerprint.unwrap().len(), 64);
}

/// Opens an ingress for a private space alone, which its DNS target leads to.
pub(crate) fn open_ingress(fixture: &Fixture, name: &str) -> String {
    let at = fixture.bench.sim.open_ingress(name).unwrap().to_string();
    let mut world = fixture.bench.sim.world();
    world.anypoint.space_mut(name).unwrap().dns_target = Some(at.clone());
    at
}

#[test]
fn every_target_is_proved_at_its_own_ingress_the_standby_one_too() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("dr");
    let (prod, dr) = (open_ingress(&fixture, "prod"), open_ingress(&fixture, "dr"));
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "prod,dr");
    let leaf = fixture.leaf(&[DOMAIN]);
    let folder = fixture.store("cert", DOMAIN, &leaf);
    let file = folder.join(format!("{DOMAIN}.cer"));
    let verify = ["verify", DOMAIN, "--cert", file.to_str().unwrap()];
    let only_prod = ["--private-space", "prod"];
    fixture.deploy_from(&folder, DOMAIN, &only_prod).code(0);
    fixture
        .run(&[&verify[..], &["--timeout", "0s"]].concat())
        .code(7)
        .prints(&format!(
            "prod: cloudhub-v2-verify.acme.example: 127.0.0.1 ({prod})"
        ))
        .tells("private space dr")
        .tells("1 of 2 failed");
    fixture.bench.set("CH2_VERIFY", "1");
    fixture
        .deploy_from(&folder, DOMAIN, &[])
        .code(0)
        .tells(&format!(
            "dr: cloudhub-v2-verify.acme.example: 127.0.0.1 ({dr})"
        ));
    fixture.run(&verify).code(0).prints("prod: ").prints("dr: ");
    // What the platform reports of each is enough.
    fixture
        .run(&["verify", DOMAIN])
        .code(0)
        .prints("prod: ")
        .prints("dr: ");
}

#[test]
fn how_to_prove_is_saved_for_the_renewals_and_holds_for_reconcile() {
    let mut fixture = Fixture::new();
    let domain = "shop.acme.example";
    let leaf = fixture.leaf(&[domain]);
    keep(&mut fixture, domain, &leaf, "cloudhub_v2,");
    let conf = fixture.bench.home().join("acme").join(domain);
    let conf = conf.join(format!("{domain}.conf"));
    let ingress = fixture.bench.sim.ingress_addr();
    let dns = fixture.bench.sim.dns_addr().to_string();
    {
        let mut world = fixture.bench.sim.world();
        world.cloudflare.add_zone("acme.example");
        let zone = world.cloudflare.zone_mut("acme.example").unwrap();
        let record = Record::new("A", "ingress.acme.example", "127.0.0.1");
        zone.records.push(record);
    }
    let settings = [
        ("CH2_VERIFY", "1".to_owned()),
        (
            "CH2_VERIFY_CONNECT",
            format!("ingress.acme.example:{}", ingress.port()),
        ),
        ("CH2_VERIFY_RESOLVER", dns),
        ("CH2_VERIFY_SERVER_NAME", domain.to_owned()),
        ("CH2_VERIFY_TIMEOUT", "0s".to_owned()),
    ];
    for (name, value) in &settings {
        fixture.bench.set(name, value);
    }
    fixture.acme_calls_with(&conf);
    let folder = conf.parent().unwrap().to_owned();
    fixture
        .deploy_from(&folder, domain, &[])
        .code(0)
        .prints("chain trusted");
    for (name, _) in &settings {
        fixture.bench.unset(name);
    }
    fixture
        .bench
        .unset("ANYPOINT_HOOKS_VOICE")
        .unset("DOMAIN_CONF");
    fixture.forget_environment();
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0).prints("prod: already deployed, and served");
    assert_eq!(run.stderr, "");
    // Another one is served in its place, though the platform shows that ours is there.
    fixture.bench.add_space("rival");
    let rival = fixture.leaf(&[domain]);
    fixture
        .deploy_leaf(
            domain,
            &rival,
            &["--home", "acme", "--private-space", "rival"],
        )
        .code(0);
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(7)
        .prints("shop.acme.example in prod: already deployed\n")
        .tells("another certificate");
}

#[test]
fn an_address_that_this_host_has_no_route_to_is_left_out_and_told() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    let port = fixture.bench.sim.ingress_addr().port();
    let dns = fixture.bench.sim.dns_addr().to_string();
    let point_to = |addresses: &[(&str, &str)]| {
        let mut world = fixture.bench.sim.world();
        world.cloudflare.zones.clear();
        world.cloudflare.add_zone("acme.example");
        let zone = world.cloudflare.zone_mut("acme.example").unwrap();
        for (kind, address) in addresses {
            let record = Record::new(kind, "ingress.acme.example", address);
            zone.records.push(record);
        }
    };
    // Local to a link that nobody names: no host has a route there, with IPv6 or without.
    let nowhere = ("AAAA", "fe80::1");
    let at = format!("ingress.acme.example:{port}");
    let verify = [
        "verify",
        DOMAIN,
        "--connect",
        &at,
        "--resolver",
        &dns,
        "--timeout",
        "0s",
    ];
    point_to(&[("A", "127.0.0.1"), nowhere]);
    fixture
        .run(&verify)
        .code(0)
        .prints(&format!("(127.0.0.1:{port}) serves the certificate"))
        .prints(&format!(
            "left out, since this host has no route there: [fe80::1]:{port}"
        ));
    point_to(&[nowhere]);
    fixture
        .run(&verify)
        .code(7)
        .tells(&format!("this host has no route to [fe80::1]:{port}"));
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
