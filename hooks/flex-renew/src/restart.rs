//! How a gateway is restarted, and whether it stays up.

use std::fmt;
use std::time::Duration;

use common::duration;
use common::error::{Error, Kind, Result};
use common::log::Log;
use common::system::clock::SharedClock;
use common::system::hold::Hold;
use common::system::process::{self, Program};

use crate::cluster::Cluster;
use crate::containers::{Engine, Mounted};
use crate::runtime::Runtime;

/// The unit of the package.
const UNIT: &str = "flex-gateway";

/// Limit on a question to systemd.
const LIMIT: Duration = Duration::from_secs(30);

/// A gateway that cannot read its registration ends within moments: this long it is watched.
const WATCHES: u32 = 3;
const BETWEEN_WATCHES: Duration = Duration::from_secs(1);

/// The restart that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    /// What the runtime has.
    Usual,
    /// These units or containers.
    Named(Vec<String>),
    /// This command.
    Command(String),
    /// None.
    Nothing,
}

/// The restart that belongs to a gateway, settled before anything is changed.
#[derive(Debug, Clone)]
pub(crate) enum Restart {
    Nothing,
    Command(String),
    Units(Vec<String>),
    Containers(Engine, Vec<String>),
    Rollout(Box<Cluster>),
}

impl Restart {
    /// The restart of a gateway whose registration is a file. `mounted` are its containers, `ran` the names of those that
    /// ran when the renewal began: an interrupted restart may have left them stopped.
    ///
    /// # Errors
    ///
    /// Not found: what would be restarted, or the program that does it.
    pub(crate) fn of_host(
        policy: &RestartPolicy,
        runtime: Runtime,
        mounted: &[Mounted],
        ran: &[String],
    ) -> Result<Self> {
        match (policy, Engine::of(runtime)) {
            (RestartPolicy::Nothing, _) => Ok(Restart::Nothing),
            (RestartPolicy::Command(command), _) => Ok(Restart::Command(command.clone())),
            (RestartPolicy::Named(names), Some(engine)) => {
                Ok(Restart::Containers(engine, names.clone()))
            }
            (RestartPolicy::Named(names), None) => units(names.clone()),
            (RestartPolicy::Usual, None) => units(vec![UNIT.to_owned()]),
            (RestartPolicy::Usual, Some(engine)) => {
                to_restart(mounted, ran, runtime).map(|names| Restart::Containers(engine, names))
            }
        }
    }

    /// The restart of a gateway in a cluster.
    pub(crate) fn of_cluster(policy: &RestartPolicy, cluster: &Cluster) -> Self {
        match policy {
            RestartPolicy::Nothing => Restart::Nothing,
            RestartPolicy::Command(command) => Restart::Command(command.clone()),
            RestartPolicy::Named(_) | RestartPolicy::Usual => {
                Restart::Rollout(Box::new(cluster.clone()))
            }
        }
    }

    /// The containers that it restarts.
    pub(crate) fn containers(&self) -> &[String] {
        match self {
            Restart::Containers(_, names) => names,
            _ => &[],
        }
    }

    /// Restarts the gateway and sees whether it stays up. `hold` is for programs that leave nothing running: a command of
    /// the user may start a daemon, which would have it for ever.
    ///
    /// # Errors
    ///
    /// Refused, with the words of the program that restarts.
    pub(crate) fn run(
        &self,
        limit: Duration,
        hold: &Hold,
        clock: &SharedClock,
        log: &Log,
    ) -> Result<()> {
        if let Restart::Nothing = self {
            log.info(
                "not restarted, as asked (--no-restart): the gateway keeps the old registration until it is",
            );
            return Ok(());
        }
        log.info(format!("restarting {self}"));
        match self {
            Restart::Nothing => Ok(()),
            Restart::Command(command) => Program::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .limit(limit)
                .to_its_end()
                .succeed()
                .map(drop)
                .map_err(|err| too_slow(err, limit)),
            Restart::Units(units) => restart_units(units, limit, clock),
            Restart::Containers(engine, names) => {
                restart_containers(*engine, names, limit, hold, clock)
            }
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
                write!(f, "{} ({})", names.join(", "), engine.runtime())
            }
            Restart::Rollout(cluster) => write!(f, "{cluster}"),
        }
    }
}

fn units(names: Vec<String>) -> Result<Restart> {
    if process::exists("systemctl") {
        return Ok(Restart::Units(names));
    }
    Err(Error::not_found("systemctl is not installed, so the gateway cannot be restarted").advise(
        "Give a --restart-cmd (FLEX_RESTART_CMD), or leave the restart to somebody else with --no-restart. Nothing was \
         changed.",
    ))
}

/// The containers that ran, those that run, or the only one there is.
fn to_restart(mounted: &[Mounted], ran: &[String], runtime: Runtime) -> Result<Vec<String>> {
    let names = |of: &dyn Fn(&Mounted) -> bool| {
        let mut names: Vec<String> = mounted
            .iter()
            .filter(|container| of(container))
            .map(|container| container.name.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let up = names(&|container| container.running || ran.contains(&container.name));
    if !up.is_empty() {
        return Ok(up);
    }
    let stopped = names(&|_| true);
    match &stopped[..] {
        [_] => Ok(stopped),
        [] => Err(Error::not_found(format!(
            "no container of {runtime} mounts the registration"
        ))),
        several => Err(Error::not_found(format!(
            "several containers of {runtime} mount the registration, and none is running: {}",
            several.join(", ")
        ))),
    }
    .map_err(|err| {
        err.advise(
            "Name the gateway's container with --restart, give a --restart-cmd, or leave the restart to somebody else \
             with --no-restart. Nothing was changed.",
        )
    })
}

/// A restart that is cut off half-way leaves the gateway down, so all time that it takes is given to it; but not for ever.
fn too_slow(err: Error, limit: Duration) -> Error {
    match err.kind() {
        Kind::Unreachable => err.advise(format!(
            "The limit of {} is set by --restart-timeout.",
            duration::show(limit)
        )),
        _ => err,
    }
}

fn restart_units(units: &[String], limit: Duration, clock: &SharedClock) -> Result<()> {
    let systemctl = |verb: &str| Program::new("systemctl").arg(verb).arg("--").args(units);
    systemctl("restart")
        .limit(limit)
        .to_its_end()
        .succeed()
        .map_err(|err| too_slow(err, limit))?;
    let first = units.first().map_or(UNIT, String::as_str);
    watch(units, &format!("journalctl -u {first}"), clock, || {
        systemctl("is-active").limit(LIMIT).succeed().map(drop)
    })
}

fn restart_containers(
    engine: Engine,
    names: &[String],
    limit: Duration,
    hold: &Hold,
    clock: &SharedClock,
) -> Result<()> {
    engine
        .restart(names, limit, hold)
        .map_err(|err| too_slow(err, limit))?;
    let started = engine.started(names)?;
    let logs = format!("{} logs {}", engine.program(), names.join(" "));
    watch(names, &logs, clock, || {
        // A restart policy hides that the gateway ended by starting it again.
        if engine.started(names)? == started {
            Ok(())
        } else {
            Err(Error::new(Kind::Refused, "it ended and was started again"))
        }
    })
}

/// Looks for some moments whether what was restarted stays up; `logs` shows why it did not.
fn watch(
    names: &[String],
    logs: &str,
    clock: &SharedClock,
    mut is_up: impl FnMut() -> Result<()>,
) -> Result<()> {
    for _ in 0..WATCHES {
        clock.sleep(BETWEEN_WATCHES);
        is_up().map_err(|err| {
            Error::new(
                Kind::Refused,
                format!("{} did not stay up after the restart", names.join(", ")),
            )
            .caused_by(err)
            .advise(format!("Look at {logs}."))
        })?;
    }
    Ok(())
}
