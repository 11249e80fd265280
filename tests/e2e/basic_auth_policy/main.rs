//! `basic-auth-policy` against the simulated platform and the gateway on its ingress.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use fixtures::{Bench, Finished};
use serde_json::Value;
use simulator::anypoint::api_manager::{
    BASIC, ListForm, PasswordForm, Policy, Template, VENDOR_GROUP,
};
use simulator::anypoint::application_manager::{Configuration, SecureForm};
use simulator::anypoint::{ApiInstance, Asset, Deployment, Grant};
use simulator::faults::Action;
use simulator::seed::{
    API_INSTANCE_ID, CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, PRODUCTION_ID, SANDBOX_ID,
};
use simulator::{Entry, Fault};

const PASSWORD: &str = "canary-password-one-41d7";
const OTHER: &str = "canary-password-two-93bc";
const POLICIES: &str = "/apimanager/api/v1/organizations/*/policies";

/// A world with the API `orders-api`, and everything set that `apply` needs.
fn bench() -> Bench {
    let mut bench = Bench::demo();
    bench
        .set("ORGANIZATION_ID", ORGANIZATION_ID)
        .set("ANYPOINT_CLIENT_ID", CLIENT_ID)
        .set_secret("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET)
        .set("ENVIRONMENT_ID", "Sandbox")
        .set("API_INSTANCE_ID", API_INSTANCE_ID.to_string())
        .set("BASIC_AUTH_USERNAME", "svc")
        .set_secret("BASIC_AUTH_PASSWORD", PASSWORD);
    bench
}

/// The same, with the application `orders` connected to its API.
fn connected() -> Bench {
    let bench = bench();
    {
        let mut world = bench.sim.world();
        let environment = world.anypoint.organizations[0].environments[0].clone();
        let application = &mut world.anypoint.deployments[0];
        let properties = [
            ("api.id", API_INSTANCE_ID.to_string()),
            ("anypoint.platform.client_id", environment.client_id),
            ("anypoint.platform.base_uri", bench.sim.url().to_owned()),
            ("anypoint.platform.gatekeeper", "flexible".to_owned()),
        ];
        application.desired.properties = properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        application.desired.secure = [(
            "anypoint.platform.client_secret".to_owned(),
            environment.client_secret,
        )]
        .into();
        application.running = application.desired.clone();
    }
    bench
}

fn run(bench: &Bench, args: &[&str]) -> Finished {
    let finished = bench.run("basic-auth-policy", args);
    assert!(
        bench.sim.unexpected().is_empty(),
        "{:?}",
        bench.sim.unexpected()
    );
    finished
}

fn policies(bench: &Bench) -> Vec<Policy> {
    let world = bench.sim.world();
    let api = world.anypoint.api_manager.instance(API_INSTANCE_ID);
    api.unwrap().policies.clone()
}

fn the_policy(bench: &Bench) -> Policy {
    let policies = policies(bench);
    assert_eq!(policies.len(), 1);
    policies[0].clone()
}

fn password_of(policy: &Policy) -> &str {
    policy.configuration["password"].as_str().unwrap()
}

/// Requests that change policies.
fn writes(bench: &Bench) -> Vec<Entry> {
    let mut all = bench.sim.requests();
    all.retain(|entry| entry.method != "GET" && entry.path.contains("/policies"));
    all
}

fn url(bench: &Bench, path: &str) -> String {
    format!("https://{}{path}", bench.sim.ingress_addr())
}

fn scopes(bench: &Bench, scopes: &[&str]) {
    let mut world = bench.sim.world();
    world.anypoint.apps[0].scopes = scopes.iter().map(|scope| Grant::of(scope)).collect();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

// apply

#[test]
fn apply_creates_the_policy_with_the_latest_published_version() {
    let bench = bench();
    for (version, status) in [
        ("1.10.0", "published"),
        ("1.9.0", "published"),
        ("2.0.0-rc.1", "published"),
        ("2.0.0", "development"),
    ] {
        bench
            .sim
            .world()
            .anypoint
            .api_manager
            .templates
            .push(Template {
                status: status.to_owned(),
                ..Template::new(BASIC, version)
            });
    }
    run(&bench, &["apply"])
        .code(0)
        .prints("Basic Authentication 1.10.0")
        .prints("applied");
    let policy = the_policy(&bench);
    assert_eq!(policy.version, "1.10.0");
    assert_eq!(policy.configuration["username"], "svc");
    assert_eq!(password_of(&policy), PASSWORD);
    assert_eq!(policy.pointcut, Value::Null);
}

#[test]
fn apply_a_second_time_changes_nothing_in_any_form_of_the_list_and_of_the_password() {
    for list_form in [
        ListForm::Bare,
        ListForm::WithTemplate,
        ListForm::WithImplementation,
    ] {
        for password in [
            PasswordForm::Absent,
            PasswordForm::Null,
            PasswordForm::Masked,
            PasswordForm::Plain,
        ] {
            for technology in ["mule4", "flexGateway"] {
                let bench = bench();
                {
                    let mut world = bench.sim.world();
                    let switches = &mut world.anypoint.switches.api_manager;
                    switches.list_form = list_form;
                    switches.password = password;
                    let api = world.anypoint.api_manager.instance_mut(API_INSTANCE_ID);
                    technology.clone_into(&mut api.unwrap().technology);
                }
                run(&bench, &["apply"]).code(0).prints("applied");
                run(&bench, &["apply"]).code(0).prints("is as wanted");
                assert_eq!(
                    writes(&bench).len(),
                    1,
                    "{list_form:?} {password:?} {technology}"
                );
            }
        }
    }
}

#[test]
fn apply_changes_what_differs_and_says_what() {
    let mut bench = bench();
    run(&bench, &["apply", "--policy-version", "1.3.1"]).code(0);
    bench.set_secret("BASIC_AUTH_PASSWORD", OTHER);
    bench.set("BASIC_AUTH_USERNAME", "svc2");
    run(&bench, &["apply"])
        .code(0)
        .prints("user svc → svc2")
        .prints("password")
        .prints("version 1.3.1 → 1.3.2");
    let policy = the_policy(&bench);
    assert_eq!(policy.configuration["username"], "svc2");
    assert_eq!(password_of(&policy), OTHER);
    assert_eq!(policy.version, "1.3.2");
}

#[test]
fn only_the_version_is_sent_when_only_the_version_differs() {
    let bench = bench();
    run(&bench, &["apply", "--policy-version", "1.3.1"]).code(0);
    run(&bench, &["apply"])
        .code(0)
        .prints("version 1.3.1 → 1.3.2");
    let last = writes(&bench).pop().unwrap();
    assert!(
        last.json().get("configurationData").is_none(),
        "{}",
        last.body
    );
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
}

#[test]
fn an_applied_version_is_not_taken_back_unless_named() {
    let bench = bench();
    let newer = Template {
        status: "development".to_owned(),
        ..Template::new(BASIC, "1.4.0")
    };
    bench.sim.world().anypoint.api_manager.templates.push(newer);
    run(&bench, &["apply", "--policy-version", "1.4.0"]).code(0);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run(&bench, &["apply", "--policy-version", "1.3.1"])
        .code(0)
        .prints("version 1.4.0 → 1.3.1");
}

#[test]
fn a_version_without_an_implementation_for_the_runtime_is_passed_over() {
    let bench = bench();
    let mule_only = Template {
        technologies: vec!["mule4".to_owned()],
        listed_without_implementation: true,
        ..Template::new(BASIC, "1.4.0")
    };
    bench
        .sim
        .world()
        .anypoint
        .api_manager
        .templates
        .push(mule_only);
    {
        let mut world = bench.sim.world();
        let api = world.anypoint.api_manager.instance_mut(API_INSTANCE_ID);
        "flexGateway".clone_into(&mut api.unwrap().technology);
        world.anypoint.switches.api_manager.template_version_field = true;
    }
    run(&bench, &["apply"]).code(0).prints("1.3.2");
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run(&bench, &["apply", "--policy-version", "1.4.0"])
        .code(5)
        .tells("does not have an implementation")
        .tells("--policy-version");
}

#[test]
fn a_disabled_policy_is_switched_on_again_without_touching_the_password() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    run(&bench, &["disable", "--yes"]).code(0);
    assert!(the_policy(&bench).disabled);
    run(&bench, &["apply"]).code(0).prints("switched on again");
    assert!(!the_policy(&bench).disabled);
    let last = writes(&bench).pop().unwrap();
    assert!(
        last.json().get("configurationData").is_none(),
        "{}",
        last.body
    );
}

#[test]
fn a_password_that_somebody_else_may_have_changed_is_written_once() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    {
        let mut world = bench.sim.world();
        let now = world.clock.now();
        let api = world.anypoint.api_manager.instance_mut(API_INSTANCE_ID);
        let policy = &mut api.unwrap().policies[0];
        policy.configuration["password"] = OTHER.into();
        policy.updated = Some(now);
    }
    run(&bench, &["apply"]).code(0).prints("password");
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
}

#[test]
fn what_was_written_is_remembered_as_a_hash_that_only_the_owner_can_read() {
    let mut bench = bench();
    let state = bench.home().join("state");
    bench.set("XDG_STATE_HOME", state.to_str().unwrap());
    run(&bench, &["apply"]).code(0);
    let file = state.join("anypoint-hooks/basic-auth-policy.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        !text.contains(PASSWORD) && text.contains(&API_INSTANCE_ID.to_string()),
        "{text}"
    );
    assert_eq!(mode(&file), 0o600);
    std::fs::write(&file, "{").unwrap();
    run(&bench, &["apply"]).code(0).tells("is damaged");
    std::fs::remove_file(&file).unwrap();
    run(&bench, &["apply"]).code(0).prints("changed: password");
    run(&bench, &["apply"]).code(0).prints("is as wanted");
}

#[test]
fn a_policy_is_brought_to_its_place() {
    let bench = bench();
    {
        let mut world = bench.sim.world();
        let now = world.clock.now();
        let api = world
            .anypoint
            .api_manager
            .instance_mut(API_INSTANCE_ID)
            .unwrap();
        for (asset, order) in [("rate-limiting", 1), ("message-logging", 4)] {
            api.policies.push(Policy {
                id: 100 + u64::try_from(order).unwrap(),
                group: VENDOR_GROUP.to_owned(),
                asset: asset.to_owned(),
                version: "1.0.0".to_owned(),
                configuration: serde_json::Map::new(),
                order,
                disabled: false,
                pointcut: Value::Null,
                created: now,
                updated: None,
            });
        }
    }
    let order = || -> Vec<String> {
        let mut policies = policies(&bench);
        policies.sort_by_key(|policy| policy.order);
        policies.into_iter().map(|policy| policy.asset).collect()
    };
    run(&bench, &["apply"]).code(0);
    assert_eq!(order(), ["rate-limiting", "message-logging", BASIC]);
    run(&bench, &["apply", "--order", "1"])
        .code(0)
        .prints("place 1");
    assert_eq!(order(), [BASIC, "rate-limiting", "message-logging"]);
    run(&bench, &["apply", "--order", "1"])
        .code(0)
        .prints("is as wanted");
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run(&bench, &["apply", "--order", "9"]).code(0);
    assert_eq!(order(), ["rate-limiting", "message-logging", BASIC]);
    run(&bench, &["apply", "--order", "0"]).code(2);
}

#[test]
fn conditions_are_set_kept_and_dropped() {
    let bench = bench();
    run(
        &bench,
        &[
            "apply",
            "--methods",
            "GET,PUT",
            "--paths",
            "/orders/.*",
            "--paths",
            "/x{1,2}",
        ],
    )
    .code(0);
    let expected = serde_json::json!([
        { "methodRegex": "GET|PUT", "uriTemplateRegex": "/orders/.*" },
        { "methodRegex": "GET|PUT", "uriTemplateRegex": "/x{1,2}" },
    ]);
    assert_eq!(the_policy(&bench).pointcut, expected);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run(
        &bench,
        &["apply", "--resource", "POST:/a", "--resource", "GET,PUT:/b"],
    )
    .code(0)
    .prints("conditions");
    assert_eq!(the_policy(&bench).pointcut[1]["methodRegex"], "GET|PUT");
    run(&bench, &["apply", "--whole-api"])
        .code(0)
        .prints("conditions");
    assert_eq!(the_policy(&bench).pointcut, Value::Null);
    run(&bench, &["apply", "--methods", "G T"])
        .code(2)
        .tells("is not an HTTP method");
    run(&bench, &["apply", "--resource", "/a"])
        .code(2)
        .tells("METHODS:REGEX");
}

#[test]
fn an_instance_that_no_gateway_tracks_gets_the_policy_and_a_warning() {
    let bench = bench();
    run(&bench, &["apply"])
        .code(0)
        .tells("unregistered")
        .tells("protects nothing yet");
    assert_eq!(policies(&bench).len(), 1);
    let connected = connected();
    let told = run(&connected, &["apply"]);
    told.code(0);
    assert!(!told.stderr.contains("protects nothing"), "{told}");
}

#[test]
fn a_lost_answer_never_applies_the_policy_twice() {
    for action in [Action::LostAnswer, Action::Html { status: 502 }] {
        let bench = bench();
        bench.sim.faults().add(Fault::on("POST", POLICIES, action));
        run(&bench, &["apply"]).code(0);
        assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
        run(&bench, &["apply"]).code(0).prints("is as wanted");
    }
}

#[test]
fn an_empty_answer_to_a_write_is_a_success_when_the_platform_lists_it() {
    let bench = bench();
    bench
        .sim
        .faults()
        .add(Fault::on("POST", POLICIES, Action::LostBody));
    run(&bench, &["apply"]).code(0);
    assert_eq!(policies(&bench).len(), 1);
}

#[test]
fn a_policy_that_is_applied_and_not_listed_may_be_an_automated_one() {
    let bench = bench();
    bench.sim.faults().add(
        Fault::on(
            "POST",
            POLICIES,
            Action::Answer {
                status: 409,
                headers: Vec::new(),
                body: r#"{"message":"already applied"}"#.to_owned(),
            },
        )
        .always(),
    );
    run(&bench, &["apply"])
        .code(5)
        .tells("already applied")
        .tells("automated policy");
}

#[test]
fn two_basic_policies_are_not_touched_until_one_is_named() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    {
        let mut world = bench.sim.world();
        let api = world
            .anypoint
            .api_manager
            .instance_mut(API_INSTANCE_ID)
            .unwrap();
        let mut twin = api.policies[0].clone();
        twin.id = 9999;
        api.policies.push(twin);
    }
    run(&bench, &["apply"])
        .code(2)
        .tells("2 Basic Authentication policies")
        .tells("--policy-id");
    run(&bench, &["remove", "--yes", "--policy-id", "9999"]).code(0);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run(&bench, &["status", "--policy-id", "1"]).code(0);
    run(&bench, &["enable", "--policy-id", "1"])
        .code(4)
        .tells("policy 1");
}

#[test]
fn a_refusal_that_echoes_the_password_is_told_without_it() {
    let bench = bench();
    let echo = format!(
        r#"{{"errors":[{{"keyword":"format","dataPath":".configurationData.password","data":{{"password":"{PASSWORD}"}},"message":"should match format, but is {PASSWORD}"}}]}}"#
    );
    let answer = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: echo,
    };
    bench.sim.faults().add(Fault::on("POST", POLICIES, answer));
    // The bench checks that the password shows nowhere.
    run(&bench, &["apply", "-vv"])
        .code(5)
        .tells("400")
        .tells("should match format");
}

#[test]
fn an_api_is_found_by_name_and_label() {
    let mut bench = bench();
    for label in ["blue", "green"] {
        bench.sim.world().anypoint.add_api(ApiInstance {
            environment: SANDBOX_ID.to_owned(),
            asset: "stock-api".to_owned(),
            name: "Stock API".to_owned(),
            label: Some(label.to_owned()),
            ..ApiInstance::default()
        });
    }
    bench.unset("API_INSTANCE_ID");
    run(&bench, &["apply", "--api", "orders-api"])
        .code(0)
        .prints("20123456");
    run(&bench, &["apply", "--api", "Orders API"])
        .code(0)
        .prints("20123456");
    run(&bench, &["apply", "--api", "Stock API", "--label", "green"])
        .code(0)
        .prints("green");
    run(&bench, &["apply", "--api", "stock-api"])
        .code(2)
        .tells("2 instances")
        .tells("--label");
    run(&bench, &["apply", "--api", "stock-api", "--label", "red"])
        .code(4)
        .tells("\"red\"")
        .tells("blue");
    run(&bench, &["apply", "--api", "stok"])
        .code(4)
        .tells("no API \"stok\"")
        .tells("orders-api");
    run(&bench, &["apply", "--api", "1"])
        .code(4)
        .tells("no API instance 1");
    run(&bench, &["apply", "--api", "0"]).code(2).tells("--api");
    run(&bench, &["apply"]).code(2).tells("API_INSTANCE_ID");
}

#[test]
fn apis_beyond_the_first_page_are_found() {
    let mut bench = bench();
    for number in 0..150 {
        bench.sim.world().anypoint.add_api(ApiInstance {
            environment: SANDBOX_ID.to_owned(),
            asset: format!("api-{number}"),
            ..ApiInstance::default()
        });
    }
    bench.set("API_INSTANCE_ID", "api-149");
    run(&bench, &["apply"]).code(0).prints("api-149");
}

// credentials

#[test]
fn a_weak_password_is_refused_unless_allowed() {
    for (user, password, why) in [
        ("foo", "bar", "tutorial"),
        ("service-account", "service-account", "is the user name"),
        ("svc", "short", "fewer than 12"),
    ] {
        let mut bench = bench();
        bench
            .set("BASIC_AUTH_USERNAME", user)
            .set("BASIC_AUTH_PASSWORD", password);
        run(&bench, &["apply"])
            .code(2)
            .tells(why)
            .tells("--allow-weak");
        assert!(
            bench.sim.requests().is_empty(),
            "refused before any request"
        );
        run(&bench, &["apply", "--allow-weak"]).code(0).tells(why);
        assert_eq!(password_of(&the_policy(&bench)), password);
    }
}

#[test]
fn what_basic_authentication_cannot_carry_is_refused_with_the_reason() {
    let mut bench = bench();
    bench.set("BASIC_AUTH_USERNAME", "a:b");
    run(&bench, &["apply"])
        .code(2)
        .tells("BASIC_AUTH_USERNAME")
        .tells("colon");
    bench.set("BASIC_AUTH_USERNAME", "a\tb");
    run(&bench, &["apply"]).code(2).tells("control character");
    bench.set("BASIC_AUTH_USERNAME", "svc");
    bench.set("BASIC_AUTH_PASSWORD", "canary\u{1}control-7be1");
    run(&bench, &["apply"])
        .code(2)
        .tells("BASIC_AUTH_PASSWORD")
        .tells("control character");
}

#[test]
fn a_password_comes_from_a_file_or_standard_input() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    run(&bench, &["apply"])
        .code(2)
        .tells("BASIC_AUTH_PASSWORD_FILE")
        .tells("--generate-password");
    let file = bench.write("password", format!("{PASSWORD}\n"));
    run(&bench, &["apply", "--password-file", "password"]).code(0);
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    bench
        .run_with_input(
            "basic-auth-policy",
            ["apply", "--password-stdin"],
            &format!("{OTHER}\n"),
        )
        .code(0)
        .never_shows(OTHER);
    assert_eq!(password_of(&the_policy(&bench)), OTHER);
    bench.set("BASIC_AUTH_PASSWORD_FILE", file.to_str().unwrap());
    run(&bench, &["apply"]).code(0).prints("password");
    run(&bench, &["apply", "--password-file", "nowhere"])
        .code(4)
        .tells("nowhere");
    bench.write("empty", "");
    run(&bench, &["apply", "--password-file", "empty"])
        .code(2)
        .tells("is empty");
    run(&bench, &["apply", "--password-stdin"])
        .code(2)
        .tells("standard input is empty");
    bench.unset("BASIC_AUTH_USERNAME");
    run(&bench, &["apply"]).code(2).tells("BASIC_AUTH_USERNAME");
    let name = bench.write("user", "from-file\n");
    bench.set("BASIC_AUTH_USERNAME_FILE", name.to_str().unwrap());
    run(&bench, &["apply"]).code(0).prints("user from-file");
}

#[test]
fn a_generated_password_is_handed_over_once_to_a_private_file() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    run(&bench, &["apply", "--generate-password"])
        .code(2)
        .tells("--password-out");
    assert!(bench.sim.requests().is_empty());
    let args = [
        "apply",
        "--generate-password",
        "--password-out",
        "svc.password",
    ];
    let told = run(&bench, &args);
    told.code(0).prints("password in svc.password");
    let file = bench.home().join("svc.password");
    let handed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(handed.trim().len(), 24);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
    told.never_shows(handed.trim());
    // The same command again finds the password that was handed over.
    run(&bench, &args)
        .code(0)
        .prints("is as wanted")
        .never_shows(handed.trim());
    assert!(!bench.home().join("svc.password.new").exists());
}

#[test]
fn a_generated_password_comes_as_json_on_standard_output() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    let told = run(
        &bench,
        &["apply", "--generate-password", "--output", "json", "-vv"],
    );
    told.code(0);
    let json = told.json();
    let password = json["password"].as_str().unwrap();
    assert_eq!(password_of(&the_policy(&bench)), password);
    assert!(!told.stderr.contains(password));
    assert_eq!(json["action"], "created");
}

#[test]
fn a_generated_password_is_kept_when_its_effect_is_not_known_and_removed_when_there_was_none() {
    let mut bench = bench();
    bench.unset("BASIC_AUTH_PASSWORD");
    let args = [
        "apply",
        "--generate-password",
        "--password-out",
        "svc.password",
    ];
    let staged = bench.home().join("svc.password.new");
    scopes(
        &bench,
        &[
            "read:api_policies",
            "read:api_configuration",
            "view:environment",
        ],
    );
    run(&bench, &args).code(3);
    assert!(!staged.exists(), "nothing was changed");
    scopes(&bench, &["full"]);
    bench
        .sim
        .faults()
        .add(Fault::on("POST", POLICIES, Action::LostAnswer));
    bench
        .sim
        .faults()
        .add(Fault::on("PATCH", "*/policies/*", Action::LostAnswer).always());
    run(&bench, &args).code(7).tells("may be in force");
    let kept = std::fs::read_to_string(&staged).unwrap();
    bench.sim.faults().clear();
    run(&bench, &args)
        .code(0)
        .tells("left by an interrupted run");
    let handed = std::fs::read_to_string(bench.home().join("svc.password")).unwrap();
    assert_eq!(kept, handed);
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
}

// permissions and other refusals

#[test]
fn every_missing_scope_is_named_as_access_management_shows_it() {
    let all = [
        "view:environment",
        "read:api_configuration",
        "manage:api_policies",
        "view:exchange",
    ];
    for (missing, instead, shown) in [
        (
            "view:environment",
            None,
            "\"View Environment\" (view:environment)",
        ),
        (
            "read:api_configuration",
            None,
            "\"View APIs Configuration\" (read:api_configuration)",
        ),
        (
            "manage:api_policies",
            Some("read:api_policies"),
            "\"Manage Policies\" (manage:api_policies)",
        ),
        (
            "manage:api_policies",
            None,
            "\"View Policies\" (read:api_policies)",
        ),
        ("view:exchange", None, "\"Exchange Viewer\" (view:exchange)"),
    ] {
        for status in [401, 403] {
            let bench = bench();
            let mut granted: Vec<&str> =
                all.iter().copied().filter(|one| *one != missing).collect();
            granted.extend(instead);
            scopes(&bench, &granted);
            bench.sim.world().anypoint.switches.missing_scope_status = status;
            run(&bench, &["apply"])
                .code(3)
                .tells(shown)
                .tells(&status.to_string());
            assert!(policies(&bench).is_empty());
        }
    }
    let bench = bench();
    scopes(&bench, &all);
    run(&bench, &["apply"]).code(0);
}

#[test]
fn a_scope_of_another_environment_does_not_help() {
    let bench = bench();
    let mut grants = vec![Grant::of("view:environment"), Grant::of("view:exchange")];
    for scope in ["read:api_configuration", "manage:api_policies"] {
        grants.push(Grant {
            scope: scope.to_owned(),
            org: None,
            env: Some(PRODUCTION_ID.to_owned()),
        });
    }
    bench.sim.world().anypoint.apps[0].scopes = grants;
    run(&bench, &["apply"])
        .code(3)
        .tells("for this organization and environment");
}

#[test]
fn every_command_names_the_scope_that_it_lacks() {
    for (command, granted, shown) in [
        (
            &["status"][..],
            &["read:api_configuration"][..],
            "View Policies",
        ),
        (
            &["status", "--all"],
            &["read:api_policies"],
            "View APIs Configuration",
        ),
        (
            &["enable"],
            &["read:api_configuration", "read:api_policies"],
            "Manage Policies",
        ),
        (
            &["disable", "--yes"],
            &["read:api_configuration", "read:api_policies"],
            "Manage Policies",
        ),
        (
            &["remove", "--yes"],
            &["read:api_configuration", "read:api_policies"],
            "Manage Policies",
        ),
        (
            &["rotate", "--output", "json"],
            &["read:api_configuration", "read:api_policies"],
            "Manage Policies",
        ),
        (
            &["create-api", "New API"],
            &["read:api_configuration"],
            "Exchange Viewer",
        ),
        (
            &["create-api", "New API"],
            &["read:api_configuration", "view:exchange"],
            "Exchange Contributor",
        ),
        (
            &["create-api", "New API"],
            &["read:api_configuration", "view:exchange", "edit:exchange"],
            "Manage APIs Configuration",
        ),
        (
            &["autodiscover", "--app", "orders"],
            &["read:api_configuration"],
            "Read Applications",
        ),
        (
            &["autodiscover", "--app", "orders"],
            &["read:api_configuration", "read:applications"],
            "Manage Settings",
        ),
    ] {
        let bench = bench();
        run(&bench, &["apply"]).code(0);
        if command[0] == "enable" {
            run(&bench, &["disable", "--yes"]).code(0);
        }
        let mut granted = granted.to_vec();
        granted.push("view:environment");
        scopes(&bench, &granted);
        run(&bench, command).code(3).tells(shown);
    }
}

#[test]
fn wrong_settings_end_with_the_code_of_their_kind() {
    let mut bench = bench();
    bench.set("ANYPOINT_CLIENT_SECRET", "wrong-secret-000");
    run(&bench, &["apply"])
        .code(3)
        .tells("ANYPOINT_CLIENT_SECRET");
    bench.set("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET);
    bench.set("ENVIRONMENT_ID", "Staging");
    run(&bench, &["apply"])
        .code(4)
        .tells("Staging")
        .tells("Sandbox");
    bench.set("ENVIRONMENT_ID", "Production");
    run(&bench, &["apply"])
        .code(4)
        .tells("20123456")
        .tells("ENVIRONMENT_ID");
    bench.unset("ENVIRONMENT_ID");
    run(&bench, &["apply"]).code(2).tells("ENVIRONMENT_ID");
    bench.set("ANYPOINT_ENV", "Sandbox");
    run(&bench, &["apply"]).code(0);
    run(&bench, &["apply", "--policy-version", "latest"])
        .code(2)
        .tells("--policy-version");
    run(&bench, &["apply", "--policy-version", "9.9.9"])
        .code(5)
        .tells("was not found");
    bench.unset("ORGANIZATION_ID");
    run(&bench, &["apply"]).code(2).tells("ORGANIZATION_ID");
    bench.set("ANYPOINT_ORG", "Acme");
    run(&bench, &["apply"]).code(0);
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    run(&bench, &["apply"]).code(2).tells("ANYPOINT_CLIENT_ID");
    run(&bench, &["apply", "--password", "x"]).code(2);
}

#[test]
fn a_platform_that_is_away_is_told_from_one_that_answers_nonsense() {
    let mut bench = bench();
    bench.set("ANYPOINT_HOOKS_DEADLINE", "3s");
    bench
        .sim
        .faults()
        .add(Fault::on("GET", POLICIES, Action::Html { status: 200 }).always());
    run(&bench, &["apply"]).code(6).tells("HTML");
    bench.sim.faults().clear();
    bench
        .sim
        .faults()
        .add(Fault::on("GET", POLICIES, Action::Html { status: 503 }).always());
    run(&bench, &["apply"]).code(6).tells("503");
    bench.sim.faults().clear();
    bench.set("ANYPOINT_URL", "https://127.0.0.1:1");
    run(&bench, &["apply"]).code(6).tells("cannot be reached");
}

#[test]
fn everything_that_a_hook_needs_can_stand_in_the_configuration_file() {
    let mut bench = bench();
    for name in [
        "API_INSTANCE_ID",
        "ENVIRONMENT_ID",
        "BASIC_AUTH_USERNAME",
        "BASIC_AUTH_PASSWORD",
    ] {
        bench.unset(name);
    }
    bench.write("conf/short", "short\n");
    let file = bench.write(
        "conf/hooks.toml",
        "[basic_auth_policy]\napi_instance = 20123456\nenvironment = \"Sandbox\"\nusername = \"svc\"\n\
         password_file = \"short\"\nallow_weak = true\npolicy_version = \"1.3.1\"\norder = 1\n\
         methods = [\"GET\"]\npaths = [\"/orders/.*\"]\n",
    );
    bench.set("ANYPOINT_HOOKS_CONFIG", file.to_str().unwrap());
    run(&bench, &["apply"]).code(0).tells("fewer than 12");
    let policy = the_policy(&bench);
    assert_eq!(policy.version, "1.3.1");
    assert_eq!(policy.pointcut[0]["uriTemplateRegex"], "/orders/.*");
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    bench.write(
        "conf/hooks.toml",
        "[basic_auth_policy]\nusrname = \"svc\"\n",
    );
    run(&bench, &["apply"]).code(2).tells("usrname");
}

// verify

#[test]
fn verify_proves_an_api_that_is_closed() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    let told = run(&bench, &["verify", "--url", &url, "-vv"]);
    told.code(0)
        .prints("closed")
        .prints("401 without credentials, 401 with wrong ones");
    // The header holds the password in another form.
    let pair = "c3ZjOmNhbmFyeS1wYXNzd29yZC1vbmUtNDFkNw==";
    told.never_shows(pair);
    let json = run(&bench, &["verify", "--url", &url, "--output", "json"])
        .code(0)
        .json();
    assert_eq!(json["verdicts"][0]["proved"], true);
}

#[test]
fn verify_waits_for_a_policy_that_is_on_its_way() {
    let bench = connected();
    bench.sim.world().anypoint.switches.api_manager.poll_ms = 2500;
    run(&bench, &["apply"]).code(0);
    let told = run(
        &bench,
        &[
            "verify",
            "--url",
            &url(&bench, "/orders"),
            "-v",
            "--timeout",
            "30s",
        ],
    );
    told.code(0).tells("200 without credentials");
}

#[test]
fn verify_without_anything_to_know_about_the_platform_still_proves() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    run(&bench, &["verify", "--url", &url(&bench, "/orders")]).code(0);
}

/// The cause that `verify` gives for an address that is not proved.
fn cause(bench: &Bench, path: &str, more: &[&str]) -> (String, Finished) {
    let url = url(bench, path);
    let mut args = vec![
        "verify",
        "--url",
        &url,
        "--output",
        "json",
        "--timeout",
        "3s",
    ];
    args.extend(more);
    let told = run(bench, &args);
    let json = told.json();
    let verdict = &json["verdicts"][0];
    (verdict["cause"].as_str().unwrap_or("none").to_owned(), told)
}

#[test]
fn verify_tells_why_an_api_is_open() {
    let bench = connected();
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-applied");
    told.code(7).tells("basic-auth-policy apply");

    run(&bench, &["apply"]).code(0);
    run(&bench, &["disable", "--yes"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "disabled");
    told.code(7).tells("basic-auth-policy enable");

    run(&bench, &["enable"]).code(0);
    run(&bench, &["apply", "--methods", "POST"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-covered");
    told.code(7).tells("--whole-api");
    assert_eq!(cause(&bench, "/orders", &["--method", "post"]).0, "none");

    // On, tracked, and not enforced in time.
    bench.sim.world().anypoint.switches.api_manager.poll_ms = 600_000;
    run(&bench, &["apply", "--whole-api"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-enforced");
    told.code(7)
        .tells("a gateway tracks the API")
        .tells("--timeout");
}

#[test]
fn verify_tells_a_way_past_the_gateway() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let way_past = Deployment {
        name: "orders-direct".to_owned(),
        environment: SANDBOX_ID.to_owned(),
        public_url: "https://127.0.0.1/direct".to_owned(),
        ..Deployment::default()
    };
    {
        let mut world = bench.sim.world();
        let world = &mut *world;
        world.anypoint.add_deployment(&mut world.ids, way_past);
    }
    // Another address of the same run is closed.
    let (closed, open) = (url(&bench, "/orders"), url(&bench, "/direct"));
    let told = run(
        &bench,
        &[
            "verify",
            "--url",
            &closed,
            "--url",
            &open,
            "--timeout",
            "3s",
        ],
    );
    told.code(7)
        .prints("closed")
        .prints("NOT PROVED")
        .tells("past the gateway");
    // Or the application with this API is known to be elsewhere.
    "https://api.acme.example/orders"
        .clone_into(&mut bench.sim.world().anypoint.deployments[0].public_url);
    let (why, told) = cause(&bench, "/direct", &[]);
    assert_eq!(why, "bypass");
    told.code(7).tells("api.acme.example");
}

#[test]
fn verify_tells_a_gatekeeper_that_lets_everybody_in_and_an_api_that_is_not_active() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let set = |name: &str, value: &str| {
        let mut world = bench.sim.world();
        let application = &mut world.anypoint.deployments[0];
        application
            .desired
            .properties
            .insert(name.to_owned(), value.to_owned());
        application.running = application.desired.clone();
        let api = world
            .anypoint
            .api_manager
            .instance_mut(API_INSTANCE_ID)
            .unwrap();
        "unregistered".clone_into(&mut api.status);
    };
    set("anypoint.platform.client_id", "wrong");
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-active");
    told.code(7)
        .tells("503")
        .tells("anypoint.platform.client_id");
    set("anypoint.platform.gatekeeper", "disabled");
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "gatekeeper-disabled");
    told.code(7)
        .tells("anypoint.platform.gatekeeper is disabled");
    // No application names the instance.
    set("api.id", "");
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-active");
    told.code(7).tells("unregistered");
}

#[test]
fn verify_tells_a_503_of_an_active_api_from_one_that_is_not_active_yet() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    run(&bench, &["verify", "--url", &url(&bench, "/orders")]).code(0);
    let server = plain_server("HTTP/1.1 503 Service Unavailable\r\n", 100);
    bench.set("HTTPS_INSECURE", "1");
    let told = run(&bench, &["verify", "--url", &server, "--timeout", "2s"]);
    told.code(7)
        .tells("gatekeeper holds requests back for more than 2 s")
        .tells("not encrypted");
}

#[test]
fn verify_tells_wrong_credentials_other_challenges_and_unexpected_answers() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    let (why, told) = cause(&bench, "/orders/missing", &[]);
    assert_eq!(why, "unexpected-answer");
    told.code(7).tells("--expect 404");
    assert_eq!(
        cause(&bench, "/orders/missing", &["--expect", "200,404"]).0,
        "none"
    );
    assert_eq!(
        cause(
            &bench,
            "/orders",
            &["--path", "/missing?x=1", "--expect", "404"]
        )
        .0,
        "none"
    );
    assert_eq!(
        cause(&bench, "/orders", &["--expect", "204"]).0,
        "unexpected-answer"
    );
    bench.set_secret("BASIC_AUTH_PASSWORD", OTHER);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "credentials-refused");
    told.code(7).tells("BASIC_AUTH_PASSWORD");
    {
        let mut world = bench.sim.world();
        let api = world
            .anypoint
            .api_manager
            .instance_mut(API_INSTANCE_ID)
            .unwrap();
        for policy in &mut api.policies {
            "client-id-enforcement".clone_into(&mut policy.asset);
        }
    }
    run(&bench, &["apply", "--order", "9"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "other-authentication");
    told.code(7);
}

#[test]
fn verify_does_not_take_credentials_to_where_it_is_redirected() {
    let bench = bench();
    let server = plain_server(
        "HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\n",
        10,
    );
    let told = run(&bench, &["verify", "--url", &server, "--timeout", "60s"]);
    told.code(7).tells("redirects to https://example.com/");
}

#[test]
fn verify_ends_with_6_when_nothing_answers_and_with_2_when_it_cannot_begin() {
    let mut bench = bench();
    let args = ["verify", "--url", "https://127.0.0.1:1/", "--timeout", "1s"];
    run(&bench, &args).code(6).tells("127.0.0.1");
    run(&bench, &["verify"]).code(2).tells("--url");
    run(&bench, &["verify", "--url", "ftp://x/"])
        .code(2)
        .tells("--url");
    run(&bench, &["verify", "--url", "https://u:p@127.0.0.1/"])
        .code(2)
        .tells("list of processes");
    run(
        &bench,
        &["verify", "--url", "https://x/", "--expect", "401"],
    )
    .code(2)
    .tells("--expect");
    bench.unset("BASIC_AUTH_PASSWORD");
    run(&bench, &["verify", "--url", "https://x/"])
        .code(2)
        .tells("BASIC_AUTH_PASSWORD");
}

#[test]
fn verify_trusts_what_the_settings_say_and_nothing_else() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET")
        .unset("CA_BUNDLE");
    let url = url(&bench, "/orders");
    run(&bench, &["verify", "--url", &url, "--timeout", "1s"])
        .code(6)
        .tells("CA_BUNDLE");
    bench.set("HTTPS_INSECURE", "1");
    run(&bench, &["verify", "--url", &url])
        .code(0)
        .tells("not verified");
}

/// A server without TLS that gives the same answer to so many requests.
fn plain_server(head: &'static str, requests: usize) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    format!("http://{address}/")
}

// rotate

#[test]
fn rotate_changes_the_password_proves_it_and_hands_it_over() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    let args = [
        "rotate",
        "--url",
        &url,
        "--password-out",
        "svc.password",
        "-vv",
    ];
    let told = run(&bench, &args);
    told.code(0)
        .prints("has a new password since 20")
        .prints("password in svc.password")
        .prints("closed")
        .tells("there is no time in which both are accepted");
    let file = bench.home().join("svc.password");
    let handed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
    told.never_shows(handed.trim());
    // Again, over the file that is there.
    run(&bench, &args).code(0);
    let second = std::fs::read_to_string(&file).unwrap();
    assert_ne!(handed, second);
    run(&bench, &["apply", "--password-file", "svc.password"])
        .code(0)
        .prints("is as wanted");
}

#[test]
fn rotate_waits_until_the_old_password_is_refused() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    bench.sim.world().anypoint.switches.api_manager.poll_ms = 2500;
    let url = url(&bench, "/orders");
    let told = run(&bench, &["rotate", "--url", &url, "--output", "json", "-v"]);
    told.code(0).tells("401 with the right credentials");
    let json = told.json();
    assert_eq!(json["proved_by"], "requests");
    assert_eq!(
        password_of(&the_policy(&bench)),
        json["password"].as_str().unwrap()
    );
}

#[test]
fn rotate_is_not_content_while_a_replica_still_takes_the_old_password() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    run(&bench, &["verify", "--url", &url]).code(0);
    bench
        .sim
        .world()
        .anypoint
        .switches
        .api_manager
        .second_replica_ms = 3000;
    // Both replicas have heard of the policy long ago.
    bench.sim.advance(Duration::from_secs(60));
    let told = run(
        &bench,
        &["rotate", "--url", &url, "--password-out", "new", "-v"],
    );
    told.code(0).tells("200 with the password of before");
    bench
        .sim
        .world()
        .anypoint
        .switches
        .api_manager
        .second_replica_ms = 600_000;
    bench.sim.advance(Duration::from_secs(660));
    bench.write("old", std::fs::read(bench.home().join("new")).unwrap());
    let mut bench = bench;
    bench
        .set("BASIC_AUTH_PASSWORD_FILE", "old")
        .unset("BASIC_AUTH_PASSWORD");
    let (why, told) = {
        let args = [
            "rotate",
            "--url",
            &url,
            "--output",
            "json",
            "--timeout",
            "3s",
        ];
        let told = run(&bench, &args);
        let cause = told.json()["proof"]["verdicts"][0]["cause"]
            .as_str()
            .unwrap()
            .to_owned();
        (cause, told)
    };
    assert!(
        ["old-password-accepted", "credentials-refused"].contains(&why.as_str()),
        "{why}"
    );
    told.code(7);
}

#[test]
fn rotate_hands_the_password_over_even_if_the_proof_fails() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    bench.sim.world().anypoint.switches.api_manager.poll_ms = 600_000;
    let url = url(&bench, "/orders");
    let args = [
        "rotate",
        "--url",
        &url,
        "--password-out",
        "new",
        "--timeout",
        "3s",
    ];
    run(&bench, &args).code(7).prints("NOT PROVED");
    let handed = std::fs::read_to_string(bench.home().join("new")).unwrap();
    assert_eq!(password_of(&the_policy(&bench)), handed.trim());
}

#[test]
fn rotate_refuses_what_makes_no_sense() {
    let bench = bench();
    run(&bench, &["rotate"]).code(2).tells("--password-out");
    run(&bench, &["rotate", "--output", "json"])
        .code(4)
        .tells("basic-auth-policy apply");
    run(&bench, &["apply"]).code(0);
    bench.write("same", PASSWORD);
    run(&bench, &["rotate", "--password-file", "same"])
        .code(2)
        .tells("the password that the policy has");
    bench.write("weak", "short");
    run(&bench, &["rotate", "--password-file", "weak"])
        .code(2)
        .tells("fewer than 12");
    bench.write("other", OTHER);
    run(&bench, &["rotate", "--password-file", "other"])
        .code(0)
        .tells("no --url was given")
        .never_shows(OTHER);
    assert_eq!(password_of(&the_policy(&bench)), OTHER);
    run(&bench, &["rotate", "--password-out", "no/such/folder"])
        .code(2)
        .tells("--password-out");
}

#[test]
fn a_rotation_that_changed_nothing_leaves_no_file_and_one_of_unknown_effect_does() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    let staged = bench.home().join("new.new");
    let patch = |action| Fault::on("PATCH", "*/policies/*", action).always();
    let refused = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    bench.sim.faults().add(patch(refused));
    run(&bench, &["rotate", "--password-out", "new"]).code(5);
    assert!(!staged.exists());
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    bench.sim.faults().clear();
    bench.sim.faults().add(patch(Action::LostAnswer));
    run(&bench, &["rotate", "--password-out", "new"])
        .code(7)
        .tells("may be in force");
    let kept = std::fs::read_to_string(&staged).unwrap();
    assert_eq!(password_of(&the_policy(&bench)), kept.trim());
    bench.sim.faults().clear();
    run(&bench, &["rotate", "--password-out", "new"])
        .code(0)
        .tells("interrupted run");
    assert_eq!(
        kept,
        std::fs::read_to_string(bench.home().join("new")).unwrap()
    );
}

// enable, disable, remove, status

#[test]
fn enable_disable_and_remove_are_content_when_it_is_so_already() {
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
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run(&bench, &["remove"]).code(2).tells("--yes");
    run(&bench, &["remove", "--yes"])
        .code(0)
        .prints("is removed");
    assert!(policies(&bench).is_empty());
    run(&bench, &["apply"]).code(0).prints("applied");
}

#[test]
fn status_shows_an_api_and_with_require_whether_it_is_open() {
    let bench = bench();
    run(&bench, &["status"])
        .code(0)
        .prints("authentication  NONE");
    run(&bench, &["status", "--require"]).code(10);
    run(&bench, &["apply", "--methods", "GET"]).code(0);
    run(&bench, &["status", "--require"])
        .code(0)
        .prints("http-basic-authentication 1.3.2")
        .prints("user svc")
        .prints("only GET .*");
    run(&bench, &["disable", "--yes"]).code(0);
    run(&bench, &["status", "--require"])
        .code(10)
        .prints("(off)");
    let json = run(&bench, &["status", "--output", "json"]).json();
    assert_eq!(json["authenticated"], false);
    assert_eq!(json["policies"][0]["enabled"], false);
}

#[test]
fn status_of_an_environment_finds_the_apis_without_authentication() {
    let mut bench = bench();
    for number in 0..120 {
        bench.sim.world().anypoint.add_api(ApiInstance {
            environment: SANDBOX_ID.to_owned(),
            asset: format!("api-{number}"),
            ..ApiInstance::default()
        });
    }
    bench.unset("API_INSTANCE_ID");
    run(&bench, &["apply", "--api", "api-7"]).code(0);
    run(&bench, &["status"])
        .code(0)
        .prints("120 of 121 APIs have no authentication");
    let told = run(&bench, &["status", "--require", "--output", "json"]);
    told.code(10);
    assert_eq!(told.json()["apis"].as_array().unwrap().len(), 121);
    {
        let mut world = bench.sim.world();
        let now = world.clock.now();
        let manager = &mut world.anypoint.api_manager;
        manager.automate(PRODUCTION_ID, "jwt-validation", now);
        manager.automate(SANDBOX_ID, "rate-limiting", now);
    }
    run(&bench, &["status", "--require"]).code(10);
    {
        let mut world = bench.sim.world();
        let now = world.clock.now();
        world
            .anypoint
            .api_manager
            .automate(SANDBOX_ID, "jwt-validation", now);
    }
    run(&bench, &["status", "--require"])
        .code(0)
        .prints("(automated)");
}

// create-api

#[test]
fn create_api_prints_the_number_and_is_content_the_second_time() {
    let bench = bench();
    let args = ["create-api", "Stock Level API", "--label", "prod"];
    let told = run(&bench, &args);
    told.code(0).tells("created asset stock-level-api 1.0.0");
    let id: u64 = told.stdout.trim().parse().unwrap();
    run(&bench, &args)
        .code(0)
        .tells("is there already")
        .prints(&id.to_string());
    {
        let world = bench.sim.world();
        let api = world.anypoint.api_manager.instance(id).unwrap();
        assert_eq!(
            (api.technology.as_str(), api.deployment_type.as_str()),
            ("mule4", "CH2")
        );
        assert_eq!(world.anypoint.exchange.assets.len(), 2);
    }
    let api = id.to_string();
    run(&bench, &["apply", "--api", &api]).code(0);
    let flex = run(
        &bench,
        &["create-api", "Stock Level API", "--gateway", "flex"],
    );
    let flex: u64 = flex.code(0).stdout.trim().parse().unwrap();
    let world = bench.sim.world();
    assert_eq!(
        world
            .anypoint
            .api_manager
            .instance(flex)
            .unwrap()
            .technology,
        "flexGateway"
    );
}

#[test]
fn create_api_takes_the_next_major_version_when_one_was_deleted() {
    let bench = bench();
    let gone = Asset {
        group: ORGANIZATION_ID.to_owned(),
        asset: "old-api".to_owned(),
        version: "1.0.0".to_owned(),
        ..Asset::default()
    };
    bench.sim.world().anypoint.exchange.deleted.push(gone);
    bench.sim.world().anypoint.exchange.publishes_later = true;
    let told = run(&bench, &["create-api", "Old API", "--output", "json"]);
    told.code(0).tells("can never be published again");
    assert_eq!(told.json()["asset_version"], "2.0.0");
}

#[test]
fn create_api_is_not_confused_by_a_lost_answer() {
    let bench = bench();
    bench
        .sim
        .faults()
        .add(Fault::on("POST", "/apimanager/*/apis", Action::LostAnswer));
    bench
        .sim
        .faults()
        .add(Fault::on("POST", "/exchange/*", Action::LostAnswer));
    let id = run(&bench, &["create-api", "Stock API"])
        .code(0)
        .stdout
        .trim()
        .to_owned();
    run(&bench, &["create-api", "Stock API"])
        .code(0)
        .prints(&id);
    assert_eq!(bench.sim.world().anypoint.api_manager.instances.len(), 2);
}

#[test]
fn create_api_refuses_what_exchange_cannot_take() {
    let bench = bench();
    run(&bench, &["create-api", "Größe", "--asset", "Größe"])
        .code(2)
        .tells("--asset");
    run(&bench, &["create-api", "!!"]).code(2).tells("asset id");
    run(&bench, &["create-api", "x", "--asset-version", "1"])
        .code(2)
        .tells("--asset-version");
    run(&bench, &["create-api", "x", "--upstream", "http://x"])
        .code(2)
        .tells("--gateway flex");
    run(&bench, &["create-api", "x", "--label", &"l".repeat(256)])
        .code(2)
        .tells("--label");
    run(&bench, &["create-api", "x", "--asset-version", "1.2.3"])
        .code(5)
        .tells("major versions");
}

// autodiscover

fn configuration(bench: &Bench) -> Configuration {
    let world = bench.sim.world();
    world.anypoint.deployment("orders").unwrap().running.clone()
}

fn restarts(bench: &Bench) -> u32 {
    let world = bench.sim.world();
    world
        .anypoint
        .deployment("orders")
        .unwrap()
        .change
        .restarts()
}

#[test]
fn autodiscover_connects_an_application_with_its_api() {
    let bench = bench();
    bench
        .sim
        .world()
        .anypoint
        .switches
        .application_manager
        .redeploy_ms = 1500;
    let secret = bench.sim.world().anypoint.organizations[0].environments[0]
        .client_secret
        .clone();
    let dry = run(&bench, &["autodiscover", "--app", "orders", "--dry-run"]);
    dry.code(0)
        .prints("would be changed")
        .prints("api.id: 20123456")
        .never_shows(&secret);
    assert_eq!(restarts(&bench), 0);
    let told = run(&bench, &["autodiscover", "--app", "orders", "-vv"]);
    told.code(0).prints("is active").never_shows(&secret);
    let running = configuration(&bench);
    assert_eq!(running.properties["api.id"], "20123456");
    assert_eq!(
        running.properties["anypoint.platform.gatekeeper"],
        "flexible"
    );
    assert_eq!(
        running.properties["anypoint.platform.base_uri"],
        bench.sim.url()
    );
    assert!(
        running.properties["anypoint.platform.analytics_base_uri"].contains("analytics-ingest.")
    );
    assert_eq!(running.secure["anypoint.platform.client_secret"], secret);
    // Nothing differs: no restart.
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(0)
        .prints("is as wanted");
    assert_eq!(restarts(&bench), 1);
    // And now the whole way of the tutorial.
    run(&bench, &["apply"]).code(0);
    run(&bench, &["verify", "--url", &url(&bench, "/orders")]).code(0);
    run(&bench, &["autodiscover", "--app", "orders", "--undo"])
        .code(0)
        .prints("api.id: removed");
    assert_eq!(configuration(&bench), Configuration::default());
    run(&bench, &["autodiscover", "--app", "orders", "--undo"]).code(4);
}

#[test]
fn autodiscover_never_deletes_a_protected_property() {
    for secure in [SecureForm::Empty, SecureForm::Masked] {
        let bench = bench();
        {
            let mut world = bench.sim.world();
            world.anypoint.switches.application_manager.secure = secure;
            let application = &mut world.anypoint.deployments[0];
            let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            application.desired.properties = [own("log.level", "INFO")].into();
            application.desired.secure = [
                own("db.password", "canary-db-1"),
                own("mq.password", "canary-mq-1"),
            ]
            .into();
            application.running = application.desired.clone();
        }
        let before = configuration(&bench);
        run(&bench, &["autodiscover", "--app", "orders"])
            .code(2)
            .tells("db.password, mq.password")
            .tells("--secure db.password=@FILE");
        assert_eq!(configuration(&bench), before);
        bench.write("db", "canary-db-1\n");
        bench.write("mq", "canary-mq-1\n");
        let secure = ["--secure", "db.password=@db", "--secure", "mq.password=@mq"];
        let with = |more: &[&'static str]| {
            let mut args = vec!["autodiscover", "--app", "orders"];
            args.extend(secure);
            args.extend(more);
            args
        };
        run(&bench, &with(&[])).code(0).never_shows("canary-db-1");
        let running = configuration(&bench);
        assert_eq!(running.properties["log.level"], "INFO");
        assert_eq!(running.secure["db.password"], "canary-db-1");
        assert_eq!(running.secure.len(), 3);
        run(&bench, &with(&[])).code(0).prints("is as wanted");
        run(&bench, &["autodiscover", "--app", "orders", "--undo"])
            .code(2)
            .tells("db.password");
        run(&bench, &with(&["--undo"])).code(0);
        assert_eq!(configuration(&bench), before);
    }
}

#[test]
fn autodiscover_goes_back_when_the_redeployment_fails() {
    let bench = bench();
    bench
        .sim
        .world()
        .anypoint
        .switches
        .application_manager
        .failing_redeployments = 1;
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(5)
        .tells("did not start")
        .tells("were put back");
    let world = bench.sim.world();
    let application = world.anypoint.deployment("orders").unwrap();
    assert_eq!(application.desired, Configuration::default());
}

#[test]
fn autodiscover_says_what_to_look_at_when_the_instance_does_not_become_active() {
    let bench = bench();
    bench.sim.world().anypoint.deployments[0].autodiscovery = Some("other.id".to_owned());
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--timeout", "2s"],
    )
    .code(7)
    .tells("is not active after 2 s")
    .tells("apiId=\"${api.id}\"");
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--property", "other.id"],
    )
    .code(0);
}

#[test]
fn autodiscover_warns_when_the_platform_may_hide_protected_properties() {
    let bench = bench();
    bench
        .sim
        .world()
        .anypoint
        .switches
        .application_manager
        .secure = SecureForm::Hidden;
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(0)
        .tells("if it has any, they are lost");
}

#[test]
fn autodiscover_refuses_what_it_cannot_do() {
    let mut bench = bench();
    run(&bench, &["autodiscover", "--app", "stock"])
        .code(4)
        .tells("\"stock\"")
        .tells("orders");
    run(
        &bench,
        &[
            "autodiscover",
            "--app",
            "orders",
            "--secure",
            "db.password=canary-in-args",
        ],
    )
    .code(2)
    .tells("NAME=@FILE")
    .never_shows("canary-in-args");
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--secure", "x=@nowhere"],
    )
    .code(4);
    run(&bench, &["autodiscover", "--app", "orders", "--undo"]).code(4);
    bench.write("platform-secret", "canary-platform-0001");
    bench.set("PLATFORM_CLIENT_SECRET_FILE", "platform-secret");
    run(
        &bench,
        &[
            "autodiscover",
            "--app",
            "orders",
            "--platform-client-id",
            "cid",
            "--timeout",
            "2s",
        ],
    )
    .code(7)
    .never_shows("canary-platform-0001");
    let running = configuration(&bench);
    assert_eq!(
        running.secure["anypoint.platform.client_secret"],
        "canary-platform-0001"
    );
    assert_eq!(running.properties["anypoint.platform.client_id"], "cid");
}

// as a deploy hook of acme.sh

/// Lets acme.sh call: its conf files are in the home.
fn acme_calls(bench: &mut Bench) -> std::path::PathBuf {
    let conf = bench.write(
        "acme/acme.example/acme.example.conf",
        "Le_Domain='acme.example'\n",
    );
    let account = bench.write("acme/account.conf", "");
    bench
        .set("ANYPOINT_HOOKS_VOICE", "acme")
        .set("DOMAIN_CONF", conf.to_str().unwrap())
        .set("ACCOUNT_CONF_PATH", account.to_str().unwrap())
        .set("NO_TIMESTAMP", "1");
    conf
}

fn forget_settings(bench: &mut Bench) {
    for name in [
        "ANYPOINT_URL",
        "ORGANIZATION_ID",
        "ANYPOINT_CLIENT_ID",
        "ANYPOINT_CLIENT_SECRET",
        "ENVIRONMENT_ID",
        "API_INSTANCE_ID",
        "BASIC_AUTH_USERNAME",
        "BASIC_AUTH_PASSWORD",
        "BASIC_AUTH_PASSWORD_FILE",
    ] {
        bench.unset(name);
    }
}

#[test]
fn a_renewal_re_asserts_the_policy_from_what_was_saved() {
    let mut bench = connected();
    let conf = acme_calls(&mut bench);
    run(&bench, &["apply"]).code(0).prints("applied");
    let saved = std::fs::read_to_string(&conf).unwrap();
    for line in [
        "Le_Domain='acme.example'",
        "SAVED_API_INSTANCE_ID='20123456'",
        "SAVED_ENVIRONMENT_ID='Sandbox'",
        "SAVED_BASIC_AUTH_USERNAME='svc'",
    ] {
        assert!(saved.contains(line), "{line} is missing in {saved}");
    }
    forget_settings(&mut bench);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    run_raw(&bench, &["disable", "--yes"]).code(0);
    run(&bench, &["apply"]).code(0).prints("switched on again");
    bench
        .sim
        .world()
        .anypoint
        .api_manager
        .instance_mut(API_INSTANCE_ID)
        .unwrap()
        .policies
        .clear();
    run(&bench, &["apply"]).code(0).prints("applied");
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), saved);
}

fn run_raw(bench: &Bench, args: &[&str]) -> Finished {
    bench.run("basic-auth-policy", args)
}

#[test]
fn of_a_password_in_a_file_the_path_is_saved() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    bench.unset("BASIC_AUTH_PASSWORD");
    bench.write("svc.password", PASSWORD);
    bench.set("BASIC_AUTH_PASSWORD_FILE", "svc.password");
    run(&bench, &["apply"]).code(0);
    let saved = std::fs::read_to_string(&conf).unwrap();
    let path = bench.home().join("svc.password");
    assert!(!saved.contains(PASSWORD), "{saved}");
    assert!(
        saved.contains(&format!(
            "SAVED_BASIC_AUTH_PASSWORD_FILE='{}'",
            path.display()
        )),
        "{saved}"
    );
    forget_settings(&mut bench);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    // A rotation into that file is what the next renewal asserts.
    let rotated = ["rotate", "--password-out", "svc.password"];
    run(&bench, &rotated).code(0);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
    assert_ne!(password_of(&the_policy(&bench)), PASSWORD);
}

#[test]
fn a_rotation_tells_the_deploy_hooks_in_acme_shs_home() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    run(&bench, &["apply"]).code(0);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    let rotate = ["rotate", "--password-out", "new", "--home", "acme"];
    run(&bench, &rotate)
        .code(0)
        .tells("deploy hook of acme.example");
    let handed = std::fs::read_to_string(bench.home().join("new")).unwrap();
    assert!(
        std::fs::read_to_string(&conf)
            .unwrap()
            .contains(handed.trim())
    );
    bench.set("ANYPOINT_HOOKS_VOICE", "acme");
    forget_settings(&mut bench);
    run(&bench, &["apply"]).code(0).prints("is as wanted");
}

#[test]
fn credentials_are_saved_once_accepted_and_a_bearer_never() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    bench.set("ENVIRONMENT_ID", "Nowhere");
    run(&bench, &["apply"]).code(4);
    let saved = std::fs::read_to_string(&conf).unwrap();
    assert!(
        saved.contains(&format!("SAVED_ANYPOINT_CLIENT_ID='{CLIENT_ID}'")),
        "{saved}"
    );
    assert!(!saved.contains("BASIC_AUTH"), "{saved}");

    let mut bench = self::bench();
    let conf = acme_calls(&mut bench);
    bench.set("ANYPOINT_CLIENT_SECRET", "wrong-secret-000");
    run(&bench, &["apply"]).code(3);
    assert_eq!(
        std::fs::read_to_string(&conf).unwrap(),
        "Le_Domain='acme.example'\n"
    );
    let token = {
        bench.set("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET);
        run(&bench, &["status"]).code(0);
        let world = bench.sim.world();
        world.anypoint.bearers.keys().next().unwrap().clone()
    };
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    bench.set_secret("ANYPOINT_BEARER", token.clone());
    run(&bench, &["apply"]).code(0);
    assert!(!std::fs::read_to_string(&conf).unwrap().contains(&token));
}

#[test]
fn a_conf_file_that_cannot_be_written_is_found_before_the_first_request() {
    let mut bench = bench();
    acme_calls(&mut bench);
    bench.set(
        "DOMAIN_CONF",
        bench.home().join("no/such.conf").to_str().unwrap(),
    );
    run(&bench, &["apply"]).code(2).tells("cannot be written");
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn the_shim_hands_everything_over() {
    let mut bench = connected();
    let conf = acme_calls(&mut bench);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    let shim = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scripts/deploy/basic_auth_policy"
    );
    let program = fixtures::program("basic-auth-policy");
    let script = format!(
        "_err() {{ echo \"$@\" >&2; }}\n. '{shim}'\nPATH='{}':$PATH\n\
         basic_auth_policy_deploy acme.example key cert ca fullchain\n",
        program.parent().unwrap().display()
    );
    let output = bench.command("basic-auth-policy", [""; 0]);
    let mut sh = std::process::Command::new("sh");
    sh.arg("-c")
        .arg(script)
        .current_dir(bench.home())
        .env_clear();
    for (name, value) in output.get_envs() {
        if let Some(value) = value {
            sh.env(name, value);
        }
    }
    let told = Finished::from(sh.output().unwrap());
    told.code(0).prints("applied").never_shows(PASSWORD);
    assert!(
        std::fs::read_to_string(conf)
            .unwrap()
            .contains("SAVED_API_INSTANCE_ID")
    );
}

// beside MuleSoft's own command line tool

mod needs_anypoint_cli_v4 {
    use super::*;

    /// `anypoint-cli-v4`, with a configuration folder of its own: it caches tokens.
    struct OfficialTool {
        script: std::path::PathBuf,
    }

    impl OfficialTool {
        /// Where `ANYPOINT_CLI_V4` says, else where `npm install` has put it below the target folder.
        fn find() -> Self {
            let script = std::env::var_os("ANYPOINT_CLI_V4").map_or_else(
                || {
                    Path::new(env!("CARGO_MANIFEST_DIR"))
                        .join("../target/anypoint-cli/node_modules/anypoint-cli-v4/bin/run")
                },
                std::path::PathBuf::from,
            );
            assert!(
                script.exists(),
                "{} is not there; run: npm install --prefix target/anypoint-cli --ignore-scripts anypoint-cli-v4",
                script.display()
            );
            Self { script }
        }

        fn run(&self, bench: &Bench, args: &[&str]) -> Finished {
            let output = std::process::Command::new("node")
                .arg(&self.script)
                .args(args)
                .current_dir(bench.home())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", bench.home().join("official"))
                .env("XDG_CONFIG_HOME", bench.home().join("official/config"))
                .env("NODE_EXTRA_CA_CERTS", bench.sim.ca_pem_path())
                .env("ANYPOINT_HOST", bench.sim.host())
                .env("ANYPOINT_CLIENT_ID", CLIENT_ID)
                .env("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET)
                .env("ANYPOINT_ORG", ORGANIZATION_ID)
                .env("ANYPOINT_ENV", "Sandbox")
                .output()
                .unwrap();
            let finished = Finished::from(output);
            finished.code(0);
            assert!(
                bench.sim.unexpected().is_empty(),
                "{:?}",
                bench.sim.unexpected()
            );
            finished
        }
    }

    #[test]
    #[ignore = "needs anypoint-cli-v4: scripts/test.sh installs it with npm"]
    fn the_official_tool_and_we_see_what_the_other_did() {
        let tool = OfficialTool::find();
        let bench = connected();
        let api = API_INSTANCE_ID.to_string();

        // What we do, it sees.
        tool.run(&bench, &["api-mgr", "api", "list"])
            .prints("orders-api");
        tool.run(&bench, &["api-mgr", "api", "describe", &api])
            .prints("orders-api");
        tool.run(&bench, &["api-mgr", "policy", "list", "-m"])
            .prints(BASIC);
        tool.run(
            &bench,
            &[
                "api-mgr",
                "policy",
                "describe",
                BASIC,
                "--policyVersion",
                "1.3.2",
            ],
        )
        .prints(BASIC);
        run(&bench, &["apply"]).code(0);
        tool.run(&bench, &["api-mgr", "policy", "list", &api])
            .prints(BASIC)
            .prints("1.3.2")
            .prints("svc");
        let id = the_policy(&bench).id.to_string();

        // What it does, we see.
        let other = format!(r#"{{"username":"svc","password":"{OTHER}"}}"#);
        tool.run(
            &bench,
            &["api-mgr", "policy", "edit", &api, &id, "--config", &other],
        )
        .prints("edited");
        assert_eq!(password_of(&the_policy(&bench)), OTHER);
        run(&bench, &["apply"]).code(0).prints("changed: password");
        assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
        tool.run(&bench, &["api-mgr", "policy", "disable", &api, &id])
            .prints("disabled");
        run(&bench, &["status", "--require"]).code(10);
        run(&bench, &["apply"]).code(0).prints("switched on again");
        run(&bench, &["disable", "--yes"]).code(0);
        tool.run(&bench, &["api-mgr", "policy", "list", &api])
            .prints("Disabled");
        tool.run(&bench, &["api-mgr", "policy", "enable", &api, &id])
            .prints("enabled");
        tool.run(&bench, &["api-mgr", "policy", "remove", &api, &id])
            .prints("removed");
        run(&bench, &["status", "--require"]).code(10);
        tool.run(
            &bench,
            &[
                "api-mgr",
                "policy",
                "apply",
                &api,
                BASIC,
                "--policyVersion",
                "1.3.1",
                "--config",
                &other,
            ],
        )
        .prints("Policy applied");
        run(&bench, &["apply"])
            .code(0)
            .prints("changed: password")
            .prints("version 1.3.1 → 1.3.2");
        let url = url(&bench, "/orders");
        run(&bench, &["verify", "--url", &url]).code(0);
        run(&bench, &["remove", "--yes"]).code(0);
        assert!(policies(&bench).is_empty());

        // An instance that it creates is one of ours, and the other way round.
        let manage = [
            "api-mgr",
            "api",
            "manage",
            "orders-api",
            "1.0.0",
            "--muleVersion4OrAbove",
            "--type",
            "http",
        ];
        tool.run(&bench, &manage).prints("Created new API");
        let id = run(&bench, &["create-api", "Stock API"])
            .code(0)
            .stdout
            .trim()
            .to_owned();
        tool.run(&bench, &["api-mgr", "api", "describe", &id])
            .prints("stock-api");
    }
}
