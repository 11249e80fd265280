//! `dns_cf check`.

use simulator::cloudflare::{Reach, Status, Token};

use crate::fixture::{ZONE, bench, dns_cf, records_in, without_zone_read, zone_id};

#[test]
fn a_check_tells_what_each_zone_allows_and_changes_nothing() {
    let bench = bench();
    bench.sim.world().cloudflare.add_zone("other.example");
    let done = dns_cf(&bench, &["check"]);
    done.code(0)
        .prints("zone acme.example: active")
        .prints("zone other.example: active")
        .prints("status: active");
    assert!(
        bench
            .sim
            .requests()
            .iter()
            .all(|entry| entry.method == "GET" || entry.status == Some(404))
    );
}

#[test]
fn a_check_names_the_missing_permission_and_ends_with_3() {
    let mut bench = bench();
    bench.set_token(Token {
        dns_edit: Reach::None,
        ..Token::default()
    });
    let done = dns_cf(&bench, &["check", ZONE]);
    done.code(3)
        .prints("edit records: no (403: Authentication error (10000))")
        .prints("missing: Zone / DNS / Edit for zone acme.example");
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_check_with_write_proves_it_and_cleans_up() {
    let bench = bench();
    let done = dns_cf(
        &bench,
        &["check", "*.acme.example", "--write", "--output", "json"],
    );
    let json = done.code(0).json();
    let mut zone = json["items"].as_array().unwrap().iter();
    let zone = zone.find(|item| item["kind"] == "zone").unwrap();
    assert_eq!(zone["at"]["proved"], "yes");
    assert_eq!(records_in(&bench, ZONE), 0);
    assert!(
        bench
            .sim
            .requests()
            .iter()
            .any(|entry| entry.method == "POST")
    );
}

#[test]
fn a_check_of_a_token_that_cannot_read_zones_works_by_the_zone_id() {
    let mut bench = bench();
    bench.set_token(without_zone_read());
    dns_cf(&bench, &["check"])
        .code(3)
        .tells("sees no zone")
        .tells("CF_Zone_ID");
    let id = zone_id(&bench, ZONE);
    bench.set("CF_Zone_ID", &id);
    dns_cf(&bench, &["check", ZONE])
        .code(0)
        .prints("read the zone: no")
        .prints("edit records: yes");
}

#[test]
fn a_check_tells_a_disabled_token_and_what_shadows_the_challenge() {
    let mut bench = bench();
    bench
        .sim
        .world()
        .cloudflare
        .add_record(ZONE, "CNAME", "_acme-challenge", "x.example.net");
    dns_cf(&bench, &["check", ZONE])
        .code(0)
        .prints("is an alias (CNAME) of x.example.net");
    bench.set_token(Token {
        status: Status::Disabled,
        ..Token::default()
    });
    dns_cf(&bench, &["check", ZONE]).code(3);
}

#[test]
fn an_account_owned_token_is_verified_at_its_account() {
    let mut bench = bench();
    let account = bench
        .sim
        .world()
        .cloudflare
        .zone(ZONE)
        .unwrap()
        .account
        .id
        .clone();
    bench.set_token(Token {
        account: Some(account),
        ..Token::default()
    });
    dns_cf(&bench, &["check", ZONE])
        .code(0)
        .prints("status: active");
}
