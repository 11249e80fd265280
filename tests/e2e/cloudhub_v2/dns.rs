//! `cloudhub_v2 dns`.

use simulator::cloudflare::Record;

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
