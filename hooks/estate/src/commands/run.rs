//! `run`: what a timer calls. Every program does its regular work, then everything is looked at, and people are told what
//! has changed.

use std::path::PathBuf;

use common::cli::monitoring::{Severity, counted};
use common::cli::{Invocation, Outcome, exit, table};
use common::error::Error;
use common::system::signals::{self, Signals, interrupted};
use common::system::workers::side_by_side;

use crate::args::RunArgs;
use crate::child::{self, Failure};
use crate::notification::News;
use crate::page;
use crate::parts::{self, Program};
use crate::settings::{EVERY, GRACE, NOTIFY_TIMEOUT, REPORT, STEP_TIMEOUT, TEXTFILE};
use crate::state::{FailedStep, Memory, Store, Turn, is_kept};
use crate::view::{self, View};

pub(crate) fn run(call: &Invocation, _args: &RunArgs) -> anyhow::Result<Outcome> {
    let call = &view::with_usual_home(call)?;
    // None of the steps may be left half done by a signal that comes between two of them.
    let _signals = Signals::listen();
    for limit in [&EVERY, &STEP_TIMEOUT, &GRACE, &NOTIFY_TIMEOUT] {
        call.settings.duration(limit)?;
    }
    if let Some(file) = call.settings.path(&TEXTFILE)? {
        call.write_textfile(&file.value)?;
    }
    let page = call.settings.path(&REPORT)?.map(|file| file.value);
    if let Some(page) = &page {
        page::check_writable(page)?;
    }
    let programs = child::programs(call)?;
    let steps = parts::steps(call, &programs)?;
    let Some(store) = Store::of(call) else {
        return Err(Error::config(
            "neither HOME nor XDG_STATE_HOME is set, so nothing can be remembered",
        )
        .advise("Set one of them.")
        .into());
    };
    let Some(turn) = store.turn()? else {
        call.log
            .warn("another run is at work on the same estate: this one leaves everything to it");
        call.leave_textfile();
        return Ok(Outcome::Done);
    };
    Run {
        call,
        memory: store.load(call, &turn),
        store,
        page,
        _turn: turn,
    }
    .work(&programs, &steps)
}

type Step<'a> = (&'a Program, &'static [&'static str]);

/// What a step did, or how it failed.
type Done = Result<String, Failure>;

struct Run<'a> {
    call: &'a Invocation,
    store: Store,
    memory: Memory,
    /// Where the page goes, if there is to be one.
    page: Option<PathBuf>,
    _turn: Turn,
}

impl Run<'_> {
    fn work(mut self, programs: &[Program], steps: &[Step<'_>]) -> anyhow::Result<Outcome> {
        let call = self.call;
        let done = side_by_side(steps, steps.len(), |(program, words)| {
            child::step(call, program, words)
        })
        .into_iter()
        .collect::<Result<Vec<Done>, Error>>()?;
        self.remember(steps, &done);
        if interrupted() {
            return self.stop();
        }
        let mut view = view::ask(call, programs)?;
        if interrupted() {
            return self.stop();
        }
        view.begin_with(&done);
        self.finish(view, steps, &done)
    }

    fn remember(&mut self, steps: &[Step<'_>], done: &[Done]) {
        let now = self.call.clock.now();
        let failed = &mut self.memory.failed_steps;
        failed.retain(|_, failed| is_kept(failed.at, now));
        for ((program, words), done) in steps.iter().zip(done) {
            let command = child::command(program, words);
            match done {
                Ok(_) => drop(failed.remove(&command)),
                Err(failure) => {
                    let step = FailedStep {
                        at: now,
                        exit_code: failure.code,
                        detail: failure.detail.clone(),
                    };
                    failed.insert(command, step);
                }
            }
        }
    }

    fn finish(
        mut self,
        mut view: View,
        steps: &[Step<'_>],
        done: &[Done],
    ) -> anyhow::Result<Outcome> {
        let call = self.call;
        let now = view.checked_at;
        if view.failures.is_empty() {
            self.memory.last_success = Some(now);
        }
        self.memory.first_run.get_or_insert(now);
        view.add_runs(&self.memory, call.settings.duration(&EVERY)?);
        let page = self
            .page
            .take()
            .map_or(Ok(()), |page| page::write(&page, &view));
        let news = News::of(&view, &self.memory.alarms);
        match news.send(call, &view) {
            Ok(()) => self.memory.alarms = news.alarms,
            Err(err) => {
                // Whether people were told is not what was to be found out; the next run tries again.
                let err = anyhow::Error::new(err).context("telling people by notify_cmd");
                call.log.failure(&err);
            }
        }
        let text = if is_silent(call, &view) {
            String::new()
        } else {
            text(&view, steps, done)
        };
        let mut result = view.conclude(call, &text);
        if let Err(err) = page {
            let err = err.context("writing the report");
            result = match result {
                Ok(_) => Err(err),
                first => {
                    call.log.failure(&err);
                    first
                }
            };
        }
        self.save(now, &result)?;
        result
    }

    /// Remembers that there was a run, which a signal has ended before its time.
    fn stop(self) -> anyhow::Result<Outcome> {
        let stopped = signals::go_on().map(|()| Outcome::Done);
        let result = stopped.map_err(anyhow::Error::new);
        let now = self.call.clock.now();
        self.save(now, &result)?;
        result
    }

    fn save(
        mut self,
        now: jiff::Timestamp,
        result: &anyhow::Result<Outcome>,
    ) -> anyhow::Result<()> {
        self.memory.first_run.get_or_insert(now);
        self.memory.last_run = Some(now);
        self.memory.last_exit_code = Some(match result {
            Ok(outcome) => outcome.code(),
            Err(err) => exit::code_for(err),
        });
        Ok(self.store.save(self.memory, now)?)
    }
}

/// Whether nobody wants to read that all is well.
fn is_silent(call: &Invocation, view: &View) -> bool {
    let is_well =
        view.failures.is_empty() && view.items.iter().all(|item| item.severity == Severity::Ok);
    is_well && call.log.is_quiet()
}

/// What each step did, and whatever is wrong.
fn text(view: &View, steps: &[Step<'_>], done: &[Done]) -> String {
    let mut rows: Vec<[String; 2]> = steps
        .iter()
        .zip(done)
        .map(|((program, words), done)| {
            let what = match done {
                Ok(did) => did.clone(),
                Err(failure) => format!("FAILED ({}): {}", failure.code, failure.detail),
            };
            [child::command(program, words), what]
        })
        .collect();
    rows.push(["check".to_owned(), counted(&view.items)]);
    let wrong = view.table(|item| item.severity != Severity::Ok);
    let mut text = table(&rows);
    if !wrong.is_empty() {
        text += &format!("\n\n{wrong}");
    }
    text
}
