//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use common::cli::exit;
use common::duration;
use common::log::OutputArgs;
use common::settings::SettingsArgs;

const EXAMPLES: &str = "\
Examples:
  basic-auth-policy create-api 'Orders API' --label prod
  basic-auth-policy autodiscover --app orders --api 20123456
  BASIC_AUTH_USERNAME=svc basic-auth-policy apply --api 20123456 --generate-password --password-out svc.password
  basic-auth-policy verify --api 20123456 --url https://api.example.com/orders
  basic-auth-policy rotate --api 20123456 --password-out svc.password --url https://api.example.com/orders
  basic-auth-policy status --require
  acme.sh --deploy -d '*.example.com' --deploy-hook cloudhub_v2,basic_auth_policy
";

/// Applies, rotates and proves the "Basic Authentication - Simple" policy of an API Manager API
#[derive(Debug, Parser)]
#[command(name = "basic-auth-policy", version, after_help = help(), max_term_width = 100)]
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
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// API instance, by its number, or by the name or asset id of the API [env: API_INSTANCE_ID]
    #[arg(long, global = true, value_name = "ID|NAME")]
    pub(crate) api: Option<String>,

    /// Label of the API instance, where an API has several
    #[arg(long, global = true, value_name = "LABEL")]
    pub(crate) label: Option<String>,

    /// Environment, by name or id [env: ENVIRONMENT_ID, ANYPOINT_ENV]
    #[arg(long, global = true, value_name = "ENV")]
    pub(crate) environment: Option<String>,

    /// Organization or business group, by name or id [env: ORGANIZATION_ID, ANYPOINT_ORG]
    #[arg(long, global = true, value_name = "ORG")]
    pub(crate) organization: Option<String>,

    /// Address of the control plane [env: ANYPOINT_URL] [default: https://anypoint.mulesoft.com]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) anypoint_url: Option<String>,

    /// The one policy that is meant, where an API has several Basic Authentication policies
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) policy_id: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply the policy, or change it where it differs
    Apply(ApplyArgs),

    /// Give the policy a new password, and hand the password over
    ///
    /// There is no grace time: two Basic Authentication policies on one API would refuse everybody, so the old password
    /// ends when the gateway hears of the new one.
    Rotate(RotateArgs),

    /// Prove by requests that the API is closed: 401 without credentials and with wrong ones, success with right ones
    Verify(ProofArgs),

    /// Show the policies of an API instance, or which APIs of the environment have no authentication
    Status(StatusArgs),

    /// Switch the policy on
    Enable,

    /// Switch the policy off: the API is open then
    Disable {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Remove the policy: the API is open then
    Remove {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Create the API instance, and its Exchange asset where that is missing; prints the number of the instance
    CreateApi(CreateApiArgs),

    /// Connect an application on CloudHub 2.0 with its API instance
    ///
    /// Sets the properties that its autodiscovery element needs, waits for the redeployment and until the instance is
    /// active. The platform replaces properties as a whole and never gives protected values back: if the application has
    /// other protected properties, their values have to be given with --secure.
    Autodiscover(AutodiscoverArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// The one user that the policy lets in [env: BASIC_AUTH_USERNAME]
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    #[command(flatten)]
    pub(crate) password: PasswordArgs,

    /// Make a password of 24 characters; needs --password-out or --output json
    #[arg(long, conflicts_with_all = ["password_file", "password_stdin"])]
    pub(crate) generate_password: bool,

    /// File for the generated password, readable by the owner alone; if it is there, the password in it is used again
    #[arg(long, value_name = "FILE", requires = "generate_password")]
    pub(crate) password_out: Option<PathBuf>,

    /// Version of the policy, instead of the latest that the platform offers for the API
    #[arg(long, value_name = "VERSION")]
    pub(crate) policy_version: Option<String>,

    /// Place among the policies of the API, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) order: Option<u32>,

    /// Only for these methods, as GET,POST
    #[arg(long, value_name = "METHODS", value_delimiter = ',', conflicts_with_all = ["resource", "whole_api"])]
    pub(crate) methods: Vec<String>,

    /// Only for paths that this regular expression matches, as '/orders/.*'; may be given several times
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["resource", "whole_api"])]
    pub(crate) paths: Vec<String>,

    /// Only for these methods on these paths, as 'GET,PUT:/orders/.*'; may be given several times
    #[arg(long, value_name = "METHODS:REGEX", conflicts_with = "whole_api")]
    pub(crate) resource: Vec<String>,

    /// For every request: drops the conditions that the policy has
    #[arg(long)]
    pub(crate) whole_api: bool,
}

/// Where a password comes from, beside `BASIC_AUTH_PASSWORD`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct PasswordArgs {
    /// File that holds the password [env: BASIC_AUTH_PASSWORD, BASIC_AUTH_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,

    /// Accept a password that is easy to guess
    #[arg(long)]
    pub(crate) allow_weak: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RotateArgs {
    /// Another user name; the policy keeps its own unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    #[command(flatten)]
    pub(crate) password: PasswordArgs,

    /// File for the new password, readable by the owner alone; replaced when the change has been made
    #[arg(long, value_name = "FILE")]
    pub(crate) password_out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) requests: RequestArgs,
}

/// Requests that prove something.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// Address of the API as its consumers use it; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,

    /// Path to append to each address
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// Method of the requests; choose one without side effects
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,

    /// Statuses that count as success, instead of every 2xx
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    pub(crate) expect: Vec<u16>,

    /// How long to wait for gateways to hear of the policy
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ProofArgs {
    /// The user that the policy lets in [env: BASIC_AUTH_USERNAME]
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// File that holds the password [env: BASIC_AUTH_PASSWORD, BASIC_AUTH_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,

    #[command(flatten)]
    pub(crate) requests: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The whole environment, even if an API instance is set
    #[arg(long)]
    pub(crate) all: bool,

    /// Exit with 10 if an API has no authentication policy that is switched on
    #[arg(long)]
    pub(crate) require: bool,
}

/// What will enforce the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gateway {
    /// The Mule Gateway inside a Mule 4 application
    Mule,
    /// A Flex Gateway
    Flex,
}

/// Where the application or gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// CloudHub 2.0
    Ch2,
    /// CloudHub
    Ch,
    /// Own machines
    Hybrid,
    /// Runtime Fabric
    Rtf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateApiArgs {
    /// Name of the API, as 'Orders API'
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Exchange asset id, instead of the one made from the name
    #[arg(long, value_name = "ID")]
    pub(crate) asset: Option<String>,

    /// Version of the Exchange asset
    #[arg(long, value_name = "VERSION", default_value = "1.0.0")]
    pub(crate) asset_version: String,

    /// Version of the API
    #[arg(long, value_name = "VERSION", default_value = "v1")]
    pub(crate) api_version: String,

    /// What will enforce the policies
    #[arg(long, value_enum, default_value_t = Gateway::Mule)]
    pub(crate) gateway: Gateway,

    /// Where the application runs; a Flex Gateway is always hybrid
    #[arg(long, value_enum, default_value_t = Runtime::Ch2)]
    pub(crate) runtime: Runtime,

    /// Address of the implementation, for a Flex Gateway
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,

    /// Address that a Flex Gateway listens on, as http://0.0.0.0:8081/orders
    #[arg(long, value_name = "URL")]
    pub(crate) listen: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AutodiscoverArgs {
    /// The application, by name or id of its deployment
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,

    /// Property that the application's autodiscovery element takes the API instance from
    #[arg(long, value_name = "NAME", default_value = "api.id")]
    pub(crate) property: String,

    /// Value of a protected property that the application has, from a file; may be given several times
    #[arg(long, value_name = "NAME=@FILE")]
    pub(crate) secure: Vec<String>,

    /// Client id of the environment, instead of the one that Access Management names [env: PLATFORM_CLIENT_ID]
    #[arg(long, value_name = "ID")]
    pub(crate) platform_client_id: Option<String>,

    /// What the application does until policies have arrived
    #[arg(long, value_enum, default_value_t = Gatekeeper::Flexible)]
    pub(crate) gatekeeper: Gatekeeper,

    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Put back the properties from before the last autodiscover
    #[arg(long)]
    pub(crate) undo: bool,

    /// How long to wait for the redeployment, and then for the instance to be active
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

/// `anypoint.platform.gatekeeper`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gatekeeper {
    /// Refuse at the start; use the policies known during an outage of the platform
    Flexible,
    /// Refuse until every policy is applied, and whenever the platform cannot be reached
    Strict,
}
