//! What the platform reports.

use common::anypoint::Credentials;
use common::anypoint::standalone::{Gateway, Replica};
use common::cli::{Invocation, Outcome, Report};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{RenewArgs, StatusArgs};
use crate::dates::{day, days_left};
use crate::gateway;
use crate::installation::Installation;
use crate::platform::Environment;
use crate::replicas;
use crate::several::{Failures, Line};

/// Asks the platform about one gateway or all of an environment. One that it cannot answer for stops no other.
pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let there = Environment::of(call, None, Credentials::general(&call.settings)?)?;
    let now = call.clock.now();
    let known = replicas::of_environment(call, &there, args.gateway.as_deref())?;
    let mut failures = Failures::of(known.len());
    let gateways: Vec<_> = known
        .into_iter()
        .map(|(known, replicas)| match replicas {
            Ok(replicas) => Line::Done(Box::new(GatewayStatus::new(known, replicas, now))),
            Err(err) => failures.add(&known.name, err.into()),
        })
        .collect();
    let unfinished = unfinished(call);
    let outcome = if unfinished.is_empty() {
        Outcome::Done
    } else {
        Outcome::Unfinished
    };
    if !matches!(gateways[..], [Line::Failed(_)]) {
        call.result(&Status {
            gateways,
            unfinished,
        })?;
    }
    failures.conclude(call, outcome)
}

/// The gateways of this host, and of the configuration file, whose renewal has begun and not ended. Where there are none,
/// this is about other hosts' gateways.
fn unfinished(call: &Invocation) -> Vec<String> {
    let known = gateway::named(&call.settings, &RenewArgs::default()).unwrap_or_default();
    known
        .into_iter()
        .filter(|known| {
            Installation::of(known).is_ok_and(|there| there.is_unfinished(known, call.env()))
        })
        .map(|known| known.name)
        .collect()
}

/// What the platform reports about an environment.
#[derive(Debug, Serialize)]
struct Status {
    gateways: Vec<Line<GatewayStatus>>,
    /// Registrations of this host whose renewal has begun and not ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unfinished: Vec<String>,
}

#[derive(Debug, Serialize)]
struct GatewayStatus {
    id: String,
    name: String,
    status: String,
    /// The earliest expiry among connected replicas.
    expires: Option<Timestamp>,
    days_left: Option<i64>,
    replicas: Vec<ReplicaStatus>,
}

#[derive(Debug, Serialize)]
struct ReplicaStatus {
    name: String,
    status: String,
    version: Option<String>,
    expires: Option<Timestamp>,
}

impl GatewayStatus {
    fn new(known: Gateway, replicas: Vec<Replica>, now: Timestamp) -> Self {
        let expires = replicas
            .iter()
            .filter(|replica| replica.is_connected())
            .filter_map(|replica| replica.certificate_expiration_date)
            .min();
        Self {
            id: known.id,
            name: known.name,
            status: known.status,
            expires,
            days_left: expires.map(|expires| days_left(expires, now)),
            replicas: replicas
                .into_iter()
                .map(|replica| ReplicaStatus {
                    name: replica.name.unwrap_or_default(),
                    status: replica.status,
                    version: replica.gateway_version,
                    expires: replica.certificate_expiration_date,
                })
                .collect(),
        }
    }
}

impl Report for Status {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .unfinished
            .iter()
            .map(|name| {
                format!(
                    "UNFINISHED {name}: a renewal was begun and not finished; flex-renew renew finishes it"
                )
            })
            .collect();
        if self.gateways.is_empty() {
            lines.push("no gateways in this environment".to_owned());
        }
        lines.extend(self.gateways.iter().map(Report::text));
        lines.join("\n")
    }
}

impl Report for GatewayStatus {
    fn text(&self) -> String {
        let expiry = |expires: Option<Timestamp>| {
            expires.map_or_else(
                || "no certificate reported".to_owned(),
                |date| format!("valid until {}", day(date)),
            )
        };
        let left = self
            .days_left
            .map_or_else(String::new, |days| format!(" ({days} days left)"));
        let mut lines = vec![format!(
            "{}  {}  {}{left}  {}",
            self.name,
            self.status,
            expiry(self.expires),
            self.id
        )];
        for replica in &self.replicas {
            lines.push(format!(
                "  {}  {}  {}  {}",
                replica.name,
                replica.status,
                replica.version.as_deref().unwrap_or("-"),
                expiry(replica.expires)
            ));
        }
        lines.join("\n")
    }
}
