//! The error of this crate: what failed, why, and what to do next.

use std::error::Error as StdError;
use std::fmt;

use crate::secret;

/// What a caller can do about an error. Each kind has one exit code, see [`crate::cli::exit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Configuration or input is missing or invalid: change it.
    Config,
    /// Credentials were refused, or lack a permission: grant or replace them.
    Credentials,
    /// The thing named does not exist.
    NotFound,
    /// The remote system, or a child program, refused the request.
    Refused,
    /// The remote system could not be reached or kept failing: try again later.
    Unreachable,
    /// Done, but the result could not be proved.
    Unproved,
}

/// What a remote system said when it refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remote {
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// The system's own code, as `81057` or `XX005`.
    pub code: Option<String>,
    /// The system's own words, cut to a length, secrets masked.
    pub message: String,
}

/// An error with a kind, a sentence, the advice that belongs to it and its cause.
///
/// `Display` gives the sentence alone; causes are reached by `source`, advice by [`Error::advice`].
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    what: String,
    advice: Option<String>,
    remote: Option<Remote>,
    effect_unknown: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of whatever can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `what` says what failed and why, as one sentence without a full stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            what: what.into(),
            advice: None,
            remote: None,
            effect_unknown: false,
            source: None,
        }))
    }

    /// Missing or invalid configuration or input.
    pub fn config(what: impl Into<String>) -> Self {
        Self::new(Kind::Config, what)
    }

    /// Something named does not exist.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, what)
    }

    /// Adds what to do next, as one or more sentences. The outermost advice is the one shown.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Adds the error that led to this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what the remote system said.
    #[must_use]
    pub fn said(mut self, remote: Remote) -> Self {
        self.0.remote = Some(remote);
        self
    }

    /// Marks a write that may have been executed although no usable answer came.
    #[must_use]
    pub fn with_unknown_effect(mut self) -> Self {
        self.0.effect_unknown = true;
        self
    }

    /// The same error as another kind, where the caller knows better what it means.
    #[must_use]
    pub fn as_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What to do next.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// What the remote system said, if it said anything.
    pub fn remote(&self) -> Option<&Remote> {
        self.0.remote.as_ref()
    }

    /// HTTP status of the refusal, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.remote.as_ref().and_then(|remote| remote.status)
    }

    /// Whether a write may have taken effect although it ended in this error: look before repeating it.
    pub fn effect_unknown(&self) -> bool {
        self.0.effect_unknown
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secret::mask(&self.0.what))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.message.is_empty()) {
            (Some(status), false) => write!(f, "{status}: {}", self.message)?,
            (Some(status), true) => write!(f, "{status}")?,
            (None, _) => f.write_str(&self.message)?,
        }
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_status_message_and_code() {
        let remote = Remote {
            status: Some(403),
            code: Some("9109".into()),
            message: "Invalid access token".into(),
        };
        assert_eq!(remote.to_string(), "403: Invalid access token (9109)");
    }

    #[test]
    fn a_secret_never_shows_in_an_error() {
        let secret = crate::secret::Secret::new("canary-error-1f8c");
        let err = Error::config(format!("bad value {}", secret.expose()));
        assert_eq!(err.to_string(), "bad value ***");
    }
}
