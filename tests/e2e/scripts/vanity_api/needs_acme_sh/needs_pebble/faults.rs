//! One fault in each step: its message, its exit code, and the next run goes on from there.

use std::fs;

use simulator::Fault;
use simulator::faults::Action;

use crate::vanity_api::road::Road;

/// Refuses what matches, for reasons of its own.
fn refuse(road: &Road, method: &str, path: &str) {
    let body = r#"{"message": "maintenance until noon", "success": false,
        "errors": [{"code": 1004, "message": "maintenance until noon"}]}"#;
    let action = Action::Answer {
        status: 400,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_owned(),
    };
    road.sim
        .faults()
        .add(Fault::on(method, path, action).always());
}

/// What an acme.sh leaves that is killed right after it has made the key, with more in the conf.
fn leave_a_key(road: &Road, conf: &str) {
    let folder = road.acme.home().join("*.acme.example_ecc");
    fs::create_dir_all(&folder).unwrap();
    let conf = format!("Le_Domain='*.acme.example'\n{conf}");
    fs::write(folder.join("*.acme.example.conf"), conf).unwrap();
    fs::write(folder.join("*.acme.example.key"), "a key").unwrap();
}

#[test]
#[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
fn a_fault_ends_the_road_at_its_step_and_the_next_run_goes_on_from_there() {
    let road = Road::new();
    let stops = |step: u32, code: i32, reason: &str| {
        let told = road.run(&["--timeout", "1s"]);
        told.code(code)
            .tells(reason)
            .tells(&format!("step {step} of 10 failed with exit code {code}"));
        assert!(!told.stdout.contains(&format!("== {}/10", step + 1)));
        road.sim.faults().clear();
    };
    let redeployments_fail = || {
        let switches = &mut road.sim.world().anypoint.switches;
        switches.application_manager.failing_redeployments = 1;
    };

    // One that a certificate may be in use with is not replaced.
    leave_a_key(&road, "Le_CertCreateTime='1767225600'\n");
    stops(1, 1, "Domain key exists");

    leave_a_key(&road, "");
    refuse(&road, "POST", "/client/v4/zones/*/dns_records");
    stops(1, 1, "maintenance until noon");

    refuse(&road, "POST", "/runtimefabric/*");
    stops(2, 1, "maintenance until noon");

    refuse(&road, "POST", "/client/v4/zones/*/dns_records");
    stops(3, 5, "maintenance until noon");

    // The CNAME record is made, and DNS does not serve it yet.
    road.sim.world().cloudflare.switches.publish_delay_ms = 3_600_000;
    let told = road.finish(road.plain_command(&["--timeout", "0s"]));
    told.code(7)
        .tells("DNS does not lead orders.acme.example to the private space")
        .tells("step 4 of 10 failed with exit code 7");
    for zone in &mut road.sim.world().cloudflare.zones {
        for record in &mut zone.records {
            record.served_from = None;
        }
    }
    road.sim.world().cloudflare.switches.publish_delay_ms = 0;

    // DNS leads to port 443 of this machine.
    let told = road.finish(road.plain_command(&["--timeout", "0s"]));
    told.code(7)
        .prints("(correct)")
        .tells("no proof")
        .tells("step 5 of 10 failed with exit code 7");

    redeployments_fail();
    stops(6, 5, "The version before it still runs");

    refuse(&road, "POST", "/apimanager/*");
    stops(7, 5, "maintenance until noon");

    redeployments_fail();
    stops(8, 5, "did not start");

    refuse(&road, "POST", "/apimanager/*/policies");
    stops(9, 5, "maintenance until noon");

    road.sim
        .world()
        .anypoint
        .switches
        .api_manager
        .open_replica_every = 2;
    stops(10, 7, "200 without credentials");
    road.sim
        .world()
        .anypoint
        .switches
        .api_manager
        .open_replica_every = 0;

    road.run(&[]).code(0);
    road.is_complete();
}
