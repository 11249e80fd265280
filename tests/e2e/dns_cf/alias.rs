//! A CNAME at the challenge's name is followed.

use crate::fixture::{NAME, ZONE, add, bench, records_in, rm, txt, zone_id};

#[test]
fn an_alias_at_the_challenges_name_is_followed_there_and_back() {
    let bench = bench();
    {
        let cloudflare = &mut bench.sim.world().cloudflare;
        cloudflare.add_zone("validation.example");
        cloudflare.add_record(ZONE, "CNAME", "_acme-challenge", "acme.validation.example");
    }
    add(&bench, NAME, "v")
        .code(0)
        .tells("is an alias (CNAME) of acme.validation.example");
    assert_eq!(txt(&bench, "acme.validation.example"), ["v"]);
    rm(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, "validation.example"), 0);
    assert_eq!(records_in(&bench, ZONE), 1);
}

#[test]
fn an_alias_is_followed_out_of_the_zone_that_the_id_names() {
    let mut bench = bench();
    bench.sim.world().cloudflare.add_zone("validation.example");
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge",
        "acme.validation.example",
    );
    let id = zone_id(&bench, ZONE);
    bench.set("CF_Zone_ID", id);
    add(&bench, NAME, "v").code(0);
    rm(&bench, NAME, "v")
        .code(0)
        .prints("deleted from zone validation.example");
}

#[test]
fn an_alias_that_leads_out_of_reach_or_in_a_circle_is_reported() {
    let bench = bench();
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge",
        "x.elsewhere.example",
    );
    add(&bench, NAME, "v").code(4).tells("x.elsewhere.example");
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge.a",
        "_acme-challenge.b.acme.example",
    );
    bench.sim.world().cloudflare.add_record(
        ZONE,
        "CNAME",
        "_acme-challenge.b",
        "_acme-challenge.a.acme.example",
    );
    add(&bench, "_acme-challenge.a.acme.example", "v")
        .code(2)
        .tells("circle");
    rm(&bench, "_acme-challenge.a.acme.example", "v")
        .code(2)
        .tells("circle");
}
