//! lego and certbot call it, by their variables and as the real programs, against a real ACME server.

use std::process::Command;

use fixtures::{Bench, Finished, Pebble, program};

use crate::fixture::{NAME, ZONE, bench, dns_cf, lines, records_in, txt};

#[test]
fn lego_is_understood_in_both_modes() {
    let bench = bench();
    dns_cf(
        &bench,
        &["present", "_acme-challenge.acme.example.", "-value"],
    )
    .code(0);
    assert_eq!(txt(&bench, NAME), ["-value"]);
    dns_cf(
        &bench,
        &["cleanup", "_acme-challenge.acme.example.", "-value"],
    )
    .code(0);
    // RFC 8555, section 8.4: the digest of TOKEN.THUMBPRINT; computed with openssl.
    let raw = ["--", ZONE, "-token", "-token.thumbprint"];
    dns_cf(&bench, &[&["present"], &raw[..]].concat()).code(0);
    assert_eq!(
        txt(&bench, NAME),
        ["hedcyMZk30FQzwVsBchLeAAPIMpfq4zSV54eTgHXY6s"]
    );
    dns_cf(&bench, &[&["cleanup"], &raw[..]].concat()).code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn certbots_variables_stand_for_the_arguments_and_its_hook_waits() {
    let mut bench = bench();
    bench
        .set("CERTBOT_DOMAIN", ZONE)
        .set("CERTBOT_VALIDATION", "-value");
    let dns = bench.sim.dns_addr().to_string();
    dns_cf(&bench, &["add", "--resolver", &dns])
        .code(0)
        .tells("is served");
    assert_eq!(txt(&bench, NAME), ["-value"]);
    dns_cf(&bench, &["rm"]).code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

/// A certificate for apex and wildcard by the program `client` with these arguments and variables beside those that
/// `dns_cf` needs. Returns what the client told.
fn issue(client: &str, args: &[&str], variables: &[(&str, &str)]) -> (Bench, Finished) {
    let bench = bench();
    let pebble = Pebble::start(&bench.sim);
    let token = bench.sim.world().cloudflare.tokens[0].value.clone();
    let (home, dns) = (
        bench.home().to_str().unwrap().to_owned(),
        bench.sim.dns_addr().to_string(),
    );
    let program = program("dns_cf").display().to_string();
    let filled = |text: &str| {
        text.replace("HOME", &home)
            .replace("SERVER", pebble.directory())
            .replace("DNS_CF", &program)
            .replace("RESOLVER", &dns)
    };
    let output = Command::new(client)
        .args(args.iter().map(|arg| filled(arg)))
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", &home)
        .env("CA_BUNDLE", bench.sim.ca_pem_path())
        .env("CF_Api", bench.sim.cloudflare_url())
        .env("CF_Token", &token)
        .envs(variables.iter().map(|(name, value)| (name, filled(value))))
        .env("LEGO_CA_CERTIFICATES", bench.sim.ca_pem_path())
        .env("REQUESTS_CA_BUNDLE", bench.sim.ca_pem_path())
        .output()
        .unwrap();
    let finished = Finished::from(output);
    finished.never_shows(&token);
    (bench, finished)
}

/// Both challenges were put there, and nothing is left.
fn proved(bench: &Bench) {
    let created = bench
        .sim
        .requests()
        .iter()
        .filter(|entry| entry.method == "POST")
        .count();
    assert_eq!(
        (created, records_in(bench, ZONE)),
        (2, 0),
        "{:?}",
        lines(bench)
    );
}

mod needs_lego {
    mod needs_pebble {
        use super::super::*;

        fn with_lego(mode: &str) {
            let (bench, done) = issue(
                "lego",
                &[
                    "--server",
                    "SERVER",
                    "--accept-tos",
                    "--email",
                    "admin@acme.example",
                    "--path",
                    "HOME/lego",
                    "--dns",
                    "exec",
                    "--dns.disable-cp",
                    "--dns.resolvers",
                    "RESOLVER",
                    "--domains",
                    "acme.example",
                    "--domains",
                    "*.acme.example",
                    "run",
                ],
                &[
                    ("EXEC_PATH", "DNS_CF"),
                    ("EXEC_MODE", mode),
                    ("EXEC_SEQUENCE_INTERVAL", "1"),
                ],
            );
            done.code(0);
            assert!(
                bench
                    .home()
                    .join("lego/certificates/acme.example.crt")
                    .is_file()
            );
            proved(&bench);
        }

        #[test]
        #[ignore = "needs lego and pebble: scripts/test.sh"]
        fn lego_issues_through_its_exec_provider() {
            with_lego("");
        }

        #[test]
        #[ignore = "needs lego and pebble: scripts/test.sh"]
        fn lego_issues_in_its_raw_mode() {
            with_lego("RAW");
        }
    }
}

mod needs_certbot {
    mod needs_pebble {
        use super::super::*;

        #[test]
        #[ignore = "needs certbot and pebble: scripts/test.sh"]
        fn certbot_issues_through_its_manual_hooks() {
            let (bench, done) = issue(
                "certbot",
                &[
                    "certonly",
                    "--non-interactive",
                    "--agree-tos",
                    "--email",
                    "admin@acme.example",
                    "--no-eff-email",
                    "--server",
                    "SERVER",
                    "--config-dir",
                    "HOME/config",
                    "--work-dir",
                    "HOME/work",
                    "--logs-dir",
                    "HOME/logs",
                    "--manual",
                    "--preferred-challenges",
                    "dns",
                    "--manual-auth-hook",
                    "DNS_CF add --resolver RESOLVER",
                    "--manual-cleanup-hook",
                    "DNS_CF rm",
                    "-d",
                    "acme.example",
                    "-d",
                    "*.acme.example",
                ],
                &[],
            );
            done.code(0);
            assert!(
                bench
                    .home()
                    .join("config/live/acme.example/fullchain.pem")
                    .is_file()
            );
            proved(&bench);
        }
    }
}
