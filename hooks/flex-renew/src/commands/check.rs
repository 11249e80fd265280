//! Whether registrations are due, by exit code.

use common::cli::{self, Format, Invocation, Outcome, Report};
use common::error::Result;
use common::flex::registration::Registration;
use jiff::Timestamp;
use serde::Serialize;

use crate::acceptance;
use crate::args::CheckArgs;
use crate::dates::{day, days_left};
use crate::due::Due;
use crate::gateway::{self, Gateway};
use crate::gateway_log;
use crate::installation::Installation;
use crate::several::{self, Failures, Line};

/// Checks by its exit code, and in one line for each. One that cannot be read stops no other.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let now = call.clock.now();
    let gateways = gateway::named(&call.settings, &(&args.look).into())?;
    let mut failures = Failures::of(gateways.len());
    let mut worst = Outcome::Done;
    let mut checked = Vec::new();
    for gateway in &gateways {
        checked.push(match check(call, gateway, args.credentials, now) {
            Ok(one) => {
                worst = worst.max(one.state.outcome());
                Line::Done(Box::new(one))
            }
            Err(err) => failures.add(&gateway.name, err.into()),
        });
    }
    if let Some(checked) = several::shown(checked) {
        match call.format {
            // Monitoring reads standard output, whoever is calling.
            Format::Text => cli::print(&checked.text())?,
            _ => call.result(&checked)?,
        }
    }
    failures.conclude(call, worst)
}

fn check(
    call: &Invocation,
    gateway: &Gateway,
    credentials: bool,
    now: Timestamp,
) -> Result<Checked> {
    let installation = Installation::of(gateway)?;
    let is_unfinished = installation.is_unfinished(gateway, call.env());
    let read = installation.registration().and_then(|registration| {
        registration.check_key(&installation.name())?;
        Ok(registration)
    });
    let registration = match read {
        // Half of one and half of another, it may be.
        Err(_) if is_unfinished => None,
        read => Some(read?),
    };
    // Where it cannot be read, it does not say where they are to be accepted either.
    let credentials = match (&registration, credentials) {
        (Some(registration), true) => {
            acceptance::check(call, gateway, registration)?;
            Some(Accepted::Accepted)
        }
        _ => None,
    };
    let is_due = |registration: &Registration| {
        Due::of(&registration.certificate, gateway.within, now) == Due::Yes
            || Due::of_version_1(&registration.certificate, now) == Due::Yes
                && gateway_log::asks_for_renewal(call, gateway, &installation)
    };
    let state = match &registration {
        Some(registration) if now > registration.expiry() => State::Expired,
        _ if is_unfinished => State::Unfinished,
        Some(registration) if is_due(registration) => State::Due,
        _ => State::Valid,
    };
    let expires = registration.map(|registration| registration.expiry());
    Ok(Checked {
        gateway: gateway.name.clone(),
        state,
        expires,
        days_left: expires.map(|expires| days_left(expires, now)),
        credentials,
    })
}

/// The answer of a check.
#[derive(Debug, Serialize)]
struct Checked {
    gateway: String,
    state: State,
    /// None where it cannot be read, in the middle of a renewal.
    expires: Option<Timestamp>,
    days_left: Option<i64>,
    /// Whether the platform accepts the credentials for `flexctl`, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Accepted>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Accepted {
    Accepted,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Valid,
    Unfinished,
    Due,
    Expired,
}

impl State {
    fn outcome(self) -> Outcome {
        match self {
            State::Valid => Outcome::Done,
            State::Unfinished => Outcome::Unfinished,
            State::Due => Outcome::Due,
            State::Expired => Outcome::Expired,
        }
    }
}

impl Report for Checked {
    fn text(&self) -> String {
        let gateway = &self.gateway;
        let (word, then) = match self.state {
            State::Unfinished => (
                "UNFINISHED",
                "a renewal was begun and not finished; flex-renew renew finishes it",
            ),
            State::Valid => ("OK", ""),
            State::Due => ("DUE", ""),
            State::Expired => ("EXPIRED", ""),
        };
        let validity = match (self.state, self.expires, self.days_left) {
            (State::Expired, Some(expires), _) => format!("was valid until {}", day(expires)),
            (_, Some(expires), Some(days)) => {
                format!("{days} days left, valid until {}", day(expires))
            }
            _ => String::new(),
        };
        let credentials = match self.credentials {
            Some(Accepted::Accepted) => "credentials accepted",
            None => "",
        };
        let said: Vec<&str> = [then, &validity, credentials]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        format!("{word} {gateway}: {}", said.join("; "))
    }
}
