//! What came of the requests, for people and programs.

use common::cli::{Outcome, Report};
use common::error::{Error, Kind, Result};
use serde::Serialize;

use super::address::Address;
use super::cause::{Cause, Explanation};
use super::finding::{Finding, Observation};

/// What came of one address.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    url: String,
    method: String,
    proved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// What came of all.
#[derive(Debug, Serialize)]
pub(crate) struct Verdicts {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) seconds: u64,
}

impl Verdict {
    /// Joins what was seen and why.
    pub(super) fn of(
        address: &Address,
        seen: &Observation,
        explanation: Option<Explanation>,
    ) -> Self {
        let (cause, text, advice) = match explanation {
            None => (None, seen.to_string(), None),
            Some(Explanation { cause, why, advice }) => {
                (Some(cause), format!("{seen}: {why}"), Some(advice))
            }
        };
        Self {
            url: address.shown().to_owned(),
            method: address.method.to_string(),
            proved: seen.finding == Finding::Proved,
            cause,
            text,
            advice,
        }
    }
}

impl Report for Verdicts {
    fn text(&self) -> String {
        let lines: Vec<String> = self
            .verdicts
            .iter()
            .map(|verdict| {
                let sign = if verdict.proved {
                    "closed"
                } else {
                    "NOT PROVED"
                };
                format!(
                    "{sign}  {} {}: {}",
                    verdict.method, verdict.url, verdict.text
                )
            })
            .collect();
        lines.join("\n")
    }
}

impl Verdicts {
    /// Whether everything is proved.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        let Some(first) = self.verdicts.iter().find(|verdict| !verdict.proved) else {
            return Ok(Outcome::Done);
        };
        let kind = match first.cause {
            Some(Cause::Unreachable) => Kind::Unreachable,
            _ => Kind::Unproved,
        };
        let err = Error::new(kind, format!("{}: {}", first.url, first.text));
        Err(match &first.advice {
            Some(advice) => err.advise(advice),
            None => err,
        })
    }
}
