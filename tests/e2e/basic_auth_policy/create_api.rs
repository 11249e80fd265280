//! `basic-auth-policy create-api`.

use simulator::Fault;
use simulator::anypoint::Asset;
use simulator::faults::Action;
use simulator::seed::ORGANIZATION_ID;

use crate::fixture::{bench, run};

#[test]
fn create_api_prints_the_number_and_is_content_the_second_time() {
    let bench = bench();
    let args = ["create-api", "Stock Level API", "--label", "prod"];
    let told = run(&bench, &args);
    told.code(0).tells("created asset stock-level-api 1.0.0");
    let id: u64 = told.stdout.trim().parse().unwrap();
    run(&bench, &args)
        .code(0)
        .tells("is already present")
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
    bench.fault(Fault::on("POST", "/apimanager/*/apis", Action::LostAnswer));
    bench.fault(Fault::on("POST", "/exchange/*", Action::LostAnswer));
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
