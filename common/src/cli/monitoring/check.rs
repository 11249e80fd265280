//! The end of a check: its findings in the form that was asked for, and its exit code.

use std::borrow::Cow;
use std::process::ExitCode;

use super::args::MonitoringArgs;
use super::checked::{Checked, Item, Kind, Severity, State};
use super::findings::Findings;
use super::nagios;
use super::prometheus::{self, Run};
use super::textfile::Textfile;
use crate::cli::exit::{self, Outcome};
use crate::cli::report::{self, Format};
use crate::error::Result;
use crate::log::{Log, printable};
use crate::secret::mask;
use crate::system::clock::SharedClock;

/// A check that is being run.
#[derive(Debug)]
pub(in crate::cli) struct Check {
    program: &'static str,
    format: Format,
    textfile: Option<Textfile>,
    clock: SharedClock,
    log: Log,
}

impl Check {
    /// A check of `program`, whose result is shown as `format`.
    pub(in crate::cli) fn new(
        program: &'static str,
        format: Format,
        clock: SharedClock,
        log: Log,
    ) -> Self {
        Self {
            program,
            format,
            textfile: None,
            clock,
            log,
        }
    }

    /// Finds out whether the results can be written where they are meant to go.
    pub(in crate::cli) fn prepare(&mut self, args: &MonitoringArgs) -> Result<()> {
        if let Some(path) = &args.textfile {
            self.textfile = Some(Textfile::prepare(path)?);
        }
        Ok(())
    }

    /// Shows what was found and what went wrong, and turns it into the exit code of the process.
    pub(in crate::cli) fn conclude(
        self,
        findings: &Findings,
        result: anyhow::Result<Outcome>,
    ) -> ExitCode {
        let (mut checked, text) = match findings.take() {
            Some(found) => {
                let text = found.text.clone();
                (found.checked(self.program), text)
            }
            None => {
                let checked = Checked::new(self.program, self.clock.now(), Vec::new());
                (checked, String::new())
            }
        };
        mask_strings(&mut checked);
        if let Err(err) = &result {
            add_failure(&mut checked, err);
        }
        let mut run = Run::new(self.clock.now(), code(&result));
        let textfile = self.textfile.or_else(|| findings.take_textfile());
        let written = match &textfile {
            Some(textfile) if !findings.leaves_textfile() => {
                textfile.write(&checked, &mut run, &self.log)
            }
            _ => Ok(()),
        };
        let result = result.and_then(|outcome| {
            written?;
            Ok(outcome)
        });
        if let Err(err) = &result {
            add_failure(&mut checked, err);
        }
        let shown = match self.format {
            Format::Text => report::print(&printable(&mask(&text))),
            Format::Json => report::print_json(&checked, |json| mask(json).into_owned()),
            Format::Nagios => report::print(&nagios::line(&checked)),
            Format::Prometheus => report::print(prometheus::text(&checked, &run).trim_end()),
        };
        let result = result.and_then(|outcome| {
            shown?;
            Ok(outcome)
        });
        let code = exit::finish(&self.log, result);
        match self.format {
            Format::Nagios => ExitCode::from(checked.state.code()),
            _ => code,
        }
    }
}

/// The exit code of the run as the table has it, whatever the form of the result.
fn code(result: &anyhow::Result<Outcome>) -> u8 {
    match result {
        Ok(outcome) => outcome.code(),
        Err(err) => exit::code_for(err),
    }
}

/// A failure is shown where no item tells of anything that is wrong.
fn add_failure(checked: &mut Checked, err: &anyhow::Error) {
    if checked.state != Severity::Ok {
        return;
    }
    let item = Item::new(Kind::Platform, checked.program.clone(), State::Unknown).because(err);
    checked.state = item.severity;
    checked.items.push(item);
    mask_strings(checked);
}

/// Remote systems echo what was sent to them, and here their words are passed on to others.
fn mask_strings(checked: &mut Checked) {
    let hide = |text: &mut String| {
        if let Cow::Owned(masked) = mask(text) {
            *text = masked;
        }
    };
    for item in &mut checked.items {
        hide(&mut item.name);
        item.at.values_mut().for_each(hide);
        let texts = [&mut item.renewed_by, &mut item.detail, &mut item.advice];
        texts.into_iter().flatten().for_each(hide);
    }
}
