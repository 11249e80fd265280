use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use simulator::cloudflare::{Zone, ZoneStatus};
use simulator::{Seed, Sim, SimConfig};

fn sim() -> Sim {
    let sim = Sim::start(SimConfig::default()).unwrap();
    sim.world().cloudflare.add_zone("acme.example");
    sim
}

fn add(sim: &Sim, kind: &str, name: &str, content: &str) {
    sim.world()
        .cloudflare
        .add_record("acme.example", kind, name, content);
}

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn ask(sim: &Sim, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    socket
        .send_to(&question(name, kind), sim.dns_addr())
        .unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

fn ask_tcp(sim: &Sim, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(sim.dns_addr()).unwrap();
    let question = question(name, kind);
    stream
        .write_all(&u16::try_from(question.len()).unwrap().to_be_bytes())
        .unwrap();
    stream.write_all(&question).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    Message::from_vec(&answer).unwrap()
}

fn texts(message: &Message) -> Vec<String> {
    let answers = message
        .answers
        .iter()
        .filter_map(|answer| match &answer.data {
            RData::TXT(txt) => Some(
                txt.txt_data
                    .iter()
                    .map(|part| String::from_utf8_lossy(part).into_owned())
                    .collect(),
            ),
            _ => None,
        });
    answers.collect()
}

#[test]
fn txt_values_are_served_without_their_quotes_whatever_the_case_of_the_name() {
    let sim = sim();
    add(&sim, "TXT", "_acme-challenge", "\"one\"");
    add(&sim, "TXT", "_acme-challenge", "two");
    let answer = ask(&sim, "_aCME-challenge.ACME.example.", RecordType::TXT);
    assert!(answer.metadata.authoritative);
    assert_eq!(texts(&answer), ["one", "two"]);
}

#[test]
fn a_missing_name_and_a_missing_type_are_different_answers() {
    let sim = sim();
    add(&sim, "TXT", "a.b", "x");
    for (name, code) in [
        ("a.b.acme.example.", ResponseCode::NoError),
        ("b.acme.example.", ResponseCode::NoError),
        ("c.acme.example.", ResponseCode::NXDomain),
        ("acme.example.", ResponseCode::NoError),
    ] {
        let answer = ask(&sim, name, RecordType::A);
        assert_eq!(answer.metadata.response_code, code, "{name}");
        assert_eq!(answer.authorities[0].record_type(), RecordType::SOA);
    }
    assert_eq!(
        ask(&sim, "example.com.", RecordType::A)
            .metadata
            .response_code,
        ResponseCode::Refused
    );
}

#[test]
fn an_alias_is_followed_as_far_as_our_zones_go() {
    let sim = sim();
    sim.world().cloudflare.add_zone("example.com");
    add(&sim, "CNAME", "_acme-challenge", "alias.example.com");
    sim.world()
        .cloudflare
        .add_record("example.com", "TXT", "alias", "value");
    let answer = ask(&sim, "_acme-challenge.acme.example.", RecordType::TXT);
    assert_eq!(answer.answers[0].record_type(), RecordType::CNAME);
    assert_eq!(texts(&answer), ["value"]);

    add(&sim, "CNAME", "away", "elsewhere.example.net");
    let answer = ask(&sim, "away.acme.example.", RecordType::A);
    assert_eq!(
        (answer.answers.len(), answer.metadata.response_code),
        (1, ResponseCode::NoError)
    );
}

#[test]
fn an_alias_to_a_private_space_leads_to_its_ingress() {
    let sim = Sim::start(SimConfig {
        seed: Seed::demo(),
        ..SimConfig::default()
    })
    .unwrap();
    let addresses = |name: &str| {
        let answer = ask(&sim, name, RecordType::A);
        let addresses = answer.answers.iter().filter_map(|one| match &one.data {
            RData::A(address) => Some(address.0),
            _ => None,
        });
        addresses.collect::<Vec<_>>()
    };
    let ingress = [sim.ingress_addr().ip()];
    let target = sim.world().anypoint.spaces[0].dns_target.clone().unwrap();
    assert_eq!(addresses(&format!("{target}.")), ingress);
    assert!(addresses("orders.acme.example.").is_empty());
    add(&sim, "CNAME", "orders", &target);
    assert_eq!(addresses("orders.acme.example."), ingress);
}

#[test]
fn a_wildcard_answers_for_names_that_do_not_exist() {
    let sim = sim();
    add(&sim, "A", "*.apps", "192.0.2.1");
    add(&sim, "TXT", "x.apps", "here");
    assert_eq!(
        ask(&sim, "any.apps.acme.example.", RecordType::A)
            .answers
            .len(),
        1
    );
    assert_eq!(
        ask(&sim, "x.apps.acme.example.", RecordType::A)
            .answers
            .len(),
        0
    );
}

#[test]
fn name_servers_below_the_apex_take_the_subtree_away() {
    let sim = sim();
    add(&sim, "NS", "_acme-challenge", "ns.example.net");
    add(&sim, "TXT", "_acme-challenge", "shadowed");
    let answer = ask(&sim, "_acme-challenge.acme.example.", RecordType::TXT);
    assert!(answer.answers.is_empty() && !answer.metadata.authoritative);
    assert_eq!(answer.authorities[0].record_type(), RecordType::NS);
}

#[test]
fn only_active_zones_are_served() {
    let sim = sim();
    let pending = Zone {
        name: "example.com".to_owned(),
        status: ZoneStatus::Pending,
        ..Zone::default()
    };
    sim.world().cloudflare.insert_zone(pending);
    assert_eq!(
        ask(&sim, "example.com.", RecordType::SOA)
            .metadata
            .response_code,
        ResponseCode::Refused
    );
    assert_eq!(ask(&sim, "acme.example.", RecordType::SOA).answers.len(), 1);
    assert_eq!(ask(&sim, "acme.example.", RecordType::NS).answers.len(), 2);
}

#[test]
fn an_answer_that_is_too_long_for_a_datagram_comes_by_tcp() {
    let sim = sim();
    add(&sim, "TXT", "long", &"x".repeat(1000));
    assert!(
        ask(&sim, "long.acme.example.", RecordType::TXT)
            .metadata
            .truncation
    );
    assert_eq!(
        texts(&ask_tcp(&sim, "long.acme.example.", RecordType::TXT)),
        ["x".repeat(1000)]
    );
}
