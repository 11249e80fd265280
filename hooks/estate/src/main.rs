//! `anypoint-estate`: one view of everything that can expire or stands open, from the checks of the other programs.

mod args;
mod child;
mod commands;
mod draft;
mod notification;
mod page;
mod parts;
mod secrets;
mod settings;
mod state;
mod text;
mod view;

use std::process::ExitCode;

use common::cli::{self, config};

use args::{Args, Command};

fn main() -> ExitCode {
    cli::main(&settings::SETTINGS, |args: Args, call| {
        match &args.command {
            Command::Run(args) => commands::run::run(call, args),
            Command::Check(args) => commands::check::run(call, args),
            Command::Report(args) => commands::report::run(call, args),
            Command::Init(args) => commands::init::run(call, args),
            Command::Config(args) => config::run(call, args),
        }
    })
}
