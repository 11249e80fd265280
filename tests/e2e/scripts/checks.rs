//! `scripts/test.sh --quick`, and what all scripts have in common.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::fixture::{Place, Ran, bare_machine, lines, on_path, scripts, text, write};

#[test]
fn every_script_explains_itself_and_refuses_what_it_does_not_know() {
    let place = Place::new();
    for script in [
        "install.sh",
        "demo.sh",
        "test.sh",
        "bench.sh",
        "release.sh",
        "manual.sh",
        "nights.sh",
    ] {
        let help = place
            .run(Command::new(scripts().join(script)).arg("--help"))
            .succeeds();
        assert!(
            help.stdout.contains(&format!("scripts/{script}")),
            "{help:?}"
        );
        place
            .run(Command::new(scripts().join(script)).arg("--frob"))
            .refused_with("--frob");
    }
}

/// Runs `test.sh --quick` where `cargo` is a stand-in that fails at `failing`, and only standard tools are beside it.
/// Also returns what cargo was asked for.
fn check_quickly(failing: &str) -> (Ran, Vec<String>) {
    let place = bare_machine("0");
    let tools = place.path("tools");
    for name in ["awk", "date", "sed", "tee"] {
        symlink(on_path(name), tools.join(name)).unwrap();
    }
    let asked = place.path("cargo-asked");
    let cargo = format!(
        "#!/bin/sh\necho \"$*\" >>'{}'\ncase $* in *--version) exit ;; {failing}*) exit 1 ;; \
         test*) echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out' ;; esac\n",
        text(&asked)
    );
    write(&tools.join("cargo"), &cargo, 0o755);
    let ran = Ran::of(
        Command::new("/bin/sh")
            .arg(scripts().join("test.sh"))
            .arg("--quick")
            .env_clear()
            .env("PATH", &tools)
            .env("HOME", place.path("user")),
    );
    assert!(!place.path("asked").exists(), "packages were installed");
    (ran, lines(&asked))
}

#[test]
fn quick_checks_are_formatting_lints_and_unit_tests_and_name_what_was_left_out() {
    let (ran, asked) = check_quickly("nothing");
    let ran = ran.succeeds();
    assert!(
        ran.stdout.ends_with("5 passed, 0 failed, 3 skipped\n"),
        "{ran:?}"
    );
    let (_, not_run) = ran.stdout.split_once("NOT RUN:").unwrap();
    for what in ["shellcheck", "shfmt", "end-to-end tests"] {
        assert!(not_run.contains(what), "{what}: {not_run}");
    }
    for command in ["fmt --all --check", "clippy --workspace --all-targets"] {
        assert!(
            asked.iter().any(|line| line.starts_with(command)),
            "{asked:?}"
        );
    }
    let tests: Vec<_> = asked
        .iter()
        .filter(|line| line.starts_with("test"))
        .collect();
    assert_eq!(tests.len(), 1, "{asked:?}");
    assert!(tests[0].ends_with("--lib --bins"), "{asked:?}");
}

#[test]
fn a_check_that_fails_fails_the_run_and_is_named() {
    for (failing, named) in [
        ("fmt", "FAILED:\n  Formatting\n"),
        ("clippy", "FAILED:\n  Clippy\n"),
        ("test", "FAILED:\n  cargo test (see above)\n"),
    ] {
        let (ran, _) = check_quickly(failing);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains(named), "{ran:?}");
    }
}
