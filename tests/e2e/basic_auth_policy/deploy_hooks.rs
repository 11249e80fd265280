//! `basic-auth-policy rotate --home`: which deploy hooks of acme.sh get the new password.

use std::fs;
use std::path::PathBuf;

use fixtures::Bench;
use simulator::anypoint::ApiInstance;
use simulator::seed::{API_INSTANCE_ID, ORGANIZATION_ID, PRODUCTION_ID, SANDBOX_ID};

use crate::fixture::{OTHER, PASSWORD, bench, run};

const ROTATE: [&str; 5] = ["rotate", "--password-out", "new", "--home", "acme"];

/// The same API name in two environments, the policy applied in the first, and an acme.sh home.
fn two_environments() -> Bench {
    let mut bench = bench();
    bench.never_shown(OTHER);
    bench.sim.world().anypoint.add_api(ApiInstance {
        environment: PRODUCTION_ID.to_owned(),
        asset: "orders-api".to_owned(),
        ..ApiInstance::default()
    });
    run(&bench, &["apply"]).code(0);
    bench.write("acme/account.conf", "");
    bench
}

/// The conf file of a certificate whose deploy hook is for `orders-api` in Sandbox, changed by `change`.
fn conf(bench: &Bench, domain: &str, change: &[(&str, &str)]) -> PathBuf {
    let mut values = vec![
        ("SAVED_API_INSTANCE_ID", "orders-api".to_owned()),
        ("SAVED_ENVIRONMENT_ID", "Sandbox".to_owned()),
        ("SAVED_ORGANIZATION_ID", "Acme".to_owned()),
        ("SAVED_ANYPOINT_URL", bench.sim.url().to_owned()),
        ("SAVED_BASIC_AUTH_USERNAME", "svc".to_owned()),
        ("SAVED_BASIC_AUTH_PASSWORD", PASSWORD.to_owned()),
    ];
    for (name, value) in change {
        values.retain(|(known, _)| known != name);
        if !value.is_empty() {
            values.push((name, (*value).to_owned()));
        }
    }
    let lines: String = values
        .iter()
        .map(|(name, value)| format!("{name}='{value}'\n"))
        .collect();
    bench.write(
        &format!("acme/{domain}/{domain}.conf"),
        format!("Le_Domain='{domain}'\n{lines}"),
    )
}

fn text(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

fn handed_over(bench: &Bench) -> String {
    let text = fs::read_to_string(bench.home().join("new")).unwrap();
    text.trim().to_owned()
}

#[test]
fn a_rotation_leaves_the_same_api_name_of_another_environment_alone() {
    let bench = two_environments();
    let number = API_INSTANCE_ID.to_string();
    let ours = [
        conf(&bench, "names.example", &[]),
        conf(
            &bench,
            "ids.example",
            &[
                ("SAVED_API_INSTANCE_ID", &number),
                ("SAVED_ENVIRONMENT_ID", SANDBOX_ID),
                ("SAVED_ORGANIZATION_ID", ORGANIZATION_ID),
            ],
        ),
    ];
    let other = |domain, change: &[(&str, &str)]| {
        let own = [&[("SAVED_BASIC_AUTH_PASSWORD", OTHER)], change].concat();
        conf(&bench, domain, &own)
    };
    let others = [
        other(
            "production.example",
            &[("SAVED_ENVIRONMENT_ID", "Production")],
        ),
        other("number.example", &[("SAVED_API_INSTANCE_ID", "4711")]),
        other("name.example", &[("SAVED_API_INSTANCE_ID", "stock-api")]),
        other(
            "plane.example",
            &[("SAVED_ANYPOINT_URL", "https://127.0.0.1:1")],
        ),
        // The default control plane is saved as none: the address in the environment is not its own.
        other("default.example", &[("SAVED_ANYPOINT_URL", "")]),
        other(
            "organization.example",
            &[("SAVED_ORGANIZATION_ID", PRODUCTION_ID)],
        ),
        bench.write(
            "acme/tls.example/tls.example.conf",
            "SAVED_CH2_CLIENT_ID='x'\n",
        ),
    ];
    let before: Vec<String> = others.iter().map(text).collect();
    let told = run(&bench, &ROTATE);
    told.code(0)
        .tells("deploy hook of names.example")
        .tells("deploy hook of ids.example");
    assert!(!told.stderr.contains("was left alone"), "{told}");
    for conf in &ours {
        let new = format!("SAVED_BASIC_AUTH_PASSWORD='{}'", handed_over(&bench));
        assert!(text(conf).contains(&new), "{}", conf.display());
    }
    assert_eq!(others.iter().map(text).collect::<Vec<_>>(), before);
}

#[test]
fn what_the_rotation_is_told_about_its_own_api_says_nothing_about_the_others() {
    let bench = two_environments();
    let own = conf(&bench, "own.example", &[]);
    let production = conf(
        &bench,
        "production.example",
        &[("SAVED_ENVIRONMENT_ID", "Production")],
    );
    let unsaid = conf(&bench, "unsaid.example", &[("SAVED_ENVIRONMENT_ID", "")]);
    let before = [text(&production), text(&unsaid)];
    let flags = ["--api", "orders-api", "--environment", "Sandbox"];
    let told = run(&bench, &[&ROTATE[..], &flags].concat());
    // Nothing but the environment of this call says where the third belongs.
    told.code(0)
        .tells("deploy hook of own.example")
        .tells("unsaid.example.conf was left alone: no environment is given");
    assert!(text(&own).contains(&handed_over(&bench)));
    assert_eq!([text(&production), text(&unsaid)], before);
}

#[test]
fn a_conf_that_cannot_be_read_or_judged_is_named_and_stops_no_other() {
    let bench = two_environments();
    bench.write("acme/a.example/a.example.conf", b"SAVED_X='\xff'\n");
    let gone = conf(&bench, "b.example", &[("SAVED_ENVIRONMENT_ID", "Staging")]);
    let lost = conf(
        &bench,
        "c.example",
        &[("SAVED_ANYPOINT_HOOKS_CONFIG", "/nowhere/hooks.toml")],
    );
    let own = conf(&bench, "d.example", &[]);
    let before = [text(&gone), text(&lost)];
    run(&bench, &ROTATE)
        .code(0)
        .tells("a.example.conf was left alone")
        .tells("b.example.conf was left alone")
        .tells("no environment \"Staging\"")
        .tells("c.example.conf was left alone")
        .tells("/nowhere/hooks.toml")
        .tells("deploy hook of d.example");
    assert!(text(&own).contains(&handed_over(&bench)));
    assert_eq!([text(&gone), text(&lost)], before);
}

#[test]
fn a_changed_user_name_is_saved_with_the_password() {
    let bench = two_environments();
    let own = conf(&bench, "own.example", &[]);
    bench.write("svc.password", PASSWORD);
    let by_file = conf(
        &bench,
        "file.example",
        &[
            ("SAVED_BASIC_AUTH_PASSWORD", ""),
            ("SAVED_BASIC_AUTH_PASSWORD_FILE", "/etc/svc.password"),
        ],
    );
    let production = conf(
        &bench,
        "production.example",
        &[("SAVED_ENVIRONMENT_ID", "Production")],
    );
    let told = run(&bench, &[&ROTATE[..], &["--username", "svc2"]].concat());
    told.code(0)
        .tells("saved the new user name and password for the deploy hook of own.example")
        .tells("saved the new user name for the deploy hook of file.example");
    let saved = text(&own);
    assert!(
        saved.contains("SAVED_BASIC_AUTH_USERNAME='svc2'") && saved.contains(&handed_over(&bench)),
        "{saved}"
    );
    let saved = text(&by_file);
    assert!(
        saved.contains("SAVED_BASIC_AUTH_USERNAME='svc2'")
            && saved.contains("SAVED_BASIC_AUTH_PASSWORD_FILE='/etc/svc.password'")
            && !saved.contains(&handed_over(&bench)),
        "{saved}"
    );
    assert!(text(&production).contains("SAVED_BASIC_AUTH_USERNAME='svc'"));
}

#[test]
fn of_several_instances_with_one_name_the_label_in_the_toml_file_decides() {
    let bench = two_environments();
    bench.sim.world().anypoint.add_api(ApiInstance {
        environment: SANDBOX_ID.to_owned(),
        asset: "orders-api".to_owned(),
        label: Some("other".to_owned()),
        ..ApiInstance::default()
    });
    let file = bench.write("other.toml", "[basic_auth_policy]\nlabel = \"other\"\n");
    let labelled = conf(
        &bench,
        "labelled.example",
        &[("SAVED_ANYPOINT_HOOKS_CONFIG", file.to_str().unwrap())],
    );
    let ambiguous = conf(&bench, "ambiguous.example", &[]);
    let before = [text(&labelled), text(&ambiguous)];
    let told = run(&bench, &ROTATE);
    told.code(0)
        .tells("ambiguous.example.conf was left alone")
        .tells("2 instances");
    assert!(!told.stderr.contains("labelled.example"), "{told}");
    assert_eq!([text(&labelled), text(&ambiguous)], before);
}
