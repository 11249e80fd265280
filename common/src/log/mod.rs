//! The two voices of every program: acme.sh's log lines when acme.sh is calling, else a command line's.
//!
//! Code says what happened; this file decides where and how it is shown. Every line passes [`secret::mask`].

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::secret::{self, Secret};
use crate::system::environment::Env;

/// The flags of every program that decide what is shown.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputArgs {
    /// Form of the result on standard output
    #[arg(long, value_enum, global = true, default_value_t, value_name = "FORM")]
    pub output: Format,

    #[command(flatten)]
    /// How much is told on standard error.
    pub verbosity: Verbosity,
}

/// The flags that decide how much is told.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Verbosity {
    /// Tell more on standard error; twice tells each request
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Tell only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The form of a result on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON document
    Json,
}

/// A result that can be shown as text or as JSON.
pub trait Report: Serialize {
    /// The text form, without a final newline. Empty: nothing to show.
    fn text(&self) -> String;
}

/// Where everything goes that a program has to say. Cheap to clone; lines of several threads never mix.
#[derive(Debug, Clone)]
pub struct Output {
    inner: Arc<Inner>,
    about: Option<Arc<str>>,
}

#[derive(Debug)]
struct Inner {
    program: &'static str,
    format: Format,
    voice: Voice,
}

#[derive(Debug)]
enum Voice {
    Acme(AcmeLog),
    Cli {
        /// 0 quiet, 1 ordinary, 2 and 3 more.
        level: u8,
        colour: bool,
        progress: bool,
    },
}

/// acme.sh's own logging rules: functions `_info`, `_err`, `_debug`, `_debug2` of acme.sh 3.1.4.
#[derive(Debug)]
struct AcmeLog {
    debug: u8,
    log_file: Option<PathBuf>,
    log_level: u8,
    sys_log: u8,
    timestamp: bool,
    colour_out: bool,
    colour_err: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    /// What to do about the error told before.
    Advice,
    Warning,
    Info,
    /// 1: steps, 2: requests.
    Debug(u8),
}

const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[1;36m";
const YELLOW: &str = "\x1b[1;33m";
const PLAIN: &str = "\x1b[0m";

impl Output {
    /// Chooses the voice: acme.sh's when its shim says so in `ANYPOINT_HOOKS_VOICE`, else the command line's.
    pub fn new(program: &'static str, args: &OutputArgs, env: &Env) -> Self {
        Self::with_format(program, args.output, args.verbosity, env)
    }

    /// As [`Output::new`], for a program whose commands have forms of their own beside text and JSON.
    pub fn with_format(
        program: &'static str,
        format: Format,
        verbosity: Verbosity,
        env: &Env,
    ) -> Self {
        let voice = if env.acme_is_calling() {
            Voice::Acme(AcmeLog::new(env))
        } else {
            let terminal = io::stderr().is_terminal();
            Voice::Cli {
                level: if verbosity.quiet {
                    0
                } else {
                    verbosity.verbose.saturating_add(1)
                },
                colour: terminal && env.get("NO_COLOR").is_none(),
                progress: terminal && !verbosity.quiet,
            }
        };
        Self {
            inner: Arc::new(Inner {
                program,
                format,
                voice,
            }),
            about: None,
        }
    }

    /// The same output, where each message begins with `target`: for work on several side by side.
    #[must_use]
    pub fn about(&self, target: &str) -> Self {
        Self {
            about: Some(Arc::from(target)),
            ..self.clone()
        }
    }

    /// An output that shows nothing but warnings and errors, for tests.
    pub fn quiet() -> Self {
        let verbosity = Verbosity {
            verbose: 0,
            quiet: true,
        };
        Self::with_format("test", Format::Text, verbosity, &Env::default())
    }

    /// A step worth telling.
    pub fn info(&self, message: impl AsRef<str>) {
        self.say(Level::Info, message.as_ref());
    }

    /// Something the user should look at although the run goes on.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.say(Level::Warning, message.as_ref());
    }

    /// A detail: `-v`, `DEBUG=1`.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.say(Level::Debug(1), message.as_ref());
    }

    /// A finer detail: `-vv`, `DEBUG=2`. Never a body.
    pub fn trace(&self, message: impl AsRef<str>) {
        self.say(Level::Debug(2), message.as_ref());
    }

    /// An error that does not end the run, as one of several targets failing.
    pub fn error(&self, message: impl AsRef<str>) {
        self.say(Level::Error, message.as_ref());
    }

    /// The error that ended the run: outermost first, then the advice.
    pub fn failure(&self, err: &anyhow::Error) {
        self.say(Level::Error, &sentence(err));
        if let Some(advice) = advice(err) {
            self.say(Level::Advice, advice);
        }
    }

    /// The result of the run, in the form that the user asked for.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written. A reader that has gone away is no error.
    pub fn result(&self, report: &impl Report) -> Result<()> {
        match (&self.inner.voice, self.inner.format) {
            (Voice::Acme(log), _) => {
                for line in report.text().lines() {
                    log.write(Level::Info, line);
                }
                Ok(())
            }
            (Voice::Cli { .. }, Format::Text) => self.print(&report.text()),
            (Voice::Cli { .. }, Format::Json) => {
                let json = serde_json::to_string_pretty(report).map_err(|err| {
                    Error::config("the result does not fit into JSON").caused_by(err)
                })?;
                self.print(&json)
            }
        }
    }

    /// Writes `text` and a newline to standard output as it is, masked nowhere: for results that *are* the output,
    /// as a password that is handed over once.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written. A reader that has gone away is no error.
    pub fn print(&self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::config("standard output cannot be written").caused_by(err))
            }
            _ => Ok(()),
        }
    }

    /// The form that the user asked for.
    pub fn format(&self) -> Format {
        self.inner.format
    }

    /// Shows on a terminal that something is being waited for, until the value is dropped.
    pub fn progress(&self, what: impl Into<String>) -> Progress {
        let shown = matches!(self.inner.voice, Voice::Cli { progress: true, .. });
        Progress {
            what: what.into(),
            since: Instant::now(),
            shown,
        }
    }

    /// Asks a question that takes yes or no.
    ///
    /// # Errors
    ///
    /// There is no terminal to ask on: the caller has to give `--yes`.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(
                Error::config(format!("{question} There is no terminal to ask on"))
                    .advise("Give --yes to do it without asking."),
            );
        }
        eprint_raw(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|err| Error::config("the answer cannot be read").caused_by(err))?;
        Ok(matches!(
            answer.trim().to_ascii_lowercase().as_str(),
            "y" | "yes"
        ))
    }

    /// Asks for a line of text; `None` where there is no terminal to ask on.
    ///
    /// # Errors
    ///
    /// The terminal cannot be read.
    pub fn ask(&self, question: &str) -> Result<Option<String>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        eprint_raw(&format!("{question}: "));
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|err| Error::config("the answer cannot be read").caused_by(err))?;
        Ok(Some(answer.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Asks for a secret without showing it; `None` where there is no terminal to ask on.
    ///
    /// # Errors
    ///
    /// The terminal cannot be read.
    pub fn ask_secret(&self, question: &str) -> Result<Option<Secret>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        rpassword::prompt_password(format!("{question}: "))
            .map(|answer| Some(Secret::new(answer)))
            .map_err(|err| {
                Error::config(format!("{question} cannot be read from the terminal")).caused_by(err)
            })
    }

    fn say(&self, level: Level, message: &str) {
        let message = match &self.about {
            Some(target) => secret::mask(&format!("{target}: {message}")).into_owned(),
            None => secret::mask(message).into_owned(),
        };
        match &self.inner.voice {
            Voice::Acme(log) => log.write(level, &message),
            Voice::Cli {
                level: shown,
                colour,
                ..
            } => {
                let (least, label, paint) = match level {
                    Level::Error => (0, "error: ", RED),
                    Level::Advice => (0, "help: ", CYAN),
                    Level::Warning => (0, "warning: ", YELLOW),
                    Level::Info => (1, "", ""),
                    Level::Debug(depth) => (1 + depth, "", ""),
                };
                if *shown >= least {
                    let label = if *colour && !paint.is_empty() {
                        format!("{paint}{label}{PLAIN}")
                    } else {
                        label.to_owned()
                    };
                    eprint_raw(&format!("{}: {label}{message}\n", self.inner.program));
                }
            }
        }
    }
}

/// An error and its causes in one line, outermost first.
pub fn sentence(err: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in err.chain() {
        let part = cause.to_string();
        // Library errors often repeat their cause in their own text.
        if !parts.iter().any(|earlier| earlier.ends_with(&part)) {
            parts.push(part);
        }
    }
    secret::mask(&parts.join(": ")).into_owned()
}

/// The outermost advice in a chain of errors.
pub fn advice(err: &anyhow::Error) -> Option<&str> {
    err.chain()
        .filter_map(|cause| cause.downcast_ref::<Error>())
        .find_map(Error::advice)
}

/// A wait that is shown on a terminal. Dropping it wipes the line.
#[derive(Debug)]
pub struct Progress {
    what: String,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// Redraws the line with the time that has passed, out of `limit`, and what was seen last.
    pub fn tick(&self, limit: Duration, seen: &str) {
        if self.shown {
            eprint_raw(&secret::mask(&format!(
                "\r\x1b[K{} … {} of {} s{}{seen}",
                self.what,
                self.since.elapsed().as_secs(),
                limit.as_secs(),
                if seen.is_empty() { "" } else { ": " },
            )));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint_raw("\r\x1b[K");
        }
    }
}

/// Nobody is left to be told when standard error is gone, so a failure to write there is let go.
fn eprint_raw(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

impl AcmeLog {
    fn new(env: &Env) -> Self {
        let number = |name: &str, default: u8| match env.get(name) {
            None => default,
            Some(text) => text.trim().parse().unwrap_or(default),
        };
        let colour = |terminal: bool| {
            env.get("ACME_FORCE_COLOR").is_some_and(|v| v == "1")
                || (terminal && env.get("ACME_NO_COLOR").is_none_or(|v| v == "0"))
        };
        Self {
            debug: number("DEBUG", 0),
            log_file: env.get("LOG_FILE").map(PathBuf::from),
            // acme.sh: DEFAULT_LOG_LEVEL is LOG_LEVEL_2.
            log_level: number("LOG_LEVEL", 2),
            sys_log: number("SYS_LOG", 0),
            timestamp: env.get("NO_TIMESTAMP").is_none_or(|v| v == "0"),
            colour_out: colour(io::stdout().is_terminal()),
            colour_err: colour(io::stderr().is_terminal()),
        }
    }

    fn write(&self, level: Level, message: &str) {
        let (shown, logged, syslog) = match level {
            Level::Error | Level::Advice => (true, true, self.sys_log != 0),
            // acme.sh knows no warnings. They go where cron's mail finds them.
            Level::Warning => (true, true, self.sys_log != 0),
            Level::Info => (true, true, self.sys_log >= 6),
            Level::Debug(depth) => (
                self.debug >= depth,
                self.log_level >= depth,
                self.sys_log >= 6 + depth,
            ),
        };
        if !(shown || logged && self.log_file.is_some() || syslog) {
            return;
        }
        for line in message.lines() {
            let stamped = if self.timestamp {
                format!("[{}] {line}", date())
            } else {
                line.to_owned()
            };
            if shown {
                self.show(level, &stamped);
            }
            if logged {
                self.append(&stamped);
            }
            if syslog {
                send_to_syslog(level, line);
            }
        }
    }

    fn show(&self, level: Level, line: &str) {
        if level == Level::Info {
            let mut stdout = io::stdout().lock();
            let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
            return;
        }
        let paint = match level {
            Level::Error | Level::Advice if self.colour_err => RED,
            Level::Warning if self.colour_err && self.colour_out => YELLOW,
            _ => "",
        };
        if paint.is_empty() {
            eprint_raw(&format!("{line}\n"));
        } else {
            eprint_raw(&format!("{paint}{line}{PLAIN}\n"));
        }
    }

    /// A log that cannot be written must not stop a renewal, and acme.sh complains about it by itself.
    fn append(&self, line: &str) {
        if let Some(path) = &self.log_file
            && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path)
        {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// The text of `date` without options in the C locale, which is what cron has.
fn date() -> String {
    jiff::ZonedDateTime::now()
        .strftime("%a %b %e %H:%M:%S %Z %Y")
        .to_string()
}

fn send_to_syslog(level: Level, line: &str) {
    let priority = match level {
        Level::Error | Level::Advice => "user.error",
        Level::Warning => "user.warning",
        Level::Info => "user.info",
        Level::Debug(_) => "user.debug",
    };
    let _ = Command::new("logger")
        .args(["-i", "-t", "acme.sh", "-p", priority, "--", line])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme(pairs: &[(&str, &str)]) -> AcmeLog {
        AcmeLog::new(&Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn the_log_file_gets_debug_lines_although_the_terminal_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.sh.log");
        let log = acme(&[("LOG_FILE", path.to_str().unwrap()), ("NO_TIMESTAMP", "1")]);
        log.write(Level::Debug(2), "asking");
        log.write(Level::Debug(3), "too fine");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "asking\n");
    }

    #[test]
    fn a_line_carries_the_date_as_acme_sh_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        acme(&[("LOG_FILE", path.to_str().unwrap())]).write(Level::Debug(1), "adding");
        let line = std::fs::read_to_string(&path).unwrap();
        let (stamp, rest) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
            .unwrap();
        assert_eq!(rest, "adding\n");
        assert_eq!(stamp.split_whitespace().count(), 6, "{stamp}");
    }

    #[test]
    fn causes_are_told_once_and_outermost_first() {
        use anyhow::Context;
        let inner = io::Error::other("disk on fire");
        let err = anyhow::Error::new(
            Error::config("the conf file cannot be written")
                .caused_by(inner)
                .advise("Put it out."),
        );
        let err = Err::<(), _>(err).context("saving CF_Token").unwrap_err();
        assert_eq!(
            sentence(&err),
            "saving CF_Token: the conf file cannot be written: disk on fire"
        );
        assert_eq!(advice(&err), Some("Put it out."));
    }
}
