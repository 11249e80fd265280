//! What to do with the errors of several targets.

use common::cli::exit;
use common::error::{Error, Kind};
use common::log::Log;

/// Reports every failure and makes one error of them, of the kind of the first. A failure that is all there was is
/// returned as it is.
pub(crate) fn conclude(
    mut failures: Vec<anyhow::Error>,
    all: usize,
    advice: &str,
    log: &Log,
) -> anyhow::Result<()> {
    match failures.len() {
        0 => Ok(()),
        1 if all == 1 => Err(failures.remove(0)),
        failed => {
            for failure in &failures {
                log.failure(failure);
            }
            let kind = exit::kind_of(&failures[0]).unwrap_or(Kind::Refused);
            Err(Error::new(kind, format!("{failed} of {all} failed"))
                .advise(advice)
                .into())
        }
    }
}

/// Sorts outcomes into what worked and what did not.
pub(crate) fn sort<T>(outcomes: Vec<anyhow::Result<T>>) -> (Vec<T>, Vec<anyhow::Error>) {
    let mut worked = Vec::new();
    let mut failed = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(one) => worked.push(one),
            Err(err) => failed.push(err),
        }
    }
    (worked, failed)
}
