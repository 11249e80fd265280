//! `dns_cf sweep`.

use simulator::cloudflare::Record;

use crate::fixture::{COMMENT, NAME, ZONE, add, bench, dns_cf, records_in};

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
