//! `flex-renew` as deploy hook, with the real acme.sh.

use std::fs;
use std::path::Path;

use common::flex::registration::{Files, Registration};
use fixtures::{AcmeSh, Finished, program};
use simulator::registration::{Identity, Layout, compose, now};

use crate::fixture::{DOMAIN, Environment, Fixture, read, text};

const DAY: u64 = 24 * 60 * 60;
const SECRET: &str = "canary-flex-secret-in-a-file-8c02";

fn fixture() -> Fixture {
    let mut acme = AcmeSh::without_hooks();
    acme.never_shown(SECRET);
    acme.installer(&["flex-renew"]).code(0);
    let fixture = Fixture::with(acme);
    fixture.put_certificate(DOMAIN);
    fixture
}

fn deploy(fixture: &Fixture, environment: &Environment) -> Finished {
    let arguments = ["--deploy", "-d", DOMAIN, "--deploy-hook", "flex_renew"];
    fixture.acme.run(environment, arguments)
}

fn put_registration(path: &Path, days: u64) {
    let end = now() + days * DAY + DAY / 2;
    let composed = compose(&Identity::default(), Layout::Pem, end).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, composed.registration).unwrap();
}

fn days_left(path: &Path) -> u64 {
    let read: Registration = Files::read(path).unwrap().parse("the file").unwrap();
    (u64::try_from(read.expiry().as_second()).unwrap() - now()) / DAY
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn a_configuration_file_that_was_named_once_is_used_by_the_renewal_from_cron() {
    let fixture = fixture();
    let folder = fixture.acme.folder();
    let registration = folder.join("edge/conf.d/registration.yaml");
    put_registration(&registration, 100);
    fs::write(folder.join("flex.secret"), SECRET).unwrap();
    let config = folder.join("hooks.toml");
    fs::write(
        &config,
        format!(
            "[flex]\nclient_id = \"flex-app\"\nclient_secret_file = \"flex.secret\"\nflexctl = \"{}\"\n\
             [[flex.gateway]]\nname = \"edge\"\nfile = \"edge/conf.d/registration.yaml\"\nrestart_cmd = \":\"\n",
            program("flexctl").display()
        ),
    )
    .unwrap();

    let first = deploy(&fixture, &vec![("ANYPOINT_HOOKS_CONFIG", text(&config))]);
    first.code(0).prints("edge: not due");
    assert_eq!(
        fixture.deploy_conf(DOMAIN, "ANYPOINT_HOOKS_CONFIG"),
        text(&config)
    );
    // What stands in the TOML file stays there.
    let conf = read(&fixture.acme.domain_conf(DOMAIN));
    assert!(!conf.contains("FLEX") && !conf.contains(SECRET), "{conf}");

    put_registration(&registration, 3);
    let from_cron = deploy(&fixture, &Environment::new());
    from_cron.code(0).prints("edge: renewed");
    assert_eq!(days_left(&registration), 365);
    assert_eq!(read(&fixture.acme.domain_conf(DOMAIN)), conf);
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn a_list_of_gateways_is_not_hidden_by_a_registration_that_an_earlier_call_named() {
    let fixture = fixture();
    let folder = fixture.acme.folder();
    let [old, new] = ["old", "new"].map(|name| {
        let path = folder.join(name).join("conf.d/registration.yaml");
        put_registration(&path, 100);
        path
    });
    let named = vec![
        ("FLEX_REGISTRATION_FILE", text(&old)),
        ("FLEX_CLIENT_ID", "flex-app".to_owned()),
        ("FLEX_CLIENT_SECRET", SECRET.to_owned()),
        ("FLEXCTL", text(&program("flexctl"))),
        ("FLEX_RESTART_CMD", "true".to_owned()),
    ];
    deploy(&fixture, &named).code(0).prints("not due");

    put_registration(&old, 3);
    let from_cron = deploy(&fixture, &Environment::new());
    from_cron.code(0).prints("renewed");
    assert_eq!(days_left(&old), 365);

    let config = folder.join("hooks.toml");
    fs::write(
        &config,
        format!(
            "[[flex.gateway]]\nname = \"new\"\nfile = \"{}\"\n",
            new.display()
        ),
    )
    .unwrap();
    let listed = vec![("ANYPOINT_HOOKS_CONFIG", text(&config))];
    deploy(&fixture, &listed).code(0).prints("new: not due");
    put_registration(&new, 3);
    let from_cron = deploy(&fixture, &Environment::new());
    from_cron.code(0).prints("new: renewed");
    assert_eq!(days_left(&new), 365);
}
