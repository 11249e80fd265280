//! Killed at any moment: the registration at its place is whole, old or new, and the next run succeeds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::edge::{Edge, names, read};

const KILLS: u32 = 500;
const SIDE_BY_SIDE: u32 = 4;

/// xorshift: good enough to spread moments, and a run can be repeated with its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    killed: u32,
    old: u32,
    new: u32,
}

#[test]
fn killed_at_500_moments_the_registration_is_whole_and_the_next_run_succeeds() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let started = Instant::now();
    let counts: Vec<Count> = thread::scope(|scope| {
        let workers: Vec<_> = (0..u64::from(SIDE_BY_SIDE))
            .map(|worker| scope.spawn(move || kill_often(KILLS / SIDE_BY_SIDE, seed + worker)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let sum = |of: fn(&Count) -> u32| counts.iter().map(of).sum::<u32>();
    let (killed, old, new) = (sum(|c| c.killed), sum(|c| c.old), sum(|c| c.new));
    println!(
        "{killed} killed in {:?}: {old} times the old registration, {new} times a new one",
        started.elapsed()
    );
    assert_eq!(killed, KILLS);
    // Otherwise the moments were not spread over the whole run.
    assert!(old > KILLS / 20 && new > KILLS / 50, "{old} old, {new} new");
}

fn kill_often(times: u32, seed: u64) -> Count {
    let edge = Edge::with_days(10);
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut count = Count::default();
    let mut whole_run = Duration::from_millis(500);
    for _ in 0..3 {
        whole_run = whole_run.min(renew(&edge));
    }
    while count.killed < times {
        let before = edge.bytes();
        let ended = read(&edge.file).expiry();
        let mut child = edge
            .bench
            .command(
                "flex-renew",
                ["renew", edge.file.to_str().unwrap(), "--force"],
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(random.below(whole_run.mul_f64(1.2)));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            continue;
        }
        count.killed += 1;

        let after = read(&edge.file);
        assert!(after.has_key);
        assert_eq!(fs::metadata(&edge.file).unwrap().mode() & 0o7777, 0o640);
        if edge.bytes() == before {
            count.old += 1;
        } else {
            count.new += 1;
            assert!(after.expiry() > ended);
        }
        whole_run = (whole_run * 7 + renew(&edge)) / 8;
        assert!(read(&edge.file).expiry() >= after.expiry());
        // What flexctl had written for a run that was killed is kept, nothing else is left.
        let left = names(&edge.state());
        assert!(
            left == ["backups"] || left == ["backups", "rejected"],
            "{left:?}"
        );
        assert_eq!(names(edge.file.parent().unwrap()), ["registration.yaml"]);
        assert!(edge.backups().len() <= 3);
    }
    count
}

fn renew(edge: &Edge) -> Duration {
    let started = Instant::now();
    edge.run(&["renew", edge.file.to_str().unwrap(), "--force"])
        .code(0);
    started.elapsed()
}
