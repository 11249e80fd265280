//! The command line. The flags of settings are added to it from `settings.rs`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args as ArgGroup, Parser, Subcommand, ValueEnum};
use common::cli::config::ConfigArgs;
use common::cli::monitoring::MonitoringArgs;
use common::cli::{Arguments, Format, VerbosityArgs, exit};
use common::log::Verbosity;

use crate::runtime::Runtime;

const EXAMPLES: &str = "\
Examples:
  flex-renew inspect                                   what the registration on this host says
  flex-renew check --within 30d                        for monitoring: exit code 0, 10 (due) or 11 (expired)
  FLEX_CLIENT_ID=… FLEX_CLIENT_SECRET_FILE=… flex-renew renew
  flex-renew renew /srv/edge/conf.d/registration.yaml --runtime docker
  flex-renew renew --runtime kubernetes --namespace gateway --deployment ingress
  flex-renew restore                                   back to the registration before the last renewal
  flex-renew status --gateway edge                     what the platform reports about its replicas
  flex-renew run                                       every [[flex.gateway]] of the configuration file
";

/// Watches and renews Flex Gateway registrations
///
/// A registration holds a certificate that expires; after that, replicas cannot load their configuration. This program
/// renews it in time, keeps the old file, restarts the gateway and proves the result.
#[derive(Debug, Parser)]
#[command(name = "flex-renew", version, after_help = help(), after_long_help = long_help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Form of the result on standard output
    #[arg(long, value_enum, global = true, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,

    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
}

fn help() -> String {
    format!("{EXAMPLES}\n{}", exit::HELP)
}

fn long_help() -> String {
    format!("{EXAMPLES}\n{}", include_str!("manual.txt"))
}

/// The form of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON document
    Json,
    /// Checks only: one line for Nagios and others that run its plugins, with their exit codes 0 to 3
    Nagios,
    /// Checks only: metrics in the text format of Prometheus
    Prometheus,
    /// inspect only: exactly what flexctl registration inspect prints
    Flexctl,
}

impl Arguments for Args {
    fn output(&self) -> (Format, Verbosity) {
        let format = match self.output {
            Form::Text | Form::Flexctl => Format::Text,
            Form::Json => Format::Json,
            Form::Nagios => Format::Nagios,
            Form::Prometheus => Format::Prometheus,
        };
        (format, self.verbosity.into())
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
    /// Show gateway, certificate and validity of a registration; never its key
    Inspect(LookArgs),
    /// Report in one line whether a registration is due: exit code 0, 10 (due) or 11 (expired)
    Check(CheckArgs),
    /// Renew a registration that is due, install it, restart the gateway and prove the result
    Renew(Box<RenewArgs>),
    /// Put a registration back that a renewal replaced, and restart the gateway with it
    Restore(RestoreArgs),
    /// Show what the platform reports: gateways, replicas, expiry of their certificates
    Status(StatusArgs),
    /// Renew every gateway of the configuration file that is due
    Run(RunArgs),
    /// Show every setting in force, its value and where it comes from
    Config(ConfigArgs),
}

/// Which registration is meant.
#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct LookArgs {
    /// Path of registration.yaml, or the name of a [[flex.gateway]] [env: FLEX_REGISTRATION_FILE, a path] [default:
    /// where the runtime keeps it]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct CheckArgs {
    /// Also log in with the credentials for flexctl, and see whether they may read the gateway
    #[arg(long)]
    pub(crate) credentials: bool,

    /// Also ask the platform until when the replicas of every gateway of the environment are valid
    ///
    /// Needs credentials for the platform and an environment, as status does.
    #[arg(long)]
    pub(crate) replicas: bool,

    #[command(flatten)]
    pub(crate) monitoring: MonitoringArgs,

    // Its heading would be that of whatever follows.
    #[command(flatten)]
    pub(crate) look: LookArgs,
}

/// Where in Kubernetes the gateway is.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "Kubernetes")]
pub(crate) struct ClusterArgs {
    /// Namespace of the gateway [default: gateway]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Deployment of the gateway, or statefulset/NAME or daemonset/NAME [default: ingress]
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<String>,

    /// Secret that holds the registration [default: the one that the deployment mounts]
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Option<String>,

    /// Context of the Kubernetes configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,

    /// Renew even if it is not due
    #[arg(long, help_heading = "Renewal")]
    pub(crate) force: bool,

    /// Update the environment URLs in the registration, too, whatever is set [default: as FLEX_UPDATE_URLS says]
    #[arg(long, help_heading = "flexctl", overrides_with = "no_update_urls")]
    pub(crate) update_urls: bool,

    /// Leave the environment URLs in the registration as they are
    #[arg(long, help_heading = "flexctl", overrides_with = "update_urls")]
    pub(crate) no_update_urls: bool,

    /// Where flexctl runs for a gateway in Kubernetes [default: detected]
    #[arg(long, value_name = "RUNTIME", help_heading = "flexctl")]
    #[arg(value_parser = PossibleValuesParser::new(Runtime::OF_FLEXCTL).try_map(|word| Runtime::parse(&word)))]
    pub(crate) via: Option<Runtime>,

    #[command(flatten)]
    pub(crate) restart: RestartArgs,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,

    /// Name of the backup [default: the last that differs from what is installed]
    #[arg(long, value_name = "NAME")]
    pub(crate) backup: Option<String>,

    #[command(flatten)]
    pub(crate) restart: RestartArgs,
}

/// How the gateway is restarted.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "Restart")]
pub(crate) struct RestartArgs {
    /// systemd unit or container to restart, may be repeated [default: flex-gateway, or the containers that mount
    /// the registration]
    #[arg(long, value_name = "NAME", conflicts_with = "restart-cmd")]
    pub(crate) restart: Vec<String>,

    /// Leave the restart to somebody else
    #[arg(long, conflicts_with_all = ["restart", "restart-cmd"])]
    pub(crate) no_restart: bool,

    /// Helm release whose registration.content is replaced [default: the one that the Secret names, if helm is
    /// installed]
    #[arg(long, value_name = "NAME")]
    pub(crate) release: Option<String>,

    /// Helm chart of the release [default: flex-gateway/flex-gateway]
    #[arg(long, value_name = "CHART")]
    pub(crate) chart: Option<String>,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct StatusArgs {
    /// Only this gateway, by name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway: Option<String>,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct RunArgs {
    /// Renew even what is not due
    #[arg(long, help_heading = "Renewal")]
    pub(crate) force: bool,
}

impl ClusterArgs {
    /// The flags that were given.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("--namespace", &self.namespace),
            ("--deployment", &self.deployment),
            ("--secret", &self.secret),
            ("--context", &self.context),
        ]
        .into_iter()
        .filter_map(|(flag, value)| value.is_some().then_some(flag))
        .collect::<Vec<_>>()
        .into_iter()
    }
}

/// What is asked for by a command that only looks.
impl From<&LookArgs> for RenewArgs {
    fn from(look: &LookArgs) -> Self {
        Self {
            look: look.clone(),
            ..Self::default()
        }
    }
}
