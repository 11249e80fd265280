//! The command line. The flags of settings are added to it from `settings.rs`.

use clap::{Parser, Subcommand};
use common::cli::config::ConfigArgs;
use common::cli::{Arguments, Format, OutputArgs, exit};
use common::log::Verbosity;

const EXAMPLES: &str = "\
Examples:
  anypoint-estate check                       everything that can expire or stands open, the most urgent first
  anypoint-estate check --only flex-renew     what one program has to say
";

/// Answers one question about a whole MuleSoft estate: is anything about to expire, or open?
///
/// It calls dns_cf, cloudhub_v2, flex-renew and basic-auth-policy, which lie beside it or on PATH, each as it is set up:
/// whatever a program finds in its variables, in acme.sh's home and in the configuration file, it finds here, too.
#[derive(Debug, Parser)]
#[command(name = "anypoint-estate", version, after_help = help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn help() -> String {
    format!("{EXAMPLES}\n{}", exit::HELP)
}

impl Arguments for Args {
    fn output(&self) -> (Format, Verbosity) {
        self.output.choice()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything that can expire or stands open, the most urgent first
    ///
    /// Exit with 11 if something has expired, else with the code of the first program whose check failed, else with 10 if
    /// something is due, missing, open, or begun and not finished.
    Check(CheckArgs),

    Config(ConfigArgs),
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct CheckArgs {}
