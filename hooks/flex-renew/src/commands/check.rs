//! Whether registrations are due, by exit code.

use common::cli::{self, Format, Invocation, Outcome, Report};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::LookArgs;
use crate::dates::{day, days_left};
use crate::gateway;
use crate::installation::Installation;
use crate::one_or_many::OneOrMany;

/// Checks by its exit code, and in one line for each.
pub(crate) fn run(call: &Invocation, args: &LookArgs) -> anyhow::Result<Outcome> {
    let now = call.clock.now();
    let mut worst = Outcome::Done;
    let mut checked = Vec::new();
    for gateway in gateway::named(&call.settings, &args.into())? {
        let installation = Installation::of(&gateway)?;
        let registration = installation.registration()?;
        registration.check_key(&installation.name())?;
        let left = registration.certificate.time_left(now).as_secs();
        let (state, outcome) = if now > registration.expiry() {
            (State::Expired, Outcome::Expired)
        } else if left <= i64::try_from(gateway.within.as_secs()).unwrap_or(i64::MAX) {
            (State::Due, Outcome::Due)
        } else {
            (State::Valid, Outcome::Done)
        };
        worst = worst.max(outcome);
        checked.push(Checked {
            gateway: gateway.name,
            state,
            expires: registration.expiry(),
            days_left: days_left(registration.expiry(), now),
        });
    }
    let checked = OneOrMany::from(checked);
    match call.format {
        // Monitoring reads standard output, whoever is calling.
        Format::Text => cli::print(&checked.text())?,
        Format::Json => call.result(&checked)?,
    }
    Ok(worst)
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
