//! `--wait` ends when the name servers serve the record.

use std::process::{Child, Stdio};

use fixtures::{Bench, Finished, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use simulator::Fault;
use simulator::faults::Action;

use crate::fixture::{NAME, RECORD, ZONE, add, bench, dns_cf, records_in};

/// Starts an `add` that waits for what is not served within the time of any test.
fn start_waiting(bench: &Bench) -> Child {
    bench.sim.world().cloudflare.switches.publish_delay_ms = 3_600_000;
    let dns = bench.sim.dns_addr().to_string();
    let add = [
        "add",
        NAME,
        "v",
        "--wait",
        "--timeout",
        "50m",
        "--resolver",
        &dns,
    ];
    bench
        .command("dns_cf", add)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_wait_that_is_told_to_stop_takes_the_record_back() {
    for signal in [Signal::INT, Signal::TERM] {
        let bench = bench();
        let child = start_waiting(&bench);
        wait_until("name servers are queried", || {
            !bench.sim.questions().is_empty()
        });
        assert_eq!(records_in(&bench, ZONE), 1);
        send(&child, signal);
        Finished::from(child.wait_with_output().unwrap())
            .code(6)
            .tells("has been taken back")
            .tells("stopped by a signal");
        assert_eq!(records_in(&bench, ZONE), 0);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let bench = bench();
    bench.fault(Fault::on("DELETE", RECORD, Action::Hang));
    let child = start_waiting(&bench);
    wait_until("name servers are queried", || {
        !bench.sim.questions().is_empty()
    });
    send(&child, Signal::TERM);
    wait_until("the record is being taken back", || {
        let requests = bench.sim.requests();
        requests.iter().any(|entry| entry.method == "DELETE")
    });
    send(&child, Signal::TERM);
    let ended = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, None, "{ended}");
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
