//! Wrong settings and certificates, and refusals, say what to do.

use std::fs;

use simulator::Fault;
use simulator::faults::Action;
use simulator::pki::{Authority, Leaf, Validity};

use crate::fixture::{CONTEXT, DOMAIN, Fixture, LIST};

#[test]
fn what_is_wrong_with_a_certificate_is_found_before_the_first_request() {
    let mut fixture = Fixture::new();
    let valid = |days| Validity::days(days);
    let hours = {
        let mut validity = Validity::days(1);
        validity.not_after -= 3600;
        validity
    };
    let many: Vec<String> = (0..90)
        .map(|n| format!("host-number-{n:03}.department.acme.example"))
        .collect();
    let many: Vec<&str> = std::iter::once(DOMAIN)
        .chain(many.iter().map(String::as_str))
        .collect();
    let mut deep = fixture.authority.clone();
    for number in 0..60 {
        deep = deep
            .intermediate(&format!("Intermediate {number}"))
            .unwrap();
    }
    let good = fixture.leaf(&[DOMAIN]);
    let other = fixture.leaf(&[DOMAIN]);
    let cases: Vec<(Leaf, &str)> = vec![
        (
            fixture
                .authority
                .leaf(&[DOMAIN], Validity::expired())
                .unwrap(),
            "expired on",
        ),
        (
            fixture
                .authority
                .leaf(&[DOMAIN], Validity::not_yet())
                .unwrap(),
            "is not valid before",
        ),
        (
            fixture.authority.leaf(&[DOMAIN], hours).unwrap(),
            "less than a day",
        ),
        (
            fixture.leaf(&["acme.example"]),
            "is not for *.acme.example, but for acme.example",
        ),
        (
            Leaf {
                key_pem: other.key_pem.clone(),
                ..good.clone()
            },
            "does not belong to the certificate",
        ),
        (
            Leaf {
                cert_pem: "hello".into(),
                ..good.clone()
            },
            "no PEM certificate",
        ),
        (
            Leaf {
                key_pem: "hello".into(),
                ..good.clone()
            },
            "no PEM private key",
        ),
        (
            Leaf {
                cert_pem: good.cert_pem[..300].to_owned(),
                ..good.clone()
            },
            "is damaged",
        ),
        (
            Leaf {
                chain_pem: Authority::root("Stranger").unwrap().pem().to_owned(),
                ..good.clone()
            },
            "did not issue",
        ),
        (
            fixture.authority.leaf(&many, valid(90)).unwrap(),
            "the platform accepts 4096",
        ),
        (
            deep.leaf(&[DOMAIN], valid(90)).unwrap(),
            "the platform accepts 28672",
        ),
    ];
    for (leaf, told) in cases {
        fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(2).tells(told);
    }
    let folder = fixture.store("cert", DOMAIN, &good);
    fs::remove_file(folder.join(format!("{DOMAIN}.key"))).unwrap();
    fixture
        .deploy_from(&folder, DOMAIN, &[])
        .code(4)
        .tells("the private key")
        .tells("does not exist");
    fixture.run(&["deploy", DOMAIN]).code(2);
    assert_eq!(fixture.lines().len(), 0);
}

#[test]
fn missing_settings_are_named_before_the_first_request() {
    for (name, told) in [
        ("CH2_CLIENT_SECRET", "CH2_CLIENT_SECRET is missing"),
        (
            "CH2_PRIVATE_SPACE_ID",
            "CH2_PRIVATE_SPACE_ID or --private-space",
        ),
        ("ORGANIZATION_ID", "ORGANIZATION_ID"),
    ] {
        let mut fixture = Fixture::new();
        fixture.bench.unset(name);
        fixture.deploy().code(2).tells(told);
        assert_eq!(fixture.lines().len(), 0);
    }
    let mut fixture = Fixture::new();
    fixture
        .bench
        .unset("CH2_CLIENT_ID")
        .unset("CH2_CLIENT_SECRET");
    fixture
        .deploy()
        .code(2)
        .tells("CH2_CLIENT_ID and CH2_CLIENT_SECRET are not set");
    fixture
        .bench
        .set("CH2_TLS_CONTEXT_NAME", "*.acme")
        .set("ANYPOINT_BEARER", "canary-bearer");
    fixture
        .deploy()
        .code(2)
        .tells("cannot be the name of a TLS context");
}

#[test]
fn refused_credentials_are_told_from_a_missing_scope() {
    let mut fixture = Fixture::new();
    fixture
        .bench
        .set_secret("CH2_CLIENT_SECRET", "canary-wrong-secret-77");
    fixture
        .deploy()
        .code(3)
        .tells("401")
        .tells("CH2_CLIENT_SECRET")
        .tells("ANYPOINT_URL");

    let mut fixture = Fixture::with_scopes(&["read:cloudhub_networking"]);
    fixture
        .deploy()
        .code(3)
        .tells("403")
        .tells("\"CloudHub Network Administrator\" (manage:cloudhub_networking)")
        .tells("\"Manage Private Spaces\" (manage:private_spaces)")
        .tells("\"Cloudhub Organization Admin\" (admin:cloudhub)");
}

#[test]
fn an_unknown_private_space_or_organization_is_told_with_those_that_are_there() {
    let mut fixture = Fixture::new();
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "staging");
    fixture
        .deploy()
        .code(4)
        .tells("no private space \"staging\"")
        .tells("It has \"prod\"");
    fixture.bench.set(
        "CH2_PRIVATE_SPACE_ID",
        "05000000-0000-4000-8000-00000000ffff",
    );
    fixture.deploy().code(4).tells("It has \"prod\"");
    fixture
        .bench
        .set("CH2_PRIVATE_SPACE_ID", "prod")
        .set("ORGANIZATION_ID", "Umbrella");
    fixture
        .deploy()
        .code(4)
        .tells("no organization \"Umbrella\"");
    assert_eq!(fixture.writes(), 0);
}

#[test]
fn names_of_organization_and_private_space_are_as_good_as_ids() {
    let mut fixture = Fixture::new();
    fixture
        .bench
        .unset("ORGANIZATION_ID")
        .set("ANYPOINT_ORG", "Acme");
    fixture.bench.sim.world().anypoint.switches.spaces_page_size = Some(1);
    fixture.bench.add_space("second");
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "second");
    fixture.deploy().code(0);
    assert!(fixture.context("second", CONTEXT).is_some());
}

#[test]
fn each_refusal_of_the_platform_says_what_to_do() {
    for (status, code, told) in [
        (400, 5, "EC P-256"),
        (409, 5, "cloudhub_v2 list"),
        (415, 5, "JSON"),
        (422, 5, "EC P-256"),
        (503, 6, "try again later"),
    ] {
        let mut fixture = Fixture::new();
        fixture
            .bench
            .fault(Fault::on("POST", LIST, Action::Empty { status }).always());
        fixture.deploy().code(code).tells(told);
    }
    let mut fixture = Fixture::new();
    let wait = Action::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), "0".into())],
        body: String::new(),
    };
    fixture.bench.fault(Fault::on("GET", LIST, wait).times(2));
    fixture.deploy().code(0);
}
