//! Killed, or told to stop, at any moment: the registration at its place is whole or said to be unfinished, and the next run
//! succeeds, with a gateway that runs with what is installed.
//!
//! `FLEX_RENEW_KILLS` is how often that is tried for each way of keeping a registration, half of the times with each signal.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::flex::registration::Registration;
use fixtures::Random;
use rustix::process::{Pid, Signal, kill_process};
use simulator::registration::Layout;

use crate::edge::{Edge, entries, names, read};

const KILLS: u32 = 50;
const SIDE_BY_SIDE: u32 = 4;

fn kills(usual: u32) -> u32 {
    std::env::var("FLEX_RENEW_KILLS").map_or(usual, |number| number.parse().unwrap())
}

fn seed() -> u64 {
    let seed = std::env::var("FLEX_RENEW_SEED").map_or_else(
        |_| u64::from(std::process::id()),
        |seed| seed.parse().unwrap(),
    );
    say(&format!("FLEX_RENEW_SEED={seed}"));
    seed
}

#[expect(
    clippy::print_stdout,
    reason = "with the seed a run can be repeated, and the counts are what a long run is for"
)]
fn say(text: &str) {
    println!("{text}");
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    ended: u32,
    old: u32,
    new: u32,
    /// A file of each.
    half: u32,
    /// To be finished by the next run.
    unfinished: u32,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.ended += other.ended;
        self.old += other.old;
        self.new += other.new;
        self.half += other.half;
        self.unfinished += other.unfinished;
    }
}

#[test]
fn at_any_moment_the_registration_is_whole_and_the_next_run_finishes() {
    at_any_moment(Layout::Pem);
}

#[test]
fn at_any_moment_a_split_registration_is_whole_or_unfinished_and_the_next_run_finishes() {
    at_any_moment(Layout::Split);
}

fn at_any_moment(layout: Layout) {
    let (seed, times, started) = (seed(), kills(KILLS), Instant::now());
    for (number, signal) in [(1, Signal::KILL), (2, Signal::TERM)] {
        let mut sum = Count::default();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..SIDE_BY_SIDE)
                .map(|worker| {
                    let share = (times / 2 + worker) / SIDE_BY_SIDE;
                    let random = Random::new(seed + u64::from(number * 100 + worker));
                    scope.spawn(move || end_often(share, random, layout, signal))
                })
                .collect();
            for worker in workers {
                sum.add(worker.join().unwrap());
            }
        });
        say(&format!(
            "{layout:?}, {signal:?}: {sum:?} after {:?}",
            started.elapsed()
        ));
        assert_eq!(sum.ended, times / 2);
        // Otherwise the moments were not spread over the whole run.
        assert!(times < 500 || sum.old > 10 && sum.new > 5, "{sum:?}");
    }
}

fn end_often(times: u32, mut random: Random, layout: Layout, signal: Signal) -> Count {
    let mut edge = Edge::with(10, layout);
    edge.bench.set(
        "FLEX_RESTART_CMD",
        "cat flex/conf.d/*.yaml > loaded.$$ && mv loaded.$$ loaded",
    );
    if layout == Layout::Split {
        edge.bench.set("FLEXCTL_LAYOUT", "split");
    }
    let mut count = Count::default();
    let mut whole_run = Duration::from_millis(500);
    for _ in 0..3 {
        whole_run = whole_run.min(renew(&edge));
    }
    while count.ended < times {
        let before = content(&edge);
        let expiry = edge.installed().expiry();
        let mut child = start(&edge);
        thread::sleep(random.time_below(whole_run.mul_f64(1.2)));
        if end(&mut child, signal) {
            continue;
        }
        count.ended += 1;

        let after = edge.installed();
        let file = edge.file.to_str().unwrap();
        let check = edge.run(&["check", file, "--within", "0d"]);
        match check.code {
            Some(10) => count.unfinished += 1,
            code => assert_eq!(code, Some(0), "{check}"),
        }
        if !after.has_key {
            // There is no one step for two files, so only what cannot be noticed may come between.
            assert!(layout == Layout::Split && signal == Signal::KILL, "{check}");
            check.code(10).prints("UNFINISHED");
            count.half += 1;
        } else if content(&edge) == before {
            count.old += 1;
        } else {
            count.new += 1;
            assert!(after.expiry() > expiry);
        }
        assert!(modes(&edge).iter().all(|mode| *mode == 0o640));

        whole_run = (whole_run * 7 + renew(&edge)) / 8;
        assert_whole_and_loaded(&edge, &after);
    }
    count
}

fn start(edge: &Edge) -> Child {
    let file = edge.file.to_str().unwrap();
    edge.bench
        .command("flex-renew", ["renew", file, "--force"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether it had come to its end before the signal.
fn end(child: &mut Child, signal: Signal) -> bool {
    // It has not been waited for, so the number is still its own.
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    child.wait().unwrap().success()
}

fn renew(edge: &Edge) -> Duration {
    let started = Instant::now();
    edge.run(&["renew", edge.file.to_str().unwrap(), "--force", "-vv"])
        .code(0);
    started.elapsed()
}

fn assert_whole_and_loaded(edge: &Edge, before: &Registration) {
    let installed = read(&edge.file);
    assert!(installed.has_key && installed.expiry() >= before.expiry());
    assert_eq!(fs::read(edge.in_home("loaded")).unwrap(), content(edge));
    // What flexctl had written for a run that was killed is kept, nothing else is left.
    let left = names(&edge.state());
    assert!(
        left == ["backups"] || left == ["backups", "rejected"],
        "{left:?}"
    );
    assert!(edge.backups().len() <= 3);
    let files = names(edge.file.parent().unwrap());
    let expected = ["certificate.yaml", "registration.yaml"];
    assert_eq!(files, expected[usize::from(!installed.split)..]);
}

/// All that a gateway loads.
fn content(edge: &Edge) -> Vec<u8> {
    let files = entries(edge.file.parent().unwrap());
    files
        .iter()
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .flat_map(|file| fs::read(file).unwrap())
        .collect()
}

fn modes(edge: &Edge) -> Vec<u32> {
    let files = entries(edge.file.parent().unwrap());
    files
        .iter()
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|file| fs::metadata(file).unwrap().mode() & 0o7777)
        .collect()
}

mod needs_podman {
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::process::Signal;

    use super::{Count, Random, end, kills, say, seed, start};
    use crate::containers::needs_podman::Gateway;
    use crate::edge::names;

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn at_any_moment_the_next_run_finishes_and_the_gateways_container_is_up() {
        let (seed, times, started) = (seed(), kills(6), Instant::now());
        for (number, signal) in [(1, Signal::KILL), (2, Signal::TERM)] {
            let gateway = Gateway::stopped_at_once();
            let edge = &gateway.edge;
            let mut random = Random::new(seed + number);
            let mut count = Count::default();
            let mut whole_run = renew(&gateway);
            while count.ended < times / 2 {
                let before = edge.bytes();
                let mut child = start(edge);
                thread::sleep(random.time_below(whole_run.mul_f64(1.1)));
                if end(&mut child, signal) {
                    continue;
                }
                count.ended += 1;
                let after = edge.installed();
                assert!(after.has_key);
                if edge.bytes() == before {
                    count.old += 1;
                } else {
                    count.new += 1;
                }
                if signal == Signal::TERM {
                    assert_eq!(gateway.status(), "running");
                }
                whole_run = (whole_run * 3 + renew(&gateway)) / 4;
                assert!(edge.installed().expiry() >= after.expiry());
                assert_eq!(gateway.status(), "running");
                assert_eq!(gateway.containers().trim(), gateway.name);
                let left = names(&edge.state());
                assert!(
                    left == ["backups"] || left == ["backups", "rejected"],
                    "{left:?}"
                );
            }
            say(&format!(
                "podman, {signal:?}: {count:?} after {:?}",
                started.elapsed()
            ));
        }
    }

    fn renew(gateway: &Gateway) -> Duration {
        let started = Instant::now();
        gateway.edge.renew(&["--force"]).code(0);
        started.elapsed()
    }
}
