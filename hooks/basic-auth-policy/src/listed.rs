//! `[[basic_auth_policy.api]]`: one command for many APIs, of any environment, organization and control plane.

use common::cli::{Invocation, Outcome, Report, exit};
use common::error::{Error, Kind, Result};
use common::log::{advice, sentence};
use common::settings::{Setting, Settings};
use common::system::signals;
use common::system::workers::side_by_side;
use serde::Serialize;
use serde_json::Value;

use crate::settings::{
    API, ApiEntry, ENV_OUT, ENVIRONMENT, LABEL, LIST, Lists, NETRC_MACHINE, NETRC_OUT,
    ORGANIZATION, PASSWORD, PASSWORD_OUT, POLICY_ID, POSTMAN_OUT, URL, USERNAME, workers,
};

/// Flags that say which API is meant, or that can be right for one alone.
const ONE_ALONE: [&Setting; 12] = [
    &LABEL,
    &POLICY_ID,
    &ENVIRONMENT,
    &ORGANIZATION,
    &URL,
    &USERNAME,
    &PASSWORD,
    &PASSWORD_OUT,
    &ENV_OUT,
    &POSTMAN_OUT,
    &NETRC_OUT,
    &NETRC_MACHINE,
];

/// What became of all.
#[derive(Debug, Serialize)]
struct Summary {
    apis: Vec<Line>,
    failed: usize,
    #[serde(skip)]
    text: Vec<String>,
}

/// What became of one.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(flatten)]
    failure: Option<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    error: String,
    advice: Option<String>,
    exit_code: u8,
}

impl Report for Summary {
    fn text(&self) -> String {
        let is_long = self.text.iter().any(|text| text.lines().count() > 2);
        self.text.join(if is_long { "\n\n" } else { "\n" })
    }
}

/// An entry, and which one it is, counting from 1.
pub(crate) type Numbered = (usize, ApiEntry);

/// The entries of the list, unless there are none, or the API is given for this very call.
pub(crate) fn entries(settings: &Settings) -> Result<Vec<Numbered>> {
    match settings.text(&API)? {
        Some(api) if settings.is_near(&api.origin) => Ok(Vec::new()),
        _ => all(settings),
    }
}

/// The entries of the list.
pub(crate) fn all(settings: &Settings) -> Result<Vec<Numbered>> {
    let Some(file) = settings.file() else {
        return Ok(Vec::new());
    };
    Ok((1..)
        .zip(file.lists::<Lists>()?.basic_auth_policy.api)
        .collect())
}

/// Does `work` for every one of `entries`, side by side. A failure stops no other; the exit code is that of the first in
/// the order of the list.
/// `flag` is one of this call that fits one API alone.
pub(crate) fn each(
    call: &Invocation,
    entries: &[Numbered],
    flag: Option<&'static str>,
    work: impl Fn(&Invocation, &ApiEntry) -> anyhow::Result<Outcome> + Sync,
) -> anyhow::Result<Outcome> {
    let keeping = |call: &Invocation, entry: &ApiEntry| {
        let (call, collected) = call.collecting();
        let outcome = work(&call, entry);
        Ok((collected.take().pop(), outcome))
    };
    let mut summary = Summary {
        apis: Vec::new(),
        failed: 0,
        text: Vec::new(),
    };
    let mut worst = Outcome::Done;
    let mut failures = Failures::of(entries.len());
    for (name, done) in over(call, entries, flag, keeping)? {
        let (kept, outcome) = done.unwrap_or_else(|err| (None, Err(err)));
        let mut line = Line {
            name,
            result: None,
            failure: None,
        };
        if let Some(kept) = kept {
            summary.text.push(kept.text);
            line.result = Some(kept.json);
        }
        match outcome {
            Ok(outcome) => worst = worst.max(outcome),
            Err(err) => {
                line.failure = Some(Failure {
                    error: sentence(&err),
                    advice: advice(&err).map(str::to_owned),
                    exit_code: exit::code_for(&err),
                });
                summary.failed += 1;
                failures.add(call, &line.name, &err);
            }
        }
        summary.apis.push(line);
    }
    call.result(&summary)?;
    failures.conclude(worst)
}

/// Does `work` for every one of `entries`, side by side, and returns what became of each, with its name, in their order.
/// `flag` is one of this call that fits one API alone.
pub(crate) fn over<T: Send>(
    call: &Invocation,
    entries: &[Numbered],
    flag: Option<&'static str>,
    work: impl Fn(&Invocation, &ApiEntry) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<(String, anyhow::Result<T>)>> {
    let flags = ONE_ALONE.iter().filter_map(|setting| {
        call.settings.flag(setting)?;
        Some(setting.flag?.name)
    });
    if let Some(flag) = flags.chain(flag).next() {
        return Err(Error::config(format!(
            "{flag} cannot apply to each API that [[{LIST}]] lists"
        ))
        .advise("Set it in the entries, or name one API with --api.")
        .into());
    }
    let limit = workers(&call.settings)?;
    Ok(side_by_side(entries, limit, |(number, entry)| {
        one(call, *number, entry, &work)
    }))
}

/// What failed, of several.
#[derive(Debug)]
pub(crate) struct Failures {
    all: usize,
    failed: usize,
    first: Option<Kind>,
}

impl Failures {
    /// None yet, of so many.
    pub(crate) fn of(all: usize) -> Self {
        Self {
            all,
            failed: 0,
            first: None,
        }
    }

    /// Reports one.
    pub(crate) fn add(&mut self, call: &Invocation, name: &str, err: &anyhow::Error) {
        call.log.about(name).failure(err);
        self.failed += 1;
        self.first
            .get_or_insert(exit::kind_of(err).unwrap_or(Kind::Refused));
    }

    /// The end of a run: `outcome` unless something failed.
    ///
    /// # Errors
    ///
    /// One of the first failure's kind.
    pub(crate) fn conclude(self, outcome: Outcome) -> anyhow::Result<Outcome> {
        match self.first {
            None => Ok(outcome),
            Some(kind) => {
                let what = format!("{} of {} APIs failed", self.failed, self.all);
                Err(Error::new(kind, what).into())
            }
        }
    }
}

fn one<T>(
    call: &Invocation,
    number: usize,
    entry: &ApiEntry,
    work: &impl Fn(&Invocation, &ApiEntry) -> anyhow::Result<T>,
) -> (String, anyhow::Result<T>) {
    let name = match (&entry.name, &entry.api_instance) {
        (Some(name), _) => name.clone(),
        (None, Some(api)) => api.to_string(),
        (None, None) => format!("[[{LIST}]] {number}"),
    };
    let call = call.about(&name);
    let done = if signals::interrupted() {
        Err(Error::new(
            Kind::Unreachable,
            "stopped by a signal before it was its turn",
        )
        .into())
    } else {
        check(entry)
            .and_then(|()| call.settings.for_entry(LIST, number))
            .map_err(anyhow::Error::new)
            .and_then(|settings| work(&call.with_settings(settings), entry))
    };
    (name, done)
}

/// A half of a login would be completed with the other half of another one.
fn check(entry: &ApiEntry) -> Result<()> {
    let has_secret = entry.client_secret_file.is_some() || entry.client_secret_env.is_some();
    if entry.api_instance.is_none() {
        return Err(Error::config("the entry has no api_instance")
            .advise("Every [[basic_auth_policy.api]] names one API, by number or name."));
    }
    if entry.client_id.is_some() != has_secret {
        return Err(Error::config(
            "the entry has only one half of client_id and client_secret_file (or client_secret_env)",
        )
        .advise("Give both, or neither to use the ones that all share."));
    }
    Ok(())
}
