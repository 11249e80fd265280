//! Why DNS gave no answer.

use std::error::Error;
use std::fmt;

use hickory_proto::rr::RecordType;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The name cannot be asked for.
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// No server answered.
    NoAnswer {
        /// The name that was asked for.
        name: String,
        /// The type that was asked for.
        kind: RecordType,
        /// The last server that was asked.
        server: String,
        /// What went wrong there.
        why: String,
    },
    /// A server answered that it cannot or will not tell.
    Failed {
        /// The name that was asked for.
        name: String,
        /// The type that was asked for.
        kind: RecordType,
        /// Who answered.
        server: String,
        /// The answer, such as `SERVFAIL`.
        code: String,
    },
    /// No zone was found above the name.
    NoZone {
        /// The name.
        name: String,
    },
    /// There is no server to ask.
    NoServer,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { name, why } => write!(f, "{name:?} is not a DNS name: {why}"),
            Self::NoAnswer {
                name,
                kind,
                server,
                why,
            } => write!(
                f,
                "{name} {kind}: name server {server} did not answer: {why}"
            ),
            Self::Failed {
                name,
                kind,
                server,
                code,
            } => write!(f, "{name} {kind}: name server {server} answered {code}"),
            Self::NoZone { name } => write!(f, "no DNS zone found above {name}"),
            Self::NoServer => f.write_str("no name server to ask"),
        }
    }
}

impl Error for ResolveError {}
