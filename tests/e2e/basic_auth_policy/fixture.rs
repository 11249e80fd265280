//! The API `orders-api`, and everything set that `apply` needs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fixtures::{Bench, Finished};
use simulator::Entry;
use simulator::anypoint::api_manager::{Policy, Template};
use simulator::anypoint::{ApiInstance, Grant, Switches};
use simulator::seed::{API_INSTANCE_ID, ORGANIZATION_ID, SANDBOX_ID};

pub(crate) const PASSWORD: &str = "canary-password-one-41d7";
pub(crate) const OTHER: &str = "canary-password-two-93bc";
pub(crate) const POLICIES: &str = "/apimanager/api/v1/organizations/*/policies";

/// The API `orders-api`, and everything set that `apply` needs.
pub(crate) fn bench() -> Bench {
    Bench::with_api(PASSWORD)
}

/// The same, with the application `orders` connected to its API.
pub(crate) fn connected() -> Bench {
    let bench = bench();
    {
        let mut world = bench.sim.world();
        let environment = world.anypoint.organizations[0].environments[0].clone();
        let application = &mut world.anypoint.deployments[0];
        let properties = [
            ("api.id", API_INSTANCE_ID.to_string()),
            ("anypoint.platform.client_id", environment.client_id),
            ("anypoint.platform.base_uri", bench.sim.url().to_owned()),
            ("anypoint.platform.gatekeeper", "flexible".to_owned()),
        ];
        application.desired.properties = properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        application.desired.secure = [(
            "anypoint.platform.client_secret".to_owned(),
            environment.client_secret,
        )]
        .into();
        application.running = application.desired.clone();
    }
    bench
}

pub(crate) fn run(bench: &Bench, args: &[&str]) -> Finished {
    let finished = bench.run("basic-auth-policy", args);
    assert!(
        bench.sim.unexpected().is_empty(),
        "{:?}",
        bench.sim.unexpected()
    );
    finished
}

pub(crate) fn policies(bench: &Bench) -> Vec<Policy> {
    let world = bench.sim.world();
    let api = world.anypoint.api_manager.instance(API_INSTANCE_ID);
    api.unwrap().policies.clone()
}

pub(crate) fn the_policy(bench: &Bench) -> Policy {
    let policies = policies(bench);
    assert_eq!(policies.len(), 1);
    policies[0].clone()
}

pub(crate) fn password_of(policy: &Policy) -> &str {
    policy.configuration["password"].as_str().unwrap()
}

/// Requests that change policies.
pub(crate) fn writes(bench: &Bench) -> Vec<Entry> {
    let mut all = bench.sim.requests();
    all.retain(|entry| entry.method != "GET" && entry.path.contains("/policies"));
    all
}

pub(crate) fn url(bench: &Bench, path: &str) -> String {
    format!("https://{}{path}", bench.sim.ingress_addr())
}

pub(crate) fn scopes(bench: &Bench, scopes: &[&str]) {
    let mut world = bench.sim.world();
    world.anypoint.apps[0].scopes = scopes.iter().map(|scope| Grant::of(scope)).collect();
}

pub(crate) fn switch(bench: &Bench, change: impl FnOnce(&mut Switches)) {
    change(&mut bench.sim.world().anypoint.switches);
}

/// Changes `orders-api` behind the program's back.
pub(crate) fn change_api(bench: &Bench, change: impl FnOnce(&mut ApiInstance)) {
    let mut world = bench.sim.world();
    let api = world.anypoint.api_manager.instance_mut(API_INSTANCE_ID);
    change(api.unwrap());
}

pub(crate) fn add_template(bench: &Bench, template: Template) {
    let mut world = bench.sim.world();
    world.anypoint.api_manager.templates.push(template);
}

/// Where a generated password is kept until it has arrived.
pub(crate) fn pending(bench: &Bench) -> PathBuf {
    bench.home().join(format!(
        ".local/state/anypoint-hooks/basic-auth-policy-password-{ORGANIZATION_ID}-{SANDBOX_ID}-{API_INSTANCE_ID}"
    ))
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A server without TLS that gives the same answer to so many requests.
pub(crate) fn plain_server(head: &'static str, requests: usize) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    format!("http://{address}/")
}

/// Lets acme.sh call: its conf files are in the home.
pub(crate) fn acme_calls(bench: &mut Bench) -> std::path::PathBuf {
    let conf = bench.write(
        "acme/acme.example/acme.example.conf",
        "Le_Domain='acme.example'\n",
    );
    let account = bench.write("acme/account.conf", "");
    bench
        .called_by_acme_sh(&conf)
        .set("NO_TIMESTAMP", "1")
        .set("ACCOUNT_CONF_PATH", account.to_str().unwrap());
    conf
}

pub(crate) fn forget_settings(bench: &mut Bench) {
    for name in [
        "ANYPOINT_URL",
        "ORGANIZATION_ID",
        "ANYPOINT_CLIENT_ID",
        "ANYPOINT_CLIENT_SECRET",
        "ENVIRONMENT_ID",
        "API_INSTANCE_ID",
        "BASIC_AUTH_USERNAME",
        "BASIC_AUTH_PASSWORD",
        "BASIC_AUTH_PASSWORD_FILE",
    ] {
        bench.unset(name);
    }
}

pub(crate) fn run_raw(bench: &Bench, args: &[&str]) -> Finished {
    bench.run("basic-auth-policy", args)
}
