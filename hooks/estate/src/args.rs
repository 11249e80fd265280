//! The command line. The flags of settings are added to it from `settings.rs`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use common::cli::config::ConfigArgs;
use common::cli::{Arguments, Format, OutputArgs, exit};
use common::log::Verbosity;

const EXAMPLES: &str = "\
Examples:
  anypoint-estate check                       everything that can expire or stands open, the most urgent first
  anypoint-estate check --only flex-renew     what one program has to say
  anypoint-estate report /srv/www/estate.html the same as a page for people
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

    /// Write everything that check shows into one web page
    ///
    /// The page asks nobody for anything, and is replaced in one step. The exit code is that of check.
    Report(ReportArgs),

    Config(ConfigArgs),
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct CheckArgs {}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// The file to write, readable by everybody unless it is there already
    #[arg(value_name = "FILE.html")]
    pub(crate) file: PathBuf,
}
