//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use common::exit;
use common::output::OutputArgs;
use common::settings::SettingsArgs;

const EXAMPLES: &str = "\
Examples:
  acme.sh --deploy -d '*.example.com' --deploy-hook cloudhub_v2
  cloudhub_v2 list --private-space prod
  cloudhub_v2 status '*.example.com' --home ~/.acme.sh
";

/// Puts certificates into the TLS contexts of CloudHub 2.0 private spaces, and proves that they are served
#[derive(Debug, Parser)]
#[command(name = "cloudhub_v2", version, after_help = help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) target: TargetArgs,

    #[command(flatten)]
    pub(crate) settings: SettingsArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn help() -> String {
    format!("{EXAMPLES}\n{}", exit::HELP)
}

/// Where to work.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Targets")]
pub(crate) struct TargetArgs {
    /// Private spaces, by id or name, separated by commas [env: CH2_PRIVATE_SPACE_ID]
    #[arg(long, global = true, value_name = "SPACES")]
    pub(crate) private_space: Option<String>,

    /// Organization or business group, by id or name [env: ORGANIZATION_ID, ANYPOINT_ORG]
    #[arg(long, global = true, value_name = "ORG")]
    pub(crate) organization: Option<String>,

    /// Address of the control plane [env: ANYPOINT_URL] [default: https://anypoint.mulesoft.com]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Name of the TLS context, instead of the domain with `-` for `.` and `x` for `*` [env: CH2_TLS_CONTEXT_NAME]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context_name: Option<String>,

    /// How many targets are worked on side by side [default: 8]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) workers: Option<u32>,

    /// Requests per second to one control plane, 0 for no limit [default: 15, what the platform takes]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) rate: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a certificate into every target
    ///
    /// The arguments are those that acme.sh gives to a deploy hook. Nothing is sent that is deployed already.
    Deploy(DeployArgs),

    /// Show the private spaces of the organization
    Spaces,

    /// Show the TLS contexts of the targets
    List,

    /// Show what the targets have for a domain, next to acme.sh's certificate
    Status {
        /// The certificate's main name, for example '*.example.com'
        #[arg(value_name = "DOMAIN")]
        domain: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    /// The certificate's main name, for example '*.example.com'
    pub(crate) domain: String,

    /// Its private key, PEM
    pub(crate) keyfile: PathBuf,

    /// The leaf certificate, PEM
    pub(crate) certfile: PathBuf,

    /// The rest of the chain, PEM; may be missing or empty
    pub(crate) cafile: Option<PathBuf>,

    /// Leaf and chain, PEM
    pub(crate) fullchain: Option<PathBuf>,

    /// PKCS#12 file, not used
    pub(crate) pfx: Option<PathBuf>,

    /// Write even if the certificate is deployed already
    #[arg(long)]
    pub(crate) force: bool,
}
