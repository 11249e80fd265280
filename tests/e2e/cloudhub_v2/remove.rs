//! `cloudhub_v2 remove`.

use serde_json::{Value, json};
use simulator::Fault;
use simulator::anypoint::{Deployment, Grant};
use simulator::faults::Action;

use crate::fixture::{CONTEXT, DOMAIN, Fixture, LIST};

#[test]
fn remove_wants_a_yes_and_leaves_what_is_not_of_the_domain() {
    let mut fixture = Fixture::with_scopes(&[
        "manage:cloudhub_networking",
        "view:environment",
        "read:applications",
    ]);
    fixture.deploy().code(0);
    fixture.run(&["remove", DOMAIN]).code(2).tells("--yes");
    fixture
        .run(&["remove", "x.acme.example", "--yes"])
        .code(2)
        .tells("belongs to");
    fixture
        .run(&["remove", "default", "--yes", "--context-name", "default"])
        .code(2)
        .tells("default TLS context");
    assert!(fixture.context("prod", CONTEXT).is_some());
    for status in [200, 204] {
        fixture.switch(|switches| switches.delete_status = status);
        fixture
            .run(&["remove", DOMAIN, "--yes"])
            .code(0)
            .prints("removed");
        assert!(fixture.context("prod", CONTEXT).is_none());
        fixture
            .run(&["remove", DOMAIN, "--yes"])
            .code(0)
            .prints("nothing to do");
        fixture.deploy().code(0);
    }
}

#[test]
fn remove_looks_for_users_in_every_business_group_that_the_space_is_shared_with() {
    let mut fixture = Fixture::with_scopes(&["manage:cloudhub_networking"]);
    fixture.deploy().code(0);
    let space = fixture.space_id("prod");
    let (group, environment) = {
        let mut world = fixture.bench.sim.world();
        let world = &mut *world;
        let group = world
            .anypoint
            .add_organization(&mut world.ids, "Subsidiary");
        let subsidiary = world.anypoint.organizations.last().unwrap();
        let environment = subsidiary.environments[1].id.clone();
        let shared = &mut world.anypoint.space_mut("prod").unwrap().shared_with;
        shared.push(group.clone());
        (group, environment)
    };
    // Nobody can say who uses it: that is told, of both.
    let unknown = fixture.run(&["remove", DOMAIN]);
    unknown
        .code(2)
        .tells(&format!("business group {}", fixture.organization))
        .tells(&format!("business group {group}"))
        .tells("is not known");

    {
        let mut world = fixture.bench.sim.world();
        for organization in [&fixture.organization, &group] {
            for scope in ["view:environment", "read:applications"] {
                world.anypoint.apps[0].scopes.push(Grant {
                    scope: scope.to_owned(),
                    org: Some(organization.clone()),
                    env: None,
                });
            }
        }
        let deployment = Deployment {
            name: "orders".to_owned(),
            organization: group,
            space,
            environment,
            public_url: "https://shop.acme.example/orders".to_owned(),
            ..Deployment::default()
        };
        let world = &mut *world;
        world.anypoint.add_deployment(&mut world.ids, deployment);
    }
    fixture
        .run(&["remove", DOMAIN, "--yes"])
        .code(2)
        .tells("is in use: orders in Production at https://shop.acme.example/orders");
    assert!(fixture.context("prod", CONTEXT).is_some());
}

#[test]
fn a_removal_that_took_effect_is_no_failure_whatever_a_gateway_answers() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    fixture.bench.set("ANYPOINT_HOOKS_DEADLINE", "3s");
    fixture.bench.fault(
        Fault::on(
            "DELETE",
            &format!("{LIST}/*"),
            Action::Gateway { status: 504 },
        )
        .always(),
    );
    fixture
        .run(&["remove", DOMAIN, "--yes"])
        .code(0)
        .prints("removed");
    assert!(fixture.context("prod", CONTEXT).is_none());
}

#[test]
fn remove_refuses_while_an_application_uses_the_context() {
    let mut fixture = Fixture::with_scopes(&[
        "manage:cloudhub_networking",
        "view:environment",
        "read:applications",
    ]);
    fixture.deploy().code(0);
    let space = fixture.space_id("prod");
    let answer = |body: Value| Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_string(),
    };
    let all = "/amc/application-manager/api/v2/organizations/*/environments/*/deployments";
    fixture.bench.fault(
        Fault::on(
            "GET",
            &format!("{all}/*"),
            answer(json!({"id": "d1", "name": "orders", "status": "APPLIED",
            "target": {"targetId": space, "deploymentSettings": {"http": {"inbound":
                {"publicUrl": "https://shop.acme.example/orders"}}}}})),
        )
        .always(),
    );
    fixture.bench.fault(
        Fault::on(
            "GET",
            all,
            answer(
                json!({"total": 2, "items": [{"id": "d0", "name": null, "target": null},
                {"id": "d1", "name": "orders", "target": {"targetId": space}}]}),
            ),
        )
        .always(),
    );
    fixture
        .run(&["remove", DOMAIN, "--yes"])
        .code(2)
        .tells("is in use: orders")
        .tells("https://shop.acme.example/orders");
    assert!(fixture.context("prod", CONTEXT).is_some());
}
