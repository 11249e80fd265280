//! The JSON schema of the TOML file, for editors: written from the programs' registries of settings, and true.
//!
//! `scripts/generate.sh` writes it, by running these tests with `GENERATE` set.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use fixtures::{program, root};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const PROGRAMS: [&str; 5] = [
    "dns_cf",
    "cloudhub_v2",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];

const SCHEMA: &str = "common/schema/anypoint-hooks.schema.json";

const TABLES: [(&str, &str); 7] = [
    ("network", "How the network is used, by every program"),
    (
        "anypoint",
        "The platform and the connected app, for every program that has no other",
    ),
    ("dns_cf", "Cloudflare"),
    ("cloudhub_v2", "TLS contexts of private spaces"),
    ("flex", "Registrations of Flex Gateways"),
    (
        "basic_auth_policy",
        "The Basic Authentication policy of APIs",
    ),
    ("estate", "The nightly run over all programs"),
];

#[derive(Deserialize)]
struct Registry {
    settings: Vec<Setting>,
    lists: Vec<List>,
}

#[derive(Deserialize)]
struct Setting {
    toml: Vec<String>,
    forms: Vec<Form>,
    #[serde(default)]
    words: Vec<String>,
    secret: bool,
    default: Option<String>,
    help: String,
}

#[derive(Deserialize)]
struct List {
    name: String,
    required: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    name: String,
    forms: Vec<Form>,
    #[serde(default)]
    words: Vec<String>,
    help: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
enum Form {
    Text,
    Number,
    Switch,
    Texts,
}

impl Form {
    const ALL: [Self; 4] = [Self::Text, Self::Number, Self::Switch, Self::Texts];

    fn value(self, words: &[String]) -> Value {
        match self {
            Self::Text => json!(words.first().map_or("x", String::as_str)),
            Self::Number => json!(1),
            Self::Switch => json!(true),
            Self::Texts => json!(["x"]),
        }
    }
}

fn registry(name: &str) -> Registry {
    let output = config(name, &[]);
    assert!(output.status.success(), "{name}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn config(name: &str, args: &[&Path]) -> std::process::Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program(name));
    command.args(["config", "--registry"]).env_clear();
    command.env("HOME", home.path());
    for file in args {
        command.arg("--config").arg(file);
    }
    command.output().unwrap()
}

fn written() -> Value {
    let text = fs::read_to_string(root().join(SCHEMA)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What may stand for a value, and what an editor shows about it.
fn value(forms: &[Form], words: &[String], help: &str, default: Option<&str>) -> Value {
    let mut alternatives: Vec<Value> = forms
        .iter()
        .map(|form| match form {
            Form::Text if !words.is_empty() => json!({ "enum": words }),
            Form::Text => json!({ "type": "string" }),
            Form::Number => json!({ "type": "integer" }),
            Form::Switch => json!({ "type": "boolean" }),
            Form::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        })
        .collect();
    let mut schema = match (alternatives.len(), forms) {
        (1, _) => alternatives.remove(0),
        (_, [Form::Text, Form::Number]) => json!({ "type": ["string", "integer"] }),
        _ => json!({ "anyOf": alternatives }),
    };
    schema["description"] = json!(help);
    if let Some(default) = default {
        schema["default"] = match forms {
            [Form::Number] => json!(default.parse::<u64>().unwrap()),
            [Form::Switch] => json!(default.parse::<bool>().unwrap()),
            _ => json!(default),
        };
    }
    schema
}

fn list(list: &List) -> Value {
    if list.keys.is_empty() {
        return json!({ "type": "array", "items": { "type": "string" } });
    }
    let keys = list.keys.iter().map(|key| {
        let schema = value(&key.forms, &key.words, &key.help, None);
        (key.name.clone(), schema)
    });
    let mut entry = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": keys.collect::<Map<_, _>>(),
    });
    if !list.required.is_empty() {
        entry["required"] = json!(list.required);
    }
    json!({ "type": "array", "items": entry })
}

fn generated() -> Value {
    let mut tables: Map<String, Value> = TABLES
        .iter()
        .map(|(name, what)| {
            let table = json!({
                "description": what,
                "type": "object",
                "additionalProperties": false,
                "properties": {},
            });
            ((*name).to_owned(), table)
        })
        .collect();
    let mut put = |dotted: &str, schema: Value| {
        let (table, key) = dotted.split_once('.').unwrap();
        let properties = &mut tables[table]["properties"];
        match properties.get(key) {
            // Programs may say differently what the same key is for: the first has the word.
            Some(known) => assert_eq!(known["type"], schema["type"], "{dotted}"),
            None => properties[key] = schema,
        }
    };
    for name in PROGRAMS {
        let registry = registry(name);
        for setting in &registry.settings {
            for key in &setting.toml {
                let help = match (setting.secret, key.ends_with("_env")) {
                    (true, true) => format!("Variable that holds: {}", setting.help),
                    (true, false) => format!("File that holds: {}", setting.help),
                    _ => setting.help.clone(),
                };
                let default = setting.default.as_deref();
                put(key, value(&setting.forms, &setting.words, &help, default));
            }
        }
        for entry in &registry.lists {
            put(&entry.name, list(entry));
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": format!("{}/{SCHEMA}", raw_files()),
        "title": "The configuration file of anypoint-acme-hooks",
        "type": "object",
        "additionalProperties": false,
        "properties": tables,
    })
}

/// Where the files of the repository are to be had as they are.
fn raw_files() -> String {
    let path = env!("CARGO_PKG_REPOSITORY")
        .strip_prefix("https://github.com/")
        .unwrap();
    format!("https://raw.githubusercontent.com/{path}/main")
}

#[test]
fn the_schema_is_what_the_registries_say() {
    let new = generated();
    if std::env::var_os("GENERATE").is_some() {
        let path = root().join(SCHEMA);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&new).unwrap() + "\n";
        fs::write(&path, text).unwrap();
    } else {
        // The order of keys depends on what else is built: a feature of serde_json keeps it.
        assert!(
            written() == new,
            "{SCHEMA} is not what the registries say: run scripts/generate.sh"
        );
    }
}

/// One key with one value, and whether its program and the schema take it.
struct Trial {
    file: String,
    json: Value,
    program: &'static str,
}

impl Trial {
    fn key(program: &'static str, dotted: &str, value: &Value) -> Self {
        let (table, key) = dotted.split_once('.').unwrap();
        Self {
            file: format!("[{table}]\n{key} = {value}\n"),
            json: json!({ table: { key: value } }),
            program,
        }
    }

    fn entry(program: &'static str, list: &List, key: &str, value: &Value) -> Self {
        let (table, array) = list.name.split_once('.').unwrap();
        let mut entry = json!({ key: value });
        for name in list.required.iter().filter(|name| *name != key) {
            let forms = &list
                .keys
                .iter()
                .find(|key| key.name == *name)
                .unwrap()
                .forms;
            entry[name] = forms[0].value(&[]);
        }
        let lines: Vec<String> = entry
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        Self {
            file: format!("[[{}]]\n{}", list.name, lines.concat()),
            json: json!({ table: { array: [entry] } }),
            program,
        }
    }
}

#[test]
fn the_schema_takes_exactly_what_the_programs_take() {
    let schema = jsonschema::validator_for(&written()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hooks.toml");
    let mut outcomes = BTreeSet::new();
    for name in PROGRAMS {
        let registry = registry(name);
        let mut trials = Vec::new();
        for form in Form::ALL {
            for setting in &registry.settings {
                let value = form.value(&setting.words);
                let of = |key: &String| Trial::key(name, key, &value);
                trials.extend(setting.toml.iter().map(of));
            }
            for list in &registry.lists {
                let value = form.value(&[]);
                for key in &list.keys {
                    trials.push(Trial::entry(name, list, &key.name, &form.value(&key.words)));
                }
                if list.keys.is_empty() {
                    trials.push(Trial::key(name, &list.name, &value));
                } else {
                    trials.push(Trial::entry(name, list, "no_such_key", &value));
                }
            }
        }
        for table in registry.settings.iter().flat_map(|setting| &setting.toml) {
            let table = table.split_once('.').unwrap().0;
            trials.push(Trial::key(
                name,
                &format!("{table}.no_such_key"),
                &json!("x"),
            ));
        }
        for trial in trials {
            fs::write(&path, &trial.file).unwrap();
            let is_taken = config(trial.program, &[&path]).status.success();
            assert_eq!(
                schema.is_valid(&trial.json),
                is_taken,
                "{}: {}",
                trial.program,
                trial.file
            );
            outcomes.insert(is_taken);
        }
    }
    assert_eq!(outcomes.len(), 2);
}

#[test]
fn no_key_of_a_list_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hooks.toml");
    let mut lists = 0;
    for name in PROGRAMS {
        for list in registry(name).lists {
            if list.keys.is_empty() {
                continue;
            }
            fs::write(&path, format!("[[{}]]\nno_such_key = 1\n", list.name)).unwrap();
            let refusal = String::from_utf8(config(name, &[&path]).stderr).unwrap();
            let (_, expected) = refusal.split_once("expected one of ").unwrap();
            let line = expected.lines().next().unwrap();
            let taken: BTreeSet<&str> = line.split('`').skip(1).step_by(2).collect();
            let listed: BTreeSet<&str> = list.keys.iter().map(|key| key.name.as_str()).collect();
            assert_eq!(listed, taken, "{}", list.name);
            lists += 1;
        }
    }
    assert_eq!(lists, 4);
}

#[test]
fn one_file_with_a_value_for_every_key_is_taken_by_all_programs() {
    let mut tables: toml_text::Tables = toml_text::Tables::default();
    for name in PROGRAMS {
        for setting in registry(name).settings {
            for key in &setting.toml {
                tables.put(key, &setting.forms[0].value(&setting.words));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hooks.toml");
    fs::write(&path, tables.text()).unwrap();
    for name in PROGRAMS {
        let output = config(name, &[&path]);
        assert!(output.status.success(), "{name}: {output:?}");
    }
}

mod toml_text {
    use std::collections::BTreeMap;

    use serde_json::Value;

    #[derive(Default)]
    pub(super) struct Tables(BTreeMap<String, BTreeMap<String, String>>);

    impl Tables {
        pub(super) fn put(&mut self, dotted: &str, value: &Value) {
            let (table, key) = dotted.split_once('.').unwrap();
            self.0
                .entry(table.to_owned())
                .or_default()
                .insert(key.to_owned(), value.to_string());
        }

        pub(super) fn text(&self) -> String {
            let mut text = String::new();
            for (table, keys) in &self.0 {
                text += &format!("[{table}]\n");
                for (key, value) in keys {
                    text += &format!("{key} = {value}\n");
                }
            }
            text
        }
    }
}
