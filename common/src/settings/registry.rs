//! The table of everything that one program can be set.

use serde::de::DeserializeOwned;

use super::general;
use super::setting::Setting;

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
}

/// Whether the text of the file fits `T`, which describes the lists of a program.
///
/// # Errors
///
/// It does not.
pub fn fits<T: DeserializeOwned>(text: &str) -> std::result::Result<(), toml::de::Error> {
    toml::from_str::<T>(text).map(drop)
}
