//! Every setting of the program: variables, flags, keys of the TOML file, what is saved.

use common::anypoint::settings as shared;
use common::settings::file::OneOrMany;
use common::settings::{ConfFile, List, Registry, Setting, fits};
use serde::Deserialize;

use crate::runtime::Runtime;

const LOOKING: &[&str] = &["inspect", "check", "renew", "restore"];
const RENEWING: &[&str] = &["renew", "run"];
const RESTARTING: &[&str] = &["renew", "run", "restore"];
const ASKING: &[&str] = &["renew", "check", "status"];

pub(crate) static SETTINGS: Registry = Registry {
    program: "flex-renew",
    own: &[
        &FILE,
        &RUNTIME,
        &CLIENT_ID,
        &CLIENT_SECRET,
        &USERNAME,
        &PASSWORD,
        &FLEXCTL,
        &FLEXCTL_TIMEOUT,
        &IMAGE,
        &PULL,
        &UPDATE_URLS,
        &RESTART_CMD,
        &RESTART_TIMEOUT,
        &ROLLOUT_TIMEOUT,
        &WATCH,
        &WITHIN,
        &KEEP,
        &STATE_DIR,
        &TIMEOUT,
        &WORKERS,
        &URL,
        &ORGANIZATION,
        &ENVIRONMENT,
        &shared::CLIENT_ID,
        &shared::CLIENT_SECRET,
        &shared::BEARER,
    ],
    lists: &[List {
        name: "flex.gateway",
        check: fits::<Lists>,
        keys: &[
            &GATEWAY_NAME,
            &GATEWAY_FILE,
            &RUNTIME,
            &FLEXCTL,
            &IMAGE,
            &PULL,
            &RESTART,
            &RESTART_CMD,
            &NO_RESTART,
            &NAMESPACE,
            &DEPLOYMENT,
            &SECRET,
            &RELEASE,
            &CHART,
            &CONTEXT,
            &VIA,
            &WITHIN,
            &UPDATE_URLS,
            &CLIENT_ID,
            &CLIENT_SECRET,
            &USERNAME,
            &PASSWORD,
        ],
    }],
    saves_to: ConfFile::Domain,
};

pub(crate) static FILE: Setting =
    Setting::file(&["FLEX_REGISTRATION_FILE"], "path of registration.yaml").saved();

pub(crate) static RUNTIME: Setting = Setting::choice(
    Runtime::WORDS,
    &["FLEX_RUNTIME"],
    "where the gateway runs; detected unless given",
)
.flag("--runtime", "RUNTIME")
.only_for(LOOKING)
.toml(&["flex.runtime"])
.saved();

pub(crate) static CLIENT_ID: Setting = Setting::text(
    &["FLEX_CLIENT_ID"],
    "client id of the connected app that flexctl uses",
)
.toml(&["flex.client_id"])
.saved();

pub(crate) static CLIENT_SECRET: Setting =
    Setting::secret(&["FLEX_CLIENT_SECRET"], "secret of that connected app")
        .toml(&["flex.client_secret"])
        .partner(&CLIENT_ID)
        .saved();

pub(crate) static USERNAME: Setting = Setting::text(
    &["FLEX_USERNAME"],
    "user that flexctl uses instead of a connected app",
)
.toml(&["flex.username"])
.saved();

pub(crate) static PASSWORD: Setting = Setting::secret(&["FLEX_PASSWORD"], "password of that user")
    .toml(&["flex.password"])
    .partner(&USERNAME)
    .saved();

// No default: to set it chooses the runtime, too.
pub(crate) static FLEXCTL: Setting = Setting::text(
    &["FLEXCTL"],
    "the flexctl program on this host; `flexctl` unless given",
)
.flag("--flexctl", "PROGRAM")
.only_for(&["renew"])
.heading("flexctl")
.toml(&["flex.flexctl"])
.saved();

pub(crate) static FLEXCTL_TIMEOUT: Setting =
    Setting::duration(&["FLEXCTL_TIMEOUT"], "limit on one call of flexctl")
        .flag("--flexctl-timeout", "TIME")
        .only_for(&["renew"])
        .heading("flexctl")
        .toml(&["flex.flexctl_timeout"])
        .default("5m")
        .saved();

pub(crate) static IMAGE: Setting = Setting::text(
    &["FLEX_IMAGE"],
    "container image to run flexctl from; that of the gateway's container unless given, else mulesoft/flex-gateway",
)
.flag("--image", "IMAGE")
.only_for(&["renew"])
.heading("flexctl")
.toml(&["flex.image"])
.saved();

pub(crate) static PULL: Setting = Setting::switch(
    &["FLEX_PULL"],
    "fetch the newest image before flexctl runs from it: that of --image, else the latest of the gateway's own",
)
.flag("--pull", "")
.only_for(RENEWING)
.heading("flexctl")
.toml(&["flex.pull"])
.saved();

pub(crate) static UPDATE_URLS: Setting = Setting::switch(
    &["FLEX_UPDATE_URLS"],
    "whether the environment URLs in the registration are updated, too, as the documentation has it",
)
.toml(&["flex.update_urls"])
.default("true")
.saved();

pub(crate) static RESTART_CMD: Setting = Setting::text(
    &["FLEX_RESTART_CMD"],
    "command that restarts the gateway, run by /bin/sh -c",
)
.flag("--restart-cmd", "COMMAND")
.only_for(&["renew", "restore"])
.heading("Restart")
.toml(&["flex.restart_cmd"])
.saved();

pub(crate) static RESTART_TIMEOUT: Setting =
    Setting::duration(&[], "limit on a restart, stopping the gateway included")
        .flag("--restart-timeout", "TIME")
        .only_for(RESTARTING)
        .heading("Restart")
        .toml(&["flex.restart_timeout"])
        .default("2m");

pub(crate) static ROLLOUT_TIMEOUT: Setting =
    Setting::duration(&[], "limit on a rollout in Kubernetes, by kubectl or helm")
        .flag("--rollout-timeout", "TIME")
        .only_for(RESTARTING)
        .heading("Restart")
        .toml(&["flex.rollout_timeout"])
        .default("5m");

pub(crate) static WATCH: Setting = Setting::duration(
    &["FLEX_WATCH"],
    "how long a restarted gateway is watched: if it ends meanwhile, the old registration goes back",
)
.flag("--watch", "TIME")
.only_for(RESTARTING)
.heading("Restart")
.toml(&["flex.watch"])
.default("10s")
.saved();

pub(crate) static WITHIN: Setting =
    Setting::duration(&[], "how long before its expiry a certificate is due")
        .flag("--within", "TIME")
        .only_for(&["check", "renew", "run"])
        .heading("Renewal")
        .toml(&["flex.within"])
        .default("30d");

pub(crate) static KEEP: Setting = Setting::number(&[], "how many old registrations are kept")
    .flag("--keep", "N")
    .only_for(RENEWING)
    .heading("Renewal")
    .toml(&["flex.keep"])
    .default("3");

pub(crate) static STATE_DIR: Setting = Setting::file(
    &[],
    "folder for backups and work in progress; .flex-renew beside the folder of the configuration unless given",
)
.flag("--state-dir", "DIR")
.only_for(RESTARTING)
.heading("Renewal")
.toml(&["flex.state_dir"]);

pub(crate) static TIMEOUT: Setting = Setting::duration(
    &[],
    "how long replicas may take to report the new certificate",
)
.flag("--timeout", "TIME")
.only_for(RENEWING)
.heading("Renewal")
.default("5m");

pub(crate) static WORKERS: Setting =
    Setting::number(&[], "how many gateways are worked on side by side")
        .flag("--workers", "N")
        .only_for(&["run"])
        .heading("Renewal")
        .toml(&["flex.workers"])
        .default("4");

pub(crate) static URL: Setting = Setting {
    default: None,
    help: "address of the control plane; the one that the registration names unless given",
    ..shared::URL
}
.only_for(ASKING)
.heading("Platform");

pub(crate) static ORGANIZATION: Setting = shared::ORGANIZATION.only_for(ASKING).heading("Platform");

pub(crate) static ENVIRONMENT: Setting =
    Setting::text(&["ANYPOINT_ENV"], "environment, by name or id")
        .flag("--environment", "ENV")
        .only_for(ASKING)
        .heading("Platform")
        .toml(&["anypoint.environment"])
        .saved();

static GATEWAY_NAME: Setting = Setting::text(
    &[],
    "name in the output; the path of the registration unless given",
)
.toml(&["flex.gateway.name"]);

static GATEWAY_FILE: Setting =
    Setting::file(&[], "path of registration.yaml").toml(&["flex.gateway.file"]);

static RESTART: Setting =
    Setting::list(&[], "containers or systemd units to restart").toml(&["flex.gateway.restart"]);

static NO_RESTART: Setting =
    Setting::switch(&[], "leave the restart to somebody else").toml(&["flex.gateway.no_restart"]);

static NAMESPACE: Setting =
    Setting::text(&[], "namespace of the gateway in Kubernetes").toml(&["flex.gateway.namespace"]);

static DEPLOYMENT: Setting = Setting::text(
    &[],
    "workload of the gateway in Kubernetes: a deployment, or statefulset/NAME, daemonset/NAME",
)
.toml(&["flex.gateway.deployment"]);

static SECRET: Setting =
    Setting::text(&[], "Secret that holds the registration").toml(&["flex.gateway.secret"]);

static RELEASE: Setting =
    Setting::text(&[], "Helm release of the gateway").toml(&["flex.gateway.release"]);

static CHART: Setting =
    Setting::text(&[], "chart of the Helm release").toml(&["flex.gateway.chart"]);

static CONTEXT: Setting =
    Setting::text(&[], "context of kubectl and helm").toml(&["flex.gateway.context"]);

static VIA: Setting = Setting::text(
    &[],
    "where flexctl runs for a gateway in Kubernetes: linux, docker or podman",
)
.toml(&["flex.gateway.via"]);

/// What the TOML file lists for this program.
#[derive(Debug, Deserialize)]
pub(crate) struct Lists {
    #[serde(default)]
    pub(crate) flex: Flex,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Flex {
    #[serde(default)]
    pub(crate) gateway: Vec<Entry>,
}

/// A `[[flex.gateway]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Entry {
    /// Name in the output; the path of the registration unless given.
    pub(crate) name: Option<String>,
    /// The registration file.
    pub(crate) file: Option<String>,
    pub(crate) runtime: Option<String>,
    pub(crate) flexctl: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) pull: Option<bool>,
    /// Containers or systemd units to restart.
    pub(crate) restart: Option<OneOrMany>,
    pub(crate) restart_cmd: Option<String>,
    pub(crate) no_restart: Option<bool>,
    pub(crate) namespace: Option<String>,
    pub(crate) deployment: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) chart: Option<String>,
    pub(crate) context: Option<String>,
    /// Where `flexctl` runs for a gateway in Kubernetes.
    pub(crate) via: Option<String>,
    pub(crate) within: Option<String>,
    pub(crate) update_urls: Option<bool>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret_file: Option<String>,
    pub(crate) client_secret_env: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<String>,
    pub(crate) password_env: Option<String>,
}
