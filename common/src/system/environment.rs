//! The environment of the process, read once at the start, and what of it child programs get to see.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{PoisonError, RwLock};

use crate::secret;

/// acme.sh keeps settings under names with this prefix, and *sources* the files they stand in.
const SAVED: &str = "SAVED_";

/// The names of the variables that no child program gets.
static WITHHELD: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Keeps these variables from every child program that is started from now on.
pub fn keep_from_children<N: Into<String>>(names: impl IntoIterator<Item = N>) {
    WITHHELD
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(names.into_iter().map(Into::into));
}

/// Removes from the environment that `command` inherits whatever [`keep_from_children`] names, all that acme.sh has
/// saved, and every variable whose value is a known secret: the TOML file lets people name variables of their own.
pub fn withhold_secrets(command: &mut Command) {
    withhold_secrets_but(command, &BTreeSet::new());
}

/// As [`withhold_secrets`], but leaves the variables in `handed_on`.
pub fn withhold_secrets_but(command: &mut Command, handed_on: &BTreeSet<String>) {
    for (name, value) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| handed_on.contains(name)) {
            continue;
        }
        let named = name.to_str().is_some_and(is_withheld);
        if named || value.to_str().is_some_and(secret::is_known) {
            command.env_remove(name);
        }
    }
}

fn is_withheld(name: &str) -> bool {
    name.starts_with(SAVED)
        || WITHHELD
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
}

/// A snapshot of the environment. Empty variables count as unset, as they do in acme.sh.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process. Names and values that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// An environment of exactly these variables.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The same environment without these variables.
    #[must_use]
    pub fn without<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Self {
        let mut rest = self.clone();
        for name in names {
            rest.0.remove(name.as_ref());
        }
        rest
    }

    /// Whether one of acme.sh's hooks is calling: our shims say so.
    pub fn acme_is_calling(&self) -> bool {
        self.get("ANYPOINT_HOOKS_VOICE") == Some("acme")
    }
}

impl std::fmt::Debug for Env {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_variables_and_saved_ones_are_kept_from_children() {
        assert!(!is_withheld("TEST_SECRET_OF_A_PROGRAM"));
        keep_from_children(["TEST_SECRET_OF_A_PROGRAM"]);
        assert!(is_withheld("TEST_SECRET_OF_A_PROGRAM"));
        assert!(is_withheld("SAVED_ANYTHING"));
        assert!(!is_withheld("PATH"));
    }

    #[test]
    fn what_is_withheld_is_removed_from_the_environment_of_a_command() {
        // Cargo sets it for every test.
        keep_from_children(["CARGO_MANIFEST_DIR"]);
        let mut command = Command::new("env");
        withhold_secrets(&mut command);
        let removed: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| value.is_none().then_some(name))
            .collect();
        assert!(removed.iter().any(|name| *name == "CARGO_MANIFEST_DIR"));
        assert!(!removed.iter().any(|name| *name == "PATH"));
    }

    #[test]
    fn empty_variables_count_as_unset_and_values_are_not_shown() {
        let env = Env::from_pairs([("A", ""), ("B", "canary-env")]);
        assert_eq!((env.get("A"), env.get("B")), (None, Some("canary-env")));
        assert_eq!(format!("{env:?}"), "[\"A\", \"B\"]");
    }
}
