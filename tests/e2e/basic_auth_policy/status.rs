//! `enable`, `disable`, `remove` and `status`.

use simulator::anypoint::ApiInstance;
use simulator::seed::{PRODUCTION_ID, SANDBOX_ID};

use crate::fixture::{bench, policies, run};

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
