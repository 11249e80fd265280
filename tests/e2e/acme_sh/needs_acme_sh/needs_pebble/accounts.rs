//! Several Cloudflare accounts, and credentials that a TOML file leads to: a renewal finds what belongs to its certificate.

use std::fs;

use fixtures::AcmeSh;
use simulator::cloudflare::{Account, Reach, Token, Zone};
use simulator::seed;

use super::Issuer;
use crate::fixture::{Fixture, read};

const OWN: &str = "other.example";
const USUAL: &str = "acme.example";

/// With `dns_cf` alone installed: nothing is deployed here.
fn with_dns_cf() -> Issuer {
    let acme = AcmeSh::without_hooks();
    acme.installer(&["dns_cf"]).code(0);
    Issuer::with(acme)
}

/// A token that sees one zone and nothing else.
fn token_for(fixture: &Fixture, zone: &str) -> String {
    let reach = Reach::Only(vec![zone.to_owned()]);
    fixture.sim.world().cloudflare.insert_token(Token {
        zone_read: reach.clone(),
        dns_read: reach.clone(),
        dns_edit: reach,
        ..Token::default()
    })
}

/// What the conf files say of credentials.
fn credentials(fixture: &Fixture) -> [String; 2] {
    let confs = [fixture.acme.account_conf(), fixture.acme.domain_conf(OWN)];
    confs.map(|conf| {
        let text = read(&conf);
        let lines = text.lines().filter(|line| line.contains("CF_"));
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// One account's token stands in `account.conf`, the other's in the conf of its only certificate, each in this form.
fn two_accounts(account_form: &str, own_form: &str) {
    let issuer = with_dns_cf();
    let Issuer { fixture, .. } = &issuer;
    {
        let cloudflare = &mut fixture.sim.world().cloudflare;
        let id = cloudflare.add_account("Other");
        cloudflare.insert_zone(Zone {
            name: OWN.to_owned(),
            account: Account {
                id,
                name: "Other".to_owned(),
            },
            ..Zone::default()
        });
    }
    let [usual, own] = [USUAL, OWN].map(|zone| token_for(fixture, zone));
    let account = fixture.acme.account_conf();
    let line = format!(
        "{account_form}='{usual}'\nSAVED_CF_Account_ID='{}'\n",
        seed::CF_ACCOUNT_ID
    );
    fs::write(&account, read(&account) + &line).unwrap();
    let addresses = fixture.addresses();
    issuer.issue(&addresses, &[USUAL], &[]).code(0);

    let folder = fixture.acme.home().join(format!("{OWN}_ecc"));
    fs::create_dir(&folder).unwrap();
    let line = format!("{own_form}='{own}'\n");
    fs::write(folder.join(format!("{OWN}.conf")), line).unwrap();
    issuer.issue(&addresses, &[OWN], &[]).code(0);

    let before = credentials(fixture);
    let is_where_it_was = |text: &str, form: &str, token: &str, other: &str| {
        let line = format!("{form}='{token}'");
        text.lines().any(|known| known == line) && !text.contains(other)
    };
    assert!(is_where_it_was(&before[0], account_form, &usual, &own));
    assert!(is_where_it_was(&before[1], own_form, &own, &usual));
    for _ in 0..2 {
        let old = [USUAL, OWN].map(|domain| fixture.issued(domain));
        assert_eq!(issuer.cron().code(0).stderr, "");
        let new = [USUAL, OWN].map(|domain| fixture.issued(domain));
        assert!(old[0] != new[0] && old[1] != new[1]);
        assert_eq!(credentials(fixture), before);
        assert_eq!(fixture.challenges(), 0);
    }
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_plain_token_in_a_certificates_own_conf_stays_there_and_serves_it_alone() {
    two_accounts("SAVED_CF_Token", "CF_Token");
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_saved_token_in_a_certificates_own_conf_stays_there_and_serves_it_alone() {
    two_accounts("SAVED_CF_Token", "SAVED_CF_Token");
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_plain_token_in_the_account_conf_does_not_hide_a_certificates_own() {
    two_accounts("CF_Token", "SAVED_CF_Token");
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn credentials_of_a_configuration_file_given_by_its_variable_are_found_at_the_renewal() {
    let issuer = with_dns_cf();
    let Issuer { fixture, .. } = &issuer;
    let folder = fixture.acme.home().parent().unwrap();
    fs::write(folder.join("token"), seed::CF_TOKEN).unwrap();
    let toml = folder.join("my hooks.toml");
    let api = fixture.sim.cloudflare_url();
    let text = format!("[dns_cf]\ntoken_file = \"token\"\napi = \"{api}\"\n");
    fs::write(&toml, text).unwrap();
    let mut environment = fixture.authority();
    environment.push(("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap().to_owned()));
    issuer.issue(&environment, &[USUAL], &[]).code(0);
    assert_eq!(
        fixture.account_conf("ANYPOINT_HOOKS_CONFIG"),
        toml.to_str().unwrap()
    );
    let first = fixture.issued(USUAL);
    assert_eq!(issuer.renew(USUAL).code(0).stderr, "");
    assert_ne!(fixture.issued(USUAL), first);
    assert_eq!(fixture.challenges(), 0);
    for conf in [fixture.acme.account_conf(), fixture.acme.domain_conf(USUAL)] {
        assert!(!read(&conf).contains(seed::CF_TOKEN));
    }
}
