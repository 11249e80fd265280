//! The client of Cloudflare's API against the simulator: what it sends, and what it makes of the answers.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::sync::Arc;
use std::time::Duration;

use common::cloudflare::{
    Change, Client, Credentials, Filter, NewRecord, RecordId, Search, ZoneId,
};
use common::error::Kind;
use common::log::Log;
use common::net::Network;
use common::net::dns::name::DnsName;
use common::net::http::Http;
use common::net::tls::Trust;
use common::secret::Secret;
use common::system::clock::{Clock, Manual};
use jiff::Timestamp;
use simulator::cloudflare::{RateLimit, Reach, Token};
use simulator::faults::Action;
use simulator::{Fault, Sim, SimConfig};

const ZONE: &str = "acme.example";

struct Fixture {
    sim: Sim,
    clock: Arc<Manual>,
    client: Client,
    zone: ZoneId,
}

fn client(sim: &Sim, clock: &Arc<Manual>, credentials: &Credentials) -> Client {
    let network = Network {
        trust: Trust {
            ssl_cert_file: Some(sim.ca_pem_path().to_owned()),
            ..Trust::default()
        },
        connect_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(60),
        deadline: Duration::from_secs(900),
        ..Network::default()
    };
    let http = Http::new(
        "dns_cf",
        &sim.cloudflare_url(),
        &network,
        clock.clone(),
        &Log::quiet(),
    )
    .unwrap();
    Client::new(&http, credentials, "API token of the test").unwrap()
}

fn fixture() -> Fixture {
    fixture_with(Token::default())
}

fn fixture_with(token: Token) -> Fixture {
    let sim = Sim::start(SimConfig::default()).unwrap();
    let zone = sim.world().cloudflare.add_zone(ZONE);
    let token = sim.world().cloudflare.insert_token(token);
    let clock = Manual::starting_at("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap());
    let credentials = Credentials::Token(Secret::new(token));
    Fixture {
        client: client(&sim, &clock, &credentials),
        zone: ZoneId::parse(&zone).unwrap(),
        sim,
        clock,
    }
}

fn name(text: &str) -> DnsName {
    DnsName::parse(text).unwrap()
}

fn txt<'a>(name: &'a DnsName, content: &'a str) -> NewRecord<'a> {
    NewRecord {
        kind: "TXT",
        name,
        content,
        ttl: 120,
        proxied: None,
        comment: Some("acme"),
    }
}

impl Fixture {
    fn lines(&self) -> Vec<String> {
        let prefix = format!("zones/{}/", self.zone);
        let requests = self.sim.requests();
        requests
            .iter()
            .map(|entry| {
                entry
                    .line()
                    .replace("/client/v4/", "")
                    .replace(&prefix, "Z/")
            })
            .collect()
    }

    fn answer(&self, path: &str, status: u16, body: &str) {
        let action = Action::Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        };
        self.sim.faults().add(Fault::on("*", path, action));
    }
}

#[test]
fn every_request_is_one_that_the_documentation_knows() {
    let fixture = fixture();
    let (challenge, alias) = (
        name("_acme-challenge.acme.example"),
        name("api.acme.example"),
    );
    let client = &fixture.client;
    assert!(
        matches!(client.find_zone(&challenge, None), Ok(Search::Found(zone)) if zone.id == fixture.zone)
    );
    client.zone(&fixture.zone).unwrap();
    let record = client
        .create_record(&fixture.zone, &txt(&challenge, "\"v\""))
        .unwrap();
    let filter = Filter {
        name: Some(&challenge),
        kind: Some("TXT"),
    };
    let listed = client.list_records(&fixture.zone, filter).unwrap();
    assert_eq!(listed, std::slice::from_ref(&record));
    assert_eq!(
        (
            record.content.as_str(),
            record.ttl,
            record.comment.as_deref()
        ),
        ("\"v\"", 120, Some("acme"))
    );
    let cname = NewRecord {
        kind: "CNAME",
        name: &alias,
        content: "target.example.net",
        ttl: 1,
        proxied: Some(false),
        comment: None,
    };
    let made = client
        .replace_records(&fixture.zone, &listed, &[cname])
        .unwrap();
    let change = Change {
        ttl: Some(300),
        ..Change::default()
    };
    let changed = client
        .change_record(&fixture.zone, &made[0].id, &change)
        .unwrap();
    assert_eq!(
        (changed.content.as_str(), changed.ttl),
        ("target.example.net", 300)
    );
    assert!(client.delete_record(&fixture.zone, &made[0].id).unwrap());
    assert_eq!(client.verify_token(None).unwrap().status, "active");

    let id = &made[0].id.0;
    assert_eq!(
        fixture.lines(),
        [
            "GET zones?per_page=50".to_owned(),
            format!("GET zones/{}", fixture.zone),
            "POST Z/dns_records".to_owned(),
            "GET Z/dns_records?per_page=1000&type=TXT&name=_acme-challenge.acme.example".to_owned(),
            "POST Z/dns_records/batch".to_owned(),
            format!("PATCH Z/dns_records/{id}"),
            format!("DELETE Z/dns_records/{id}"),
            "GET user/tokens/verify".to_owned(),
        ]
    );
    assert!(fixture.sim.unexpected().is_empty());
    let requests = fixture.sim.requests();
    assert_eq!(
        requests[2].json(),
        serde_json::json!({
            "type": "TXT", "name": "_acme-challenge.acme.example", "content": "\"v\"", "ttl": 120, "comment": "acme"
        })
    );
    assert_eq!(
        requests[4].json(),
        serde_json::json!({
            "deletes": [{"id": record.id.0}],
            "posts": [{"type": "CNAME", "name": "api.acme.example", "content": "target.example.net", "ttl": 1, "proxied": false}]
        })
    );
    assert_eq!(requests[5].json(), serde_json::json!({"ttl": 300}));
    assert_eq!(requests[6].body, "");
    assert!(requests.iter().all(|entry| entry.connection == 1));
    assert!(requests.iter().all(|entry| {
        entry
            .header("user-agent")
            .is_some_and(|agent| agent.starts_with("dns_cf/"))
    }));
    assert!(fixture.client.accepted());
}

#[test]
fn a_global_key_goes_out_in_its_own_two_headers() {
    let fixture = fixture();
    let key = fixture.sim.world().cloudflare.add_key("admin@acme.example");
    let credentials = Credentials::Key {
        email: "admin@acme.example".to_owned(),
        key: Secret::new(key.as_str()),
    };
    let client = client(&fixture.sim, &fixture.clock, &credentials);
    client.zone(&fixture.zone).unwrap();
    let request = &fixture.sim.requests()[0];
    assert_eq!(request.header("x-auth-email"), Some("admin@acme.example"));
    assert_eq!(request.header("x-auth-key"), Some(key.as_str()));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn a_list_of_records_is_followed_to_its_end() {
    let fixture = fixture();
    for number in 0..2100 {
        fixture
            .sim
            .world()
            .cloudflare
            .add_record(ZONE, "TXT", &format!("n{number}"), "v");
    }
    let all = fixture
        .client
        .list_records(&fixture.zone, Filter::default())
        .unwrap();
    assert_eq!(all.len(), 2100);
    assert_eq!(fixture.sim.requests().len(), 3);
}

#[test]
fn a_zone_beyond_the_first_page_is_asked_for_by_name() {
    let fixture = fixture();
    for number in 0..200 {
        fixture
            .sim
            .world()
            .cloudflare
            .add_zone(&format!("zone{number:03}.example"));
    }
    let found = fixture
        .client
        .find_zone(&name("www.zone199.example"), None)
        .unwrap();
    assert!(matches!(found, Search::Found(zone) if zone.name == "zone199.example"));
    assert_eq!(
        fixture.lines(),
        [
            "GET zones?per_page=50",
            "GET zones?per_page=50&name=www.zone199.example",
            "GET zones?per_page=50&name=zone199.example"
        ]
    );
    let found = fixture
        .client
        .find_zone(&name("www.elsewhere.example"), None)
        .unwrap();
    assert!(matches!(
        found,
        Search::Missing {
            total: Some(201),
            ..
        }
    ));
}

#[test]
fn a_deleted_record_is_told_from_one_that_was_gone() {
    let fixture = fixture();
    let gone = RecordId("0".repeat(32));
    assert!(!fixture.client.delete_record(&fixture.zone, &gone).unwrap());
}

#[test]
fn a_refusal_keeps_status_code_and_message_and_says_whose_credentials_they_were() {
    let fixture = fixture_with(Token {
        dns_edit: Reach::None,
        ..Token::default()
    });
    let challenge = name("_acme-challenge.acme.example");
    let err = fixture
        .client
        .create_record(&fixture.zone, &txt(&challenge, "v"))
        .unwrap_err();
    let said = err.remote().unwrap();
    assert_eq!(
        (said.status, said.code.as_deref(), said.message.as_str()),
        (Some(403), Some("10000"), "Authentication error")
    );
    assert_eq!(err.kind(), Kind::Credentials);
    assert!(
        err.advice().unwrap().contains("API token of the test"),
        "{err:?}"
    );
    assert!(!fixture.client.accepted());
}

#[test]
fn refusals_that_lack_half_of_the_envelope_are_understood() {
    let fixture = fixture();
    let cases = [
        (
            400,
            r#"{"success":false,"errors":[{"code":9106,"message":"Missing headers"}]}"#,
            Kind::Credentials,
            "9106",
        ),
        (
            403,
            r#"{"success":false,"errors":[{"code":10000}]}"#,
            Kind::Credentials,
            "10000",
        ),
        (
            400,
            r#"{"success":false,"errors":[{"code":6003,"message":"a","error_chain":[{"code":6103,"message":"b"}]}]}"#,
            Kind::Credentials,
            "a: b (6003, 6103)",
        ),
        (
            404,
            r#"{"success":false,"errors":[{"code":7003,"message":"x"}],"messages":null,"result":null}"#,
            Kind::NotFound,
            "7003",
        ),
        (
            200,
            r#"{"success":false,"errors":[]}"#,
            Kind::Refused,
            "no reason given",
        ),
        (
            200,
            r#"{"success":true,"errors":[],"result":null}"#,
            Kind::Unreachable,
            "without a result",
        ),
        (200, "", Kind::Unreachable, "without a body"),
        (200, "<html>login</html>", Kind::Unreachable, "HTML page"),
        (200, r#"{"success":tr"#, Kind::Unreachable, "cut off"),
        (
            403,
            "error code: 1020",
            Kind::Credentials,
            "error code: 1020",
        ),
        (301, "", Kind::Refused, "301"),
    ];
    for (status, body, kind, text) in cases {
        fixture.answer("/client/v4/zones/*", status, body);
        let err = fixture.client.zone(&fixture.zone).unwrap_err();
        assert_eq!(err.kind(), kind, "{body}");
        assert!(err.to_string().contains(text), "{err}");
    }
    fixture.answer("/client/v4/zones/*", 200, "");
    assert!(
        fixture
            .client
            .delete_record(&fixture.zone, &RecordId("1".into()))
            .unwrap()
    );
}

#[test]
fn a_write_whose_answer_cannot_be_read_has_an_unknown_effect_and_a_refused_one_has_none() {
    let fixture = fixture();
    let challenge = name("_acme-challenge.acme.example");
    let create = || {
        fixture
            .client
            .create_record(&fixture.zone, &txt(&challenge, "v"))
            .unwrap_err()
    };
    for action in [
        Action::LostBody,
        Action::LostAnswer,
        Action::Truncate { bytes: 9 },
        Action::Html { status: 502 },
    ] {
        fixture
            .sim
            .faults()
            .add(Fault::on("POST", "*", action.clone()));
        assert!(create().effect_unknown(), "{action:?}");
        fixture
            .sim
            .world()
            .cloudflare
            .zone_mut(ZONE)
            .unwrap()
            .records
            .clear();
    }
    fixture.answer(
        "*",
        400,
        r#"{"success":false,"errors":[{"code":9000,"message":"x"}]}"#,
    );
    assert!(!create().effect_unknown());
}

#[test]
fn the_rate_limit_is_kept_before_it_is_exceeded() {
    let fixture = fixture();
    fixture.sim.world().cloudflare.switches.rate_limit = Some(RateLimit {
        quota: 3,
        window_s: 120,
    });
    for _ in 0..3 {
        fixture.client.zone(&fixture.zone).unwrap();
    }
    assert_eq!(fixture.clock.elapsed(), Duration::ZERO);
    // The simulator keeps time of its own.
    fixture.sim.advance(Duration::from_secs(121));
    fixture.client.zone(&fixture.zone).unwrap();
    assert!(
        fixture.clock.elapsed() >= Duration::from_secs(100),
        "{:?}",
        fixture.clock.elapsed()
    );
    assert!(
        fixture
            .sim
            .requests()
            .iter()
            .all(|entry| entry.status == Some(200))
    );
}

#[test]
fn the_last_requests_of_a_quota_are_spread() {
    let fixture = fixture();
    fixture.sim.world().cloudflare.switches.rate_limit = Some(RateLimit {
        quota: 60,
        window_s: 120,
    });
    for _ in 0..58 {
        fixture.client.zone(&fixture.zone).unwrap();
    }
    assert_eq!(fixture.clock.elapsed(), Duration::ZERO);
    // Two are left, with two minutes to go.
    fixture.client.zone(&fixture.zone).unwrap();
    let elapsed = fixture.clock.elapsed();
    assert!((40..=60).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[test]
fn an_account_owned_token_is_verified_at_its_account_only() {
    let fixture = fixture();
    let account = fixture
        .sim
        .world()
        .cloudflare
        .zone(ZONE)
        .unwrap()
        .account
        .id
        .clone();
    let token = fixture.sim.world().cloudflare.insert_token(Token {
        account: Some(account.clone()),
        ..Token::default()
    });
    let credentials = Credentials::Token(Secret::new(token));
    let client = client(&fixture.sim, &fixture.clock, &credentials);
    assert_eq!(
        client.verify_token(None).unwrap_err().kind(),
        Kind::Credentials
    );
    assert_eq!(
        client.verify_token(Some(&account)).unwrap().status,
        "active"
    );
}
