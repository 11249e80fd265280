//! Renewing one registration: `flexctl` into an empty folder, judge, back up, install, restart, prove.
//!
//! Whenever the program may be killed, the installed registration is whole, old or new, and the next run continues: an
//! accepted registration waits in the state folder until the gateway has been restarted with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use common::cli::{Invocation, Report, exit};
use common::duration;
use common::error::{Error, Kind, Result};
use common::flex::flexctl::Flexctl;
use common::flex::registration::{FILE_NAME, Files, Registration};
use common::log;
use common::system::{process, signals};
use jiff::Timestamp;
use serde::Serialize;

use crate::call::Call;
use crate::containers::{Engine, Mounted};
use crate::cure;
use crate::dates::day;
use crate::discovery::FLEXCTL;
use crate::due::Due;
use crate::gateway::Gateway;
use crate::installation::Installation;
use crate::proof::{self, Proof};
use crate::restart::Restart;
use crate::runtime::Runtime;
use crate::state::{self, State};

/// What became of one registration.
#[derive(Debug, Serialize)]
pub(crate) struct Renewed {
    pub(crate) gateway: String,
    pub(crate) action: Action,
    /// Expiry of the certificate that was installed before.
    pub(crate) previous_expiry: Timestamp,
    /// Expiry of the certificate that is installed now.
    pub(crate) expires: Timestamp,
    /// What was restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarted: Option<String>,
    /// The version of the `flexctl` that renewed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flexctl: Option<String>,
    /// Folder of the replaced registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup: Option<PathBuf>,
    /// How the result was proved on the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<Proof>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Nothing: enough time is left.
    NotDue,
    /// `flexctl` renewed it.
    Renewed,
    /// A renewal that an earlier run had begun was completed.
    Finished,
}

impl Report for Renewed {
    fn text(&self) -> String {
        let until = day(self.expires);
        match self.action {
            Action::NotDue => format!("{}: not due, valid until {until}", self.gateway),
            Action::Renewed | Action::Finished => {
                let mut text = format!(
                    "{}: renewed, valid until {until} (before: {})",
                    self.gateway,
                    day(self.previous_expiry)
                );
                match &self.restarted {
                    Some(what) => text += &format!("; restarted {what}"),
                    None => text += "; not restarted",
                }
                if let Some(version) = &self.flexctl {
                    text += &format!("; flexctl {version}");
                }
                if let Some(proof) = &self.proof {
                    text += &format!("; {proof}");
                }
                text
            }
        }
    }
}

/// Renews a gateway's registration if it is due; with `force`, whatever its date.
pub(crate) fn renew(call: &Invocation, gateway: &Gateway, force: bool) -> anyhow::Result<Renewed> {
    let (runtime, why) = gateway.runtime()?;
    let mut installation = Installation::of(gateway)?;
    let folder = installation.state_folder(gateway, call.env())?;
    let before = installation.registration()?;
    if !force && !is_due(call, gateway, &before) && !state::is_unfinished(&folder) {
        return Ok(not_due(gateway, &installation, &before)?);
    }
    call.log.info(format!("runtime {runtime}: {why}"));
    let state = State::open(&folder, gateway.flexctl_timeout, &call.log)?;
    Procedure {
        gateway,
        call,
        runtime,
        state: &state,
        force,
    }
    .run(&mut installation)
    .and_then(|done| {
        // From here on nothing is changed, so other runs need not wait.
        drop(state);
        prove(call, gateway, &installation, done)
    })
}

fn is_due(call: &Invocation, gateway: &Gateway, registration: &Registration) -> bool {
    let due = Due::of(&registration.certificate, gateway.within, call.clock.now());
    if let Some(objection) = due.objection(gateway.within) {
        call.log.warn(objection);
    }
    due == Due::Yes
}

/// Said only of a registration that a gateway can use.
fn not_due(
    gateway: &Gateway,
    installation: &Installation,
    registration: &Registration,
) -> Result<Renewed> {
    registration.check_key(&installation.name())?;
    Ok(Renewed {
        gateway: gateway.name.clone(),
        action: Action::NotDue,
        previous_expiry: registration.expiry(),
        expires: registration.expiry(),
        restarted: None,
        flexctl: None,
        backup: None,
        proof: None,
    })
}

/// What is installed now.
struct Done {
    renewed: Renewed,
    registration: Option<Registration>,
    restart: Option<Restart>,
}

struct Procedure<'a> {
    gateway: &'a Gateway,
    call: &'a Invocation,
    runtime: Runtime,
    state: &'a State,
    force: bool,
}

impl Procedure<'_> {
    fn run(&self, installation: &mut Installation) -> anyhow::Result<Done> {
        let log = &self.call.log;
        self.remove_left_containers();
        // Read again: another run may have finished its work while this one waited for the lock.
        let old = installation.read()?;
        let before = old.parse(&installation.name())?;
        let waiting = self.waiting(&old, &before)?;
        if waiting.is_none() && !self.force && !is_due(self.call, self.gateway, &before) {
            return Ok(Done {
                renewed: not_due(self.gateway, installation, &before)?,
                registration: None,
                restart: None,
            });
        }
        installation.prepare(log)?;
        let mounted = self.mounted(installation)?;
        let restart = match installation {
            Installation::Host(_) => {
                Restart::of_host(&self.gateway.restart, self.runtime, &mounted)?
            }
            Installation::Cluster(cluster) => Restart::of_cluster(&self.gateway.restart, cluster),
        };
        let (action, new, version) = match waiting {
            Some(new) => {
                log.info(
                    "an earlier run was interrupted before its end: continuing with what it received",
                );
                (Action::Finished, new, None)
            }
            None => {
                let (new, version) = self.ask_flexctl(&old, &before, &mounted)?;
                (Action::Renewed, new, version)
            }
        };
        let after = new.parse("the new registration")?;
        let backup = self.install(installation, &old, &new, &restart)?;
        self.state.clear_staged()?;
        self.state.prune(self.gateway.keep, log);
        Ok(Done {
            renewed: Renewed {
                gateway: self.gateway.name.clone(),
                action,
                previous_expiry: before.expiry(),
                expires: after.expiry(),
                restarted: match &restart {
                    Restart::Nothing => None,
                    restart => Some(restart.to_string()),
                },
                flexctl: version,
                backup: Some(backup),
                proof: None,
            },
            registration: Some(after),
            restart: Some(restart),
        })
    }

    /// What an interrupted run left to be installed, unless something newer is there by now.
    fn waiting(&self, installed: &Files, before: &Registration) -> anyhow::Result<Option<Files>> {
        let Some(staged) = self.state.staged()? else {
            return Ok(None);
        };
        let better = staged == *installed
            || staged
                .parse("the registration that waits to be installed")
                .is_ok_and(|new| {
                    new.has_key && before.differs(&new).is_none() && new.expiry() > before.expiry()
                });
        if better {
            return Ok(Some(staged));
        }
        self.call
            .log
            .debug("what an interrupted run had left is older than what is installed");
        self.state.clear_staged()?;
        Ok(None)
    }

    /// The gateway's own containers.
    fn mounted(&self, installation: &Installation) -> Result<Vec<Mounted>> {
        match (installation, Engine::of(self.runtime)) {
            (Installation::Host(file), Some(engine)) => engine.mounting(file),
            _ => Ok(Vec::new()),
        }
    }

    /// Ends the containers of `flexctl` that killed runs left: they outlive the command that started them.
    fn remove_left_containers(&self) {
        if self.state.left.is_empty() {
            return;
        }
        let runtime = self.gateway.runtime_of_flexctl(self.runtime);
        if let Some(engine) = runtime.ok().and_then(Engine::of) {
            for left in &self.state.left {
                engine.remove(&Engine::container_name(left));
            }
        }
    }

    /// Has `flexctl` write a new registration, judges it, and keeps it for the installation. Returns it with the version
    /// of `flexctl`.
    fn ask_flexctl(
        &self,
        old: &Files,
        before: &Registration,
        mounted: &[Mounted],
    ) -> anyhow::Result<(Files, Option<String>)> {
        let log = &self.call.log;
        before.check_key(&self.gateway.name)?;
        let login = self.gateway.login(&self.call.settings)?;
        let runtime = self.gateway.runtime_of_flexctl(self.runtime)?;
        let work = self.state.work()?;
        let unwritable = |err: std::io::Error| {
            Error::config(format!("{} cannot be written", work.path().display()))
                .caused_by(err)
                .advise(
                    "Free up space, or choose another place with --state-dir. Nothing was changed.",
                )
        };
        // Copies: a container would have to relabel the gateway's own folder, and flexctl refuses one that is not empty.
        let (input, output) = (work.path().join("in"), work.path().join(state::NEW));
        for folder in [&input, &output] {
            DirBuilder::new()
                .mode(0o700)
                .create(folder)
                .map_err(unwritable)?;
        }
        state::write(&input, old, "").map_err(unwritable)?;

        let mut flexctl = Call::new(self.gateway, runtime, work.path(), mounted, log)?;
        flexctl.flexctl.folder = Some(work.path().to_owned());
        flexctl.flexctl.hold = Some(self.state.hold(&work)?);
        log.info(format!(
            "{} until {}: asking {} for a new registration",
            if before.expiry() < self.call.clock.now() {
                "was valid"
            } else {
                "valid"
            },
            day(before.expiry()),
            flexctl.described
        ));
        let answered = {
            let _progress = self.call.progress("waiting for flexctl");
            flexctl.renew(&login, self.gateway.update_urls, log)
        };
        let accepted = match answered {
            Ok(said) => {
                if !output.join(FILE_NAME).is_file() {
                    return Err(cure::of(said.without_file(), self.gateway.flexctl_timeout).into());
                }
                if !said.says_completed() {
                    log.warn("flexctl did not say \"Registration renewal completed\"; what it wrote decides");
                }
                accept(&output, old, before)
            }
            Err(failed) => {
                flexctl.stop();
                Err(cure::of(failed, self.gateway.flexctl_timeout))
            }
        };
        match accepted {
            Ok(new) => {
                self.state.stage(&new)?;
                Ok((new, flexctl.version(log)))
            }
            Err(err) => {
                if let Some(kept) = self.state.keep_rejected(&output) {
                    log.warn(format!("what flexctl wrote is kept in {}", kept.display()));
                }
                Err(err).context("renewing the registration")
            }
        }
    }

    /// Backs the old registration up, puts the new one in place and restarts the gateway; if that fails, the old one
    /// goes back. Returns the folder of the backup.
    fn install(
        &self,
        installation: &Installation,
        old: &Files,
        new: &Files,
        restart: &Restart,
    ) -> anyhow::Result<PathBuf> {
        let log = &self.call.log;
        if signals::interrupted() {
            return Err(Error::new(
                Kind::Unreachable,
                "stopped by a signal before the installation",
            )
            .advise("The next run continues from here.")
            .into());
        }
        let work = self.state.work()?;
        let (backup, old) = if old == new {
            // Installed by the run that was interrupted, which had backed the old one up.
            match self.state.last_backup() {
                Some((folder, last)) => (folder, Some(last)),
                None => (PathBuf::new(), None),
            }
        } else {
            let backup = self.state.back_up(old, self.call.clock.now())?;
            log.debug(format!(
                "the old registration is kept in {}",
                backup.display()
            ));
            installation.install(new, work.path())?;
            (backup, Some(old.clone()))
        };
        let installed = installation
            .read()
            .map_err(anyhow::Error::from)
            .and_then(|there| {
                if there == *new {
                    Ok(())
                } else {
                    Err(Error::new(
                        Kind::Unproved,
                        format!("{} is not what was installed", installation.name()),
                    )
                    .into())
                }
            });
        let restarted = installed.and_then(|()| Ok(restart.run(&self.call.clock, log)?));
        match (restarted, old) {
            (Ok(()), _) => Ok(backup),
            // Nobody knows whether the gateway accepted it, which is no reason to go back.
            (Err(err), _) if signals::interrupted() => Err(err.context(
                "the new registration is installed, and the next run restarts the gateway once more",
            )),
            (Err(err), Some(old)) => {
                Err(self.go_back(installation, &old, new, restart, work.path(), &err))
            }
            (Err(err), None) => Err(err),
        }
    }

    /// Puts the old registration back and restarts the gateway with it. The new one is kept.
    fn go_back(
        &self,
        installation: &Installation,
        old: &Files,
        new: &Files,
        restart: &Restart,
        work: &Path,
        why: &anyhow::Error,
    ) -> anyhow::Error {
        let log = &self.call.log;
        log.error(log::sentence(why));
        if let Some(advice) = log::advice(why) {
            log.error(advice);
        }
        log.warn("putting the old registration back");
        let kind = exit::kind_of(why).unwrap_or(Kind::Refused);
        if let Err(err) = installation.install(old, work) {
            return anyhow::Error::from(err).context(format!(
                "{} holds the new registration, the gateway did not start with it, and the old one cannot be put back",
                installation.name()
            ));
        }
        let kept = DirBuilder::new()
            .mode(0o700)
            .create(work.join("new"))
            .and_then(|()| state::write(&work.join("new"), new, ""))
            .ok()
            .and_then(|()| self.state.keep_rejected(&work.join("new")));
        if let Err(err) = self.state.clear_staged() {
            log.warn(log::sentence(&err.into()));
        }
        let again = restart.run(&self.call.clock, log);
        let kept = kept.map_or_else(String::new, |kept| {
            format!(" The new registration is kept in {}.", kept.display())
        });
        let (what, advice) = match again {
            Ok(()) => (
                "the gateway could not be restarted with the new registration; the old one is in place again and the \
                 gateway has been restarted with it"
                    .to_owned(),
                format!("Find out why the restart failed, then run flex-renew again.{kept}"),
            ),
            Err(err) => (
                format!(
                    "the gateway could not be restarted with the new registration, nor with the old one, which is in \
                     place again: {err}"
                ),
                format!("The restart itself does not work: look at the gateway now.{kept}"),
            ),
        };
        Error::new(kind, what).advise(advice).into()
    }
}

/// The new registration, if it is one that may be installed.
fn accept(output: &Path, old: &Files, before: &Registration) -> Result<Files> {
    let unproved = |why: String| {
        Error::new(
            Kind::Unproved,
            format!("flexctl reported success, but its file cannot be used: {why}"),
        )
        .advise("Nothing was installed, the old registration is in place. Try again with the newest flexctl.")
    };
    let files = state::read(output, "").map_err(|err| unproved(err.to_string()))?;
    let new = files
        .parse("the new registration")
        .map_err(|err| unproved(err.to_string()))?;
    new.check_key("the new registration")
        .map_err(|err| unproved(err.to_string()))?;
    if let Some(difference) = before.differs(&new) {
        return Err(unproved(difference));
    }
    if new.expiry() <= before.expiry() {
        return Err(unproved(format!(
            "its certificate is valid until {}, no longer than the old one's, {}",
            day(new.expiry()),
            day(before.expiry())
        )));
    }
    for (name, _) in &old.others {
        if !files.others.iter().any(|(new, _)| new == name) {
            return Err(unproved(format!(
                "the registration is split, and flexctl wrote no {name}: the old one would stay in force"
            )));
        }
    }
    Ok(files)
}

/// Proves a renewal: by the installed file again, by `flexctl` inside the gateway, by the platform.
fn prove(
    call: &Invocation,
    gateway: &Gateway,
    installation: &Installation,
    done: Done,
) -> anyhow::Result<Renewed> {
    let Done {
        mut renewed,
        registration,
        restart,
    } = done;
    let (Some(registration), Some(restart)) = (registration, restart) else {
        return Ok(renewed);
    };
    let there = installation.registration()?;
    if there.certificate != registration.certificate {
        return Err(Error::new(
            Kind::Unproved,
            format!(
                "{} was changed by somebody else during the restart",
                installation.name()
            ),
        )
        .advise("Look at flex-renew inspect.")
        .into());
    }
    second_opinion(call, gateway, installation, &restart, &registration);
    call.log.debug(format!(
        "the replicas have {} to report the new certificate",
        duration::show(gateway.timeout)
    ));
    if let Restart::Nothing = restart {
        return Ok(renewed);
    }
    renewed.proof = proof::of_replicas(call, &registration, gateway.timeout)?;
    Ok(renewed)
}

/// What `flexctl` itself says about the installed file. It decides nothing.
fn second_opinion(
    call: &Invocation,
    gateway: &Gateway,
    installation: &Installation,
    restart: &Restart,
    registration: &Registration,
) {
    let program = gateway
        .flexctl
        .as_ref()
        .map_or(FLEXCTL, |flexctl| &flexctl.value);
    let answer = match (installation, restart) {
        (_, Restart::Containers(engine, names)) => {
            names.first().map(|name| engine.inspect_inside(name))
        }
        (_, Restart::Rollout(cluster)) => Some(cluster.inspect_inside()),
        (Installation::Host(path), _) if process::exists(program) => {
            Some(Flexctl::on_host(program, gateway.flexctl_timeout).inspect(Some(path)))
        }
        _ => None,
    };
    match answer {
        None => {}
        Some(Ok(date)) if date.as_second() == registration.expiry().as_second() => {
            call.log
                .debug("flexctl registration inspect reports the same expiry");
        }
        Some(Ok(date)) => call.log.warn(format!(
            "flexctl registration inspect says that the certificate expires on {}, the file says {}",
            day(date),
            day(registration.expiry())
        )),
        Some(Err(err)) => call.log.debug(format!(
            "flexctl registration inspect could not be asked: {err}"
        )),
    }
}
