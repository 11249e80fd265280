//! The README, `--help` and the programs tell the same.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::program;

const PROGRAMS: [&str; 5] = [
    "dns_cf",
    "cloudhub_v2",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

fn help(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name))
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{name} {arguments:?} --help fails");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

/// The help of a program and of all its commands.
fn whole_help(name: &str) -> String {
    fn collect(name: &str, path: &mut Vec<String>, all: &mut String) {
        let arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        let text = help(name, &arguments);
        for command in commands(&text) {
            path.push(command);
            collect(name, path, all);
            path.pop();
        }
        all.push_str(&text);
    }
    let mut all = String::new();
    collect(name, &mut Vec::new(), &mut all);
    all
}

/// The flags in a text: words in it that begin with two hyphens.
fn flags(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .filter(|word| {
            word.strip_prefix("--")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
        })
        .map(|word| word.trim_end_matches('-').to_owned())
        .collect()
}

#[test]
fn the_two_commands_are_there() {
    for script in ["scripts/demo.sh", "scripts/test.sh", "scripts/install.sh"] {
        assert!(readme().contains(&format!("\n    {script}")), "{script}");
        assert!(root().join(script).is_file(), "{script}");
    }
}

#[test]
fn every_help_ends_with_the_exit_codes_that_the_readme_lists() {
    let readme = readme();
    for line in common::cli::exit::HELP.lines().skip(1) {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        let row = format!("\n| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "not in the README: {row}");
    }
    for name in PROGRAMS {
        let help = help(name, &[]);
        assert!(
            help.contains(common::cli::exit::HELP),
            "{name} --help:\n{help}"
        );
    }
}

#[test]
fn every_program_shows_examples_and_its_version() {
    for name in PROGRAMS {
        assert!(help(name, &[]).contains("Examples:"), "{name}");
        let output = Command::new(program(name))
            .arg("--version")
            .output()
            .unwrap();
        let version = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            version.trim(),
            format!("{name} {}", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn every_flag_in_the_readme_exists() {
    let mut known: BTreeSet<String> = PROGRAMS
        .iter()
        .flat_map(|name| flags(&whole_help(name)))
        .collect();
    for script in ["install.sh", "test.sh", "demo.sh", "release.sh"] {
        let text = std::fs::read_to_string(root().join("scripts").join(script)).unwrap();
        known.extend(flags(&text));
    }
    // Those of acme.sh, lego and certbot, whose commands the README shows.
    let foreign = [
        "--issue",
        "--dns",
        "--deploy",
        "--deploy-hook",
        "--manual",
        "--preferred-challenges",
        "--manual-auth-hook",
        "--manual-cleanup-hook",
        "--email",
        "--domains",
        "--renew",
        "--force",
        "--cron",
        "--renew-hook",
        "--run-hook",
    ];
    known.extend(foreign.map(str::to_owned));
    let unknown: Vec<String> = flags(&readme()).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "the README names {unknown:?}");
}

#[test]
fn every_command_in_a_help_stands_in_the_readme() {
    let readme = readme();
    for name in PROGRAMS {
        for command in commands(&help(name, &[])) {
            let shown = [format!("{name} {command}"), format!("`{command}")];
            assert!(
                shown.iter().any(|text| readme.contains(text)),
                "{name} {command} is not in the README"
            );
        }
    }
}
