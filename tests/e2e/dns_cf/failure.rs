//! Failures of the API leave nothing half done.

use simulator::Fault;
use simulator::cloudflare::RateLimit;
use simulator::faults::Action;

use crate::fixture::{NAME, RECORDS, ZONE, add, bench, dns_cf, lines, records_in, rm, txt};

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
        bench.fault(Fault::on("POST", RECORDS, action.clone()));
        add(&bench, NAME, "v").code(0);
        assert_eq!(txt(&bench, NAME), ["v"], "{action:?}");
        rm(&bench, NAME, "v").code(0);
        assert_eq!(records_in(&bench, ZONE), 0);
    }
}

#[test]
fn an_add_whose_effect_cannot_be_established_ends_with_7() {
    let bench = bench();
    bench.fault(Fault::on("POST", RECORDS, Action::LostAnswer).always());
    bench.fault(Fault::on("GET", RECORDS, Action::Empty { status: 200 }).always());
    add(&bench, NAME, "v")
        .code(7)
        .tells("cannot be seen either")
        .tells("dns_cf sweep");
}

#[test]
fn an_api_that_keeps_failing_ends_with_6_and_leaves_nothing() {
    let bench = bench();
    bench.fault(Fault::on("POST", RECORDS, Action::Close).always());
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
    bench.fault(Fault::on("*", "/client/v4/*", fault).after(1));
    add(&bench, NAME, "v").code(0);
    assert_eq!(txt(&bench, NAME), ["v"]);
}

#[test]
fn a_rate_limit_that_outlasts_the_deadline_ends_with_6_at_once() {
    let mut bench = bench();
    bench.set("ANYPOINT_HOOKS_DEADLINE", "5s");
    bench.sim.world().cloudflare.switches.rate_limit = Some(RateLimit {
        quota: 1,
        window_s: 3000,
    });
    add(&bench, NAME, "v")
        .code(6)
        .tells("the rate limit allows no more requests for")
        .tells("--deadline");
    assert_eq!(bench.sim.requests().len(), 1);
    // Refused from here on.
    add(&bench, NAME, "v").code(6).tells("429");
}

#[test]
fn more_records_at_once_than_a_plan_allows_are_explained() {
    let bench = bench();
    let answer = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: r#"{"success":false,"errors":[{"code":10300,"message":"too many"}]}"#.to_owned(),
    };
    bench.fault(Fault::on("POST", "*", answer));
    let mut world = bench.sim.world();
    world.cloudflare.add_record(ZONE, "A", "api", "192.0.2.1");
    drop(world);
    let set = ["cname", "set", "api.acme.example", "target.example.net"];
    dns_cf(&bench, &[&set[..], &["--replace", "--yes"]].concat())
        .code(5)
        .tells("200 on a free plan");
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
