//! `--output json`: one schema for all.

use common::cli::monitoring::{Checked, Item, Kind, SCHEMA_VERSION, Severity, State};
use fixtures::{Bench, assert_is_checked, check_schema, items_of};
use simulator::Fault;
use simulator::cloudflare::{Reach, Token};
use simulator::faults::Action;

use crate::fixture::{PROGRAMS, bench, check, hostile_names, list, platform_fails};

const JSON: [&str; 2] = ["--output", "json"];

#[test]
fn the_schema_has_the_words_of_the_programs_and_no_others() {
    let schema = check_schema();
    let words = |pointer: &str| -> Vec<String> {
        serde_json::from_value(schema.pointer(pointer).unwrap().clone()).unwrap()
    };
    let item = "/$defs/item/properties";
    assert_eq!(
        words(&format!("{item}/kind/enum")),
        Kind::ALL.map(|kind| kind.word().to_owned())
    );
    assert_eq!(
        words(&format!("{item}/state/enum")),
        State::ALL.map(|state| state.word().to_owned())
    );
    for severity in words("/$defs/severity/enum") {
        let read: Severity = serde_json::from_value(severity.clone().into()).unwrap();
        assert_eq!(read.word(), severity);
    }
    assert_eq!(
        schema["properties"]["schema_version"]["const"],
        SCHEMA_VERSION
    );
    for kind in Kind::ALL {
        let told = schema.pointer(&format!("{item}/at/description")).unwrap();
        let places = kind.places().join(", ");
        let told = told.as_str().unwrap();
        let of_kind = told.split(". ").find(|part| {
            let (kinds, _) = part.split_once(": ").unwrap_or_default();
            kinds.split(", ").any(|name| name == kind.word())
        });
        let of_kind = of_kind.unwrap_or_else(|| panic!("{kind:?}: {told}"));
        assert!(
            of_kind
                .trim_end_matches('.')
                .ends_with(&format!(": {places}")),
            "{kind:?}: {of_kind}"
        );
    }
}

#[test]
fn every_kind_in_every_state_fits_the_schema_and_is_read_back() {
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    let mut items = Vec::new();
    for kind in Kind::ALL {
        for state in State::ALL {
            let mut item = Item::new(kind, "n", state).until(now, now);
            for place in kind.places() {
                item = item.at(place, "x");
            }
            item.not_before = Some(now);
            item.renewal_due = Some(now);
            item.renewed_by = Some("acme.sh".to_owned());
            item.detail = Some("why".to_owned());
            item.advice = Some("what".to_owned());
            items.extend([item, Item::new(kind, "bare", state)]);
        }
    }
    let checked = Checked::new("dns_cf", now, items);
    let mut json = serde_json::to_value(&checked).unwrap();
    assert_is_checked(&json);
    json["of_later"] = true.into();
    json["items"][0]["of_later"] = 1.into();
    assert_eq!(serde_json::from_value::<Checked>(json).unwrap(), checked);
}

#[test]
fn every_program_prints_it_when_it_fails_before_it_has_found_anything() {
    let bench = Bench::demo();
    for program in PROGRAMS {
        let run = bench.run(
            program,
            ["check", "--output", "json", "--config", "nowhere"],
        );
        let json = run.code(4).json();
        assert_is_checked(&json);
        assert_eq!(json["program"], program);
        assert_eq!(json["state"], "unknown");
        let items = items_of(&json, "platform");
        assert!(
            items[0]["detail"].as_str().unwrap().contains("nowhere"),
            "{run}"
        );
    }
}

#[test]
fn cloudhub_v2_prints_it_in_success_and_in_partial_and_whole_failure() {
    let mut bench = bench();
    assert_is_checked(&check(&bench, &JSON).code(0).json());
    list(&bench, &hostile_names(), "2199-12-31");
    let found = check(&bench, &JSON).code(0).json();
    assert_is_checked(&found);
    let names: Vec<_> = items_of(&found, "tls_context")
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, hostile_names());
    assert_eq!(found["items"][0]["not_after"], "2199-12-31T00:00:00Z");

    bench.set("CH2_PRIVATE_SPACE_ID", "prod,nowhere");
    let part = check(&bench, &JSON);
    let part = part.code(4).json();
    assert_is_checked(&part);
    assert_eq!(part["state"], "unknown");
    assert_eq!(items_of(&part, "tls_context").len(), 4);
    let failed = items_of(&part, "platform");
    assert_eq!(failed[0]["name"], "private space nowhere");
    assert_eq!(failed[0]["at"]["host"], "127.0.0.1");

    platform_fails(&bench);
    bench.sim.faults().clear();
    platform_fails(&bench);
    let failed = check(&bench, &JSON);
    assert_ne!(failed.code, Some(0));
    assert_is_checked(&failed.json());
    assert_eq!(failed.json()["state"], "unknown");
}

#[test]
fn dns_cf_prints_it_in_success_and_in_partial_and_whole_failure() {
    let mut bench = Bench::with_zone("acme.example");
    bench.sim.world().cloudflare.add_zone("other.example");
    let run = |bench: &Bench| bench.run("dns_cf", ["check", "--output", "json"]);
    let found = run(&bench).code(0).json();
    assert_is_checked(&found);
    assert_eq!(items_of(&found, "zone").len(), 2);
    assert_eq!(
        items_of(&found, "api_token")[0]["name"],
        "CF_Token (environment)"
    );

    bench.set_token(Token {
        dns_edit: Reach::Only(vec!["acme.example".to_owned()]),
        ..Token::default()
    });
    let part = run(&bench).code(10).json();
    assert_is_checked(&part);
    assert_eq!(items_of(&part, "zone")[1]["state"], "missing");

    let other = bench
        .sim
        .world()
        .cloudflare
        .zone("other.example")
        .unwrap()
        .id
        .clone();
    let path = format!("/client/v4/zones/{other}/*");
    bench.fault(Fault::on("*", &path, Action::Empty { status: 400 }).always());
    let part = run(&bench);
    assert_eq!(part.code, Some(5), "{part}");
    assert_is_checked(&part.json());
    let failed = part.json();
    let failed = items_of(&failed, "platform");
    assert_eq!(failed[0]["name"], "zone other.example", "{part}");
    assert!(failed[0]["at"]["host"].is_string());
    part.tells("1 of 2 zones could not be checked");

    platform_fails(&bench);
    let failed = run(&bench);
    assert_is_checked(&failed.json());
}
