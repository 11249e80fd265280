//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use common::cli::config::ConfigArgs;
use common::cli::monitoring::MonitoringArgs;
use common::cli::{Arguments, Format, OutputArgs, exit};
use common::duration;
use common::log::Verbosity;

const EXAMPLES: &str = "\
Examples:
  acme.sh --deploy -d '*.example.com' --deploy-hook cloudhub_v2
  cloudhub_v2 spaces
  cloudhub_v2 list --private-space prod
  cloudhub_v2 status '*.example.com' --home ~/.acme.sh
  cloudhub_v2 deploy '*.example.com' key.pem cert.pem ca.pem fullchain.pem
  cloudhub_v2 reconcile --home ~/.acme.sh
  cloudhub_v2 verify '*.example.com' --server-name orders.example.com
  cloudhub_v2 dns '*.example.com' --check
  cloudhub_v2 check --home ~/.acme.sh --within 20d
  cloudhub_v2 prune --dry-run --home ~/.acme.sh
  cloudhub_v2 remove '*.example.com'
  cloudhub_v2 expose --app orders --host orders.example.com --environment Production
";

const EXPOSE_EXAMPLES: &str = "\
Examples:
  cloudhub_v2 expose --app orders --host orders.example.com --environment Production
  cloudhub_v2 expose --app orders --host api.example.com --path /orders --environment Production --verify
";

/// Puts certificates into the TLS contexts of CloudHub 2.0 private spaces, and proves that they are served
#[derive(Debug, Parser)]
#[command(name = "cloudhub_v2", version, after_help = help(), after_long_help = long_help(), max_term_width = 100)]
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

    fn monitoring(&self) -> Option<&MonitoringArgs> {
        match &self.command {
            Command::Check(args) if !args.planes => Some(&args.monitoring),
            _ => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a certificate into every target
    ///
    /// The arguments are those that acme.sh passes to a deploy hook. Without any, they are taken from the variables of
    /// certbot (RENEWED_LINEAGE, RENEWED_DOMAINS) or lego (LEGO_HOOK_...). A certificate that is already deployed is not
    /// sent again.
    Deploy(DeployArgs),

    /// Deploy every certificate in acme.sh's home that names this deploy hook and is not deployed yet
    ///
    /// Ends with one line that counts them, unless --quiet is given.
    Reconcile(ReconcileArgs),

    /// Prove by a handshake that the ingress of every target serves a domain's certificate
    Verify(VerifyArgs),

    /// Show the DNS record that a domain needs, and what DNS answers now
    Dns(DnsArgs),

    /// Have an application answer under a host that a TLS context of its private space is for
    ///
    /// Adds https://HOST[/P] to the application's public endpoints. Everything else about the deployment stays, protected
    /// properties included. The application restarts, and the command waits until the new version runs; where it is so
    /// already, nothing happens.
    #[command(after_help = EXPOSE_EXAMPLES)]
    Expose(ExposeArgs),

    /// Show the private spaces of the organization
    Spaces(SpacesArgs),

    /// Show the TLS contexts of the targets
    List(ListArgs),

    /// Show what the targets have for a domain, next to acme.sh's certificate
    Status(StatusArgs),

    /// Check whether certificates expire soon, are missing or differ, for monitoring
    ///
    /// Without DOMAIN every certificate in acme.sh's home that names this deploy hook, where its own saved settings say,
    /// and every other TLS context in those private spaces.
    Check(CheckArgs),

    /// Show the TLS contexts of certificates that are no longer in acme.sh's home
    ///
    /// Those that this program made, in the private spaces of the certificates that are there and of those that are set.
    /// Exit with 10 if there are any.
    Prune(PruneArgs),

    /// Delete the TLS context of a domain
    Remove(RemoveArgs),

    Config(ConfigArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    /// The certificate's main name, for example '*.example.com'
    #[arg(requires_all = ["keyfile", "certfile"])]
    pub(crate) domain: Option<String>,

    /// Its private key, PEM
    pub(crate) keyfile: Option<PathBuf>,

    /// The leaf certificate, PEM
    pub(crate) certfile: Option<PathBuf>,

    /// The rest of the chain, PEM; where it holds none, FULLCHAIN does
    pub(crate) cafile: Option<PathBuf>,

    /// Leaf and chain, PEM
    pub(crate) fullchain: Option<PathBuf>,

    /// PKCS#12 file, not used
    pub(crate) pfx: Option<PathBuf>,

    /// Write even if the certificate is already deployed
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The certificate's main name, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// The certificate to expect, PEM; by default the one in acme.sh's home (--home), else the one that is deployed
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DnsArgs {
    /// The domain, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Exit with 10 unless the record is there
    #[arg(long)]
    pub(crate) check: bool,

    /// Wait until DNS leads there, at most --timeout
    #[arg(long, conflicts_with = "check")]
    pub(crate) wait: bool,

    /// Print the DNS target alone, which the record has to point to, and ask DNS nothing
    #[arg(long, conflicts_with_all = ["check", "wait"])]
    pub(crate) dns_target: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    /// Look after this certificate alone, by its main name
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,

    /// Change nothing; exit with 10 if something would be deployed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExposeArgs {
    /// Name of the application, or id of its deployment
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,

    /// The host, for example orders.example.com
    #[arg(long, value_name = "HOST")]
    pub(crate) host: String,

    /// The path below which it answers there, for example /orders
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// Take all other public endpoints away
    #[arg(long)]
    pub(crate) only: bool,

    /// Change nothing; exit with 10 if something would be changed
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// With --dry-run: the certificate is deployed later, so no TLS context has to be for the host yet
    #[arg(long, requires = "dry_run")]
    pub(crate) before_deploy: bool,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct SpacesArgs {}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ListArgs {}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The certificate's main name, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Check this domain only, and report it as missing where it has no TLS context
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,

    /// How long before its expiry a certificate is due [default: less than a quarter of its lifetime, at most 30 days; 10
    /// days where acme.sh does not have it]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) within: Option<Duration>,

    /// Also see by one handshake each what the ingresses serve for the TLS contexts, without waiting
    #[arg(long)]
    pub(crate) served: bool,

    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,

    /// Try the credentials on the other published control planes, and do nothing else
    #[arg(long, conflicts_with_all = ["domain", "within", "served", "textfile"])]
    pub(crate) planes: bool,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct PruneArgs {
    /// Delete nothing, which has to be said: another machine may have the certificates. It prints the commands that delete
    #[arg(long, required = true)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// The certificate's main name, for example '*.example.com'
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}
