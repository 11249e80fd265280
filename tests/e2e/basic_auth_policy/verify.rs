//! `basic-auth-policy verify`.

use fixtures::{Bench, Finished};
use simulator::anypoint::Deployment;
use simulator::seed::{API_INSTANCE_ID, SANDBOX_ID};

use crate::fixture::{OTHER, bench, change_api, connected, plain_server, run, switch, url};

#[test]
fn verify_proves_an_api_that_is_closed() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    let told = run(&bench, &["verify", "--url", &url, "-vv"]);
    told.code(0)
        .prints("closed")
        .prints("401 without credentials, 401 with wrong ones");
    // The header holds the password in another form.
    let pair = "c3ZjOmNhbmFyeS1wYXNzd29yZC1vbmUtNDFkNw==";
    told.never_shows(pair);
    let json = run(&bench, &["verify", "--url", &url, "--output", "json"])
        .code(0)
        .json();
    assert_eq!(json["verdicts"][0]["proved"], true);
}

#[test]
fn verify_waits_for_a_policy_that_is_on_its_way() {
    let bench = connected();
    switch(&bench, |switches| switches.api_manager.heard_after = 2);
    run(&bench, &["apply"]).code(0);
    let told = run(
        &bench,
        &[
            "verify",
            "--url",
            &url(&bench, "/orders"),
            "-v",
            "--timeout",
            "60s",
        ],
    );
    told.code(0).tells("200 without credentials");
}

#[test]
fn one_replica_that_does_not_enforce_the_policy_means_open() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "none");
    told.code(0).prints("(10 of each)");
    for every in [2, 5, 10] {
        switch(&bench, |switches| {
            switches.api_manager.open_replica_every = every;
        });
        let (why, told) = cause(&bench, "/orders", &[]);
        assert_eq!(why, "partly-enforced", "one of {every}");
        told.code(7).tells("200 without credentials in");
    }
    // Too rare for the requests without credentials of one look: those with wrong ones count as well.
    switch(&bench, |switches| {
        switches.api_manager.open_replica_every = 20;
    });
    assert_eq!(cause(&bench, "/orders", &[]).0, "partly-enforced");
}

#[test]
fn every_line_of_a_challenge_is_read() {
    let bench = bench();
    let server = plain_server(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nWWW-Authenticate: Basic realm=\"x\"\r\n",
        100,
    );
    // The first two kinds of requests are refused as they should be.
    run(&bench, &["verify", "--url", &server, "--timeout", "1s"])
        .code(7)
        .tells("401 with the right credentials");
}

#[test]
fn verify_without_anything_to_know_about_the_platform_still_proves() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    run(&bench, &["verify", "--url", &url(&bench, "/orders")]).code(0);
}

/// The cause that `verify` gives for an address that is not proved.
fn cause(bench: &Bench, path: &str, more: &[&str]) -> (String, Finished) {
    let url = url(bench, path);
    let mut args = vec![
        "verify",
        "--url",
        &url,
        "--output",
        "json",
        "--timeout",
        "3s",
    ];
    args.extend(more);
    let told = run(bench, &args);
    let json = told.json();
    let verdict = &json["verdicts"][0];
    (verdict["cause"].as_str().unwrap_or("none").to_owned(), told)
}

#[test]
fn verify_tells_why_an_api_is_open() {
    let bench = connected();
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-applied");
    told.code(7).tells("basic-auth-policy apply");

    run(&bench, &["apply"]).code(0);
    run(&bench, &["disable", "--yes"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "disabled");
    told.code(7).tells("basic-auth-policy enable");

    run(&bench, &["enable"]).code(0);
    run(&bench, &["apply", "--methods", "POST", "--yes"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-covered");
    told.code(7).tells("--whole-api");
    assert_eq!(cause(&bench, "/orders", &["--method", "post"]).0, "none");

    // On, tracked, and not enforced in time.
    switch(&bench, |switches| {
        switches.api_manager.heard_after = u64::MAX;
    });
    run(&bench, &["apply", "--whole-api"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-enforced");
    told.code(7)
        .tells("a gateway tracks the API")
        .tells("--timeout");
}

#[test]
fn verify_tells_a_way_past_the_gateway() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let way_past = Deployment {
        name: "orders-direct".to_owned(),
        environment: SANDBOX_ID.to_owned(),
        public_url: "https://127.0.0.1/direct".to_owned(),
        ..Deployment::default()
    };
    {
        let mut world = bench.sim.world();
        let world = &mut *world;
        world.anypoint.add_deployment(&mut world.ids, way_past);
    }
    // Another address of the same run is closed.
    let (closed, open) = (url(&bench, "/orders"), url(&bench, "/direct"));
    let told = run(
        &bench,
        &[
            "verify",
            "--url",
            &closed,
            "--url",
            &open,
            "--timeout",
            "3s",
        ],
    );
    told.code(7)
        .prints("closed")
        .prints("NOT PROVED")
        .tells("past the gateway");
    // Or the application with this API is known to be elsewhere.
    bench.sim.world().anypoint.deployments[0].expose_at("https://api.acme.example/orders");
    let (why, told) = cause(&bench, "/direct", &[]);
    assert_eq!(why, "bypass");
    told.code(7).tells("api.acme.example");
}

#[test]
fn verify_tells_a_gatekeeper_that_lets_everybody_in_and_an_api_that_is_not_active() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let set = |name: &str, value: &str| {
        let mut world = bench.sim.world();
        let application = &mut world.anypoint.deployments[0];
        application
            .desired
            .properties
            .insert(name.to_owned(), value.to_owned());
        application.running = application.desired.clone();
        let api = world
            .anypoint
            .api_manager
            .instance_mut(API_INSTANCE_ID)
            .unwrap();
        "unregistered".clone_into(&mut api.status);
    };
    set("anypoint.platform.client_id", "wrong");
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-active");
    told.code(7)
        .tells("503")
        .tells("anypoint.platform.client_id");
    set("anypoint.platform.gatekeeper", "disabled");
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "gatekeeper-disabled");
    told.code(7)
        .tells("anypoint.platform.gatekeeper is disabled");
    // No application names the instance.
    set("api.id", "");
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "not-active");
    told.code(7).tells("unregistered");
}

#[test]
fn verify_tells_a_503_of_an_active_api_from_one_that_is_not_active_yet() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    run(&bench, &["verify", "--url", &url(&bench, "/orders")]).code(0);
    let server = plain_server("HTTP/1.1 503 Service Unavailable\r\n", 100);
    bench.set("HTTPS_INSECURE", "1");
    let told = run(&bench, &["verify", "--url", &server, "--timeout", "2s"]);
    told.code(7)
        .tells("gatekeeper holds requests back for more than 2 s")
        .tells("not encrypted");
}

#[test]
fn verify_tells_wrong_credentials_other_challenges_and_unexpected_answers() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    let (why, told) = cause(&bench, "/orders/missing", &[]);
    assert_eq!(why, "unexpected-answer");
    told.code(7).tells("--expect 404");
    assert_eq!(
        cause(&bench, "/orders/missing", &["--expect", "200,404"]).0,
        "none"
    );
    assert_eq!(
        cause(
            &bench,
            "/orders",
            &["--path", "/missing?x=1", "--expect", "404"]
        )
        .0,
        "none"
    );
    assert_eq!(
        cause(&bench, "/orders", &["--expect", "204"]).0,
        "unexpected-answer"
    );
    bench.set_secret("BASIC_AUTH_PASSWORD", OTHER);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "credentials-refused");
    told.code(7).tells("BASIC_AUTH_PASSWORD");
    change_api(&bench, |api| {
        for policy in &mut api.policies {
            "client-id-enforcement".clone_into(&mut policy.asset);
        }
    });
    run(&bench, &["apply", "--order", "9"]).code(0);
    let (why, told) = cause(&bench, "/orders", &[]);
    assert_eq!(why, "other-authentication");
    told.code(7);
}

#[test]
fn verify_does_not_take_credentials_to_where_it_is_redirected() {
    let bench = bench();
    let server = plain_server(
        "HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\n",
        10,
    );
    let told = run(&bench, &["verify", "--url", &server, "--timeout", "60s"]);
    told.code(7).tells("redirects to https://example.com/");
}

#[test]
fn verify_ends_with_6_when_nothing_answers_and_with_2_when_it_cannot_begin() {
    let mut bench = bench();
    let args = ["verify", "--url", "https://127.0.0.1:1/", "--timeout", "1s"];
    run(&bench, &args).code(6).tells("127.0.0.1");
    run(&bench, &["verify"]).code(2).tells("--url");
    run(&bench, &["verify", "--url", "ftp://x/"])
        .code(2)
        .tells("--url");
    run(&bench, &["verify", "--url", "https://u:p@127.0.0.1/"])
        .code(2)
        .tells("list of processes");
    run(
        &bench,
        &["verify", "--url", "https://x/", "--expect", "401"],
    )
    .code(2)
    .tells("--expect");
    bench.unset("BASIC_AUTH_PASSWORD");
    run(&bench, &["verify", "--url", "https://x/"])
        .code(2)
        .tells("BASIC_AUTH_PASSWORD");
}

#[test]
fn verify_trusts_what_the_settings_say_and_nothing_else() {
    let mut bench = connected();
    run(&bench, &["apply"]).code(0);
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET")
        .unset("CA_BUNDLE");
    let url = url(&bench, "/orders");
    run(&bench, &["verify", "--url", &url, "--timeout", "1s"])
        .code(6)
        .tells("CA_BUNDLE");
    bench.set("HTTPS_INSECURE", "1");
    run(&bench, &["verify", "--url", &url])
        .code(0)
        .tells("not verified");
}

#[test]
fn what_the_application_wants_besides_a_user_is_sent_along() {
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    bench.write("key", "canary-api-key-77\n");
    bench.write("body.json", "{\"probe\":true}");
    let url = url(&bench, "/orders/strict");
    let strict = [
        "verify",
        "--method",
        "POST",
        "--timeout",
        "1s",
        "--url",
        &url,
    ];
    run(&bench, &strict)
        .code(7)
        .tells("400 with the right credentials");
    let with = [
        &strict[..],
        &[
            "--header",
            "X-Api-Key: @key",
            "--body-file",
            "body.json",
            "-vv",
        ],
    ]
    .concat();
    run(&bench, &with).code(0).never_shows("canary-api-key-77");
    let refused = |header: &str| run(&bench, &[&strict[..], &["--header", header]].concat());
    refused("Authorization: Basic canary-in-args")
        .code(2)
        .never_shows("canary-in-args");
    refused("no colon canary-in-args")
        .code(2)
        .never_shows("canary-in-args");
    refused("X-Api-Key: @nowhere").code(4);
}

#[test]
fn a_host_that_is_not_in_dns_yet_is_proved_where_it_will_be() {
    let mut bench = connected();
    bench.sim.world().anypoint.deployments[0].expose_at("https://default.cloudhub.example/orders");
    run(&bench, &["apply"]).code(0);
    // The name resolves nowhere, and the proxy is none.
    bench.set("HTTPS_PROXY", "http://127.0.0.1:9");
    bench.set("NO_PROXY", "127.0.0.1,localhost");
    let at = bench.sim.ingress_addr().to_string();
    let url = "https://default.cloudhub.example/orders";
    run(&bench, &["verify", "--url", url, "--connect", &at])
        .code(0)
        .prints("closed");
    run(&bench, &["verify", "--url", url, "--connect", "host:x"])
        .code(2)
        .tells("--connect");
    run(
        &bench,
        &[
            "verify",
            "--url",
            "https://default.cloudhub.example:8443/orders",
            "--connect",
            &at,
        ],
    )
    .code(2)
    .tells("a port of its own");
}
