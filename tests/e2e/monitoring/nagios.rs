//! `--output nagios`: one line, and the exit codes of plugins.

use fixtures::{Bench, Finished};
use simulator::Fault;
use simulator::faults::Action;

use crate::fixture::{PROGRAMS, bench, check, hostile_names, list, platform_fails};

const NAGIOS: [&str; 2] = ["--output", "nagios"];

/// The line before its performance data.
#[track_caller]
fn line(run: &Finished) -> String {
    let line = run.stdout.strip_suffix('\n').unwrap();
    assert!(
        !line.contains('\n') && !line.contains(char::is_control),
        "{run}"
    );
    assert!(line.len() < 1024, "{run}");
    assert!(line.matches('|').count() <= 1, "{run}");
    line.split(" | ").next().unwrap().to_owned()
}

#[test]
fn the_exit_code_follows_what_was_found() {
    let mut bench = bench();
    let run = check(&bench, &NAGIOS);
    assert_eq!(line(run.code(0)), "CLOUDHUB_V2 OK: nothing to check");
    let name = ["shop".to_owned()];
    for (day, code, word) in [
        ("2199-12-31", 0, "OK: 1 ok; the first to expire is shop in "),
        ("2020-01-01", 2, "CRITICAL: 1 expired; shop expired, -"),
    ] {
        bench.sim.faults().clear();
        list(&bench, &name, day);
        let run = check(&bench, &NAGIOS);
        let line = line(run.code(code));
        assert!(line.starts_with(&format!("CLOUDHUB_V2 {word}")), "{run}");
    }
    bench.sim.faults().clear();
    list(&bench, &name, "2199-12-31");
    let due = [&NAGIOS[..], &["--within", "99999d"]].concat();
    let run = check(&bench, &due);
    assert!(line(run.code(1)).starts_with("CLOUDHUB_V2 WARNING: 1 due; shop due, "));
    // What could not be found out outweighs what is well, and not what is due.
    bench.set("CH2_PRIVATE_SPACE_ID", "prod,nowhere");
    let run = check(&bench, &NAGIOS);
    let told = line(run.code(3));
    assert!(
        told.starts_with("CLOUDHUB_V2 UNKNOWN: 1 unknown, 1 ok; private space nowhere unknown: "),
        "{run}"
    );
    check(&bench, &due).code(1);
}

#[test]
fn performance_data_counts_and_tells_the_days_to_the_first_expiry() {
    let bench = bench();
    list(&bench, &["a".to_owned(), "b".to_owned()], "2020-01-01");
    let run = check(&bench, &NAGIOS);
    let (_, data) = run.code(2).stdout.trim_end().split_once(" | ").unwrap();
    let data: Vec<&str> = data.split(' ').collect();
    assert_eq!(
        data[..4],
        [
            "'items'=2;;;0",
            "'warning'=0;0;;0",
            "'critical'=2;;0;0",
            "'unknown'=0;;;0"
        ]
    );
    let (label, days) = data[4].split_once('=').unwrap();
    assert_eq!(label, "'tls_context_days_left'");
    let days = days.strip_suffix(";;0:").unwrap();
    assert!(days.parse::<i64>().unwrap() < 0, "{run}");
    assert_eq!(data.len(), 5);
}

#[test]
fn hostile_names_do_not_break_the_line() {
    let bench = bench();
    list(&bench, &hostile_names(), "2020-01-01");
    let run = check(&bench, &NAGIOS);
    let told = line(run.code(2));
    assert!(told.contains("a/x=1;2;3 b c _(d)"), "{run}");
    assert!(
        told.contains("two lines # HELP anypoint_up no anypoint_up 1"),
        "{run}"
    );
    assert!(
        !told.contains(['\'', '"', '`', '$', '<', '\\', '\u{202e}']),
        "{run}"
    );
}

#[test]
fn whatever_is_wrong_is_unknown_and_said_on_standard_output() {
    let mut bench = bench();
    let refused = bench.sim.world().anypoint.apps[0].client_secret.clone();
    for program in PROGRAMS {
        let said = |args: &[&str], text: &str| {
            let run = bench.run(program, args);
            let line = line(run.code(3));
            let start = format!("{} UNKNOWN: ", program.to_uppercase());
            assert!(line.starts_with(&start) && line.contains(text), "{run}");
        };
        said(&["check", "--output", "nagios", "--nonsense"], "--nonsense");
        said(
            &["check", "--output=nagios", "--config", "nowhere"],
            "nowhere",
        );
        said(&["config", "--output", "nagios"], "checks only");
    }
    bench.set_secret("CH2_CLIENT_SECRET", format!("{refused}-canary-of-nagios"));
    let run = check(&bench, &NAGIOS);
    assert!(
        line(run.code(3)).contains("private space prod unknown: "),
        "{run}"
    );
    platform_fails(&bench);
    line(check(&bench, &NAGIOS).code(3));
    bench.unset("CH2_CLIENT_ID");
    let run = check(&bench, &NAGIOS);
    assert!(line(run.code(3)).contains("CH2_CLIENT_ID"), "{run}");
}

#[test]
fn forms_of_checks_are_refused_to_other_commands_before_any_request() {
    let bench = Bench::with_zone("acme.example");
    let add = ["add", "_acme-challenge.acme.example", "v"];
    for form in ["nagios", "prometheus"] {
        let run = bench.run("dns_cf", [&add[..], &["--output", form]].concat());
        run.code(if form == "nagios" { 3 } else { 2 })
            .tells("this form of output is for checks only");
    }
    bench
        .run("dns_cf", [&add[..], &["--textfile", "x.prom"]].concat())
        .code(2);
    assert!(bench.sim.requests().is_empty());
    // A value may look like the flag.
    let run = bench.run("dns_cf", ["add", add[1], "--", "--output=nagios"]);
    assert_ne!(run.code, Some(3), "{run}");
}

#[test]
fn what_remote_systems_echo_shows_no_secret_in_any_form() {
    let bench = Bench::with_zone("acme.example");
    let echoed = "cfut_canarytokenofsomebodyelse_0123456789abcdef";
    let mut bench = bench;
    bench.never_shown(echoed);
    let echo = Action::Answer {
        status: 400,
        headers: Vec::new(),
        body: format!(r#"{{"success":false,"errors":[{{"code":1,"message":"bad {echoed}"}}]}}"#),
    };
    bench.fault(Fault::on("*", "*", echo).always());
    for form in ["nagios", "json", "prometheus", "text"] {
        let run = bench.run(
            "dns_cf",
            ["check", "--output", form, "--textfile", "x.prom"],
        );
        assert_ne!(run.code, Some(0), "{run}");
        let written = std::fs::read_to_string(bench.home().join("x.prom")).unwrap();
        assert!(!written.contains(echoed), "{written}");
        if form == "json" || form == "nagios" {
            run.prints("bad ***");
        }
    }
}
