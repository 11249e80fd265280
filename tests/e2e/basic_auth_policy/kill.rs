//! Killed, or told to stop, at any moment: the password in force is in a file, and the next run succeeds.
//!
//! `BASIC_AUTH_KILLS` is how often that is tried for each destination, half of the times with each signal;
//! `BASIC_AUTH_KILLS_SEED` repeats a run.

#![expect(
    clippy::print_stdout,
    reason = "the seed, to repeat a run that failed, and how the moments were spread"
)]

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use fixtures::{Bench, Random};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{connected, password_of, pending, run, the_policy, url};

const KILLS: u32 = 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|number| number.parse().unwrap())
}

/// Where the new password goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    File,
    Stdout,
}

#[derive(Debug, Default)]
struct Count {
    stopped: u32,
    in_the_file: u32,
    pending: u32,
    printed: u32,
}

#[test]
fn a_password_that_goes_to_a_file_is_in_a_file_whenever_the_run_is_stopped() {
    stop_often(Destination::File);
}

#[test]
fn a_password_that_is_printed_is_printed_or_in_a_file_whenever_the_run_is_stopped() {
    stop_often(Destination::Stdout);
}

fn stop_often(to: Destination) {
    let times = number("BASIC_AUTH_KILLS").map_or(KILLS, |times| u32::try_from(times).unwrap());
    let seed = number("BASIC_AUTH_KILLS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{to:?}: BASIC_AUTH_KILLS_SEED={seed}");
    let mut random = Random::new(seed);
    let bench = connected();
    run(&bench, &["apply"]).code(0);
    let url = url(&bench, "/orders");
    let args: &[&str] = match to {
        // Nothing is proved: what a proof would take longest with comes after the hand-over here.
        Destination::File => &["rotate", "--password-out", "new"],
        Destination::Stdout => &["rotate", "--url", &url, "--output", "json"],
    };
    let whole = |known: &mut String| {
        let started = Instant::now();
        let told = run(&bench, args);
        told.code(0);
        *known = match to {
            Destination::File => in_file(&bench).unwrap(),
            Destination::Stdout => told.json()["password"].as_str().unwrap().to_owned(),
        };
        assert_eq!(*known, in_force(&bench));
        assert!(!pending(&bench).exists());
        started.elapsed()
    };
    let mut known = String::new();
    let mut lasts = (0..3).map(|_| whole(&mut known)).min().unwrap();
    let mut count = Count::default();
    while count.stopped < times {
        let child = bench
            .command("basic-auth-policy", args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(random.time_below(lasts.mul_f64(1.1)));
        let gentle = count.stopped % 2 == 1;
        let (success, printed) = stop(child, gentle);
        if success {
            known = in_force(&bench);
            continue;
        }
        count.stopped += 1;

        let now = in_force(&bench);
        if pending_password(&bench).as_ref() == Some(&now) {
            count.pending += 1;
        } else if in_file(&bench).as_ref() == Some(&now) {
            count.in_the_file += 1;
        } else {
            let is_printed = printed.contains(&now);
            assert!(
                to == Destination::Stdout && (is_printed || now == known),
                "nobody has the password in force (seed {seed}, after {})",
                count.stopped
            );
            count.printed += u32::from(is_printed);
        }
        lasts = (lasts * 7 + whole(&mut known)) / 8;
    }
    println!("{to:?}: {count:?}");
    // Otherwise the moments were not spread over the whole run. Few of them may all miss what takes milliseconds.
    assert!(times < 300 || count.pending > times / 100, "{count:?}");
}

/// Ends a run, with the signal that can be caught if `gentle`. Whether it had succeeded already, and what it printed.
fn stop(mut child: Child, gentle: bool) -> (bool, String) {
    if gentle {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    } else {
        child.kill().unwrap();
    }
    let ended = child.wait_with_output().unwrap();
    let printed = String::from_utf8(ended.stdout).unwrap();
    (ended.status.success(), printed)
}

fn in_force(bench: &Bench) -> String {
    password_of(&the_policy(bench)).to_owned()
}

fn in_file(bench: &Bench) -> Option<String> {
    let text = fs::read_to_string(bench.home().join("new")).ok()?;
    Some(text.trim_end().to_owned())
}

fn pending_password(bench: &Bench) -> Option<String> {
    let text = fs::read_to_string(pending(bench)).ok()?;
    text.strip_suffix('\n').map(str::to_owned)
}
