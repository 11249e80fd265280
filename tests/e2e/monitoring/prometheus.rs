//! `--output prometheus`.

use std::time::SystemTime;

use fixtures::Bench;

use crate::fixture::{bench, check, hostile_names, list, metrics, platform_fails, value};

const PROMETHEUS: [&str; 2] = ["--output", "prometheus"];
const NOT_AFTER: &str = "anypoint_tls_context_not_after_timestamp_seconds";

#[test]
fn dates_are_unix_seconds_under_labels_that_say_where() {
    let bench = bench();
    let organization = bench.sim.world().anypoint.organizations[0].id.clone();
    list(&bench, &["shop".to_owned()], "2030-01-02");
    let run = check(&bench, &PROMETHEUS);
    run.code(0).prints(&format!(
        "{NOT_AFTER}{{organization=\"{organization}\",private_space=\"prod\",name=\"shop\"}} 1893542400\n"
    ));
    let found = metrics(&run.stdout);
    assert_eq!(found["anypoint_check_items"].len(), 4);
    assert_eq!(value(&found, "anypoint_last_exit_code"), 0.0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let ran = value(&found, "anypoint_last_run_timestamp_seconds");
    assert!(ran <= now && ran > now - 600.0, "{ran} {now}");
    assert_eq!(
        value(&found, "anypoint_last_success_timestamp_seconds"),
        ran
    );
}

#[test]
fn hostile_names_are_labels_and_nothing_else() {
    let bench = bench();
    let names = hostile_names();
    // The same name twice is one series: two would have the whole text refused.
    let twice = [&names[..], &names[..1]].concat();
    list(&bench, &twice, "2030-01-02");
    let run = check(&bench, &PROMETHEUS);
    let found = metrics(&run.code(0).stdout);
    let shown: Vec<&str> = found[NOT_AFTER]
        .iter()
        .map(|(labels, _)| labels["name"].as_str())
        .collect();
    assert_eq!(shown.len(), names.len());
    for name in [&names[0], &names[3]] {
        assert!(shown.contains(&name.as_str()), "{run}");
    }
    assert!(shown.contains(&"\\u{1b}[2J\u{202e}<script>"), "{run}");
    assert!(!found.contains_key("anypoint_up"), "{run}");
}

#[test]
fn exit_codes_stay_those_of_the_table_and_a_failure_is_a_metric() {
    let bench = bench();
    list(&bench, &["shop".to_owned()], "2020-01-01");
    let found = metrics(&check(&bench, &PROMETHEUS).code(11).stdout);
    assert_eq!(value(&found, "anypoint_last_exit_code"), 11.0);
    bench.sim.faults().clear();
    platform_fails(&bench);
    let run = check(&bench, &PROMETHEUS);
    let found = metrics(&run.stdout);
    let code = f64::from(run.code.unwrap());
    assert!(code > 1.0 && code < 10.0, "{run}");
    assert_eq!(value(&found, "anypoint_last_exit_code"), code);
    // Without a file nothing is known of earlier runs.
    assert!(!found.contains_key("anypoint_last_success_timestamp_seconds"));
    assert!(!found.contains_key(NOT_AFTER));
}

#[test]
fn a_token_that_ends_is_a_metric() {
    use simulator::cloudflare::Token;
    let mut bench = Bench::with_zone("acme.example");
    let ends = 1_900_000_000;
    bench.set_token(Token {
        expires_on: Some("2030-03-17T17:46:40Z".parse().unwrap()),
        ..Token::default()
    });
    let run = bench.run("dns_cf", ["check", "--output", "prometheus"]);
    let found = metrics(&run.code(0).stdout);
    let name = "anypoint_api_token_not_after_timestamp_seconds";
    assert_eq!(value(&found, name), f64::from(ends));
}
