//! TXT records are added and deleted, whatever their names and values.

use std::thread;

use simulator::Fault;
use simulator::cloudflare::TextForm;
use simulator::faults::Action;

use crate::fixture::{COMMENT, NAME, RECORD, ZONE, add, bench, dns_cf, lines, records_in, rm, txt};

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
        add(&bench, NAME, "value").code(0).prints("already present");
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
    bench.fault(Fault::on("DELETE", RECORD, Action::LostAnswer));
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
        add(&bench, &name, value).code(0).prints("already present");
        rm(&bench, &name, value).code(0).prints("deleted from");
    }
    assert_eq!(records_in(&bench, ZONE), 0);
}
