//! Whether registrations are due, by exit code.

use common::cli::{self, Format, Invocation, Outcome, Report};
use common::error::Result;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::LookArgs;
use crate::dates::{day, days_left};
use crate::due::Due;
use crate::gateway::{self, Gateway};
use crate::installation::Installation;
use crate::several::{self, Failures, Line};

/// Checks by its exit code, and in one line for each. One that cannot be read stops no other.
pub(crate) fn run(call: &Invocation, args: &LookArgs) -> anyhow::Result<Outcome> {
    let now = call.clock.now();
    let gateways = gateway::named(&call.settings, &args.into())?;
    let mut failures = Failures::of(gateways.len());
    let mut worst = Outcome::Done;
    let mut checked = Vec::new();
    for gateway in &gateways {
        checked.push(match check(gateway, now) {
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
            Format::Json => call.result(&checked)?,
        }
    }
    failures.conclude(call, worst)
}

fn check(gateway: &Gateway, now: Timestamp) -> Result<Checked> {
    let installation = Installation::of(gateway)?;
    let registration = installation.registration()?;
    registration.check_key(&installation.name())?;
    let state = if now > registration.expiry() {
        State::Expired
    } else if Due::of(&registration.certificate, gateway.within, now) == Due::Yes {
        State::Due
    } else {
        State::Valid
    };
    Ok(Checked {
        gateway: gateway.name.clone(),
        state,
        expires: registration.expiry(),
        days_left: days_left(registration.expiry(), now),
    })
}

/// The answer of a check.
#[derive(Debug, Serialize)]
struct Checked {
    gateway: String,
    state: State,
    expires: Timestamp,
    days_left: i64,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Valid,
    Due,
    Expired,
}

impl State {
    fn outcome(self) -> Outcome {
        match self {
            State::Valid => Outcome::Done,
            State::Due => Outcome::Due,
            State::Expired => Outcome::Expired,
        }
    }
}

impl Report for Checked {
    fn text(&self) -> String {
        let (gateway, expires, days) = (&self.gateway, day(self.expires), self.days_left);
        match self.state {
            State::Valid => format!("OK {gateway}: {days} days left, valid until {expires}"),
            State::Due => format!("DUE {gateway}: {days} days left, valid until {expires}"),
            State::Expired => format!("EXPIRED {gateway}: was valid until {expires}"),
        }
    }
}
