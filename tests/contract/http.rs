//! How the shared HTTP client behaves when the other side misbehaves.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::sync::Arc;
use std::time::Duration;

use common::error::Kind;
use common::log::Log;
use common::net::Network;
use common::net::http::{Http, Reply};
use common::net::tls::Trust;
use common::system::clock::{Clock, Manual};
use jiff::Timestamp;
use simulator::faults::Action;
use simulator::{Fault, Seed, Sim, SimConfig};

const VERIFY: &str = "/client/v4/user/tokens/verify";
const TOKEN: &str = "/accounts/api/v2/oauth2/token";

struct Fixture {
    sim: Sim,
    clock: Arc<Manual>,
    http: Http,
}

fn fixture() -> Fixture {
    fixture_with(Duration::from_secs(60), |sim| Trust {
        ssl_cert_file: Some(sim.ca_pem_path().to_owned()),
        ..Trust::default()
    })
}

fn fixture_with(request_timeout: Duration, trust: impl Fn(&Sim) -> Trust) -> Fixture {
    let sim = Sim::start(SimConfig {
        seed: Seed::demo(),
        ..SimConfig::default()
    })
    .unwrap();
    let clock = Manual::starting_at("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap());
    let network = Network {
        trust: trust(&sim),
        connect_timeout: Duration::from_secs(60),
        request_timeout,
        deadline: Duration::from_secs(300),
        ..Network::default()
    };
    let http = Http::new("test", sim.url(), &network, clock.clone(), &Log::quiet()).unwrap();
    Fixture { sim, clock, http }
}

impl Fixture {
    fn fail(&self, method: &str, path: &str, action: Action, times: u32) {
        self.sim
            .faults()
            .add(Fault::on(method, path, action).times(times));
    }

    fn get(&self) -> common::error::Result<Reply> {
        self.http.get(VERIFY).send()
    }

    fn post(&self) -> common::error::Result<Reply> {
        self.http
            .post(TOKEN)
            .json(&serde_json::json!({"client_id": "x"}))
            .send()
    }

    fn count(&self) -> usize {
        self.sim.requests().len()
    }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Action {
    Action::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: "{}".to_owned(),
    }
}

#[test]
fn a_read_is_repeated_until_the_service_is_back() {
    let fixture = fixture();
    fixture.fail("GET", VERIFY, answer(503, &[]), 2);
    fixture.fail("GET", VERIFY, Action::Reset, 1);
    assert_ne!(fixture.get().unwrap().status(), 503);
    assert_eq!(fixture.count(), 4);
    let waited = fixture.clock.elapsed().as_secs_f32();
    assert!((3.5..=7.0).contains(&waited), "{waited} s");
}

#[test]
fn retry_after_is_obeyed_in_seconds_and_as_a_date() {
    for (value, seconds) in [("7", 7), ("Sun, 22 Nov 2026 12:00:20 GMT", 20)] {
        let fixture = fixture();
        fixture.fail("GET", VERIFY, answer(429, &[("retry-after", value)]), 1);
        fixture.get().unwrap();
        assert_eq!(fixture.clock.elapsed().as_secs(), seconds);
    }
}

#[test]
fn a_wait_beyond_the_deadline_is_not_begun() {
    let fixture = fixture();
    fixture.fail("GET", VERIFY, answer(429, &[("retry-after", "301")]), 1);
    assert_eq!(fixture.get().unwrap().status(), 429);
    assert_eq!(fixture.clock.elapsed(), Duration::ZERO);
}

#[test]
fn a_service_that_keeps_failing_is_given_up_with_its_last_answer() {
    let fixture = fixture();
    fixture.fail("GET", VERIFY, answer(502, &[]), 99);
    let reply = fixture.get().unwrap();
    assert_eq!(reply.error(reply.remote_text()).kind(), Kind::Unreachable);
    assert_eq!(fixture.count(), 5);
}

#[test]
fn a_write_that_may_have_been_executed_is_not_repeated() {
    for action in [Action::LostAnswer, Action::Close] {
        let fixture = fixture();
        fixture.fail("POST", TOKEN, action, 99);
        let err = fixture.post().unwrap_err();
        assert_eq!(err.kind(), Kind::Unreachable);
        assert!(err.effect_unknown());
        assert_eq!(fixture.count(), 1);
    }
    let fixture = fixture();
    fixture.fail("POST", TOKEN, answer(504, &[]), 99);
    assert!(fixture.post().unwrap().effect_unknown());
    assert_eq!(fixture.count(), 1);
}

#[test]
fn a_write_that_was_turned_away_is_repeated() {
    let fixture = fixture();
    fixture.fail("POST", TOKEN, answer(429, &[]), 1);
    let reply = fixture.post().unwrap();
    assert_ne!(reply.status(), 429);
    assert!(!reply.effect_unknown());
    assert_eq!(fixture.count(), 2);
}

#[test]
fn a_truncated_body_counts_as_no_answer() {
    let fixture = fixture();
    fixture.fail("GET", VERIFY, Action::Truncate { bytes: 5 }, 1);
    fixture.get().unwrap();
    assert_eq!(fixture.count(), 2);
}

#[test]
fn a_hanging_service_is_left_after_the_limit_for_one_request() {
    let fixture = fixture_with(Duration::from_secs(1), |_| Trust {
        insecure: true,
        ..Trust::default()
    });
    fixture.fail("GET", VERIFY, Action::Hang, 99);
    let err = fixture.get().unwrap_err();
    assert_eq!(err.kind(), Kind::Unreachable);
    assert!(err.to_string().contains("gave no whole answer"), "{err}");
    assert!(!err.effect_unknown());
}

#[test]
fn html_and_nothing_are_not_understood() {
    let fixture = fixture();
    for (action, told) in [
        (Action::Html { status: 200 }, "an HTML page"),
        (Action::Empty { status: 200 }, "without a body"),
    ] {
        fixture.fail("GET", VERIFY, action, 1);
        let err = fixture
            .get()
            .unwrap()
            .json::<serde_json::Value>()
            .unwrap_err();
        assert_eq!(err.kind(), Kind::Unreachable);
        assert!(err.to_string().contains(told), "{err}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let fixture = fixture();
    let to = [("location", "https://elsewhere.example/")];
    fixture.fail("GET", VERIFY, answer(302, &to), 1);
    let reply = fixture.get().unwrap();
    let err = reply.error(reply.remote_text());
    assert_eq!(err.kind(), Kind::Refused);
    assert!(
        err.to_string().contains("https://elsewhere.example/"),
        "{err}"
    );
}

#[test]
fn an_answer_beyond_all_measure_is_refused() {
    let fixture = fixture();
    let action = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: "x".repeat(8 * 1024 * 1024 + 1),
    };
    fixture.fail("GET", VERIFY, action, 99);
    let err = fixture.get().unwrap_err();
    assert!(err.to_string().contains("8 MiB"), "{err}");
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_talked_to() {
    let elsewhere = fixture();
    let stranger = elsewhere.sim.ca_pem_path().to_owned();
    let fixture = fixture_with(Duration::from_secs(60), |_| Trust {
        ssl_cert_file: Some(stranger.clone()),
        ..Trust::default()
    });
    let err = fixture.get().unwrap_err();
    assert_eq!(err.kind(), Kind::Unreachable);
    assert!(err.advice().unwrap().contains("CA_BUNDLE"));
    assert_eq!(fixture.count(), 0);
}
