//! `basic-auth-policy`: an API that is closed, and proved closed.

mod apply;
mod args;
mod autodiscover;
mod create_api;
mod credentials;
mod plan;
mod rotate;
mod saved;
mod session;
mod status;
mod switch;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use common::cli::exit::{self, Outcome};
use common::log::Output;
use common::settings::Settings;
use common::system::environment::Env;

use args::{Args, Command};
use session::Context;

fn main() -> ExitCode {
    let env = Env::of_process();
    let args = Args::parse();
    let out = Output::new("basic-auth-policy", &args.output, &env);
    exit::finish(&out, run(&args, &env, &out))
}

fn run(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, None)?;
    let context = Context {
        settings: &settings,
        target: &args.target,
        out,
    };
    match &args.command {
        Command::Apply(args) => apply::run(&context, args),
        Command::Rotate(args) => rotate::run(&context, args),
        Command::Verify(args) => verify::run(&context, args),
        Command::Status(args) => status::run(&context, args),
        Command::Enable => switch::enable(&context),
        Command::Disable { yes } => switch::disable(&context, *yes),
        Command::Remove { yes } => switch::remove(&context, *yes),
        Command::CreateApi(args) => create_api::run(&context, args),
        Command::Autodiscover(args) => autodiscover::run(&context, args),
    }
}
