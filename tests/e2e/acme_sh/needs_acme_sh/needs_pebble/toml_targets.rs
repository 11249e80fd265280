//! Targets that only a TOML file names.

use std::fs;

use fixtures::AcmeSh;
use simulator::seed;

use super::Issuer;
use crate::fixture::{DOMAIN, text};

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_renewal_deploys_to_the_targets_of_the_toml_file_that_was_named_once() {
    let acme = AcmeSh::without_hooks();
    acme.installer(&["cloudhub_v2"]).code(0);
    let issuer = Issuer::with(acme);
    let Issuer { fixture, .. } = &issuer;
    fixture.let_the_stock_hook_ask_the_simulator();
    issuer.issue(&fixture.token(), &[DOMAIN], &[]).code(0);

    let toml = fixture.acme.folder().join("hooks.toml");
    fs::write(toml.with_file_name("own.secret"), seed::CLIENT_SECRET).unwrap();
    let target = format!(
        "[[cloudhub_v2.target]]\nname = \"listed\"\nurl = \"{}\"\norganization = \"{}\"\n\
         private_space = \"{}\"\nclient_id = \"{}\"\nclient_secret_file = \"own.secret\"\n",
        fixture.sim.url(),
        seed::ORGANIZATION_ID,
        seed::PRIVATE_SPACE_ID,
        seed::CLIENT_ID,
    );
    fs::write(&toml, target).unwrap();
    let mut environment = fixture.authority();
    environment.push(("ANYPOINT_HOOKS_CONFIG", text(&toml)));
    fixture
        .deploy(&environment, DOMAIN, &[])
        .code(0)
        .prints("listed: ");
    issuer.is_in_order();

    let first = fixture.issued(DOMAIN);
    let renewed = issuer.renew(DOMAIN);
    renewed.code(0).prints("listed: ");
    assert_ne!(fixture.issued(DOMAIN), first);
    issuer.is_in_order();
}
