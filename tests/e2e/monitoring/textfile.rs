//! `--textfile`: the file that the node exporter reads.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use fixtures::{Bench, program};

use crate::fixture::{bench, check, list, metrics, platform_fails, value};

const FILE: &str = "metrics/cloudhub_v2.prom";
const TEXTFILE: [&str; 2] = ["--textfile", FILE];
const LAST_SUCCESS: &str = "anypoint_last_success_timestamp_seconds";

fn with_folder() -> Bench {
    let bench = bench();
    fs::create_dir(bench.home().join("metrics")).unwrap();
    bench
}

fn written(bench: &Bench) -> String {
    fs::read_to_string(bench.home().join(FILE)).unwrap()
}

#[test]
fn the_file_is_written_beside_the_result_and_others_may_read_it() {
    let bench = with_folder();
    let args = ["check", "--textfile", FILE, "--output", "prometheus"];
    // As from a shell with the strictest mask.
    let run = Command::new("/bin/sh")
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(program("cloudhub_v2"))
        .args(args)
        .env_clear()
        .envs(
            bench
                .command("cloudhub_v2", args)
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(bench.home())
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let path = bench.home().join(FILE);
    assert_eq!(String::from_utf8(run.stdout).unwrap(), written(&bench));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    check(&bench, &TEXTFILE).code(0).prints("STATE");
    // A mode that somebody has chosen stays.
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    check(&bench, &TEXTFILE).code(0);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
}

#[test]
fn a_run_that_fails_says_so_and_keeps_the_time_of_the_last_success() {
    let mut bench = with_folder();
    list(&bench, &["shop".to_owned()], "2020-01-01");
    check(&bench, &TEXTFILE).code(11);
    let before = metrics(&written(&bench));
    let success = value(&before, LAST_SUCCESS);
    assert!(success > 0.0);
    // Long ago, so that no other run's time is taken for it.
    let old = written(&bench).replace(&format!("}} {success}\n"), "} 1700000000\n");
    fs::write(bench.home().join(FILE), old).unwrap();
    let failed = |bench: &Bench, args: &[&str], code: i32| {
        check(bench, &[&TEXTFILE[..], args].concat()).code(code);
        let found = metrics(&written(bench));
        assert_eq!(value(&found, "anypoint_last_exit_code"), f64::from(code));
        assert_eq!(value(&found, LAST_SUCCESS), 1_700_000_000.0);
        assert!(value(&found, "anypoint_last_run_timestamp_seconds") >= success);
    };
    failed(&bench, &["--private-space", "nowhere"], 4);
    failed(&bench, &["--config", "nowhere.toml"], 4);
    failed(&bench, &["--output", "json", "--workers", "0"], 2);
    platform_fails(&bench);
    bench.set("CH2_CLIENT_ID", "");
    failed(&bench, &[], 2);
    // Nagios' exit code is another, and the file has that of the table.
    check(&bench, &[&TEXTFILE[..], &["--output", "nagios"]].concat()).code(3);
    assert_eq!(
        value(&metrics(&written(&bench)), "anypoint_last_exit_code"),
        2.0
    );
}

#[test]
fn what_another_program_or_nobody_wrote_is_no_success_of_this_one() {
    let bench = with_folder();
    platform_fails(&bench);
    for old in [
        &b"anypoint_last_success_timestamp_seconds{program=\"dns_cf\"} 1700000000\n"[..],
        b"anypoint_last_success_timestamp_seconds{program=\"cloudhub_v2\"} soon\n",
        b"\xff\xfe",
        b"",
    ] {
        fs::write(bench.home().join(FILE), old).unwrap();
        let run = check(&bench, &TEXTFILE);
        assert_ne!(run.code, Some(0));
        assert_eq!(value(&metrics(&written(&bench)), LAST_SUCCESS), 0.0);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_found_before_the_first_request() {
    let bench = with_folder();
    for path in ["nowhere/x.prom", "metrics", "/dev/null"] {
        let run = check(&bench, &["--textfile", path, "--output", "nagios"]);
        run.code(3).tells(path);
        check(&bench, &["--textfile", path]).code(2).tells(path);
    }
    assert!(bench.sim.requests().is_empty());
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn of_two_that_write_at_once_a_reader_sees_one_whole_file() {
    let bench = with_folder();
    let names: Vec<String> = (0..50).map(|number| format!("context-{number}")).collect();
    list(&bench, &names, "2030-01-02");
    let args = ["check", "--textfile", FILE, "--quiet"];
    let mut running: Vec<_> = (0..6)
        .map(|_| {
            let mut command = bench.command("cloudhub_v2", args);
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let mut whole = 0;
    while running
        .iter_mut()
        .any(|child| child.try_wait().unwrap().is_none())
    {
        if let Ok(text) = fs::read_to_string(bench.home().join(FILE)) {
            let found = metrics(&text);
            assert_eq!(
                found["anypoint_tls_context_not_after_timestamp_seconds"].len(),
                50
            );
            whole += 1;
        }
    }
    assert!(whole > 0 || bench.home().join(FILE).exists());
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    metrics(&written(&bench));
    // Nothing is left beside it that the node exporter would read, too.
    assert_eq!(
        fs::read_dir(bench.home().join("metrics")).unwrap().count(),
        1
    );
}
