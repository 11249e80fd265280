//! The zone that a name belongs to is found.

use simulator::Fault;
use simulator::cloudflare::{Account, Reach, Token, WithoutZoneRead, Zone, ZoneStatus};
use simulator::faults::Action;

use crate::fixture::{
    NAME, RECORD, ZONE, add, bench, lines, records_in, rm, txt, without_zone_read, zone_id,
};

#[test]
fn the_longest_zone_wins_and_one_that_only_ends_alike_does_not() {
    let bench = bench();
    for zone in ["sub.acme.example", "notacme.example", "cme.example"] {
        bench.sim.world().cloudflare.add_zone(zone);
    }
    add(&bench, "_acme-challenge.www.sub.acme.example", "v")
        .code(0)
        .prints("in zone sub.acme.example");
    add(&bench, "_acme-challenge.xsub.acme.example", "v")
        .code(0)
        .prints("in zone acme.example");
    add(&bench, "_acme-challenge.notacme.example", "v")
        .code(0)
        .prints("in zone notacme.example");
    assert_eq!(lines(&bench)[0], "GET zones?per_page=50");
}

#[test]
fn thousands_of_zones_cost_no_more_requests_than_a_name_has_labels() {
    let bench = bench();
    for number in 0..2000 {
        bench
            .sim
            .world()
            .cloudflare
            .add_zone(&format!("zone{number:04}.example"));
    }
    bench.sim.world().cloudflare.add_zone("b.zone1999.example");
    add(&bench, "_acme-challenge.a.b.zone1999.example", "v")
        .code(0)
        .prints("in zone b.zone1999.example");
    // One listing, a look-up for each of three names, and the record.
    assert_eq!(bench.sim.requests().len(), 5, "{:?}", lines(&bench));
}

#[test]
fn a_token_for_one_zone_that_may_not_list_finds_it_by_name() {
    let mut bench = bench();
    bench.sim.world().cloudflare.add_zone("other.example");
    let only = Reach::Only(vec![ZONE.to_owned()]);
    bench.set_token(Token {
        zone_read: only.clone(),
        dns_read: only.clone(),
        dns_edit: only,
        list_zones: false,
        ..Token::default()
    });
    add(&bench, NAME, "v").code(0);
    rm(&bench, NAME, "v").code(0);
    add(&bench, "_acme-challenge.other.example", "v")
        .code(3)
        .tells("sees no zone");
    assert_eq!(
        records_in(&bench, ZONE) + records_in(&bench, "other.example"),
        0
    );
}

#[test]
fn a_refused_or_failed_look_up_never_leads_to_the_parent_zone() {
    let restricted = Token {
        list_zones: false,
        ..Token::default()
    };
    let look_up = "/client/v4/zones?*name=sub.acme.example*";
    let refused = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#
            .to_owned(),
    };
    for (action, code) in [
        (refused, 3),
        (Action::Html { status: 502 }, 6),
        (Action::Empty { status: 200 }, 6),
    ] {
        let mut bench = bench();
        bench.sim.world().cloudflare.add_zone("sub.acme.example");
        bench.set_token(restricted.clone());
        bench.fault(Fault::on("GET", look_up, action).always());
        add(&bench, "_acme-challenge.sub.acme.example", "v").code(code);
        assert_eq!(records_in(&bench, ZONE), 0);
        assert!(
            !lines(&bench)
                .iter()
                .any(|line| line.ends_with("name=acme.example")),
            "{:?}",
            lines(&bench)
        );
    }
}

#[test]
fn a_token_without_zone_read_works_with_the_zone_id_and_is_told_so_without() {
    for without in [
        WithoutZoneRead::Empty,
        WithoutZoneRead::Refused,
        WithoutZoneRead::RefusedNamingPermission,
    ] {
        let mut bench = bench();
        bench.sim.world().cloudflare.switches.without_zone_read = without;
        bench.set_token(without_zone_read());
        add(&bench, NAME, "v")
            .code(3)
            .tells("CF_Zone_ID")
            .tells("Zone / Zone / Read");
        let id = zone_id(&bench, ZONE);
        bench.set("CF_Zone_ID", id);
        add(&bench, NAME, "v").code(0);
        assert_eq!(txt(&bench, NAME), ["v"]);
        rm(&bench, NAME, "v").code(0);
        assert_eq!(records_in(&bench, ZONE), 0);
    }
}

#[test]
fn the_id_of_another_zone_is_noticed_and_leaves_nothing_behind() {
    let mut bench = bench();
    let other = bench.sim.world().cloudflare.add_zone("other.example");
    bench.set("CF_Zone_ID", &other);
    add(&bench, NAME, "v")
        .code(2)
        .tells("CF_Zone_ID (environment) is the id of zone other.example");
    // A token that cannot read the zone's name learns it from the record that Cloudflare makes.
    bench.set_token(without_zone_read());
    add(&bench, NAME, "v")
        .code(2)
        .tells("_acme-challenge.acme.example.other.example")
        .tells("deleted again");
    assert_eq!(records_in(&bench, "other.example"), 0);

    let refused = Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: r#"{"success":false,"errors":[{"code":1009,"message":"not this one"}]}"#.to_owned(),
    };
    bench.fault(Fault::on("DELETE", RECORD, refused));
    add(&bench, NAME, "v")
        .code(2)
        .tells("is not in the zone with the id")
        .tells("has to be deleted by hand")
        .tells("not this one");
}

#[test]
fn one_token_reads_zones_and_another_edits_records() {
    let mut bench = bench();
    bench.set_token(without_zone_read());
    let reader = bench.sim.world().cloudflare.insert_token(Token {
        dns_read: Reach::None,
        dns_edit: Reach::None,
        ..Token::default()
    });
    bench.set_secret("CF_Zone_Token", &reader);
    add(&bench, NAME, "v").code(0);
    let requests = bench.sim.requests();
    let by_reader = |entry: &simulator::Entry| {
        entry.header("authorization") == Some(&format!("Bearer {reader}"))
    };
    assert_eq!(
        requests.iter().map(by_reader).collect::<Vec<_>>(),
        [true, false]
    );
    rm(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_zone_that_is_not_active_is_used_with_a_warning() {
    let bench = bench();
    bench.sim.world().cloudflare.zone_mut(ZONE).unwrap().status = ZoneStatus::Pending;
    add(&bench, NAME, "v")
        .code(0)
        .tells("warning: zone acme.example is pending")
        .tells("ada.ns.cloudflare.com");
}

#[test]
fn of_two_zones_with_one_name_the_active_one_is_taken_and_else_the_account_decides() {
    let mut bench = bench();
    let account = bench.sim.world().cloudflare.add_account("Other");
    let copy = |status| Zone {
        name: ZONE.to_owned(),
        account: Account {
            id: account.clone(),
            name: "Other".to_owned(),
        },
        status,
        ..Zone::default()
    };
    bench
        .sim
        .world()
        .cloudflare
        .insert_zone(copy(ZoneStatus::Moved));
    add(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, ZONE), 1);
    bench.sim.world().cloudflare.zones[1].status = ZoneStatus::Active;
    add(&bench, NAME, "w")
        .code(2)
        .tells("several zones")
        .tells("CF_Account_ID");
    bench.set("CF_Account_ID", &account);
    add(&bench, NAME, "w").code(0);
    assert_eq!(bench.sim.world().cloudflare.zones[1].records.len(), 1);
}
