//! `basic_auth_policy` as a deploy hook: what a renewal asserts after a rotation, and without any environment.

use std::fs;

use fixtures::{AcmeSh, Finished};
use simulator::anypoint::ApiInstance;
use simulator::seed;

use crate::fixture::{Environment, Fixture, read, text};

const API: &str = "orders-api";
const HOOK: &str = "basic_auth_policy";

fn fixture() -> Fixture {
    let mut fixture = Fixture::with(AcmeSh::without_hooks());
    fixture.acme.installer(&["basic-auth-policy"]).code(0);
    for password in ["canary-sandbox-5e1a", "canary-production-88d2"] {
        fixture.acme.never_shown(password);
    }
    fixture
}

fn deploy(fixture: &Fixture, environment: &Environment, domain: &str) -> Finished {
    let arguments = ["--deploy", "-d", domain, "--deploy-hook", HOOK];
    fixture.acme.run(environment, arguments)
}

/// User and password of the one policy of `orders-api` in an environment.
fn policy(fixture: &Fixture, environment: &str) -> (String, String) {
    let world = fixture.sim.world();
    let instances = &world.anypoint.api_manager.instances;
    let api = instances
        .iter()
        .find(|api| api.asset == API && api.environment == environment)
        .unwrap();
    assert_eq!(api.policies.len(), 1);
    let value = |key: &str| {
        api.policies[0].configuration[key]
            .as_str()
            .unwrap()
            .to_owned()
    };
    (value("username"), value("password"))
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn after_a_rotation_renewals_assert_the_new_password_in_its_environment_alone() {
    let fixture = fixture();
    fixture.sim.world().anypoint.add_api(ApiInstance {
        environment: seed::PRODUCTION_ID.to_owned(),
        asset: API.to_owned(),
        ..ApiInstance::default()
    });
    let with = |environment: &str, password: &str| -> Environment {
        let mut all = fixture.authority();
        all.extend([
            ("ANYPOINT_URL", fixture.sim.url().to_owned()),
            ("ANYPOINT_CLIENT_ID", seed::CLIENT_ID.to_owned()),
            ("ANYPOINT_CLIENT_SECRET", seed::CLIENT_SECRET.to_owned()),
            ("ORGANIZATION_ID", "Acme".to_owned()),
            ("API_INSTANCE_ID", API.to_owned()),
            ("ENVIRONMENT_ID", environment.to_owned()),
            ("BASIC_AUTH_USERNAME", "svc".to_owned()),
            ("BASIC_AUTH_PASSWORD", password.to_owned()),
        ]);
        all
    };
    let sandbox = with("Sandbox", "canary-sandbox-5e1a");
    let production = with("Production", "canary-production-88d2");
    for (domain, environment) in [
        ("sandbox.acme.example", &sandbox),
        ("acme.example", &production),
    ] {
        fixture.put_certificate(domain);
        deploy(&fixture, environment, domain)
            .code(0)
            .prints("applied");
    }
    let other = read(&fixture.acme.domain_conf("acme.example"));

    let new = fixture.acme.folder().join("new");
    let rotate = ["rotate", "--username", "svc2", "--password-out"];
    fixture
        .acme
        .run_program(
            "basic-auth-policy",
            &sandbox,
            rotate.map(str::to_owned).into_iter().chain([text(&new)]),
        )
        .code(0)
        .tells("deploy hook of sandbox.acme.example");
    let handed = fs::read_to_string(&new).unwrap().trim().to_owned();
    assert_eq!(read(&fixture.acme.domain_conf("acme.example")), other);

    for domain in ["sandbox.acme.example", "acme.example"] {
        deploy(&fixture, &fixture.authority(), domain)
            .code(0)
            .prints("is up to date");
    }
    assert_eq!(
        policy(&fixture, seed::SANDBOX_ID),
        ("svc2".to_owned(), handed)
    );
    assert_eq!(
        policy(&fixture, seed::PRODUCTION_ID),
        ("svc".to_owned(), "canary-production-88d2".to_owned())
    );
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn a_renewal_without_any_environment_finds_the_configuration_file_of_the_first_deployment() {
    let fixture = fixture();
    fixture.put_certificate("acme.example");
    let folder = fixture.acme.folder();
    fs::write(folder.join("platform.secret"), seed::CLIENT_SECRET).unwrap();
    fs::write(folder.join("svc.password"), "canary-sandbox-5e1a").unwrap();
    let file = folder.join("hooks.toml");
    fs::write(
        &file,
        format!(
            "[anypoint]\nurl = \"{}\"\norganization = \"Acme\"\nclient_id = \"{}\"\n\
             client_secret_file = \"platform.secret\"\n\n\
             [basic_auth_policy]\napi_instance = \"{API}\"\nenvironment = \"Sandbox\"\nusername = \"svc\"\n\
             password_file = \"svc.password\"\n\n[network]\nca_bundle = \"{}\"\n",
            fixture.sim.url(),
            seed::CLIENT_ID,
            fixture.sim.ca_pem_path().display()
        ),
    )
    .unwrap();
    let environment = vec![("ANYPOINT_HOOKS_CONFIG", text(&file))];
    deploy(&fixture, &environment, "acme.example")
        .code(0)
        .prints("applied");
    assert_eq!(
        fixture.deploy_conf("acme.example", "ANYPOINT_HOOKS_CONFIG"),
        text(&file)
    );
    deploy(&fixture, &Vec::new(), "acme.example")
        .code(0)
        .prints("is up to date");
    assert_eq!(
        policy(&fixture, seed::SANDBOX_ID),
        ("svc".to_owned(), "canary-sandbox-5e1a".to_owned())
    );
}
