//! `[[basic_auth_policy.api]]`: one command for many APIs.

use std::fs;

use fixtures::Bench;
use simulator::anypoint::ApiInstance;
use simulator::anypoint::api_manager::Policy;
use simulator::seed::{self, API_INSTANCE_ID, PRODUCTION_ID, SANDBOX_ID};

use crate::fixture::{OTHER, PASSWORD, bench, change_api, password_of, run, scopes, url};

fn add_api(bench: &Bench, environment: &str, asset: &str) -> u64 {
    bench.sim.world().anypoint.add_api(ApiInstance {
        environment: environment.to_owned(),
        asset: asset.to_owned(),
        status: "active".to_owned(),
        ..ApiInstance::default()
    })
}

fn policies_of(bench: &Bench, api: u64) -> Vec<Policy> {
    let world = bench.sim.world();
    let api = world.anypoint.api_manager.instance(api);
    api.unwrap().policies.clone()
}

/// A platform with a list: `orders-api` in the sandbox, `billing` in production, and one that is not there.
fn listed() -> (Bench, u64) {
    let mut bench = bench();
    change_api(&bench, |api| "active".clone_into(&mut api.status));
    bench
        .unset("API_INSTANCE_ID")
        .unset("BASIC_AUTH_USERNAME")
        .unset("BASIC_AUTH_PASSWORD");
    let billing = add_api(&bench, PRODUCTION_ID, "billing");
    bench.write("billing.password", format!("{OTHER}\n"));
    let text = format!(
        r#"
        [basic_auth_policy]
        username = "shared"
        methods = ["GET"]

        [[basic_auth_policy.api]]
        name = "orders"
        api_instance = {API_INSTANCE_ID}
        password_out = "orders.password"

        [[basic_auth_policy.api]]
        api_instance = "no-such-api"
        password_env = "GONE_PASSWORD"

        [[basic_auth_policy.api]]
        api_instance = "billing"
        environment = "Production"
        username = "biller"
        password_file = "billing.password"
        paths = ["/a{{1,2}}"]
        "#
    );
    bench.write("hooks.toml", text);
    bench
        .set("ANYPOINT_HOOKS_CONFIG", "hooks.toml")
        .set_secret("GONE_PASSWORD", PASSWORD);
    (bench, billing)
}

#[test]
fn apply_goes_through_the_list_and_a_failure_stops_no_other() {
    let (bench, billing) = listed();
    let told = run(&bench, &["apply", "--generate-password"]);
    told.code(4)
        .tells("no-such-api: ")
        .tells("1 of 3 APIs failed")
        .prints("orders-api (20123456): Basic Authentication")
        .prints("user biller");
    let [orders] = &policies_of(&bench, API_INSTANCE_ID)[..] else {
        panic!()
    };
    let handed = fs::read_to_string(bench.home().join("orders.password")).unwrap();
    assert_eq!(password_of(orders), handed.trim());
    assert_eq!(orders.configuration["username"], "shared");
    let [billing] = &policies_of(&bench, billing)[..] else {
        panic!()
    };
    assert_eq!(password_of(billing), OTHER);
    assert_eq!(billing.configuration["username"], "biller");
    let json = run(
        &bench,
        &["apply", "--generate-password", "--output", "json"],
    )
    .json();
    assert_eq!(json["failed"], 1);
    assert_eq!(json["apis"][0]["name"], "orders");
    assert_eq!(json["apis"][0]["result"]["action"], "unchanged");
    assert_eq!(json["apis"][1]["exit_code"], 4);
    assert_eq!(json["apis"][2]["result"]["action"], "unchanged");
}

#[test]
fn one_of_the_list_can_be_named_and_flags_that_fit_one_alone_are_refused() {
    let (bench, billing) = listed();
    run(&bench, &["apply", "--username", "x"])
        .code(2)
        .tells("--username cannot apply to each API");
    run(&bench, &["rotate", "--url", "https://api.example.com"])
        .code(2)
        .tells("--url cannot apply");
    bench.write("one.password", PASSWORD);
    run(
        &bench,
        &[
            "apply",
            "--api",
            "orders-api",
            "--password-file",
            "one.password",
        ],
    )
    .code(0);
    assert_eq!(policies_of(&bench, API_INSTANCE_ID).len(), 1);
    assert!(policies_of(&bench, billing).is_empty());
    bench.write(
        "hooks.toml",
        "[[basic_auth_policy.api]]\napi_instanse = 1\n",
    );
    run(&bench, &["check"])
        .code(2)
        .tells("line 2")
        .tells("api_instanse");
    bench.write(
        "hooks.toml",
        "[[basic_auth_policy.api]]\napi_instance = 1\nclient_id = \"x\"\n",
    );
    run(&bench, &["check"]).code(2).tells("one half");
}

#[test]
fn rotate_gives_each_its_own_password_and_proves_it_at_its_own_address() {
    let (bench, billing) = listed();
    run(&bench, &["apply", "--generate-password"]).code(4);
    let first = fs::read_to_string(bench.home().join("orders.password")).unwrap();
    let text = fs::read_to_string(bench.home().join("hooks.toml")).unwrap();
    let text = text
        .replace(
            "password_out = \"orders.password\"",
            &format!(
                "password_out = \"orders.password\"\nenv_out = \"orders.env\"\nverify_url = \"{}\"",
                url(&bench, "/nothing-here")
            ),
        )
        .replace("password_file = \"billing.password\"", "");
    bench.write("hooks.toml", text);
    let told = run(&bench, &["rotate", "--timeout", "1s"]);
    // The first is rotated, and not proved: nothing answers at its address as an API does.
    told.code(7)
        .tells("3 of 3 APIs failed")
        .tells("billing: ")
        .tells("password_out");
    let second = fs::read_to_string(bench.home().join("orders.password")).unwrap();
    assert_ne!(first, second);
    assert_eq!(
        password_of(&policies_of(&bench, API_INSTANCE_ID)[0]),
        second.trim()
    );
    let env = fs::read_to_string(bench.home().join("orders.env")).unwrap();
    assert_eq!(
        env,
        format!("BASIC_AUTH_USERNAME=shared\nBASIC_AUTH_PASSWORD={second}")
    );
    // Nobody would have got the other one.
    assert_eq!(password_of(&policies_of(&bench, billing)[0]), OTHER);
}

#[test]
fn check_looks_at_the_list_or_at_everything_around_it() {
    let (bench, _) = listed();
    run(&bench, &["check"])
        .code(4)
        .prints("NONE")
        .tells("no-such-api");
    let text = fs::read_to_string(bench.home().join("hooks.toml")).unwrap();
    bench.write("hooks.toml", text.replace("\"no-such-api\"", "20123456"));
    run(&bench, &["check"]).code(10);
    run(&bench, &["apply", "--generate-password", "--whole-api"]).code(0);
    run(&bench, &["check"]).code(0);
    add_api(&bench, PRODUCTION_ID, "forgotten");
    run(&bench, &["check"]).code(0);
    run(&bench, &["check", "--all"])
        .code(10)
        .prints("forgotten");
    let json = run(&bench, &["check", "--all", "--output", "json"]).json();
    // Each environment once.
    let mut names: Vec<&str> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["billing", "forgotten", "orders-api"]);
}

#[test]
fn check_without_a_list_is_about_the_whole_environment() {
    let bench = bench();
    change_api(&bench, |api| "active".clone_into(&mut api.status));
    run(&bench, &["apply"]).code(0);
    run(&bench, &["check"]).code(0).prints("0 of 1 APIs");
    add_api(&bench, SANDBOX_ID, "forgotten");
    run(&bench, &["check"]).code(10).prints("1 of 2 APIs");
    run(&bench, &["check", "--api", "orders-api"]).code(0);
    scopes(&bench, &["view:environment"]);
    run(&bench, &["check"]).code(3);
}

#[test]
fn an_entry_brings_its_own_control_plane_and_login() {
    let (mut bench, _) = listed();
    let other = Bench::with_api(PASSWORD);
    let authorities = [&bench, &other].map(|bench| fs::read(bench.sim.ca_pem_path()).unwrap());
    let bundle = bench.write("both.pem", authorities.concat());
    bench.set("CA_BUNDLE", bundle.to_str().unwrap());
    bench.write("other.secret", seed::CLIENT_SECRET);
    let text = format!(
        r#"
        [[basic_auth_policy.api]]
        url = "{}"
        organization = "{}"
        environment = "Sandbox"
        client_id = "{}"
        client_secret_file = "other.secret"
        api_instance = "orders-api"
        username = "svc"
        password_env = "GONE_PASSWORD"
        "#,
        other.sim.url(),
        seed::ORGANIZATION_ID,
        seed::CLIENT_ID,
    );
    bench.write("hooks.toml", text);
    // What stands in the environment is for the other plane.
    bench.set("ANYPOINT_BEARER", "canary-of-another-plane");
    run(&bench, &["apply"])
        .code(0)
        .never_shows("canary-of-another-plane");
    assert!(policies_of(&bench, API_INSTANCE_ID).is_empty());
    assert_eq!(
        password_of(&policies_of(&other, API_INSTANCE_ID)[0]),
        PASSWORD
    );
    assert!(bench.sim.requests().is_empty());
}
