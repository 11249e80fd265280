//! Renewing every gateway of the configuration.

use common::cli::exit::{code, kind_of};
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Kind};
use common::log;
use common::system::signals;
use common::system::workers::side_by_side;
use serde::Serialize;

use crate::args::{RenewArgs, RunArgs};
use crate::gateway::{self, Gateway};
use crate::renewal::{self, Action, Renewed};
use crate::settings::WORKERS;

/// Renews every gateway that is due, side by side. One that fails stops no other.
pub(crate) fn run(call: &Invocation, args: &RunArgs) -> anyhow::Result<Outcome> {
    let saving = call.settings.saving()?;
    let gateways = gateway::named(&call.settings, &RenewArgs::default())?;
    let limit = call
        .settings
        .parsed(&WORKERS, str::parse::<usize>)?
        .map_or(1, |found| found.value);
    let results = renew_all(call, &gateways, limit, args.force);
    // Most runs renew nothing, so no platform has seen the credentials yet; the run that needs them would have none.
    saving.finish()?;
    if let [_] = &gateways[..] {
        let only = results.into_iter().next().unwrap_or_else(|| Err(stopped()));
        call.result(&only?)?;
        return Ok(Outcome::Done);
    }
    conclude(call, &gateways, results)
}

fn renew_all(
    call: &Invocation,
    gateways: &[Gateway],
    limit: usize,
    force: bool,
) -> Vec<anyhow::Result<Renewed>> {
    side_by_side(gateways, limit, |gateway| {
        if signals::interrupted() {
            return Err(stopped());
        }
        match gateways {
            [_] => renewal::renew(call, gateway, force),
            _ => renewal::renew(&call.about(&gateway.name), gateway, force),
        }
    })
}

fn stopped() -> anyhow::Error {
    Error::new(
        Kind::Unreachable,
        "stopped by a signal before it was its turn",
    )
    .into()
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

fn conclude(
    call: &Invocation,
    gateways: &[Gateway],
    results: Vec<anyhow::Result<Renewed>>,
) -> anyhow::Result<Outcome> {
    let mut first: Option<(String, Option<Kind>)> = None;
    let mut lines = Vec::new();
    for (gateway, result) in gateways.iter().zip(results) {
        lines.push(match result {
            Ok(renewed) => Line::Done(Box::new(renewed)),
            Err(err) => {
                let kind = kind_of(&err);
                call.log.about(&gateway.name).failure(&err);
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
    let count = |of: fn(&Line) -> bool| lines.iter().filter(|line| of(line)).count();
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
    call.result(&summary)?;
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
