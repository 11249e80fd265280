//! `flex-renew`: watches and renews Flex Gateway registrations.

mod args;
mod cure;
mod gateway;
mod place;
mod proof;
mod renew;
mod runtime;
mod saved;
mod state;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use common::cli::exit::{self, Outcome};
use common::error::Error;
use common::log::{Format, Output};
use common::settings::Settings;
use common::system::clock;
use common::system::environment::Env;

use args::{Args, Command, Form};
use renew::World;

fn main() -> ExitCode {
    let env = Env::of_process();
    let args = Args::parse();
    let format = match args.output {
        Form::Text | Form::Flexctl => Format::Text,
        Form::Json => Format::Json,
    };
    let out = Output::with_format("flex-renew", format, args.verbosity, &env);
    exit::finish(&out, run(&args, &env, &out))
}

fn run(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    if args.output == Form::Flexctl && !matches!(args.command, Command::Inspect(_)) {
        return Err(Error::config("--output flexctl is a form of inspect only").into());
    }
    let settings = Settings::load(env, &args.settings, None)?;
    let world = World {
        settings: &settings,
        clock: clock::system(),
        out: out.clone(),
    };
    match &args.command {
        Command::Inspect(look) => watch::inspect(look, args.output, &world),
        Command::Check { look, within } => watch::check(look, *within, &world),
        Command::Renew(args) => watch::renew(args, &world),
        Command::Run(args) => watch::run(args, &world),
        Command::Status(args) => {
            out.result(&proof::status(args, &world)?)?;
            Ok(Outcome::Done)
        }
    }
}
