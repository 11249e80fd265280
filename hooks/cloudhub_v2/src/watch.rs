//! Checks for monitoring.

use anyhow::Context as _;
use common::anypoint::{self, Client, Credentials, PLANES};
use common::cli::exit::Outcome;
use common::duration;
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::net::http::Http;
use common::settings::Settings;
use common::system::clock;
use common::system::environment::Env;
use common::system::workers;
use jiff::civil::Date;
use serde::Serialize;

use crate::args::{Args, CheckArgs};
use crate::compare;
use crate::deploy::context_name;
use crate::failures;
use crate::inventory::table;
use crate::targets::{self, CLIENT_ID, CLIENT_SECRET, Target};

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

/// Tells which certificates expire soon. The default contexts are left out: the platform renews them by itself.
pub(crate) fn check(
    args: &Args,
    check: &CheckArgs,
    env: &Env,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let domain = check.domain.as_deref();
    let settings = Settings::load(env, &args.settings, domain)?;
    let targets = targets::load(&settings, &args.target, domain, out)?;
    let workers = targets::workers(&settings, &args.target)?;
    let now = clock::system().now();
    let today = now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    // The platform tells the day of the expiry alone, so a day that is touched counts.
    let within = i64::try_from(check.within.as_secs().div_ceil(24 * 60 * 60)).unwrap_or(i64::MAX);
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
    out.result(&Checked {
        within: duration::show(check.within),
        contexts,
    })?;
    failures::conclude(failed, targets.len(), "The others are shown.", out)?;
    Ok(worst.outcome())
}

fn rows(target: &Target, domain: Option<&str>, today: Date, within: i64) -> Result<Vec<Row>> {
    let place = target.place()?;
    let mut rows: Vec<Row> = target
        .contexts(&place)?
        .iter()
        .filter(|context| !context.is_default())
        .filter(|context| domain.is_none_or(|domain| compare::belongs(context, domain)))
        .map(|context| {
            let date = context
                .key_store
                .expiration_date
                .as_deref()
                .map(compare::date);
            let expires: Option<Date> = date.and_then(|date| date.parse().ok());
            let days_left = expires.map(|date| days_between(today, date));
            Row {
                target: target.name.clone(),
                name: context.name.clone(),
                domains: context.domains().into_iter().map(str::to_owned).collect(),
                expires: date.map(str::to_owned),
                days_left,
                state: match days_left {
                    Some(days) if days < 0 => State::Expired,
                    Some(days) if days <= within => State::Due,
                    Some(_) => State::Ok,
                    // What cannot be watched has to be looked at.
                    None => State::Due,
                },
            }
        })
        .collect();
    if let Some(domain) = domain.filter(|_| rows.is_empty()) {
        rows.push(Row {
            target: target.name.clone(),
            name: context_name(target, domain),
            domains: vec![domain.to_owned()],
            expires: None,
            days_left: None,
            state: State::Missing,
        });
    }
    Ok(rows)
}

/// Days from one date to another; negative when it has passed.
pub(crate) fn days_between(from: Date, to: Date) -> i64 {
    // Differences of dates are in days unless other units are asked for, and fit an i64 for all dates there are.
    from.until(to).map_or(0, |span| span.get_days().into())
}

#[derive(Debug, Serialize)]
struct Planes {
    planes: Vec<Plane>,
}

#[derive(Debug, Serialize)]
struct Plane {
    plane: &'static str,
    host: &'static str,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Report for Planes {
    fn text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .planes
            .iter()
            .map(|plane| {
                let told = match &plane.reason {
                    None => "accepts the credentials".to_owned(),
                    Some(reason) => reason.clone(),
                };
                [plane.plane.to_owned(), plane.host.to_owned(), told]
            })
            .collect();
        table(&rows)
    }
}

/// Tries the credentials on every published control plane. Nothing else does: they are shown to other hosts by it.
pub(crate) fn planes(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, None)?;
    let network = settings.network()?;
    let url = anypoint::url(&settings, args.target.url.as_deref())?;
    let http = Http::new("cloudhub_v2", &url, &network, clock::system(), out)?;
    let host = http.base().host_str().unwrap_or_default();
    if !PLANES.iter().any(|(_, known)| *known == host) || http.base().port().is_some() {
        return Err(Error::config(format!(
            "{host} is none of the published control planes, so the credentials are not tried on those"
        ))
        .advise("Only credentials for one of them can belong to another: set ANYPOINT_URL to the one you mean.")
        .into());
    }
    let credentials = Credentials::from_settings(&settings, &CLIENT_ID, &CLIENT_SECRET)?;
    if matches!(credentials, Credentials::Bearer(_)) {
        return Err(Error::config(
            "a ready token (ANYPOINT_BEARER) cannot be tried on control planes",
        )
        .advise("Set CH2_CLIENT_ID and CH2_CLIENT_SECRET.")
        .into());
    }
    let mut planes = Vec::new();
    for (plane, host) in PLANES {
        let http = Http::new("cloudhub_v2", host, &network, clock::system(), out)?;
        let refusal = Client::new(http, credentials.clone()).log_in().err();
        planes.push(Plane {
            plane,
            host,
            accepted: refusal.is_none(),
            reason: refusal.map(|err| err.to_string()),
        });
    }
    let accepting: Vec<&str> = planes
        .iter()
        .filter(|plane| plane.accepted)
        .map(|plane| plane.host)
        .collect();
    let advice = match accepting[..] {
        [] => {
            "No control plane accepts them: check CH2_CLIENT_ID and CH2_CLIENT_SECRET.".to_owned()
        }
        _ => format!(
            "Set ANYPOINT_URL to https://{}.",
            accepting.join(" or https://")
        ),
    };
    let here = accepting.contains(&host);
    out.result(&Planes { planes })?;
    if here {
        Ok(Outcome::Done)
    } else {
        Err(Error::new(
            Kind::Credentials,
            format!("{host} does not accept the credentials"),
        )
        .advise(advice)
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_months_and_years_and_into_the_past() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days_between(date("2026-01-31"), date("2026-03-01")), 29);
        assert_eq!(days_between(date("2026-11-22"), date("2027-11-22")), 365);
        assert_eq!(days_between(date("2026-11-22"), date("2026-11-21")), -1);
    }
}
