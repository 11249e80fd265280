//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ArgGroup, Parser, Subcommand, ValueEnum};
use common::duration;
use common::log::Verbosity;
use common::settings::SettingsArgs;

use crate::runtime::Runtime;

const AFTER: &str = "\
Examples:
  flex-renew inspect                                   what the registration of this host says
  flex-renew check --within 30d                        for monitoring: exit code 0, 10 (due) or 11 (expired)
  FLEX_CLIENT_ID=… FLEX_CLIENT_SECRET_FILE=… flex-renew renew
  flex-renew renew /srv/edge/conf.d/registration.yaml --runtime docker
  flex-renew renew --runtime kubernetes --namespace gateway --deployment ingress
  flex-renew run                                       every [[flex.gateway]] of the configuration file
";

/// Watches and renews Flex Gateway registrations
///
/// A registration holds a certificate that ends one day; then replicas cannot load their configuration any more. This
/// program renews it in time, keeps the old file, restarts the gateway and proves the result.
#[derive(Debug, Parser)]
#[command(name = "flex-renew", version, after_help = format!("{AFTER}\n{}", common::cli::exit::HELP))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Form of the result on standard output
    #[arg(long, value_enum, global = true, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,

    #[command(flatten)]
    pub(crate) verbosity: Verbosity,

    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON document
    Json,
    /// inspect only: exactly what flexctl registration inspect prints
    Flexctl,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows gateway, certificate and validity of a registration; never its key
    Inspect(LookArgs),
    /// Says in one line whether a registration is due: exit code 0, 10 (due) or 11 (expired)
    Check {
        #[command(flatten)]
        look: LookArgs,
        /// How long before its end a certificate is due [default: 30d]
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        within: Option<Duration>,
    },
    /// Renews a registration that is due, installs it, restarts the gateway and proves the result
    Renew(Box<RenewArgs>),
    /// Shows what the platform reports: gateways, replicas, ends of their certificates
    Status(StatusArgs),
    /// Renews every gateway of the configuration file that is due
    Run(RunArgs),
}

/// Which registration is meant.
#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct LookArgs {
    /// registration.yaml, or the name of a [[flex.gateway]] [env: FLEX_REGISTRATION_FILE] [default: where the
    /// runtime has it]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Where the gateway runs [env: FLEX_RUNTIME] [default: found out]
    #[arg(long, value_enum, value_name = "RUNTIME")]
    pub(crate) runtime: Option<Runtime>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// Where in Kubernetes the gateway is.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "Kubernetes")]
pub(crate) struct ClusterArgs {
    /// Namespace of the gateway [default: gateway]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Deployment of the gateway [default: ingress]
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

    #[command(flatten)]
    pub(crate) renewal: RenewalArgs,

    /// Renew although more time is left
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) flexctl: FlexctlArgs,

    #[command(flatten)]
    pub(crate) restart: RestartArgs,

    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

/// When and how a registration is renewed.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "Renewal")]
pub(crate) struct RenewalArgs {
    /// How long before its end a certificate is due [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) within: Option<Duration>,

    /// How many old registrations are kept [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,

    /// Folder for backups and work in progress [default: .flex-renew beside the folder of the configuration]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// How long replicas may take to report the new certificate [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
}

/// How flexctl is called.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "flexctl")]
pub(crate) struct FlexctlArgs {
    /// The program [env: FLEXCTL] [default: flexctl]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) flexctl: Option<String>,

    /// Limit on one call [env: FLEXCTL_TIMEOUT] [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) flexctl_timeout: Option<Duration>,

    /// Image to run it from [env: FLEX_IMAGE] [default: the image of the gateway's container, else
    /// mulesoft/flex-gateway]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// Also update the environment URLs in the registration
    #[arg(long)]
    pub(crate) update_urls: bool,

    /// Where it runs for a gateway in Kubernetes: linux, docker or podman [default: found out]
    #[arg(long, value_enum, value_name = "RUNTIME")]
    pub(crate) via: Option<Runtime>,
}

/// How the gateway is restarted.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "Restart")]
pub(crate) struct RestartArgs {
    /// systemd unit or container to restart, may be repeated [default: flex-gateway, or the containers that mount
    /// the registration]
    #[arg(long, value_name = "NAME")]
    pub(crate) restart: Vec<String>,

    /// Command that restarts the gateway instead, run by /bin/sh -c [env: FLEX_RESTART_CMD]
    #[arg(long, value_name = "COMMAND", conflicts_with = "restart")]
    pub(crate) restart_cmd: Option<String>,

    /// Leave the restart to somebody else
    #[arg(long, conflicts_with_all = ["restart", "restart_cmd"])]
    pub(crate) no_restart: bool,

    /// Helm release whose registration.content is replaced [default: as the Secret says, if helm is there]
    #[arg(long, value_name = "NAME")]
    pub(crate) release: Option<String>,

    /// Helm chart of the release [default: flex-gateway/flex-gateway]
    #[arg(long, value_name = "CHART")]
    pub(crate) chart: Option<String>,
}

/// The control plane, organization and environment.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "Platform")]
pub(crate) struct PlatformArgs {
    /// Control plane [env: ANYPOINT_URL] [default: the registration's]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Organization, name or id [env: ORGANIZATION_ID] [default: the registration's]
    #[arg(long, value_name = "ORG")]
    pub(crate) organization: Option<String>,

    /// Environment, name or id [env: ANYPOINT_ENV] [default: the registration's]
    #[arg(long, value_name = "ENV")]
    pub(crate) environment: Option<String>,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct StatusArgs {
    /// Only this gateway, name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway: Option<String>,

    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, Clone, Default, ArgGroup)]
pub(crate) struct RunArgs {
    /// Renew although more time is left
    #[arg(long)]
    pub(crate) force: bool,

    /// How many gateways are worked on side by side [default: 4]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,

    #[command(flatten)]
    pub(crate) renewal: RenewalArgs,
}
