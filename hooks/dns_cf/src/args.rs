//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use common::cli::exit;
use common::duration;
use common::log::OutputArgs;
use common::net::dns;
use common::settings::SettingsArgs;

/// The end of a help text: examples, then the table of exit codes.
macro_rules! after {
    ($examples:literal) => {
        format!("{}\n\n{}", $examples.trim_end(), exit::HELP)
    };
}

/// Cloudflare DNS records for ACME DNS-01 challenges, and CNAME records for vanity domains
#[derive(Debug, Parser)]
#[command(name = "dns_cf", version, after_help = after!("\
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

Credentials are taken from the environment, acme.sh's saved values (--home) or the configuration file: CF_Token, an API \
token with Zone / Zone / Read and Zone / DNS / Edit, or CF_Key and CF_Email. With CF_Zone_ID, Zone / DNS / Edit alone \
will do; CF_Zone_Token is a second token that reads zones. Each secret X can be given as X_FILE, the path of a file that \
holds it.
"))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) cloudflare: CloudflareArgs,

    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// The flags that say which account, zone and API are meant.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Cloudflare")]
pub(crate) struct CloudflareArgs {
    /// Id of the account, to tell zones of the same name apart [env: CF_Account_ID]
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) account_id: Option<String>,

    /// Id of the zone, for a token that may not read zones [env: CF_Zone_ID]
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) zone_id: Option<String>,

    /// Address of the API [env: CF_Api] [default: https://api.cloudflare.com/client/v4]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) api: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the TXT record of a challenge; content with one that is there already
    #[command(visible_alias = "present", after_help = after!("\
Examples:
  dns_cf add _acme-challenge.example.com gfj9Xq-Rg85nM
  dns_cf add -- _acme-challenge.example.com -begins-with-a-hyphen
  dns_cf add _acme-challenge.example.com gfj9Xq-Rg85nM --wait --timeout 10m
  certbot … --manual-auth-hook 'dns_cf add'

Without arguments, certbot's CERTBOT_DOMAIN and CERTBOT_VALIDATION are taken, and the wait is on. lego's exec provider \
calls `dns_cf present`, in both of its modes.
"))]
    Add(AddArgs),

    /// Delete the TXT records with exactly this value; content with none
    #[command(visible_alias = "cleanup", after_help = after!("\
Examples:
  dns_cf rm _acme-challenge.example.com gfj9Xq-Rg85nM
  certbot … --manual-cleanup-hook 'dns_cf rm'
"))]
    Rm(RmArgs),

    /// Tell what the credentials can and cannot do, zone by zone, and which permission is missing
    #[command(after_help = after!("\
Examples:
  dns_cf check
  dns_cf check example.com
  dns_cf check example.com --write     proves it with a record that is created and deleted again
"))]
    Check(CheckArgs),

    /// Delete challenge records that this program has created and that were left behind
    #[command(after_help = after!("\
Examples:
  dns_cf sweep example.com --dry-run
  dns_cf sweep example.com --older-than 1h
"))]
    Sweep(SweepArgs),

    /// CNAME records, for vanity domains
    #[command(subcommand, after_help = after!("\
Examples:
  dns_cf cname set api.example.com target.cloudhub.io
  dns_cf cname rm api.example.com
"))]
    Cname(CnameCommand),
}

impl Command {
    /// The name that the command is about, as given.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Command::Add(add) => add.challenge.name.as_deref(),
            Command::Rm(rm) => rm.challenge.name.as_deref(),
            Command::Check(check) => check.domain.as_deref(),
            Command::Sweep(sweep) => Some(&sweep.domain),
            Command::Cname(CnameCommand::Set(set)) => Some(&set.name),
            Command::Cname(CnameCommand::Rm(rm)) => Some(&rm.name),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) challenge: ChallengeArgs,

    /// Lifetime of the record in seconds [env: CF_TTL] [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u32>,

    /// Wait until the authoritative name servers answer the value
    #[arg(long)]
    pub(crate) wait: bool,

    /// How long to wait at most
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "5m")]
    pub(crate) timeout: Duration,

    /// Name server to ask while waiting, instead of the authoritative ones; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = dns::server)]
    pub(crate) resolver: Vec<SocketAddr>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RmArgs {
    #[command(flatten)]
    pub(crate) challenge: ChallengeArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ChallengeArgs {
    /// Full name of the record, as _acme-challenge.example.com; without it, certbot's CERTBOT_DOMAIN is taken
    #[arg(value_name = "FULLDOMAIN", requires = "value")]
    pub(crate) name: Option<String>,

    /// Its value. It may begin with a hyphen
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) value: Option<OsString>,

    /// Key authorization: with three arguments they are DOMAIN TOKEN KEYAUTH, as lego gives them with EXEC_MODE=RAW
    #[arg(value_name = "KEYAUTH", allow_hyphen_values = true)]
    pub(crate) key_authorization: Option<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// Domain of a certificate, as example.com or *.example.com; without it, all zones that are visible
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,

    /// Prove the right to edit with a TXT record that is created and deleted again
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepArgs {
    /// Only records at this name and below it
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Only records of at least this age
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "1h")]
    pub(crate) older_than: Duration,

    /// Show what would be deleted, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CnameCommand {
    /// Create a CNAME record, change it, or leave it as it is
    #[command(after_help = after!("\
Examples:
  dns_cf cname set api.example.com target.cloudhub.io
  dns_cf cname set '*.example.com' target.cloudhub.io --ttl 300
  dns_cf cname set api.example.com target.cloudhub.io --replace --dry-run
"))]
    Set(CnameSetArgs),

    /// Delete a CNAME record; content with none
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

    /// Host name that it shall lead to
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,

    /// Lead clients through Cloudflare's edge, which then ends TLS with a certificate of its own
    #[arg(long)]
    pub(crate) proxied: bool,

    /// Lifetime in seconds, 1 for automatic [default: automatic, or as it is]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u32>,

    /// Delete other records of this name that are in the way
    #[arg(long)]
    pub(crate) replace: bool,

    /// Do not ask before replacing
    #[arg(long)]
    pub(crate) yes: bool,

    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CnameRmArgs {
    /// Full name of the record; its first label may be *
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,

    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
