//! What a gateway says about itself in its log: a proof that needs no credentials for the platform.
//!
//! Only what it has said since its present start counts. Source of the lines: MuleSoft's guides for Omni Gateway.

use std::fmt;
use std::time::Duration;

use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::flex::registration::Registration;
use common::system::polling::{Look, Pauses, poll};
use common::system::process::{self, Program};
use common::system::signals;
use serde::Serialize;

use crate::cluster::Cluster;
use crate::containers::Engine;
use crate::gateway::Gateway;
use crate::installation::Installation;
use crate::restart::{Restart, RestartPolicy, UNIT};

const STARTED: &str = "all dependencies initialized";
const CONNECTED: &str = "Anypoint websocket: connected";
/// It has given up: the platform does not accept the registration.
const REFUSED: &str = "Max retries reached for token authorization";
/// It may try again.
const TRIED: &str = "Error authorizing https://";
const VERSION_1: &str = "Registration is using v1 version";

/// How much of a log is read; it is full of requests after some days.
const LINES: &str = "1000";

/// Limit on reading it.
const LIMIT: Duration = Duration::from_secs(30);

const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// What was seen in the logs of all replicas after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Seen {
    /// They cannot be read here, or there is nothing in them.
    NoLog,
    /// Each has started.
    Started,
    /// Each has started and is connected to the platform.
    Connected,
    /// One does not say so, and why.
    Missing(String),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Seen::NoLog => "nothing is known of the gateway's log",
            Seen::Started => "the gateway's log shows that it has started",
            Seen::Connected => "the gateway's log shows that it is connected",
            Seen::Missing(what) => what,
        })
    }
}

/// Waits until the logs of what was restarted show that the gateway accepts the registration.
///
/// # Errors
///
/// Refused: a log shows that the platform does not accept it.
pub(crate) fn after(
    call: &Invocation,
    restart: &Restart,
    registration: &Registration,
    limit: Duration,
) -> Result<Seen> {
    let sources = Source::of(restart);
    let progress = call.progress("waiting for the gateway's log");
    let look = || -> Result<Look<Seen, Verdict>> {
        let logs = match read(&sources) {
            Ok(logs) => logs,
            Err(err) => {
                call.log
                    .debug(format!("the gateway's log cannot be read: {err}"));
                return Ok(Look::Done(Seen::NoLog));
            }
        };
        match judge(&logs, registration.is_connected) {
            Verdict::Refused(why) => Err(refused(&why)),
            Verdict::Seen(seen) if !matches!(seen, Seen::Missing(_)) => Ok(Look::Done(seen)),
            Verdict::Seen(seen) | Verdict::Trying(_, seen) if signals::interrupted() => {
                Ok(Look::Done(seen))
            }
            verdict => Ok(Look::NotYet(verdict)),
        }
    };
    let last = poll(
        call.clock.as_ref(),
        limit,
        Pauses::of(BETWEEN_LOOKS),
        look,
        |verdict| progress.tick(limit, &verdict.to_string()),
    )?;
    match last {
        Look::Done(seen) | Look::NotYet(Verdict::Seen(seen)) => Ok(seen),
        Look::NotYet(Verdict::Trying(why, _) | Verdict::Refused(why)) => Err(refused(&why)),
    }
}

fn refused(why: &str) -> Error {
    Error::new(
        Kind::Refused,
        format!("the platform does not accept the new registration, says the gateway's log: {why}"),
    )
}

/// Whether the gateway complains that its registration is an old one, which is renewed whatever its date.
pub(crate) fn asks_for_renewal(
    call: &Invocation,
    gateway: &Gateway,
    installation: &Installation,
) -> bool {
    let logs = Source::usual(gateway, installation)
        .and_then(|source| source.map_or(Ok(Vec::new()), |source| source.read()));
    match logs {
        Ok(logs) => logs
            .iter()
            .any(|log| log.lines().any(|line| line.contains(VERSION_1))),
        Err(err) => {
            call.log
                .debug(format!("the gateway's log cannot be read: {err}"));
            false
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Seen(Seen),
    /// It is not let in, as this line says, and may try again; what is missing then.
    Trying(String, Seen),
    /// It is not let in.
    Refused(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Seen(seen) => write!(f, "{seen}"),
            Verdict::Trying(line, _) | Verdict::Refused(line) => f.write_str(line),
        }
    }
}

/// Judges the logs of all replicas.
fn judge(logs: &[String], is_connected_mode: bool) -> Verdict {
    let mut trying = None;
    let mut missing = None;
    for log in logs {
        let last = |words: &str| {
            log.lines()
                .enumerate()
                .filter(|(_, line)| line.contains(words))
                .last()
        };
        let connected = last(CONNECTED).map(|(at, _)| at);
        let is_after = |found: Option<(usize, &str)>| {
            found
                .filter(|(at, _)| connected.is_none_or(|connected| connected < *at))
                .map(|(_, line)| line.trim().to_owned())
        };
        if let Some(line) = is_after(last(REFUSED)) {
            return Verdict::Refused(line);
        }
        trying = trying.or(is_after(last(TRIED)));
        if last(STARTED).is_none() {
            missing.get_or_insert("the gateway's log does not show that it has started");
        } else if is_connected_mode && connected.is_none() {
            missing.get_or_insert("the gateway's log does not show that it is connected");
        }
    }
    match (trying, missing) {
        _ if logs.iter().all(|log| log.trim().is_empty()) => Verdict::Seen(Seen::NoLog),
        (Some(line), what) => {
            let what = what.unwrap_or("the platform does not let the gateway in");
            Verdict::Trying(line, Seen::Missing(what.to_owned()))
        }
        (None, Some(what)) => Verdict::Seen(Seen::Missing(what.to_owned())),
        (None, None) if is_connected_mode => Verdict::Seen(Seen::Connected),
        (None, None) => Verdict::Seen(Seen::Started),
    }
}

/// Where the log of a gateway is.
enum Source {
    Units(Vec<String>),
    Containers(Engine, Vec<String>),
    Pods(Box<Cluster>),
}

fn read(sources: &[Source]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for source in sources {
        all.extend(source.read()?);
    }
    Ok(all)
}

impl Source {
    /// Of what was restarted. What a command of the user restarts is not known.
    fn of(restart: &Restart) -> Vec<Self> {
        match restart {
            Restart::Units(names) => vec![Source::Units(names.clone())],
            Restart::Containers(engine, names) => vec![Source::Containers(*engine, names.clone())],
            Restart::Rollout(cluster) => vec![Source::Pods(cluster.clone())],
            Restart::All(all) => all.iter().flat_map(Source::of).collect(),
            Restart::Command(_) | Restart::Nothing => Vec::new(),
        }
    }

    /// Of a gateway that runs, if it is where gateways usually are.
    fn usual(gateway: &Gateway, installation: &Installation) -> Result<Option<Self>> {
        let file = match installation {
            Installation::Cluster(cluster) => return Ok(Some(Source::Pods(cluster.clone()))),
            Installation::Host(file) => file,
        };
        let (runtime, _) = gateway.runtime()?;
        let named = match &gateway.restart {
            RestartPolicy::Named(names) => Some(names.clone()),
            _ => None,
        };
        let Some(engine) = Engine::of(runtime) else {
            let units = named.unwrap_or_else(|| vec![UNIT.to_owned()]);
            return Ok(process::exists("journalctl").then_some(Source::Units(units)));
        };
        let names = match named {
            Some(names) => names,
            None => engine
                .mounting(file)?
                .into_iter()
                .filter(|container| container.running)
                .map(|container| container.name)
                .collect(),
        };
        Ok(Some(Source::Containers(engine, names)))
    }

    /// What each replica has said since its present start.
    fn read(&self) -> Result<Vec<String>> {
        match self {
            Source::Units(names) => names.iter().map(|name| journal(name)).collect(),
            Source::Containers(engine, names) => names
                .iter()
                .map(|name| engine.log(name, LINES, LIMIT))
                .collect(),
            Source::Pods(cluster) => cluster.logs(LINES),
        }
    }
}

fn journal(unit: &str) -> Result<String> {
    let shown = Program::new("systemctl")
        .args(["show", "--property=InvocationID", "--", unit])
        .limit(LIMIT)
        .succeed()?;
    let Some(id) = shown
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("InvocationID="))
        .filter(|id| !id.is_empty())
    else {
        return Ok(String::new());
    };
    Program::new("journalctl")
        .args(["--no-pager", "--quiet", "--output=cat", "--lines", LINES])
        .arg(format!("_SYSTEMD_INVOCATION_ID={id}"))
        .limit(LIMIT)
        .succeed()
        .map(|log| log.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str =
        "[flex-gateway-envoy][info] all dependencies initialized. starting workers\n";
    const CONNECT: &str = "[flex-gateway-agent][info] Anypoint websocket: connected\n";
    const TRY: &str = "[flex-gateway-agent][error] Error authorizing https://anypoint.example\n";
    const GIVE_UP: &str =
        "[flex-gateway-agent][error] Max retries reached for token authorization\n";

    fn said(logs: &[&[&str]], is_connected_mode: bool) -> Verdict {
        let logs: Vec<String> = logs.iter().map(|parts| parts.concat()).collect();
        judge(&logs, is_connected_mode)
    }

    #[test]
    fn a_gateway_that_has_started_is_one_that_is_connected_where_it_has_to_be() {
        assert_eq!(said(&[&[START]], false), Verdict::Seen(Seen::Started));
        assert_eq!(
            said(&[&[CONNECT, START]], true),
            Verdict::Seen(Seen::Connected)
        );
        for logs in [&[START] as &[&str], &[CONNECT], &["something else\n"]] {
            let verdict = said(&[logs], true);
            assert!(
                matches!(verdict, Verdict::Seen(Seen::Missing(_))),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn every_replica_has_to_say_so() {
        let verdict = said(&[&[START, CONNECT], &[START]], true);
        assert!(
            matches!(verdict, Verdict::Seen(Seen::Missing(_))),
            "{verdict:?}"
        );
        let verdict = said(&[&[START, CONNECT], &[START, GIVE_UP]], true);
        assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
    }

    #[test]
    fn a_refusal_counts_unless_it_was_let_in_after_that() {
        assert_eq!(
            said(&[&[TRY, GIVE_UP, START, CONNECT]], true),
            Verdict::Seen(Seen::Connected)
        );
        let verdict = said(&[&[START, CONNECT, GIVE_UP]], true);
        assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
        let verdict = said(&[&[START, TRY]], true);
        assert!(matches!(verdict, Verdict::Trying(..)), "{verdict:?}");
    }

    #[test]
    fn an_empty_log_says_nothing() {
        assert_eq!(said(&[], true), Verdict::Seen(Seen::NoLog));
        assert_eq!(said(&[&["\n"]], true), Verdict::Seen(Seen::NoLog));
    }
}
