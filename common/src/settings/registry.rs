//! The table of everything that one program can be set.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::general;
use super::setting::{Kind, Setting};

/// Which of acme.sh's conf files a program saves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfFile {
    /// `account.conf`, as DNS hooks do.
    Account,
    /// The conf file of the certificate, as deploy hooks do.
    Domain,
}

/// Every setting of one program.
#[derive(Debug)]
pub struct Registry {
    /// The program's name.
    pub program: &'static str,
    /// What the program has beside the settings that all programs share.
    pub own: &'static [&'static Setting],
    /// Arrays of tables that the program takes from the TOML file.
    pub lists: &'static [List],
    /// Where the program saves.
    pub saves_to: ConfFile,
}

impl Registry {
    /// Its own settings, then those that all programs share.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        self.own.iter().chain(general::SETTINGS).copied()
    }
}

/// An array of tables that a program takes from the file.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Its dotted name, for example `cloudhub_v2.target`.
    pub name: &'static str,
    /// Whether its entries hold what they may: see [`fits`].
    pub check: fn(&str) -> std::result::Result<(), toml::de::Error>,
    /// What the keys of an entry are for: the last part of each setting's name. None for a list of texts.
    pub keys: &'static [&'static Setting],
}

/// What a key of the TOML file may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A text in quotation marks.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// Several texts in brackets.
    Texts,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Number, Self::Switch, Self::Texts];

    /// What a setting of this kind may be given outside of lists.
    pub fn of(kind: Kind) -> Vec<Self> {
        let fits = |form: &Self| form.fits(kind);
        Self::ALL.into_iter().filter(fits).collect()
    }

    /// Whether a setting of this kind may be given so.
    pub(super) fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::Switch => self == Self::Switch,
            Kind::Number => self == Self::Number,
            Kind::List => matches!(self, Self::Text | Self::Texts),
            // An id may be all digits.
            Kind::Text => matches!(self, Self::Text | Self::Number),
            _ => self == Self::Text,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Text => "\"x\"",
            Self::Number => "1",
            Self::Switch => "true",
            Self::Texts => "[\"x\"]",
        }
    }
}

impl List {
    /// What a key of its entries may be given, as those who read it have it.
    pub fn forms(&self, key: &str) -> Vec<Form> {
        let fits = |form: &Form| {
            let entry = format!("[[{}]]\n{key} = {}\n", self.name, form.example());
            match (self.check)(&entry) {
                Ok(()) => true,
                Err(err) => err.message().starts_with("missing field"),
            }
        };
        Form::ALL.into_iter().filter(fits).collect()
    }

    /// The keys of its entries that have to be given.
    pub fn required(&self) -> Vec<String> {
        match (self.check)(&format!("[[{}]]\n", self.name)) {
            Err(err) if err.message().starts_with("missing field") => err
                .message()
                .split('`')
                .nth(1)
                .map(str::to_owned)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether the text of the file fits `T`, which describes the lists of a program.
///
/// # Errors
///
/// It does not.
pub fn fits<T: DeserializeOwned>(text: &str) -> std::result::Result<(), toml::de::Error> {
    toml::from_str::<T>(text).map(drop)
}
