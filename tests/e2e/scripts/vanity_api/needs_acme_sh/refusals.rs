//! What is found before the first request that changes anything.

use fixtures::{AcmeSh, Finished};
use simulator::seed;

use crate::vanity_api::road::Road;

fn road() -> Road {
    Road::without_acme_server(AcmeSh::without_hooks())
}

#[track_caller]
fn refused(road: &Road, finished: &Finished, code: i32, reason: &str) {
    finished
        .code(code)
        .tells(reason)
        .tells("nothing was changed");
    assert!(road.writes().is_empty(), "{:?}", road.writes());
    assert!(road.password().is_none());
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn what_is_not_there_is_named_before_anything_is_changed() {
    let road = road();
    let ends_with = |more: &[&str], code, reason: &str| {
        refused(&road, &road.run(more), code, reason);
    };
    ends_with(&["--app", "stock"], 4, "has no application \"stock\"");
    ends_with(&["--environment", "Staging"], 4, "Staging");
    ends_with(&["--space", "other"], 4, "not in other");
    ends_with(
        &["--password-out", "missing/orders.password"],
        2,
        "cannot be written there",
    );
    ends_with(&["--password-out", "acme"], 2, "is a folder");
    ends_with(&["--username", "s:vc"], 2, "colon");
    ends_with(&["--timeout", "soon"], 2, "soon");
    ends_with(
        &["--domain", "*.other.example", "--host", "a.other.example"],
        4,
        "a.other.example",
    );
    road.sim.world().anypoint.deployments[0].space = String::new();
    ends_with(&[], 4, "runs in no private space");
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn an_address_that_another_application_has_is_refused() {
    let road = road();
    {
        let mut world = road.sim.world();
        let mut other = world.anypoint.deployments[0].clone();
        other.id = seed::API_INSTANCE_ID.to_string();
        "stock".clone_into(&mut other.name);
        other.expose_at("https://orders.acme.example");
        world.anypoint.deployments.push(other);
    }
    refused(&road, &road.run(&[]), 5, "belongs to the application stock");
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn credentials_that_are_refused_or_missing_are_named_before_anything_is_changed() {
    let mut road = road();
    road.set("CF_Token", "refused-token-0000000000000000000000000");
    refused(&road, &road.run(&[]), 3, "CF_Token");
    road.set("CF_Token", "");
    refused(&road, &road.run(&[]), 2, "CF_Token is missing");

    let mut road = self::road();
    road.set("ANYPOINT_CLIENT_SECRET", "refused");
    refused(&road, &road.run(&[]), 3, "ANYPOINT_CLIENT_SECRET");
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn without_the_deploy_hook_in_acme_sh_nothing_begins() {
    let road = road();
    road.acme.installer(&["--uninstall", "cloudhub_v2"]).code(0);
    // The program is there all the same.
    road.acme
        .installer(&["basic-auth-policy", "dns_cf"])
        .code(0);
    std::fs::copy(
        fixtures::program("cloudhub_v2"),
        road.acme.folder().join("bin/cloudhub_v2"),
    )
    .unwrap();
    road.run(&[])
        .code(2)
        .tells("acme.sh does not have the deploy hook cloudhub_v2");
    assert!(road.sim.requests().is_empty());
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn a_dry_run_asks_nobody_and_shows_no_secret() {
    let road = road();
    let told = road.run(&["--dry-run"]);
    assert_eq!(told.code(0).stderr, "");
    assert!(road.sim.requests().is_empty());
    assert!(road.sim.questions().is_empty());
}
