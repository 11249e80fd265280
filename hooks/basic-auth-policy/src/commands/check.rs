//! `check`: whether an API is open that should not be, and what was begun and not finished.

use std::collections::BTreeSet;

use common::cli::monitoring::Item;
use common::cli::{Invocation, Outcome, Report};

use crate::args::CheckArgs;
use crate::findings;
use crate::listed::{self, Failures, Numbered};
use crate::settings::API;
use crate::survey::{self, Survey};
use crate::unfinished::{self, Unfinished};

/// One that cannot be read stops no other, and what this host knows is shown whatever the platform says.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let now = call.clock.now();
    // The variable is set wherever the other commands are used: only the flag means that one API is enough.
    let is_one = call.settings.flag(&API).is_some();
    let entries = if is_one {
        Vec::new()
    } else {
        entries(call, args.all)?
    };
    let mut parts = if entries.is_empty() {
        vec![Part::of(call, None, !is_one)]
    } else {
        each(call, &entries, args.all)?
    };
    let (items, text) = shown(call, &mut parts);
    let mut outcome = call.found(now, items, &text);
    if parts.iter().any(Part::is_one_open) {
        outcome = outcome.max(Outcome::Due);
    }
    conclude(call, parts, entries.is_empty(), outcome)
}

/// The entries of the list; of `all`, one for each environment.
fn entries(call: &Invocation, all: bool) -> anyhow::Result<Vec<Numbered>> {
    let mut entries = listed::all(&call.settings)?;
    if all {
        let mut environments = BTreeSet::new();
        entries.retain_mut(|(_, entry)| {
            entry.name.clone_from(&entry.environment);
            let at = [&entry.url, &entry.organization, &entry.environment];
            environments.insert(at.map(Option::clone))
        });
    }
    Ok(entries)
}

fn each(call: &Invocation, entries: &[Numbered], all: bool) -> anyhow::Result<Vec<Part>> {
    let parts = listed::over(call, entries, None, |call, entry| {
        Ok(Part::of(call, entry.name.as_deref().filter(|_| !all), all))
    })?;
    let part = |(name, part): (String, anyhow::Result<Part>)| {
        // An entry that is wrong in itself was not even asked about.
        let part = part.unwrap_or_else(|err| Part {
            items: vec![findings::unknown_api(call, Some(&name), &err)],
            failure: Some(err),
            ..Part::default()
        });
        Part { name, ..part }
    };
    Ok(parts.into_iter().map(part).collect())
}

/// What was found out about one API, or about one environment.
#[derive(Debug, Default)]
struct Part {
    name: String,
    items: Vec<Item>,
    survey: Option<Survey>,
    failure: Option<anyhow::Error>,
    /// A new password beside the files that it goes to.
    waiting: Option<Unfinished>,
}

impl Part {
    /// Asks about the API that is set, or about the whole environment if `all`.
    fn of(call: &Invocation, name: Option<&str>, all: bool) -> Self {
        let waiting = unfinished::beside_files(call).unwrap_or_default();
        match survey::read(call, all) {
            Ok(mut survey) => Self {
                items: findings::of_survey(call, &survey),
                failure: survey.failure.take().map(anyhow::Error::new),
                survey: Some(survey),
                waiting,
                ..Self::default()
            },
            Err(err) => {
                let err = anyhow::Error::new(err);
                Self {
                    items: vec![match all {
                        true => findings::unknown_environment(call, &err),
                        false => findings::unknown_api(call, name, &err),
                    }],
                    failure: Some(err),
                    waiting,
                    ..Self::default()
                }
            }
        }
    }

    fn is_one_open(&self) -> bool {
        let survey = self.survey.as_ref();
        survey.is_some_and(|survey| survey.apis.is_one_open())
    }
}

/// The findings, and how people are told about them.
fn shown(call: &Invocation, parts: &mut [Part]) -> (Vec<Item>, String) {
    let mut items: Vec<Item> = parts
        .iter_mut()
        .flat_map(|part| std::mem::take(&mut part.items))
        .collect();
    let surveys: Vec<&Survey> = parts
        .iter()
        .filter_map(|part| part.survey.as_ref())
        .collect();
    let mut texts: Vec<String> = surveys.iter().map(|survey| survey.apis.text()).collect();
    let waiting = parts.iter().filter_map(|part| part.waiting.as_ref());
    let left = findings::of_unfinished(call, &surveys, waiting);
    texts.extend(left.iter().map(findings::line));
    items.extend(left);
    let is_long = texts.iter().any(|text| text.lines().count() > 2);
    (items, texts.join(if is_long { "\n\n" } else { "\n" }))
}

/// The end of the check. The failure of one alone says everything.
fn conclude(
    call: &Invocation,
    mut parts: Vec<Part>,
    is_alone: bool,
    outcome: Outcome,
) -> anyhow::Result<Outcome> {
    if is_alone {
        let failure = parts.pop().and_then(|part| part.failure);
        return failure.map_or(Ok(outcome), Err);
    }
    let mut failures = Failures::of(parts.len());
    for part in &parts {
        if let Some(err) = &part.failure {
            failures.add(call, &part.name, err);
        }
    }
    failures.conclude(outcome)
}
