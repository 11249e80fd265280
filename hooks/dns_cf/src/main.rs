//! Cloudflare DNS records for ACME DNS-01 challenges, and CNAME records for vanity domains.

mod account;
mod args;
mod challenge;
mod zone;

use std::process::ExitCode;

use clap::Parser;
use common::env::Env;
use common::exit::{self, Outcome};
use common::output::Output;
use common::settings::Settings;

use account::Account;
use args::{Args, Command};
use zone::Finder;

fn main() -> ExitCode {
    let env = Env::of_process();
    let args = Args::parse();
    let out = Output::new("dns_cf", &args.output, &env);
    exit::finish(&out, run(&args, &env, &out))
}

fn run(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, None)?;
    let account = Account::load(&settings, &args.cloudflare)?;
    match &args.command {
        Command::Add(add) => {
            let challenge = challenge::Challenge::from_args(&add.challenge, env)?;
            let saving = account.saving(&settings)?;
            let dns = account.client(&settings, out)?;
            let finder = Finder::new(&dns, &account, out);
            let result = challenge::add(&finder, &challenge, account.ttl(add.ttl)?, out);
            saving.finish(&dns, &finder, out);
            result
        }
        Command::Rm(rm) => {
            let challenge = challenge::Challenge::from_args(&rm.challenge, env)?;
            let dns = account.client(&settings, out)?;
            challenge::remove(&Finder::new(&dns, &account, out), &challenge, out)
        }
    }
}
