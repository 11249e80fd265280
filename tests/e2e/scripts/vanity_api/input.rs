//! What is refused, or only shown, without asking anybody anything.

use std::process::Command;

use super::road::options;
use crate::fixture::{Ran, scripts};

/// With nothing in the environment that leads to an acme.sh or one of the programs.
fn script(arguments: &[&str]) -> Ran {
    let mut command = Command::new("/bin/sh");
    command
        .arg(scripts().join("vanity-api.sh"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent");
    Ran::of(&mut command)
}

#[test]
fn each_option_that_is_missing_or_malformed_is_named() {
    for missing in 0..options().len() {
        let mut given = options().to_vec();
        let name = given.remove(missing)[0];
        script(&given.concat()).refused_with(&format!("{name} is missing"));
    }
    let with = |more: &[&str]| script(&[&options().concat()[..], more].concat());
    with(&["--url", "orders.acme.example"]).refused_with("--url 'orders.acme.example' is not");
    with(&["--verify-connect", "ingress"]).refused_with("--verify-connect 'ingress' is not");
    script(&["--host"]).refused_with("--host needs a value");
    script(&["--hosts", "x"]).refused_with("unknown option '--hosts'");
}

#[test]
fn a_host_that_the_certificate_would_not_cover_is_refused() {
    for host in [
        "orders.other.example",
        "a.orders.acme.example",
        "xacme.example",
    ] {
        let given = [&options().concat()[..], &["--host", host]].concat();
        script(&given).refused_with(&format!("would not cover {host}"));
    }
    for host in ["acme.example", "other.acme.example"] {
        let given = [&options().concat()[..], &["--host", host, "--dry-run"]].concat();
        script(&given).succeeds();
    }
}

#[test]
fn where_acme_sh_or_a_program_is_missing_that_is_said() {
    script(&options().concat())
        .refused_with("there is no acme.sh at /nonexistent/.acme.sh/acme.sh");
}

#[test]
fn a_dry_run_prints_the_commands_as_a_shell_takes_them() {
    let more = [
        "--api",
        "Adam's API",
        "--verify-connect",
        "127.0.0.1:8443",
        "--dry-run",
        "--",
        "--server",
        "letsencrypt",
    ];
    let ran = script(&[&options().concat()[..], &more].concat()).succeeds();
    assert_eq!(ran.stderr, "");
    assert_eq!(
        ran.stdout,
        r#"export LE_WORKING_DIR=/nonexistent/.acme.sh CH2_PRIVATE_SPACE_ID=prod-space
# 1/10 Issue a certificate for *.acme.example acme.example
/nonexistent/.acme.sh/acme.sh --issue --dns dns_cf --server letsencrypt -d '*.acme.example' -d acme.example
# 2/10 Deploy it to the private space prod-space
/nonexistent/.acme.sh/acme.sh --deploy -d '*.acme.example' --deploy-hook cloudhub_v2
# 3/10 Point orders.acme.example to the private space
target=$(cloudhub_v2 dns orders.acme.example --dns-target)
dns_cf cname set orders.acme.example "$target"
# 4/10 Wait until DNS leads there
cloudhub_v2 dns orders.acme.example --check
# 5/10 Prove that the certificate is served for orders.acme.example
cloudhub_v2 verify '*.acme.example' --server-name orders.acme.example --connect 127.0.0.1:8443
# 6/10 Expose the application orders at https://orders.acme.example
cloudhub_v2 expose --app orders --host orders.acme.example --environment Production --private-space prod-space
# 7/10 Create the API 'Adam's API', or find it
api_id=$(basic-auth-policy create-api 'Adam'\''s API' --environment Production)
# 8/10 Connect the application to it
basic-auth-policy autodiscover --app orders --api "$api_id" --environment Production
# 9/10 Close it for everybody but svc
basic-auth-policy apply --api "$api_id" --environment Production --username svc --generate-password --password-out orders.password
# 10/10 Prove that it is closed: 401 without the password, success with it
basic-auth-policy verify --url https://orders.acme.example/ --api "$api_id" --environment Production --username svc --password-file orders.password --connect 127.0.0.1:8443
"#
    );
}
