//! How it stands with the certificate of a TLS context.

use common::anypoint::tls_contexts::TlsContext;
use common::cli::monitoring;
use jiff::Timestamp;

use crate::compare::{self, Comparison};
use crate::expiry::{self, Expiry, Within};
use crate::walk::Local;

/// In the order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Ok,
    /// It is not what acme.sh has.
    Differs,
    Due,
    Missing,
    Expired,
}

impl From<State> for monitoring::State {
    fn from(state: State) -> Self {
        match state {
            State::Ok => Self::Ok,
            State::Differs => Self::Differs,
            State::Due => Self::Due,
            State::Missing => Self::Missing,
            State::Expired => Self::Expired,
        }
    }
}

/// The state, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) state: State,
    /// Whether the certificate is the one that acme.sh has.
    pub(crate) is_local: bool,
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
        is_local: same.is_some(),
        due: missed.map(expiry::missed).or(due),
        wrong,
    }
}

/// There is no context for what acme.sh has.
pub(crate) fn missing(local: Option<&Local>, why: Option<String>) -> Health {
    Health {
        state: State::Missing,
        is_local: false,
        due: local
            .and_then(|local| local.missed_renewal)
            .map(expiry::missed),
        wrong: why,
    }
}

/// Judges what acme.sh has by itself.
pub(crate) fn of_local(local: &Local, now: Timestamp, within: Within) -> Health {
    let (expiry, due) = by_lifetime(local, now, within);
    let missed = local.missed_renewal.map(|_| State::Due);
    Health {
        state: missed.map_or(expiry, |missed| missed.max(expiry)),
        is_local: true,
        due: local.missed_renewal.map(expiry::missed).or(due),
        wrong: None,
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
