//! How it stands with the certificate of a TLS context.

use common::anypoint::tls_contexts::TlsContext;
use common::cli::Outcome;
use jiff::Timestamp;
use serde::Serialize;

use crate::compare::{self, Comparison};
use crate::expiry::{self, Expiry, Within};
use crate::walk::Local;

/// In the order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Ok,
    /// It is not what acme.sh has.
    Differs,
    Due,
    Missing,
    Expired,
}

impl State {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Done,
            Self::Differs | Self::Due | Self::Missing => Outcome::Due,
            Self::Expired => Outcome::Expired,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Differs => "DIFFERS",
            Self::Due => "DUE",
            Self::Missing => "MISSING",
            Self::Expired => "EXPIRED",
        }
    }
}

/// The state, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) state: State,
    /// Why it has to be renewed.
    pub(crate) due: Option<String>,
    /// What else is wrong with it.
    wrong: Option<String>,
}

impl Health {
    /// What speaks for the state, on one line.
    pub(crate) fn detail(&self) -> Option<String> {
        let all: Vec<&str> = [&self.wrong, &self.due]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Judges what a context holds, next to what acme.sh has for it.
pub(crate) fn judge(
    context: &TlsContext,
    local: Option<&Local>,
    now: Timestamp,
    within: Within,
) -> Health {
    let comparison = local.map(|local| compare::compare(context, &local.identity));
    let same = local.filter(|_| comparison.as_ref().is_some_and(Comparison::is_same));
    let (expiry, due) = match same {
        Some(local) => by_lifetime(local, now, within),
        None => (by_date(context, now, within), None),
    };
    let missed = local.and_then(|local| local.missed_renewal);
    let wrong = match comparison {
        Some(Comparison::Different(why)) => Some(format!("differs from acme.sh's: {why}")),
        _ => None,
    };
    let states = [
        Some(expiry),
        missed.map(|_| State::Due),
        wrong.as_ref().map(|_| State::Differs),
    ];
    Health {
        state: states.into_iter().flatten().max().unwrap_or(State::Ok),
        due: missed.map(expiry::missed).or(due),
        wrong,
    }
}

/// There is no context for what acme.sh has.
pub(crate) fn missing(local: Option<&Local>, why: Option<String>) -> Health {
    Health {
        state: State::Missing,
        due: local
            .and_then(|local| local.missed_renewal)
            .map(expiry::missed),
        wrong: why,
    }
}

fn by_lifetime(local: &Local, now: Timestamp, within: Within) -> (State, Option<String>) {
    let leaf = &local.identity.leaf;
    if leaf.not_after <= now {
        (State::Expired, None)
    } else if within.is_due(leaf, now) {
        (State::Due, Some(within.why(leaf)))
    } else {
        (State::Ok, None)
    }
}

fn by_date(context: &TlsContext, now: Timestamp, within: Within) -> State {
    match Expiry::of(context, expiry::date_of(now)).days_left {
        Some(days) if days < 0 => State::Expired,
        Some(days) if !within.is_due_by_date(days) => State::Ok,
        // What cannot be monitored has to be looked at.
        Some(_) | None => State::Due,
    }
}
