//! What the TOML file may hold, as each program says of itself.

use common::error::{Error, Kind, Result};
use serde::Deserialize;

/// The settings of a program.
#[derive(Debug, Deserialize)]
pub(crate) struct Registry {
    pub(crate) settings: Vec<Setting>,
    pub(crate) lists: Vec<List>,
}

/// One thing that can be set.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Setting {
    pub(crate) variables: Vec<String>,
    /// Its dotted keys; of a secret, each with `_file` and then with `_env`.
    pub(crate) toml: Vec<String>,
    pub(crate) forms: Vec<Form>,
    #[serde(default)]
    pub(crate) words: Vec<String>,
    pub(crate) secret: bool,
    /// Whether it is a path.
    pub(crate) file: bool,
    pub(crate) default: Option<String>,
    pub(crate) help: String,
}

impl Setting {
    /// The keys for one name after the other: of a secret, two belong together.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &[String]> {
        self.toml.chunks(if self.secret { 2 } else { 1 })
    }

    /// The variable that stands where this key does: variables and keys are in one order.
    pub(crate) fn variable_of(&self, dotted: &str) -> Option<&str> {
        let index = self
            .names()
            .position(|keys| keys.iter().any(|key| key == dotted))?;
        self.variables.get(index).map(String::as_str)
    }
}

/// An array of tables; of texts where it has no keys.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) keys: Vec<Key>,
}

/// A key of such a table.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) forms: Vec<Form>,
    #[serde(default)]
    pub(crate) words: Vec<String>,
    pub(crate) help: String,
}

/// What a key may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    Text,
    Number,
    Switch,
    Texts,
}

impl Registry {
    /// Reads what `config --registry` has shown.
    ///
    /// # Errors
    ///
    /// Unreachable: it cannot be understood.
    pub(crate) fn parse(program: &str, text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|err| {
            Error::new(
                Kind::Unreachable,
                format!("what {program} says of its settings cannot be understood"),
            )
            .caused_by(err)
            .advise("Install all programs of one version.")
        })
    }

    /// Its keys in one table of the file, each once.
    pub(crate) fn in_table<'a>(
        &'a self,
        table: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Setting)> {
        self.settings.iter().flat_map(move |setting| {
            setting.toml.iter().filter_map(move |dotted| {
                let (of, key) = dotted.split_once('.')?;
                (of == table).then_some((key, setting))
            })
        })
    }
}
