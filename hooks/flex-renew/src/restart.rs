//! How a gateway is restarted, and whether it stays up.

use std::fmt;
use std::time::Duration;

use common::duration;
use common::error::{Error, Kind, Result};
use common::log::Log;
use common::system::clock::SharedClock;
use common::system::hold::Hold;
use common::system::polling::{Look, Pauses, poll};
use common::system::process::{self, Program};

use crate::cluster::Cluster;
use crate::containers::{Engine, Mounted};
use crate::runtime::Runtime;

/// The unit of the package.
pub(crate) const UNIT: &str = "flex-gateway";

/// Limit on a question to systemd.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a restarted gateway is looked at while it is watched.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RestartTimes {
    /// Limit on the restart itself.
    pub(crate) limit: Duration,
    /// How long the gateway is watched afterwards: one that cannot use its registration ends soon.
    pub(crate) watch: Duration,
}

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
    /// Of several gateways with one registration.
    All(Vec<Restart>),
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

    /// All of these as one.
    pub(crate) fn all(restarts: impl IntoIterator<Item = Restart>) -> Self {
        let mut some: Vec<Restart> = restarts
            .into_iter()
            .filter(|restart| !matches!(restart, Restart::Nothing))
            .collect();
        match some.pop() {
            None => Restart::Nothing,
            Some(only) if some.is_empty() => only,
            Some(last) => {
                some.push(last);
                Restart::All(some)
            }
        }
    }

    /// The containers that it restarts.
    pub(crate) fn containers(&self) -> Vec<String> {
        match self {
            Restart::Containers(_, names) => names.clone(),
            Restart::All(all) => all.iter().flat_map(Restart::containers).collect(),
            _ => Vec::new(),
        }
    }

    /// One that a gateway can be asked through.
    pub(crate) fn first(&self) -> &Restart {
        match self {
            Restart::All(all) => all.first().map_or(self, Restart::first),
            one => one,
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
        times: RestartTimes,
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
        if let Restart::All(all) = self {
            return all
                .iter()
                .try_for_each(|one| one.run(times, hold, clock, log));
        }
        log.info(format!("restarting {self}"));
        match self {
            Restart::Nothing | Restart::All(_) => Ok(()),
            Restart::Command(command) => Program::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .limit(times.limit)
                .to_its_end()
                .succeed()
                .map(drop)
                .map_err(|err| too_slow(err, times.limit)),
            Restart::Units(units) => restart_units(units, times, clock),
            Restart::Containers(engine, names) => {
                restart_containers(*engine, names, times, hold, clock)
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
            Restart::All(all) => {
                let each: Vec<String> = all.iter().map(Restart::to_string).collect();
                f.write_str(&each.join(" and "))
            }
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

fn restart_units(units: &[String], times: RestartTimes, clock: &SharedClock) -> Result<()> {
    systemctl("restart", units)
        .limit(times.limit)
        .to_its_end()
        .succeed()
        .map_err(|err| too_slow(err, times.limit))?;
    let first = units.first().map_or(UNIT, String::as_str);
    stays_up(
        units,
        &format!("journalctl -u {first}"),
        times.watch,
        clock,
        || {
            systemctl("is-active", units).limit(LIMIT).succeed()?;
            // Between its ends, a unit that systemd starts again and again is active.
            Ok(systemctl(STARTS, units).limit(LIMIT).succeed()?.stdout)
        },
    )
}

/// What is another after each start.
const STARTS: &str = "show --property=InvocationID,NRestarts,ExecMainStartTimestampMonotonic";

fn systemctl(command: &str, units: &[String]) -> Program {
    Program::new("systemctl")
        .args(command.split(' '))
        .arg("--")
        .args(units)
}

fn restart_containers(
    engine: Engine,
    names: &[String],
    times: RestartTimes,
    hold: &Hold,
    clock: &SharedClock,
) -> Result<()> {
    engine
        .restart(names, times.limit, hold)
        .map_err(|err| too_slow(err, times.limit))?;
    let logs = format!("{} logs {}", engine.program(), names.join(" "));
    stays_up(names, &logs, times.watch, clock, || engine.started(names))
}

/// Looks whether what was restarted runs without being started again, which a restart policy does where it ended; `logs`
/// shows why it did.
fn stays_up<T: PartialEq>(
    names: &[String],
    logs: &str,
    watch: Duration,
    clock: &SharedClock,
    mut started: impl FnMut() -> Result<T>,
) -> Result<()> {
    let watched = started().and_then(|first| {
        poll(
            clock.as_ref(),
            watch,
            Pauses::of(BETWEEN_LOOKS),
            || {
                if started()? == first {
                    Ok(Look::<(), ()>::NotYet(()))
                } else {
                    Err(Error::new(Kind::Refused, "it ended and was started again"))
                }
            },
            |()| {},
        )
    });
    watched.map(drop).map_err(|err| {
        Error::new(
            Kind::Refused,
            format!("{} did not stay up after the restart", names.join(", ")),
        )
        .caused_by(err)
        .advise(format!("Look at {logs}."))
    })
}

#[cfg(test)]
mod tests {
    use common::system::clock::{Clock, Manual};

    use super::*;

    /// Whether a gateway that is started anew every `seconds` is taken for one that stays up, and how long that takes.
    fn is_up(seconds: u64, watch: u64) -> (bool, u64) {
        let clock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let shared: SharedClock = clock.clone();
        let started = || Ok(clock.elapsed().as_secs() / seconds);
        let up = stays_up(&[], "", Duration::from_secs(watch), &shared, started).is_ok();
        (up, clock.elapsed().as_secs())
    }

    #[test]
    fn a_gateway_that_ends_while_it_is_watched_is_not_up() {
        assert_eq!(is_up(1000, 10), (true, 10));
        assert_eq!(is_up(1000, 0), (true, 0));
        assert_eq!(is_up(1, 10), (false, 1));
        assert_eq!(is_up(7, 10), (false, 7));
        assert_eq!(is_up(7, 5), (true, 5));
    }
}
