//! Flags against what the configuration file says about each gateway, and where settings come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fixtures::Finished;

use crate::edge::{Edge, days_left};

/// One gateway on this host, and one in a cluster.
fn with_two_gateways() -> Edge {
    let mut edge = Edge::with_days(10);
    let config = edge.bench.write(
        "hooks.toml",
        "[flex]\nwithin = \"20d\"\nkeep = 7\n[[flex.gateway]]\nname = \"host\"\nfile = \"flex/conf.d/registration.yaml\"\n\
         image = \"own-image\"\n[[flex.gateway]]\nname = \"cluster\"\nnamespace = \"gateway\"\n",
    );
    edge.bench
        .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
    edge
}

fn renew(edge: &Edge, args: &[&str]) -> Finished {
    edge.run(&[&["renew"], args].concat())
}

#[test]
fn a_flag_that_cannot_apply_to_a_gateway_of_the_file_is_an_error() {
    let edge = with_two_gateways();
    let before = edge.bytes();
    let on_host = "its registration is a file on this host";
    for (args, words) in [
        (["host", "--namespace", "gateway"], on_host),
        (["host", "--deployment", "ingress"], on_host),
        (["host", "--secret", "s"], on_host),
        (["host", "--context", "c"], on_host),
        (["host", "--release", "r"], on_host),
        (["host", "--chart", "c"], on_host),
        (["host", "--via", "linux"], on_host),
        (
            ["host", "--runtime", "kubernetes"],
            "but its registration is the file",
        ),
        (
            ["host", "--image", "other"],
            "flexctl runs in no container here (runtime linux)",
        ),
        (
            ["cluster", "--runtime", "docker"],
            "--runtime does not apply to cluster, which is in Kubernetes",
        ),
        (
            ["cluster", "--restart", "edge"],
            "is restarted by a rollout",
        ),
    ] {
        let run = renew(&edge, &args);
        assert_eq!(run.code, Some(2), "{args:?}: {run}");
        assert!(run.stderr.contains(words), "{args:?}: {run}");
        assert!(run.stderr.contains(args[1]), "{args:?}: {run}");
    }
    edge.run(&["check", "--runtime", "docker"])
        .code(2)
        .tells("--runtime does not apply to cluster");
    assert_eq!(edge.bytes(), before);
    assert!(edge.calls().is_empty());
}

#[test]
fn flexctl_of_this_host_cannot_be_chosen_where_it_runs_in_a_container() {
    let mut edge = Edge::with_days(10);
    // It has no containers, which is all that is asked of it.
    let podman = edge.bench.write("programs/podman", "#!/bin/sh\n");
    fs::set_permissions(&podman, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = edge.in_home("programs");
    edge.bench.set("PATH", folder.to_str().unwrap());
    edge.renew(&["--runtime", "podman", "--flexctl", "/opt/flexctl"])
        .code(2)
        .tells("--flexctl does not apply: flexctl runs in a container here (runtime podman)");
    assert!(edge.calls().is_empty());
}

#[test]
fn a_flag_that_does_apply_beats_what_the_file_says() {
    let edge = with_two_gateways();
    edge.run(&["check", "host"]).code(10);
    edge.run(&["check", "host", "--within", "5d"]).code(0);
    renew(&edge, &["host", "--within", "5d"])
        .code(0)
        .prints("not due");
    renew(&edge, &["host", "--restart-cmd", "echo > restarted"]).code(0);
    assert!(edge.in_home("restarted").exists());
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_runtime_for_all_gateways_is_not_meant_for_one_that_is_in_a_cluster_by_its_own_table() {
    let mut edge = with_two_gateways();
    edge.bench
        .set("FLEX_RUNTIME", "docker")
        .set("PATH", "/nowhere");
    // It gets as far as kubectl.
    edge.run(&["check", "cluster"]).code(4).tells("kubectl");
    edge.bench.set("FLEX_RUNTIME", "kubernetes");
    edge.run(&["check", "host"])
        .code(2)
        .tells("FLEX_RUNTIME (environment) says that host is in Kubernetes");
}

#[test]
fn every_setting_in_force_is_shown_with_its_origin_and_no_secret() {
    let edge = with_two_gateways();
    let run = edge.run(&["config"]);
    run.code(0);
    let line = |name: &str| {
        let found = run
            .stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        found.unwrap_or_else(|| panic!("{name}: {run}")).to_owned()
    };
    let length = crate::edge::SECRET.len();
    assert!(line("FLEX_CLIENT_SECRET").contains(&format!("*** ({length} characters)")));
    assert!(line("FLEX_CLIENT_ID").contains("(environment)"));
    assert!(line("--keep").contains("flex.keep in "));
    assert!(line("--timeout").ends_with("default"));
    let json = edge.run(&["config", "--set", "--output", "json"]).json();
    let names: Vec<&str> = json["settings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|setting| setting["name"].as_str())
        .collect();
    assert!(names.contains(&"--within") && !names.contains(&"--timeout"));
}
