//! What is set already, or answered at a terminal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::cli;
use common::error::Result;
use common::secret::mask_forms;
use common::system::environment::Env;
use serde_json::Value;

use super::registry::{Form, Registry, Setting};

/// Values by their dotted keys, and why others are not there.
#[derive(Debug, Default)]
pub(crate) struct Values {
    set: BTreeMap<String, Value>,
    missing: BTreeMap<String, &'static str>,
}

/// What is asked for unless one of the keys is set: what nothing works without.
struct Question {
    /// The key that an answer is for. Of a secret, without `_file` and `_env`.
    key: &'static str,
    /// With these it is answered, too.
    or: &'static [&'static str],
    secret: bool,
    asked: &'static str,
}

const QUESTIONS: [Question; 7] = [
    Question {
        key: "anypoint.client_id",
        or: &["cloudhub_v2.client_id"],
        secret: false,
        asked: "Client id of the connected app at Anypoint",
    },
    Question {
        key: "anypoint.client_secret",
        or: &["cloudhub_v2.client_secret"],
        secret: true,
        asked: "File that holds its secret",
    },
    Question {
        key: "anypoint.organization",
        or: &[],
        secret: false,
        asked: "Organization or business group, by name or id",
    },
    Question {
        key: "basic_auth_policy.environment",
        or: &["anypoint.environment"],
        secret: false,
        asked: "Environment whose APIs are to be looked at, by name or id",
    },
    Question {
        key: "flex.client_id",
        or: &["flex.username"],
        secret: false,
        asked: "Client id of the connected app with which flexctl renews registrations",
    },
    Question {
        key: "flex.client_secret",
        or: &["flex.password"],
        secret: true,
        asked: "File that holds its secret",
    },
    Question {
        key: "dns_cf.token",
        or: &["dns_cf.key"],
        secret: true,
        asked: "File that holds the API token of Cloudflare",
    },
];

const NOBODY: &str = "it is not set here, and there was no terminal to ask on";
const NO_ANSWER: &str = "it is not set here, and was left out";

impl Values {
    /// What the environment sets. A path is written in full: in the file it would start from the file's folder.
    pub(crate) fn of(env: &Env, registries: &[Registry]) -> Self {
        let mut values = Self::default();
        for setting in registries.iter().flat_map(|registry| &registry.settings) {
            values.take(setting, env);
        }
        values
    }

    fn take(&mut self, setting: &Setting, env: &Env) {
        // The keys stand in the order of the variables; where they are fewer, the last is for the rest.
        let keys: Vec<&[String]> = setting.names().collect();
        let Some(last) = keys.len().checked_sub(1) else {
            return;
        };
        for (index, variable) in setting.variables.iter().enumerate() {
            let names = keys[index.min(last)];
            if let (true, [file, var]) = (setting.secret, names) {
                if let Some(path) = env.get(&format!("{variable}_FILE")) {
                    self.put(file, Value::from(in_full(path)));
                } else if env.get(variable).is_some() {
                    self.put(var, Value::from(variable.as_str()));
                }
            } else if let Some(value) = env.get(variable).and_then(|text| value(setting, text)) {
                self.put(&names[0], value);
            }
        }
    }

    /// The first to come counts.
    fn put(&mut self, key: &str, value: Value) {
        self.set.entry(key.to_owned()).or_insert(value);
    }

    /// Asks for what is not set, where there is somebody to ask; about the keys of these registries alone.
    ///
    /// # Errors
    ///
    /// The terminal cannot be read.
    pub(crate) fn ask(&mut self, registries: &[Registry]) -> Result<()> {
        for question in QUESTIONS {
            let file_key = format!("{}_file", question.key);
            let key = if question.secret {
                file_key.as_str()
            } else {
                question.key
            };
            let is_known = registries
                .iter()
                .flat_map(|registry| &registry.settings)
                .any(|setting| setting.toml.iter().any(|known| known == key));
            let names = question.or.iter().chain([&question.key]);
            if !is_known || names.into_iter().any(|name| self.has(name)) {
                continue;
            }
            let answer = cli::ask(&format!("{} (empty to leave it out)", question.asked))?;
            match answer.as_deref().map(str::trim) {
                None => {
                    self.missing.insert(key.to_owned(), NOBODY);
                }
                Some("") => {
                    self.missing.insert(key.to_owned(), NO_ANSWER);
                }
                Some(path) if question.secret => self.put(key, Value::from(in_full(path))),
                Some(answer) => self.put(key, Value::from(answer)),
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        ["", "_file", "_env"]
            .iter()
            .any(|suffix| self.set.contains_key(&format!("{name}{suffix}")))
    }

    pub(crate) fn get(&self, dotted: &str) -> Option<&Value> {
        self.set.get(dotted)
    }

    /// Why there is no value, where somebody should know.
    pub(crate) fn why_missing(&self, dotted: &str) -> Option<&'static str> {
        self.missing.get(dotted).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}

/// The value of a variable as the file has it; none where it fits no form, or holds a secret.
fn value(setting: &Setting, text: &str) -> Option<Value> {
    // An address may hold a password, which is not to stand in the file.
    if mask_forms(text) != text {
        return None;
    }
    let can_be = |form| setting.forms.contains(&form);
    if setting.file {
        return Some(Value::from(in_full(text)));
    }
    if can_be(Form::Texts) {
        let entries = text.split(',').map(str::trim);
        return Some(entries.filter(|entry| !entry.is_empty()).collect());
    }
    if can_be(Form::Text) {
        return Some(Value::from(text));
    }
    if can_be(Form::Switch) {
        let is_off = matches!(text.to_ascii_lowercase().as_str(), "0" | "false" | "no");
        return Some(Value::from(!is_off));
    }
    text.parse::<u64>().ok().map(Value::from)
}

fn in_full(path: &str) -> String {
    std::path::absolute(Path::new(path))
        .unwrap_or_else(|_| PathBuf::from(path))
        .display()
        .to_string()
}
