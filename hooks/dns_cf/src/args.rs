//! The command line.

use std::ffi::OsString;

use clap::{Args as ClapArgs, Parser, Subcommand};
use common::exit;
use common::output::OutputArgs;
use common::settings::SettingsArgs;

const EXAMPLES: &str = "\
Examples:
  dns_cf add _acme-challenge.example.com gfj9Xq…Rg85nM
  dns_cf rm _acme-challenge.example.com gfj9Xq…Rg85nM

Credentials come from the environment (CF_Token, or CF_Key and CF_Email; each secret also as X_FILE, the path of a file
that holds it), from acme.sh's saved values, or from the configuration file. An API token needs Zone / Zone / Read and
Zone / DNS / Edit; with CF_Zone_ID, Zone / DNS / Edit alone will do.
";

/// Cloudflare DNS records for ACME DNS-01 challenges, and CNAME records for vanity domains
#[derive(Debug, Parser)]
#[command(name = "dns_cf", version, after_help = concat_help(EXAMPLES))]
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
    #[command(alias = "present", after_help = exit::HELP)]
    Add(AddArgs),

    /// Delete the TXT records with exactly this value; content with none
    #[command(alias = "cleanup", after_help = exit::HELP)]
    Rm(RmArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) challenge: ChallengeArgs,

    /// Lifetime of the record in seconds [env: CF_TTL] [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u32>,
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

/// Examples and the table of exit codes, for the end of a help text.
fn concat_help(examples: &str) -> String {
    format!("{examples}\n{}", exit::HELP)
}
