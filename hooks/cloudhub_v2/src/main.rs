//! `cloudhub_v2`: puts issued certificates into the TLS contexts of CloudHub 2.0 private spaces.

mod args;
mod compare;
mod cure;
mod deploy;
mod dns;
mod failures;
mod inventory;
mod material;
mod reconcile;
mod remove;
mod saved;
mod targets;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use common::cli::exit::{self, Outcome};
use common::log::Output;
use common::system::environment::Env;

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
        Command::Verify(verify) => verify::run(args, verify, env, out),
        Command::Dns(dns) => dns::run(args, dns, env, out),
        Command::Reconcile(reconcile) => reconcile::run(args, reconcile, env, out),
        Command::Spaces => inventory::spaces(args, env, out),
        Command::List => inventory::list(args, env, out),
        Command::Status { domain } => inventory::status(args, domain, env, out),
        Command::Check(check) if check.planes => watch::planes(args, env, out),
        Command::Check(check) => watch::check(args, check, env, out),
        Command::Remove(remove) => remove::run(args, remove, env, out),
    }
}
