//! `cloudhub_v2`: puts issued certificates into the TLS contexts of CloudHub 2.0 private spaces.

mod account;
mod answer;
mod applications;
mod args;
mod caller;
mod checked_context;
mod commands;
mod compare;
mod cure;
mod domain;
mod expiry;
mod exposure;
mod failures;
mod health;
mod inventory;
mod lock;
mod material;
mod memory;
mod planes;
mod proof;
mod serving;
mod settings;
mod spaces;
mod target;
mod targets;
mod walk;
mod write;

use std::process::ExitCode;

use common::cli::{self, config};

use args::{Args, Command};

fn main() -> ExitCode {
    cli::main(&settings::SETTINGS, |args: Args, call| {
        match &args.command {
            Command::Deploy(args) => commands::deploy::run(call, args),
            Command::Reconcile(args) => commands::reconcile::run(call, args),
            Command::Verify(args) => commands::verify::run(call, args),
            Command::Dns(args) => commands::dns::run(call, args),
            Command::Expose(args) => commands::expose::run(call, args),
            Command::Spaces(args) => commands::spaces::run(call, args),
            Command::List(args) => commands::list::run(call, args),
            Command::Status(args) => commands::status::run(call, args),
            Command::Check(args) => commands::check::run(call, args),
            Command::Prune(args) => commands::prune::run(call, args),
            Command::Remove(args) => commands::remove::run(call, args),
            Command::Config(args) => config::run(call, args),
        }
    })
}
