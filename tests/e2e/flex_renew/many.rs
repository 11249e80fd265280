//! `run`: every configured gateway, side by side.

use std::fmt::Write as _;
use std::fs;

use simulator::registration::{Identity, Layout};

use crate::edge::{Edge, days_left, place, read};

fn with_gateways(days: &[i64], more: &[&str]) -> Edge {
    let mut edge = Edge::with_days(100);
    let mut config = String::from("[flex]\nworkers = 3\n");
    for (index, days) in days.iter().enumerate() {
        let folder = format!("g{index}/conf.d");
        place(
            &mut edge.bench,
            &folder,
            &Identity::default(),
            Layout::Pem,
            *days,
        );
        write!(
            config,
            "[[flex.gateway]]\nname = \"edge-{index}\"\nfile = \"{folder}/registration.yaml\"\n{}\n",
            more.get(index).unwrap_or(&"")
        )
        .unwrap();
    }
    let config = edge.bench.write("hooks.toml", config);
    edge.bench
        .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
    edge
}

fn left(edge: &Edge, index: usize) -> i64 {
    days_left(&read(
        &edge.in_home(&format!("g{index}/conf.d/registration.yaml")),
    ))
}

#[test]
fn what_is_due_is_renewed_and_the_rest_left() {
    let edge = with_gateways(&[5, 100, 10, 200, 20], &[]);
    let run = edge.run(&["run"]);
    run.code(0)
        .prints("3 renewed, 2 not due, 0 failed")
        .tells("edge-2: ");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 6);
    for (index, line) in lines[..5].iter().enumerate() {
        assert!(line.starts_with(&format!("edge-{index}: ")), "{line}");
    }
    assert_eq!(
        [0, 1, 2, 3, 4].map(|index| left(&edge, index)),
        [365, 100, 365, 200, 365]
    );
}

#[test]
fn one_that_fails_stops_no_other_and_its_code_is_the_answer() {
    let more = [
        "",
        "restart_cmd = \"exit 3\"",
        "client_id = \"own\"\nclient_secret_env = \"OWN_SECRET\"",
        "",
    ];
    let mut edge = with_gateways(&[5, 5, 5, 5], &more);
    edge.bench
        .set_secret("OWN_SECRET", "wrong-canary-own-secret");
    fs::write(edge.in_home("g3/conf.d/registration.yaml"), "").unwrap();
    let run = edge.run(&["run", "--output", "json", "-vv"]);
    let json = run.code(5).json();
    assert_eq!(json["renewed"], 1);
    assert_eq!(json["failed"], 3);
    let codes: Vec<_> = json["gateways"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["exit_code"].as_i64())
        .collect();
    assert_eq!(codes, [None, Some(5), Some(3), Some(2)]);
    assert_eq!(json["gateways"][0]["action"], "renewed");
    run.tells("error: edge-2: ")
        .tells("3 of 4 gateways failed, edge-1 first");
    assert_eq!([0, 1, 2].map(|index| left(&edge, index)), [365, 5, 5]);
}

#[test]
fn two_registrations_in_one_folder_do_not_disturb_each_other() {
    let mut edge = Edge::with_days(100);
    let mut config = String::new();
    for index in 0..6 {
        let from = place(
            &mut edge.bench,
            &format!("tmp{index}"),
            &Identity::default(),
            Layout::Pem,
            5,
        );
        let to = edge.in_home(&format!("flex/conf.d/r{index}.yaml"));
        fs::rename(from, &to).unwrap();
        write!(
            config,
            "[[flex.gateway]]\nname = \"r{index}\"\nfile = \"{}\"\n",
            to.display()
        )
        .unwrap();
    }
    let config = edge.bench.write("hooks.toml", config);
    edge.bench
        .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
    edge.run(&["run"])
        .code(0)
        .prints("6 renewed, 0 not due, 0 failed");
}

#[test]
fn a_registration_given_by_the_environment_beats_the_list() {
    let mut edge = with_gateways(&[5], &[]);
    edge.bench
        .set("FLEX_REGISTRATION_FILE", edge.file.to_str().unwrap());
    edge.run(&["run"]).code(0).prints("not due");
    assert_eq!(left(&edge, 0), 5);
}

#[test]
fn one_that_cannot_be_read_stops_neither_a_check_nor_an_inspection_of_the_others() {
    let edge = with_gateways(&[5, 100, 100], &[]);
    fs::write(edge.in_home("g1/conf.d/registration.yaml"), "").unwrap();
    let run = edge.run(&["check"]);
    run.code(2)
        .prints("DUE edge-0: 5 days left")
        .prints("edge-1: FAILED: ")
        .prints("OK edge-2: 100 days left")
        .tells("error: edge-1: ")
        .tells("1 of 3 gateways failed, edge-1 first");
    let json = edge.run(&["inspect", "--output", "json"]).code(2).json();
    assert_eq!(json[0]["days_left"], 5);
    assert_eq!(json[1]["gateway"], "edge-1");
    assert_eq!(json[1]["exit_code"], 2);
    assert_eq!(json[2]["days_left"], 100);
    let dates = edge.run(&["inspect", "--output", "flexctl"]);
    assert_eq!(dates.code(2).stdout.lines().count(), 2, "{dates}");
    fs::remove_file(edge.in_home("g0/conf.d/registration.yaml")).unwrap();
    edge.run(&["check"])
        .code(4)
        .prints("edge-0: FAILED: ")
        .prints("OK edge-2");
}

#[test]
fn of_a_registration_whose_key_does_not_match_it_is_not_said_that_nothing_is_due() {
    let edge = with_gateways(&[100, 100], &[]);
    let other = fs::read_to_string(edge.in_home("g1/conf.d/registration.yaml")).unwrap();
    let path = edge.in_home("g0/conf.d/registration.yaml");
    let own = fs::read_to_string(&path).unwrap();
    let (before, _) = own.split_once("      key: |").unwrap();
    let (_, key) = other.split_once("      key: |").unwrap();
    fs::write(&path, format!("{before}      key: |{key}")).unwrap();
    let run = edge.run(&["run"]);
    run.code(2)
        .tells("holds no private key that belongs to its certificate")
        .prints("0 renewed, 1 not due, 1 failed");
    let run = edge.run(&["renew", path.to_str().unwrap()]);
    run.code(2).never_shows("not due");
    edge.run(&["inspect"])
        .code(2)
        .prints("does not belong to the certificate")
        .prints("belongs to the certificate");
    assert!(edge.calls().is_empty());
}

/// Two gateways of the configuration file that have one registration, and one that has its own.
fn with_one_registration_for_two(more: &str) -> Edge {
    let mut edge = Edge::with_days(10);
    edge.bench.unset("FLEX_RESTART_CMD");
    let other = place(
        &mut edge.bench,
        "other/conf.d",
        &Identity::default(),
        Layout::Pem,
        100,
    );
    let link = edge.in_home("link.yaml");
    std::os::unix::fs::symlink(&edge.file, &link).unwrap();
    let config = format!(
        "[[flex.gateway]]\nname = \"a\"\nfile = \"{}\"\nrestart_cmd = \"echo a >> restarted\"\n\
         [[flex.gateway]]\nname = \"other\"\nfile = \"{}\"\nrestart_cmd = \"echo other >> restarted\"\n\
         [[flex.gateway]]\nname = \"b\"\nfile = \"{}\"\nrestart_cmd = \"echo b >> restarted{more}\"\n",
        edge.file.display(),
        other.display(),
        link.display()
    );
    let config = edge.bench.write("hooks.toml", config);
    edge.bench
        .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
    edge
}

fn restarted(edge: &Edge) -> String {
    fs::read_to_string(edge.in_home("restarted")).unwrap_or_default()
}

#[test]
fn two_gateways_with_one_registration_are_both_restarted() {
    let edge = with_one_registration_for_two("");
    edge.run(&["run"])
        .code(0)
        .prints("a: renewed")
        .prints("b: renewed")
        .prints("2 renewed, 1 not due, 0 failed");
    assert_eq!(restarted(&edge), "a\nb\n");
    assert_eq!(edge.calls().len(), 1);
    edge.run(&["renew", "b", "--force"]).code(0);
    assert_eq!(restarted(&edge), "a\nb\nb\na\n");
    // Who says what is to be restarted means that alone.
    edge.run(&[
        "renew",
        "a",
        "--force",
        "--restart-cmd",
        "echo own >> restarted",
    ])
    .code(0);
    assert_eq!(restarted(&edge), "a\nb\nb\na\nown\n");
}

#[test]
fn where_one_of_two_gateways_with_one_registration_does_not_restart_both_get_the_old_one_back() {
    let edge = with_one_registration_for_two("; test $(wc -l < restarted) -gt 2");
    let before = edge.bytes();
    edge.run(&["run"])
        .code(5)
        .prints("b: FAILED: its registration is that of a, which failed")
        .tells("the old one is in place again");
    assert_eq!(edge.bytes(), before);
    assert_eq!(restarted(&edge), "a\nb\na\nb\n");
}
