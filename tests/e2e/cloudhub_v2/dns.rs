//! `cloudhub_v2 dns`.

use simulator::Fault;
use simulator::cloudflare::Record;
use simulator::faults::Action;

use crate::fixture::{DOMAIN, Fixture};

#[test]
fn dns_tells_the_record_that_has_to_exist_and_what_is_there() {
    let fixture = Fixture::new();
    let resolver = fixture.bench.sim.dns_addr().to_string();
    let target = fixture
        .bench
        .sim
        .world()
        .anypoint
        .space("prod")
        .unwrap()
        .dns_target
        .clone()
        .unwrap();
    fixture
        .bench
        .sim
        .world()
        .cloudflare
        .add_zone("acme.example");
    let dns = ["dns", "shop.acme.example", "--resolver", &resolver];
    let check = [&dns[..], &["--check"]].concat();
    fixture
        .run(&dns)
        .code(0)
        .prints(&format!("shop.acme.example CNAME {target}"))
        .prints("MISSING")
        .prints(&format!("dns_cf cname set 'shop.acme.example' {target}"));
    fixture.run(&check).code(10);
    let point_to = |content: &str| {
        let mut sim = fixture.bench.sim.world();
        let zone = sim.cloudflare.zone_mut("acme.example").unwrap();
        zone.records.clear();
        zone.records
            .push(Record::new("CNAME", "shop.acme.example", content));
    };
    point_to("elsewhere.acme.example");
    fixture.run(&check).code(10).prints("POINTS ELSEWHERE");
    point_to(&target);
    fixture.run(&check).code(0).prints("(correct)");
}

#[test]
fn dns_can_be_asked_over_https() {
    let fixture = Fixture::new();
    let sim = &fixture.bench.sim;
    let resolver = format!("{}/dns-query", sim.url());
    let target = sim
        .world()
        .anypoint
        .space("prod")
        .unwrap()
        .dns_target
        .clone();
    let target = target.unwrap();
    {
        let mut world = sim.world();
        world.cloudflare.add_zone("acme.example");
        let zone = world.cloudflare.zone_mut("acme.example").unwrap();
        let record = Record::new("CNAME", "shop.acme.example", &target);
        zone.records.push(record);
    }
    let dns = [
        "dns",
        "shop.acme.example",
        "--check",
        "--resolver",
        &resolver,
    ];
    fixture.run(&dns).code(0).prints("(correct)");
    let question = sim
        .requests()
        .into_iter()
        .find(|entry| entry.path == "/dns-query");
    let question = question.unwrap();
    assert_eq!(
        (question.method.as_str(), question.status),
        ("POST", Some(200))
    );

    let answering = |status| {
        fixture.bench.sim.faults().clear();
        let answer = Action::Html { status };
        fixture
            .bench
            .fault(Fault::on("POST", "/dns-query", answer).always());
    };
    answering(403);
    fixture.run(&dns).code(6).prints(&format!(
        "name server {resolver} did not answer: it answered with HTTP status 403"
    ));
    answering(200);
    fixture.run(&dns).code(6).prints("is not DNS");
}

#[test]
fn dns_without_an_answer_is_no_failure_unless_checked() {
    let fixture = Fixture::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = silent.local_addr().unwrap().to_string();
    fixture
        .run(&["dns", DOMAIN, "--resolver", &resolver])
        .code(0)
        .prints("UNKNOWN");
    fixture
        .run(&["dns", DOMAIN, "--resolver", &resolver, "--check"])
        .code(6)
        .tells("--resolver");
}
