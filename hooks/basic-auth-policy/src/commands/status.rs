//! `status`: the policies of an API, or which APIs of an environment have no authentication.

use common::cli::monitoring::Item;
use common::cli::{Invocation, Outcome, Report};
use serde::Serialize;

use crate::args::StatusArgs;
use crate::findings;
use crate::survey::{self, Apis};
use crate::unfinished;

pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let survey = survey::read(call, args.all)?;
    let waiting = unfinished::beside_files(call)?;
    let unfinished = findings::of_unfinished(call, &[&survey], &waiting);
    let outcome = if args.require && survey.apis.is_one_open() {
        Outcome::Due
    } else if unfinished.is_empty() {
        Outcome::Done
    } else {
        Outcome::Unfinished
    };
    call.result(&Status {
        apis: survey.apis,
        unfinished,
    })?;
    survey.failure.map_or(Ok(outcome), |err| Err(err.into()))
}

/// What the platform knows of APIs, and this host of work on them.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    apis: Apis,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unfinished: Vec<Item>,
}

impl Report for Status {
    fn text(&self) -> String {
        let unfinished = self.unfinished.iter().map(findings::line);
        let lines: Vec<String> = unfinished.chain([self.apis.text()]).collect();
        lines.join("\n")
    }
}
