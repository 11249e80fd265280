//! `dns_cf` from end to end: the built program against the simulator.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use simulator::acme::Pebble;
use simulator::cloudflare::{
    Account, Reach, Record, Status, TextForm, Token, WithoutZoneRead, WrongAccount, Zone,
    ZoneStatus,
};
use simulator::faults::Action;
use simulator::harness::{Bench, Finished, program};
use simulator::{Fault, SimConfig};

const ZONE: &str = "acme.example";
const NAME: &str = "_acme-challenge.acme.example";
const RECORDS: &str = "/client/v4/zones/*/dns_records";
const RECORD: &str = "/client/v4/zones/*/dns_records/*";
const COMMENT: &str = "ACME challenge by anypoint-acme-hooks dns_cf";

/// A zone `acme.example`, and a token for it that no output may show.
fn bench() -> Bench {
    let mut bench = Bench::with(SimConfig::default());
    bench.sim.world().cloudflare.add_zone(ZONE);
    with_token(&mut bench, Token::default());
    bench
}

fn with_token(bench: &mut Bench, token: Token) {
    let value = bench.sim.world().cloudflare.insert_token(token);
    bench.set_secret("CF_Token", value);
}

fn zone_id(bench: &Bench, name: &str) -> String {
    bench.sim.world().cloudflare.zone(name).unwrap().id.clone()
}

fn dns_cf(bench: &Bench, args: &[&str]) -> Finished {
    bench.run("dns_cf", args)
}

fn add(bench: &Bench, name: &str, value: &str) -> Finished {
    dns_cf(bench, &["add", name, value])
}

fn rm(bench: &Bench, name: &str, value: &str) -> Finished {
    dns_cf(bench, &["rm", name, value])
}

/// The values of the TXT records, in order, without the quotes.
fn txt(bench: &Bench, name: &str) -> Vec<String> {
    let stored = bench.sim.world().cloudflare.txt(name);
    stored
        .iter()
        .map(|content| content.trim_matches('"').to_owned())
        .collect()
}

fn lines(bench: &Bench) -> Vec<String> {
    bench
        .sim
        .requests()
        .iter()
        .map(|entry| entry.line().replace("/client/v4/", ""))
        .collect()
}

fn records_in(bench: &Bench, zone: &str) -> usize {
    bench
        .sim
        .world()
        .cloudflare
        .zone(zone)
        .unwrap()
        .records
        .len()
}

// --- Adding and deleting --------------------------------------------------------------------------------------

#[test]
fn an_add_takes_two_requests_and_an_rm_three_each_on_one_connection() {
    let bench = bench();
    add(&bench, NAME, "value")
        .code(0)
        .prints("created in zone acme.example");
    assert_eq!(bench.sim.requests().len(), 2, "{:?}", lines(&bench));
    assert_eq!(bench.sim.stats().connections, 1);
    bench.sim.clear_log();
    rm(&bench, NAME, "value")
        .code(0)
        .prints("deleted from zone acme.example");
    assert_eq!(bench.sim.requests().len(), 3, "{:?}", lines(&bench));
    assert_eq!(bench.sim.stats().connections, 1);
    assert!(bench.sim.unexpected().is_empty());
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_record_is_quoted_short_lived_and_names_the_program() {
    let bench = bench();
    add(&bench, NAME, "value").code(0);
    let world = bench.sim.world();
    let record = &world.cloudflare.zone(ZONE).unwrap().records[0];
    assert_eq!(
        (
            record.content.as_str(),
            record.ttl,
            record.comment.as_deref()
        ),
        ("\"value\"", 120, Some(COMMENT))
    );
}

#[test]
fn a_value_that_begins_with_a_hyphen_is_a_value_with_and_without_two_hyphens_before_it() {
    let bench = bench();
    let values = [
        "-begins-with-a-hyphen",
        "--begins-with-two",
        "-vqh-like-flags-8Kd0",
    ];
    for value in values {
        dns_cf(&bench, &["add", NAME, value]).code(0);
        dns_cf(&bench, &["add", "--", NAME, &format!("{value}x")]).code(0);
        assert_eq!(txt(&bench, NAME), [value.to_owned(), format!("{value}x")]);
        dns_cf(&bench, &["rm", NAME, value]).code(0);
        dns_cf(&bench, &["rm", "--", NAME, &format!("{value}x")]).code(0);
        assert!(txt(&bench, NAME).is_empty());
    }
}

#[test]
fn adding_twice_leaves_one_record_and_says_so() {
    for code in [81057, 81058] {
        let bench = bench();
        bench.sim.world().cloudflare.switches.identical_code = code;
        add(&bench, NAME, "value").code(0).prints("created");
        add(&bench, NAME, "value").code(0).prints("there already");
        assert_eq!(txt(&bench, NAME), ["value"]);
    }
}

#[test]
fn apex_and_wildcard_share_a_name_and_each_rm_takes_only_its_own_value() {
    let bench = bench();
    for value in ["apex", "wildcard", "Apex"] {
        add(&bench, NAME, value).code(0);
    }
    rm(&bench, NAME, "apex").code(0);
    assert_eq!(txt(&bench, NAME), ["wildcard", "Apex"]);
    rm(&bench, NAME, "nothing")
        .code(0)
        .prints("nothing to delete");
    assert_eq!(txt(&bench, NAME), ["wildcard", "Apex"]);
}

#[test]
fn an_rm_takes_all_identical_records_whatever_their_form_and_whoever_made_them() {
    let bench = bench();
    {
        let cloudflare = &mut bench.sim.world().cloudflare;
        for content in ["value", "\"value\"", "\"val\" \"ue\"", "valu", "\"Value\""] {
            cloudflare.add_record(ZONE, "TXT", "_acme-challenge", content);
        }
        cloudflare.add_record(ZONE, "TXT", "other", "value");
    }
    rm(&bench, NAME, "value")
        .code(0)
        .prints("3 identical TXT records");
    assert_eq!(txt(&bench, NAME), ["valu", "Value"]);
    assert_eq!(txt(&bench, "other.acme.example"), ["value"]);
}

#[test]
fn an_rm_finds_its_record_whatever_the_content_filter_compares() {
    for form in [TextForm::Stored, TextForm::DnsData] {
        let bench = bench();
        bench.sim.world().cloudflare.switches.content_filter = form;
        bench.sim.world().cloudflare.switches.identical_by = form;
        add(&bench, NAME, "value").code(0);
        rm(&bench, NAME, "value").code(0);
        assert_eq!(records_in(&bench, ZONE), 0);
    }
}

#[test]
fn a_record_that_vanishes_before_it_is_deleted_is_as_good_as_deleted() {
    let bench = bench();
    add(&bench, NAME, "value").code(0);
    bench
        .sim
        .faults()
        .add(Fault::on("DELETE", RECORD, Action::LostAnswer));
    rm(&bench, NAME, "value").code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_hundred_runs_side_by_side_leave_nothing_of_their_own_and_all_of_the_others() {
    let bench = bench();
    bench
        .sim
        .world()
        .cloudflare
        .add_record(ZONE, "TXT", "_acme-challenge", "other client");
    let (bench, next) = (&bench, &std::sync::atomic::AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(move || {
                for _ in 0..10 {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let value = format!("value-{number}");
                    // Half share one name, as apex and wildcard do.
                    let name = if number.is_multiple_of(2) {
                        NAME.to_owned()
                    } else {
                        format!("_acme-challenge.n{number}.acme.example")
                    };
                    add(bench, &name, &value).code(0);
                    rm(bench, &name, &value).code(0);
                }
            });
        }
    });
    assert_eq!(records_in(bench, ZONE), 1);
    assert_eq!(txt(bench, NAME), ["other client"]);
}

// --- Finding the zone -----------------------------------------------------------------------------------------

#[test]
fn the_longest_zone_wins_and_one_that_only_ends_alike_does_not() {
    let bench = bench();
    for zone in ["sub.acme.example", "notacme.example", "cme.example"] {
        bench.sim.world().cloudflare.add_zone(zone);
    }
    add(&bench, "_acme-challenge.www.sub.acme.example", "v")
        .code(0)
        .prints("in zone sub.acme.example");
    add(&bench, "_acme-challenge.xsub.acme.example", "v")
        .code(0)
        .prints("in zone acme.example");
    add(&bench, "_acme-challenge.notacme.example", "v")
        .code(0)
        .prints("in zone notacme.example");
    assert_eq!(lines(&bench)[0], "GET zones?per_page=50");
}

#[test]
fn thousands_of_zones_cost_no_more_requests_than_a_name_has_labels() {
    let bench = bench();
    for number in 0..2000 {
        bench
            .sim
            .world()
            .cloudflare
            .add_zone(&format!("zone{number:04}.example"));
    }
    bench.sim.world().cloudflare.add_zone("b.zone1999.example");
    add(&bench, "_acme-challenge.a.b.zone1999.example", "v")
        .code(0)
        .prints("in zone b.zone1999.example");
    // One listing, a look-up for each of three names, and the record.
    assert_eq!(bench.sim.requests().len(), 5, "{:?}", lines(&bench));
}

#[test]
fn a_token_for_one_zone_that_may_not_list_finds_it_by_name() {
    let mut bench = bench();
    bench.sim.world().cloudflare.add_zone("other.example");
    let only = Reach::Only(vec![ZONE.to_owned()]);
    with_token(
        &mut bench,
        Token {
            zone_read: only.clone(),
            dns_read: only.clone(),
            dns_edit: only,
            list_zones: false,
            ..Token::default()
        },
    );
    add(&bench, NAME, "v").code(0);
    rm(&bench, NAME, "v").code(0);
    add(&bench, "_acme-challenge.other.example", "v")
        .code(3)
        .tells("sees no zone");
    assert_eq!(
        records_in(&bench, ZONE) + records_in(&bench, "other.example"),
        0
    );
}

#[test]
fn a_refused_or_failed_look_up_never_leads_to_the_parent_zone() {
    let restricted = Token {
        list_zones: false,
        ..Token::default()
    };
    let look_up = "/client/v4/zones?*name=sub.acme.example*";
    let refused = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#
            .to_owned(),
    };
    for (action, code) in [
        (refused, 3),
        (Action::Html { status: 502 }, 6),
        (Action::Empty { status: 200 }, 6),
    ] {
        let mut bench = bench();
        bench.sim.world().cloudflare.add_zone("sub.acme.example");
        with_token(&mut bench, restricted.clone());
        bench
            .sim
            .faults()
            .add(Fault::on("GET", look_up, action).always());
        add(&bench, "_acme-challenge.sub.acme.example", "v").code(code);
        assert_eq!(records_in(&bench, ZONE), 0);
        assert!(
            !lines(&bench)
                .iter()
                .any(|line| line.ends_with("name=acme.example")),
            "{:?}",
            lines(&bench)
        );
    }
}

#[test]
fn a_token_without_zone_read_works_with_the_zone_id_and_is_told_so_without() {
    for without in [
        WithoutZoneRead::Empty,
        WithoutZoneRead::Refused,
        WithoutZoneRead::RefusedNamingPermission,
    ] {
        let mut bench = bench();
        bench.sim.world().cloudflare.switches.without_zone_read = without;
        with_token(
            &mut bench,
            Token {
                zone_read: Reach::None,
                ..Token::default()
            },
        );
        add(&bench, NAME, "v")
            .code(3)
            .tells("CF_Zone_ID")
            .tells("Zone / Zone / Read");
        let id = zone_id(&bench, ZONE);
        bench.set("CF_Zone_ID", id);
        add(&bench, NAME, "v").code(0);
        assert_eq!(txt(&bench, NAME), ["v"]);
        rm(&bench, NAME, "v").code(0);
        assert_eq!(records_in(&bench, ZONE), 0);
    }
}

#[test]
fn the_id_of_another_zone_is_noticed_and_leaves_nothing_behind() {
    let mut bench = bench();
    let other = bench.sim.world().cloudflare.add_zone("other.example");
    bench.set("CF_Zone_ID", &other);
    add(&bench, NAME, "v")
        .code(2)
        .tells("CF_Zone_ID (environment) is the id of zone other.example");
    // A token that cannot read the zone's name learns it from the record that Cloudflare makes.
    with_token(
        &mut bench,
        Token {
            zone_read: Reach::None,
            ..Token::default()
        },
    );
    add(&bench, NAME, "v")
        .code(2)
        .tells("_acme-challenge.acme.example.other.example")
        .tells("deleted again");
    assert_eq!(records_in(&bench, "other.example"), 0);
}

#[test]
fn one_token_reads_zones_and_another_edits_records() {
    let mut bench = bench();
    with_token(
        &mut bench,
        Token {
            zone_read: Reach::None,
            ..Token::default()
        },
    );
    let reader = bench.sim.world().cloudflare.insert_token(Token {
        dns_read: Reach::None,
        dns_edit: Reach::None,
        ..Token::default()
    });
    bench.set_secret("CF_Zone_Token", &reader);
    add(&bench, NAME, "v").code(0);
    let requests = bench.sim.requests();
    let by_reader = |entry: &simulator::Entry| {
        entry.header("authorization") == Some(&format!("Bearer {reader}"))
    };
    assert_eq!(
        requests.iter().map(by_reader).collect::<Vec<_>>(),
        [true, false]
    );
    rm(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_zone_that_is_not_active_is_used_with_a_warning() {
    let bench = bench();
    bench.sim.world().cloudflare.zone_mut(ZONE).unwrap().status = ZoneStatus::Pending;
    add(&bench, NAME, "v")
        .code(0)
        .tells("warning: zone acme.example is pending")
        .tells("ada.ns.cloudflare.com");
}

#[test]
fn of_two_zones_with_one_name_the_active_one_is_taken_and_else_the_account_decides() {
    let mut bench = bench();
    let account = bench.sim.world().cloudflare.add_account("Other");
    let copy = |status| Zone {
        name: ZONE.to_owned(),
        account: Account {
            id: account.clone(),
            name: "Other".to_owned(),
        },
        status,
        ..Zone::default()
    };
    bench
        .sim
        .world()
        .cloudflare
        .insert_zone(copy(ZoneStatus::Moved));
    add(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, ZONE), 1);
    bench.sim.world().cloudflare.zones[1].status = ZoneStatus::Active;
    add(&bench, NAME, "w")
        .code(2)
        .tells("several zones")
        .tells("CF_Account_ID");
    bench.set("CF_Account_ID", &account);
    add(&bench, NAME, "w").code(0);
    assert_eq!(bench.sim.world().cloudflare.zones[1].records.len(), 1);
}

// --- Wrong input ----------------------------------------------------------------------------------------------

#[test]
fn without_credentials_nothing_is_asked_and_both_ways_are_named() {
    let mut bench = bench();
    bench.unset("CF_Token");
    add(&bench, NAME, "v")
        .code(2)
        .tells("CF_Token is missing")
        .tells("CF_Key and CF_Email")
        .tells("--home");
    bench.set_secret("CF_Key", "0123456789abcdef0123456789abcdef01234");
    add(&bench, NAME, "v")
        .code(2)
        .tells("CF_Email is missing")
        .tells("CF_Key (environment)");
    bench.unset("CF_Key").set("CF_Email", "admin@acme.example");
    add(&bench, NAME, "v").code(2).tells("CF_Key is missing");
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn credentials_of_a_wrong_form_are_named_before_any_request() {
    let token = "canarytoken_canarytoken_canarytoken_ca01";
    let key = "0123456789abcdef0123456789abcdef01234";
    let cases: [(&[(&str, &str)], &str); 10] = [
        (
            &[("CF_Key", key), ("CF_Email", "admin.acme.example")],
            "is not an e-mail address",
        ),
        (
            &[("CF_Key", token), ("CF_Email", "admin@acme.example")],
            "CF_Key (environment) holds an API token",
        ),
        (
            &[("CF_Token", key)],
            "CF_Token (environment) holds a global API key",
        ),
        (
            &[("CF_Token", &format!("Bearer {token}"))],
            "begins with `Bearer`",
        ),
        (
            &[("CF_Token", &format!("{token} "))],
            "holds a blank or line break",
        ),
        (
            &[("CF_Token", &format!("{token}\nx"))],
            "holds a blank or line break",
        ),
        (
            &[("CF_Token", &format!("'{token}'"))],
            "holds quotation marks",
        ),
        (
            &[("CF_Token", token), ("CF_Account_ID", "admin@acme.example")],
            "CF_Account_ID (environment) holds an e-mail",
        ),
        (
            &[("CF_Token", token), ("CF_Zone_ID", "acme.example")],
            "is a domain name, not the id of a zone",
        ),
        (
            &[("CF_Token", token), ("CF_TTL", "5")],
            "CF_TTL (environment)",
        ),
    ];
    for (variables, text) in cases {
        let mut bench = bench();
        bench.unset("CF_Token");
        for (name, value) in variables {
            bench.set(name, *value);
        }
        bench.never_shown(token).never_shown(key);
        add(&bench, NAME, "v").code(2).tells(text);
        assert!(bench.sim.requests().is_empty(), "{text}");
    }
}

#[test]
fn quotation_marks_within_values_are_dropped_as_the_stock_hook_does() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    bench
        .never_shown(&token)
        .set("CF_Token", format!("\"{token}\""));
    add(&bench, NAME, "v").code(0);
}

#[test]
fn refused_credentials_end_with_3_and_say_where_they_came_from() {
    let mut bench = bench();
    bench.set_secret("CF_Token", "canarytoken_canarytoken_canarytoken_ca02");
    add(&bench, NAME, "v")
        .code(3)
        .tells("(9109)")
        .tells("CF_Token (environment)");
    bench.set_secret("CF_Token", "short");
    add(&bench, NAME, "v").code(3).tells("6111");
    bench
        .unset("CF_Token")
        .set("CF_Email", "admin@acme.example");
    bench.set_secret("CF_Key", "0123456789abcdef0123456789abcdef01234");
    add(&bench, NAME, "v")
        .code(3)
        .tells("9103")
        .tells("CF_Key (environment)");
}

#[test]
fn a_token_that_may_not_edit_is_told_which_permission_to_add() {
    let mut bench = bench();
    with_token(
        &mut bench,
        Token {
            dns_edit: Reach::None,
            ..Token::default()
        },
    );
    add(&bench, NAME, "v")
        .code(3)
        .tells("(10000)")
        .tells("Zone / DNS / Edit");
}

#[test]
fn a_domain_without_zone_ends_with_4_and_shows_what_is_visible() {
    let bench = bench();
    add(&bench, "_acme-challenge.other.example", "v")
        .code(4)
        .tells("visible are: acme.example");
}

#[test]
fn a_wrong_account_id_is_told_from_a_missing_zone_and_not_saved() {
    for wrong in [WrongAccount::Empty, WrongAccount::Refused] {
        let mut bench = bench();
        bench.sim.world().cloudflare.switches.wrong_account = wrong;
        let conf = as_hook(&mut bench);
        bench.set("CF_Account_ID", "0123456789abcdef0123456789abcdef");
        add(&bench, NAME, "v")
            .code(4)
            .tells("CF_Account_ID (environment) is wrong: zone acme.example is not in that account")
            .tells("Unset CF_Account_ID");
        assert!(!conf.exists());
    }
}

#[test]
fn names_and_values_that_cannot_be_are_refused_before_any_request() {
    let bench = bench();
    for name in [
        "example",
        "a..example.com",
        "192.0.2.1",
        "a b.example.com",
        &format!("{}.example.com", "a".repeat(64)),
    ] {
        add(&bench, name, "v")
            .code(2)
            .tells("is not a full domain name");
    }
    add(&bench, NAME, "").code(2).tells("empty");
    add(&bench, NAME, &"x".repeat(4081))
        .code(2)
        .tells("4081 bytes");
    dns_cf(&bench, &["add", NAME, "value", "--tiemout"])
        .code(2)
        .tells("third");
    dns_cf(&bench, &["add"])
        .code(2)
        .tells("FULLDOMAIN and VALUE are missing");
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn an_unknown_refusal_is_shown_in_full() {
    let bench = bench();
    let body = r#"{"success":false,"errors":[{"code":424242,"message":"The moon is in the wrong phase"}],"result":null}"#;
    let fault = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: body.to_owned(),
    };
    bench.sim.faults().add(Fault::on("POST", RECORDS, fault));
    add(&bench, NAME, "v")
        .code(5)
        .tells("400: The moon is in the wrong phase (424242)");
}

#[test]
fn a_success_with_a_failure_inside_is_a_failure() {
    let bench = bench();
    let fault = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: r#"{"success":false,"errors":[{"code":9000,"message":"DNS name is invalid."}]}"#
            .to_owned(),
    };
    bench.sim.faults().add(Fault::on("POST", RECORDS, fault));
    add(&bench, NAME, "v")
        .code(5)
        .tells("DNS name is invalid. (9000)");
}

#[test]
fn a_proxy_that_cannot_be_understood_is_refused_before_anything_goes_out_directly() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let mut bench = bench();
        bench.set(name, "http//user:canary-of-a-proxy@proxy.acme.example:3128");
        bench.never_shown("canary-of-a-proxy");
        add(&bench, NAME, "value").code(2).tells(name);
        assert_eq!(bench.sim.requests().len(), 0, "{:?}", lines(&bench));
        bench.set("NO_PROXY", "localhost,127.0.0.1");
        add(&bench, NAME, "value").code(0);
    }
}

// --- Names and values -----------------------------------------------------------------------------------------

#[test]
fn every_way_to_write_a_name_means_the_same_record() {
    let bench = bench();
    bench.sim.world().cloudflare.add_zone("bücher.example");
    let ways = [
        "_acme-challenge.bücher.example",
        "_ACME-Challenge.BÜCHER.Example.",
        "_acme-challenge.xn--bcher-kva.example",
        "_acme-challenge.XN--BCHER-KVA.example.",
    ];
    for way in ways {
        add(&bench, way, "v")
            .code(0)
            .prints("_acme-challenge.xn--bcher-kva.example");
    }
    assert_eq!(txt(&bench, "_acme-challenge.xn--bcher-kva.example"), ["v"]);
    rm(&bench, ways[1], "v").code(0);
    assert!(txt(&bench, "_acme-challenge.xn--bcher-kva.example").is_empty());
}

#[test]
fn a_name_of_253_octets_and_values_of_any_length_and_byte_survive() {
    let bench = bench();
    let label = "a".repeat(63);
    let name = format!(
        "{label}.{label}.{label}.{}.{ZONE}",
        "b".repeat(253 - 3 * 64 - 1 - ZONE.len())
    );
    assert_eq!(name.len(), 253);
    for value in [
        "\"quoted\" back\\slash",
        "tab\there, é and 💥",
        &"long".repeat(100),
    ] {
        add(&bench, &name, value).code(0);
        add(&bench, &name, value).code(0).prints("there already");
        rm(&bench, &name, value).code(0).prints("deleted from");
    }
    assert_eq!(records_in(&bench, ZONE), 0);
}

// --- Aliases --------------------------------------------------------------------------------------------------

#[test]
fn an_alias_at_the_challenges_name_is_followed_there_and_back() {
    let bench = bench();
    {
        let cloudflare = &mut bench.sim.world().cloudflare;
        cloudflare.add_zone("validation.example");
        cloudflare.add_record(ZONE, "CNAME", "_acme-challenge", "acme.validation.example");
    }
    add(&bench, NAME, "v")
        .code(0)
        .tells("is an alias (CNAME) of acme.validation.example");
    assert_eq!(txt(&bench, "acme.validation.example"), ["v"]);
    rm(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, "validation.example"), 0);
    assert_eq!(records_in(&bench, ZONE), 1);
}

#[test]
fn an_alias_is_followed_out_of_the_zone_that_the_id_names() {
    let mut bench = bench();
    bench.sim.world().cloudflare.add_zone("validation.example");
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge",
        "acme.validation.example",
    );
    let id = zone_id(&bench, ZONE);
    bench.set("CF_Zone_ID", id);
    add(&bench, NAME, "v").code(0);
    rm(&bench, NAME, "v")
        .code(0)
        .prints("deleted from zone validation.example");
}

#[test]
fn an_alias_that_leads_out_of_reach_or_in_a_circle_is_told() {
    let bench = bench();
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge",
        "x.elsewhere.example",
    );
    add(&bench, NAME, "v").code(4).tells("x.elsewhere.example");
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge.a",
        "_acme-challenge.b.acme.example",
    );
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge.b",
        "_acme-challenge.a.acme.example",
    );
    add(&bench, "_acme-challenge.a.acme.example", "v")
        .code(2)
        .tells("circle");
    rm(&bench, "_acme-challenge.a.acme.example", "v")
        .code(2)
        .tells("circle");
}

// --- Failures on the way --------------------------------------------------------------------------------------

#[test]
fn a_lost_answer_is_looked_for_and_leaves_exactly_one_record() {
    let effects = [
        Action::LostAnswer,
        Action::LostBody,
        Action::Truncate { bytes: 20 },
        Action::Reset,
        Action::Close,
        Action::Html { status: 502 },
        Action::Html { status: 200 },
    ];
    for action in effects {
        let bench = bench();
        bench
            .sim
            .faults()
            .add(Fault::on("POST", RECORDS, action.clone()));
        add(&bench, NAME, "v").code(0);
        assert_eq!(txt(&bench, NAME), ["v"], "{action:?}");
        rm(&bench, NAME, "v").code(0);
        assert_eq!(records_in(&bench, ZONE), 0);
    }
}

#[test]
fn an_add_whose_effect_cannot_be_established_ends_with_7() {
    let bench = bench();
    bench
        .sim
        .faults()
        .add(Fault::on("POST", RECORDS, Action::LostAnswer).always());
    bench
        .sim
        .faults()
        .add(Fault::on("GET", RECORDS, Action::Empty { status: 200 }).always());
    add(&bench, NAME, "v")
        .code(7)
        .tells("cannot be seen either")
        .tells("dns_cf sweep");
}

#[test]
fn an_api_that_keeps_failing_ends_with_6_and_leaves_nothing() {
    let bench = bench();
    bench
        .sim
        .faults()
        .add(Fault::on("POST", RECORDS, Action::Close).always());
    add(&bench, NAME, "v").code(6);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_moment_of_too_many_requests_is_waited_for() {
    let bench = bench();
    let fault = Action::Answer {
        status: 429,
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
        body: r#"{"success":false,"errors":[{"code":971,"message":"Please wait"}]}"#.to_owned(),
    };
    bench
        .sim
        .faults()
        .add(Fault::on("*", "/client/v4/*", fault).after(1));
    add(&bench, NAME, "v").code(0);
    assert_eq!(txt(&bench, NAME), ["v"]);
}

#[test]
fn nothing_listens_there_ends_with_6() {
    let mut bench = bench();
    bench
        .set("CF_Api", "https://127.0.0.1:9/client/v4")
        .set("ANYPOINT_HOOKS_DEADLINE", "1s");
    add(&bench, NAME, "v").code(6).tells("cannot be reached");
}

#[test]
fn an_add_that_is_not_served_in_time_is_taken_back() {
    let mut bench = bench();
    bench.sim.world().cloudflare.switches.publish_delay_ms = 3_600_000;
    let dns = bench.sim.dns_addr().to_string();
    bench.set("HOME", "/");
    dns_cf(
        &bench,
        &[
            "add",
            NAME,
            "v",
            "--wait",
            "--timeout",
            "1s",
            "--resolver",
            &dns,
        ],
    )
    .code(7)
    .tells("is not served after 1s")
    .tells("has been taken back");
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_wait_ends_as_soon_as_the_record_is_served() {
    let bench = bench();
    let dns = bench.sim.dns_addr().to_string();
    dns_cf(
        &bench,
        &["add", NAME, "-value", "--wait", "--resolver", &dns],
    )
    .code(0)
    .tells("is served by every name server asked (1)");
    assert!(
        bench
            .sim
            .questions()
            .iter()
            .any(|question| question.name == NAME && question.kind == "TXT")
    );
}

#[test]
fn nothing_asks_dns_unless_told_to() {
    let bench = bench();
    add(&bench, NAME, "v").code(0);
    assert!(bench.sim.questions().is_empty());
}

// --- As acme.sh's hook ----------------------------------------------------------------------------------------

/// Calls as the shim does, and returns the path of the account conf, which does not exist yet.
fn as_hook(bench: &mut Bench) -> PathBuf {
    let folder = bench.home().join("acme");
    fs::create_dir(&folder).unwrap();
    let account = folder.join("account.conf");
    let domain = folder.join("acme.example.conf");
    bench
        .set("ANYPOINT_HOOKS_VOICE", "acme")
        .set("ACCOUNT_CONF_PATH", account.to_str().unwrap())
        .set("DOMAIN_CONF", domain.to_str().unwrap());
    account
}

fn domain_conf(account_conf: &Path) -> PathBuf {
    account_conf.with_file_name("acme.example.conf")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_token_is_saved_in_the_account_conf_as_the_stock_hook_saves_it() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    bench.set_secret("CF_Token", &token);
    let conf = as_hook(&mut bench);
    fs::write(
        &conf,
        "UPGRADE_HASH='0'\nCF_Token='old'\nSAVED_CF_Zone_ID=''\nCF_Zone_ID=''\n",
    )
    .unwrap();
    add(&bench, NAME, "v").code(0);
    let api = bench.sim.cloudflare_url();
    assert_eq!(
        read(&conf),
        format!(
            "UPGRADE_HASH='0'\nSAVED_CF_Token='{token}'\nSAVED_CF_Account_ID=''\nSAVED_CF_Api='{api}'\n"
        )
    );
    assert!(!domain_conf(&conf).exists());
    // A renewal has nothing but what was saved.
    bench.unset("CF_Token").unset("CF_Api");
    rm(&bench, NAME, "v").code(0);
    add(&bench, NAME, "w").code(0);
    assert_eq!(txt(&bench, NAME), ["w"]);
}

#[test]
fn with_a_zone_id_everything_is_saved_plainly_in_the_domain_conf() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let (id, account) = {
        let world = bench.sim.world();
        let zone = world.cloudflare.zone(ZONE).unwrap();
        (zone.id.clone(), zone.account.id.clone())
    };
    bench.set_secret("CF_Token", &token);
    let conf = as_hook(&mut bench);
    bench.set("CF_Zone_ID", &id).set("CF_Account_ID", &account);
    fs::write(domain_conf(&conf), "Le_Domain='acme.example'\n").unwrap();
    add(&bench, NAME, "v").code(0);
    assert_eq!(
        read(&domain_conf(&conf)),
        format!(
            "Le_Domain='acme.example'\nCF_Token='{token}'\nCF_Account_ID='{account}'\nCF_Zone_ID='{id}'\n"
        )
    );
    assert!(!read(&conf).contains(&token));
}

#[test]
fn a_key_is_saved_with_its_address_and_the_tokens_values_go() {
    let mut bench = bench();
    let key = bench.sim.world().cloudflare.add_key("admin@acme.example");
    let conf = as_hook(&mut bench);
    fs::write(
        &conf,
        "SAVED_CF_Token='old'\nSAVED_CF_Account_ID=''\nSAVED_CF_Zone_ID=''\nCF_Token='old'\n",
    )
    .unwrap();
    bench
        .unset("CF_Token")
        .set("CF_Email", "admin@acme.example")
        .set_secret("CF_Key", &key);
    // The key is in the environment, which comes before anything saved.
    add(&bench, NAME, "v").code(0);
    let text = read(&conf);
    assert!(
        text.starts_with(&format!(
            "SAVED_CF_Key='{key}'\nSAVED_CF_Email='admin@acme.example'\n"
        )),
        "{text}"
    );
    assert!(!text.contains("Token"), "{text}");
    bench.unset("CF_Key").unset("CF_Email");
    rm(&bench, NAME, "v").code(0);
}

#[test]
fn a_token_beats_key_and_address_of_the_same_source() {
    let mut bench = bench();
    bench
        .set("CF_Email", "admin@acme.example")
        .set_secret("CF_Key", "0123456789abcdef0123456789abcdef01234");
    add(&bench, NAME, "v").code(0);
    assert!(
        bench
            .sim
            .requests()
            .iter()
            .all(|entry| entry.header("x-auth-key").is_none())
    );
}

#[test]
fn half_of_a_pair_does_not_hide_a_saved_token() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, NAME, "v").code(0);
    bench
        .unset("CF_Token")
        .set_secret("CF_Key", "0123456789abcdef0123456789abcdef01234");
    rm(&bench, NAME, "v").code(0);
    assert!(read(&conf).contains("SAVED_CF_Token="));
}

#[test]
fn a_plain_call_uses_what_acme_sh_saved_for_the_certificate() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let id = zone_id(&bench, ZONE);
    let conf = format!("CF_Token='{token}'\nCF_Account_ID=''\nCF_Zone_ID='{id}'\n");
    bench.write("acme/*.acme.example_ecc/*.acme.example.conf", conf);
    bench.unset("CF_Token").never_shown(&token);
    dns_cf(&bench, &["check", ZONE]).code(2);
    dns_cf(&bench, &["check", ZONE, "--home", "acme"])
        .code(0)
        .prints("CF_Token (saved in");
    dns_cf(&bench, &["add", NAME, "v", "--home", "acme"]).code(0);
    assert!(
        lines(&bench)
            .iter()
            .all(|line| !line.starts_with("GET zones?")),
        "{:?}",
        lines(&bench)
    );
}

#[test]
fn refused_credentials_do_not_replace_good_ones() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    fs::write(&conf, "SAVED_CF_Token='good'\n").unwrap();
    bench.set_secret("CF_Token", "canarytoken_canarytoken_canarytoken_ca03");
    add(&bench, NAME, "v").code(3);
    assert_eq!(read(&conf), "SAVED_CF_Token='good'\n");
}

#[test]
fn accepted_credentials_are_saved_even_if_the_rest_fails() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, "_acme-challenge.other.example", "v").code(4);
    assert!(read(&conf).contains("SAVED_CF_Token="));
}

#[test]
fn of_a_secret_in_a_file_the_path_is_saved_and_never_the_value() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let conf = as_hook(&mut bench);
    bench.write("my token", format!("{token}\n"));
    bench
        .unset("CF_Token")
        .never_shown(&token)
        .set("CF_Token_FILE", "my token");
    add(&bench, NAME, "v").code(0);
    let text = read(&conf);
    assert!(
        !text.contains(&token) && text.contains("SAVED_CF_Token_FILE="),
        "{text}"
    );
    bench.unset("CF_Token_FILE");
    rm(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_conf_file_that_cannot_be_written_is_found_before_the_first_request() {
    let mut bench = bench();
    as_hook(&mut bench);
    bench.set("ACCOUNT_CONF_PATH", "/nowhere/account.conf");
    add(&bench, NAME, "v")
        .code(2)
        .tells("/nowhere/account.conf cannot be written");
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn what_is_saved_already_is_not_written_again() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, NAME, "v").code(0);
    let before = fs::metadata(&conf).unwrap().modified().unwrap();
    add(&bench, NAME, "w").code(0);
    bench.unset("CF_Token");
    add(&bench, NAME, "x").code(0);
    assert_eq!(fs::metadata(&conf).unwrap().modified().unwrap(), before);
}

#[test]
fn runs_side_by_side_leave_a_whole_conf_file() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    fs::write(&conf, "UPGRADE_HASH='0'\n").unwrap();
    let bench = &bench;
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                add(bench, NAME, &format!("v{number}"))
                    .code(0)
                    .never_shows("error");
            });
        }
    });
    let text = read(&conf);
    assert!(
        text.starts_with("UPGRADE_HASH='0'\nSAVED_CF_Token='"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(fs::read_dir(conf.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn values_of_the_configuration_file_stay_there() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let conf = as_hook(&mut bench);
    bench.write("token", &token);
    let toml = bench.write(
        "hooks.toml",
        "[dns_cf]\ntoken_file = \"token\"\nttl = 600\n",
    );
    bench
        .unset("CF_Token")
        .set("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap());
    add(&bench, NAME, "v").code(0);
    assert_eq!(
        bench.sim.world().cloudflare.zone(ZONE).unwrap().records[0].ttl,
        600
    );
    assert!(!read(&conf).contains("CF_Token"), "{}", read(&conf));
}

#[test]
fn a_plain_call_saves_nothing() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    add(&bench, NAME, "v").code(0);
    assert!(!conf.exists());
}

#[test]
fn as_a_hook_it_speaks_as_acme_sh_does_and_is_silent_on_standard_error() {
    let mut bench = bench();
    as_hook(&mut bench);
    let done = add(&bench, NAME, "v");
    done.code(0);
    assert_eq!(done.stderr, "");
    let line = done.stdout.trim();
    assert!(
        line.starts_with('[')
            && line.ends_with(
                "] TXT record _acme-challenge.acme.example created in zone acme.example"
            ),
        "{line}"
    );
}

#[test]
fn an_error_about_a_sourced_value_names_the_conf_file_it_stands_in() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    let stale = "canarytoken_canarytoken_canarytoken_ca04";
    fs::write(domain_conf(&conf), format!("CF_Token='{stale}'\n")).unwrap();
    bench.set_secret("CF_Token", stale);
    add(&bench, NAME, "v")
        .code(3)
        .tells("CF_Token (saved in")
        .tells("acme.example.conf");
}

#[test]
fn no_secret_shows_at_full_verbosity_in_any_outcome() {
    let mut bench = bench();
    let log = bench.home().join("log");
    as_hook(&mut bench);
    bench
        .set("DEBUG", "3")
        .set("LOG_FILE", log.to_str().unwrap())
        .set("LOG_LEVEL", "3")
        .set("OUTPUT_INSECURE", "1");
    let token = bench.sim.world().cloudflare.add_token();
    bench.set_secret("CF_Token", &token);
    add(&bench, NAME, "v").code(0);
    rm(&bench, NAME, "v").code(0);
    // An answer that echoes what was sent.
    let echo = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: format!(
            r#"{{"success":false,"errors":[{{"code":9109,"message":"Invalid access token {token}"}}]}}"#
        ),
    };
    bench.sim.faults().add(Fault::on("*", "*", echo).always());
    add(&bench, NAME, "v").code(3);
    dns_cf(&bench, &["check", ZONE, "--write"]).code(3);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    dns_cf(&bench, &["-vv", "add", NAME, "v"])
        .code(3)
        .tells("GET zones");
    assert!(read(&log).contains("GET zones") && !read(&log).contains(&token));
}

// --- Other callers --------------------------------------------------------------------------------------------

#[test]
fn lego_is_understood_in_both_modes() {
    let bench = bench();
    dns_cf(
        &bench,
        &["present", "_acme-challenge.acme.example.", "-value"],
    )
    .code(0);
    assert_eq!(txt(&bench, NAME), ["-value"]);
    dns_cf(
        &bench,
        &["cleanup", "_acme-challenge.acme.example.", "-value"],
    )
    .code(0);
    // RFC 8555, section 8.4: the digest of TOKEN.THUMBPRINT; computed with openssl.
    let raw = ["--", ZONE, "-token", "-token.thumbprint"];
    dns_cf(&bench, &[&["present"], &raw[..]].concat()).code(0);
    assert_eq!(
        txt(&bench, NAME),
        ["hedcyMZk30FQzwVsBchLeAAPIMpfq4zSV54eTgHXY6s"]
    );
    dns_cf(&bench, &[&["cleanup"], &raw[..]].concat()).code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn certbots_variables_stand_for_the_arguments_and_its_hook_waits() {
    let mut bench = bench();
    bench
        .set("CERTBOT_DOMAIN", ZONE)
        .set("CERTBOT_VALIDATION", "-value");
    let dns = bench.sim.dns_addr().to_string();
    dns_cf(&bench, &["add", "--resolver", &dns])
        .code(0)
        .tells("is served");
    assert_eq!(txt(&bench, NAME), ["-value"]);
    dns_cf(&bench, &["rm"]).code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

// --- check ----------------------------------------------------------------------------------------------------

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
    with_token(
        &mut bench,
        Token {
            dns_edit: Reach::None,
            ..Token::default()
        },
    );
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
    assert_eq!(json["zones"][0]["proved"], true);
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
    with_token(
        &mut bench,
        Token {
            zone_read: Reach::None,
            ..Token::default()
        },
    );
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
    with_token(
        &mut bench,
        Token {
            status: Status::Disabled,
            ..Token::default()
        },
    );
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
    with_token(
        &mut bench,
        Token {
            account: Some(account),
            ..Token::default()
        },
    );
    dns_cf(&bench, &["check", ZONE])
        .code(0)
        .prints("status: active");
}

// --- sweep ----------------------------------------------------------------------------------------------------

#[test]
fn a_sweep_takes_only_old_records_of_this_program_below_the_domain() {
    let bench = bench();
    let left = |name: &str, comment: Option<&str>, created: &str| Record {
        comment: comment.map(str::to_owned),
        created_on: created.to_owned(),
        ..Record::new("TXT", name, "\"v\"")
    };
    let old = "2026-01-01T00:00:00.000000Z";
    let future = "2999-01-01T00:00:00.000000Z";
    let records = [
        left(NAME, Some(COMMENT), old),
        left("_acme-challenge.www.acme.example", Some(COMMENT), old),
        left(NAME, Some(COMMENT), future),
        left(NAME, None, old),
        left(NAME, Some("by hand"), old),
    ];
    for (number, record) in records.into_iter().enumerate() {
        let id = format!("{number:032x}");
        let record = Record { id, ..record };
        bench
            .sim
            .world()
            .cloudflare
            .zone_mut(ZONE)
            .unwrap()
            .records
            .push(record);
    }
    dns_cf(&bench, &["sweep", "www.acme.example", "--dry-run"])
        .code(0)
        .prints("would be deleted");
    assert_eq!(records_in(&bench, ZONE), 5);
    dns_cf(&bench, &["sweep", ZONE, "--older-than", "1h"])
        .code(0)
        .prints("2 challenge records older than 1h deleted, 1 younger kept");
    assert_eq!(records_in(&bench, ZONE), 3);
}

#[test]
fn what_a_killed_add_leaves_is_found_by_a_sweep() {
    let bench = bench();
    add(&bench, NAME, "v").code(0);
    dns_cf(&bench, &["sweep", ZONE])
        .code(0)
        .prints("1 younger kept");
    dns_cf(&bench, &["sweep", ZONE, "--older-than", "0s"])
        .code(0)
        .prints("deleted");
    assert_eq!(records_in(&bench, ZONE), 0);
}

// --- cname ----------------------------------------------------------------------------------------------------

const TARGET: &str = "abc.usa-e1.cloudhub.io";

fn cname(bench: &Bench, name: &str) -> Vec<String> {
    bench.sim.world().cloudflare.contents("CNAME", name)
}

#[test]
fn a_cname_is_created_changed_or_left_alone_and_says_which() {
    let bench = bench();
    for name in ["api.acme.example", "*.acme.example", ZONE] {
        let set = |target: &str| dns_cf(&bench, &["cname", "set", name, target]);
        set(TARGET).code(0).prints("created");
        set(&format!("{TARGET}."))
            .code(0)
            .prints("is there already");
        set("new.cloudhub.io")
            .code(0)
            .prints("changed to new.cloudhub.io")
            .prints(TARGET);
        assert_eq!(cname(&bench, name), ["new.cloudhub.io"]);
        dns_cf(&bench, &["cname", "rm", name, "--yes"])
            .code(0)
            .prints("deleted");
        dns_cf(&bench, &["cname", "rm", name, "--yes"])
            .code(0)
            .prints("nothing to delete");
    }
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn other_records_are_replaced_only_when_told_to_and_shown_before() {
    let bench = bench();
    let name = "api.acme.example";
    for (kind, content) in [("A", "192.0.2.1"), ("MX", "mail.example.net")] {
        bench
            .sim
            .world()
            .cloudflare
            .add_record(ZONE, kind, "api", content);
    }
    let set = |flags: &[&str]| dns_cf(&bench, &[&["cname", "set", name, TARGET], flags].concat());
    set(&[])
        .code(5)
        .tells("A 192.0.2.1")
        .tells("MX mail.example.net")
        .tells("--replace");
    set(&["--replace", "--dry-run"])
        .code(0)
        .prints("would be replaced")
        .prints("A 192.0.2.1");
    set(&["--replace"])
        .code(2)
        .tells("no terminal")
        .tells("--yes");
    assert_eq!(records_in(&bench, ZONE), 2);
    bench.sim.clear_log();
    set(&["--replace", "--yes"]).code(0).prints("replaced");
    assert_eq!(
        (records_in(&bench, ZONE), cname(&bench, name)),
        (1, vec![TARGET.to_owned()])
    );
    // In one step, so that the name is never without a record.
    assert!(
        lines(&bench)
            .last()
            .unwrap()
            .ends_with("/dns_records/batch")
    );
}

#[test]
fn a_dry_run_and_a_wrong_target_change_nothing() {
    let bench = bench();
    dns_cf(
        &bench,
        &["cname", "set", "api.acme.example", TARGET, "--dry-run"],
    )
    .code(0)
    .prints("would be created");
    for (target, text) in [
        ("192.0.2.1", "is an address"),
        ("2001:db8::1", "is an address"),
        ("api.acme.example", "cannot lead to itself"),
        ("localhost", "single label"),
    ] {
        dns_cf(&bench, &["cname", "set", "api.acme.example", target])
            .code(2)
            .tells(text);
    }
    dns_cf(
        &bench,
        &[
            "cname",
            "set",
            "api.acme.example",
            TARGET,
            "--proxied",
            "--ttl",
            "300",
        ],
    )
    .code(2);
    dns_cf(&bench, &["cname", "rm", "api.acme.example"])
        .code(0)
        .prints("nothing to delete");
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_proxied_cname_warns_that_tls_ends_at_the_edge() {
    let bench = bench();
    dns_cf(
        &bench,
        &["cname", "set", "api.acme.example", TARGET, "--proxied"],
    )
    .code(0)
    .tells("warning: proxied");
    assert!(bench.sim.world().cloudflare.zone(ZONE).unwrap().records[0].proxied);
    dns_cf(
        &bench,
        &["cname", "set", "api.acme.example", TARGET, "--ttl", "300"],
    )
    .code(0)
    .prints("changed");
    let world = bench.sim.world();
    let record = &world.cloudflare.zone(ZONE).unwrap().records[0];
    assert_eq!((record.proxied, record.ttl), (false, 300));
}

#[test]
fn deleting_a_cname_needs_a_yes_and_spares_other_types() {
    let bench = bench();
    bench
        .sim
        .world()
        .cloudflare
        .add_record(ZONE, "CNAME", "api", TARGET);
    bench
        .sim
        .world()
        .cloudflare
        .add_record(ZONE, "A", "www", "192.0.2.1");
    dns_cf(&bench, &["cname", "rm", "api.acme.example"])
        .code(2)
        .tells("--yes");
    dns_cf(&bench, &["cname", "rm", "www.acme.example", "--yes"])
        .code(0)
        .prints("nothing to delete");
    dns_cf(&bench, &["cname", "rm", "api.acme.example", "--dry-run"])
        .code(0)
        .prints("would be deleted");
    assert_eq!(records_in(&bench, ZONE), 2);
}

#[test]
fn a_cname_whose_answer_is_lost_is_looked_for() {
    for action in [Action::LostAnswer, Action::LostBody] {
        let bench = bench();
        bench
            .sim
            .faults()
            .add(Fault::on("POST", "/client/v4/zones/*", action).always());
        dns_cf(&bench, &["cname", "set", "api.acme.example", TARGET]).code(0);
        bench
            .sim
            .world()
            .cloudflare
            .add_record(ZONE, "A", "www", "192.0.2.1");
        dns_cf(
            &bench,
            &[
                "cname",
                "set",
                "www.acme.example",
                TARGET,
                "--replace",
                "--yes",
            ],
        )
        .code(0);
        assert_eq!(cname(&bench, "www.acme.example"), [TARGET]);
    }
}

// --- The real clients, against the real ACME server -----------------------------------------------------------

/// A certificate for apex and wildcard by the program `client` with these arguments and variables beside those that
/// `dns_cf` needs. Returns what the client told.
fn issue(client: &str, args: &[&str], variables: &[(&str, &str)]) -> (Bench, Finished) {
    let bench = bench();
    let pebble = Pebble::start(&bench.sim);
    let token = bench.sim.world().cloudflare.tokens[0].value.clone();
    let (home, dns) = (
        bench.home().to_str().unwrap().to_owned(),
        bench.sim.dns_addr().to_string(),
    );
    let program = program("dns_cf").display().to_string();
    let filled = |text: &str| {
        text.replace("HOME", &home)
            .replace("SERVER", pebble.directory())
            .replace("DNS_CF", &program)
            .replace("RESOLVER", &dns)
    };
    let output = Command::new(client)
        .args(args.iter().map(|arg| filled(arg)))
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", &home)
        .env("CA_BUNDLE", bench.sim.ca_pem_path())
        .env("CF_Api", bench.sim.cloudflare_url())
        .env("CF_Token", &token)
        .envs(variables.iter().map(|(name, value)| (name, filled(value))))
        .env("LEGO_CA_CERTIFICATES", bench.sim.ca_pem_path())
        .env("REQUESTS_CA_BUNDLE", bench.sim.ca_pem_path())
        .output()
        .unwrap();
    let finished = Finished::from(output);
    finished.never_shows(&token);
    (bench, finished)
}

/// Both challenges were put there, and nothing is left.
fn proved(bench: &Bench) {
    let created = bench
        .sim
        .requests()
        .iter()
        .filter(|entry| entry.method == "POST")
        .count();
    assert_eq!(
        (created, records_in(bench, ZONE)),
        (2, 0),
        "{:?}",
        lines(bench)
    );
}

mod needs_unshare {
    use super::*;

    /// Runs `dns_cf add` in a mount namespace where `mount` has run; afterwards `after` holds what `file` had.
    fn add_with(bench: &Bench, mount: &str, file: &Path) -> Finished {
        let script = format!(
            "set -e\n{mount}\ncode=0\n\"$@\" || code=$?\ncp \"{}\" after\nls -A acme > names\nexit $code\n",
            file.display()
        );
        let script = bench.write("mounted.sh", script);
        let mut unshared = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshared.args(["--user", "--map-root-user"]);
        }
        unshared
            .args(["--mount", "/bin/sh", script.to_str().unwrap()])
            .arg(program("dns_cf"))
            .args(["add", NAME, "value"])
            .current_dir(bench.home())
            .env_clear();
        let command = bench.command("dns_cf", [""; 0]);
        for (name, value) in command.get_envs() {
            unshared.env(name, value.unwrap_or_default());
        }
        Finished::from(unshared.output().unwrap())
    }

    /// A file to be mounted over the account conf.
    fn with_mounted_conf() -> (Bench, PathBuf, PathBuf) {
        let mut bench = bench();
        let conf = as_hook(&mut bench);
        fs::write(&conf, "").unwrap();
        let outside = bench.write("outside.conf", "UPGRADE_HASH='0'\n");
        (bench, conf, outside)
    }

    #[test]
    #[ignore = "needs unshare: cargo test -p simulator --test dns_cf needs_unshare -- --ignored"]
    fn a_conf_file_that_is_mounted_by_itself_is_written_in_place() {
        let (bench, conf, outside) = with_mounted_conf();
        let mount = format!("mount --bind outside.conf \"{}\"", conf.display());
        add_with(&bench, &mount, &conf).code(0);
        let saved = read(&outside);
        assert!(
            saved.starts_with("UPGRADE_HASH='0'\n") && saved.contains("SAVED_CF_Token='"),
            "{saved}"
        );
        assert_eq!(saved, read(&bench.home().join("after")));
        // No copy and no temporary file is left.
        assert_eq!(read(&bench.home().join("names")), "account.conf\n");
    }

    #[test]
    #[ignore = "needs unshare: cargo test -p simulator --test dns_cf needs_unshare -- --ignored"]
    fn a_conf_file_that_is_mounted_read_only_is_found_out_before_the_first_request() {
        let (bench, conf, outside) = with_mounted_conf();
        let mount = format!(
            "mount --bind outside.conf \"{0}\"\nmount -o remount,bind,ro \"{0}\"",
            conf.display()
        );
        add_with(&bench, &mount, &conf)
            .code(2)
            .tells("account.conf");
        assert_eq!(bench.sim.requests().len(), 0, "{:?}", lines(&bench));
        assert_eq!(read(&outside), "UPGRADE_HASH='0'\n");
    }

    #[test]
    #[ignore = "needs unshare: cargo test -p simulator --test dns_cf needs_unshare -- --ignored"]
    fn a_conf_file_in_a_read_only_folder_is_written_in_place_without_a_copy() {
        let (bench, conf, outside) = with_mounted_conf();
        let mount = format!(
            "mount --bind acme acme\nmount --bind outside.conf \"{}\"\nmount -o remount,bind,ro acme",
            conf.display()
        );
        add_with(&bench, &mount, &conf).code(0);
        assert!(read(&outside).contains("SAVED_CF_Token='"));
    }
}

mod needs_lego {
    mod needs_pebble {
        use super::super::*;

        fn with_lego(mode: &str) {
            let (bench, done) = issue(
                "lego",
                &[
                    "--server",
                    "SERVER",
                    "--accept-tos",
                    "--email",
                    "admin@acme.example",
                    "--path",
                    "HOME/lego",
                    "--dns",
                    "exec",
                    "--dns.disable-cp",
                    "--dns.resolvers",
                    "RESOLVER",
                    "--domains",
                    "acme.example",
                    "--domains",
                    "*.acme.example",
                    "run",
                ],
                &[
                    ("EXEC_PATH", "DNS_CF"),
                    ("EXEC_MODE", mode),
                    ("EXEC_SEQUENCE_INTERVAL", "1"),
                ],
            );
            done.code(0);
            assert!(
                bench
                    .home()
                    .join("lego/certificates/acme.example.crt")
                    .is_file()
            );
            proved(&bench);
        }

        #[test]
        #[ignore = "needs lego and pebble: scripts/test.sh"]
        fn lego_issues_through_its_exec_provider() {
            with_lego("");
        }

        #[test]
        #[ignore = "needs lego and pebble: scripts/test.sh"]
        fn lego_issues_in_its_raw_mode() {
            with_lego("RAW");
        }
    }
}

mod needs_certbot {
    mod needs_pebble {
        use super::super::*;

        #[test]
        #[ignore = "needs certbot and pebble: scripts/test.sh"]
        fn certbot_issues_through_its_manual_hooks() {
            let (bench, done) = issue(
                "certbot",
                &[
                    "certonly",
                    "--non-interactive",
                    "--agree-tos",
                    "--email",
                    "admin@acme.example",
                    "--no-eff-email",
                    "--server",
                    "SERVER",
                    "--config-dir",
                    "HOME/config",
                    "--work-dir",
                    "HOME/work",
                    "--logs-dir",
                    "HOME/logs",
                    "--manual",
                    "--preferred-challenges",
                    "dns",
                    "--manual-auth-hook",
                    "DNS_CF add --resolver RESOLVER",
                    "--manual-cleanup-hook",
                    "DNS_CF rm",
                    "-d",
                    "acme.example",
                    "-d",
                    "*.acme.example",
                ],
                &[],
            );
            done.code(0);
            assert!(
                bench
                    .home()
                    .join("config/live/acme.example/fullchain.pem")
                    .is_file()
            );
            proved(&bench);
        }
    }
}
