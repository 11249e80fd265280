//! The command line. The flags of settings are not here: they follow from the table of settings.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use common::cli::config::ConfigArgs;
use common::cli::monitoring::MonitoringArgs;
use common::cli::{Arguments, Format, OutputArgs, exit};
use common::duration;
use common::log::Verbosity;
use common::net::dns::{self, ServerAddress};

const EXAMPLES: &str = "\
Examples:
  export CF_Token=…
  dns_cf check example.com
  acme.sh --issue --dns dns_cf -d example.com -d '*.example.com'
  dns_cf add _acme-challenge.example.com VALUE --wait
  dns_cf rm _acme-challenge.example.com VALUE
  dns_cf cname set api.example.com target.cloudhub.io
  dns_cf sweep example.com --older-than 1h
  EXEC_PATH=/usr/local/bin/dns_cf lego --dns exec …
  certbot certonly --manual --preferred-challenges dns \\
    --manual-auth-hook 'dns_cf add' --manual-cleanup-hook 'dns_cf rm' …
";

fn help() -> String {
    format!("{EXAMPLES}\n{}", exit::HELP)
}

fn long_help() -> String {
    format!("{EXAMPLES}\n{}", include_str!("manual.txt"))
}

/// The end of a help text: examples, then the table of exit codes.
macro_rules! after {
    ($examples:literal) => {
        format!("{}\n\n{}", $examples.trim_end(), exit::HELP)
    };
}

/// Cloudflare DNS records for ACME DNS-01 challenges, and CNAME records for vanity domains
#[derive(Debug, Parser)]
#[command(name = "dns_cf", version, after_help = help(), after_long_help = long_help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    output: OutputArgs,
}

impl Arguments for Args {
    fn output(&self) -> (Format, Verbosity) {
        self.output.choice()
    }

    fn monitoring(&self) -> Option<&MonitoringArgs> {
        match &self.command {
            Command::Check(args) => Some(&args.monitoring),
            _ => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the TXT record of a challenge, unless it is already present
    #[command(visible_alias = "present", after_help = after!("\
Examples:
  dns_cf add _acme-challenge.example.com gfj9Xq-Rg85nM
  dns_cf add -- _acme-challenge.example.com -begins-with-a-hyphen
  dns_cf add _acme-challenge.example.com gfj9Xq-Rg85nM --wait --timeout 10m
  certbot … --manual-auth-hook 'dns_cf add'

Without arguments, certbot's CERTBOT_DOMAIN and CERTBOT_VALIDATION are used, and --wait is on. lego's exec provider calls \
`dns_cf present`, in both of its modes.
"))]
    Add(AddArgs),

    /// Delete the TXT records with exactly this value, if there are any
    #[command(visible_alias = "cleanup", after_help = after!("\
Examples:
  dns_cf rm _acme-challenge.example.com gfj9Xq-Rg85nM
  certbot … --manual-cleanup-hook 'dns_cf rm'
"))]
    Rm(RmArgs),

    /// Show what the credentials can and cannot do, zone by zone, until when, and which permission is missing
    #[command(after_help = after!("\
Examples:
  dns_cf check
  dns_cf check example.com
  dns_cf check example.com --write     proves it with a record that is created and deleted again
  dns_cf check --output nagios         for monitoring, also when a token expires
"))]
    Check(CheckArgs),

    /// Delete challenge records that this program created and left behind
    #[command(after_help = after!("\
Examples:
  dns_cf sweep example.com --dry-run
  dns_cf sweep example.com --older-than 1h
"))]
    Sweep(SweepArgs),

    /// Manage CNAME records for vanity domains
    #[command(subcommand, after_help = after!("\
Examples:
  dns_cf cname set api.example.com target.cloudhub.io
  dns_cf cname rm api.example.com
"))]
    Cname(CnameCommand),

    #[command(after_help = after!("\
Examples:
  dns_cf config
  dns_cf config --set --home ~/.acme.sh
"))]
    Config(ConfigArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) challenge: ChallengeArgs,

    /// Wait until the authoritative name servers serve the value
    #[arg(long)]
    pub(crate) wait: bool,

    /// Longest time to wait
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "5m")]
    pub(crate) timeout: Duration,

    /// Name server to query while waiting, instead of the authoritative ones; may be repeated, and be one of DNS over
    /// HTTPS, as https://HOST/dns-query
    #[arg(long, value_name = "ADDRESS", value_parser = dns::server)]
    pub(crate) resolver: Vec<ServerAddress>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RmArgs {
    #[command(flatten)]
    pub(crate) challenge: ChallengeArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ChallengeArgs {
    /// Full name of the record, for example _acme-challenge.example.com; without it, certbot's CERTBOT_DOMAIN is used
    #[arg(value_name = "FULLDOMAIN", requires = "value")]
    pub(crate) name: Option<String>,

    /// Its value, which may begin with a hyphen
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) value: Option<OsString>,

    /// Key authorization: three arguments are DOMAIN TOKEN KEYAUTH, as lego gives them with EXEC_MODE=RAW
    #[arg(value_name = "KEYAUTH", allow_hyphen_values = true)]
    pub(crate) key_authorization: Option<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// Domain of a certificate, for example example.com or *.example.com; without it, every account of the TOML file is
    /// checked with its zones, or, where none is listed, every visible zone
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,

    /// Prove the right to edit with a TXT record that is created and deleted again
    #[arg(long)]
    pub(crate) write: bool,

    /// How long before its expiry a token is due
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "30d")]
    pub(crate) within: Duration,

    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepArgs {
    /// Only records at this name and below it
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Only records at least this old
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "1h")]
    pub(crate) older_than: Duration,

    /// Show what would be deleted without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CnameCommand {
    /// Create a CNAME record, or change the one that is there
    #[command(after_help = after!("\
Examples:
  dns_cf cname set api.example.com target.cloudhub.io
  dns_cf cname set '*.example.com' target.cloudhub.io --ttl 300
  dns_cf cname set api.example.com target.cloudhub.io --replace --dry-run
"))]
    Set(CnameSetArgs),

    /// Delete a CNAME record, if there is one
    #[command(after_help = after!("\
Examples:
  dns_cf cname rm api.example.com
  dns_cf cname rm '*.example.com' --yes
"))]
    Rm(CnameRmArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CnameSetArgs {
    /// Full name of the record; its first label may be *
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Host name that it points to
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,

    /// Route clients through Cloudflare's edge, which then terminates TLS with a certificate of its own [default: unchanged]
    #[arg(long)]
    proxied: bool,

    /// Let clients reach the target itself; a new record does unless --proxied is given
    #[arg(long, conflicts_with = "proxied")]
    no_proxied: bool,

    // An id of its own: this is not the setting for challenges, whose flag has the same name.
    /// Lifetime in seconds, 1 for automatic [default: automatic, or unchanged]
    #[arg(id = "record-ttl", long = "ttl", value_name = "SECONDS")]
    pub(crate) ttl: Option<u32>,

    /// Delete other records of this name that are in the way
    #[arg(long)]
    pub(crate) replace: bool,

    /// Replace without asking
    #[arg(long)]
    pub(crate) yes: bool,

    /// Show what would be done without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl CnameSetArgs {
    /// Whether the record is to be proxied, if the user has said so.
    pub(crate) fn proxied(&self) -> Option<bool> {
        (self.proxied || self.no_proxied).then_some(self.proxied)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CnameRmArgs {
    /// Full name of the record; its first label may be *
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Delete without asking
    #[arg(long)]
    pub(crate) yes: bool,

    /// Show what would be done without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
}
