//! The README, `--help` and the programs tell the same.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod blocks;
mod needs_acme_sh;

use std::collections::BTreeSet;
use std::fs;
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
    help_by("--help", name, arguments)
}

fn help_by(flag: &str, name: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name))
        .args(arguments)
        .arg(flag)
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

/// The help of a program and of all its commands, without the manual, whose flags are held to it.
fn whole_help(name: &str) -> String {
    fn collect(name: &str, path: &mut Vec<String>, all: &mut String) {
        let arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        let text = help_by("-h", name, &arguments);
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
        assert!(
            readme().contains(&format!("\n```sh\n{script}\n```\n")),
            "{script}"
        );
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
fn every_flag_in_the_readme_and_in_a_manual_exists() {
    let mut known: BTreeSet<String> = PROGRAMS
        .iter()
        .flat_map(|name| flags(&whole_help(name)))
        .collect();
    for script in [
        "install.sh",
        "test.sh",
        "demo.sh",
        "release.sh",
        "vanity-api.sh",
    ] {
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
    let manuals: String = PROGRAMS.iter().map(|name| help(name, &[])).collect();
    for text in [readme(), manuals] {
        let unknown: Vec<String> = flags(&text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "there is no {unknown:?}");
    }
}

#[test]
fn every_command_in_a_help_stands_in_the_readme() {
    let readme = readme();
    for name in PROGRAMS {
        for command in commands(&help(name, &[])) {
            let shown = [
                format!("{name} {command}"),
                format!("`{command}"),
                format!("`PROGRAM {command}`"),
            ];
            assert!(
                shown.iter().any(|text| readme.contains(text)),
                "{name} {command} is not in the README"
            );
        }
    }
}

#[test]
fn it_is_short() {
    let lines = readme().lines().count();
    assert!(lines < 300, "{lines} lines");
}

#[test]
fn every_example_of_the_configuration_file_is_accepted() {
    let home = tempfile::tempdir().unwrap();
    for block in blocks::blocks(&readme()) {
        if block.language != "toml" {
            continue;
        }
        let text = block.lines.join("\n");
        let config = home.path().join("config.toml");
        fs::write(&config, &text).unwrap();
        for secret in ["eu.secret", "flex.secret"] {
            fs::write(home.path().join(secret), "secret").unwrap();
        }
        for name in PROGRAMS {
            let output = Command::new(program(name))
                .args(["config", "--config"])
                .arg(&config)
                .env_clear()
                .env("HOME", home.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{name}: {output:?}\n{text}");
        }
    }
}

/// All source files of the programs and of what they share.
fn source() -> String {
    fn collect(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut all = String::new();
    for folder in ["hooks", "common/src"] {
        collect(&root().join(folder), &mut all);
    }
    all
}

#[test]
fn the_messages_that_it_explains_are_those_of_the_programs() {
    let (readme, source) = (readme(), source());
    let (_, section) = readme.split_once("## When something is wrong").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let messages = section.lines().filter_map(|line| {
        let (_, rest) = line.split_once("| \"")?;
        Some(rest.split_once('"')?.0)
    });
    let missing: Vec<&str> = messages
        .clone()
        .filter(|message| !source.contains(message))
        .collect();
    assert!(missing.is_empty(), "no program says {missing:?}");
    assert!(messages.count() > 3, "no messages");
}
