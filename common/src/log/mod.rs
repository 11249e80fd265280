//! What is told while working, in two voices: acme.sh's log lines when acme.sh is calling, else a command line's.
//!
//! Code says what happened; this room decides where and how it is shown. Every line passes [`secret::mask`], and no
//! control character of a remote system reaches a terminal. Results are not told here: they are what a command prints at its end.

mod acme;
mod line;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use crate::error::Error;
use crate::secret;
use crate::system::environment::Env;
use acme::AcmeLog;
use line::{CYAN, Level, PLAIN, RED, YELLOW};

pub use line::printable;
pub(crate) use line::write_to_stderr;

/// How much is told on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// 0 for the ordinary; 1 tells steps, 2 tells each request.
    pub verbose: u8,
    /// Only warnings and errors.
    pub quiet: bool,
}

/// Where everything goes that a program has to say while it works. Cheap to clone; lines of several threads never mix.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
    about: Option<Arc<str>>,
}

#[derive(Debug)]
struct Inner {
    program: &'static str,
    verbosity: Verbosity,
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

impl Log {
    /// Chooses the voice: acme.sh's when its shim says so in `ANYPOINT_HOOKS_VOICE`, else the command line's.
    pub fn new(program: &'static str, verbosity: Verbosity, env: &Env) -> Self {
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
                verbosity,
                voice,
            }),
            about: None,
        }
    }

    /// The same log, where each message begins with `target`: for work on several side by side.
    #[must_use]
    pub fn about(&self, target: &str) -> Self {
        Self {
            about: Some(Arc::from(target)),
            ..self.clone()
        }
    }

    /// A log that shows nothing but warnings and errors, for tests.
    pub fn quiet() -> Self {
        let verbosity = Verbosity {
            verbose: 0,
            quiet: true,
        };
        Self::new("test", verbosity, &Env::default())
    }

    /// Whether acme.sh is calling, so that results are log lines too.
    pub fn is_acme(&self) -> bool {
        matches!(self.inner.voice, Voice::Acme(_))
    }

    /// How much is told, for programs of ours that are called from this one.
    pub fn verbosity(&self) -> Verbosity {
        self.inner.verbosity
    }

    /// Tells what a program of ours has told on its standard error: it has chosen by itself what to tell, and how.
    pub fn relay(&self, told: &str) {
        for line in told.lines() {
            write_to_stderr(&format!("{}\n", printable(&secret::mask(line))));
        }
    }

    /// Whether the user asked for warnings and errors alone.
    pub fn is_quiet(&self) -> bool {
        matches!(self.inner.voice, Voice::Cli { level: 0, .. })
    }

    /// Whether somebody at a terminal would see progress.
    pub fn shows_progress(&self) -> bool {
        matches!(self.inner.voice, Voice::Cli { progress: true, .. })
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

    fn say(&self, level: Level, message: &str) {
        let message = match &self.about {
            Some(target) => &format!("{target}: {message}"),
            None => message,
        };
        let message = printable(&secret::mask(message)).into_owned();
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
                    write_to_stderr(&format!("{}: {label}{message}\n", self.inner.program));
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

#[cfg(test)]
mod tests {
    use super::*;

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
