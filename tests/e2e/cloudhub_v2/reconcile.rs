//! `cloudhub_v2 reconcile`.

use simulator::Fault;
use simulator::faults::Action;
use simulator::pki::{Leaf, Validity};

use crate::fixture::{Fixture, keep};

#[test]
fn reconcile_deploys_what_differs_and_leaves_the_rest_alone() {
    let mut fixture = Fixture::new();
    for (name, hooks) in [
        ("*.acme.example_ecc", "cloudhub_v2,"),
        ("shop.acme.example", "nginx,cloudhub_v2,"),
        ("no.example", "nginx,"),
    ] {
        let leaf = fixture.leaf(&[name.trim_end_matches("_ecc")]);
        keep(&mut fixture, name, &leaf, hooks);
    }
    fixture.forget_environment();
    fixture
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(10)
        .prints("would be deployed");
    assert_eq!(fixture.writes(), 0);
    fixture
        .bench
        .fault(Fault::on("*", "/runtimefabric/*", Action::Html { status: 502 }).always());
    fixture
        .run(&["reconcile", "--home", "acme", "--deadline", "1s"])
        .code(6)
        .tells("2 of 2 failed");
    fixture.bench.sim.faults().clear();
    fixture.bench.sim.clear_log();
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0)
        .prints("*.acme.example in prod: deployed")
        .prints("shop.acme.example in prod: deployed");
    assert_eq!(run.stderr, "");
    let tokens = fixture
        .lines()
        .iter()
        .filter(|line| *line == "POST token")
        .count();
    assert_eq!((fixture.writes(), tokens), (2, 1));
    fixture.bench.sim.clear_log();
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .prints("already deployed");
    fixture
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(0);
    assert_eq!(fixture.writes(), 0);
}

#[test]
fn of_two_certificates_for_one_domain_reconcile_takes_the_younger_one() {
    let mut fixture = Fixture::new();
    let mut earlier = Validity::days(60);
    earlier.not_before -= 30 * 24 * 3600;
    let old = fixture
        .authority
        .leaf(&["shop.acme.example"], earlier)
        .unwrap();
    let new = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &old, "cloudhub_v2,");
    keep(&mut fixture, "shop.acme.example_ecc", &new, "cloudhub_v2,");
    for _ in 0..2 {
        fixture
            .run(&["reconcile", "--home", "acme"])
            .code(0)
            .prints("left out");
        assert!(fixture.holds("prod", "shop-acme-example", &new));
    }
}

#[test]
fn one_broken_certificate_does_not_keep_reconcile_from_the_others() {
    let mut fixture = Fixture::new();
    let good = fixture.leaf(&["shop.acme.example"]);
    let broken = Leaf {
        cert_pem: "hello".into(),
        ..good.clone()
    };
    keep(&mut fixture, "shop.acme.example", &good, "cloudhub_v2,");
    keep(&mut fixture, "broken.example", &broken, "cloudhub_v2,");
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(2)
        .prints("shop.acme.example in prod: deployed")
        .tells("broken.example")
        .tells("1 of 2 failed");
    fixture.run(&["reconcile", "--home", "nowhere"]).code(4);
}
