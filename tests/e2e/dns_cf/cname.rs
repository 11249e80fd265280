//! `dns_cf cname`.

use fixtures::Bench;
use simulator::Fault;
use simulator::cloudflare::Token;
use simulator::faults::Action;

use crate::fixture::{ZONE, bench, dns_cf, lines, records_in, without_zone_read, zone_id};

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
        set(&format!("{TARGET}.")).code(0).prints("already present");
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
        ("api.acme.example", "cannot point to itself"),
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
}

#[test]
fn the_proxy_of_a_record_stays_as_it_is_unless_told() {
    let bench = bench();
    let set = |target: &str, flags: &[&str]| {
        dns_cf(
            &bench,
            &[&["cname", "set", "api.acme.example", target], flags].concat(),
        )
    };
    let record = || {
        let world = bench.sim.world();
        let record = &world.cloudflare.zone(ZONE).unwrap().records[0];
        (record.content.clone(), record.proxied, record.ttl)
    };
    let (old, new) = ("old.cloudhub.io".to_owned(), TARGET.to_owned());
    set(&old, &["--proxied"]).code(0);
    bench.sim.clear_log();
    set(&old, &[])
        .code(0)
        .prints(", proxied already present")
        .tells("--no-proxied");
    assert!(lines(&bench).iter().all(|line| line.starts_with("GET")));
    set(&new, &[]).code(0).prints(", proxied in zone");
    assert_eq!(record(), (new.clone(), true, 1));
    set(&new, &["--ttl", "300"]).code(2).tells("--no-proxied");
    set(&new, &["--proxied", "--no-proxied"]).code(2);
    set(&new, &["--ttl", "300", "--no-proxied"])
        .code(0)
        .prints("changed");
    assert_eq!(record(), (new.clone(), false, 300));
    set(&new, &[]).code(0).prints("already present");

    // What takes the place of a proxied address hides as much as that did.
    add_record(&bench, "A", "www", "192.0.2.1");
    bench.sim.world().cloudflare.zone_mut(ZONE).unwrap().records[1].proxied = true;
    let set = [
        "cname",
        "set",
        "www.acme.example",
        TARGET,
        "--replace",
        "--yes",
    ];
    dns_cf(&bench, &set).code(0).tells("--no-proxied");
    let world = bench.sim.world();
    let records = &world.cloudflare.zone(ZONE).unwrap().records;
    assert_eq!((&*records[1].kind, records[1].proxied), ("CNAME", true));
}

/// The types of the records at a name, in order.
fn types(bench: &Bench, name: &str) -> Vec<String> {
    let world = bench.sim.world();
    let records = &world.cloudflare.zone(ZONE).unwrap().records;
    let mut types: Vec<String> = records
        .iter()
        .filter(|record| record.name == name)
        .map(|record| record.kind.clone())
        .collect();
    types.sort();
    types
}

fn add_record(bench: &Bench, kind: &str, name: &str, content: &str) {
    let mut world = bench.sim.world();
    world.cloudflare.add_record(ZONE, kind, name, content);
}

#[test]
fn mail_and_texts_at_the_apex_stay_whatever_the_token_may_read() {
    for token in [Token::default(), without_zone_read()] {
        let mut bench = bench();
        bench
            .set("CF_Zone_ID", zone_id(&bench, ZONE))
            .set_token(token);
        for (kind, content) in [
            ("A", "192.0.2.1"),
            ("MX", "mail.example.net"),
            ("TXT", "\"v=spf1 -all\""),
        ] {
            add_record(&bench, kind, ZONE, content);
        }
        // What lies below says nothing about where the zone begins.
        add_record(&bench, "A", "www", "192.0.2.2");
        let set = ["cname", "set", ZONE, TARGET, "--replace", "--yes"];
        dns_cf(&bench, &set)
            .code(0)
            .prints("1 record(s) of acme.example replaced");
        assert_eq!(types(&bench, ZONE), ["CNAME", "MX", "TXT"]);
    }
}

#[test]
fn where_the_apex_is_not_known_only_another_name_in_the_zone_tells_that_all_types_are_in_the_way() {
    let mut bench = bench();
    bench
        .set("CF_Zone_ID", zone_id(&bench, ZONE))
        .set_token(without_zone_read());
    let name = "api.acme.example";
    add_record(&bench, "A", "api", "192.0.2.1");
    add_record(&bench, "MX", "api", "mail.example.net");
    let set = ["cname", "set", name, TARGET, "--replace", "--yes"];
    dns_cf(&bench, &set)
        .code(5)
        .tells("MX mail.example.net")
        .tells("CF_Zone_Token");
    assert_eq!(types(&bench, name), ["A", "MX"]);
    add_record(&bench, "A", "www", "192.0.2.2");
    dns_cf(&bench, &set).code(0);
    assert_eq!(types(&bench, name), ["CNAME"]);
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
        bench.fault(Fault::on("POST", "/client/v4/zones/*", action).always());
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
