//! Cloudflare DNS records for ACME DNS-01 challenges, and CNAME records for vanity domains.

mod account;
mod args;
mod challenge;
mod check;
mod cname;
mod cure;
mod sweep;
mod wait;
mod zone;

use std::process::ExitCode;

use clap::Parser;
use common::cli::exit::{self, Outcome};
use common::log::Output;
use common::net::dns::name::DnsName;
use common::settings::Settings;
use common::system::environment::Env;

use account::Account;
use args::{Args, CnameCommand, Command};
use challenge::Challenge;
use wait::Wait;
use zone::Finder;

fn main() -> ExitCode {
    let env = Env::of_process();
    let args = Args::parse();
    let out = Output::new("dns_cf", &args.output, &env);
    exit::finish(&out, run(&args, &env, &out))
}

fn run(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    let settings = with_domain_conf(Settings::load(env, &args.settings, None)?, &args.command)?;
    let account = Account::load(&settings, &args.cloudflare)?;
    match &args.command {
        Command::Add(add) => {
            let challenge = Challenge::from_args(&add.challenge, env)?;
            let ttl = account.ttl(add.ttl)?;
            let saving = account.saving(&settings)?;
            let dns = account.client(&settings, out)?;
            let finder = Finder::new(&dns, &account, out);
            let result =
                challenge::add(&finder, &challenge, ttl, Wait::from_args(add).as_ref(), out);
            saving.finish(&dns, &finder, out);
            result
        }
        Command::Rm(rm) => {
            let challenge = Challenge::from_args(&rm.challenge, env)?;
            let dns = account.client(&settings, out)?;
            challenge::remove(&Finder::new(&dns, &account, out), &challenge, out)
        }
        Command::Check(check) => {
            let dns = account.client(&settings, out)?;
            check::check(&Finder::new(&dns, &account, out), check, out)
        }
        Command::Sweep(sweep) => {
            let name = sweep::domain(&sweep.domain)?;
            let dns = account.client(&settings, out)?;
            sweep::sweep(&Finder::new(&dns, &account, out), &name, sweep, out)
        }
        Command::Cname(CnameCommand::Set(set)) => {
            let wanted = cname::Wanted::from_args(set)?;
            let dns = account.client(&settings, out)?;
            cname::set(&Finder::new(&dns, &account, out), &wanted, set, out)
        }
        Command::Cname(CnameCommand::Rm(rm)) => {
            let name = DnsName::parse(&rm.name)?;
            let dns = account.client(&settings, out)?;
            cname::remove(&Finder::new(&dns, &account, out), &name, rm, out)
        }
    }
}

/// A call from a command line uses what acme.sh has saved for the certificate that the command is about.
fn with_domain_conf(settings: Settings, command: &Command) -> anyhow::Result<Settings> {
    let (Some(home), Some(name), false) = (
        settings.home(),
        command.name(),
        settings.env().acme_is_calling(),
    ) else {
        return Ok(settings);
    };
    let name = name.trim_end_matches('.');
    let bare = name.strip_prefix("_acme-challenge.").unwrap_or(name);
    let bare = bare.strip_prefix("*.").unwrap_or(bare);
    let stored = home.find(bare).or_else(|| home.find(&format!("*.{bare}")));
    Ok(match stored {
        Some(stored) => settings.for_domain_conf(&stored.conf())?,
        None => settings,
    })
}
