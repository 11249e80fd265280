use std::time::Duration;

use simulator::Fault;
use simulator::faults::Action;
use simulator::seed::{CF_TOKEN, CF_ZONE_ID};

use crate::Bench;

impl Bench {
    fn zones(&self) -> reqwest::Result<String> {
        self.zones_within(Duration::from_secs(60))
    }

    fn zones_within(&self, limit: Duration) -> reqwest::Result<String> {
        let request = self
            .http
            .get(self.url("/client/v4/zones"))
            .bearer_auth(CF_TOKEN);
        request.timeout(limit).send()?.text()
    }

    fn next(&self, action: Action) {
        self.sim
            .faults()
            .add(Fault::on("GET", "/client/v4/zones", action));
    }
}

fn causes(err: &dyn std::error::Error) -> String {
    std::iter::successors(Some(err), |err| err.source())
        .map(|err| format!("{err}: "))
        .collect()
}

#[test]
fn a_reset_is_a_reset_and_a_close_is_none() {
    let bench = Bench::new();
    // On a fresh connection: a client may send again what failed on one that it had kept.
    bench.next(Action::Reset);
    let reset = causes(&bench.zones().unwrap_err());
    assert!(reset.contains("reset by peer"), "{reset}");
    bench.next(Action::Close);
    let closed = causes(&bench.zones().unwrap_err());
    assert!(!closed.contains("reset by peer"), "{closed}");
    assert!(bench.zones().is_ok());
    let faults: Vec<_> = bench
        .sim
        .requests()
        .into_iter()
        .map(|entry| (entry.fault, entry.status))
        .collect();
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(
        faults,
        [
            (name("reset"), None),
            (name("close"), None),
            (None, Some(200))
        ]
    );
}

#[test]
fn a_truncated_body_ends_before_its_length() {
    let bench = Bench::new();
    bench.next(Action::Truncate { bytes: 10 });
    let err = bench.zones().unwrap_err();
    assert!(err.is_body() || err.is_decode(), "{err:?}");
    assert_eq!(bench.sim.requests()[0].status, Some(200));
}

#[test]
fn a_hang_lasts_until_the_client_gives_up_and_a_slow_body_arrives() {
    let bench = Bench::new();
    bench.next(Action::Hang);
    let limit = Duration::from_millis(300);
    assert!(bench.zones_within(limit).unwrap_err().is_timeout());
    bench.next(Action::SlowBody {
        piece: 200,
        pause_ms: 1,
    });
    assert!(bench.zones().unwrap().contains("acme.example"));
}

#[test]
fn html_and_empty_bodies_replace_the_answer() {
    let bench = Bench::new();
    bench.next(Action::Html { status: 502 });
    assert!(bench.zones().unwrap().starts_with("<html>"));
    bench.next(Action::Empty { status: 200 });
    assert_eq!(bench.zones().unwrap(), "");
    bench.next(Action::Answer {
        status: 503,
        headers: vec![("Retry-After".into(), "1".into())],
        body: "x".into(),
    });
    assert_eq!(bench.zones().unwrap(), "x");
}

#[test]
fn a_lost_answer_has_taken_effect() {
    let bench = Bench::new();
    bench.sim.faults().add(Fault::on(
        "POST",
        "/client/v4/*/dns_records",
        Action::LostAnswer,
    ));
    let body = serde_json::json!({ "type": "TXT", "name": "a", "content": "x", "ttl": 120 });
    let url = bench.url(&format!("/client/v4/zones/{CF_ZONE_ID}/dns_records"));
    assert!(
        bench
            .http
            .post(url)
            .bearer_auth(CF_TOKEN)
            .json(&body)
            .send()
            .is_err()
    );
    assert_eq!(bench.sim.world().cloudflare.txt("a.acme.example"), ["x"]);
}

#[test]
fn a_fault_begins_after_and_ends_as_told() {
    let bench = Bench::new();
    bench.sim.faults().add(
        Fault::on("*", "/client/*", Action::Empty { status: 500 })
            .after(1)
            .times(2),
    );
    let empty: Vec<bool> = (0..4).map(|_| bench.zones().unwrap().is_empty()).collect();
    assert_eq!(empty, [false, true, true, false]);
}

#[test]
fn faults_and_log_are_managed_over_http_without_being_logged() {
    let bench = Bench::new();
    let faults = bench.url("/_sim/faults");
    let rule =
        r#"[{"method":"GET","path":"/client/*","times":0,"action":{"html":{"status":502}}}]"#;
    assert_eq!(
        bench.http.post(&faults).body(rule).send().unwrap().status(),
        204
    );
    assert!(bench.zones().unwrap().starts_with("<html>"));
    assert_eq!(
        bench
            .http
            .post(&faults)
            .body(r#"{"path":"*","action":"explode"}"#)
            .send()
            .unwrap()
            .status(),
        400
    );
    assert_eq!(bench.http.delete(&faults).send().unwrap().status(), 204);
    assert!(bench.zones().unwrap().contains("acme.example"));
    let stats = bench
        .http
        .get(bench.url("/_sim/stats"))
        .send()
        .unwrap()
        .text()
        .unwrap();
    assert!(stats.contains(r#""requests":2"#), "{stats}");
    assert_eq!(
        bench
            .http
            .delete(bench.url("/_sim/requests"))
            .send()
            .unwrap()
            .status(),
        204
    );
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn one_connection_carries_many_requests() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.zones().unwrap();
    }
    assert_eq!(
        (
            bench.sim.stats().requests,
            bench.sim.stats().tls_connections
        ),
        (3, 1)
    );
}
