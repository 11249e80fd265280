//! Commands that look at registrations, and the one that takes care of all of them.

use std::time::Duration;

use common::cli::exit::{Outcome, code, kind_of};
use common::error::{Error, Kind, Result};
use common::flex::flexctl::inspect_form;
use common::flex::registration::Registration;
use common::log::{self, Report};
use common::system::{signals, workers};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Form, LookArgs, RenewArgs, RunArgs};
use crate::gateway::{self, Gateway};
use crate::place::Place;
use crate::renew::{self, Action, Renewed, World, day};
use crate::saved;

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

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn from(mut all: Vec<T>) -> Self {
        match all.pop() {
            Some(only) if all.is_empty() => Self::One(only),
            Some(last) => {
                all.push(last);
                Self::Many(all)
            }
            None => Self::Many(all),
        }
    }
}

impl<T: Report> Report for OneOrMany<T> {
    fn text(&self) -> String {
        match self {
            Self::One(one) => one.text(),
            Self::Many(all) => all
                .iter()
                .map(Report::text)
                .collect::<Vec<_>>()
                .join("\n\n"),
        }
    }
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

/// Shows registrations.
pub(crate) fn inspect(look: &LookArgs, form: Form, world: &World<'_>) -> anyhow::Result<Outcome> {
    let gateways = gateway::named(world.settings, &gateway::looking(look, None))?;
    let mut shown = Vec::new();
    let mut wrong = Ok(());
    for gateway in &gateways {
        let (name, read) = read(gateway)?;
        wrong = wrong.and(read.check_key(&name));
        if form == Form::Flexctl {
            world.out.print(&inspect_form(read.expiry()))?;
        }
        shown.push(Inspection::new(name, &read, world.clock.now()));
    }
    if form != Form::Flexctl {
        world.out.result(&OneOrMany::from(shown))?;
    }
    wrong?;
    Ok(Outcome::Done)
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

/// Checks by its exit code.
pub(crate) fn check(
    look: &LookArgs,
    within: Option<Duration>,
    world: &World<'_>,
) -> anyhow::Result<Outcome> {
    let gateways = gateway::named(world.settings, &gateway::looking(look, within))?;
    let now = world.clock.now();
    let mut worst = Outcome::Done;
    let mut checked = Vec::new();
    for gateway in &gateways {
        let (name, read) = read(gateway)?;
        read.check_key(&name)?;
        let left = read.certificate.time_left(now).as_secs();
        let (state, outcome) = if now > read.expiry() {
            (State::Expired, Outcome::Expired)
        } else if left <= i64::try_from(gateway.within.as_secs()).unwrap_or(i64::MAX) {
            (State::Due, Outcome::Due)
        } else {
            (State::Valid, Outcome::Done)
        };
        worst = worst.max(outcome);
        checked.push(Checked {
            gateway: gateway.name.clone(),
            state,
            expires: read.expiry(),
            days_left: days_left(read.expiry(), now),
        });
    }
    let lines = checked
        .iter()
        .map(Report::text)
        .collect::<Vec<_>>()
        .join("\n");
    match world.out.format() {
        log::Format::Text => world.out.print(&lines)?,
        log::Format::Json => world.out.result(&OneOrMany::from(checked))?,
    }
    Ok(worst)
}

fn read(gateway: &Gateway) -> Result<(String, Registration)> {
    let place = Place::of(gateway)?;
    let name = place.name();
    let read = place.read()?.parse(&name)?;
    Ok((name, read))
}

fn days_left(expires: Timestamp, now: Timestamp) -> i64 {
    expires.duration_since(now).as_hours().div_euclid(24)
}

/// Renews one registration.
pub(crate) fn renew(args: &RenewArgs, world: &World<'_>) -> anyhow::Result<Outcome> {
    saved::check(world.settings)?;
    let gateways = gateway::named(world.settings, args)?;
    let [gateway] = &gateways[..] else {
        let names: Vec<&str> = gateways
            .iter()
            .map(|gateway| gateway.name.as_str())
            .collect();
        return Err(Error::config(format!(
            "there are several registrations: {}",
            names.join(", ")
        ))
        .advise("Say which one by its path or name, or renew all that are due with flex-renew run.")
        .into());
    };
    let renewed = renew::renew(gateway, args, world);
    saved::save(world.settings)?;
    world.out.result(&renewed?)?;
    Ok(Outcome::Done)
}

/// What became of all.
#[derive(Debug, Serialize)]
struct Summary {
    gateways: Vec<Line>,
    renewed: usize,
    not_due: usize,
    failed: usize,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Done(Box<Renewed>),
    Failed {
        gateway: String,
        error: String,
        advice: Option<String>,
        exit_code: u8,
    },
}

impl Report for Line {
    fn text(&self) -> String {
        match self {
            Line::Done(renewed) => renewed.text(),
            Line::Failed { gateway, error, .. } => format!("{gateway}: FAILED: {error}"),
        }
    }
}

impl Report for Summary {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.gateways.iter().map(Report::text).collect();
        if self.gateways.len() > 1 {
            lines.push(format!(
                "{} renewed, {} not due, {} failed",
                self.renewed, self.not_due, self.failed
            ));
        }
        lines.join("\n")
    }
}

/// Renews every gateway that is due, side by side. One that fails stops no other.
pub(crate) fn run(args: &RunArgs, world: &World<'_>) -> anyhow::Result<Outcome> {
    saved::check(world.settings)?;
    let gateways = gateway::all(world.settings, args)?;
    let limit = match args.workers {
        Some(workers) => workers,
        None => world
            .settings
            .file()
            .and_then(|file| file.config.flex.workers)
            .unwrap_or(4),
    };
    let results = renew_all(&gateways, limit, args, world);
    saved::save(world.settings)?;
    if let [_] = &gateways[..] {
        let only = results.into_iter().next().unwrap_or_else(|| Err(stopped()));
        world.out.result(&only?)?;
        return Ok(Outcome::Done);
    }
    conclude(&gateways, results, world)
}

fn renew_all(
    gateways: &[Gateway],
    limit: usize,
    args: &RunArgs,
    world: &World<'_>,
) -> Vec<anyhow::Result<Renewed>> {
    let args = RenewArgs {
        force: args.force,
        ..RenewArgs::default()
    };
    workers::side_by_side(gateways, limit, |gateway| {
        if signals::interrupted() {
            return Err(stopped());
        }
        let world = World {
            out: match gateways {
                [_] => world.out.clone(),
                _ => world.out.about(&gateway.name),
            },
            ..world.clone()
        };
        renew::renew(gateway, &args, &world)
    })
}

fn stopped() -> anyhow::Error {
    Error::new(
        Kind::Unreachable,
        "stopped by a signal before it was its turn",
    )
    .into()
}

fn conclude(
    gateways: &[Gateway],
    results: Vec<anyhow::Result<Renewed>>,
    world: &World<'_>,
) -> anyhow::Result<Outcome> {
    let mut first: Option<(String, Option<Kind>)> = None;
    let mut lines = Vec::new();
    for (gateway, result) in gateways.iter().zip(results) {
        lines.push(match result {
            Ok(renewed) => Line::Done(Box::new(renewed)),
            Err(err) => {
                let kind = kind_of(&err);
                world.out.about(&gateway.name).failure(&err);
                first.get_or_insert((gateway.name.clone(), kind));
                Line::Failed {
                    gateway: gateway.name.clone(),
                    error: log::sentence(&err),
                    advice: log::advice(&err).map(str::to_owned),
                    exit_code: kind.map_or(1, code),
                }
            }
        });
    }
    let count = |wanted: fn(&Line) -> bool| lines.iter().filter(|line| wanted(line)).count();
    let summary = Summary {
        renewed: count(
            |line| matches!(line, Line::Done(renewed) if renewed.action != Action::NotDue),
        ),
        not_due: count(
            |line| matches!(line, Line::Done(renewed) if renewed.action == Action::NotDue),
        ),
        failed: count(|line| matches!(line, Line::Failed { .. })),
        gateways: lines,
    };
    world.out.result(&summary)?;
    match first {
        None => Ok(Outcome::Done),
        Some((name, Some(kind))) => Err(Error::new(
            kind,
            format!(
                "{} of {} gateways failed, {name} first",
                summary.failed,
                gateways.len()
            ),
        )
        .into()),
        Some((name, None)) => Err(anyhow::anyhow!("{name} failed")),
    }
}
