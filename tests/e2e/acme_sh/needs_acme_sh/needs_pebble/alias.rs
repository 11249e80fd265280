//! Challenges are answered by way of an alias.

use simulator::cloudflare::{Reach, Token};

use super::Issuer;

/// A certificate for a name in a zone that the token may not touch, by way of an alias in one that it may.
fn by_way_of(target: &str, option: [&str; 2]) {
    let issuer = Issuer::new();
    let Issuer { fixture, .. } = &issuer;
    let token = {
        let cloudflare = &mut fixture.sim.world().cloudflare;
        cloudflare.add_zone("locked.example");
        cloudflare.add_record("locked.example", "CNAME", "_acme-challenge.www", target);
        let reach = Reach::Only(vec!["acme.example".to_owned()]);
        cloudflare.insert_token(Token {
            zone_read: reach.clone(),
            dns_read: reach.clone(),
            dns_edit: reach,
            ..Token::default()
        })
    };
    let environment = fixture.with_addresses(vec![("CF_Token", token)]);
    let issued = issuer.issue(&environment, &["www.locked.example"], &option);
    issued
        .code(0)
        .prints(&format!("TXT record {target} created in zone acme.example"));
    assert_eq!(fixture.challenges(), 0);
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_challenge_alias_is_answered_in_its_own_zone() {
    by_way_of(
        "_acme-challenge.acme.example",
        ["--challenge-alias", "acme.example"],
    );
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_domain_alias_is_answered_at_exactly_that_name() {
    by_way_of(
        "proof-of-www.acme.example",
        ["--domain-alias", "proof-of-www.acme.example"],
    );
}
