//! What child programs see of the environment: none of the variables that hold secrets, ours or acme.sh's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use simulator::seed::CLIENT_ID;

use crate::edge::Edge;

/// Programs that stand in front of the real ones and write down what they see.
const PROGRAMS: [&str; 6] = [
    "docker",
    "flexctl",
    "kubectl",
    "logger",
    "podman",
    "systemctl",
];

/// Every variable that holds a secret for one of the programs, those that acme.sh keeps of them, and two whose names the
/// configuration file chooses.
const SECRETS: [&str; 22] = [
    "ANYPOINT_BEARER",
    "ANYPOINT_CLIENT_SECRET",
    "BASIC_AUTH_PASSWORD",
    "CF_Key",
    "CF_Token",
    "CF_Zone_Token",
    "CH2_CLIENT_SECRET",
    "CH2_KEY_PASSPHRASE",
    "FLEX_CLIENT_SECRET",
    "FLEX_PASSWORD",
    "PLATFORM_CLIENT_SECRET",
    "SAVED_ANYPOINT_CLIENT_SECRET",
    "SAVED_BASIC_AUTH_PASSWORD",
    "SAVED_CF_Key",
    "SAVED_CF_Token",
    "SAVED_CF_Zone_Token",
    "SAVED_CH2_CLIENT_SECRET",
    "SAVED_CH2_KEY_PASSPHRASE",
    "SAVED_FLEX_CLIENT_SECRET",
    "SAVED_FLEX_PASSWORD",
    "OWN_SECRET_OF_THE_GATEWAY",
    "OWN_SECRET_OF_ANOTHER_PROGRAM",
];

/// A gateway whose list of gateways names a variable of its own, with a canary in every secret variable.
fn with_canaries() -> Edge {
    let mut edge = Edge::with_days(10);
    let real = fixtures::program("flexctl");
    for name in PROGRAMS {
        let then = match name {
            "flexctl" => format!("exec {} \"$@\"", real.display()),
            // The cluster is not what this is about.
            "kubectl" => "exit 1".to_owned(),
            _ => "exit 0".to_owned(),
        };
        let seen = edge.in_home(&format!("seen-by-{name}"));
        let script = format!("#!/bin/sh\nenv >> {}\n{then}\n", seen.display());
        let path = edge.bench.write(&format!("programs/{name}"), script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let programs = edge.in_home("programs");
    let path = std::env::var("PATH").unwrap();
    let config = edge.bench.write(
        "hooks.toml",
        "[[flex.gateway]]\nname = \"edge\"\nfile = \"flex/conf.d/registration.yaml\"\nclient_id = \"own\"\n\
         client_secret_env = \"OWN_SECRET_OF_THE_GATEWAY\"\n\
         [dns_cf]\ntoken_env = \"OWN_SECRET_OF_ANOTHER_PROGRAM\"\n",
    );
    edge.bench
        .unset("FLEXCTL")
        .set("PATH", format!("{}:{path}", programs.display()))
        .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap())
        .set("ANYPOINT_CLIENT_ID", CLIENT_ID);
    for name in SECRETS {
        edge.bench
            .set_secret(name, format!("canary-of-{}", name.to_lowercase()));
    }
    edge
}

/// What a child program saw, which is something, and nothing that holds a secret.
fn assert_sees_no_secret(edge: &Edge, name: &str) {
    let seen = fs::read_to_string(edge.in_home(&format!("seen-by-{name}")))
        .unwrap_or_else(|err| panic!("{name} was not started: {err}"));
    assert!(seen.contains("\nPATH=") || seen.starts_with("PATH="));
    let leaked: Vec<&str> = seen
        .lines()
        .filter(|line| line.to_lowercase().contains("canary"))
        .collect();
    assert!(leaked.is_empty(), "{name} sees {leaked:?}");
}

#[test]
fn no_child_program_of_a_renewal_sees_a_secret() {
    let mut edge = with_canaries();
    let url = edge.bench.sim.url().to_owned();
    let seen = edge.in_home("seen-by-restart-command");
    edge.bench
        .set("ANYPOINT_URL", url)
        .set("ANYPOINT_HOOKS_VOICE", "acme")
        .set("SYS_LOG", "9")
        .set("FLEX_RESTART_CMD", format!("env > {}", seen.display()));
    // The platform refuses the canaries, after everything else is done.
    edge.run(&["renew", "edge"])
        .code(7)
        .tells("the platform does not prove it");
    for name in ["podman", "docker", "flexctl", "restart-command", "logger"] {
        assert_sees_no_secret(&edge, name);
    }
}

#[test]
fn neither_systemctl_nor_kubectl_sees_a_secret() {
    let mut edge = with_canaries();
    edge.bench.unset("FLEX_RESTART_CMD");
    edge.run(&["renew", "edge"]).code(7);
    assert_sees_no_secret(&edge, "systemctl");
    edge.run(&["check", "--namespace", "gateway"]).code(5);
    assert_sees_no_secret(&edge, "kubectl");
}
