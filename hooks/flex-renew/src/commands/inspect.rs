//! What a registration says.

use common::cli::{self, Invocation, Outcome, Report};
use common::error::Result;
use common::flex::flexctl::inspect_form;
use common::flex::registration::Registration;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::LookArgs;
use crate::dates::{day, days_left};
use crate::gateway;
use crate::installation::Installation;
use crate::several::{self, Failures, Line};

/// Shows registrations. One that cannot be read stops no other.
pub(crate) fn run(call: &Invocation, args: &LookArgs) -> anyhow::Result<Outcome> {
    let now = call.clock.now();
    let mut shown = Vec::new();
    let failures = look(call, args, |read| {
        shown.push(read.map(|(name, registration)| Inspection::new(name, &registration, now)));
        Ok(())
    })?;
    if let Some(shown) = several::shown(shown) {
        call.result(&shown)?;
    }
    failures.conclude(call, Outcome::Done)
}

/// Shows registrations exactly as `flexctl registration inspect` does.
pub(crate) fn as_flexctl(call: &Invocation, args: &LookArgs) -> anyhow::Result<Outcome> {
    let failures = look(call, args, |read| match read {
        Line::Done(read) => cli::print(&inspect_form(read.1.expiry())),
        Line::Failed(_) => Ok(()),
    })?;
    failures.conclude(call, Outcome::Done)
}

/// Shows each registration with its name. One without its key is shown like any other, and is an error all the same.
fn look(
    call: &Invocation,
    args: &LookArgs,
    mut show: impl FnMut(Line<(String, Registration)>) -> Result<()>,
) -> anyhow::Result<Failures> {
    let gateways = gateway::named(&call.settings, &args.into())?;
    let mut failures = Failures::of(gateways.len());
    for gateway in &gateways {
        let read = Installation::of(gateway)
            .and_then(|installation| Ok((installation.name(), installation.registration()?)));
        show(match read {
            Ok((name, registration)) => {
                if let Err(err) = registration.check_key(&name) {
                    failures.remember(&gateway.name, err.into());
                }
                Line::Done(Box::new((name, registration)))
            }
            Err(err) => failures.add(&gateway.name, err.into()),
        })?;
    }
    Ok(failures)
}

/// What a registration says. Never its key.
#[derive(Debug, Serialize)]
struct Inspection {
    registration: String,
    gateway: Option<String>,
    name: Option<String>,
    organization: Option<String>,
    environment: Option<String>,
    platform: Option<String>,
    mode: Option<String>,
    /// Whether the certificate stands in a second file.
    split: bool,
    subject: String,
    issuer: String,
    serial: String,
    valid_from: Timestamp,
    expires: Timestamp,
    days_left: i64,
    expired: bool,
    /// Whether certificate and key belong together.
    key_matches: bool,
}

impl Inspection {
    fn new(name: String, read: &Registration, now: Timestamp) -> Self {
        let certificate = &read.certificate;
        Self {
            registration: name,
            gateway: read.gateway.clone(),
            name: read.name.clone(),
            organization: read.organization.clone(),
            environment: read.environment.clone(),
            platform: read.platform.clone(),
            mode: read.mode.clone(),
            split: read.split,
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            serial: certificate.serial.clone(),
            valid_from: certificate.not_before,
            expires: certificate.not_after,
            days_left: days_left(certificate.not_after, now),
            expired: now > certificate.not_after,
            key_matches: read.has_key,
        }
    }
}

impl Report for Inspection {
    fn text(&self) -> String {
        let mut lines = vec![format!("registration  {}", self.registration)];
        let named = [
            ("gateway", &self.gateway),
            ("name", &self.name),
            ("organization", &self.organization),
            ("environment", &self.environment),
            ("platform", &self.platform),
            ("mode", &self.mode),
        ];
        lines.extend(
            named
                .iter()
                .filter_map(|(what, value)| Some(format!("{what:<14}{}", value.as_ref()?))),
        );
        let left = if self.expired {
            "expired".to_owned()
        } else {
            format!("{} days left", self.days_left)
        };
        lines.extend([
            format!("subject       {}", self.subject),
            format!("issuer        {}", self.issuer),
            format!("serial        {}", self.serial),
            format!(
                "valid         {} to {} ({left})",
                day(self.valid_from),
                day(self.expires)
            ),
            format!(
                "key           {}",
                if self.key_matches {
                    "belongs to the certificate"
                } else {
                    "does not belong to the certificate"
                }
            ),
        ]);
        lines.join("\n")
    }
}
