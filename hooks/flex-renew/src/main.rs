//! `flex-renew`: watches and renews Flex Gateway registrations.

mod acceptance;
mod args;
mod call;
mod cluster;
mod commands;
mod container_network;
mod containers;
mod cure;
mod dates;
mod discovery;
mod due;
mod findings;
mod gateway;
mod gateway_log;
mod installation;
mod next_call;
mod platform;
mod proof;
mod renewal;
mod replicas;
mod restart;
mod restoration;
mod runtime;
mod settings;
mod several;
mod state;
mod workload;

use std::process::ExitCode;

use common::cli;
use common::error::Error;

use args::{Args, Command, Form};

fn main() -> ExitCode {
    cli::main(&settings::SETTINGS, |args: Args, call| {
        match (&args.command, args.output) {
            (Command::Inspect(look), Form::Flexctl) => commands::inspect::as_flexctl(call, look),
            (_, Form::Flexctl) => {
                Err(Error::config("--output flexctl is a form of inspect only").into())
            }
            (Command::Inspect(look), _) => commands::inspect::run(call, look),
            (Command::Check(look), _) => commands::check::run(call, look),
            (Command::Renew(args), _) => commands::renew::run(call, args),
            (Command::Restore(args), _) => commands::restore::run(call, args),
            (Command::Status(args), _) => commands::status::run(call, args),
            (Command::Run(args), _) => commands::run::run(call, args),
            (Command::Config(args), _) => cli::config::run(call, args),
        }
    })
}
