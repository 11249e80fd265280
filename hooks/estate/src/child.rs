//! Calling one of the programs: with its own secrets and no others, the sources of settings of this call, and a time to end.

use std::time::Duration;

use common::cli::monitoring::{Checked, SCHEMA_VERSION};
use common::cli::{Invocation, Outcome, exit};
use common::error::{Error, Kind, Result};
use common::log;
use common::settings::{Kind as SettingKind, general};
use common::system::process::{self, Finished};

use crate::parts::{self, Part, Program};
use crate::secrets;
use crate::settings::{CHECK_TIMEOUT, GRACE, STEP_TIMEOUT};

/// Some 50 000 findings.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Of the line in which a program sums up what it did, in characters.
const LONGEST_LINE: usize = 200;

/// What a program has answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it has found, as far as it could say so.
    pub(crate) checked: Option<Checked>,
    /// Why that is not everything.
    pub(crate) failure: Option<Failure>,
}

/// How a program has failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Program and command.
    pub(crate) command: String,
    /// The exit code that this means.
    pub(crate) code: u8,
    /// What it said last.
    pub(crate) detail: String,
}

/// The programs to call.
///
/// # Errors
///
/// Those of [`parts::programs`]; configuration: there is nothing to do for any.
pub(crate) fn programs(call: &Invocation) -> Result<Vec<Program>> {
    let mut programs = parts::programs(call)?;
    let mut is_needed = Vec::new();
    for program in &programs {
        is_needed.push(program.is_set_up || finds_something(call, program)?);
    }
    let mut is_needed = is_needed.into_iter();
    programs.retain(|_| is_needed.next().unwrap_or(true));
    if programs.is_empty() {
        return Err(Error::config("nothing is set up here for any of the programs").advise(
            "Name acme.sh's home with --home or the configuration file with --config; -v says what was looked for.",
        ));
    }
    Ok(programs)
}

/// Whether a program for which nothing is set finds something of its own: a registration in one of the usual places.
fn finds_something(call: &Invocation, program: &Program) -> Result<bool> {
    let time = call.settings.duration(&CHECK_TIMEOUT)?;
    let found = caller(call, program, &["inspect"], time)?.run();
    // Whatever else is wrong is for its check to tell.
    let finds = found.map_or(true, |finished| {
        finished.status.code() != Some(i32::from(exit::code(Kind::NotFound)))
    });
    if !finds {
        let name = program.part.program();
        call.log.debug(format!(
            "{name} is left out: nothing is set up for it, and it finds nothing"
        ));
    }
    Ok(finds)
}

/// Program and command, as they are called in messages.
pub(crate) fn command(program: &Program, words: &[&str]) -> String {
    format!("{} {}", program.part.program(), words.join(" "))
}

/// Has `program` check everything that it knows of.
///
/// # Errors
///
/// A setting is wrong.
pub(crate) fn check(call: &Invocation, program: &Program) -> Result<Answer> {
    let command = format!("{} check", program.part.program());
    let time = call.settings.duration(&CHECK_TIMEOUT)?;
    let called = caller(call, program, program.part.check(&call.settings)?, time)?
        .args(verbosity(call, 1))
        .arg("--output=json")
        .with_output_up_to(LARGEST_ANSWER);
    let (answer, failure) = match finish(call, command.clone(), &called) {
        Ok((finished, failure)) => (finished.stdout, failure),
        Err(failure) => {
            return Ok(Answer {
                checked: None,
                failure: Some(failure),
            });
        }
    };
    Ok(match (read(program.part, &answer), failure) {
        (Ok(checked), failure) => Answer {
            checked: Some(checked),
            failure,
        },
        // It has said itself why there is no answer.
        (Err(_), Some(failure)) => Answer {
            checked: None,
            failure: Some(failure),
        },
        (Err(err), None) => Answer {
            checked: None,
            failure: Some(failed(call, command, err)),
        },
    })
}

/// Has `program` do its regular work. What it did, in a line.
///
/// # Errors
///
/// A setting is wrong.
pub(crate) fn step(
    call: &Invocation,
    program: &Program,
    words: &[&str],
) -> Result<std::result::Result<String, Failure>> {
    let command = command(program, words);
    let time = call.settings.duration(&STEP_TIMEOUT)?;
    // What it changes is worth a word.
    let called = caller(call, program, words, time)?.args(verbosity(call, 0));
    Ok(match finish(call, command, &called) {
        Ok((_, Some(failure))) | Err(failure) => Err(failure),
        // What it sums up stands last.
        Ok((finished, None)) => Ok(last_line(&finished.stdout)),
    })
}

fn finish(
    call: &Invocation,
    command: String,
    called: &process::Program,
) -> std::result::Result<(Finished, Option<Failure>), Failure> {
    let finished = match called.run() {
        Ok(finished) => finished,
        Err(err) => return Err(failed(call, command, err)),
    };
    call.log.relay(&finished.stderr);
    let code = finished
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        // That of a defect: it was ended by a signal that nobody here has sent.
        .unwrap_or(1);
    let is_outcome = [Outcome::Done, Outcome::Due, Outcome::Expired]
        .iter()
        .any(|outcome| outcome.code() == code);
    let failure = (!is_outcome).then(|| Failure {
        code,
        detail: last_words(&command, &finished),
        command,
    });
    Ok((finished, failure))
}

/// What a program answers to something that it can do without, or why it does not. It tells nothing itself.
///
/// # Errors
///
/// A setting is wrong.
pub(crate) fn ask(
    call: &Invocation,
    program: &Program,
    words: &[&str],
) -> Result<std::result::Result<String, String>> {
    let command = format!("{} {}", program.part.program(), words.join(" "));
    let time = call.settings.duration(&CHECK_TIMEOUT)?;
    let called = caller(call, program, words, time)?
        .args(["--output", "json"])
        .with_output_up_to(LARGEST_ANSWER);
    Ok(match called.run() {
        Ok(finished) if finished.status.success() => Ok(finished.stdout),
        Ok(finished) => Err(without_advice(&last_words(&command, &finished))),
        Err(err) => Err(log::sentence(&err.into())),
    })
}

/// A program as it is called, before its form of output is said.
fn caller(
    call: &Invocation,
    program: &Program,
    words: &[&str],
    limit: Duration,
) -> Result<process::Program> {
    let part = program.part;
    let named = call
        .settings
        .file()
        .map_or_else(Vec::new, |file| file.secret_variables_of(part.tables()));
    Ok(process::Program::new(&program.path)
        .args(words)
        .args(flags(call))
        .handing_on(secrets::of(part.program()))
        .handing_on(named)
        .limit(limit)
        .asked_to_end()
        .ends_within(call.settings.duration(&GRACE)?))
}

/// How much a program is to tell: warnings and errors, unless this one was told to tell at least so much more.
fn verbosity(call: &Invocation, least: u8) -> Vec<&'static str> {
    let asked = call.log.verbosity();
    if asked.quiet || asked.verbose < least {
        return vec!["--quiet"];
    }
    vec!["--verbose"; usize::from(asked.verbose)]
}

/// What this call was given of the settings that all programs have.
fn flags(call: &Invocation) -> Vec<String> {
    let mut flags = Vec::new();
    for setting in general::SETTINGS {
        let (Some(flag), Some(value)) = (setting.flag, call.settings.flag(setting)) else {
            continue;
        };
        flags.push(flag.name.to_owned());
        if setting.kind != SettingKind::Switch {
            flags.push(value.to_owned());
        }
    }
    flags
}

fn read(part: Part, answer: &str) -> Result<Checked> {
    let not_understood = |why: String| {
        Error::new(
            Kind::Unreachable,
            format!(
                "the answer of {} check cannot be understood: {why}",
                part.program()
            ),
        )
    };
    let checked: Checked = serde_json::from_str(answer).map_err(|err| {
        not_understood(if answer.trim().is_empty() {
            "it is empty".to_owned()
        } else if answer.len() >= LARGEST_ANSWER {
            format!("it is larger than {LARGEST_ANSWER} bytes")
        } else {
            err.to_string()
        })
    })?;
    if checked.schema_version == SCHEMA_VERSION && checked.program == part.program() {
        return Ok(checked);
    }
    Err(not_understood(format!(
        "it is of {} {}, in version {} of its form",
        checked.program, checked.version, checked.schema_version
    ))
    .advise("Install all programs of one version."))
}

/// A failure that the program itself has not told.
fn failed(call: &Invocation, command: String, err: Error) -> Failure {
    let err = err.into();
    call.log.failure(&err);
    Failure {
        command,
        code: exit::code_for(&err),
        detail: log::sentence(&err),
    }
}

impl Failure {
    /// The error that ends this program in the same way.
    pub(crate) fn error(&self, what: String) -> anyhow::Error {
        match exit::kind(self.code) {
            Some(kind) => Error::new(kind, what).into(),
            None => anyhow::anyhow!(what),
        }
    }
}

/// The error itself, of what a program said last.
fn without_advice(said: &str) -> String {
    let error = said.split(" / help: ").next().unwrap_or(said);
    error.trim_end_matches('.').to_owned()
}

/// What a program said last, without its own name in front.
fn last_words(command: &str, finished: &Finished) -> String {
    let program = command.split(' ').next().unwrap_or_default();
    let said = finished.last_words();
    let said = said.replace(&format!("{program}: "), "");
    match said.strip_prefix("error: ").unwrap_or(&said).trim() {
        "" => "it said nothing".to_owned(),
        said => said.to_owned(),
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("done").trim();
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
