//! A value together with where it came from.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};

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
