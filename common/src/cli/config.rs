//! The command `config` of every program: each setting in force, and where it comes from.

use clap::Args;
use serde::Serialize;

use super::{Invocation, Outcome, Report, table};
use crate::error::Result;
use crate::secret::{mask, without_credentials};
use crate::settings::{ConfFile, Form, Kind, List, Origin, Registry, Setting, Settings};

/// Of whatever program.
const EXAMPLES: &str = "\
Examples:
  PROGRAM config
  PROGRAM config --set --home ~/.acme.sh
";

/// Show every setting in force, its value and where it comes from
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArgs {
    /// Only what was set by somebody, without defaults
    #[arg(long)]
    pub set: bool,

    /// The table of settings itself, as JSON
    #[arg(long, hide = true, conflicts_with = "set")]
    pub registry: bool,
}

/// Shows the settings in force.
///
/// # Errors
///
/// A source of settings cannot be read.
pub fn run(call: &Invocation, args: &ConfigArgs) -> anyhow::Result<Outcome> {
    if args.registry {
        super::print(&registry_as_json(call.settings.registry())?)?;
        return Ok(Outcome::Done);
    }
    let mut settings = Vec::new();
    for setting in call.settings.registry().settings() {
        let row = Row::of(&call.settings, setting)?;
        if !args.set || row.is_set() {
            settings.push(row);
        }
    }
    call.result(&InForce { settings })?;
    Ok(Outcome::Done)
}

#[derive(Debug, Serialize)]
struct InForce {
    settings: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Of a secret, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_length: Option<usize>,
    origin: String,
}

impl Row {
    fn of(settings: &Settings, setting: &'static Setting) -> Result<Self> {
        let name = setting.name();
        if setting.kind == Kind::Secret {
            let found = settings.secret(setting)?;
            return Ok(Self {
                name,
                value: None,
                secret_length: found
                    .as_ref()
                    .map(|found| found.value.expose().chars().count()),
                origin: found.map_or_else(not_set, |found| found.origin.to_string()),
            });
        }
        let found = settings.text_or_default(setting)?;
        let is_nothing = found.origin == Origin::Default && found.value.is_empty();
        Ok(Self {
            name,
            value: (!is_nothing).then(|| match setting.kind {
                Kind::Address => without_credentials(&found.value).into_owned(),
                _ => mask(&found.value).into_owned(),
            }),
            secret_length: None,
            origin: if is_nothing {
                not_set()
            } else {
                found.origin.to_string()
            },
        })
    }

    fn is_set(&self) -> bool {
        self.origin != not_set() && self.origin != Origin::Default.to_string()
    }
}

fn not_set() -> String {
    "not set".to_owned()
}

impl Report for InForce {
    fn text(&self) -> String {
        let rows = self.settings.iter().map(|row| {
            let value = match (&row.value, row.secret_length) {
                (Some(value), _) => value.clone(),
                (None, Some(length)) => format!("*** ({length} characters)"),
                (None, None) => "-".to_owned(),
            };
            [row.name.to_owned(), value, row.origin.clone()]
        });
        table(&rows.collect::<Vec<_>>())
    }
}

#[derive(Debug, Serialize)]
struct Table {
    program: &'static str,
    saves_to: &'static str,
    settings: Vec<Entry>,
    lists: Vec<ListEntry>,
}

/// An array of the TOML file: of tables with these keys, of texts where there are none.
#[derive(Debug, Serialize)]
struct ListEntry {
    name: &'static str,
    required: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Debug, Serialize)]
struct Key {
    name: String,
    forms: Vec<Form>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    words: &'static [&'static str],
    help: &'static str,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    variables: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    commands: &'static [&'static str],
    toml: Vec<String>,
    /// What those keys may be given.
    forms: Vec<Form>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    words: &'static [&'static str],
    secret: bool,
    /// Whether it is a path.
    file: bool,
    saved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    help: &'static str,
}

/// The table of a program's settings, as `config --registry` shows it.
///
/// # Errors
///
/// It does not fit into JSON, which only a defect explains.
pub fn registry_as_json(registry: &Registry) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&all(registry))
}

fn all(registry: &Registry) -> Table {
    Table {
        program: registry.program,
        saves_to: match registry.saves_to {
            ConfFile::Account => "account",
            ConfFile::Domain => "domain",
        },
        settings: registry
            .settings()
            .map(|setting| Entry {
                name: setting.name(),
                variables: setting.variables,
                flag: setting.flag.map(|flag| flag.name),
                commands: setting.flag.map_or(&[], |flag| flag.commands),
                toml: setting.all_toml_keys().collect(),
                forms: Form::of(setting.kind),
                words: words(setting),
                file: setting.kind == Kind::File,
                secret: setting.kind == Kind::Secret,
                saved: setting.saved,
                default: setting.default,
                help: setting.help,
            })
            .collect(),
        lists: registry.lists.iter().map(list_entry).collect(),
    }
}

fn list_entry(list: &List) -> ListEntry {
    let keys = list.keys.iter().flat_map(|setting| {
        let keys = setting.keys_of_entry();
        keys.map(|name| Key {
            forms: list.forms(&name),
            name,
            words: words(setting),
            help: setting.help,
        })
    });
    ListEntry {
        name: list.name,
        required: list.required(),
        keys: keys.collect(),
    }
}

fn words(setting: &Setting) -> &'static [&'static str] {
    match setting.kind {
        Kind::Choice(words) => words,
        _ => &[],
    }
}
