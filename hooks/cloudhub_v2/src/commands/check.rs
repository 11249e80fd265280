//! `check`: shows which certificates expire soon, for monitoring.

use anyhow::Context as _;
use common::cli::{Invocation, Outcome, Report, table};
use common::duration;
use common::error::Result;
use common::system::workers;
use jiff::civil::Date;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::expiry::{self, Expiry};
use crate::target::Target;
use crate::{compare, failures, planes, settings, targets};

/// The default contexts are left out: the platform renews them by itself.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    if args.planes {
        return planes::run(call);
    }
    let domain = args.domain.as_deref();
    let call = &match domain {
        Some(domain) => call.for_domain(domain)?,
        None => call.clone(),
    };
    let targets = targets::load(call, domain)?;
    let workers = settings::workers(&call.settings)?;
    let today = expiry::today(call.clock.as_ref());
    // The platform reports only the day of the expiry, so a day that is touched counts.
    let within = i64::try_from(args.within.as_secs().div_ceil(24 * 60 * 60)).unwrap_or(i64::MAX);
    let rows = workers::side_by_side(&targets, workers, |target| {
        rows(target, domain, today, within)
            .with_context(|| format!("private space {}", target.name))
    });
    let (rows, failed) = failures::sort(rows);
    let contexts: Vec<Row> = rows.into_iter().flatten().collect();
    let worst = contexts
        .iter()
        .map(|row| row.state)
        .max()
        .unwrap_or(State::Ok);
    call.result(&Checked {
        within: duration::show(args.within),
        contexts,
    })?;
    failures::conclude(failed, targets.len(), "The others are shown.", &call.log)?;
    Ok(worst.outcome())
}

#[derive(Debug, Serialize)]
struct Checked {
    within: String,
    contexts: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    name: String,
    domains: Vec<String>,
    expires: Option<String>,
    days_left: Option<i64>,
    state: State,
}

/// In the order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Due,
    Missing,
    Expired,
}

impl State {
    fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Done,
            Self::Due | Self::Missing => Outcome::Due,
            Self::Expired => Outcome::Expired,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Due => "DUE",
            Self::Missing => "MISSING",
            Self::Expired => "EXPIRED",
        }
    }
}

impl Report for Checked {
    fn text(&self) -> String {
        let mut rows =
            vec![["STATE", "TARGET", "CONTEXT", "EXPIRES", "DAYS", "DOMAINS"].map(str::to_owned)];
        let dash = || "-".to_owned();
        rows.extend(self.contexts.iter().map(|row| {
            [
                row.state.word().to_owned(),
                row.target.clone(),
                row.name.clone(),
                row.expires.clone().unwrap_or_else(dash),
                row.days_left.map_or_else(dash, |days| days.to_string()),
                row.domains.join(", "),
            ]
        }));
        table(&rows)
    }
}

fn rows(target: &Target, domain: Option<&str>, today: Date, within: i64) -> Result<Vec<Row>> {
    let resolved = target.resolve()?;
    let mut rows: Vec<Row> = target
        .contexts(&resolved)?
        .iter()
        .filter(|context| !context.is_default())
        .filter(|context| domain.is_none_or(|domain| compare::belongs(context, domain)))
        .map(|context| {
            let Expiry { date, days_left } = Expiry::of(context, today);
            Row {
                target: target.name.clone(),
                name: context.name.clone(),
                domains: context.domains().into_iter().map(str::to_owned).collect(),
                expires: date,
                days_left,
                state: match days_left {
                    Some(days) if days < 0 => State::Expired,
                    Some(days) if days <= within => State::Due,
                    Some(_) => State::Ok,
                    // What cannot be monitored has to be looked at.
                    None => State::Due,
                },
            }
        })
        .collect();
    if let Some(domain) = domain.filter(|_| rows.is_empty()) {
        rows.push(Row {
            target: target.name.clone(),
            name: target.context_for(domain),
            domains: vec![domain.to_owned()],
            expires: None,
            days_left: None,
            state: State::Missing,
        });
    }
    Ok(rows)
}
