//! `enable`, `disable`, `remove` and `status`.

use fixtures::Bench;
use serde_json::json;
use simulator::Fault;
use simulator::anypoint::ApiInstance;
use simulator::anypoint::api_manager::{Policy, Tracking};
use simulator::faults::Action;
use simulator::seed::{PRODUCTION_ID, SANDBOX_ID};

use crate::fixture::{bench, change_api, connected, policies, run};

#[test]
fn enable_disable_and_remove_accept_what_is_already_so() {
    let bench = bench();
    run(&bench, &["enable"])
        .code(4)
        .tells("no Basic Authentication policy");
    run(&bench, &["disable", "--yes"]).code(4);
    run(&bench, &["remove", "--yes"])
        .code(0)
        .prints("already removed");
    run(&bench, &["apply"]).code(0);
    run(&bench, &["enable"]).code(0).prints("already enabled");
    run(&bench, &["disable"]).code(2).tells("--yes");
    run(&bench, &["disable", "--yes"])
        .code(0)
        .prints("is disabled");
    run(&bench, &["disable"]).code(0).prints("already disabled");
    run(&bench, &["enable"]).code(0).prints("is enabled");
    run(&bench, &["apply"]).code(0).prints("is up to date");
    run(&bench, &["remove"]).code(2).tells("--yes");
    run(&bench, &["remove", "--yes"])
        .code(0)
        .prints("is removed");
    assert!(policies(&bench).is_empty());
    run(&bench, &["apply"]).code(0).prints("applied");
}

#[test]
fn status_shows_an_api_and_with_require_whether_it_is_open() {
    let bench = connected();
    run(&bench, &["status"])
        .code(0)
        .prints("authentication  NONE: no authentication policy");
    run(&bench, &["status", "--require"]).code(10);
    run(&bench, &["apply", "--methods", "GET"]).code(0);
    run(&bench, &["status", "--require"])
        .code(10)
        .prints("NONE: the policy is for some methods or paths only")
        .prints("http-basic-authentication 1.3.2")
        .prints("user svc")
        .prints("only GET .*");
    run(&bench, &["apply", "--whole-api"]).code(0);
    run(&bench, &["status", "--require"])
        .code(0)
        .prints("authentication  yes");
    run(&bench, &["disable", "--yes"]).code(0);
    run(&bench, &["status", "--require"])
        .code(10)
        .prints("(off)");
    let json = run(&bench, &["status", "--output", "json"]).json();
    assert_eq!(json["authenticated"], false);
    assert_eq!(json["gap"], "off");
    assert_eq!(json["policies"][0]["enabled"], false);
}

#[test]
fn an_instance_that_no_gateway_enforces_counts_as_open() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    for state in ["unregistered", "inactive"] {
        change_api(&bench, |api| state.clone_into(&mut api.status));
        for scope in [
            &["status", "--require"][..],
            &["status", "--all", "--require"],
        ] {
            run(&bench, scope)
                .code(10)
                .prints("NONE: no gateway enforces it");
        }
    }
    change_api(&bench, |api| "active".clone_into(&mut api.status));
    run(&bench, &["status", "--require"]).code(0);
}

/// So many APIs beside `orders-api`, enforced by gateways of this kind.
fn add_apis(bench: &Bench, count: usize, technology: &str) {
    for number in 0..count {
        bench.sim.world().anypoint.add_api(ApiInstance {
            environment: SANDBOX_ID.to_owned(),
            asset: format!("api-{technology}-{number}"),
            technology: technology.to_owned(),
            status: "active".to_owned(),
            tracking: Tracking::seen_now(),
            ..ApiInstance::default()
        });
    }
}

#[test]
fn status_of_an_environment_finds_the_apis_without_authentication() {
    let mut bench = connected();
    add_apis(&bench, 120, "mule4");
    bench.unset("API_INSTANCE_ID");
    run(&bench, &["apply", "--api", "api-mule4-7"]).code(0);
    run(&bench, &["status"])
        .code(0)
        .prints("120 of 121 APIs have no authentication");
    let told = run(&bench, &["status", "--require", "--output", "json"]);
    told.code(10);
    assert_eq!(told.json()["apis"].as_array().unwrap().len(), 121);
    let automate = |environment: &str, asset: &str| {
        let mut world = bench.sim.world();
        let now = world.clock.now();
        let manager = &mut world.anypoint.api_manager;
        manager.automate(environment, asset, now);
    };
    automate(PRODUCTION_ID, "jwt-validation");
    automate(SANDBOX_ID, "rate-limiting");
    run(&bench, &["status", "--require"]).code(10);
    automate(SANDBOX_ID, "jwt-validation");
    run(&bench, &["status", "--require"])
        .code(0)
        .prints("(automated)");
    // It is for Mule 4.
    add_apis(&bench, 1, "flexGateway");
    run(&bench, &["status", "--require"])
        .code(10)
        .prints("NONE: the automated policy does not run on this gateway")
        .prints("1 of 122 APIs");
}

#[test]
fn one_api_that_cannot_be_read_stops_no_other() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench.unset("API_INSTANCE_ID");
    add_apis(&bench, 2, "mule4");
    run(&bench, &["apply", "--api", "api-mule4-0"]).code(0);
    run(&bench, &["apply", "--api", "api-mule4-1"]).code(0);
    run(&bench, &["status", "--all", "--require"]).code(0);
    let gone = bench.sim.world().anypoint.api_manager.instances[1].id;
    let missing = Action::Answer {
        status: 404,
        headers: Vec::new(),
        body: r#"{"name":"NotFoundError","message":"API not found"}"#.to_owned(),
    };
    bench.fault(Fault::on("GET", &format!("*/apis/{gone}/policies"), missing).always());
    let told = run(&bench, &["status", "--all", "--require"]);
    told.code(10)
        .prints("NOT KNOWN: ")
        .prints("0 of 3 APIs have no authentication; 1 could not be read");
    let json = run(&bench, &["status", "--all", "--output", "json"]).json();
    assert_eq!(json["unreadable"], 1);
    assert_eq!(json["apis"][0]["authenticated"], true);
}

#[test]
fn a_condition_of_null_stops_neither_status_nor_apply() {
    let bench = connected();
    change_api(&bench, |api| {
        api.policies.push(Policy {
            pointcut: json!([{ "methodRegex": null, "uriTemplateRegex": "/a" }, { "uriTemplateRegex": null }]),
            ..Policy::applied("rate-limiting", "1.4.0")
        });
    });
    run(&bench, &["apply"]).code(0);
    run(&bench, &["status", "--all", "--require"]).code(0);
    run(&bench, &["status"])
        .code(0)
        .prints("only .* /a")
        .prints("only .* .*");
}
