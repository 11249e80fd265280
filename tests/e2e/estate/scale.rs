//! How much is asked, and how much memory it takes, as an estate grows.
//!
//! `ANYPOINT_ESTATE_SCALE` names sizes to measure, as `10,100,1000`, at a round trip of 50 ms.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fixtures::{Bench, Finished, program, wait_until};
use serde_json::Value;
use simulator::anypoint::api_manager::Tracking;
use simulator::anypoint::{ApiInstance, FlexGateway, Replica};
use simulator::seed::{CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, SANDBOX_ID};
use simulator::world::Latency;

use crate::estate::{PROGRAMS, in_hours};

/// As many as a private space takes beside its own.
const CONTEXTS_OF_A_SPACE: usize = 10;
const REPLICAS: usize = 3;

/// Not to be exceeded by any of the programs.
const MOST_MEMORY_KIB: u64 = 32 * 1024;

/// So many TLS contexts over private spaces, gateways with three replicas, and APIs.
fn world(size: usize) -> Bench {
    program("anypoint-estate");
    for name in PROGRAMS {
        program(name);
    }
    let mut bench = Bench::demo();
    let spaces: Vec<String> = (0..size.div_ceil(CONTEXTS_OF_A_SPACE))
        .map(|at| format!("space-{at}"))
        .collect();
    for name in &spaces {
        bench.add_space(name);
    }
    {
        let mut world = bench.sim.world();
        let world = &mut *world;
        for number in 0..size {
            let space = world
                .anypoint
                .space_mut(&spaces[number / CONTEXTS_OF_A_SPACE])
                .unwrap();
            let mut context = space.contexts[0].clone();
            context.id = world.ids.uuid();
            context.name = format!("context-{number}");
            "custom".clone_into(&mut context.kind);
            space.contexts.push(context);
        }
        let expires = Some(in_hours(200 * 24).parse().unwrap());
        world.anypoint.gateways = (0..size)
            .map(|number| FlexGateway {
                id: world.ids.uuid(),
                name: format!("gateway-{number}"),
                organization: ORGANIZATION_ID.to_owned(),
                environment: SANDBOX_ID.to_owned(),
                deleted: false,
                replicas: (0..REPLICAS)
                    .map(|replica| Replica {
                        name: format!("replica-{replica}"),
                        connected: true,
                        expires,
                        ..Replica::default()
                    })
                    .collect(),
            })
            .collect();
        // One is there already.
        for number in 1..size {
            world.anypoint.add_api(ApiInstance {
                environment: SANDBOX_ID.to_owned(),
                asset: format!("api-{number}"),
                status: "active".to_owned(),
                tracking: Tracking::seen_now(),
                ..ApiInstance::default()
            });
        }
    }
    let ingress = bench.sim.ingress_addr().to_string();
    bench
        .set("FLEX_RUNTIME", "linux")
        .set("ANYPOINT_ENV", "Sandbox")
        .set("ENVIRONMENT_ID", "Sandbox")
        .set("ORGANIZATION_ID", ORGANIZATION_ID)
        .set("ANYPOINT_CLIENT_ID", CLIENT_ID)
        .set_secret("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET)
        .set("CH2_PRIVATE_SPACE_ID", spaces.join(","))
        .set("CH2_VERIFY_CONNECT", ingress);
    bench
}

#[derive(Debug)]
struct Figures {
    requests: usize,
    wall: Duration,
    answer: usize,
    page: u64,
    /// Peak of each program, in KiB, as far as it was seen.
    memory: Vec<(String, u64)>,
    checked: Value,
}

fn measure(bench: &Bench, settings: &[&str]) -> Figures {
    bench.sim.clear_log();
    let page = bench.home().join("page.html");
    let started = Instant::now();
    let args = [
        &[
            "check",
            "--only",
            "cloudhub_v2,flex-renew,basic-auth-policy",
            "--output",
            "json",
        ],
        settings,
    ]
    .concat();
    let output = fs::File::create(bench.home().join("answer.json")).unwrap();
    let mut child = bench
        .command("anypoint-estate", args)
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut memory = Vec::new();
    wait_until("the check has ended", || {
        see_memory(child.id(), &mut memory);
        child.try_wait().unwrap().is_some()
    });
    let wall = started.elapsed();
    let finished = Finished::from(child.wait_with_output().unwrap());
    let answer = fs::read_to_string(bench.home().join("answer.json")).unwrap();
    // One of each is open, or whatever it is; what counts is that everything was found out.
    assert!(matches!(finished.code, Some(0 | 10)), "{finished}");
    let requests = bench.sim.requests().len();
    let args = ["report", "page.html", "--only", "cloudhub_v2"];
    bench.run("anypoint-estate", args);
    Figures {
        requests,
        wall,
        answer: answer.len(),
        page: fs::metadata(page).unwrap().len(),
        memory,
        checked: serde_json::from_str(&answer).unwrap(),
    }
}

/// The most that a program and those that it has started have held so far.
fn see_memory(pid: u32, memory: &mut Vec<(String, u64)>) {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return;
    };
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let peak: Option<u64> = field("VmHWM:").and_then(|text| text.split(' ').next()?.parse().ok());
    // The kernel cuts names.
    let is_ours = |name: &str| {
        let ours = PROGRAMS.iter().any(|program| program.starts_with(name));
        ours || name == "anypoint-estate"
    };
    if let (Some(name), Some(peak)) = (field("Name:").filter(|name| is_ours(name)), peak) {
        match memory.iter_mut().find(|(known, _)| known == name) {
            Some((_, most)) => *most = peak.max(*most),
            None => memory.push((name.to_owned(), peak)),
        }
    }
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    for task in tasks {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
        {
            see_memory(child, memory);
        }
    }
}

fn count(figures: &Figures, kind: &str) -> usize {
    let items = figures.checked["items"].as_array().unwrap();
    items.iter().filter(|item| item["kind"] == kind).count()
}

#[test]
fn what_is_asked_grows_no_faster_than_what_there_is_to_read() {
    let fast = ["--check-timeout", "9m"];
    let [small, large] = [10, 30].map(|size| (size, measure(&world(size), &fast)));
    for (size, figures) in [&small, &large] {
        for (kind, each) in [
            ("tls_context", 1),
            ("served_certificate", 1),
            ("replica", REPLICAS),
            ("api", 1),
        ] {
            assert_eq!(
                count(figures, kind),
                size * each,
                "{kind} of {size}: {:#}",
                figures.checked
            );
        }
    }
    assert!(
        large.1.requests <= 3 * small.1.requests,
        "{} requests for three times as much as {}",
        large.1.requests,
        small.1.requests
    );
}

#[test]
#[ignore = "takes minutes; with ANYPOINT_ESTATE_SCALE=10,100,1000 and --release it measures"]
fn figures_at_scale() {
    let sizes = std::env::var("ANYPOINT_ESTATE_SCALE").unwrap_or_else(|_| "10,100".to_owned());
    for size in sizes.split(',').map(|size| size.parse().unwrap()) {
        let bench = world(size);
        let trip = Duration::from_millis(50);
        bench.sim.set_latency(Latency {
            request: trip,
            connect: 2 * trip,
        });
        let figures = measure(&bench, &["--check-timeout", "9m"]);
        println!(
            "{size} of each: {} requests, {:.1?}, answer of {} bytes, page of {} bytes, peak memory in KiB {:?}",
            figures.requests, figures.wall, figures.answer, figures.page, figures.memory
        );
        assert_eq!(count(&figures, "replica"), size * REPLICAS);
        for (name, peak) in &figures.memory {
            assert!(*peak <= MOST_MEMORY_KIB, "{name} has held {peak} KiB");
        }
    }
}
