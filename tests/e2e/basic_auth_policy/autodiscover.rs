//! `basic-auth-policy autodiscover`.

use fixtures::Bench;
use simulator::anypoint::application_manager::{Configuration, SecureForm};

use crate::fixture::{bench, run, switch, url};

fn configuration(bench: &Bench) -> Configuration {
    let world = bench.sim.world();
    world.anypoint.deployment("orders").unwrap().running.clone()
}

fn restarts(bench: &Bench) -> u32 {
    let world = bench.sim.world();
    world
        .anypoint
        .deployment("orders")
        .unwrap()
        .change
        .restarts()
}

#[test]
fn autodiscover_connects_an_application_with_its_api() {
    let bench = bench();
    switch(&bench, |switches| {
        switches.application_manager.redeploy_ms = 1500;
    });
    let secret = bench.sim.world().anypoint.organizations[0].environments[0]
        .client_secret
        .clone();
    let dry = run(&bench, &["autodiscover", "--app", "orders", "--dry-run"]);
    dry.code(0)
        .prints("would be changed")
        .prints("api.id: 20123456")
        .never_shows(&secret);
    assert_eq!(restarts(&bench), 0);
    let told = run(&bench, &["autodiscover", "--app", "orders", "-vv"]);
    told.code(0).prints("is active").never_shows(&secret);
    let running = configuration(&bench);
    assert_eq!(running.properties["api.id"], "20123456");
    assert_eq!(
        running.properties["anypoint.platform.gatekeeper"],
        "flexible"
    );
    assert_eq!(
        running.properties["anypoint.platform.base_uri"],
        bench.sim.url()
    );
    assert!(
        running.properties["anypoint.platform.analytics_base_uri"].contains("analytics-ingest.")
    );
    assert_eq!(running.secure["anypoint.platform.client_secret"], secret);
    // Nothing differs: no restart.
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(0)
        .prints("is up to date");
    assert_eq!(restarts(&bench), 1);
    // And now the whole way of the tutorial.
    run(&bench, &["apply"]).code(0);
    run(&bench, &["verify", "--url", &url(&bench, "/orders")]).code(0);
    run(&bench, &["autodiscover", "--app", "orders", "--undo"])
        .code(0)
        .prints("api.id: removed");
    assert_eq!(configuration(&bench), Configuration::default());
    run(&bench, &["autodiscover", "--app", "orders", "--undo"]).code(4);
}

#[test]
fn autodiscover_never_deletes_a_protected_property() {
    for secure in [SecureForm::Empty, SecureForm::Masked] {
        let bench = bench();
        {
            let mut world = bench.sim.world();
            world.anypoint.switches.application_manager.secure = secure;
            let application = &mut world.anypoint.deployments[0];
            let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            application.desired.properties = [own("log.level", "INFO")].into();
            application.desired.secure = [
                own("db.password", "canary-db-1"),
                own("mq.password", "canary-mq-1"),
            ]
            .into();
            application.running = application.desired.clone();
        }
        let before = configuration(&bench);
        run(&bench, &["autodiscover", "--app", "orders"])
            .code(2)
            .tells("db.password, mq.password")
            .tells("--secure db.password=@FILE");
        assert_eq!(configuration(&bench), before);
        bench.write("db", "canary-db-1\n");
        bench.write("mq", "canary-mq-1\n");
        let secure = ["--secure", "db.password=@db", "--secure", "mq.password=@mq"];
        let with = |more: &[&'static str]| {
            let mut args = vec!["autodiscover", "--app", "orders"];
            args.extend(secure);
            args.extend(more);
            args
        };
        run(&bench, &with(&[])).code(0).never_shows("canary-db-1");
        let running = configuration(&bench);
        assert_eq!(running.properties["log.level"], "INFO");
        assert_eq!(running.secure["db.password"], "canary-db-1");
        assert_eq!(running.secure.len(), 3);
        run(&bench, &with(&[])).code(0).prints("is up to date");
        run(&bench, &["autodiscover", "--app", "orders", "--undo"])
            .code(2)
            .tells("db.password");
        run(&bench, &with(&["--undo"])).code(0);
        assert_eq!(configuration(&bench), before);
    }
}

#[test]
fn autodiscover_goes_back_when_the_redeployment_fails() {
    let bench = bench();
    switch(&bench, |switches| {
        switches.application_manager.failing_redeployments = 1;
    });
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(5)
        .tells("did not start")
        .tells("were restored");
    let world = bench.sim.world();
    let application = world.anypoint.deployment("orders").unwrap();
    assert_eq!(application.desired, Configuration::default());
}

#[test]
fn autodiscover_says_what_to_look_at_when_the_instance_does_not_become_active() {
    let bench = bench();
    bench.sim.world().anypoint.deployments[0].autodiscovery = Some("other.id".to_owned());
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--timeout", "2s"],
    )
    .code(7)
    .tells("is not active after 2 s")
    .tells("apiId=\"${api.id}\"");
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--property", "other.id"],
    )
    .code(0);
}

#[test]
fn autodiscover_warns_when_the_platform_may_hide_protected_properties() {
    let bench = bench();
    switch(&bench, |switches| {
        switches.application_manager.secure = SecureForm::Hidden;
    });
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(0)
        .tells("if it has any, they are lost");
}

#[test]
fn autodiscover_refuses_what_it_cannot_do() {
    let mut bench = bench();
    run(&bench, &["autodiscover", "--app", "stock"])
        .code(4)
        .tells("\"stock\"")
        .tells("orders");
    run(
        &bench,
        &[
            "autodiscover",
            "--app",
            "orders",
            "--secure",
            "db.password=canary-in-args",
        ],
    )
    .code(2)
    .tells("NAME=@FILE")
    .never_shows("canary-in-args");
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--secure", "x=@nowhere"],
    )
    .code(4);
    run(&bench, &["autodiscover", "--app", "orders", "--undo"]).code(4);
    bench.write("platform-secret", "canary-platform-0001");
    bench.set("PLATFORM_CLIENT_SECRET_FILE", "platform-secret");
    run(
        &bench,
        &[
            "autodiscover",
            "--app",
            "orders",
            "--platform-client-id",
            "cid",
            "--timeout",
            "2s",
        ],
    )
    .code(7)
    .never_shows("canary-platform-0001");
    let running = configuration(&bench);
    assert_eq!(
        running.secure["anypoint.platform.client_secret"],
        "canary-platform-0001"
    );
    assert_eq!(running.properties["anypoint.platform.client_id"], "cid");
}
