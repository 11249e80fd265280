//! Commands that only look.

use simulator::registration::Layout;

use crate::edge::{Edge, in_days};

#[test]
fn an_inspection_shows_everything_but_the_key() {
    for layout in [Layout::Pem, Layout::Base64, Layout::Der, Layout::Split] {
        let edge = Edge::with(100, layout);
        let file = edge.file.to_str().unwrap();
        let run = edge.run(&["inspect", file, "-vv"]);
        run.code(0)
            .prints("gateway       2f0c6f3e-0000-4000-8000-000000000001")
            .prints("name          edge-1")
            .prints("(100 days left)")
            .prints("key           belongs to the certificate");
        let json = edge
            .run(&["inspect", file, "--output", "json"])
            .code(0)
            .json();
        assert_eq!(json["gateway"], "2f0c6f3e-0000-4000-8000-000000000001");
        assert_eq!(json["platform"], "https://anypoint.mulesoft.com");
        assert_eq!(json["environment"], simulator::seed::PRODUCTION_ID);
        assert_eq!(json["days_left"], 100);
        assert_eq!(json["key_matches"], true);
        assert_eq!(json["split"], layout == Layout::Split);
        assert!(
            json["serial"]
                .as_str()
                .is_some_and(|serial| serial.len() >= 16)
        );
        assert!(edge.calls().is_empty());
    }
}

#[test]
fn an_inspection_in_the_form_of_flexctl_is_what_flexctl_prints() {
    let edge = Edge::with_days(100);
    let file = edge.file.to_str().unwrap();
    let ours = edge
        .run(&["inspect", file, "--output", "flexctl"])
        .code(0)
        .stdout
        .clone();
    let theirs = edge.bench.run(
        "flexctl",
        ["registration", "inspect", &format!("--file={file}")],
    );
    assert_eq!(ours, theirs.stdout);
    let expected = edge
        .installed()
        .expiry()
        .strftime("{\"expiration_date\": \"%Y-%m-%d %H:%M:%S +0000 UTC\"}\n");
    assert_eq!(ours, expected.to_string());
}

#[test]
fn a_check_answers_by_its_exit_code_in_one_line() {
    for (days, within, code, word) in [
        (100, "30d", 0, "OK "),
        (29, "30d", 10, "DUE "),
        (29, "10d", 0, "OK "),
        (-1, "30d", 11, "EXPIRED "),
    ] {
        let edge = Edge::with_days(days);
        let run = edge.run(&["check", edge.file.to_str().unwrap(), "--within", within]);
        assert_eq!(run.code, Some(code), "{run}");
        assert!(
            run.stdout.starts_with(word) && run.stdout.lines().count() == 1,
            "{run}"
        );
    }
    let edge = Edge::with_days(29);
    let json = edge
        .run(&["check", edge.file.to_str().unwrap(), "--output", "json"])
        .code(10)
        .json();
    assert_eq!(json["items"][0]["state"], "due");
    edge.run(&["check", "/nowhere/r.yaml"]).code(4);
    edge.run(&["check", "--within", "soon"]).code(2);
}

#[test]
fn without_a_file_the_configured_gateways_are_meant_and_a_name_picks_one() {
    let mut edge = Edge::with_days(100);
    let due = edge.bench.write(
        "b.yaml",
        simulator::registration::compose(&Default::default(), Layout::Pem, in_days(3))
            .unwrap()
            .registration,
    );
    let config = format!(
        "[flex]\nwithin = \"10d\"\n[[flex.gateway]]\nname = \"a\"\nfile = \"flex/conf.d/registration.yaml\"\n\
         [[flex.gateway]]\nname = \"b\"\nfile = \"{}\"\nwithin = \"1d\"\n",
        due.display()
    );
    let config = edge.bench.write("hooks.toml", config);
    edge.bench
        .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
    let run = edge.run(&["check"]);
    run.code(0)
        .prints("OK a: 100 days left")
        .prints("OK b: 3 days left");
    edge.run(&["check", "b", "--within", "5d"])
        .code(10)
        .prints("DUE b");
    edge.run(&["renew"])
        .code(2)
        .tells("there are several registrations: a, b");
    let json = edge.run(&["inspect", "--output", "json"]).code(0).json();
    assert_eq!(json.as_array().map(Vec::len), Some(2));
}
