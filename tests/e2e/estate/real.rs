//! Over the four real programs and a simulated world.

use std::fs;

use fixtures::{Bench, key_lines, program, store};
use serde_json::Value;
use simulator::Fault;
use simulator::anypoint::api_manager::Tracking;
use simulator::anypoint::{FlexGateway, Replica};
use simulator::cloudflare::{Reach, Token};
use simulator::faults::Action;
use simulator::pki::Validity;
use simulator::registration::{Identity, Layout, compose, now};
use simulator::seed::{
    API_INSTANCE_ID, CF_TOKEN, CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, SANDBOX_ID,
};

use crate::estate::{PROGRAMS, in_hours};

const DAY: i64 = 24 * 60 * 60;
const PASSWORD: &str = "canary-password-of-the-api-77";
const GATEWAY: &str = "2f0c6f3e-0000-4000-8000-000000000001";

/// A certificate in acme.sh's home that is not deployed yet, a gateway, an API without a policy, a zone. What each program
/// needs stands in the configuration file, and the secrets in variables that it names.
fn world() -> Bench {
    for name in PROGRAMS {
        program(name);
    }
    let mut bench = Bench::demo();
    let leaf = {
        let mut world = bench.sim.world();
        let world = &mut *world;
        let api = world
            .anypoint
            .api_manager
            .instance_mut(API_INSTANCE_ID)
            .unwrap();
        "active".clone_into(&mut api.status);
        api.tracking = Tracking::seen_now();
        world.anypoint.gateways.push(FlexGateway {
            id: GATEWAY.to_owned(),
            name: "edge".to_owned(),
            organization: ORGANIZATION_ID.to_owned(),
            environment: SANDBOX_ID.to_owned(),
            deleted: false,
            replicas: vec![Replica {
                name: "one".to_owned(),
                connected: true,
                expires: Some(in_hours(200 * 24).parse().unwrap()),
                ..Replica::default()
            }],
        });
        let names = ["*.acme.example", "acme.example"];
        world.authority.leaf(&names, Validity::days(90)).unwrap()
    };
    for line in key_lines(&leaf.key_pem) {
        bench.never_shown(line);
    }
    store(
        &bench.home().join(".acme.sh/*.acme.example"),
        "*.acme.example",
        &leaf,
    );
    let planned = now() + 60 * DAY as u64;
    bench.write(
        ".acme.sh/*.acme.example/*.acme.example.conf",
        format!("Le_Domain='*.acme.example'\nLe_DeployHook='cloudhub_v2,'\nLe_NextRenewTime='{planned}'\n"),
    );
    let identity = Identity {
        agent: GATEWAY.to_owned(),
        environment: SANDBOX_ID.to_owned(),
        ..Identity::default()
    };
    let registration = compose(&identity, Layout::Pem, now() + 200 * DAY as u64)
        .unwrap()
        .registration;
    for line in key_lines(&registration) {
        bench.never_shown(line);
    }
    let file = bench.write("edge/conf.d/registration.yaml", registration);
    set_private(&file);
    bench.write(
        ".config/anypoint-hooks/config.toml",
        format!(
            "[anypoint]\norganization = \"{ORGANIZATION_ID}\"\nenvironment = \"Sandbox\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret_env = \"MULE_SECRET\"\n\
             [cloudhub_v2]\nprivate_space = \"prod-space\"\n\
             [[flex.gateway]]\nname = \"edge\"\nfile = \"{}\"\nruntime = \"linux\"\nno_restart = true\n\
             [[basic_auth_policy.api]]\napi_instance = {API_INSTANCE_ID}\nusername = \"svc\"\npassword_env = \"API_PASSWORD\"\n\
             [dns_cf]\ntoken_env = \"ZONE_TOKEN\"\n\
             [estate]\nnotify_cmd = \"tr -d '\\\\n' >>notified; echo >>notified\"\n",
            file.display()
        ),
    );
    let ingress = bench.sim.ingress_addr().to_string();
    bench
        .set("CH2_VERIFY_CONNECT", ingress)
        .set("FLEXCTL", program("flexctl").to_str().unwrap())
        .set_secret("MULE_SECRET", CLIENT_SECRET)
        .set_secret("API_PASSWORD", PASSWORD)
        .set_secret("ZONE_TOKEN", CF_TOKEN);
    bench
}

fn set_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn states(checked: &Value) -> Vec<(String, String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    let mut states: Vec<_> = checked["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (text(item, "kind"), text(item, "name"), text(item, "state")))
        .collect();
    states.sort();
    states
}

fn state_of<'a>(states: &'a [(String, String, String)], kind: &str) -> Vec<&'a str> {
    states
        .iter()
        .filter(|(of, _, _)| of == kind)
        .map(|(_, _, state)| state.as_str())
        .collect()
}

#[test]
fn one_run_puts_the_estate_in_order_and_says_nothing_when_it_is() {
    let bench = world();
    let before = states(
        &bench
            .run("anypoint-estate", ["check", "--output", "json"])
            .code(10)
            .json(),
    );
    assert_eq!(state_of(&before, "tls_context"), ["missing"], "{before:?}");
    assert_eq!(state_of(&before, "api"), ["open"], "{before:?}");
    assert_eq!(state_of(&before, "registration"), ["ok"], "{before:?}");
    assert_eq!(state_of(&before, "replica"), ["ok"], "{before:?}");

    let ran = bench.run("anypoint-estate", ["run", "-v"]);
    ran.code(0)
        .prints("cloudhub_v2 reconcile    1 certificate, 1 deployed now")
        .prints("flex-renew run")
        .prints("basic-auth-policy apply");
    let checked = bench
        .run("anypoint-estate", ["check", "--output", "json"])
        .code(0)
        .json();
    let after = states(&checked);
    assert!(after.iter().all(|(_, _, state)| state == "ok"), "{after:?}");
    for kind in [
        "tls_context",
        "served_certificate",
        "registration",
        "replica",
        "api",
        "zone",
    ] {
        assert!(!state_of(&after, kind).is_empty(), "no {kind} in {after:?}");
    }
    let context = checked["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["kind"] == "tls_context")
        .unwrap();
    // Renewed after 60 of 90 days, which acme.sh tries within a day.
    assert_eq!(context["renewed_by"], "acme.sh");
    let slack = context["slack_hours"].as_i64().unwrap();
    assert!((27 * 24..=29 * 24).contains(&slack), "{slack}");

    let quiet = bench.run("anypoint-estate", ["run", "--quiet"]);
    quiet.code(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert!(
        bench.sim.unexpected().is_empty(),
        "{:?}",
        bench.sim.unexpected()
    );
    assert!(!bench.home().join("notified").exists());
}

#[test]
fn a_platform_that_cannot_be_reached_leaves_the_rows_of_the_others() {
    let mut bench = world();
    bench.run("anypoint-estate", ["run"]).code(0);
    bench.set("ANYPOINT_HOOKS_DEADLINE", "1s");
    bench.fault(Fault::on("GET", "/client/v4/**", Action::Reset).times(1000));
    let finished = bench.run("anypoint-estate", ["check", "--output", "json"]);
    finished.code(6).tells("dns_cf check first");
    let there = states(&finished.json());
    for (kind, _, state) in &there {
        let is_of_cloudflare = ["zone", "api_token", "platform"].contains(&kind.as_str());
        assert_eq!(state == "unknown", is_of_cloudflare, "{there:?}");
    }
    assert!(there.len() > 4, "{there:?}");

    bench.run("anypoint-estate", ["run"]).code(6);
    let notified = fs::read_to_string(bench.home().join("notified")).unwrap();
    let told: Value = serde_json::from_str(notified.trim()).unwrap();
    let events = told["events"].as_array().unwrap();
    assert!(
        events
            .iter()
            .all(|event| event["event"] == "failed" && event["item"]["program"] == "dns_cf"),
        "{told}"
    );
}

#[test]
fn what_opens_and_expires_is_told_and_that_it_is_well_again() {
    let bench = world();
    bench.run("anypoint-estate", ["run"]).code(0);
    let replicas = |expires: String| {
        let mut world = bench.sim.world();
        world.anypoint.gateways[0].replicas[0].expires = Some(expires.parse().unwrap());
    };
    replicas(in_hours(-1));
    bench
        .run("anypoint-estate", ["run"])
        .code(11)
        .prints("EXPIRED");
    replicas(in_hours(200 * 24));
    bench.run("anypoint-estate", ["run"]).code(0);
    let notified = fs::read_to_string(bench.home().join("notified")).unwrap();
    let events: Vec<String> = notified
        .lines()
        .map(|line| {
            let told: Value = serde_json::from_str(line).unwrap();
            assert_eq!(told["events"].as_array().unwrap().len(), 1, "{told}");
            told["events"][0]["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(events, ["due", "recovered"]);
    assert!(!notified.contains(PASSWORD) && !notified.contains(CLIENT_SECRET));
}

/// What tells this program that another has something to do is a setting of that one.
#[test]
fn the_signs_that_a_program_is_set_up_are_its_settings() {
    let signs: [(&str, &[&str]); 4] = [
        (
            "cloudhub_v2",
            &[
                "CH2_PRIVATE_SPACE_ID",
                "cloudhub_v2.private_space",
                "cloudhub_v2.target",
            ],
        ),
        (
            "flex-renew",
            &[
                "FLEX_REGISTRATION_FILE",
                "FLEX_RUNTIME",
                "ANYPOINT_ENV",
                "flex.runtime",
                "anypoint.environment",
                "flex.gateway",
            ],
        ),
        (
            "basic-auth-policy",
            &[
                "API_INSTANCE_ID",
                "ENVIRONMENT_ID",
                "basic_auth_policy.api_instance",
                "basic_auth_policy.environment",
                "basic_auth_policy.api",
            ],
        ),
        (
            "dns_cf",
            &[
                "CF_Token",
                "CF_Key",
                "dns_cf.token_file",
                "dns_cf.token_env",
                "dns_cf.key_file",
                "dns_cf.key_env",
                "dns_cf.account",
            ],
        ),
    ];
    let bench = Bench::demo();
    for (program, names) in signs {
        let registry = bench
            .run(program, ["config", "--registry"])
            .code(0)
            .stdout
            .clone();
        for name in names {
            assert!(
                registry.contains(&format!("\"{name}\"")),
                "{program}: {name}"
            );
        }
    }
}

#[test]
fn every_cloudflare_account_of_the_file_is_in_the_view_with_the_end_of_its_token() {
    for name in PROGRAMS {
        program(name);
    }
    let mut bench = Bench::with_zone("acme.example");
    bench.unset("CF_Token");
    let mut config = String::new();
    for (zone, days) in [("acme.example", 200), ("other.example", 12)] {
        let end = in_hours(24 * days + 1).parse().unwrap();
        let token = {
            let mut world = bench.sim.world();
            if world.cloudflare.zone(zone).is_none() {
                world.cloudflare.add_zone(zone);
            }
            let only = Reach::Only(vec![zone.to_owned()]);
            world.cloudflare.insert_token(Token {
                zone_read: only.clone(),
                dns_read: only.clone(),
                dns_edit: only,
                expires_on: Some(end),
                ..Token::default()
            })
        };
        bench.never_shown(&token);
        bench.write(&format!("{zone}.token"), token);
        let file = bench.home().join(format!("{zone}.token"));
        config.push_str(&format!(
            "[[dns_cf.account]]\nzones = [\"{zone}\"]\ntoken_file = \"{}\"\n",
            file.display()
        ));
    }
    bench.write(".config/anypoint-hooks/config.toml", config);
    let checked = bench
        .run("anypoint-estate", ["check", "--output", "json"])
        .code(10)
        .json();
    let items = checked["items"].as_array().unwrap();
    let ends: Vec<_> = items
        .iter()
        .filter(|item| item["kind"] == "api_token")
        .map(|item| (&item["state"], &item["days_left"]))
        .collect();
    assert_eq!(
        ends,
        [(&"due".into(), &12.into()), (&"ok".into(), &200.into())],
        "{checked:#}"
    );
    let there = states(&checked);
    assert_eq!(state_of(&there, "zone"), ["ok", "ok"], "{there:?}");
}
