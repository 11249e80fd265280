//! Told to stop: the programs are told, too, get the time to end, and nothing new begins.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use fixtures::{Finished, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::estate::Estate;

/// Tells that it is at work, and goes on until it is told to end; then tells how.
const AT_WORK: &str = r#"
trap 'echo told >>"$here/$me.told"; exit 6' TERM INT
: >"$here/$me.waits"
while :; do sleep 1 & wait $!; done
"#;

fn started(estate: &Estate, args: &[&str]) -> Child {
    estate
        .command(args.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // As under a timer: nobody else gets the signal.
        .process_group(0)
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn told(estate: &Estate, program: &str) -> Option<String> {
    fs::read_to_string(estate.bin().join(format!("{program}.told"))).ok()
}

#[test]
fn a_run_that_is_told_to_stop_hands_it_on_once_and_begins_nothing_new() {
    for signal in [Signal::TERM, Signal::INT] {
        let estate = Estate::new();
        let steps = [("cloudhub_v2", "reconcile"), ("flex-renew", "run")];
        for (program, step) in steps {
            estate.does(program, step, AT_WORK);
        }
        let child = started(&estate, &["run"]);
        wait_until("both are at work", || {
            steps
                .iter()
                .all(|(program, _)| estate.bin().join(format!("{program}.waits")).is_file())
        });
        send(&child, signal);
        let finished = Finished::from(child.wait_with_output().unwrap());
        finished.code(6).tells("stopped by a signal");
        for (program, _) in steps {
            assert_eq!(
                told(&estate, program).as_deref(),
                Some("told\n"),
                "{program}"
            );
        }
        let calls = estate.calls();
        assert!(
            !calls.iter().any(|call| call.contains(" check ")),
            "{calls:?}"
        );
        let memory = estate.memory();
        assert_eq!(memory["last_exit_code"], 6);
        assert!(memory["last_success"].is_null());

        for (program, step) in steps {
            estate.works_again(program, step);
        }
        estate.run(["run"]).code(0);
        assert_eq!(estate.memory()["last_exit_code"], 0);
    }
}

#[test]
fn a_step_that_comes_to_a_good_end_after_the_signal_has_succeeded() {
    let estate = Estate::new();
    estate.does(
        "flex-renew",
        "run",
        r#"trap 'kill $!; echo told >>"$here/$me.told"' TERM
        : >"$here/$me.waits"
        sleep 600 & wait $!
        "#,
    );
    let child = started(&estate, &["run", "--steps", "flex-renew"]);
    wait_until("it is at work", || {
        estate.bin().join("flex-renew.waits").is_file()
    });
    send(&child, Signal::TERM);
    let finished = Finished::from(child.wait_with_output().unwrap());
    finished.code(6).tells("stopped by a signal");
    assert_eq!(told(&estate, "flex-renew").as_deref(), Some("told\n"));
    assert_eq!(estate.memory()["failed_steps"], serde_json::json!({}));
}

#[test]
fn a_run_that_is_stopped_while_it_checks_tells_nobody_of_what_it_did_not_see() {
    let estate = Estate::new();
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        "[estate]\nnotify_cmd = \"cat >>notified\"\n",
    );
    estate.does("dns_cf", "check", AT_WORK);
    let child = started(&estate, &["run"]);
    wait_until("the check is at work", || {
        estate.bin().join("dns_cf.waits").is_file()
    });
    send(&child, Signal::TERM);
    Finished::from(child.wait_with_output().unwrap()).code(6);
    assert!(!estate.bench.home().join("notified").exists());
    assert_eq!(estate.memory()["alarms"], serde_json::json!([]));
}

#[test]
fn a_check_that_is_told_to_stop_hands_it_on_too() {
    let estate = Estate::new();
    estate.does("dns_cf", "check", AT_WORK);
    let child = started(&estate, &["check"]);
    wait_until("it is at work", || {
        estate.bin().join("dns_cf.waits").is_file()
    });
    send(&child, Signal::TERM);
    Finished::from(child.wait_with_output().unwrap()).code(6);
    assert_eq!(told(&estate, "dns_cf").as_deref(), Some("told\n"));
}
