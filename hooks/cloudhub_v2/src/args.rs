//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use common::cli::exit;
use common::duration;
use common::log::OutputArgs;
use common::net::dns;
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

    /// Deploy whatever differs from acme.sh's certificates that name this deploy hook
    Reconcile(ReconcileArgs),

    /// Prove by a handshake that a domain is served its certificate
    Verify(VerifyArgs),

    /// Show the DNS record that a domain needs, and what DNS answers now
    Dns(DnsArgs),

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

    /// Tell whether a certificate expires soon, for monitoring
    Check(CheckArgs),

    /// Delete the TLS context of a domain
    Remove(RemoveArgs),
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

    /// Prove by a handshake with the ingress that the certificate is served [env: CH2_VERIFY]
    #[arg(long)]
    pub(crate) verify: bool,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The certificate's main name, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// The certificate to expect, PEM; else the one in acme.sh's home (--home), else the one that is deployed
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// How an ingress is looked at.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Proof")]
pub(crate) struct ConnectArgs {
    /// Where to connect to, instead of what DNS says [default port: 443]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) connect: Option<String>,

    /// Name to ask for, instead of the domain; of a wildcard, any name below it
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,

    /// Name server to ask for addresses, instead of the system's; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = dns::server)]
    pub(crate) resolver: Vec<SocketAddr>,

    /// How long to wait for the ingress to serve it
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "5m")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DnsArgs {
    /// The domain, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// End with 10 unless the record is there
    #[arg(long)]
    pub(crate) check: bool,

    /// Name server to ask, instead of the system's; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = dns::server)]
    pub(crate) resolver: Vec<SocketAddr>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    /// Change nothing; end with 10 if something would be deployed
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Look at this domain only, and miss it where it has no TLS context
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,

    /// How long before its expiry a certificate is due
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "30d")]
    pub(crate) within: Duration,

    /// Try the credentials on the other published control planes, and do nothing else
    #[arg(long, conflicts_with_all = ["domain", "within"])]
    pub(crate) planes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// The certificate's main name, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
