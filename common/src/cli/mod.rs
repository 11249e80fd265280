//! What every command line shares: from the arguments to the exit code.
//!
//! [`main`] alone asks for the time, the environment and standard output. What a command needs besides its arguments it
//! gets as an [`Invocation`].

mod args;
pub mod config;
pub mod exit;
mod family;
mod invocation;
#[cfg(feature = "manual")]
mod manual;
pub mod monitoring;
mod progress;
mod question;
mod report;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

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
use monitoring::{Check, Findings, MonitoringArgs, Severity};

/// The command line of a program.
pub trait Arguments: Parser {
    /// The form of the result, and how much is told.
    fn output(&self) -> (Format, Verbosity);

    /// Whether the command makes the TOML file, so that one that is named need not be there.
    fn makes_config_file(&self) -> bool {
        false
    }

    /// The flags of a check, if the command is one.
    fn monitoring(&self) -> Option<&MonitoringArgs> {
        None
    }
}

/// Runs a program: reads its command line, gives its one [`Invocation`] to `run`, and reports how that ended.
///
/// The flags of the settings are added to the command line from the registry, and the reference to its `--help`.
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
    let given: Vec<OsString> = std::env::args_os().collect();
    let command = args::with_flags(A::command(), registry);
    #[cfg(feature = "manual")]
    if let Some(code) = manual::asked_for(&command, registry) {
        return code;
    }
    let mut command = args::with_manual(command, registry);
    let parsed = command
        .try_get_matches_from_mut(&given)
        .and_then(|matches| {
            let flags = args::flags(&matches, registry);
            let args = A::from_arg_matches(&matches)?;
            if args.output().0.is_of_checks() && args.monitoring().is_none() {
                let what = "this form of output is for checks only";
                return Err(command.error(ErrorKind::ArgumentConflict, what));
            }
            Ok((args, flags))
        });
    let (args, flags) = match parsed {
        Ok(parsed) => parsed,
        Err(err) => return refuse(registry.program, &given, &err),
    };
    let (format, verbosity) = args.output();
    let monitoring = args.monitoring().cloned();
    let log = Log::new(registry.program, verbosity, &env);
    let clock = clock::system();
    let findings = Findings::default();
    let load = match args.makes_config_file() {
        true => Settings::load_to_make_file,
        false => Settings::load,
    };
    let settings = || load(registry, &env, flags).map_err(anyhow::Error::new);
    let run = |settings| {
        let call = Invocation {
            settings,
            log: log.clone(),
            clock: clock.clone(),
            format,
            collected: None,
            findings: findings.clone(),
        };
        run(args, &call)
    };
    let Some(monitoring) = monitoring else {
        return exit::finish(&log, settings().and_then(run));
    };
    let mut check = Check::new(registry.program, format, clock.clone(), log.clone());
    let prepared = check.prepare(&monitoring).map_err(anyhow::Error::new);
    let result = prepared.and_then(|()| settings()).and_then(run);
    check.conclude(&findings, result)
}

/// Reports what is wrong with a command line, or shows the help that it asks for.
fn refuse(program: &str, given: &[OsString], err: &clap::Error) -> ExitCode {
    // It quotes what was rejected.
    let text = err.render().to_string();
    let masked = mask_forms(&text);
    if masked == text {
        // Nobody is left to be told when the stream is gone.
        let _ = err.print();
    } else {
        write_to_stderr(&masked);
    }
    if err.use_stderr() && monitoring::is_asked_for(given) {
        let _ = print(&monitoring::refusal(program, &text));
        return ExitCode::from(Severity::Unknown.code());
    }
    ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(2))
}
