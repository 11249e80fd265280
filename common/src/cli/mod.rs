//! What every command line shares: from the arguments to the exit code.
//!
//! [`main`] alone asks for the time, the environment and standard output. What a command needs besides its arguments it
//! gets as an [`Invocation`].

mod args;
pub mod config;
pub mod exit;
mod family;
mod invocation;
pub mod monitoring;
mod progress;
mod question;
mod report;
mod table;

use std::process::ExitCode;

use clap::Parser;

pub use args::{OutputArgs, VerbosityArgs};
pub use exit::Outcome;
pub use invocation::{Collected, Invocation, Kept};
pub use progress::Progress;
pub use question::{ask, ask_secret, confirm};
pub use report::{Format, Report, print};
pub use table::table;

use crate::log::{Log, Verbosity, write_to_stderr};
use crate::secret::mask_forms;
use crate::settings::{Kind, Registry, Settings};
use crate::system::clock;
use crate::system::environment::{self, Env};

/// The command line of a program.
pub trait Arguments: Parser {
    /// The form of the result, and how much is told.
    fn output(&self) -> (Format, Verbosity);
}

/// Runs a program: reads its command line, gives its one [`Invocation`] to `run`, and reports how that ended.
///
/// The flags of the settings are added to the command line from the registry.
pub fn main<A: Arguments>(
    registry: &'static Registry,
    run: impl FnOnce(A, &Invocation) -> anyhow::Result<Outcome>,
) -> ExitCode {
    let env = Env::of_process();
    environment::keep_from_children(family::SECRETS.iter().copied());
    let secrets = registry
        .settings()
        .filter(|setting| setting.kind == Kind::Secret);
    environment::keep_from_children(secrets.flat_map(|setting| setting.variables.iter().copied()));
    let command = args::with_flags(A::command(), registry);
    let parsed = command.try_get_matches().and_then(|matches| {
        let flags = args::flags(&matches, registry);
        A::from_arg_matches(&matches).map(|args| (args, flags))
    });
    let (args, flags) = match parsed {
        Ok(parsed) => parsed,
        Err(err) => {
            // It quotes what was rejected.
            let text = err.render().to_string();
            let masked = mask_forms(&text);
            if masked == text {
                // Nobody is left to be told when the stream is gone.
                let _ = err.print();
            } else {
                write_to_stderr(&masked);
            }
            return ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(2));
        }
    };
    let (format, verbosity) = args.output();
    let log = Log::new(registry.program, verbosity, &env);
    let settings = Settings::load(registry, &env, flags).map_err(anyhow::Error::new);
    let result = settings.and_then(|settings| {
        let call = Invocation {
            settings,
            log: log.clone(),
            clock: clock::system(),
            format,
            collected: None,
        };
        run(args, &call)
    });
    exit::finish(&log, result)
}
