//! Missing permissions, wrong settings and failures say what to do.

use simulator::Fault;
use simulator::anypoint::Grant;
use simulator::faults::Action;
use simulator::seed::{CLIENT_SECRET, PRODUCTION_ID};

use crate::fixture::{POLICIES, bench, policies, run, scopes};

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
            &["autodiscover", "--app", "orders", "--yes"],
            &["read:api_configuration"],
            "Read Applications",
        ),
        (
            &["autodiscover", "--app", "orders", "--yes"],
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
    bench.set("ANYPOINT_HOOKS_DEADLINE", "10s");
    bench.fault(Fault::on("GET", POLICIES, Action::Html { status: 200 }).always());
    run(&bench, &["apply"]).code(6).tells("HTML");
    bench.sim.faults().clear();
    bench.fault(Fault::on("GET", POLICIES, Action::Html { status: 503 }).always());
    run(&bench, &["apply"]).code(6).tells("503");
    bench.sim.faults().clear();
    bench.set("ANYPOINT_URL", "https://127.0.0.1:1");
    run(&bench, &["apply"]).code(6).tells("cannot be reached");
}
