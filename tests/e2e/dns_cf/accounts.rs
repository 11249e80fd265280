//! Several Cloudflare accounts in the TOML file: the one with the longest zone is used.

use std::fs;

use fixtures::Bench;
use simulator::cloudflare::{Reach, Token};

use crate::fixture::{NAME, ZONE, add, as_hook, bench, dns_cf, read, rm, txt, zone_id};

pub(crate) const SUB: &str = "sub.acme.example";
pub(crate) const OTHER: &str = "other.example";

/// Makes a token that reaches one zone alone, and has every run watched for it.
pub(crate) fn token_for(bench: &mut Bench, zone: &str) -> String {
    let only = Reach::Only(vec![zone.to_owned()]);
    let token = bench.sim.world().cloudflare.insert_token(Token {
        zone_read: only.clone(),
        dns_read: only.clone(),
        dns_edit: only,
        ..Token::default()
    });
    bench.never_shown(&token);
    token
}

/// Three zones, each with a token of its own that is set nowhere but in the TOML file.
pub(crate) fn accounts() -> Bench {
    let mut bench = bench();
    for zone in [SUB, OTHER] {
        bench.sim.world().cloudflare.add_zone(zone);
    }
    let (one, two, three) = (
        token_for(&mut bench, ZONE),
        token_for(&mut bench, SUB),
        token_for(&mut bench, OTHER),
    );
    bench.write("one.token", one + "\n");
    bench.write("three.token", three + "\n");
    bench.write(
        "hooks.toml",
        format!(
            "[[dns_cf.account]]\nzones = [\"{ZONE}\", \"unused.example\"]\ntoken_file = \"one.token\"\n\
             [[dns_cf.account]]\nzones = [\"{SUB}\"]\ntoken_env = \"SUB_TOKEN\"\nzone_id = \"{}\"\n\
             [[dns_cf.account]]\nzones = [\"{OTHER}\"]\ntoken_file = \"three.token\"\n",
            zone_id(&bench, SUB)
        ),
    );
    let file = bench.home().join("hooks.toml");
    bench
        .unset("CF_Token")
        .set_secret("SUB_TOKEN", two)
        .set("ANYPOINT_HOOKS_CONFIG", file.to_str().unwrap());
    bench
}

#[test]
fn every_command_takes_the_account_with_the_longest_zone() {
    let bench = accounts();
    for zone in [ZONE, SUB, OTHER] {
        let name = format!("_acme-challenge.www.{zone}");
        add(&bench, &name, "v")
            .code(0)
            .prints(&format!("in zone {zone}"));
        dns_cf(&bench, &["check", &format!("www.{zone}"), "--write"])
            .code(0)
            .prints(zone);
        rm(&bench, &name, "v").code(0).prints("deleted");
        add(&bench, &name, "left").code(0);
        dns_cf(&bench, &["sweep", zone, "--older-than", "0s"])
            .code(0)
            .prints("1");
        assert!(txt(&bench, &name).is_empty());
        let cname = format!("api.{zone}");
        dns_cf(&bench, &["cname", "set", &cname, "target.example.net"])
            .code(0)
            .prints(&format!("in zone {zone}"));
        dns_cf(&bench, &["cname", "rm", &cname, "--yes"]).code(0);
    }
}

#[test]
fn an_alias_leads_into_another_account() {
    let bench = accounts();
    let target = "challenges.other.example";
    bench
        .sim
        .world()
        .cloudflare
        .add_record(ZONE, "CNAME", "_acme-challenge", target);
    add(&bench, NAME, "v")
        .code(0)
        .prints("in zone other.example");
    assert_eq!(txt(&bench, target), ["v"]);
    rm(&bench, NAME, "v")
        .code(0)
        .prints("from zone other.example");
    assert!(txt(&bench, target).is_empty());
}

#[test]
fn credentials_of_this_call_and_of_the_certificate_come_before_the_list() {
    let mut bench = accounts();
    let account = as_hook(&mut bench);
    let wrong = token_for(&mut bench, OTHER);
    // What is saved for all certificates is of some account; the list says of which each is.
    let line = format!(
        "SAVED_CF_Token='{wrong}'\nSAVED_CF_Account_ID='{}'\n",
        "0".repeat(32)
    );
    fs::write(&account, &line).unwrap();
    add(&bench, NAME, "v").code(0);
    assert!(read(&account).starts_with(&line), "{}", read(&account));
    assert!(read(&account).contains("hooks.toml"));

    let domain = account.with_file_name("acme.example.conf");
    fs::write(&domain, format!("CF_Token='{wrong}'\n")).unwrap();
    add(&bench, NAME, "w").code(4).tells("acme.example.conf");
    fs::remove_file(&domain).unwrap();
    // Another one: a variable that equals what is saved is taken for what acme.sh has sourced.
    let given = token_for(&mut bench, OTHER);
    bench.set_secret("CF_Token", given);
    add(&bench, NAME, "w")
        .code(3)
        .tells("CF_Token (environment)");
}

#[test]
fn what_is_wrong_with_a_list_is_said_before_any_request() {
    let bench = accounts();
    add(&bench, "_acme-challenge.stranger.example", "v")
        .code(2)
        .tells("no account of the configuration file is meant")
        .tells("other.example");
    let token = "token_file = \"one.token\"";
    for (entries, text) in [
        (format!("zones = [\"{ZONE}\"]"), "either a token or a key"),
        (
            format!("zones = [\"{ZONE}\"]\n{token}\nemail = \"a@acme.example\""),
            "either a token or a key",
        ),
        (format!("zones = [\"localhost\"]\n{token}"), "single label"),
        (
            format!("zones = [\"{ZONE}\"]\ntoken = \"canary\""),
            "line 3: unknown field `token`",
        ),
        (token.to_owned(), "missing field `zones`"),
        (
            format!(
                "zones = [\"{ZONE}\", \"{SUB}\"]\n{token}\nzone_id = \"{}\"",
                "0".repeat(32)
            ),
            "dns_cf.account[1].zone_id",
        ),
        (
            format!(
                "zones = [\"{ZONE}\"]\n{token}\n[[dns_cf.account]]\nzones = [\"{ZONE}\"]\n{token}"
            ),
            "stands in both dns_cf.account[1].zones",
        ),
    ] {
        bench.write("hooks.toml", format!("[[dns_cf.account]]\n{entries}\n"));
        add(&bench, NAME, "v").code(2).tells(text);
        dns_cf(&bench, &["check"]).code(2).tells(text);
    }
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn a_listed_account_may_have_a_key_or_a_second_token() {
    let mut bench = accounts();
    let reader = bench.sim.world().cloudflare.insert_token(Token {
        dns_read: Reach::None,
        dns_edit: Reach::None,
        ..Token::default()
    });
    let editor = bench.sim.world().cloudflare.insert_token(Token {
        zone_read: Reach::None,
        ..Token::default()
    });
    bench
        .set_secret("READER", reader)
        .set_secret("EDITOR", editor);
    bench.write(
        "hooks.toml",
        format!(
            "[[dns_cf.account]]\nzones = [\"{ZONE}\"]\ntoken_env = \"EDITOR\"\nzone_token_env = \"READER\"\n"
        ),
    );
    add(&bench, NAME, "v").code(0);

    let email = "ops@acme.example";
    let key = bench.sim.world().cloudflare.add_key(email);
    bench.set_secret("THE_KEY", key);
    bench.write(
        "hooks.toml",
        format!(
            "[[dns_cf.account]]\nzones = [\"{ZONE}\"]\nkey_env = \"THE_KEY\"\nemail = \"{email}\"\n"
        ),
    );
    rm(&bench, NAME, "v").code(0).prints("deleted");
}
