//! The command line. The flags of settings are added to it from `settings.rs`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use common::cli::config::ConfigArgs;
use common::cli::monitoring::MonitoringArgs;
use common::cli::{Arguments, Format, OutputArgs, exit};
use common::log::Verbosity;

const EXAMPLES: &str = "\
Examples:
  anypoint-estate init                        a configuration file from what is found
  anypoint-estate check                       everything that can expire or stands open, the most urgent first
  anypoint-estate check --only flex-renew     what one program has to say
  anypoint-estate report /srv/www/estate.html the same as a page for people
  anypoint-estate check --output nagios       one line, and the exit codes of a plugin
  anypoint-estate run --textfile /var/lib/prometheus/node-exporter/anypoint.prom
";

/// Answers one question about a whole MuleSoft estate: is anything about to expire, or open?
///
/// It calls dns_cf, cloudhub_v2, flex-renew and basic-auth-policy, which lie beside it or on PATH, each as it is set up:
/// whatever a program finds in its variables, in acme.sh's home and in the configuration file, it finds here, too.
#[derive(Debug, Parser)]
#[command(name = "anypoint-estate", version, after_help = help(), after_long_help = long_help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn help() -> String {
    format!("{EXAMPLES}\n{}", exit::HELP)
}

fn long_help() -> String {
    format!("{EXAMPLES}\n{}", include_str!("manual.txt"))
}

impl Arguments for Args {
    fn output(&self) -> (Format, Verbosity) {
        self.output.choice()
    }

    fn makes_config_file(&self) -> bool {
        matches!(self.command, Command::Init(_))
    }

    fn monitoring(&self) -> Option<&MonitoringArgs> {
        match &self.command {
            Command::Run(args) => Some(&args.monitoring),
            Command::Check(args) => Some(&args.monitoring),
            Command::Report(args) => Some(&args.monitoring),
            Command::Init(_) | Command::Config(_) => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Have every program do its regular work, then check, and tell people what has changed: what a timer calls
    ///
    /// The work is cloudhub_v2 reconcile, flex-renew run and basic-auth-policy apply, side by side. What fails stops nothing
    /// else. Exit with the code of the first program that failed, in this order, else as check does. Two runs at a time
    /// do not overlap: the second leaves everything to the first.
    Run(RunArgs),

    /// Show everything that can expire or stands open, the most urgent first
    ///
    /// Exit with the code of the first program whose check failed, else with 11 if something has expired, else with 10 if
    /// something is due, missing, open, or begun and not finished.
    Check(CheckArgs),

    /// Write everything that check shows into one web page
    ///
    /// The page asks nobody for anything, and is replaced in one step. The exit code is that of check.
    Report(ReportArgs),

    /// Write a configuration file for all programs from what is found here
    ///
    /// With a comment on everything that it may hold: what the environment sets, the registrations on this host, what acme.sh
    /// deploys, and the private spaces and APIs that the credentials see. On a terminal it asks for what it does not
    /// find. A secret is not written into it, but the file or the variable that holds it. A file that is there is left alone.
    Init(InitArgs),

    Config(ConfigArgs),
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReportArgs {
    /// The file to write, readable by everybody unless it is there already
    #[arg(value_name = "FILE.html")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The file to write; that of --config, or the first in which the programs look, unless given
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
