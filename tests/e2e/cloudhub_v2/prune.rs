//! `cloudhub_v2 prune`.

use std::fs;

use crate::fixture::{Fixture, keep};

#[test]
fn prune_shows_what_is_left_of_certificates_that_are_gone() {
    let mut fixture = Fixture::new();
    for name in ["kept.example", "gone.example", "named.example"] {
        let leaf = fixture.leaf(&[name]);
        keep(&mut fixture, name, &leaf, "cloudhub_v2,");
    }
    // Made by hand, and deployed in another way now.
    let foreign = fixture.leaf(&["foreign.example"]);
    fixture
        .deploy_leaf("foreign.example", &foreign, &[])
        .code(0);
    fixture.change("foreign-example", |context| {
        context.file_names[0] = Some("cert.pem".to_owned());
    });
    let other = fixture.leaf(&["other.example"]);
    fixture.deploy_leaf("other.example", &other, &[]).code(0);
    keep(&mut fixture, "other.example", &other, "nginx,");
    let named = fixture.leaf(&["named.example"]);
    fixture
        .deploy_leaf("named.example", &named, &["--context-name", "by hand"])
        .code(0);
    fixture.forget_environment();
    fixture.run(&["reconcile", "--home", "acme"]).code(0);
    let prune = ["prune", "--dry-run", "--home", "acme"];
    fixture.run(&prune).code(0).prints("no TLS context is left");
    for name in ["gone.example", "named.example"] {
        fs::remove_dir_all(fixture.bench.home().join("acme").join(name)).unwrap();
    }
    let writes = fixture.writes();
    let run = fixture.run(&prune);
    run.code(10)
        .prints("cloudhub_v2 remove 'gone.example' --private-space 'prod'\n")
        .prints(
            "cloudhub_v2 remove 'named.example' --private-space 'prod' --context-name 'by hand'",
        );
    for name in ["foreign", "other.example", "kept", "default"] {
        assert!(!run.stdout.contains(name), "{run}");
    }
    assert_eq!(fixture.writes(), writes);
    // Whoever expects it to delete is told that it does not.
    fixture
        .run(&["prune", "--home", "acme"])
        .code(2)
        .tells("--dry-run");
}
