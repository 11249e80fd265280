//! certbot and lego call it as their deploy hook: by their variables, and as the real programs against a real ACME server.

use fixtures::{Finished, Pebble, program};
use simulator::cloudflare::Token;

use crate::fixture::{Fixture, normal};

#[test]
fn certbots_variables_stand_for_the_arguments() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["www.acme.example", "acme.example"]);
    let lineage = "live/acme.example-0001";
    let whole = leaf.fullchain_pem();
    for (name, text) in [
        ("privkey.pem", &leaf.key_pem),
        ("cert.pem", &leaf.cert_pem),
        ("chain.pem", &leaf.chain_pem),
        ("fullchain.pem", &whole),
    ] {
        fixture.bench.write(&format!("{lineage}/{name}"), text);
    }
    fixture
        .bench
        .set("RENEWED_LINEAGE", lineage)
        .set("RENEWED_DOMAINS", "www.acme.example acme.example");
    fixture.run(&["deploy"]).code(0).prints("created");
    assert!(fixture.holds("prod", "acme-example", &leaf));
    let context = fixture.context("prod", "acme-example").unwrap();
    assert_eq!(context["capath"], normal(&leaf.chain_pem));
    fixture.run(&["deploy"]).code(0).prints("already deployed");
}

#[test]
fn legos_variables_stand_for_the_arguments_in_both_generations() {
    for prefix in ["LEGO_", "LEGO_HOOK_"] {
        let mut fixture = Fixture::new();
        let leaf = fixture.leaf(&["*.acme.example"]);
        let whole = leaf.fullchain_pem();
        fixture.bench.write("lego/_.acme.example.crt", whole);
        fixture
            .bench
            .write("lego/_.acme.example.key", &leaf.key_pem);
        let name = if prefix == "LEGO_" { "DOMAIN" } else { "NAME" };
        for (variable, value) in [
            (name, "*.acme.example"),
            ("PATH", "lego/_.acme.example.crt"),
            ("KEY_PATH", "lego/_.acme.example.key"),
        ] {
            fixture
                .bench
                .set(&format!("{prefix}CERT_{variable}"), value);
        }
        fixture.run(&["deploy"]).code(0).prints("created");
        assert!(fixture.holds("prod", "x-acme-example", &leaf), "{prefix}");
        let context = fixture.context("prod", "x-acme-example").unwrap();
        assert_eq!(context["capath"], normal(&leaf.chain_pem), "{prefix}");
    }
}

#[test]
fn a_deploy_that_nobody_hands_a_certificate_says_who_could() {
    let fixture = Fixture::new();
    fixture
        .run(&["deploy"])
        .code(2)
        .tells("no certificate is given")
        .tells("certbot");
    fixture
        .run(&["deploy", "acme.example"])
        .code(2)
        .tells("<KEYFILE>");
    assert_eq!(fixture.lines().len(), 0);
}

/// A zone and a private space, and what the clients and their hooks need to reach them.
fn with_zone() -> Fixture {
    let mut fixture = Fixture::new();
    fixture
        .bench
        .sim
        .world()
        .cloudflare
        .add_zone("acme.example");
    fixture.bench.set_token(Token::default());
    let authority = fixture.bench.sim.ca_pem_path().to_str().unwrap().to_owned();
    fixture
        .bench
        .set("LEGO_CA_CERTIFICATES", authority.as_str())
        .set("REQUESTS_CA_BUNDLE", authority);
    fixture
}

/// Runs a client with these words, in which names stand for what this test has set up.
fn client(fixture: &Fixture, pebble: &Pebble, name: &str, words: &str) -> Finished {
    let home = fixture.bench.home().to_str().unwrap().to_owned();
    let dns = fixture.bench.sim.dns_addr().to_string();
    let of = |name| program(name).display().to_string();
    let (dns_cf, cloudhub) = (of("dns_cf"), of("cloudhub_v2"));
    let words = words.split_whitespace().map(|word| {
        // A blank inside a word is written `+`.
        word.replace('+', " ")
            .replace("HOME", &home)
            .replace("SERVER", pebble.directory())
            .replace("DNS_CF", &dns_cf)
            .replace("CLOUDHUB", &cloudhub)
            .replace("RESOLVER", &dns)
    });
    fixture.bench.run_other(name, words)
}

/// The certificate in the one context that is not the default one.
fn deployed(fixture: &Fixture, context: &str) -> String {
    let context = fixture.context("prod", context);
    let context = context.expect("the certificate has been deployed");
    context["certificate"].as_str().unwrap().to_owned()
}

mod needs_certbot {
    mod needs_pebble {
        use super::super::*;

        #[test]
        #[ignore = "needs certbot and pebble: scripts/test.sh"]
        fn certbot_deploys_what_it_issues_and_what_it_renews() {
            let fixture = with_zone();
            let pebble = Pebble::start(&fixture.bench.sim);
            let folders = "--config-dir HOME/config --work-dir HOME/work --logs-dir HOME/logs";
            let certbot = |words: &str| {
                client(&fixture, &pebble, "certbot", &format!("{words} {folders}")).code(0);
                deployed(&fixture, "acme-example")
            };
            let issued = certbot(
                "certonly --non-interactive --agree-tos --email admin@acme.example --no-eff-email --server SERVER \
                 --manual --preferred-challenges dns --manual-auth-hook DNS_CF+add+--resolver+RESOLVER \
                 --manual-cleanup-hook DNS_CF+rm --deploy-hook CLOUDHUB+deploy -d acme.example -d *.acme.example",
            );
            let renewed = certbot("renew --force-renewal --no-random-sleep-on-renew");
            assert_ne!(issued, renewed);
        }
    }
}

mod needs_lego {
    mod needs_pebble {
        use super::super::*;

        #[test]
        #[ignore = "needs lego and pebble: scripts/test.sh"]
        fn lego_deploys_what_it_issues_and_what_it_renews() {
            let mut fixture = with_zone();
            let dns_cf = program("dns_cf").display().to_string();
            fixture
                .bench
                .set("EXEC_PATH", dns_cf)
                .set("EXEC_SEQUENCE_INTERVAL", "1");
            let pebble = Pebble::start(&fixture.bench.sim);
            let lego = |words: &str| {
                let all = format!(
                    "--server SERVER --accept-tos --email admin@acme.example --path HOME/lego --dns exec \
                     --dns.disable-cp --dns.resolvers RESOLVER --domains *.acme.example --domains acme.example {words}"
                );
                client(&fixture, &pebble, "lego", &all).code(0);
                deployed(&fixture, "x-acme-example")
            };
            let issued = lego("run --run-hook CLOUDHUB+deploy");
            let renewed = lego("renew --days 10000 --no-random-sleep --renew-hook CLOUDHUB+deploy");
            assert_ne!(issued, renewed);
        }
    }
}
