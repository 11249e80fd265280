//! The TLS contexts of the targets, as `list` and `status` show them.

use std::fmt;

use anyhow::Context as _;
use common::anypoint::tls_contexts::TlsContext;
use common::cli::{Invocation, Report, table};
use common::system::workers;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::compare::{self, Certainty, Comparison};
use crate::expiry::{self, Expiry, Within};
use crate::target::Target;
use crate::walk::Local;
use crate::{failures, health, settings};

#[derive(Debug, Serialize)]
pub(crate) struct Inventory {
    pub(crate) contexts: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    target: String,
    name: String,
    domains: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    client_authentication: bool,
    /// How it compares with acme.sh's certificate, where that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<Compared>,
    /// Why it has to be renewed now, where acme.sh's certificate is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
}

/// How a context compares with acme.sh's certificate.
#[derive(Debug)]
struct Compared(Comparison);

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Comparison::Same(Certainty::Fingerprint | Certainty::Remembered) => {
                f.write_str("current")
            }
            Comparison::Same(Certainty::NamesAndDate) => {
                f.write_str("current, by names and expiry date")
            }
            Comparison::Different(why) => write!(f, "differs: {why}"),
        }
    }
}

impl Serialize for Compared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Row {
    fn new(target: &Target, context: &TlsContext, now: Timestamp, local: Option<&Local>) -> Self {
        let expiry = Expiry::of(context, expiry::date_of(now));
        let health = health::judge(context, local, now, Within::default());
        Self {
            target: target.name.clone(),
            name: context.name.clone(),
            domains: context.domains().into_iter().map(str::to_owned).collect(),
            expires: expiry.date,
            days_left: expiry.days_left,
            r#type: context.kind.clone(),
            client_authentication: context.trust_store.is_some(),
            local: local.map(|local| Compared(compare::compare(context, &local.identity))),
            due: local.and(health.due),
        }
    }
}

impl Report for Inventory {
    fn text(&self) -> String {
        let head = [
            "TARGET", "CONTEXT", "TYPE", "EXPIRES", "DAYS", "CLIENTS", "DOMAINS",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        let dash = || "-".to_owned();
        rows.extend(self.contexts.iter().map(|row| {
            [
                row.target.clone(),
                row.name.clone(),
                row.r#type.clone().unwrap_or_else(dash),
                row.expires.clone().unwrap_or_else(dash),
                row.days_left.map_or_else(dash, |days| days.to_string()),
                if row.client_authentication {
                    "authenticated".to_owned()
                } else {
                    "any".to_owned()
                },
                row.domains.join(", "),
            ]
        }));
        let mut text = table(&rows);
        for row in &self.contexts {
            if let Some(local) = &row.local {
                text += &format!("\n{} in {}: {local}", row.name, row.target);
            }
            if let Some(due) = &row.due {
                text += &format!("\n{} in {}: due: {due}", row.name, row.target);
            }
        }
        text
    }
}

/// What the targets have, or have for one domain, and what could not be read.
pub(crate) fn take(
    call: &Invocation,
    targets: &[Target],
    domain: Option<&str>,
    local: Option<&Local>,
) -> anyhow::Result<(Inventory, Vec<anyhow::Error>)> {
    let now = call.clock.now();
    let workers = settings::workers(&call.settings)?;
    let outcomes = workers::side_by_side(targets, workers, |target| {
        let contexts = contexts(target)?;
        let is_asked_for = |context: &&TlsContext| {
            domain.is_none_or(|domain| {
                context.name == target.context_for(domain) || compare::names_domain(context, domain)
            })
        };
        let rows = contexts
            .iter()
            .filter(is_asked_for)
            .map(|context| Row::new(target, context, now, local));
        Ok(rows.collect::<Vec<_>>())
    });
    let (rows, failed) = failures::sort(outcomes);
    let contexts = rows.into_iter().flatten().collect();
    Ok((Inventory { contexts }, failed))
}

/// Shows it, and fails if something could not be read.
pub(crate) fn conclude(
    call: &Invocation,
    inventory: &Inventory,
    failed: Vec<anyhow::Error>,
    targets: usize,
) -> anyhow::Result<()> {
    // A table without rows would look like an answer where there is none.
    if !inventory.contexts.is_empty() || failed.is_empty() {
        call.result(inventory)?;
    }
    failures::conclude(failed, targets, "The others are shown.", &call.log)
}

fn contexts(target: &Target) -> anyhow::Result<Vec<TlsContext>> {
    let read = || target.contexts(&target.resolve()?);
    read().with_context(|| format!("private space {}", target.name))
}
