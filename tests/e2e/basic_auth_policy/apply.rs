//! `basic-auth-policy apply`.

use serde_json::Value;
use simulator::Fault;
use simulator::anypoint::ApiInstance;
use simulator::anypoint::api_manager::{
    BASIC, ListForm, PasswordForm, Policy, Template, VENDOR_GROUP,
};
use simulator::faults::Action;
use simulator::seed::{API_INSTANCE_ID, SANDBOX_ID};

use crate::fixture::{
    OTHER, PASSWORD, POLICIES, add_template, bench, change_api, connected, mode, password_of,
    policies, run, switch, the_policy, writes,
};

#[test]
fn apply_creates_the_policy_with_the_latest_published_version() {
    let bench = bench();
    for (version, status) in [
        ("1.10.0", "published"),
        ("1.9.0", "published"),
        ("2.0.0-rc.1", "published"),
        ("2.0.0", "development"),
    ] {
        add_template(
            &bench,
            Template {
                status: status.to_owned(),
                ..Template::new(BASIC, version)
            },
        );
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
                switch(&bench, |switches| {
                    switches.api_manager.list_form = list_form;
                    switches.api_manager.password = password;
                });
                change_api(&bench, |api| technology.clone_into(&mut api.technology));
                run(&bench, &["apply"]).code(0).prints("applied");
                run(&bench, &["apply"]).code(0).prints("is up to date");
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
    add_template(&bench, newer);
    run(&bench, &["apply", "--policy-version", "1.4.0"]).code(0);
    run(&bench, &["apply"]).code(0).prints("is up to date");
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
    add_template(&bench, mule_only);
    change_api(&bench, |api| "flexGateway".clone_into(&mut api.technology));
    switch(&bench, |switches| {
        switches.api_manager.template_version_field = true;
    });
    run(&bench, &["apply"]).code(0).prints("1.3.2");
    run(&bench, &["apply"]).code(0).prints("is up to date");
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
    run(&bench, &["apply"]).code(0).prints("is up to date");
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
    run(&bench, &["apply"]).code(0).prints("is up to date");
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
        .prints("position 1");
    assert_eq!(order(), [BASIC, "rate-limiting", "message-logging"]);
    run(&bench, &["apply", "--order", "1"])
        .code(0)
        .prints("is up to date");
    run(&bench, &["apply"]).code(0).prints("is up to date");
    run(&bench, &["apply", "--order", "9"]).code(0);
    assert_eq!(order(), ["rate-limiting", "message-logging", BASIC]);
    run(&bench, &["apply", "--order", "0"]).code(2);
}

#[test]
fn a_new_major_version_is_for_somebody_to_decide() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    for version in ["1.10.0", "2.0.0"] {
        let published = Template {
            status: "published".to_owned(),
            ..Template::new(BASIC, version)
        };
        add_template(&bench, published);
    }
    run(&bench, &["apply"])
        .code(0)
        .prints("version 1.3.2 → 1.10.0")
        .tells("version 2.0.0 of the policy is there")
        .tells("--upgrade");
    run(&bench, &["apply"]).code(0).prints("is up to date");
    run(&bench, &["apply", "--upgrade"])
        .code(0)
        .prints("version 1.10.0 → 2.0.0");
    run(&bench, &["apply"]).code(0).prints("is up to date");
    run(
        &bench,
        &["apply", "--upgrade", "--policy-version", "1.10.0"],
    )
    .code(2);
}

#[test]
fn an_api_that_is_closed_is_opened_in_part_only_when_that_is_confirmed() {
    let bench = bench();
    run(&bench, &["apply"]).code(0);
    let some = ["apply", "--methods", "GET"];
    run(&bench, &some).code(2).tells("--yes");
    assert_eq!(the_policy(&bench).pointcut, Value::Null);
    // It is open already where the policy is off.
    run(&bench, &["disable", "--yes"]).code(0);
    run(&bench, &some).code(0).prints("conditions");
    run(
        &bench,
        &["apply", "--resource", "GET:.*", "--resource", "POST:/a"],
    )
    .code(0)
    .prints("conditions");
}

#[test]
fn where_a_list_tells_no_date_the_policy_itself_is_read() {
    for form in [
        ListForm::Bare,
        ListForm::WithTemplate,
        ListForm::WithImplementation,
    ] {
        let bench = bench();
        switch(&bench, |switches| {
            switches.api_manager.list_form = form;
            switches.api_manager.list_without_dates = true;
        });
        run(&bench, &["apply"]).code(0);
        let before = writes(&bench).len();
        run(&bench, &["apply"]).code(0).prints("is up to date");
        assert_eq!(writes(&bench).len(), before);
        // Somebody else may have changed the password.
        change_api(&bench, |api| {
            for policy in &mut api.policies {
                policy.updated = Some("2031-01-01T00:00:00Z".parse().unwrap());
                policy.configuration["password"] = OTHER.into();
            }
        });
        run(&bench, &["apply"])
            .code(0)
            .prints("which one is set is not known");
        assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
        run(&bench, &["apply"]).code(0).prints("is up to date");
    }
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
    run(&bench, &["apply"]).code(0).prints("is up to date");
    let narrower = ["apply", "--resource", "POST:/a", "--resource", "GET,PUT:/b"];
    let before = writes(&bench).len();
    run(&bench, &narrower)
        .code(2)
        .tells("Anybody can send the requests")
        .tells("--yes");
    assert_eq!(writes(&bench).len(), before, "nothing was changed");
    run(&bench, &[&narrower[..], &["--yes"]].concat())
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
        bench.fault(Fault::on("POST", POLICIES, action));
        run(&bench, &["apply"]).code(0);
        assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
        run(&bench, &["apply"]).code(0).prints("is up to date");
    }
}

#[test]
fn an_empty_answer_to_a_write_is_a_success_when_the_platform_lists_it() {
    let bench = bench();
    bench.fault(Fault::on("POST", POLICIES, Action::LostBody));
    run(&bench, &["apply"]).code(0);
    assert_eq!(policies(&bench).len(), 1);
}

#[test]
fn a_policy_that_is_applied_and_not_listed_may_be_an_automated_one() {
    let bench = bench();
    bench.fault(
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
    change_api(&bench, |api| {
        let mut twin = api.policies[0].clone();
        twin.id = 9999;
        api.policies.push(twin);
    });
    run(&bench, &["apply"])
        .code(2)
        .tells("2 Basic Authentication policies")
        .tells("--policy-id");
    run(&bench, &["remove", "--yes", "--policy-id", "9999"]).code(0);
    run(&bench, &["apply"]).code(0).prints("is up to date");
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
    bench.fault(Fault::on("POST", POLICIES, answer));
    // The bench checks that the password shows nowhere.
    run(&bench, &["apply", "-vv"])
        .code(5)
        .tells("400")
        .tells("should match format");
}

#[test]
fn blanks_in_a_password_do_not_show_it_in_an_echo() {
    let mut bench = bench();
    bench.set_secret("BASIC_AUTH_PASSWORD", "canary-one  canary-two");
    bench.never_shown("canary-one").never_shown("canary-two");
    let answer = |message: &str| Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: format!(r#"{{"errors":[{{"message":"should match format, but is {message}"}}]}}"#),
    };
    for echo in [
        "canary-one  canary-two",
        "canary-one canary-two",
        "canary-one%20%20canary-two",
    ] {
        bench.fault(Fault::on("POST", POLICIES, answer(echo)));
        run(&bench, &["apply", "-vv"])
            .code(5)
            .tells("should match format, but is ***");
    }
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

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let bench = bench();
    let plan = |more: &[&str]| run(&bench, &[&["apply", "--dry-run"], more].concat());
    plan(&[]).code(0).prints("would be applied");
    assert!(writes(&bench).is_empty());
    run(&bench, &["apply"]).code(0);
    plan(&[]).code(0).prints("is up to date");
    let told = plan(&["--username", "other", "--order", "1", "--output", "json"]);
    assert_eq!(
        told.code(0).json()["changes"],
        serde_json::json!(["user svc → other", "password"])
    );
    assert_eq!(writes(&bench).len(), 1);

    // What would be generated is known to be another.
    let out = ["--generate-password", "--password-out", "new"];
    plan(&out).code(0).prints("would be changed: password");
    assert!(!bench.home().join("new").exists());
    let nowhere = ["--generate-password", "--password-out", "missing/new"];
    bench.sim.clear_log();
    plan(&nowhere).code(2).tells("cannot be written there");
    assert!(bench.sim.requests().is_empty());
    plan(&["--api", "Missing API"]).code(4);
}
