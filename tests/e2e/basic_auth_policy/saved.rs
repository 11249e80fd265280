//! As a deploy hook of acme.sh: what is saved, and what a renewal needs.

use fixtures::Finished;
use simulator::seed::{API_INSTANCE_ID, CLIENT_ID, CLIENT_SECRET};

use crate::fixture::{
    PASSWORD, acme_calls, bench, change_api, connected, forget_settings, password_of, run, run_raw,
    the_policy,
};

#[test]
fn everything_that_a_hook_needs_can_stand_in_the_configuration_file() {
    let mut bench = bench();
    for name in [
        "API_INSTANCE_ID",
        "ENVIRONMENT_ID",
        "BASIC_AUTH_USERNAME",
        "BASIC_AUTH_PASSWORD",
    ] {
        bench.unset(name);
    }
    bench.write("conf/short", "short\n");
    let file = bench.write(
        "conf/hooks.toml",
        "[basic_auth_policy]\napi_instance = 20123456\nenvironment = \"Sandbox\"\nusername = \"svc\"\n\
         password_file = \"short\"\nallow_weak = true\npolicy_version = \"1.3.1\"\norder = 1\n\
         methods = [\"GET\"]\npaths = [\"/orders/.*\"]\n",
    );
    bench.set("ANYPOINT_HOOKS_CONFIG", file.to_str().unwrap());
    run(&bench, &["apply"]).code(0).tells("fewer than 12");
    let policy = the_policy(&bench);
    assert_eq!(policy.version, "1.3.1");
    assert_eq!(policy.pointcut[0]["uriTemplateRegex"], "/orders/.*");
    run(&bench, &["apply"]).code(0).prints("is up to date");
    bench.write(
        "conf/hooks.toml",
        "[basic_auth_policy]\nusrname = \"svc\"\n",
    );
    run(&bench, &["apply"]).code(2).tells("usrname");
}

#[test]
fn a_renewal_re_asserts_the_policy_from_what_was_saved() {
    let mut bench = connected();
    let conf = acme_calls(&mut bench);
    run(&bench, &["apply"]).code(0).prints("applied");
    let saved = std::fs::read_to_string(&conf).unwrap();
    for line in [
        "Le_Domain='acme.example'",
        "SAVED_API_INSTANCE_ID='20123456'",
        "SAVED_ENVIRONMENT_ID='Sandbox'",
        "SAVED_BASIC_AUTH_USERNAME='svc'",
    ] {
        assert!(saved.contains(line), "{line} is missing in {saved}");
    }
    forget_settings(&mut bench);
    run(&bench, &["apply"]).code(0).prints("is up to date");
    run_raw(&bench, &["disable", "--yes"]).code(0);
    run(&bench, &["apply"]).code(0).prints("switched on again");
    change_api(&bench, |api| api.policies.clear());
    run(&bench, &["apply"]).code(0).prints("applied");
    assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), saved);
}

#[test]
fn of_a_password_in_a_file_the_path_is_saved() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    bench.unset("BASIC_AUTH_PASSWORD");
    bench.write("svc.password", PASSWORD);
    bench.set("BASIC_AUTH_PASSWORD_FILE", "svc.password");
    run(&bench, &["apply"]).code(0);
    let saved = std::fs::read_to_string(&conf).unwrap();
    let path = bench.home().join("svc.password");
    assert!(!saved.contains(PASSWORD), "{saved}");
    assert!(
        saved.contains(&format!(
            "SAVED_BASIC_AUTH_PASSWORD_FILE='{}'",
            path.display()
        )),
        "{saved}"
    );
    forget_settings(&mut bench);
    run(&bench, &["apply"]).code(0).prints("is up to date");
    // A rotation into that file is what the next renewal asserts.
    let rotated = ["rotate", "--password-out", "svc.password"];
    run(&bench, &rotated).code(0);
    run(&bench, &["apply"]).code(0).prints("is up to date");
    assert_ne!(password_of(&the_policy(&bench)), PASSWORD);
}

#[test]
fn a_rotation_tells_the_deploy_hooks_in_acme_shs_home() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    run(&bench, &["apply"]).code(0);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    let rotate = ["rotate", "--password-out", "new", "--home", "acme"];
    run(&bench, &rotate)
        .code(0)
        .tells("deploy hook of acme.example");
    let handed = std::fs::read_to_string(bench.home().join("new")).unwrap();
    assert!(
        std::fs::read_to_string(&conf)
            .unwrap()
            .contains(handed.trim())
    );
    bench.set("ANYPOINT_HOOKS_VOICE", "acme");
    forget_settings(&mut bench);
    run(&bench, &["apply"]).code(0).prints("is up to date");
}

#[test]
fn credentials_are_saved_once_accepted_and_a_bearer_never() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    bench.set("ENVIRONMENT_ID", "Nowhere");
    run(&bench, &["apply"]).code(4);
    let saved = std::fs::read_to_string(&conf).unwrap();
    assert!(
        saved.contains(&format!("SAVED_ANYPOINT_CLIENT_ID='{CLIENT_ID}'")),
        "{saved}"
    );
    assert!(!saved.contains("BASIC_AUTH"), "{saved}");

    let mut bench = self::bench();
    let conf = acme_calls(&mut bench);
    bench.set("ANYPOINT_CLIENT_SECRET", "wrong-secret-000");
    run(&bench, &["apply"]).code(3);
    assert_eq!(
        std::fs::read_to_string(&conf).unwrap(),
        "Le_Domain='acme.example'\n"
    );
    bench.set("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET);
    run(&bench, &["status"]).code(0);
    let token = bench.bearer();
    bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    bench.set_secret("ANYPOINT_BEARER", token.clone());
    run(&bench, &["apply"]).code(0);
    assert!(!std::fs::read_to_string(&conf).unwrap().contains(&token));
}

#[test]
fn a_conf_file_that_cannot_be_written_is_found_before_the_first_request() {
    let mut bench = bench();
    acme_calls(&mut bench);
    bench.set(
        "DOMAIN_CONF",
        bench.home().join("no/such.conf").to_str().unwrap(),
    );
    run(&bench, &["apply"]).code(2).tells("cannot be written");
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn the_shim_hands_everything_over() {
    let mut bench = connected();
    let conf = acme_calls(&mut bench);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    let shim = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scripts/deploy/basic_auth_policy"
    );
    let program = fixtures::program("basic-auth-policy");
    let script = format!(
        "_err() {{ echo \"$@\" >&2; }}\n. '{shim}'\nPATH='{}':$PATH\n\
         basic_auth_policy_deploy acme.example key cert ca fullchain\n",
        program.parent().unwrap().display()
    );
    let output = bench.command("basic-auth-policy", [""; 0]);
    let mut sh = std::process::Command::new("sh");
    sh.arg("-c")
        .arg(script)
        .current_dir(bench.home())
        .env_clear();
    for (name, value) in output.get_envs() {
        if let Some(value) = value {
            sh.env(name, value);
        }
    }
    let told = Finished::from(sh.output().unwrap());
    told.code(0).prints("applied").never_shows(PASSWORD);
    assert!(
        std::fs::read_to_string(conf)
            .unwrap()
            .contains("SAVED_API_INSTANCE_ID")
    );
}

/// What a whole configuration file holds.
fn configuration_file(bench: &fixtures::Bench) -> std::path::PathBuf {
    bench.write("conf/platform.secret", CLIENT_SECRET);
    bench.write("conf/svc.password", PASSWORD);
    bench.write(
        "conf/hooks.toml",
        format!(
            "[anypoint]\nurl = \"{}\"\norganization = \"Acme\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret_file = \"platform.secret\"\n\n\
             [basic_auth_policy]\napi_instance = {API_INSTANCE_ID}\nenvironment = \"Sandbox\"\nusername = \"svc\"\n\
             password_file = \"svc.password\"\n",
            bench.sim.url()
        ),
    )
}

#[test]
fn a_renewal_finds_the_configuration_file_that_the_first_call_named() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    forget_settings(&mut bench);
    let file = configuration_file(&bench);
    // cron starts in another folder.
    bench.set("ANYPOINT_HOOKS_CONFIG", "conf/hooks.toml");
    run(&bench, &["apply"]).code(0).prints("applied");
    assert_eq!(
        std::fs::read_to_string(&conf).unwrap(),
        format!(
            "Le_Domain='acme.example'\nSAVED_ANYPOINT_HOOKS_CONFIG='{}'\n",
            file.display()
        )
    );
    bench.unset("ANYPOINT_HOOKS_CONFIG");
    run(&bench, &["apply"]).code(0).prints("is up to date");
}

#[test]
fn a_label_that_cannot_apply_to_the_api_of_the_configuration_file_is_an_error() {
    let mut bench = bench();
    forget_settings(&mut bench);
    let file = configuration_file(&bench);
    bench.set("ANYPOINT_HOOKS_CONFIG", file.to_str().unwrap());
    for command in ["apply", "status", "enable"] {
        run(&bench, &[command, "--label", "prod"])
            .code(2)
            .tells("--label has no effect")
            .tells("basic_auth_policy.api_instance in")
            .tells("hooks.toml");
    }
    run(&bench, &["status", "--all", "--label", "prod"]).code(2);
    assert!(bench.sim.requests().is_empty());
    run(&bench, &["apply"]).code(0);
    bench.write("conf/hooks.toml", "[basic_auth_policy]\n");
    run(&bench, &["status", "--label", "prod"])
        .code(2)
        .tells("without the name of an API");
}

#[test]
fn what_the_platform_has_not_accepted_replaces_nothing_that_a_renewal_works_with() {
    let mut bench = bench();
    let conf = acme_calls(&mut bench);
    run(&bench, &["apply"]).code(0);
    let saved = std::fs::read_to_string(&conf).unwrap();
    bench.set("ENVIRONMENT_ID", "Nowhere");
    bench.set("API_INSTANCE_ID", "4711");
    run(&bench, &["apply"]).code(4);
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), saved);
}
