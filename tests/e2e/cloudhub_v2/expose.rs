//! `expose` has an application answer under a host, and leaves everything else about it as it is.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{Finished, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use simulator::Entry;
use simulator::anypoint::application_manager::{SecureForm, Switches};
use simulator::anypoint::{Deployment, Grant};
use simulator::faults::Action;

use crate::fixture::{DOMAIN, Fixture};

const SCOPES: [&str; 5] = [
    "manage:cloudhub_networking",
    "view:environment",
    "read:applications",
    "create:applications",
    "manage:application_settings",
];

const OLD: &str = "https://old.acme.example/orders";
const NEW: &str = "https://orders.acme.example";
const EXPOSE: [&str; 5] = ["expose", "--app", "orders", "--host", "orders.acme.example"];
const DEPLOYMENTS: &str =
    "/amc/application-manager/api/v2/organizations/*/environments/*/deployments";

/// A private space with a certificate for `*.acme.example`, and the application `orders` in it.
fn fixture() -> Fixture {
    let mut fixture = Fixture::with_scopes(&SCOPES);
    fixture.deploy().code(0);
    fixture.bench.set("ANYPOINT_ENV", "Production");
    add(&fixture, "orders", OLD, |application| {
        application.desired.properties = own("log.level", "INFO");
        application.desired.secure = own("db.password", "canary-db-1");
    });
    fixture.bench.never_shown("canary-db-1");
    fixture
}

fn own(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn add(fixture: &Fixture, name: &str, urls: &str, change: impl FnOnce(&mut Deployment)) {
    let space = fixture.space_id("prod");
    let mut world = fixture.bench.sim.world();
    let world = &mut *world;
    let environment = world.anypoint.organizations[0].environments[1].id.clone();
    let mut application = Deployment {
        name: name.to_owned(),
        environment,
        space,
        public_url: urls.to_owned(),
        ..Deployment::default()
    };
    change(&mut application);
    world.anypoint.add_deployment(&mut world.ids, application);
}

fn switch(fixture: &Fixture, change: impl FnOnce(&mut Switches)) {
    let mut world = fixture.bench.sim.world();
    change(&mut world.anypoint.switches.application_manager);
}

fn sandbox(fixture: &Fixture) -> String {
    let world = fixture.bench.sim.world();
    world.anypoint.organizations[0].environments[0].id.clone()
}

fn orders(fixture: &Fixture) -> Deployment {
    let world = fixture.bench.sim.world();
    world.anypoint.deployment("orders").unwrap().clone()
}

/// Where the application answers now.
fn routed(fixture: &Fixture) -> Vec<String> {
    let urls = orders(fixture).routed;
    urls.into_iter().map(|endpoint| endpoint.url).collect()
}

fn restarts(fixture: &Fixture) -> u32 {
    orders(fixture).change.restarts()
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&EXPOSE[..], more].concat()
}

fn run(fixture: &Fixture, more: &[&str]) -> Finished {
    let finished = fixture.run(&with(more));
    assert!(fixture.bench.sim.unexpected().is_empty());
    finished
}

/// Requests for a new version of an application.
fn patches(fixture: &Fixture) -> usize {
    let entries = fixture.bench.sim.requests();
    entries
        .iter()
        .filter(|entry| entry.method == "PATCH")
        .count()
}

#[test]
fn an_application_gets_one_more_endpoint_and_keeps_everything_else() {
    for (form, replaced) in [
        (SecureForm::Empty, false),
        (SecureForm::Masked, true),
        (SecureForm::Hidden, true),
    ] {
        let fixture = fixture();
        switch(&fixture, |switches| {
            switches.secure = form;
            switches.inbound_replaced = replaced;
        });
        {
            let mut world = fixture.bench.sim.world();
            let settings = &mut world.anypoint.deployments[0].settings;
            settings.target.insert("replicas".to_owned(), json!(3));
            settings
                .inbound
                .insert("lastMileSecurity".to_owned(), json!(true));
        }
        let before = orders(&fixture);
        run(&fixture, &["-vv"])
            .code(0)
            .prints(&format!("orders is exposed at {NEW}"));
        let after = orders(&fixture);
        assert_eq!(routed(&fixture), [OLD, NEW]);
        assert_eq!(after.running, before.running);
        assert_eq!(after.settings, before.settings);
        assert_eq!(restarts(&fixture), 1);
    }
}

#[test]
fn nothing_happens_where_it_is_so_already_with_few_requests() {
    let fixture = fixture();
    run(&fixture, &[]).code(0);
    fixture.bench.sim.clear_log();
    let told = run(&fixture, &["--output", "json"]);
    told.code(0);
    assert_eq!(told.json()["changed"], json!(false));
    assert_eq!(told.json()["endpoints"], json!([OLD, NEW]));
    // The token, the environment, the application's id and the application.
    let requests = fixture.lines();
    assert_eq!(requests.len(), 4, "{requests:?}");
    assert_eq!(patches(&fixture), 0);
    // However it is written.
    run(&fixture, &["--path", "/"])
        .code(0)
        .prints("already exposed");
    fixture
        .run(&[
            "expose",
            "--app",
            "orders",
            "--host",
            "ORDERS.acme.example.",
        ])
        .code(0)
        .prints("already exposed");
    assert_eq!(restarts(&fixture), 1);
}

#[test]
fn only_takes_the_other_endpoints_away() {
    let fixture = fixture();
    run(&fixture, &["--only", "--path", "/v1/", "--dry-run"])
        .code(10)
        .prints(&format!("would be exposed at {NEW}/v1, and restart"))
        .prints(&format!("at {OLD} no longer"));
    assert_eq!(routed(&fixture), [OLD]);
    let told = run(&fixture, &["--only", "--path", "/v1/", "--output", "json"]);
    told.code(0);
    assert_eq!(told.json()["removed"], json!([OLD]));
    assert_eq!(routed(&fixture), [format!("{NEW}/v1")]);
    run(&fixture, &["--only", "--path", "/v1"])
        .code(0)
        .prints("already exposed");
    assert_eq!(restarts(&fixture), 1);
}

#[test]
fn a_dry_run_changes_nothing_and_ends_with_10_if_something_would_change() {
    let fixture = fixture();
    let writes = fixture.writes();
    let told = run(&fixture, &["--dry-run", "--verify", "--output", "json"]);
    told.code(10);
    assert_eq!(told.json()["dry_run"], json!(true));
    assert_eq!(told.json()["changed"], json!(true));
    assert_eq!(told.json()["endpoints"], json!([OLD, NEW]));
    assert_eq!(fixture.writes(), writes);
    assert_eq!(restarts(&fixture), 0);
    run(&fixture, &[]).code(0);
    run(&fixture, &["--dry-run"])
        .code(0)
        .prints("already exposed");
}

#[test]
fn a_platform_that_lists_its_endpoints_keeps_what_it_says_of_each() {
    let fixture = fixture();
    switch(&fixture, |switches| switches.endpoint_list = true);
    {
        let mut world = fixture.bench.sim.world();
        let application = &mut world.anypoint.deployments[0];
        application.endpoints[0].path_rewrite = Some("/v1".to_owned());
        let mut within = application.endpoints[0].clone();
        within.url = "https://orders.internal-abc.cloudhub.example".to_owned();
        within.access = "internal".to_owned();
        application.endpoints.push(within);
        application.routed = application.endpoints.clone();
    }
    let before = orders(&fixture).routed;
    run(&fixture, &[]).code(0);
    let after = orders(&fixture).routed;
    assert_eq!(after[..2], before);
    assert_eq!((after.len(), after[2].url.as_str()), (3, NEW));
    run(&fixture, &["--only"]).code(0);
    let left = orders(&fixture).routed;
    assert_eq!(left, after[1..]);
}

#[test]
fn an_application_that_is_not_there_is_an_error_that_names_those_that_are() {
    let fixture = fixture();
    fixture
        .run(&["expose", "--app", "stock", "--host", "stock.acme.example"])
        .code(4)
        .tells("no application \"stock\"")
        .tells("It has \"orders\"");
    run(&fixture, &["--environment", "Test"])
        .code(4)
        .tells("Production");
    let id = orders(&fixture).id;
    fixture
        .run(&["expose", "--app", &id, "--host", "orders.acme.example"])
        .code(0)
        .prints(NEW);
}

#[test]
fn an_application_that_is_in_no_private_space_cannot_be_exposed() {
    let fixture = fixture();
    for (space, told) in [
        ("", "runs in no private space"),
        (
            "05000000-0000-4000-8000-0000000000ff",
            "no private space that the credentials can see",
        ),
    ] {
        space.clone_into(&mut fixture.bench.sim.world().anypoint.deployments[0].space);
        run(&fixture, &[]).code(4).tells(told);
        run(&fixture, &["--dry-run"]).code(4).tells(told);
    }
    assert_eq!(patches(&fixture), 0);
}

#[test]
fn an_application_that_is_stopped_is_left_alone() {
    let fixture = fixture();
    fixture.bench.sim.world().anypoint.deployments[0].stopped = true;
    run(&fixture, &[]).code(5).tells("orders is stopped");
    assert_eq!(patches(&fixture), 0);
}

#[test]
fn a_host_that_no_certificate_is_for_is_refused_with_those_that_are_there() {
    let fixture = fixture();
    for host in ["a.orders.acme.example", "orders.example.com"] {
        fixture
            .run(&["expose", "--app", "orders", "--host", host])
            .code(4)
            .tells(&format!(
                "no TLS context of the private space prod is for {host}"
            ))
            .tells("x-acme-example (*.acme.example, acme.example)");
    }
    assert_eq!(patches(&fixture), 0);
    // Where contexts do not tell their domains, the platform itself decides.
    fixture.switch(|switches| switches.domains = false);
    run(&fixture, &[])
        .code(0)
        .tells("do not tell their domains");
    fixture
        .run(&["expose", "--app", "orders", "--host", "orders.example.com"])
        .code(5)
        .tells("is in no TLS context");
    assert_eq!(routed(&fixture), [OLD, NEW]);
}

#[test]
fn a_private_space_of_another_business_group_is_found() {
    let fixture = fixture();
    let group = {
        let mut world = fixture.bench.sim.world();
        let world = &mut *world;
        let group = world.anypoint.add_organization(&mut world.ids, "Orders");
        let environment = world.anypoint.organizations[1].environments[1].id.clone();
        let space = world.anypoint.space_mut("prod").unwrap();
        space.shared_with.push(group.clone());
        for scope in SCOPES {
            world.anypoint.apps[0].scopes.push(Grant {
                scope: scope.to_owned(),
                org: Some(group.clone()),
                env: None,
            });
        }
        let application = &mut world.anypoint.deployments[0];
        application.organization.clone_from(&group);
        application.environment = environment;
        group
    };
    run(&fixture, &["--organization", &group])
        .code(0)
        .prints(NEW);
    assert_eq!(routed(&fixture), [OLD, NEW]);
}

#[test]
fn an_address_that_another_application_has_is_refused() {
    let fixture = fixture();
    let sandbox = sandbox(&fixture);
    // Of another environment, at the same ingress.
    add(&fixture, "stock", "https://orders.acme.example/", |other| {
        other.environment = sandbox;
    });
    run(&fixture, &[]).code(5).tells(&format!(
        "{NEW} belongs to the application stock in Sandbox"
    ));
    assert_eq!(patches(&fixture), 0);
    // Another path is another address.
    run(&fixture, &["--path", "/orders"]).code(0);
    // Where it cannot be seen, the platform refuses.
    {
        let mut world = fixture.bench.sim.world();
        let production = world.anypoint.organizations[0].environments[1].id.clone();
        for grant in &mut world.anypoint.apps[0].scopes {
            if grant.scope == "read:applications" || grant.scope == "create:applications" {
                grant.env = Some(production.clone());
            }
        }
    }
    run(&fixture, &[])
        .code(5)
        .tells("is in use by the application stock");
    assert_eq!(routed(&fixture), [OLD.to_owned(), format!("{NEW}/orders")]);
}

#[test]
fn a_malformed_host_or_path_is_found_before_the_first_request() {
    let mut fixture = fixture();
    fixture.bench.sim.clear_log();
    for host in [
        "https://a.example",
        "*.acme.example",
        "a.example/x",
        "192.0.2.1",
    ] {
        fixture
            .run(&["expose", "--app", "orders", "--host", host])
            .code(2)
            .tells("--host");
    }
    for path in ["orders", "/a/../b", "/a?b=c"] {
        run(&fixture, &["--path", path]).code(2).tells("--path");
    }
    fixture.bench.unset("ANYPOINT_ENV");
    run(&fixture, &[])
        .code(2)
        .tells("CH2_ENVIRONMENT_ID or ANYPOINT_ENV or --environment");
    assert_eq!(fixture.lines(), [""; 0]);
}

#[test]
fn a_scope_that_is_missing_is_named() {
    for (missing, named) in [
        ("view:environment", "View Environment"),
        ("read:applications", "Read Applications"),
        ("manage:cloudhub_networking", "CloudHub Network Viewer"),
        ("manage:application_settings", "Manage Settings"),
    ] {
        let fixture = fixture();
        fixture.bench.sim.world().anypoint.apps[0]
            .scopes
            .retain(|grant| {
                grant.scope != missing
                    // Also sufficient for reading.
                    && (missing != "read:applications" || grant.scope != "create:applications")
            });
        run(&fixture, &[])
            .code(3)
            .tells(named)
            .tells(missing.split(':').next_back().unwrap());
        assert_eq!(routed(&fixture), [OLD], "{missing}");
    }
}

#[test]
fn a_redeployment_that_fails_is_told_with_its_reason_and_tried_again_by_the_next_run() {
    let fixture = fixture();
    switch(&fixture, |switches| switches.failing_redeployments = 1);
    run(&fixture, &[])
        .code(5)
        .tells("did not start")
        .tells("The version before it still runs");
    assert_eq!(routed(&fixture), [OLD]);
    run(&fixture, &["--dry-run"]).code(10);
    run(&fixture, &[]).code(0).tells("trying again").prints(NEW);
    assert_eq!(routed(&fixture), [OLD, NEW]);
}

#[test]
fn an_interrupted_run_is_taken_up_by_the_next_which_sends_nothing_again() {
    let fixture = fixture();
    switch(&fixture, |switches| switches.redeploy_ms = 3_600_000);
    let mut child = fixture
        .bench
        .command("cloudhub_v2", with(&[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the change is sent", || patches(&fixture) == 1);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(!child.wait().unwrap().success());
    run(&fixture, &["--redeploy-timeout", "0s"])
        .code(7)
        .tells("is still being redeployed");
    assert_eq!(routed(&fixture), [OLD]);
    fixture.bench.sim.advance(Duration::from_secs(3600));
    run(&fixture, &[]).code(0).prints("already exposed");
    assert_eq!(routed(&fixture), [OLD, NEW]);
    assert_eq!((patches(&fixture), restarts(&fixture)), (1, 1));
}

#[test]
fn a_redeployment_that_takes_too_long_is_not_proved() {
    let fixture = fixture();
    switch(&fixture, |switches| switches.redeploy_ms = 3_600_000);
    run(&fixture, &["--redeploy-timeout", "0s"])
        .code(7)
        .tells("is not redeployed after 0 s")
        .tells("--redeploy-timeout");
}

#[test]
fn another_change_that_is_being_applied_is_waited_for() {
    let fixture = fixture();
    let busy = Action::Answer {
        status: 409,
        headers: Vec::new(),
        body: r#"{"message":"The deployment is being updated"}"#.to_owned(),
    };
    fixture.fault("PATCH", &format!("{DEPLOYMENTS}/*"), busy);
    run(&fixture, &[])
        .code(0)
        .tells("another change of orders is being applied");
    assert_eq!(routed(&fixture), [OLD, NEW]);
    assert_eq!(restarts(&fixture), 1);
}

#[test]
fn a_change_whose_answer_was_lost_is_looked_for_and_not_sent_again() {
    for action in [Action::LostAnswer, Action::Gateway { status: 502 }] {
        let fixture = fixture();
        fixture.fault("PATCH", &format!("{DEPLOYMENTS}/*"), action);
        run(&fixture, &[]).code(0).prints(NEW);
        assert_eq!(restarts(&fixture), 1);
    }
}

#[test]
fn verify_proves_the_certificate_and_that_an_application_answers() {
    let fixture = fixture();
    let ingress = fixture.bench.sim.ingress_addr().to_string();
    let at = ["--verify", "--connect", &ingress, "--timeout", "0s"];
    let told = run(&fixture, &[&at[..], &["--output", "json"]].concat());
    told.code(0);
    let proof = &told.json()["proof"];
    assert_eq!(
        proof["certificate"]["server_name"],
        json!("orders.acme.example")
    );
    assert_eq!(proof["answers"][0]["status"], json!(200));
    run(&fixture, &at)
        .code(0)
        .prints("chain trusted")
        .prints(&format!("{NEW}: answers with 200"));
    // The ingress does not know the host, though the platform says that it is exposed.
    let hide = |fixture: &Fixture| {
        let mut world = fixture.bench.sim.world();
        world.anypoint.deployments[0].routed.clear();
    };
    hide(&fixture);
    run(&fixture, &at)
        .code(7)
        .tells("the ingress itself answers with 404")
        .tells("--timeout");
    // What the application itself says is an answer, also that it has no such resource.
    {
        let mut world = fixture.bench.sim.world();
        let application = &mut world.anypoint.deployments[0];
        application.routed.clone_from(&application.endpoints);
        application.routed[1].path_rewrite = Some("/missing".to_owned());
    }
    run(&fixture, &at).code(0).prints("answers with 404");
}

#[test]
fn verify_looks_at_the_ingress_of_the_private_space_and_for_its_certificate() {
    let mut fixture = fixture();
    let at = fixture.bench.sim.open_ingress("prod").unwrap();
    let target = Some(at.to_string());
    fixture
        .bench
        .sim
        .world()
        .anypoint
        .space_mut("prod")
        .unwrap()
        .dns_target = target;
    run(&fixture, &["--verify", "--timeout", "0s"])
        .code(0)
        .prints(&format!("prod: orders.acme.example: 127.0.0.1 ({at})"));
    // Another certificate than the one that the platform reports.
    fixture.bench.add_space("rival");
    let rival = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &rival, &["--private-space", "rival"])
        .code(0);
    let all = fixture.bench.sim.ingress_addr().to_string();
    run(
        &fixture,
        &["--verify", "--connect", &all, "--timeout", "0s"],
    )
    .code(7)
    .tells("another certificate");
    run(
        &fixture,
        &["--verify", "--connect", "127.0.0.1:1", "--timeout", "0s"],
    )
    .code(7);
}

/// Moments are drawn from a seed that is printed; `EXPOSE_KILLS_SEED` repeats them.
#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing_double() {
    let fixture = fixture();
    switch(&fixture, |switches| switches.redeploy_ms = 20);
    let started = Instant::now();
    run(&fixture, &[]).code(0);
    let whole = started.elapsed();
    let seed = std::env::var("EXPOSE_KILLS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(std::process::id);
    let mut random = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut expected = vec![OLD.to_owned(), NEW.to_owned()];
    for number in 0..20 {
        let host = format!("n{number}.acme.example");
        let args = ["expose", "--app", "orders", "--host", &host];
        let before = restarts(&fixture);
        let mut child = fixture
            .bench
            .command("cloudhub_v2", args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        thread::sleep(whole.mul_f64(f64::from(random) / f64::from(u32::MAX)));
        child.kill().unwrap();
        child.wait().unwrap();
        fixture.run(&args).code(0);
        expected.push(format!("https://{host}"));
        let context = format!("EXPOSE_KILLS_SEED={seed}, {number}");
        assert_eq!(routed(&fixture), expected, "{context}");
        assert!(restarts(&fixture) - before <= 2, "{context}");
    }
}

#[test]
fn what_is_sent_names_nothing_but_the_inbound_traffic() {
    let fixture = fixture();
    run(&fixture, &[]).code(0);
    let sent: Vec<Value> = fixture
        .bench
        .sim
        .requests()
        .iter()
        .filter(|entry| entry.method == "PATCH")
        .map(Entry::json)
        .collect();
    assert_eq!(
        sent,
        [
            json!({ "target": { "deploymentSettings": { "http": { "inbound": {
                "publicUrl": format!("{OLD},{NEW}"), "lastMileSecurity": false,
                "forwardSslSession": false,
            } } } } })
        ]
    );
}

#[test]
fn before_a_deployment_a_dry_run_needs_no_certificate_and_finds_everything_else() {
    let fixture = fixture();
    let space = fixture.space_id("prod");
    fixture.bench.sim.world().anypoint.spaces[0]
        .contexts
        .clear();
    run(&fixture, &["--dry-run"]).code(4);
    let early = |more: &[&str]| {
        run(
            &fixture,
            &[&["--dry-run", "--before-deploy"], more].concat(),
        )
    };
    early(&[]).code(10).prints("would be exposed");
    early(&["--private-space", "other, prod"]).code(10);
    early(&["--private-space", &space]).code(10);
    early(&["--private-space", "other"])
        .code(4)
        .tells("orders runs in the private space prod, not in other");
    add(&fixture, "stock", NEW, |_| {});
    early(&[]).code(5).tells("stock");
    run(&fixture, &["--before-deploy"])
        .code(2)
        .tells("--dry-run");
    assert_eq!(patches(&fixture), 0);
}

#[test]
fn the_credentials_saved_for_the_certificate_that_covers_the_host_are_used() {
    let mut fixture = fixture();
    let saved = |name: &str| {
        let command = fixture.bench.command("cloudhub_v2", ["list"]);
        let value = command
            .get_envs()
            .find(|(known, _)| *known == name)
            .and_then(|(_, value)| value);
        format!("SAVED_{name}='{}'\n", value.unwrap().to_str().unwrap())
    };
    let conf = format!(
        "Le_Domain='{DOMAIN}'\nLe_Alt='no'\nLe_DeployHook='cloudhub_v2,'\n{}{}",
        saved("CH2_CLIENT_ID"),
        saved("CH2_CLIENT_SECRET")
    );
    let path = format!("acme/{DOMAIN}_ecc/{DOMAIN}.conf");
    fixture.bench.write(&path, conf);
    fixture
        .bench
        .unset("CH2_CLIENT_ID")
        .unset("CH2_CLIENT_SECRET");
    run(&fixture, &[]).code(2).tells("CH2_CLIENT_ID");
    run(&fixture, &["--home", "acme"]).code(0);
}
