//! `basic-auth-policy autodiscover`.

use fixtures::Bench;
use simulator::anypoint::application_manager::{Configuration, SecureForm};

use crate::fixture::{bench, connected, run, switch, url};

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
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(2)
        .tells("shows no protected properties")
        .tells("--yes");
    assert_eq!(restarts(&bench), 0);
    let told = run(&bench, &["autodiscover", "--app", "orders", "--yes", "-vv"]);
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
    run(&bench, &["autodiscover", "--app", "orders", "--yes"])
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
    let again = ["autodiscover", "--app", "orders", "--timeout", "2s"];
    run(&bench, &[&again[..], &["--yes"]].concat())
        .code(7)
        .tells("is not active after 2 s")
        .tells("apiId=\"${api.id}\"")
        .tells("--gatekeeper disabled");
    // Nothing is left to change, and that it is not active stays what it is. It does not restart for that.
    run(&bench, &again).code(7).tells("is not active after 2 s");
    assert_eq!(restarts(&bench), 1);
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--property", "other.id"],
    )
    .code(0);
}

#[test]
fn autodiscover_deletes_no_protected_property_that_it_cannot_see() {
    let bench = bench();
    {
        let mut world = bench.sim.world();
        world.anypoint.switches.application_manager.secure = SecureForm::Hidden;
        let application = &mut world.anypoint.deployments[0];
        application.desired.secure = [("db.password".to_owned(), "canary-db-1".to_owned())].into();
        application.running = application.desired.clone();
    }
    let before = configuration(&bench);
    bench.write("db", "canary-db-1\n");
    let with = [
        "autodiscover",
        "--app",
        "orders",
        "--secure",
        "db.password=@db",
    ];
    run(&bench, &with).code(2).tells("--yes");
    assert_eq!(configuration(&bench), before);
    run(&bench, &[&with[..], &["--yes"]].concat()).code(0);
    assert_eq!(configuration(&bench).secure["db.password"], "canary-db-1");
    // What was written then is still there, so nothing has to be written.
    run(&bench, &with).code(0).prints("is up to date");
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(0)
        .prints("is up to date");
    assert_eq!(restarts(&bench), 1);
    run(&bench, &[&with[..], &["--undo"]].concat())
        .code(2)
        .tells("--yes");
    run(&bench, &[&with[..], &["--undo", "--yes"]].concat()).code(0);
    assert_eq!(configuration(&bench), before);
}

#[test]
fn autodiscover_leaves_the_gatekeeper_as_it_is_unless_asked() {
    let bench = connected();
    bench.sim.world().anypoint.deployments[0]
        .desired
        .properties
        .insert(
            "anypoint.platform.gatekeeper".to_owned(),
            "strict".to_owned(),
        );
    let gatekeeper = || {
        let world = bench.sim.world();
        let application = world.anypoint.deployment("orders").unwrap();
        application.desired.properties["anypoint.platform.gatekeeper"].clone()
    };
    run(&bench, &["autodiscover", "--app", "orders"]).code(0);
    assert_eq!(gatekeeper(), "strict");
    for choice in ["disabled", "flexible"] {
        let told = run(
            &bench,
            &["autodiscover", "--app", "orders", "--gatekeeper", choice],
        );
        told.code(0);
        assert_eq!(
            told.stderr.contains("the API is open"),
            choice == "disabled"
        );
        assert_eq!(gatekeeper(), choice);
    }
}

#[test]
fn autodiscover_restarts_nothing_for_a_value_that_it_cannot_compare() {
    let bench = connected();
    {
        let mut world = bench.sim.world();
        let application = &mut world.anypoint.deployments[0];
        for secure in [
            &mut application.desired.secure,
            &mut application.running.secure,
        ] {
            secure.insert("db.password".to_owned(), "canary-db-1".to_owned());
        }
        let url = application.desired.properties["anypoint.platform.base_uri"].clone();
        let analytics = url.replacen("://", "://analytics-ingest.", 1);
        application
            .desired
            .properties
            .insert("anypoint.platform.analytics_base_uri".to_owned(), analytics);
    }
    bench.write("db", "canary-db-1\n");
    let with = [
        "autodiscover",
        "--app",
        "orders",
        "--secure",
        "db.password=@db",
    ];
    run(&bench, &with).code(0).prints("is up to date");
    assert_eq!(restarts(&bench), 0);
}

#[test]
fn undo_takes_back_only_what_autodiscover_changed_and_shows_no_secret() {
    let bench = bench();
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let secret = bench.sim.world().anypoint.organizations[0].environments[0]
        .client_secret
        .clone();
    {
        // As somebody sets it who does not know of protected properties.
        let mut world = bench.sim.world();
        let application = &mut world.anypoint.deployments[0];
        application.desired.properties = [
            own("anypoint.platform.client_secret", &secret),
            own("anypoint.platform.client_id", "another"),
            own("log.level", "INFO"),
        ]
        .into();
        application.running = application.desired.clone();
    }
    run(&bench, &["autodiscover", "--app", "orders", "--yes"])
        .code(0)
        .never_shows(&secret);
    {
        let mut world = bench.sim.world();
        let properties = &mut world.anypoint.deployments[0].desired.properties;
        properties.extend([
            own("log.level", "DEBUG"),
            own("anypoint.platform.gatekeeper", "strict"),
            own("new.one", "1"),
        ]);
    }
    let undo = ["autodiscover", "--app", "orders", "--undo"];
    run(&bench, &[&undo[..], &["--dry-run"]].concat())
        .code(0)
        .prints("would be changed")
        .prints("api.id: removed")
        .prints("client_secret: not protected any more")
        .never_shows(&secret);
    run(&bench, &undo)
        .code(0)
        .tells("others have changed")
        .tells("anypoint.platform.gatekeeper")
        .never_shows(&secret);
    let expected = [
        own("anypoint.platform.client_secret", &secret),
        own("anypoint.platform.client_id", "another"),
        own("anypoint.platform.gatekeeper", "strict"),
        own("log.level", "DEBUG"),
        own("new.one", "1"),
    ];
    let running = configuration(&bench);
    assert_eq!(running.properties, expected.into());
    assert!(running.secure.is_empty());
}

#[test]
fn a_redeployment_that_a_killed_run_left_is_waited_for() {
    let bench = bench();
    switch(&bench, |switches| {
        switches.application_manager.redeploy_ms = 3_600_000;
    });
    let soon = [
        "autodiscover",
        "--app",
        "orders",
        "--yes",
        "--timeout",
        "1s",
    ];
    run(&bench, &soon)
        .code(7)
        .tells("is not redeployed after 1 s");
    // The run that began it is gone.
    run(&bench, &soon)
        .code(7)
        .tells("is still being redeployed");
    bench
        .sim
        .world()
        .clock
        .advance(std::time::Duration::from_secs(3600));
    run(&bench, &["autodiscover", "--app", "orders"])
        .code(0)
        .prints("is up to date")
        .prints("is active");
    assert_eq!(restarts(&bench), 1);
}

#[test]
fn a_version_that_exchange_does_not_have_is_refused() {
    let bench = connected();
    bench.sim.world().anypoint.deployments[0].published = vec!["1.0.0".to_owned()];
    let told = run(
        &bench,
        &[
            "autodiscover",
            "--app",
            "orders",
            "--app-version",
            "2.0.0",
            "--dry-run",
        ],
    );
    told.code(0)
        .prints("orders 1.0.0 would be changed")
        .prints("version: 1.0.0 → 2.0.0");
    run(
        &bench,
        &["autodiscover", "--app", "orders", "--app-version", "2.0.0"],
    )
    .code(5)
    .tells("no version 2.0.0");
    assert_eq!(restarts(&bench), 0);
}

#[test]
fn version_and_properties_change_in_one_redeployment() {
    let bench = bench();
    let version = || {
        bench
            .sim
            .world()
            .anypoint
            .deployment("orders")
            .unwrap()
            .version
            .clone()
    };
    let to = |version: &'static str| ["autodiscover", "--app", "orders", "--app-version", version];
    run(&bench, &[&to("2.0.0")[..], &["--yes"]].concat())
        .code(0)
        .prints("orders 2.0.0 was changed")
        .prints("version: 1.0.0 → 2.0.0")
        .prints("api.id: 20123456");
    assert_eq!((version().as_str(), restarts(&bench)), ("2.0.0", 1));
    let before = configuration(&bench);
    // A version alone touches no property, so no protected value is needed.
    bench.sim.world().anypoint.deployments[0]
        .desired
        .secure
        .insert("db.password".to_owned(), "canary-db-1".to_owned());
    run(&bench, &to("2.1.0"))
        .code(0)
        .prints("version: 2.0.0 → 2.1.0");
    let after = configuration(&bench);
    assert_eq!(after.properties, before.properties);
    assert_eq!(after.secure["db.password"], "canary-db-1");
    let json = run(
        &bench,
        &["autodiscover", "--app", "orders", "--output", "json"],
    )
    .json();
    assert_eq!(json["version"], "2.1.0");
    run(&bench, &["autodiscover", "--app", "orders", "--undo"])
        .code(0)
        .prints("version: 2.1.0 → 2.0.0");
    assert_eq!(version(), "2.0.0");
    // A version that does not start.
    switch(&bench, |switches| {
        switches.application_manager.failing_redeployments = 1;
    });
    run(&bench, &to("3.0.0"))
        .code(5)
        .tells("did not start")
        .tells("the previous version of orders was restored");
    assert_eq!(version(), "2.0.0");
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
            "--yes",
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
