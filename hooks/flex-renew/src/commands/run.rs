//! Renewing every gateway of the configuration.

use common::cli::exit::kind_of;
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Kind};
use common::system::signals;
use common::system::workers::side_by_side;
use serde::Serialize;

use crate::args::{RenewArgs, RunArgs};
use crate::gateway::{self, Gateway};
use crate::next_call;
use crate::renewal::{self, Action, Renewed};
use crate::settings::WORKERS;
use crate::several::{Failures, Line};

/// Renews every gateway that is due, side by side. One that fails stops no other.
pub(crate) fn run(call: &Invocation, args: &RunArgs) -> anyhow::Result<Outcome> {
    let saving = call.settings.saving()?;
    let mut gateways = gateway::named(&call.settings, &RenewArgs::default())?;
    // What is due before the next call is due now.
    let ahead = next_call::in_how_long(call)?;
    for gateway in &mut gateways {
        gateway.ahead = ahead;
    }
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
    let leads: Vec<&Gateway> = (0..gateways.len())
        .filter(|&index| lead_of(gateways, index).is_none())
        .map(|index| &gateways[index])
        .collect();
    let renewed = side_by_side(&leads, limit, |gateway| {
        if signals::interrupted() {
            return Err(stopped());
        }
        match gateways {
            [_] => renewal::renew(call, gateway, force),
            _ => renewal::renew(&call.about(&gateway.name), gateway, force),
        }
    });
    let mut renewed = renewed.into_iter();
    let mut results: Vec<anyhow::Result<Renewed>> = Vec::new();
    for (index, gateway) in gateways.iter().enumerate() {
        let result = match lead_of(gateways, index) {
            Some(lead) => follow(gateway, &gateways[lead], &results[lead]),
            None => renewed.next().unwrap_or_else(|| Err(stopped())),
        };
        results.push(result);
    }
    results
}

/// The gateway before this one that has the same registration: what is done for it is done for this one.
fn lead_of(gateways: &[Gateway], index: usize) -> Option<usize> {
    gateways[..index]
        .iter()
        .position(|lead| lead.is_joined_by(&gateways[index]))
}

fn follow(
    gateway: &Gateway,
    lead: &Gateway,
    result: &anyhow::Result<Renewed>,
) -> anyhow::Result<Renewed> {
    match result {
        Ok(renewed) => Ok(Renewed {
            gateway: gateway.name.clone(),
            ..renewed.clone()
        }),
        Err(err) => {
            let why = format!("its registration is that of {}, which failed", lead.name);
            Err(match kind_of(err) {
                Some(kind) => Error::new(kind, why).into(),
                None => anyhow::anyhow!(why),
            })
        }
    }
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
    gateways: Vec<Line<Renewed>>,
    renewed: usize,
    not_due: usize,
    failed: usize,
}

impl Report for Summary {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.gateways.iter().map(Report::text).collect();
        lines.push(format!(
            "{} renewed, {} not due, {} failed",
            self.renewed, self.not_due, self.failed
        ));
        lines.join("\n")
    }
}

fn conclude(
    call: &Invocation,
    gateways: &[Gateway],
    results: Vec<anyhow::Result<Renewed>>,
) -> anyhow::Result<Outcome> {
    let mut failures = Failures::of(gateways.len());
    let lines: Vec<_> = gateways
        .iter()
        .zip(results)
        .map(|(gateway, result)| match result {
            Ok(renewed) => Line::Done(Box::new(renewed)),
            Err(err) => failures.add(&gateway.name, err),
        })
        .collect();
    let count = |of: fn(&Line<Renewed>) -> bool| lines.iter().filter(|line| of(line)).count();
    let summary = Summary {
        renewed: count(
            |line| matches!(line, Line::Done(renewed) if renewed.action != Action::NotDue),
        ),
        not_due: count(
            |line| matches!(line, Line::Done(renewed) if renewed.action == Action::NotDue),
        ),
        failed: count(|line| matches!(line, Line::Failed(_))),
        gateways: lines,
    };
    call.result(&summary)?;
    failures.conclude(call, Outcome::Done)
}
