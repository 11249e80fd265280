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
