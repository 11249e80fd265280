//! Which gateways are meant, and what was said about each: flags, its own table in the TOML file, environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use common::duration;
use common::error::{Error, Result};
use common::flex::flexctl::Login;
use common::log::Output;
use common::secret::Secret;
use common::settings::file::{FlexGateway, OneOrMany};
use common::settings::{Key, Settings, secret_in};

use crate::args::{ClusterArgs, LookArgs, RenewArgs, RenewalArgs, RunArgs};
use crate::runtime::{Runtime, defaults};

pub(crate) const FILE: Key = Key::new(&["FLEX_REGISTRATION_FILE"], &[]).flag("FILE");
pub(crate) const RUNTIME: Key = Key::new(&["FLEX_RUNTIME"], &["flex.runtime"]).flag("--runtime");
pub(crate) const FLEXCTL: Key = Key::new(&["FLEXCTL"], &["flex.flexctl"]).flag("--flexctl");
pub(crate) const FLEXCTL_TIMEOUT: Key =
    Key::new(&["FLEXCTL_TIMEOUT"], &["flex.flexctl_timeout"]).flag("--flexctl-timeout");
pub(crate) const IMAGE: Key = Key::new(&["FLEX_IMAGE"], &["flex.image"]).flag("--image");
pub(crate) const RESTART_CMD: Key =
    Key::new(&["FLEX_RESTART_CMD"], &["flex.restart_cmd"]).flag("--restart-cmd");
pub(crate) const CLIENT_ID: Key = Key::new(&["FLEX_CLIENT_ID"], &["flex.client_id"]);
pub(crate) const CLIENT_SECRET: Key = Key::new(&["FLEX_CLIENT_SECRET"], &["flex.client_secret"]);
pub(crate) const USERNAME: Key = Key::new(&["FLEX_USERNAME"], &["flex.username"]);
pub(crate) const PASSWORD: Key = Key::new(&["FLEX_PASSWORD"], &["flex.password"]);
const WITHIN: Key = Key::new(&[], &["flex.within"]);
const STATE_DIR: Key = Key::new(&[], &["flex.state_dir"]);
const KEEP: Key = Key::new(&[], &["flex.keep"]);

const DAY: u64 = 24 * 60 * 60;

/// A gateway and how it is to be treated.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    /// How messages call it.
    pub(crate) name: String,
    /// The registration on this host, if it is not in a cluster.
    pub(crate) file: Option<PathBuf>,
    pub(crate) runtime: Option<Runtime>,
    pub(crate) cluster: ClusterArgs,
    pub(crate) release: Option<String>,
    pub(crate) chart: Option<String>,
    pub(crate) via: Option<Runtime>,
    pub(crate) flexctl: String,
    /// Whether somebody said which program it is.
    pub(crate) flexctl_given: bool,
    pub(crate) flexctl_timeout: Duration,
    pub(crate) image: Option<String>,
    pub(crate) update_urls: bool,
    pub(crate) restart: Wanted,
    pub(crate) within: Duration,
    pub(crate) keep: usize,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) timeout: Duration,
    own: FlexGateway,
}

/// The restart that was asked for.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// What the runtime has.
    Usual,
    /// These units or containers.
    Named(Vec<String>),
    /// This command.
    Command(String),
    /// None.
    Nothing,
}

/// The gateways that a command without a list of its own means: the one that is named, else those of the TOML file,
/// else whatever is in the default places.
pub(crate) fn named(settings: &Settings, args: &RenewArgs) -> Result<Vec<Gateway>> {
    let flag = args.look.file.as_ref().map(|path| path.to_string_lossy());
    let given = settings.text(&FILE, flag.as_deref())?;
    let listed = listed(settings);
    if let Some(given) = given {
        let own = listed
            .iter()
            .find(|own| own.name.as_deref() == Some(&given.value))
            .or_else(|| {
                listed.iter().find(|own| {
                    let file = own.file.as_deref().map(|file| in_toml(settings, file));
                    file.as_deref() == Some(Path::new(&given.value))
                })
            });
        return match own {
            Some(own) => Ok(vec![Gateway::resolve(settings, args, own.clone(), None)?]),
            None => {
                let path = settings.path(&given);
                Ok(vec![Gateway::resolve(
                    settings,
                    args,
                    FlexGateway::default(),
                    Some(path),
                )?])
            }
        };
    }
    let in_cluster = args.look.runtime == Some(Runtime::Kubernetes) || is_named(&args.look.cluster);
    if !listed.is_empty() && !in_cluster {
        return listed
            .into_iter()
            .map(|own| Gateway::resolve(settings, args, own, None))
            .collect();
    }
    let gateway = Gateway::resolve(settings, args, FlexGateway::default(), None)?;
    if gateway.is_in_cluster() {
        return Ok(vec![gateway]);
    }
    let found = defaults(gateway.runtime)?;
    found
        .into_iter()
        .map(|path| Gateway::resolve(settings, args, FlexGateway::default(), Some(path)))
        .collect()
}

/// The gateways that `run` takes care of.
pub(crate) fn all(settings: &Settings, args: &RunArgs) -> Result<Vec<Gateway>> {
    let args = RenewArgs {
        renewal: args.renewal.clone(),
        force: args.force,
        ..RenewArgs::default()
    };
    named(settings, &args)
}

/// Arguments for commands that only look.
pub(crate) fn looking(look: &LookArgs, within: Option<Duration>) -> RenewArgs {
    RenewArgs {
        look: look.clone(),
        renewal: RenewalArgs {
            within,
            ..RenewalArgs::default()
        },
        ..RenewArgs::default()
    }
}

fn listed(settings: &Settings) -> Vec<FlexGateway> {
    settings
        .file()
        .map(|file| file.config.flex.gateway.clone())
        .unwrap_or_default()
}

fn in_toml(settings: &Settings, path: &str) -> PathBuf {
    settings
        .file()
        .map_or_else(|| PathBuf::from(path), |file| file.path_of(path))
}

fn is_named(cluster: &ClusterArgs) -> bool {
    [
        &cluster.namespace,
        &cluster.deployment,
        &cluster.secret,
        &cluster.context,
    ]
    .iter()
    .any(|given| given.is_some())
}

impl Gateway {
    /// Whether its registration is in a Kubernetes Secret.
    pub(crate) fn is_in_cluster(&self) -> bool {
        match self.runtime {
            Some(runtime) => runtime == Runtime::Kubernetes,
            None => self.file.is_none() && is_named(&self.cluster),
        }
    }

    /// What a flag says, else the gateway's own table, else what is said about all.
    fn resolve(
        settings: &Settings,
        args: &RenewArgs,
        own: FlexGateway,
        file: Option<PathBuf>,
    ) -> Result<Self> {
        let text =
            |key: &Key, flag: Option<&str>, own: Option<&String>| -> Result<Option<String>> {
                if let (None, Some(own)) = (flag, own) {
                    return Ok(Some(own.clone()));
                }
                Ok(settings.text(key, flag)?.map(|found| found.value))
            };
        let time = |flag: Option<Duration>, key: &Key, own: Option<&String>, default: u64| {
            if let Some(time) = flag {
                return Ok(time);
            }
            if let Some(own) = own {
                return parse_own(own, "within", duration::parse);
            }
            match settings.text(key, None)? {
                Some(found) => Ok(found.try_map(|text| duration::parse(&text))?.value),
                None => Ok(Duration::from_secs(default)),
            }
        };
        let cluster = &args.look.cluster;
        let either = |flag: &Option<String>, own: &Option<String>| flag.clone().or(own.clone());
        let cluster = ClusterArgs {
            namespace: either(&cluster.namespace, &own.namespace),
            deployment: either(&cluster.deployment, &own.deployment),
            secret: either(&cluster.secret, &own.secret),
            context: either(&cluster.context, &own.context),
        };
        let runtime = match (args.look.runtime, &own.runtime) {
            (Some(runtime), _) => Some(runtime),
            (None, Some(own)) => Some(parse_own(own, "runtime", runtime_of)?),
            (None, None) => settings
                .text(&RUNTIME, None)?
                .map(|found| found.try_map(|text| runtime_of(&text)))
                .transpose()?
                .map(|found| found.value),
        };
        let via = match (args.flexctl.via, &own.via) {
            (None, Some(own)) => Some(parse_own(own, "via", runtime_of)?),
            (flag, _) => flag,
        };
        if via == Some(Runtime::Kubernetes) {
            return Err(Error::config(
                "flexctl runs in linux, docker or podman, not in kubernetes",
            )
            .advise("Set --via to one of them."));
        }
        let flexctl = text(
            &FLEXCTL,
            args.flexctl.flexctl.as_deref(),
            own.flexctl.as_ref(),
        )?;
        let file = file.or_else(|| own.file.as_deref().map(|file| in_toml(settings, file)));
        Ok(Self {
            name: name_of(&own, file.as_deref(), &cluster),
            runtime,
            release: either(&args.restart.release, &own.release),
            chart: either(&args.restart.chart, &own.chart),
            via,
            flexctl_given: flexctl.is_some(),
            flexctl: flexctl.unwrap_or_else(|| "flexctl".to_owned()),
            flexctl_timeout: time(args.flexctl.flexctl_timeout, &FLEXCTL_TIMEOUT, None, 5 * 60)?,
            image: text(&IMAGE, args.flexctl.image.as_deref(), own.image.as_ref())?,
            update_urls: args.flexctl.update_urls || own.update_urls == Some(true),
            restart: restart_of(settings, args, &own)?,
            within: time(args.renewal.within, &WITHIN, own.within.as_ref(), 30 * DAY)?,
            keep: keep_of(settings, args)?,
            state_dir: match &args.renewal.state_dir {
                Some(folder) => Some(folder.clone()),
                None => settings
                    .text(&STATE_DIR, None)?
                    .map(|found| settings.path(&found)),
            },
            timeout: args.renewal.timeout.unwrap_or(Duration::from_secs(5 * 60)),
            file,
            cluster,
            own,
        })
    }

    /// Who asks the platform for the renewal: the gateway's own credentials, else those for all, else somebody at the
    /// terminal.
    ///
    /// # Errors
    ///
    /// Configuration: none, or only half of them.
    pub(crate) fn login(&self, settings: &Settings, out: &Output) -> Result<Login> {
        if let Some(login) = self.own_login(settings)? {
            return Ok(login);
        }
        if let Some((id, secret)) = settings.pair(&CLIENT_ID, &CLIENT_SECRET, None)? {
            return Ok(Login::App {
                id: id.value,
                secret: secret.value,
            });
        }
        let name = settings.text(&USERNAME, None)?.map(|found| found.value);
        let password = settings.secret(&PASSWORD)?.map(|found| found.value);
        match (name, password) {
            (Some(name), Some(password)) => Ok(Login::User { name, password }),
            (Some(name), None) => match out.ask_secret(&format!("Password of {name}"))? {
                Some(password) => Ok(Login::User { name, password }),
                None => Err(missing("FLEX_PASSWORD", "FLEX_USERNAME")),
            },
            (None, Some(_)) => Err(missing("FLEX_USERNAME", "FLEX_PASSWORD")),
            (None, None) => Err(no_credentials()),
        }
    }

    fn own_login(&self, settings: &Settings) -> Result<Option<Login>> {
        let own = &self.own;
        let secret = own_secret(
            settings,
            "client_secret",
            own.client_secret_file.as_deref(),
            own.client_secret_env.as_deref(),
        )?;
        let password = own_secret(
            settings,
            "password",
            own.password_file.as_deref(),
            own.password_env.as_deref(),
        )?;
        match (&own.client_id, secret, &own.username, password) {
            (Some(id), Some(secret), ..) => Ok(Some(Login::App {
                id: id.clone(),
                secret,
            })),
            (_, _, Some(name), Some(password)) => Ok(Some(Login::User {
                name: name.clone(),
                password,
            })),
            (None, None, None, None) => Ok(None),
            _ => Err(Error::config(format!(
                "[[flex.gateway]] {} has only half of its credentials",
                self.name
            ))
            .advise(
                "Give client_id with client_secret_file or client_secret_env, or username with password_file or \
                 password_env.",
            )),
        }
    }
}

fn name_of(own: &FlexGateway, file: Option<&Path>, cluster: &ClusterArgs) -> String {
    if let Some(name) = &own.name {
        return name.clone();
    }
    match file {
        Some(file) => file.display().to_string(),
        None => format!(
            "{}/{}",
            cluster
                .namespace
                .as_deref()
                .unwrap_or(crate::runtime::cluster::NAMESPACE),
            cluster
                .deployment
                .as_deref()
                .unwrap_or(crate::runtime::cluster::DEPLOYMENT),
        ),
    }
}

fn restart_of(settings: &Settings, args: &RenewArgs, own: &FlexGateway) -> Result<Wanted> {
    let given = &args.restart;
    if given.no_restart {
        return Ok(Wanted::Nothing);
    }
    if !given.restart.is_empty() {
        return Ok(Wanted::Named(given.restart.clone()));
    }
    if let Some(command) = &given.restart_cmd {
        return Ok(Wanted::Command(command.clone()));
    }
    if own.no_restart == Some(true) {
        return Ok(Wanted::Nothing);
    }
    if let Some(command) = &own.restart_cmd {
        return Ok(Wanted::Command(command.clone()));
    }
    if let Some(names) = own.restart.as_ref().map(OneOrMany::entries) {
        return Ok(Wanted::Named(names));
    }
    Ok(match settings.text(&RESTART_CMD, None)? {
        Some(found) => Wanted::Command(found.value),
        None => Wanted::Usual,
    })
}

fn keep_of(settings: &Settings, args: &RenewArgs) -> Result<usize> {
    if let Some(keep) = args.renewal.keep {
        return Ok(keep);
    }
    match settings.text(&KEEP, None)? {
        Some(found) => Ok(found.try_map(|text| text.parse::<usize>())?.value),
        None => Ok(3),
    }
}

fn own_secret(
    settings: &Settings,
    key: &str,
    file: Option<&str>,
    variable: Option<&str>,
) -> Result<Option<Secret>> {
    if let Some(file) = file {
        let named_by = format!("flex.gateway.{key}_file");
        return secret_in(&named_by, &in_toml(settings, file)).map(Some);
    }
    let Some(variable) = variable else {
        return Ok(None);
    };
    match settings.env().get(variable) {
        Some(value) => Ok(Some(Secret::new(value))),
        None => Err(Error::config(format!(
            "flex.gateway.{key}_env names the variable {variable}, which is not set"
        ))),
    }
}

fn parse_own<T>(
    text: &str,
    key: &str,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    parse(text).map_err(|err| Error::config(format!("flex.gateway.{key}: {err}")))
}

fn runtime_of(text: &str) -> std::result::Result<Runtime, String> {
    Runtime::from_str(text, true)
        .map_err(|_| format!("{text:?} is not one of linux, docker, podman, kubernetes"))
}

fn missing(what: &str, given: &str) -> Error {
    Error::config(format!("{what} is missing, while {given} is given")).advise(format!(
        "Set {what}, or {what}_FILE to the path of a file that holds it."
    ))
}

fn no_credentials() -> Error {
    Error::config("no credentials for flexctl: FLEX_CLIENT_ID and FLEX_CLIENT_SECRET are not set").advise(
        "Create a connected app that acts on its own behalf with the scopes Read Servers, Manage Servers and View \
         Organization and set both, or set FLEX_USERNAME and FLEX_PASSWORD of a user without multi-factor \
         authentication. A secret can also stand in a file: append _FILE to the variable.",
    )
}
