//! Cloudflare DNS records for ACME DNS-01 challenges, and CNAME records for vanity domains.

mod account;
mod alias;
mod args;
mod certificate;
mod challenge;
mod cname;
mod commands;
mod credentials;
mod cure;
mod listed;
mod permissions;
mod propagation;
mod saving;
mod settings;
mod tokens;
mod ttl;
mod zone;

use std::process::ExitCode;

use common::cli;

use args::{Args, CnameCommand, Command};

fn main() -> ExitCode {
    cli::main(&settings::SETTINGS, |args: Args, call| {
        match &args.command {
            Command::Add(args) => commands::add::run(call, args),
            Command::Rm(args) => commands::rm::run(call, args),
            Command::Check(args) => commands::check::run(call, args),
            Command::Sweep(args) => commands::sweep::run(call, args),
            Command::Cname(CnameCommand::Set(args)) => commands::cname_set::run(call, args),
            Command::Cname(CnameCommand::Rm(args)) => commands::cname_rm::run(call, args),
            Command::Config(args) => cli::config::run(call, args),
        }
    })
}
