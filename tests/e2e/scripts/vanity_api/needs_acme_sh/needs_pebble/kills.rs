//! Killed at any moment and run again, it ends in the same state.
//!
//! `VANITY_API_KILLS` is how often that is tried; `VANITY_API_KILLS_SEED` repeats a run.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use fixtures::Random;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::vanity_api::road::Road;

const KILLS: u64 = 20;
const STEPS: u64 = 10;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

/// About how long a step takes where its work is not done yet.
fn length(step: u64) -> Duration {
    Duration::from_millis(if step == 1 { 4000 } else { 400 })
}

/// Runs the script, and kills it and all that it has started some time after a step began. Whether that came in time.
fn kill_after(road: &Road, step: u64, moment: Duration) -> bool {
    let mut child = road
        .command(&[])
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begins = format!("== {step}/10 ");
    let mut printed = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let has_begun = line.starts_with(&begins);
        printed.push(line);
        if has_begun {
            thread::sleep(moment);
            // The number is the child's own until it has been waited for.
            kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
            return !child.wait().unwrap().success();
        }
    }
    let told = child.wait_with_output().unwrap();
    panic!(
        "it ends before step {step}:\n{}\n{}",
        printed.join("\n"),
        String::from_utf8_lossy(&told.stderr)
    );
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn killed_at_any_moment_and_run_again_it_ends_in_the_same_state() {
    let times = number("VANITY_API_KILLS").unwrap_or(KILLS);
    let seed = number("VANITY_API_KILLS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("VANITY_API_KILLS_SEED={seed}");
    let mut random = Random::new(seed);
    let road = Road::new();
    let (mut killed, mut missed) = (0, 0);
    while killed < times {
        // Each step is the first that is not done yet for some of the kills.
        let step = 1 + killed * STEPS / times;
        let moment = random.time_below(length(step));
        if kill_after(&road, step, moment) {
            println!("killed {moment:?} after step {step} had begun");
            killed += 1;
        } else {
            missed += 1;
            assert!(missed < times, "it ends before it can be killed");
        }
    }
    road.run(&[]).code(0);
    road.is_complete();
}
