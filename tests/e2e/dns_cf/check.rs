//! `dns_cf check`.

use fixtures::{Bench, Finished, assert_is_checked, items_of};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulator::Fault;
use simulator::cloudflare::{Reach, Status, Token};
use simulator::faults::Action;

use crate::accounts::{OTHER, SUB, accounts, token_for};
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
    let zone = items_of(&json, "zone")[0];
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

/// A token that ends in so many days.
fn ending_in(days: i64) -> Token {
    let end = Timestamp::now() + SignedDuration::from_hours(24 * days + 1);
    Token {
        status: if days < 0 {
            Status::Expired
        } else {
            Status::Active
        },
        expires_on: Some(end),
        ..Token::default()
    }
}

#[test]
fn a_token_is_due_thirty_days_before_it_ends() {
    let mut bench = bench();
    let check = ["check", "--output", "json"];
    bench.set_token(ending_in(40));
    let json = dns_cf(&bench, &check).code(0).json();
    assert_eq!(items_of(&json, "api_token")[0]["days_left"], 40);
    bench.set_token(ending_in(20));
    let json = dns_cf(&bench, &check).code(10).json();
    assert_is_checked(&json);
    let token = items_of(&json, "api_token")[0];
    assert_eq!(
        (&token["state"], &token["days_left"]),
        (&"due".into(), &20.into())
    );
    assert_eq!(token["name"], "CF_Token (environment)");
    dns_cf(&bench, &["check"]).code(10).prints(": DUE\n");
    dns_cf(&bench, &["check", "--within", "5d"]).code(0);
    dns_cf(&bench, &["check", "--output", "nagios"])
        .code(1)
        .prints("DNS_CF WARNING: 1 due, 1 ok; CF_Token (environment) due, 20 days left | ");
}

#[test]
fn a_token_that_has_ended_is_critical_although_nothing_else_can_be_asked() {
    let mut bench = bench();
    bench.set_token(ending_in(-3));
    let run = dns_cf(&bench, &["check", "--output", "json"]);
    let json = run.code(3).json();
    assert_is_checked(&json);
    assert_eq!(json["state"], "critical");
    let states: Vec<_> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["state"])
        .collect();
    assert_eq!(states, ["expired"], "{run}");
    run.tells("The token itself is known and expired.");
    dns_cf(&bench, &["check", "--output", "nagios"])
        .code(2)
        .prints("DNS_CF CRITICAL: 1 expired; CF_Token (environment) expired, -3 days left | ");
}

#[test]
fn the_token_that_reads_zones_is_checked_as_well() {
    let mut bench = bench();
    let zones = bench.sim.world().cloudflare.insert_token(ending_in(10));
    bench.set_secret("CF_Zone_Token", zones);
    let run = dns_cf(&bench, &["check", "--output", "json"]);
    let json = run.code(10).json();
    assert_is_checked(&json);
    let tokens: Vec<_> = items_of(&json, "api_token")
        .iter()
        .map(|token| {
            (
                token["name"].as_str().unwrap(),
                token["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        tokens,
        [
            ("CF_Token (environment)", "ok"),
            ("CF_Zone_Token (environment)", "due")
        ]
    );
    dns_cf(&bench, &["check"])
        .code(10)
        .prints("zones are read with: API token from CF_Zone_Token (environment)");
}

/// The accounts of [`accounts`], where every listed zone is there.
fn listed() -> Bench {
    let mut bench = accounts();
    let both = Reach::Only(vec![ZONE.to_owned(), "unused.example".to_owned()]);
    let token = {
        let mut world = bench.sim.world();
        world.cloudflare.add_zone("unused.example");
        world.cloudflare.insert_token(Token {
            zone_read: both.clone(),
            dns_read: both.clone(),
            dns_edit: both,
            ..Token::default()
        })
    };
    bench.never_shown(&token);
    bench.write("one.token", token);
    bench
}

/// Kind, name and state of everything that was found.
fn rows(run: &Finished) -> Vec<(String, String, String)> {
    let json = run.json();
    assert_is_checked(&json);
    let items = json["items"].as_array().unwrap();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    items
        .iter()
        .map(|item| (text(item, "kind"), text(item, "name"), text(item, "state")))
        .collect()
}

fn states_of<'a>(rows: &'a [(String, String, String)], kind: &str) -> Vec<&'a str> {
    let rows = rows.iter().filter(|(of, _, _)| of == kind);
    rows.map(|(_, _, state)| state.as_str()).collect()
}

#[test]
fn without_a_domain_every_account_of_the_file_is_checked_with_its_zones() {
    let mut bench = listed();
    let check = ["check", "--output", "json"];
    let run = dns_cf(&bench, &check);
    let found = rows(run.code(0));
    assert_eq!(states_of(&found, "api_token"), ["ok"; 3], "{run}");
    let mut zones: Vec<&str> = found
        .iter()
        .filter(|(kind, _, _)| kind == "zone")
        .map(|(_, name, _)| name.as_str())
        .collect();
    zones.sort_unstable();
    assert_eq!(zones, [ZONE, OTHER, SUB, "unused.example"]);
    dns_cf(&bench, &["check"])
        .code(0)
        .prints("credentials: API token from dns_cf.account[1].token_file")
        .prints("credentials: API token from SUB_TOKEN (environment)\n")
        .prints("zone other.example: active");

    // Each ends when it ends.
    let ending = bench.sim.world().cloudflare.insert_token(ending_in(9));
    bench.never_shown(&ending);
    bench.write("three.token", ending);
    let run = dns_cf(&bench, &check);
    let found = rows(run.code(10));
    assert_eq!(states_of(&found, "api_token"), ["ok", "ok", "due"], "{run}");

    // Given for this call, it is the one that is meant.
    let own = token_for(&mut bench, ZONE);
    bench.set_secret("CF_Token", own);
    let run = dns_cf(&bench, &check);
    let found = rows(run.code(0));
    assert_eq!(found.len(), 2, "{run}");
}

#[test]
fn an_account_that_fails_stops_no_other_and_has_a_row_of_its_own() {
    let mut bench = listed();
    let check = ["check", "--output", "json"];
    // One has no token, the next is switched off, and the last is well.
    bench.unset("SUB_TOKEN");
    let off = bench.sim.world().cloudflare.insert_token(Token {
        status: Status::Disabled,
        ..Token::default()
    });
    bench.never_shown(&off);
    bench.write("one.token", off);
    let run = dns_cf(&bench, &check);
    run.code(3)
        .tells("the account of acme.example, unused.example: ")
        .tells("the account of sub.acme.example: ")
        .tells("2 of 3 accounts did not pass the check");
    let found = rows(&run);
    let of = |name: &str| {
        let mut rows = found.iter().filter(|(_, row, _)| row.contains(name));
        rows.next().map(|(_, _, state)| state.as_str())
    };
    assert_eq!(of("dns_cf.account[1].token_file"), Some("missing"), "{run}");
    assert_eq!(of("the account of sub.acme.example"), Some("unknown"));
    assert_eq!(of("dns_cf.account[3].token_file"), Some("ok"));
    assert_eq!(of(OTHER), Some("ok"));
    dns_cf(&bench, &["check", "--output", "nagios"])
        .code(1)
        .prints("1 missing")
        .prints("1 unknown");
}

#[test]
fn a_listed_zone_that_is_not_there_is_told_beside_the_others() {
    let bench = accounts();
    let run = dns_cf(&bench, &["check", "--output", "json"]);
    run.code(4).tells("unused.example");
    let found = rows(&run);
    assert_eq!(states_of(&found, "api_token"), ["ok"; 3], "{run}");
    assert_eq!(states_of(&found, "zone"), ["ok"; 3], "{run}");
    assert!(
        found.iter().any(|(kind, name, state)| {
            (kind.as_str(), name.as_str(), state.as_str())
                == ("platform", "zone unused.example", "unknown")
        }),
        "{run}"
    );
}

#[test]
fn accounts_that_cannot_be_reached_are_unknown_each() {
    let mut bench = listed();
    bench.set("ANYPOINT_HOOKS_DEADLINE", "1s");
    bench.fault(Fault::on("*", "/client/v4/**", Action::Reset).always());
    let run = dns_cf(&bench, &["check", "--output", "json"]);
    let found = rows(run.code(6));
    assert_eq!(states_of(&found, "platform"), ["unknown"; 3], "{run}");
    assert_eq!(found.len(), 3, "{run}");
}

#[test]
fn what_acme_sh_has_saved_for_other_zones_is_checked_beside_the_list() {
    let mut bench = listed();
    let saved = bench.sim.world().cloudflare.insert_token(ending_in(5));
    bench.never_shown(&saved);
    bench.write(
        ".acme.sh/account.conf",
        format!("SAVED_CF_Token='{saved}'\n"),
    );
    let home = bench.home().join(".acme.sh");
    let home = home.to_str().unwrap();
    let run = dns_cf(&bench, &["check", "--output", "json", "--home", home]);
    let found = rows(run.code(10));
    assert_eq!(
        states_of(&found, "api_token"),
        ["ok", "ok", "ok", "due"],
        "{run}"
    );
}
