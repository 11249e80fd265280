//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use common::cli::config::ConfigArgs;
use common::cli::monitoring::MonitoringArgs;
use common::cli::{self, Format, OutputArgs, exit};
use common::duration;
use common::log::Verbosity;

const EXAMPLES: &str = "\
Examples:
  basic-auth-policy create-api 'Orders API' --label prod
  basic-auth-policy autodiscover --app orders --api 20123456
  BASIC_AUTH_USERNAME=svc basic-auth-policy apply --api 20123456 --generate-password --password-out svc.password
  basic-auth-policy verify --api 20123456 --url https://api.example.com/orders
  basic-auth-policy rotate --api 20123456 --password-out svc.password --url https://api.example.com/orders
  basic-auth-policy status --require
  basic-auth-policy check --all
  basic-auth-policy disable --api 20123456
  basic-auth-policy enable --api 20123456
  basic-auth-policy remove --api 20123456
  acme.sh --deploy -d '*.example.com' --deploy-hook cloudhub_v2,basic_auth_policy
";

/// Applies, rotates and proves the "Basic Authentication - Simple" policy of an API Manager API
#[derive(Debug, Parser)]
#[command(name = "basic-auth-policy", version, after_help = help(), after_long_help = long_help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl cli::Arguments for Args {
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

fn help() -> String {
    format!("{EXAMPLES}\n{}", exit::HELP)
}

fn long_help() -> String {
    format!("{EXAMPLES}\n{}", include_str!("manual.txt"))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply the policy, or change it where it differs
    Apply(ApplyArgs),

    /// Give the policy a new password, and hand the password over
    ///
    /// There is no grace period: two Basic Authentication policies on one API would refuse everybody, so the old
    /// password stops working as soon as the gateway picks up the new one.
    Rotate(RotateArgs),

    /// Prove by requests that the API is closed: 401 without credentials and with wrong ones, success with right ones
    Verify(VerifyArgs),

    /// Show the policies of an API instance, or which APIs of the environment have no authentication
    Status(StatusArgs),

    /// Whether an API has no authentication that should, or work is left unfinished: exit code 10
    ///
    /// Every API of the environment; where the TOML file lists APIs, those.
    Check(CheckArgs),

    /// Switch the policy on
    Enable(EnableArgs),

    /// Switch the policy off, which opens the API
    Disable(ConfirmArgs),

    /// Remove the policy, which opens the API
    Remove(ConfirmArgs),

    /// Create the API instance, and its Exchange asset if that is missing; prints the number of the instance
    CreateApi(CreateApiArgs),

    /// Connect an application on CloudHub 2.0 to its API instance
    ///
    /// Sets the properties that its autodiscovery element needs, then waits for the redeployment and until the instance
    /// is active. The platform replaces properties as a whole and never returns protected values: if the application
    /// has other protected properties, give their values with --secure. Where the platform shows none at all, that has
    /// to be confirmed, or --yes given.
    Autodiscover(AutodiscoverArgs),

    /// Show every setting in force, its value and where it comes from
    Config(ConfigArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnableArgs {}

#[derive(Debug, clap::Args)]
pub(crate) struct ConfirmArgs {
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}

/// The password, where no setting gives it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password-file")]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) password: PasswordArgs,

    /// Generate a password of 24 characters; needs a file for it (Hand-over), or --output json
    #[arg(long, conflicts_with_all = ["password-file", "password_stdin"])]
    pub(crate) generate_password: bool,

    /// Only for these methods, for example GET,POST
    #[arg(long, value_name = "METHODS", value_delimiter = ',', conflicts_with_all = ["resource", "whole_api"])]
    pub(crate) methods: Vec<String>,

    /// Only for paths that this regular expression matches, for example '/orders/.*'; can be repeated
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["resource", "whole_api"])]
    pub(crate) paths: Vec<String>,

    /// Only for these methods on these paths, for example 'GET,PUT:/orders/.*'; can be repeated
    #[arg(long, value_name = "METHODS:REGEX", conflicts_with = "whole_api")]
    pub(crate) resource: Vec<String>,

    /// For every request: drops the conditions that the policy has
    #[arg(long)]
    pub(crate) whole_api: bool,

    /// Move to a new major version of the policy, where there is one
    #[arg(long, conflicts_with = "policy-version")]
    pub(crate) upgrade: bool,

    /// Do not ask for confirmation where the policy would let more requests through than before
    #[arg(long)]
    pub(crate) yes: bool,

    /// Show what would change, and whether the password could be handed over; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) password: PasswordArgs,

    #[command(flatten)]
    pub(crate) requests: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) password: PasswordArgs,

    #[command(flatten)]
    pub(crate) requests: RequestArgs,
}

/// Requests that prove something.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RequestArgs {
    /// Address of the API as its consumers use it; can be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,

    /// Path to append to each address
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// Method of the requests; choose one without side effects
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,

    /// Header of every request, 'NAME: VALUE'; 'NAME: @FILE' takes the value from a file. Can be repeated
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,

    /// File with the body of every request
    #[arg(long, value_name = "FILE")]
    pub(crate) body_file: Option<PathBuf>,

    /// Where to connect, instead of the addresses that the host has in DNS [default port: that of the address]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) connect: Option<String>,

    /// Statuses that count as success, instead of every 2xx
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    pub(crate) expect: Vec<u16>,

    /// How long to wait for gateways to pick up the policy
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The whole environment, even if an API instance is set
    #[arg(long, conflicts_with_all = ["api", "label"])]
    pub(crate) all: bool,

    /// Exit with 10 unless a gateway enforces an authentication policy for every request
    #[arg(long)]
    pub(crate) require: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Every API of the environments that the TOML file lists APIs of
    #[arg(long, conflicts_with_all = ["api", "label"])]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,
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
    /// Your own machines
    Hybrid,
    /// Runtime Fabric
    Rtf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateApiArgs {
    /// Name of the API, for example 'Orders API'
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Exchange asset id, instead of the one made from the name
    #[arg(long, value_name = "ID")]
    pub(crate) asset: Option<String>,

    /// Version of the Exchange asset; unless given, an instance of any version will do, and a new one is of 1.0.0
    #[arg(long, value_name = "VERSION")]
    pub(crate) asset_version: Option<String>,

    /// Version of the API
    #[arg(long, value_name = "VERSION", default_value = "v1")]
    pub(crate) api_version: String,

    /// What will enforce the policies
    #[arg(long, value_enum, default_value_t = Gateway::Mule)]
    pub(crate) gateway: Gateway,

    /// Where the application runs, CloudHub 2.0 unless given; a Flex Gateway is always hybrid
    #[arg(long, value_enum)]
    pub(crate) runtime: Option<Runtime>,

    /// Address of the implementation, for a Flex Gateway
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,

    /// Address that a Flex Gateway listens on, for example http://0.0.0.0:8081/orders
    #[arg(long, value_name = "URL")]
    pub(crate) listen: Option<String>,

    /// Create nothing: print the number of the instance if it is there
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AutodiscoverArgs {
    /// The application, by name or id of its deployment
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,

    /// Property that the application's autodiscovery element takes the API instance from
    #[arg(long, value_name = "NAME", default_value = "api.id")]
    pub(crate) property: String,

    /// Value of a protected property that the application has, from a file; can be repeated
    #[arg(long, value_name = "NAME=@FILE")]
    pub(crate) secure: Vec<String>,

    /// What the application does until its policies have arrived [default: what is set now, else flexible]
    #[arg(long, value_enum)]
    pub(crate) gatekeeper: Option<Gatekeeper>,

    /// Version of the application to deploy, in the same redeployment
    #[arg(long, value_name = "VERSION")]
    pub(crate) app_version: Option<String>,

    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Take back what the last autodiscover changed, and nothing that others have changed since
    #[arg(long, conflicts_with_all = ["app_version", "gatekeeper"])]
    pub(crate) undo: bool,

    /// Where the platform shows no protected properties: there are none besides those given with --secure
    #[arg(long)]
    pub(crate) yes: bool,

    /// How long to wait for the redeployment, and then for the instance to become active
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

/// `anypoint.platform.gatekeeper`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gatekeeper {
    /// Let requests pass until the policies have arrived: the last resort where an API stays at 503; then flexible
    Disabled,
    /// Block requests at startup; use the policies known during an outage of the platform
    Flexible,
    /// Block requests until every policy is applied, and whenever the platform cannot be reached
    Strict,
}

impl Gatekeeper {
    /// The value of the property.
    pub(crate) fn property(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Flexible => "flexible",
            Self::Strict => "strict",
        }
    }
}
