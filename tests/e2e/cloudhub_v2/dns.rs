//! `cloudhub_v2 dns`.

use std::time::Duration;

use simulator::Fault;
use simulator::cloudflare::Record;
use simulator::faults::Action;

use crate::fixture::{DOMAIN, Fixture};

/// Where the private space `prod` is reached.
fn dns_target(fixture: &Fixture) -> String {
    let world = fixture.bench.sim.world();
    world
        .anypoint
        .space("prod")
        .unwrap()
        .dns_target
        .clone()
        .unwrap()
}

/// Has `shop.acme.example` point to the private space from then on.
fn serve_from(fixture: &Fixture, later: Duration) {
    let content = dns_target(fixture);
    let mut world = fixture.bench.sim.world();
    let from = world.clock.now() + later;
    world.cloudflare.add_zone("acme.example");
    let zone = world.cloudflare.zone_mut("acme.example").unwrap();
    zone.records.push(Record {
        served_from: Some(from),
        ..Record::new("CNAME", "shop.acme.example", &content)
    });
}

#[test]
fn dns_prints_the_dns_target_alone_for_a_script() {
    let fixture = Fixture::new();
    let told = fixture.run(&["dns", "shop.acme.example", "--dns-target"]);
    assert_eq!(told.code(0).stdout, format!("{}\n", dns_target(&fixture)));
    assert!(fixture.bench.sim.questions().is_empty());
}

#[test]
fn dns_waits_until_the_record_is_served() {
    let fixture = Fixture::new();
    let resolver = fixture.bench.sim.dns_addr().to_string();
    let wait = ["dns", "shop.acme.example", "--wait", "-vv", "--resolver"];
    let wait = [&wait[..], &[&resolver, "--timeout"]].concat();
    let ends_after = |limit| fixture.run(&[&wait[..], &[limit]].concat());

    serve_from(&fixture, Duration::from_secs(3600));
    ends_after("0s")
        .code(7)
        .prints("MISSING")
        .tells("after 0 s");
    fixture.bench.sim.world().cloudflare.zones.clear();
    serve_from(&fixture, Duration::from_secs(1));
    ends_after("60s")
        .code(0)
        .tells("no record")
        .prints("(correct)");
}

#[test]
fn dns_uses_what_is_saved_for_the_certificate_that_covers_the_host() {
    let mut fixture = Fixture::new();
    let conf = "Le_Domain='acme.example'\nLe_Alt='www.acme.example,*.acme.example'\nLe_DeployHook='cloudhub_v2,'\n\
                SAVED_CH2_PRIVATE_SPACE_ID='prod'\n";
    let folder = "acme/acme.example_ecc/acme.example.conf";
    fixture.bench.write(folder, conf);
    fixture.bench.unset("CH2_PRIVATE_SPACE_ID");
    let ask = |host: &str| fixture.run(&["dns", host, "--dns-target", "--home", "acme"]);
    let target = dns_target(&fixture);
    ask("shop.acme.example").code(0).prints(&target);
    ask("acme.example").code(0).prints(&target);
    ask("shop.other.example")
        .code(2)
        .tells("CH2_PRIVATE_SPACE_ID");
}

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
