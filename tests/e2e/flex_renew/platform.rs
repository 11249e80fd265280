//! The proof by the platform, and `status`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use simulator::Fault;
use simulator::anypoint::{FlexGateway, Replica, User};
use simulator::faults::Action;
use simulator::registration::Identity;
use simulator::seed::{CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, PRODUCTION_ID};

use crate::edge::{DAY, Edge, SECRET, days_left};

const ALL: &str = "/standalone/api/v1/organizations/0a000000-0000-4000-8000-000000000001/environments/\
                   0e000000-0000-4000-8000-000000000002/gateways";

fn in_years(years: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + years * 365 * i64::try_from(DAY).unwrap())
        .unwrap()
}

fn replica(name: &str, connected: bool, expires: Timestamp) -> Replica {
    Replica {
        name: name.to_owned(),
        connected,
        expires: Some(expires),
        ..Replica::default()
    }
}

fn gateway(id: &str, name: &str, replicas: Vec<Replica>) -> FlexGateway {
    FlexGateway {
        id: id.to_owned(),
        name: name.to_owned(),
        organization: ORGANIZATION_ID.to_owned(),
        environment: PRODUCTION_ID.to_owned(),
        deleted: false,
        replicas,
    }
}

/// A due gateway that the platform knows.
fn known(replicas: Vec<Replica>) -> Edge {
    let mut edge = Edge::with_days(10);
    let file = edge.file.to_str().unwrap().to_owned();
    let url = edge.bench.sim.url().to_owned();
    edge.bench
        // Containers of other tests are none of its business.
        .set("FLEX_REGISTRATION_FILE", file)
        .set("ANYPOINT_URL", url)
        .set("ANYPOINT_CLIENT_ID", CLIENT_ID)
        .set_secret("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET);
    let id = Identity::default().agent;
    edge.bench
        .sim
        .world()
        .anypoint
        .gateways
        .push(gateway(&id, "edge-1", replicas));
    edge
}

#[test]
fn the_replicas_that_are_connected_prove_the_renewal_once_they_report_it() {
    let late = Replica {
        after_reads: 1,
        expires_later: Some(in_years(2)),
        ..replica("late", true, in_years(0))
    };
    let edge = known(vec![
        replica("a", true, in_years(2)),
        replica("gone", false, in_years(0)),
        late,
    ]);
    edge.renew(&[])
        .code(0)
        .prints("2 replicas report the new certificate");
    let requests = edge.bench.sim.requests();
    let reads = requests
        .iter()
        .filter(|entry| entry.path.ends_with("/replicas"))
        .count();
    assert_eq!(reads, 2);
    assert!(edge.bench.sim.unexpected().is_empty());
    assert!(
        requests
            .iter()
            .all(|entry| !entry.body.contains(SECRET) && !entry.body.contains("flex-app"))
    );
}

#[test]
fn replicas_that_do_not_report_it_leave_the_new_file_and_the_question() {
    let edge = known(vec![
        replica("a", true, in_years(2)),
        replica("b", true, in_years(0)),
    ]);
    edge.renew(&["--timeout", "1s"])
        .code(7)
        .tells("after 1s 1 of 2 connected replicas report it")
        .tells("The new file stays");
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_gateway_without_connected_replicas_proves_nothing() {
    let edge = known(vec![replica("a", false, in_years(2))]);
    edge.renew(&["--timeout", "1s"])
        .code(7)
        .tells("0 of 0 connected replicas");
}

#[test]
fn a_deleted_gateway_and_missing_scopes_are_named_and_the_new_file_stays() {
    let edge = known(vec![replica("a", true, in_years(2))]);
    edge.bench.sim.world().anypoint.apps[0].scopes.clear();
    edge.renew(&[])
        .code(7)
        .tells("Read Servers")
        .tells("does not prove it");
    assert_eq!(days_left(&edge.installed()), 365);

    let edge = known(Vec::new());
    edge.bench.sim.world().anypoint.gateways.clear();
    edge.renew(&[])
        .code(7)
        .tells("knows no gateway 2f0c6f3e-0000-4000-8000-000000000001");
}

#[test]
fn the_credentials_for_flexctl_never_go_to_the_platform() {
    let mut edge = known(vec![replica("a", true, in_years(2))]);
    edge.bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET");
    edge.renew(&[]).code(0);
    assert!(edge.bench.sim.requests().is_empty());
    edge.run(&[
        "status",
        "--organization",
        ORGANIZATION_ID,
        "--environment",
        PRODUCTION_ID,
    ])
    .code(2)
    .tells("ANYPOINT_CLIENT_ID");
}

#[test]
fn a_restart_that_is_left_to_somebody_else_is_not_waited_for() {
    let edge = known(vec![replica("a", true, in_years(0))]);
    edge.renew(&["--no-restart"]).code(0);
    assert!(edge.bench.sim.requests().is_empty());
}

#[test]
fn a_registration_may_not_send_the_platforms_credentials_anywhere() {
    let mut edge = known(vec![replica("a", true, in_years(2))]);
    edge.bench
        .unset("ANYPOINT_URL")
        .set("HTTPS_PROXY", "http://127.0.0.1:9");
    let text = String::from_utf8(edge.bytes()).unwrap();
    let elsewhere = text.replace("https://anypoint.mulesoft.com", edge.bench.sim.url());
    std::fs::write(&edge.file, elsewhere).unwrap();
    edge.bench.set("ANYPOINT_HOOKS_DEADLINE", "1s");
    edge.renew(&[])
        .code(7)
        .tells("anypoint.mulesoft.com cannot be reached");
    assert!(edge.bench.sim.requests().is_empty());
}

#[test]
fn the_status_shows_every_gateway_of_an_environment_but_the_deleted() {
    let edge = known(vec![
        replica("a", true, in_years(1)),
        replica("b", false, in_years(0)),
    ]);
    {
        let mut world = edge.bench.sim.world();
        for index in 0..120 {
            let id = format!("2f0c6f3e-0000-4000-8000-1000000000{index:02x}");
            let mut more = gateway(&id, &format!("more-{index}"), Vec::new());
            more.deleted = index == 7;
            world.anypoint.gateways.push(more);
        }
        let mut namesake = gateway("2f0c6f3e-0000-4000-8000-000000000099", "edge-1", Vec::new());
        namesake.deleted = true;
        world.anypoint.gateways.push(namesake);
    }
    let place = ["--organization", "Acme", "--environment", "Production"];
    let run = edge.run(&[&["status"], &place[..]].concat());
    run.code(0)
        .prints("edge-1  CONNECTED  valid until ")
        .prints("more-119")
        .never_shows("more-7 ");
    let one = edge.run(
        &[
            &["status", "--gateway", "edge-1", "--output", "json"],
            &place[..],
        ]
        .concat(),
    );
    let json = one.code(0).json();
    assert_eq!(json["gateways"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        json["gateways"][0]["replicas"].as_array().map(Vec::len),
        Some(2)
    );
    assert!(
        json["gateways"][0]["days_left"]
            .as_i64()
            .is_some_and(|days| (364..=365).contains(&days))
    );
    edge.run(&[&["status", "--gateway", "nobody"], &place[..]].concat())
        .code(4)
        .tells("no gateway \"nobody\"");
    let asked: Vec<_> = edge
        .bench
        .sim
        .requests()
        .into_iter()
        .filter(|entry| entry.path == ALL)
        .collect();
    assert!(
        asked
            .iter()
            .all(|entry| entry.query.contains("pageSize=100"))
    );
    assert!(edge.bench.sim.unexpected().is_empty());
    edge.bench.sim.advance(Duration::from_secs(1));
}

#[test]
fn the_status_of_many_is_asked_for_side_by_side_and_one_without_answer_stops_no_other() {
    let edge = known(Vec::new());
    for index in 0..40 {
        let id = format!("2f0c6f3e-0000-4000-8000-1000000000{index:02x}");
        let more = gateway(&id, &format!("more-{index}"), Vec::new());
        edge.bench.sim.world().anypoint.gateways.push(more);
    }
    let replicas = format!("{ALL}/*/replicas");
    let lost = "2f0c6f3e-0000-4000-8000-100000000007";
    let refused = Action::Answer {
        status: 404,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: "{\"message\":\"Gateway not found by id\"}".to_owned(),
    };
    edge.bench
        .fault(Fault::on("GET", &format!("{ALL}/{lost}/replicas"), refused));
    // A program that asks one after the other would need no second connection.
    edge.bench
        .fault(Fault::on("GET", &replicas, Action::Delay { ms: 50 }).always());
    let run = edge.run(&[
        "status",
        "--organization",
        "Acme",
        "--environment",
        "Production",
    ]);
    run.code(4)
        .prints("edge-1  ")
        .prints("more-39")
        .prints("more-7: FAILED: the platform knows no gateway")
        .tells("1 of 41 gateways failed, more-7 first");
    let connections: BTreeSet<u64> = edge
        .bench
        .sim
        .requests()
        .into_iter()
        .filter(|entry| entry.path.ends_with("/replicas"))
        .map(|entry| entry.connection)
        .collect();
    assert!(connections.len() > 1, "{connections:?}");
}

#[test]
fn the_credentials_for_flexctl_can_be_tried_before_the_day_they_are_needed() {
    let mut edge = known(Vec::new());
    edge.bench
        .unset("ANYPOINT_CLIENT_ID")
        .unset("ANYPOINT_CLIENT_SECRET")
        .set("FLEX_CLIENT_ID", CLIENT_ID)
        .set_secret("FLEX_CLIENT_SECRET", CLIENT_SECRET);
    let file = edge.file.to_str().unwrap().to_owned();
    let check = |edge: &Edge| edge.run(&["check", &file, "--within", "1d", "--credentials", "-vv"]);
    check(&edge).code(0).prints("; credentials accepted");
    edge.bench.sim.world().anypoint.apps[0].scopes.clear();
    check(&edge).code(3).tells("Read Servers");
    edge.bench
        .set_secret("FLEX_CLIENT_SECRET", "canary-that-is-wrong");
    check(&edge).code(3).tells("FLEX_CLIENT_SECRET");
    // Without the flag nobody is asked.
    let asked = edge.bench.sim.requests().len();
    edge.run(&["check", &file, "--within", "1d"]).code(0);
    assert_eq!(edge.bench.sim.requests().len(), asked);
    edge.bench
        .unset("FLEX_CLIENT_ID")
        .unset("FLEX_CLIENT_SECRET");
    check(&edge).code(2).tells("no credentials for flexctl");
}

#[test]
fn a_user_for_flexctl_is_tried_as_well_and_one_with_a_second_factor_is_refused() {
    let mut edge = known(Vec::new());
    for name in ["CLIENT_ID", "CLIENT_SECRET"] {
        edge.bench.unset(&format!("ANYPOINT_{name}"));
        edge.bench.unset(&format!("FLEX_{name}"));
    }
    edge.bench.sim.world().anypoint.users.push(User {
        username: "ada".to_owned(),
        password: "canary-of-ada-19".to_owned(),
        organization: ORGANIZATION_ID.to_owned(),
        multi_factor: false,
    });
    edge.bench
        .set("FLEX_USERNAME", "ada")
        .set_secret("FLEX_PASSWORD", "canary-of-ada-19");
    let file = edge.file.to_str().unwrap().to_owned();
    let check = |edge: &Edge| edge.run(&["check", &file, "--within", "1d", "--credentials"]);
    check(&edge).code(0).prints("; credentials accepted");
    for user in &mut edge.bench.sim.world().anypoint.users {
        user.multi_factor = true;
    }
    check(&edge)
        .code(3)
        .tells("second factor")
        .tells("no multi-factor authentication");
    edge.bench
        .set_secret("FLEX_PASSWORD", "canary-that-is-wrong");
    check(&edge)
        .code(3)
        .tells("Check FLEX_USERNAME and FLEX_PASSWORD");
}
