//! `--wait` ends when the name servers serve the record.

use crate::fixture::{NAME, ZONE, add, bench, dns_cf, records_in};

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
    .tells("is served by every name server queried (1)");
    assert!(
        bench
            .sim
            .questions()
            .iter()
            .any(|question| question.name == NAME && question.kind == "TXT")
    );
}

#[test]
fn a_wait_can_ask_over_https_where_the_network_lets_nothing_else_through() {
    let bench = bench();
    let dns = format!("{}/dns-query", bench.sim.url());
    dns_cf(
        &bench,
        &["add", NAME, "-value", "--wait", "--resolver", &dns],
    )
    .code(0)
    .tells("is served by every name server queried (1)");
    let requests = bench.sim.requests();
    assert!(requests.iter().any(|entry| entry.path == "/dns-query"));
}

#[test]
fn nothing_asks_dns_unless_told_to() {
    let bench = bench();
    add(&bench, NAME, "v").code(0);
    assert!(bench.sim.questions().is_empty());
}
