//! What is shown and logged, in acme.sh's voice too.

use std::fs;

use simulator::Fault;
use simulator::cloudflare::ZoneStatus;
use simulator::faults::Action;

use crate::fixture::{NAME, ZONE, add, as_hook, bench, dns_cf, domain_conf, read, rm};

#[test]
fn as_a_hook_it_speaks_as_acme_sh_does_and_is_silent_on_standard_error() {
    let mut bench = bench();
    as_hook(&mut bench);
    let done = add(&bench, NAME, "v");
    done.code(0);
    assert_eq!(done.stderr, "");
    let line = done.stdout.trim();
    assert!(
        line.starts_with('[')
            && line.ends_with(
                "] TXT record _acme-challenge.acme.example created in zone acme.example"
            ),
        "{line}"
    );
}

#[test]
fn an_error_about_a_sourced_value_names_the_conf_file_it_stands_in() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    let stale = "canarytoken_canarytoken_canarytoken_ca04";
    fs::write(domain_conf(&conf), format!("CF_Token='{stale}'\n")).unwrap();
    bench.set_secret("CF_Token", stale);
    add(&bench, NAME, "v")
        .code(3)
        .tells("CF_Token (saved in")
        .tells("acme.example.conf");
}

#[test]
fn no_secret_shows_at_full_verbosity_in_any_outcome() {
    let mut bench = bench();
    let log = bench.home().join("log");
    as_hook(&mut bench);
    bench
        .set("DEBUG", "3")
        .set("LOG_FILE", log.to_str().unwrap())
        .set("LOG_LEVEL", "3")
        .set("OUTPUT_INSECURE", "1");
    let token = bench.sim.world().cloudflare.add_token();
    bench.set_secret("CF_Token", &token);
    add(&bench, NAME, "v").code(0);
    rm(&bench, NAME, "v").code(0);
    // An answer that echoes what was sent.
    let echo = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: format!(
            r#"{{"success":false,"errors":[{{"code":9109,"message":"Invalid access token {token}"}}]}}"#
        ),
    };
    bench.fault(Fault::on("*", "*", echo).always());
    add(&bench, NAME, "v").code(3);
    dns_cf(&bench, &["check", ZONE, "--write"]).code(3);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    dns_cf(&bench, &["-vv", "add", NAME, "v"])
        .code(3)
        .tells("GET zones");
    assert!(read(&log).contains("GET zones") && !read(&log).contains(&token));
}

#[test]
fn a_token_is_known_by_its_form_and_a_terminal_is_sent_no_commands() {
    let mut bench = bench();
    let token = "cfut_canarytokenofsomebodyelse_0123456789abcdef";
    bench
        .never_shown(token)
        .never_shown("\u{1b}")
        .never_shown("\u{9b}");
    bench.sim.world().cloudflare.zone_mut(ZONE).unwrap().status = ZoneStatus::Pending;
    let body = format!(
        r#"{{"success":false,"errors":[{{"code":1004,"message":"{token} \u001b[2Jand \u009b31mred"}}]}}"#
    );
    let answer = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body,
    };
    bench.fault(Fault::on("POST", "*", answer));
    add(&bench, NAME, "v")
        .code(5)
        .tells("*** \\u{1b}[2Jand \\u{9b}31mred");
    bench
        .sim
        .world()
        .cloudflare
        .zone_mut(ZONE)
        .unwrap()
        .name_servers = vec!["ada\u{1b}]0;title\u{7}.example".to_owned()];
    add(&bench, NAME, "v").code(0).tells("ada\\u{1b}]0;title");
    let content = format!("\u{9b}31m{token}");
    bench
        .sim
        .world()
        .cloudflare
        .add_record(ZONE, "CNAME", "api", &content);
    let rm = ["cname", "rm", "api.acme.example", "--dry-run"];
    dns_cf(&bench, &rm).code(0).prints("\\u{9b}31m***");
    let json = dns_cf(&bench, &[&rm[..], &["--output", "json"]].concat());
    assert_eq!(json.code(0).json()["before"][0]["content"], "\u{9b}31m***");
}

#[test]
fn credentials_in_an_address_are_refused_and_not_shown() {
    for address in [
        "https://user:canary-of-an-address@cf.acme.example/v4",
        "https://user:canary-of-an-address@cf.acme.example/v4?x=y",
        "user:canary-of-an-address@cf.acme.example",
        "https:/user:canary of-an-address@cf.acme.example",
    ] {
        let mut bench = bench();
        bench
            .never_shown("canary")
            .set("CF_Api", address)
            .set("ANYPOINT_URL", address);
        add(&bench, NAME, "v").code(2).tells("CF_Api (environment)");
        bench
            .set("ORGANIZATION_ID", "Acme")
            .set("CH2_CLIENT_ID", "id")
            .set("CH2_CLIENT_SECRET", "secret");
        bench
            .run("cloudhub_v2", ["spaces"])
            .code(2)
            .tells("ANYPOINT_URL");
        if address.contains("://") {
            let add = ["add", NAME, "v", "--wait", "--resolver", address];
            dns_cf(&bench, &add).code(2).tells("***@cf.acme.example");
        }
        for program in ["dns_cf", "cloudhub_v2"] {
            bench
                .run(program, ["config"])
                .code(0)
                .prints("cf.acme.example");
            bench.run(program, ["config", "--output", "json"]).code(0);
        }
    }
}

#[test]
fn config_shows_each_setting_with_its_origin_and_no_secret() {
    let mut bench = bench();
    bench.set("CF_TTL", "600");
    bench.write(
        "acme/account.conf",
        "SAVED_CF_Account_ID='0123456789abcdef'\n",
    );
    let config = [
        "config",
        "--set",
        "--home",
        "acme",
        "--api",
        "cf.acme.example",
    ];
    dns_cf(&bench, &config)
        .code(0)
        .prints("*** (40 characters)")
        .prints("CF_TTL (environment)")
        .prints("0123456789abcdef")
        .prints("account.conf")
        .prints("--api");
    let json = dns_cf(&bench, &[&config[..], &["--output", "json"]].concat());
    let json = json.code(0).json();
    let of = |name: &str| {
        let settings = json["settings"].as_array().unwrap();
        settings.iter().find(|row| row["name"] == name).cloned()
    };
    assert_eq!(of("CF_Token").unwrap()["secret_length"], 40);
    assert_eq!(of("CF_Api").unwrap()["value"], "cf.acme.example");
    assert_eq!(of("CF_Key"), None);
}
