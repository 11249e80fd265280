//! Failures are told, good credentials stay, and nothing secret is shown.

use fixtures::{AcmeSh, key_lines};
use simulator::faults::{Action, Fault};
use simulator::seed;

use super::Issuer;
use crate::fixture::{CONTEXT, DOMAIN, read, stock_values};

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_deployment_that_failed_under_cron_is_told_and_made_up_for_by_reconcile() {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    issuer.issue(&fixture.token(), &[DOMAIN], &[]).code(0);
    fixture.deploy(&fixture.cloudhub(), DOMAIN, &[]).code(0);
    let body = r#"{"message": "maintenance until noon"}"#.to_owned();
    let maintenance = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body,
    };
    let write = Fault::on("PATCH", "/runtimefabric/*", maintenance);
    fixture.sim.faults().add(write.always());
    issuer.cron().code(1).tells("maintenance until noon");
    assert_ne!(fixture.deployed(CONTEXT), Some(fixture.issued(DOMAIN)));

    fixture.sim.faults().clear();
    let reconciled = fixture.acme.run_program("cloudhub_v2", &[], ["reconcile"]);
    assert_eq!(reconciled.code(0).stderr, "");
    issuer.is_in_order();
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn without_credentials_acme_sh_fails_and_shows_what_to_do() {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    let issued = issuer.issue(&fixture.addresses(), &["acme.example"], &[]);
    issued.code(1).tells("CF_Token is missing");
    issued.tells("Error adding TXT record to domain");
    assert!(!read(&fixture.acme.account_conf()).contains("CF_"));
    assert!(fixture.sim.requests().is_empty());

    fixture.put_certificate(DOMAIN);
    let deployed = fixture.deploy(&fixture.addresses(), DOMAIN, &[]);
    deployed.code(1).tells("CH2_CLIENT_ID");
    assert!(!read(&fixture.acme.domain_conf(DOMAIN)).contains("SAVED_"));
    assert!(fixture.sim.requests().is_empty());
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn refused_credentials_fail_and_leave_the_good_ones_saved() {
    let refused = "refused-token-0000000000000000000000000";
    let mut acme = AcmeSh::install();
    acme.never_shown(refused);
    let issuer = Issuer::with(acme);
    let Issuer { fixture, .. } = &issuer;
    let names = ["acme.example"];
    issuer.issue(&fixture.token(), &names, &[]).code(0);
    let saved = stock_values(fixture);
    let log = fixture.acme.folder().join("acme.sh.log");
    let loud = ["--force", "--debug", "3", "--log", log.to_str().unwrap()];
    let environment = fixture.with_addresses(vec![("CF_Token", refused.to_owned())]);
    let issued = issuer.issue(&environment, &names, &loud);
    issued.code(1).tells("CF_Token (environment)");
    assert_eq!(stock_values(fixture), saved);
    assert_eq!(fixture.challenges(), 0);

    fixture.put_certificate(DOMAIN);
    fixture.deploy(&fixture.cloudhub(), DOMAIN, &[]).code(0);
    let good = fixture.deployed(CONTEXT);
    fixture.put_certificate(DOMAIN);
    let conf = fixture.acme.domain_conf(DOMAIN);
    let environment = fixture.cloudhub_as(seed::CLIENT_ID, refused);
    let deployed = fixture.deploy(&environment, DOMAIN, &loud[1..]);
    deployed.code(1).tells("CH2_CLIENT_SECRET (environment)");
    assert!(!read(&conf).contains(refused));
    let log = read(&log);
    assert!(log.contains("CH2_CLIENT_SECRET (environment)"));
    assert!(!log.contains(refused));
    assert_eq!(fixture.deployed(CONTEXT), good);
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn nothing_secret_is_shown_or_logged_at_the_highest_debug_level() {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    let log = fixture.acme.folder().join("acme.sh.log");
    let loud = ["--debug", "3", "--log", log.to_str().unwrap()];
    let issued = issuer.issue(&fixture.token(), &["acme.example"], &loud);
    issued.code(0);
    let deployed = fixture.deploy(&fixture.cloudhub(), "acme.example", &loud);
    deployed.code(0);
    let arguments = ["--renew", "--force", "-d", "acme.example"];
    let renewed = fixture
        .acme
        .run(&[], arguments.iter().chain(&loud).copied());
    renewed.code(0);
    let log = read(&log);
    let detail = "credentials: API token from CF_Token (environment)";
    issued.tells(detail);
    deployed.tells("/accounts/api/v2/oauth2/token");
    assert!(log.contains(detail) && log.contains("/accounts/api/v2/oauth2/token"));

    let world = fixture.sim.world();
    let mut secrets: Vec<String> = world.anypoint.bearers.keys().cloned().collect();
    assert!(!secrets.is_empty());
    let key = read(&fixture.acme.file("acme.example", "acme.example.key"));
    secrets.extend(key_lines(&key).map(str::to_owned));
    secrets.extend([seed::CF_TOKEN, seed::CLIENT_SECRET].map(str::to_owned));
    for secret in &secrets {
        for run in [&issued, &deployed, &renewed] {
            run.never_shows(secret);
        }
        assert!(!log.contains(secret.as_str()), "{secret:?} is logged");
    }
}
