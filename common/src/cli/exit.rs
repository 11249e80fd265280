//! Errors and outcomes as exit codes. The table stands in the README and in every `--help`.

use std::process::ExitCode;

use crate::error::{Error, Kind};
use crate::log::Log;

/// How a run that met no error ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Done, or nothing to do.
    Done,
    /// Checks only: something was begun and is not finished.
    Unfinished,
    /// Checks only: something is due, missing, or open.
    Due,
    /// Checks only: already expired.
    Expired,
}

impl Outcome {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Unfinished | Outcome::Due => 10,
            Outcome::Expired => 11,
        }
    }
}

/// The table of exit codes, for the end of every `--help`.
pub const HELP: &str = "\
Exit codes:
   0  done, or nothing to do
   1  unexpected error
   2  wrong usage, missing or invalid configuration or input
   3  credentials refused, or a permission (scope) is missing
   4  the thing named does not exist
   5  the remote system refused the request
   6  the remote system could not be reached or kept failing: try again later
   7  done, but the result could not be proved
  10  checks only: something is due, missing, open, or begun and not finished
  11  checks only: already expired";

/// Reports an error, if there is one, and turns the result into the exit code of the process.
pub fn finish(out: &Log, result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(err) => {
            out.failure(&err);
            ExitCode::from(code_for(&err))
        }
    }
}

/// The exit code of an error: that of the first [`Error`] in its chain, else 1.
pub fn code_for(err: &anyhow::Error) -> u8 {
    kind_of(err).map_or(1, code)
}

/// The kind of the first [`Error`] in a chain.
pub fn kind_of(err: &anyhow::Error) -> Option<Kind> {
    err.chain()
        .find_map(|cause| cause.downcast_ref::<Error>())
        .map(Error::kind)
}

/// The exit code of a kind.
pub fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Config => 2,
        Kind::Credentials => 3,
        Kind::NotFound => 4,
        Kind::Refused => 5,
        Kind::Unreachable => 6,
        Kind::Unproved => 7,
    }
}

/// The kind of error that an exit code stands for.
pub fn kind(exit_code: u8) -> Option<Kind> {
    [
        Kind::Config,
        Kind::Credentials,
        Kind::NotFound,
        Kind::Refused,
        Kind::Unreachable,
        Kind::Unproved,
    ]
    .into_iter()
    .find(|kind| code(*kind) == exit_code)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn context_around_an_error_does_not_hide_its_code() {
        let err = Err::<(), _>(Error::new(Kind::Unproved, "served certificate differs"))
            .context("deploying *.acme.example")
            .unwrap_err();
        assert_eq!(code_for(&err), 7);
    }

    #[test]
    fn an_error_of_no_kind_is_a_defect() {
        assert_eq!(code_for(&anyhow::anyhow!("odd")), 1);
    }
}
