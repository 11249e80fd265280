//! The answer of a command that may be asked about several gateways: one that fails stops no other.

use common::cli::exit::{code, kind_of};
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Kind};
use common::log;
use serde::Serialize;

/// The answer about one gateway, or why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Line<T> {
    Done(Box<T>),
    Failed(Failed),
}

/// Why there is no answer about a gateway.
#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    gateway: String,
    error: String,
    advice: Option<String>,
    exit_code: u8,
}

/// One result as itself, several as a list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// What failed, in the order in which the gateways were given.
#[derive(Debug)]
pub(crate) struct Failures {
    gateways: usize,
    failed: Vec<(String, anyhow::Error)>,
}

impl Failures {
    /// None yet, of so many gateways.
    pub(crate) fn of(gateways: usize) -> Self {
        Self {
            gateways,
            failed: Vec::new(),
        }
    }

    /// Remembers a failure whose gateway is shown all the same.
    pub(crate) fn remember(&mut self, gateway: &str, err: anyhow::Error) {
        self.failed.push((gateway.to_owned(), err));
    }

    /// Remembers a failure, and returns the line that stands for it in the result.
    pub(crate) fn add<T>(&mut self, gateway: &str, err: anyhow::Error) -> Line<T> {
        let line = Line::Failed(Failed {
            gateway: gateway.to_owned(),
            error: log::sentence(&err),
            advice: log::advice(&err).map(str::to_owned),
            exit_code: kind_of(&err).map_or(1, code),
        });
        self.remember(gateway, err);
        line
    }

    /// The end of a run: `outcome` unless something failed.
    ///
    /// # Errors
    ///
    /// That of the only gateway; of several, one of the first failure's kind.
    pub(crate) fn conclude(
        mut self,
        call: &Invocation,
        outcome: Outcome,
    ) -> anyhow::Result<Outcome> {
        if self.gateways == 1 && !self.failed.is_empty() {
            return Err(self.failed.swap_remove(0).1);
        }
        for (gateway, err) in &self.failed {
            call.log.about(gateway).failure(err);
        }
        let Some((name, first)) = self.failed.first() else {
            return Ok(outcome);
        };
        match kind_of(first) {
            Some(kind) => Err(summary(kind, self.failed.len(), self.gateways, name).into()),
            None => Err(anyhow::anyhow!("{name} failed")),
        }
    }
}

fn summary(kind: Kind, failed: usize, gateways: usize, first: &str) -> Error {
    Error::new(
        kind,
        format!("{failed} of {gateways} gateways failed, {first} first"),
    )
}

/// What there is to show; nothing where the only gateway failed, whose error says everything.
pub(crate) fn shown<T>(lines: Vec<Line<T>>) -> Option<OneOrMany<Line<T>>> {
    match lines[..] {
        [Line::Failed(_)] => None,
        _ => Some(lines.into()),
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
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

impl<T> Line<T> {
    /// The same with another form of the answer.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Line<U> {
        match self {
            Line::Done(done) => Line::Done(Box::new(change(*done))),
            Line::Failed(failed) => Line::Failed(failed),
        }
    }
}

/// The line for people about a gateway that there is no answer about.
pub(crate) fn failed_line(gateway: &str, error: &str) -> String {
    format!("{gateway}: FAILED: {error}")
}

impl<T: Report> Report for Line<T> {
    fn text(&self) -> String {
        match self {
            Line::Done(done) => done.text(),
            Line::Failed(failed) => failed_line(&failed.gateway, &failed.error),
        }
    }
}

impl<T: Report> Report for OneOrMany<T> {
    fn text(&self) -> String {
        match self {
            Self::One(one) => one.text(),
            Self::Many(all) => {
                let texts: Vec<String> = all.iter().map(Report::text).collect();
                // Results of one line each make a list, longer ones need room between them.
                let is_list = texts.iter().all(|text| text.lines().count() <= 1);
                texts.join(if is_list { "\n" } else { "\n\n" })
            }
        }
    }
}
