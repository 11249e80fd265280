//! `cloudhub_v2 remove`.

use serde_json::{Value, json};
use simulator::Fault;
use simulator::faults::Action;

use crate::fixture::{CONTEXT, DOMAIN, Fixture};

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
            answer(json!({"total": 1, "items": [{"id": "d1", "name": "orders",
            "target": {"targetId": space}}]})),
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
