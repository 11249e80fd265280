//! `basic-auth-policy`: an API that is closed, and proved closed.

mod args;
mod autodiscovery;
mod commands;
mod convergence;
mod credentials;
mod deploy_hooks;
mod desired;
mod findings;
mod hand_over;
mod hand_over_file;
mod judgment;
mod listed;
mod memory;
mod plan;
mod proof;
mod read_back;
mod session;
mod settings;
mod survey;
mod switch;
mod unfinished;

use std::process::ExitCode;

use common::cli;

use args::{Args, Command};

fn main() -> ExitCode {
    cli::main(&settings::SETTINGS, |args: Args, call| {
        match &args.command {
            Command::Apply(args) => commands::apply::run(call, args),
            Command::Rotate(args) => commands::rotate::run(call, args),
            Command::Verify(args) => commands::verify::run(call, args),
            Command::Status(args) => commands::status::run(call, args),
            Command::Check(args) => commands::check::run(call, args),
            Command::Enable(args) => commands::enable::run(call, args),
            Command::Disable(args) => commands::disable::run(call, args),
            Command::Remove(args) => commands::remove::run(call, args),
            Command::CreateApi(args) => commands::create_api::run(call, args),
            Command::Autodiscover(args) => commands::autodiscover::run(call, args),
            Command::Config(args) => cli::config::run(call, args),
        }
    })
}
