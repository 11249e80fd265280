//! A value together with where it came from.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::system::files;

/// A secret fits into this many bytes, with room to spare.
const LARGEST_SECRET: u64 = 64 * 1024;

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T = String> {
    /// The value.
    pub value: T,
    /// Its origin, for errors about it.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// The same origin with another value.
    ///
    /// # Errors
    ///
    /// Those of `change`, with the origin put in front.
    pub fn try_map<U, E: fmt::Display>(
        self,
        change: impl FnOnce(T) -> std::result::Result<U, E>,
    ) -> Result<Sourced<U>> {
        match change(self.value) {
            Ok(value) => Ok(Sourced {
                value,
                origin: self.origin,
            }),
            Err(err) => Err(Error::config(format!("{}: {err}", self.origin))),
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, or something typed in.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(String),
    /// A file that a flag, variable, saved value or TOML key names.
    File {
        /// The flag, variable or key.
        named_by: String,
        /// The file.
        path: PathBuf,
    },
    /// A conf file of acme.sh.
    Saved {
        /// The variable.
        name: String,
        /// The conf file.
        path: PathBuf,
    },
    /// The TOML file.
    Toml {
        /// The dotted key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// Nobody has set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => f.write_str(flag),
            Origin::Environment(name) => write!(f, "{name} (environment)"),
            Origin::File { named_by, path } => write!(f, "{named_by} ({})", path.display()),
            Origin::Saved { name, path } => write!(f, "{name} (saved in {})", path.display()),
            Origin::Toml { key, path } => write!(f, "{key} in {}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// Reads the file that holds a secret. A final newline does not belong to it.
///
/// # Errors
///
/// The file is missing, unreadable, or empty.
pub fn secret_in(named_by: &str, path: &Path) -> Result<Secret> {
    let text = files::read_text(
        &format!("the file that {named_by} names,"),
        path,
        LARGEST_SECRET,
    )?;
    let value = text.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(Error::config(format!(
            "the file that {named_by} names, {}, is empty",
            path.display()
        )));
    }
    Ok(Secret::new(value))
}
