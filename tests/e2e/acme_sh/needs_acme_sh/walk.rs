//! `cloudhub_v2 reconcile` over what acme.sh has saved.

use std::fs;

use fixtures::AcmeSh;
use simulator::seed;

use crate::fixture::{CONTEXT, DOMAIN, Fixture, text};

fn fixture() -> Fixture {
    let acme = AcmeSh::without_hooks();
    acme.installer(&["cloudhub_v2"]).code(0);
    Fixture::with(acme)
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn what_is_exported_sends_no_certificate_away_from_where_acme_sh_deployed_it() {
    let fixture = fixture();
    let other = fixture.add_space("other");
    fixture.put_certificate(DOMAIN);
    fixture.deploy(&fixture.cloudhub(), DOMAIN, &[]).code(0);
    fixture.forget_deployments();

    let exported = [
        ("CH2_PRIVATE_SPACE_ID", other.as_str()),
        ("ORGANIZATION_ID", "Another"),
        ("ANYPOINT_URL", "https://127.0.0.1:1"),
        ("CH2_CLIENT_ID", "another"),
        ("CH2_CLIENT_SECRET", "canary-exported"),
        ("CH2_TLS_CONTEXT_NAME", "exported"),
    ];
    let mut environment = fixture.authority();
    environment.extend(exported.map(|(name, value)| (name, value.to_owned())));
    let run = fixture
        .acme
        .run_program("cloudhub_v2", &environment, ["reconcile"]);
    run.code(0).never_shows("canary-exported");
    for (variable, _) in exported {
        run.tells(&format!(
            "{variable} is set in the environment and has no effect"
        ));
    }
    assert_eq!(fixture.deployed(CONTEXT), Some(fixture.issued(DOMAIN)));
    let world = fixture.sim.world();
    assert_eq!(world.anypoint.space("other").unwrap().contexts.len(), 0);
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn certificates_in_a_configuration_home_of_acme_sh_are_found() {
    let fixture = fixture();
    fixture.put_certificate(DOMAIN);
    let issued = fixture.issued(DOMAIN);
    let config = fixture.acme.folder().join("config");
    let folder = format!("{DOMAIN}_ecc");
    fs::create_dir(&config).unwrap();
    fs::rename(fixture.acme.home().join(&folder), config.join(&folder)).unwrap();
    let config = text(&config);
    fixture
        .deploy(&fixture.cloudhub(), DOMAIN, &["--config-home", &config])
        .code(0);
    assert_eq!(fixture.deployed(CONTEXT).as_ref(), Some(&issued));

    let reconcile = |arguments: &[&str]| {
        fixture
            .acme
            .run_program("cloudhub_v2", &fixture.authority(), arguments)
    };
    reconcile(&["reconcile"])
        .code(0)
        .tells("names the deploy hook cloudhub_v2: nothing to do");
    fixture.forget_deployments();
    let space = seed::PRIVATE_SPACE_ID;
    reconcile(&["reconcile", "--config-home", &config])
        .code(0)
        .prints(&format!("{DOMAIN} in {space}: deployed"));
    assert_eq!(fixture.deployed(CONTEXT), Some(issued));
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn insecure_in_the_account_conf_holds_for_the_hook_and_for_reconcile() {
    let fixture = fixture();
    fixture.put_certificate(DOMAIN);
    let save = ["_saveaccountconf", "HTTPS_INSECURE", "1"];
    fixture.acme.call(&[], save).code(0);
    let untrusting = fixture.for_cloudhub(seed::CLIENT_ID, seed::CLIENT_SECRET);
    fixture.deploy(&untrusting, DOMAIN, &[]).code(0);
    fixture.forget_deployments();
    fixture
        .acme
        .run_program("cloudhub_v2", &[], ["reconcile"])
        .code(0);
    assert_eq!(fixture.deployed(CONTEXT), Some(fixture.issued(DOMAIN)));
}
