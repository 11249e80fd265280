//! Wrong settings and arguments, and refusals, say what to do.

use simulator::Fault;
use simulator::cloudflare::{Reach, Token, WrongAccount};
use simulator::faults::Action;

use crate::fixture::{NAME, RECORDS, add, as_hook, bench, dns_cf};

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
    let cases: [(&[(&str, &str)], &str); 11] = [
        (
            &[("CF_Key", key), ("CF_Email", "admin.acme.example")],
            "is not an e-mail address",
        ),
        (
            &[("CF_Key", token), ("CF_Email", "admin@acme.example")],
            "CF_Key (environment) contains an API token",
        ),
        (
            &[("CF_Token", key)],
            "CF_Token (environment) contains a global API key",
        ),
        (
            &[("CF_Token", &format!("Bearer {token}"))],
            "begins with `Bearer`",
        ),
        (
            &[("CF_Token", &format!("{token} "))],
            "contains a space or line break",
        ),
        (
            &[("CF_Token", &format!("{token}\nx"))],
            "contains a space or line break",
        ),
        (
            &[("CF_Token", &format!("'{token}'"))],
            "contains quotation marks",
        ),
        (
            &[("CF_Token", token), ("CF_Account_ID", "admin@acme.example")],
            "CF_Account_ID (environment) contains an e-mail",
        ),
        (
            &[("CF_Token", token), ("CF_Zone_ID", "acme.example")],
            "is a domain name, not the id of a zone",
        ),
        (
            &[("CF_Token", token), ("CF_TTL", "5")],
            "CF_TTL (environment)",
        ),
        (
            &[("CF_Token", token), ("CF_Api", "ftp://cf.acme.example")],
            "CF_Api (environment): \"ftp://cf.acme.example\" is not the address of an API",
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
    bench.set_token(Token {
        dns_edit: Reach::None,
        ..Token::default()
    });
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
        .tells("visible zones: acme.example");
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
    bench.fault(Fault::on("POST", RECORDS, fault));
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
    bench.fault(Fault::on("POST", RECORDS, fault));
    add(&bench, NAME, "v")
        .code(5)
        .tells("DNS name is invalid. (9000)");
}
