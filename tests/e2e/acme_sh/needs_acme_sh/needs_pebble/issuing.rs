//! A certificate is issued through `dns_cf`, deployed by `cloudhub_v2`, and renewed with nothing in the environment.

use fixtures::AcmeSh;
use simulator::cloudflare::{Reach, Token};
use simulator::seed;

use super::Issuer;
use crate::fixture::{CHALLENGE, DOMAIN, read, ways};

fn first_and_later_certificates(issuer: &Issuer, key: &[&str]) {
    let Issuer { fixture, .. } = issuer;
    let issued = issuer.issue(&fixture.token(), &[DOMAIN, "acme.example"], key);
    assert_eq!(issued.code(0).stderr, "");
    let posts = |path: &str| {
        let all = fixture.sim.requests();
        let of_path = all.iter().filter(|entry| entry.path.contains(path));
        of_path.filter(|entry| entry.method == "POST").count()
    };
    assert_eq!(posts("/dns_records"), 2, "apex and wildcard");
    let deployed = fixture.deploy(&fixture.cloudhub(), DOMAIN, &[]);
    assert_eq!(deployed.code(0).stderr, "");
    issuer.is_in_order();

    let first = fixture.issued(DOMAIN);
    let renewed = issuer.renew(DOMAIN);
    assert_eq!(renewed.code(0).stderr, "");
    issuer.is_in_order();
    assert_ne!(fixture.issued(DOMAIN), first);

    let remove = ["--remove", "-d", DOMAIN];
    fixture.acme.run(&[], remove).code(0);
    fixture.sim.clear_log();
    issuer.cron().code(0);
    assert_eq!(fixture.sim.requests().len(), 0, "nothing is left to renew");
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn an_ecc_certificate_is_issued_deployed_and_renewed_with_nothing_in_the_environment() {
    let issuer = Issuer::new();
    first_and_later_certificates(&issuer, &["--keylength", "ec-256"]);
    let key = read(&issuer.fixture.acme.file(DOMAIN, &format!("{DOMAIN}.key")));
    assert!(key.contains("BEGIN EC PRIVATE KEY"));
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn an_rsa_certificate_is_issued_deployed_and_renewed_with_nothing_in_the_environment() {
    let issuer = Issuer::new();
    first_and_later_certificates(&issuer, &["--keylength", "2048"]);
    let key = read(&issuer.fixture.acme.file(DOMAIN, &format!("{DOMAIN}.key")));
    assert!(key.contains("BEGIN RSA PRIVATE KEY"));
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn the_first_cron_renewal_after_switching_from_both_shell_hooks_needs_nothing_set() {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    fixture.back_to_the_stock_hook();
    issuer.issue(&fixture.token(), &[DOMAIN], &[]).code(0);
    let first = fixture.issued(DOMAIN);
    for (key, value) in fixture.for_cloudhub(seed::CLIENT_ID, seed::CLIENT_SECRET) {
        fixture.in_domain(DOMAIN, &["_savedeployconf", key, &value]);
    }
    fixture.in_domain(
        DOMAIN,
        &["_savedomainconf", "Le_DeployHook", "cloudhub_v2,"],
    );
    // With the real Cloudflare there is nothing to be said.
    let address = fixture.sim.cloudflare_url();
    let save = ["_saveaccountconf_mutable", "CF_Api", &address];
    fixture.acme.call(&[], save).code(0);

    fixture.forward_to_the_program();
    let renewed = issuer.cron();
    assert_eq!(renewed.code(0).stderr, "");
    renewed.prints("TXT record _acme-challenge.acme.example created");
    assert_ne!(fixture.issued(DOMAIN), first);
    issuer.is_in_order();

    fixture.back_to_the_stock_hook();
    let second = fixture.issued(DOMAIN);
    issuer.cron().code(0);
    assert_ne!(fixture.issued(DOMAIN), second);
    issuer.is_in_order();
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn with_a_zone_id_the_domain_conf_alone_is_enough_for_a_renewal() {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    // It may not look for the zone: without the id nothing would work.
    let token = fixture.sim.world().cloudflare.insert_token(Token {
        zone_read: Reach::None,
        ..Token::default()
    });
    let environment = fixture.with_addresses(vec![
        ("CF_Token", token.clone()),
        ("CF_Zone_ID", seed::CF_ZONE_ID.to_owned()),
    ]);
    issuer.issue(&environment, &["acme.example"], &[]).code(0);
    let conf = read(&fixture.acme.domain_conf("acme.example"));
    assert!(conf.contains(&format!("\nCF_Token='{token}'\n")), "{conf}");
    assert!(!read(&fixture.acme.account_conf()).contains(&token));
    let first = fixture.issued("acme.example");
    assert_eq!(issuer.renew("acme.example").code(0).stderr, "");
    assert_ne!(fixture.issued("acme.example"), first);
    assert_eq!(fixture.challenges(), 0);
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn key_and_email_are_enough_for_a_renewal() {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    let [_, _, key_and_email] = ways(fixture);
    issuer.issue(&key_and_email, &["acme.example"], &[]).code(0);
    let first = fixture.issued("acme.example");
    assert_eq!(issuer.renew("acme.example").code(0).stderr, "");
    assert_ne!(fixture.issued("acme.example"), first);
    assert_eq!(fixture.challenges(), 0);
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn machines_that_issue_side_by_side_in_one_zone_leave_each_others_challenges_alone() {
    let issuer = Issuer::new();
    {
        let cloudflare = &mut issuer.fixture.sim.world().cloudflare;
        cloudflare.add_record("acme.example", "TXT", CHALLENGE, "of another machine");
    }
    // Two of them at the very same record name. A home each: acme.sh keeps the headers of answers in one file.
    let names = [DOMAIN, "acme.example", "www.acme.example"];
    let machines = names.map(|name| (name, AcmeSh::install()));
    let environment = issuer.fixture.token();
    std::thread::scope(|scope| {
        for (name, acme) in &machines {
            let (issuer, environment) = (&issuer, &environment);
            scope.spawn(move || {
                let issued = acme.run(environment, issuer.issue_arguments(&[*name], &[]));
                issued.code(0);
            });
        }
    });
    let left = issuer.fixture.sim.world().cloudflare.txt(CHALLENGE);
    assert_eq!(left, ["of another machine"]);
    assert_eq!(issuer.fixture.challenges(), 1);
    assert_eq!(issuer.fixture.requests("POST"), names.len());
}
