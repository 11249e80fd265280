//! A permission that is missing ends the road with exit code 3, and is named.

use simulator::cloudflare::Reach;

use crate::vanity_api::road::Road;

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_missing_permission_is_named_in_whatever_step_it_is_missed() {
    let road = Road::new();
    let stops = |code: i32, step: &str, scope: &str| {
        let told = road.run(&[]);
        told.code(code).tells(scope).tells(step);
    };
    let lacks = |code: i32, step: &str, scope: &str, others: &[&str], name: &str| {
        let before = road.sim.world().anypoint.apps[0].scopes.clone();
        road.replace_scope(scope, others);
        stops(code, step, name);
        road.scopes(|app| app.scopes.clone_from(&before));
    };
    let with_dns_edit = |reach: Reach| {
        let mut world = road.sim.world();
        let token = world.cloudflare.tokens.last_mut().unwrap();
        token.dns_edit = reach;
    };

    with_dns_edit(Reach::None);
    stops(3, "nothing was changed", "DNS / Edit");
    with_dns_edit(Reach::All);
    assert!(road.writes().is_empty());

    // acme.sh ends with 1 whatever a hook says.
    lacks(
        1,
        "step 2 of 10",
        "manage:cloudhub_networking",
        &["read:cloudhub_networking"],
        "CloudHub Network Administrator",
    );
    lacks(
        3,
        "step 6 of 10",
        "manage:application_settings",
        &[],
        "Manage Settings",
    );
    lacks(
        3,
        "step 7 of 10",
        "manage:api_configuration",
        &["read:api_configuration"],
        "Manage APIs Configuration",
    );
    lacks(
        3,
        "step 8 of 10",
        "manage:application_settings",
        &[],
        "Manage Settings",
    );
    lacks(
        3,
        "step 9 of 10",
        "manage:api_policies",
        &["read:api_policies"],
        "Manage Policies",
    );
    road.run(&[]).code(0);
    road.is_complete();

    // What only reads is missed before anything else is done.
    for (scope, name) in [
        ("manage:cloudhub_networking", "CloudHub Network"),
        // To read them, the one to create them is enough.
        (":applications", "Read Applications"),
        ("manage:api_configuration", "View APIs Configuration"),
        ("manage:api_policies", "View Policies"),
    ] {
        lacks(3, "nothing was changed", scope, &[], name);
    }
}
