//! Where a gateway runs, and what that means: where `flexctl` is run, how the gateway is restarted.

pub(crate) mod cluster;
pub(crate) mod containers;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use common::error::{Error, Kind, Result};
use common::flex::flexctl::Flexctl;
use common::flex::registration::FILE_NAME;
use common::log::Output;
use common::system::clock::SharedClock;
use common::system::process::{self, Program};

use crate::gateway::{Gateway, Wanted};
use cluster::Cluster;
use containers::{Engine, Mounted};

pub(crate) use common::system::process::user;

/// Where the package, and the image, have the configuration.
pub(crate) const CONF_FOLDER: &str = "/usr/local/share/mulesoft/flex-gateway/conf.d";

/// Where else a gateway on Linux reads.
const OTHER_CONF_FOLDER: &str = "/etc/mulesoft/flex-gateway/conf.d";

/// The unit of the package.
const UNIT: &str = "flex-gateway";

/// Limit on a restart, as for `FLEX_RESTART_CMD`.
const RESTART_LIMIT: Duration = Duration::from_secs(120);

/// A gateway that cannot read its registration ends within moments: this long it is watched.
const WATCHES: u32 = 3;
const BETWEEN_WATCHES: Duration = Duration::from_secs(1);

/// Where a gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// A package on this host, started by systemd
    Linux,
    /// A container of Docker
    Docker,
    /// A container of Podman
    Podman,
    /// A deployment whose Secret holds the registration
    Kubernetes,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Runtime::Linux => "linux",
            Runtime::Docker => "docker",
            Runtime::Podman => "podman",
            Runtime::Kubernetes => "kubernetes",
        })
    }
}

impl Runtime {
    fn engine(self) -> Option<Engine> {
        matches!(self, Runtime::Docker | Runtime::Podman).then(|| Engine::new(self))
    }
}

/// The registrations in the default places of a runtime, or of all.
pub(crate) fn defaults(runtime: Option<Runtime>) -> Result<Vec<PathBuf>> {
    let mut looked = Vec::new();
    if matches!(runtime, None | Some(Runtime::Linux)) {
        for folder in [CONF_FOLDER, OTHER_CONF_FOLDER] {
            let path = Path::new(folder).join(FILE_NAME);
            // One that is there but may not be read is for an error that says so.
            if path.symlink_metadata().is_ok() {
                return Ok(vec![path]);
            }
            looked.push(path.display().to_string());
        }
    }
    for kind in [Runtime::Docker, Runtime::Podman] {
        if runtime.is_some_and(|wanted| wanted != kind) {
            continue;
        }
        let Some(engine) = kind.engine().filter(Engine::exists) else {
            continue;
        };
        looked.push(format!("the containers of {kind}"));
        // Without a daemon there is nothing to find; only who asked for this runtime is told.
        let found = match engine.registrations() {
            Err(err) if runtime.is_some() => return Err(err),
            found => found.unwrap_or_default(),
        };
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(Error::not_found(format!(
        "there is no registration in the default places: {}",
        looked.join(", ")
    ))
    .advise(
        "Give the path of registration.yaml, or set FLEX_REGISTRATION_FILE; for a gateway in Kubernetes, \
         --runtime kubernetes.",
    ))
}

/// The runtime of a gateway, and how that is known.
pub(crate) fn choose(gateway: &Gateway) -> Result<(Runtime, String)> {
    if gateway.is_in_cluster() {
        return Ok((Runtime::Kubernetes, "as set".to_owned()));
    }
    match gateway.runtime {
        Some(runtime) => Ok((runtime, "as set".to_owned())),
        None => detect(gateway, gateway.file.as_deref()),
    }
}

fn detect(gateway: &Gateway, file: Option<&Path>) -> Result<(Runtime, String)> {
    if gateway.flexctl_given {
        return Ok((Runtime::Linux, "FLEXCTL is set".to_owned()));
    }
    let packaged = [CONF_FOLDER, OTHER_CONF_FOLDER]
        .iter()
        .any(|folder| file.is_some_and(|file| file.starts_with(folder)));
    if packaged && process::exists(&gateway.flexctl) {
        return Ok((
            Runtime::Linux,
            "the registration is where the package has it".to_owned(),
        ));
    }
    let engines = || {
        [Runtime::Docker, Runtime::Podman]
            .into_iter()
            .filter_map(Runtime::engine)
    };
    if let Some(file) = file {
        for engine in engines().filter(Engine::exists) {
            if engine.mounting(file).is_ok_and(|all| !all.is_empty()) {
                return Ok((
                    engine.runtime,
                    "a container mounts the registration".to_owned(),
                ));
            }
        }
    }
    if process::exists(&gateway.flexctl) {
        return Ok((Runtime::Linux, "flexctl is installed".to_owned()));
    }
    let usable = engines().find(|engine| engine.exists() && engine.answers());
    match usable {
        Some(engine) => {
            let why = format!("flexctl is not installed, {} is", engine.runtime);
            Ok((engine.runtime, why))
        }
        None => Err(Error::not_found("there is neither flexctl nor a usable docker or podman here")
            .advise(
                "Set FLEXCTL to the full path of flexctl (cron has a short PATH), or choose with --runtime \
                 (FLEX_RUNTIME).",
            )),
    }
}

/// Where `flexctl` runs for a gateway of a cluster.
pub(crate) fn choose_via(gateway: &Gateway) -> Result<Runtime> {
    if let Some(via) = gateway.via {
        return Ok(via);
    }
    detect(gateway, None).map(|(runtime, _)| runtime)
}

/// `flexctl` as it is called for one renewal.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) flexctl: Flexctl,
    /// The folder `work` as `flexctl` sees it.
    pub(crate) sees: PathBuf,
    /// How messages call it.
    pub(crate) described: String,
    /// The container to remove should the call not come to its end.
    container: Option<(Engine, String)>,
}

impl Call {
    /// How `flexctl` is run in `runtime` on what is in `work`. `mounted` are the gateway's own containers.
    pub(crate) fn new(
        gateway: &Gateway,
        runtime: Runtime,
        work: &Path,
        mounted: &[Mounted],
    ) -> Result<Self> {
        let Some(engine) = runtime.engine() else {
            return Ok(Self {
                flexctl: Flexctl::on_host(&gateway.flexctl, gateway.flexctl_timeout),
                sees: work.to_owned(),
                described: gateway.flexctl.clone(),
                container: None,
            });
        };
        if !engine.exists() {
            return Err(
                Error::not_found(format!("the program {runtime} is not there"))
                    .advise("Install it, or choose another runtime with --runtime."),
            );
        }
        let image = gateway
            .image
            .clone()
            .or_else(|| mounted.first().map(|container| container.image.clone()))
            .unwrap_or_else(|| engine.default_image().to_owned());
        let name = engine.container_name(work);
        let before: Vec<OsString> = engine.run_flexctl(&name, work, &image);
        Ok(Self {
            flexctl: Flexctl {
                program: engine.program().into(),
                before,
                limit: gateway.flexctl_timeout,
                hold: None,
                folder: None,
            },
            sees: PathBuf::from(containers::WORK),
            described: format!("flexctl of the image {image}"),
            container: Some((engine, name)),
        })
    }

    /// Stops a container that a call left running. The call's own error is the one that is told.
    pub(crate) fn stop(&self) {
        if let Some((engine, name)) = &self.container {
            engine.remove(name);
        }
    }
}

/// The restart that belongs to a gateway, settled before anything is changed.
#[derive(Debug)]
pub(crate) enum Restart {
    Nothing,
    Command(String),
    Units(Vec<String>),
    Containers(Engine, Vec<String>),
    Rollout(Box<Cluster>),
}

impl Restart {
    /// The restart of a gateway whose registration is a file.
    pub(crate) fn of_host(
        gateway: &Gateway,
        runtime: Runtime,
        mounted: &[Mounted],
    ) -> Result<Self> {
        match (&gateway.restart, runtime.engine()) {
            (Wanted::Nothing, _) => Ok(Restart::Nothing),
            (Wanted::Command(command), _) => Ok(Restart::Command(command.clone())),
            (Wanted::Named(names), Some(engine)) => Ok(Restart::Containers(engine, names.clone())),
            (Wanted::Named(names), None) => units(names.clone()),
            (Wanted::Usual, None) => units(vec![UNIT.to_owned()]),
            (Wanted::Usual, Some(engine)) => {
                let running: Vec<String> = mounted
                    .iter()
                    .filter(|container| container.running)
                    .map(|container| container.name.clone())
                    .collect();
                if running.is_empty() {
                    return Err(Error::not_found(format!(
                        "no running container of {runtime} mounts the registration"
                    ))
                    .advise(
                        "Name the gateway's container with --restart, give a --restart-cmd, or leave the restart to \
                         somebody else with --no-restart. Nothing was changed.",
                    ));
                }
                Ok(Restart::Containers(engine, running))
            }
        }
    }

    /// The restart of a gateway in a cluster.
    pub(crate) fn of_cluster(gateway: &Gateway, cluster: &Cluster) -> Self {
        match &gateway.restart {
            Wanted::Nothing => Restart::Nothing,
            Wanted::Command(command) => Restart::Command(command.clone()),
            Wanted::Named(_) | Wanted::Usual => Restart::Rollout(Box::new(cluster.clone())),
        }
    }

    /// Restarts the gateway and sees whether it stays up.
    ///
    /// # Errors
    ///
    /// Refused, with the words of the program that restarts.
    pub(crate) fn run(&self, clock: &SharedClock, out: &Output) -> Result<()> {
        if let Restart::Nothing = self {
            out.info("not restarted, as asked (--no-restart): the gateway goes on with the old registration until then");
            return Ok(());
        }
        out.info(format!("restarting {self}"));
        match self {
            Restart::Nothing => Ok(()),
            Restart::Command(command) => Program::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .limit(RESTART_LIMIT)
                .succeed()
                .map(drop),
            Restart::Units(units) => restart_units(units, clock),
            Restart::Containers(engine, names) => engine.restart(names, clock),
            Restart::Rollout(cluster) => cluster.restart(clock),
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Restart::Nothing => f.write_str("nothing"),
            // It may hold a password.
            Restart::Command(_) => f.write_str("by the restart command"),
            Restart::Units(names) => write!(f, "{} (systemd)", names.join(", ")),
            Restart::Containers(engine, names) => {
                write!(f, "{} ({})", names.join(", "), engine.runtime)
            }
            Restart::Rollout(cluster) => write!(f, "{cluster}"),
        }
    }
}

fn units(names: Vec<String>) -> Result<Restart> {
    if process::exists("systemctl") {
        return Ok(Restart::Units(names));
    }
    Err(Error::not_found("systemctl is not there, so the gateway cannot be restarted").advise(
        "Give a --restart-cmd (FLEX_RESTART_CMD), or leave the restart to somebody else with --no-restart. Nothing was \
         changed.",
    ))
}

fn restart_units(units: &[String], clock: &SharedClock) -> Result<()> {
    let systemctl = |verb: &str| {
        Program::new("systemctl")
            .arg(verb)
            .arg("--")
            .args(units)
            .limit(RESTART_LIMIT)
    };
    systemctl("restart").succeed()?;
    watch(clock, || systemctl("is-active").succeed().map(drop)).map_err(|err| {
        Error::new(
            Kind::Refused,
            format!("{} did not stay up after the restart", units.join(", ")),
        )
        .caused_by(err)
        .advise(format!(
            "Look at journalctl -u {}.",
            units.first().map_or(UNIT, String::as_str)
        ))
    })
}

/// Looks for some moments whether something stays up.
fn watch(clock: &SharedClock, mut is_up: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..WATCHES {
        clock.sleep(BETWEEN_WATCHES);
        is_up()?;
    }
    Ok(())
}
