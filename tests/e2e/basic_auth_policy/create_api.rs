//! `basic-auth-policy create-api`.

use simulator::Fault;
use simulator::anypoint::Asset;
use simulator::faults::Action;
use simulator::seed::{API_INSTANCE_ID, ORGANIZATION_ID};

use crate::fixture::{bench, run};

#[test]
fn create_api_prints_the_number_and_makes_nothing_the_second_time() {
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
fn create_api_returns_no_instance_of_another_version() {
    let bench = bench();
    let create = |more: &[&str]| {
        let told = run(&bench, &[&["create-api", "Stock API"], more].concat());
        told.code(0).stdout.trim().to_owned()
    };
    let first = create(&["--asset-version", "1.0.0"]);
    let second = create(&["--asset-version", "2.0.0"]);
    assert_ne!(first, second);
    assert_eq!(create(&["--asset-version", "1.0.0"]), first);
    assert_eq!(create(&["--asset-version", "2.0.0"]), second);
    // Which one is meant is not said.
    run(&bench, &["create-api", "Stock API"])
        .code(2)
        .tells("2 instances of stock-api");
    // The platform has a label only once.
    let labelled = create(&["--label", "prod"]);
    assert_eq!(create(&["--label", "prod"]), labelled);
    run(
        &bench,
        &[
            "create-api",
            "Stock API",
            "--label",
            "prod",
            "--asset-version",
            "2.0.0",
        ],
    )
    .code(5)
    .tells("of version 1.0.0 on Mule 4")
    .tells("another --label");
}

#[test]
fn create_api_twice_is_one_instance_where_the_version_had_to_be_another() {
    let bench = bench();
    let gone = Asset {
        group: ORGANIZATION_ID.to_owned(),
        asset: "old-api".to_owned(),
        version: "1.0.0".to_owned(),
        ..Asset::default()
    };
    bench.sim.world().anypoint.exchange.deleted.push(gone);
    for more in [&[][..], &["--asset-version", "1.0.0"]] {
        let args = [&["create-api", "Old API"], more].concat();
        let first = run(&bench, &args).code(0).stdout.clone();
        assert_eq!(run(&bench, &args).code(0).stdout, first);
    }
    assert_eq!(bench.sim.world().anypoint.api_manager.instances.len(), 2);
}

#[test]
fn create_api_says_where_an_instance_is_another_than_asked_for() {
    let bench = bench();
    let create = |upstream: &str, listen: &str| {
        let args = [
            "create-api",
            "Stock API",
            "--gateway",
            "flex",
            "--upstream",
            upstream,
            "--listen",
            listen,
        ];
        run(&bench, &args)
    };
    let (upstream, listen) = ("http://stock.example:8080", "http://0.0.0.0:8081/stock");
    let first = create(upstream, listen).code(0).stdout.clone();
    assert_eq!(
        create("http://stock.example:8080/", listen).code(0).stdout,
        first
    );
    create("http://other.example", listen)
        .code(2)
        .tells("--upstream says http://other.example, it has http://stock.example:8080");
    create(upstream, "http://0.0.0.0:9000")
        .code(2)
        .tells("--listen says http://0.0.0.0:9000");
    run(&bench, &["create-api", "Stock API", "--gateway", "flex"])
        .code(0)
        .prints(first.trim());
    let mule = run(&bench, &["create-api", "Stock API"])
        .code(0)
        .stdout
        .clone();
    run(&bench, &["create-api", "Stock API", "--runtime", "hybrid"])
        .code(2)
        .tells("--runtime says HY, it has CH2");
    run(&bench, &["create-api", "Stock API", "--runtime", "ch2"])
        .code(0)
        .prints(mule.trim());
}

#[test]
fn create_api_passes_over_an_instance_that_is_gone() {
    let bench = bench();
    let listed = run(&bench, &["create-api", "Stock API"])
        .code(0)
        .stdout
        .trim()
        .to_owned();
    let missing = Action::Answer {
        status: 404,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    bench.fault(Fault::on("GET", &format!("*/apis/{listed}"), missing).always());
    let second = run(&bench, &["create-api", "Stock API"]);
    assert_ne!(second.code(0).stdout.trim(), listed);
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
    run(&bench, &["create-api", "x", "--api", "20123456"])
        .code(2)
        .tells("--api has no effect");
    run(&bench, &["create-api", "x", "--label", &"l".repeat(256)])
        .code(2)
        .tells("--label");
    run(&bench, &["create-api", "x", "--asset-version", "1.2.3"])
        .code(5)
        .tells("major versions");
}

#[test]
fn a_dry_run_of_create_api_prints_the_number_of_what_is_there_and_creates_nothing() {
    let bench = bench();
    let dry = |name: &str| run(&bench, &["create-api", name, "--dry-run"]);
    let told = dry("Stock API");
    assert_eq!(told.code(0).tells("one would be created").stdout, "");
    let told = dry("Orders API");
    assert_eq!(told.code(0).stdout, format!("{API_INSTANCE_ID}\n"));
    assert!(
        bench
            .sim
            .requests()
            .iter()
            .all(|entry| entry.method == "GET" || entry.path.ends_with("/token"))
    );
}
