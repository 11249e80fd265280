//! `cloudhub_v2`: puts issued certificates into the TLS contexts of CloudHub 2.0 private spaces.

mod args;
mod compare;
mod deploy;
mod inventory;
mod material;
mod saved;
mod targets;

use std::process::ExitCode;

use clap::Parser;
use common::env::Env;
use common::exit::{self, Outcome};
use common::output::Output;

use args::{Args, Command};

fn main() -> ExitCode {
    let env = Env::of_process();
    let args = Args::parse();
    let out = Output::new("cloudhub_v2", &args.output, &env);
    exit::finish(&out, run(&args, &env, &out))
}

fn run(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Deploy(deploy) => deploy::run(args, deploy, env, out),
        Command::Spaces => inventory::spaces(args, env, out),
        Command::List => inventory::list(args, env, out),
        Command::Status { domain } => inventory::status(args, domain, env, out),
    }
}
