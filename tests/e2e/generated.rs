//! What is written from the programs' registries of settings stands as they say: the variables that a shim hands over,
//! the README's table, and the secrets that no child program gets.
//!
//! `scripts/generate.sh` writes them, by running these tests with `GENERATE` set.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use fixtures::{program, root};
use serde::Deserialize;

/// Each program that acme.sh calls, with its shim.
const SHIMS: [(&str, &str); 4] = [
    ("dns_cf", "dnsapi/dns_cf"),
    ("cloudhub_v2", "deploy/cloudhub_v2"),
    ("flex-renew", "deploy/flex_renew"),
    ("basic-auth-policy", "deploy/basic_auth_policy"),
];

const PROGRAMS: [&str; 5] = [
    "dns_cf",
    "cloudhub_v2",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];

/// acme.sh's own variables that a program reads.
const OF_ACME_SH: [&str; 16] = [
    "ACCOUNT_CONF_PATH",
    "DOMAIN_CONF",
    "DOMAIN_PATH",
    "CERT_HOME",
    "LE_WORKING_DIR",
    "LE_CONFIG_HOME",
    "DEBUG",
    "LOG_FILE",
    "LOG_LEVEL",
    "SYS_LOG",
    "NO_TIMESTAMP",
    "ACME_NO_COLOR",
    "ACME_FORCE_COLOR",
    "OUTPUT_INSECURE",
    "USER_AGENT",
    "FORCE",
];

/// Shared with other software, which sees it only if it is exported.
const EXPORTED_BY_THE_USER: [&str; 1] = ["SSL_CERT_FILE"];

#[derive(Deserialize)]
struct Registry {
    settings: Vec<Setting>,
    lists: Vec<List>,
}

#[derive(Deserialize)]
struct List {
    name: String,
}

#[derive(Deserialize, Clone)]
struct Setting {
    name: String,
    variables: Vec<String>,
    flag: Option<String>,
    toml: Vec<String>,
    secret: bool,
}

impl Setting {
    fn all_variables(&self) -> Vec<String> {
        self.variables
            .iter()
            .flat_map(|name| match self.secret {
                true => vec![name.clone(), format!("{name}_FILE")],
                false => vec![name.clone()],
            })
            .collect()
    }
}

fn registry(name: &str) -> Registry {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program(name))
        .args(["config", "--registry"])
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Puts `new` between two marks of a file, or asserts that it stands there.
fn hold(file: &str, begin: &str, end: &str, new: &str) {
    let path = root().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("{file}: no {begin:?}"));
    let (old, tail) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("{file}: no {end:?}"));
    if std::env::var_os("GENERATE").is_some() {
        fs::write(&path, format!("{head}{begin}{new}{end}{tail}")).unwrap();
    } else {
        assert_eq!(
            old, new,
            "{file} is not what the registries say: run scripts/generate.sh"
        );
    }
}

/// Words in lines of at most 110 columns, as a shell takes them.
fn wrapped(first: &str, indent: &str, words: &[String], last: &str) -> String {
    let mut text = String::new();
    let mut line = first.to_owned();
    for (index, word) in words.iter().enumerate() {
        let end = if index + 1 == words.len() { last } else { "" };
        if line.len() + 1 + word.len() + end.len() + 2 > 110 {
            writeln!(text, "{line} \\").unwrap();
            line = format!("{indent}{word}{end}");
        } else {
            write!(line, " {word}{end}").unwrap();
        }
    }
    text + &line
}

#[test]
fn a_shim_hands_over_every_variable_of_its_program() {
    for (name, shim) in SHIMS {
        let mut words: Vec<String> = OF_ACME_SH.map(str::to_owned).to_vec();
        // General settings first: they come last in a registry.
        let (own, general): (Vec<_>, Vec<_>) = registry(name)
            .settings
            .into_iter()
            .partition(|setting| !is_general(setting));
        for variable in general.iter().chain(&own).flat_map(Setting::all_variables) {
            let known = words.contains(&variable);
            if !known && !EXPORTED_BY_THE_USER.contains(&variable.as_str()) {
                words.push(variable);
            }
        }
        let list = wrapped("  for _var in", "    ", &words, "; do");
        hold(
            &format!("scripts/{shim}"),
            "# settings: begin (written by scripts/generate.sh)\n",
            "\n    # settings: end",
            &list,
        );
    }
}

fn is_general(setting: &Setting) -> bool {
    setting
        .variables
        .iter()
        .any(|name| name.starts_with("ANYPOINT_HOOKS_"))
        || setting.toml.iter().any(|key| key.starts_with("network."))
        || [
            "LE_WORKING_DIR",
            "LE_CONFIG_HOME",
            "SSL_CERT_FILE",
            "HTTPS_INSECURE",
        ]
        .contains(&setting.name.as_str())
}

#[test]
fn no_child_program_gets_a_secret_of_any_program() {
    let secrets: BTreeSet<String> = PROGRAMS
        .iter()
        .flat_map(|name| registry(name).settings)
        .filter(|setting| setting.secret)
        .flat_map(|setting| setting.variables)
        .collect();
    let mut lines = String::from("\n");
    for name in secrets {
        writeln!(lines, "    \"{name}\",").unwrap();
    }
    hold(
        "common/src/cli/family.rs",
        "pub(super) const SECRETS: &[&str] = &[",
        "];",
        &lines,
    );
}

#[test]
fn each_program_is_handed_its_own_secrets_by_the_one_that_calls_it() {
    let mut lines = String::from("\n");
    for (name, _) in SHIMS {
        let secrets: BTreeSet<String> = registry(name)
            .settings
            .into_iter()
            .filter(|setting| setting.secret)
            .flat_map(|setting| setting.variables)
            .collect();
        for secret in secrets {
            writeln!(lines, "    (\"{name}\", \"{secret}\"),").unwrap();
        }
    }
    hold(
        "hooks/estate/src/secrets.rs",
        "const OF_PROGRAMS: &[(&str, &str)] = &[",
        "];",
        &lines,
    );
}

#[test]
fn the_readme_names_every_variable() {
    let registries: BTreeMap<&str, Registry> = PROGRAMS
        .iter()
        .map(|name| (*name, registry(name)))
        .collect();
    let users = |variable: &String| {
        let has = |registry: &&Registry| {
            let mut all = registry.settings.iter();
            all.any(|setting| setting.variables.contains(variable))
        };
        registries.values().filter(has).count()
    };
    let mut groups: Vec<(String, Vec<String>)> = vec![
        ("all".to_owned(), Vec::new()),
        ("Anypoint programs".to_owned(), Vec::new()),
    ];
    for name in PROGRAMS {
        let mut own = Vec::new();
        for setting in &registries[name].settings {
            for variable in &setting.variables {
                let group = match users(variable) {
                    count if count == PROGRAMS.len() => &mut groups[0].1,
                    1 => &mut own,
                    _ => &mut groups[1].1,
                };
                let secret = if setting.secret { "*" } else { "" };
                let shown = format!("`{variable}`{secret}");
                if !group.contains(&shown) {
                    group.push(shown);
                }
            }
        }
        groups.push((format!("`{name}`"), own));
    }
    let mut table = String::from("\n| programs | variables (* secret) |\n|---|---|\n");
    for (user, variables) in &groups {
        writeln!(table, "| {user} | {} |", variables.join(" ")).unwrap();
    }
    hold(
        "README.md",
        "<!-- settings: begin (written by scripts/generate.sh) -->\n",
        "\n<!-- settings: end -->",
        &table,
    );
}

#[test]
fn the_help_of_a_program_names_every_way_to_set_something() {
    for name in PROGRAMS {
        let mut help = help(name, &[]);
        for command in commands(&help) {
            help.push_str(&self::help(name, &[&command]));
        }
        for setting in registry(name).settings {
            for variable in setting.all_variables() {
                assert!(help.contains(&variable), "{name} --help: no {variable}");
            }
            for flag in setting.flag.iter().flat_map(|flags| flags.split(", ")) {
                assert!(help.contains(flag), "{name} --help: no {flag}");
            }
            for key in &setting.toml {
                let key = key.trim_end_matches("_env").trim_end_matches("_file");
                assert!(help.contains(key), "{name} --help: no {key}");
            }
        }
        for list in registry(name).lists {
            let last = list.name.rsplit('.').next().unwrap();
            assert!(help.contains(last), "{name} --help: no {}", list.name);
        }
    }
}

fn help(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name))
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}
