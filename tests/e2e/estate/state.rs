//! What is remembered from run to run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::estate::{Estate, in_hours, wrong};

#[test]
fn the_state_is_readable_by_its_owner_alone_and_holds_what_is_wrong_and_no_more() {
    let estate = Estate::new();
    estate.finds(
        "dns_cf",
        &[
            wrong("zone", "acme.example", "missing"),
            crate::estate::item("zone", "well.example"),
        ],
    );
    estate.run(["run"]).code(10);
    let meta = fs::metadata(estate.state_file()).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let memory = estate.memory();
    assert_eq!(memory["last_exit_code"], 10);
    assert!(
        memory["last_run"].is_string() && memory["last_success"] == memory["last_run"],
        "{memory}"
    );
    assert_eq!(memory["alarms"].as_array().unwrap().len(), 1);
    assert_eq!(memory["alarms"][0]["name"], "acme.example");

    estate.finds("dns_cf", &[]);
    estate.run(["run"]).code(0);
    assert_eq!(estate.memory()["alarms"], json!([]));
}

#[test]
fn a_check_changes_nothing_in_it() {
    let estate = Estate::new();
    estate.run(["check"]).code(0);
    assert!(!estate.state_file().exists());
}

#[test]
fn a_state_file_that_is_damaged_or_lost_is_made_anew_with_a_warning() {
    let estate = Estate::new();
    let first = estate.run(["run"]);
    first.code(0);
    assert_eq!(first.stderr, "");
    let whole = fs::read_to_string(estate.state_file()).unwrap();
    let damages = [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        "null".to_owned(),
        "\u{0}\u{1}".to_owned(),
        whole.replace("\"version\": 1", "\"version\": 99"),
        whole.replace("\"alarms\": []", "\"alarms\": [{}]"),
    ];
    for damage in damages {
        assert_ne!(damage, whole);
        fs::write(estate.state_file(), &damage).unwrap();
        estate.run(["check"]).code(0);
        estate
            .run(["run"])
            .code(0)
            .tells("estate.json is damaged; it is made anew");
        assert_eq!(estate.memory()["last_exit_code"], 0);
        assert_eq!(estate.run(["run"]).code(0).stderr, "");
    }
    fs::write(estate.state_file(), [0xff, 0xfe]).unwrap();
    estate.run(["run"]).code(0).tells("it is made anew");
    fs::remove_file(estate.state_file()).unwrap();
    estate
        .run(["run"])
        .code(0)
        .tells("estate.json is gone; it is made anew");
    assert_eq!(estate.run(["run"]).code(0).stderr, "");
}

#[test]
fn a_state_that_cannot_be_written_is_found_before_anything_is_done() {
    let mut estate = Estate::new();
    estate.bench.write("a-file", "");
    let state = estate.bench.home().join("a-file");
    estate.bench.set("XDG_STATE_HOME", state.to_str().unwrap());
    estate
        .run(["run"])
        .code(2)
        .tells("estate.json cannot be written");
    assert!(estate.calls().is_empty());
    estate.run(["check"]).code(0);
}

#[test]
fn estates_with_other_homes_are_told_apart_and_forgotten_when_nobody_looks() {
    let estate = Estate::new();
    estate.finds("dns_cf", &[wrong("zone", "acme.example", "missing")]);
    estate.run(["run"]).code(10);
    estate.bench.write("other/account.conf", "");
    let alarms = |home: &str| {
        let state: Value =
            serde_json::from_str(&fs::read_to_string(estate.state_file()).unwrap()).unwrap();
        let estates = state["estates"].as_object().unwrap().clone();
        let of = estates.iter().find(|(name, _)| name.contains(home));
        of.map(|(_, memory)| memory["alarms"].as_array().unwrap().len())
    };
    estate.finds("dns_cf", &[]);
    estate.run(["run", "--home", "other"]).code(0);
    assert_eq!((alarms(".acme.sh"), alarms("other")), (Some(1), Some(0)));

    let mut state: Value =
        serde_json::from_str(&fs::read_to_string(estate.state_file()).unwrap()).unwrap();
    for (name, memory) in state["estates"].as_object_mut().unwrap() {
        if name.contains("other") {
            memory["last_run"] = in_hours(-181 * 24).into();
        }
    }
    fs::write(estate.state_file(), state.to_string()).unwrap();
    estate.run(["run"]).code(0);
    assert_eq!(alarms("other"), None);
}
