//! Renewing one registration: `flexctl` into an empty folder, judge, back up, install, restart, prove.
//!
//! Whenever the program may be killed, the installed registration is whole, old or new, and the next run goes on: an
//! accepted registration waits in the state folder until the gateway has been restarted with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use common::duration;
use common::error::{Error, Kind, Result};
use common::flex::flexctl::Renewal;
use common::flex::registration::{FILE_NAME, Files, Registration};
use common::log::{Output, Report};
use common::settings::Settings;
use common::system::clock::SharedClock;
use common::system::{process, signals};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::RenewArgs;
use crate::cure;
use crate::gateway::Gateway;
use crate::place::Place;
use crate::proof::{self, Proof};
use crate::runtime::containers::Mounted;
use crate::runtime::{self, Call, Restart, Runtime};
use crate::state::{self, State};

/// What became of one registration.
#[derive(Debug, Serialize)]
pub(crate) struct Renewed {
    pub(crate) gateway: String,
    pub(crate) action: Action,
    /// End of the certificate that was installed before.
    pub(crate) previous_expiry: Timestamp,
    /// End of the certificate that is installed now.
    pub(crate) expires: Timestamp,
    /// What was restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarted: Option<String>,
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
    /// A renewal that an earlier run had begun was brought to its end.
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
                if let Some(proof) = &self.proof {
                    text += &format!("; {proof}");
                }
                text
            }
        }
    }
}

/// A moment to the minute, for people.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What a renewal needs beside the gateway.
#[derive(Debug, Clone)]
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) clock: SharedClock,
    pub(crate) out: Output,
}

/// Renews a gateway's registration if it is due.
pub(crate) fn renew(
    gateway: &Gateway,
    args: &RenewArgs,
    world: &World<'_>,
) -> anyhow::Result<Renewed> {
    let (runtime, why) = runtime::choose(gateway)?;
    let mut place = Place::of(gateway)?;
    let folder = place.state_folder(gateway, world.settings.env())?;
    let installed = place.read()?;
    let before = installed.parse(&place.name())?;
    if !args.force && !is_due(&before, gateway, &world.clock) && !state::is_unfinished(&folder) {
        return Ok(not_due(gateway, &before));
    }
    world.out.info(format!("runtime {runtime}: {why}"));
    let state = State::open(&folder, gateway.flexctl_timeout, &world.out)?;
    Procedure {
        gateway,
        world,
        runtime,
        state: &state,
        force: args.force,
    }
    .run(&mut place)
    .and_then(|done| {
        // From here on nothing is changed, so other runs need not wait.
        drop(state);
        prove(gateway, args, world, &place, done)
    })
}

fn is_due(registration: &Registration, gateway: &Gateway, clock: &SharedClock) -> bool {
    let within = i64::try_from(gateway.within.as_secs()).unwrap_or(i64::MAX);
    registration.certificate.time_left(clock.now()).as_secs() <= within
}

fn not_due(gateway: &Gateway, registration: &Registration) -> Renewed {
    Renewed {
        gateway: gateway.name.clone(),
        action: Action::NotDue,
        previous_expiry: registration.expiry(),
        expires: registration.expiry(),
        restarted: None,
        backup: None,
        proof: None,
    }
}

/// What is installed now.
struct Done {
    renewed: Renewed,
    registration: Option<Registration>,
    restart: Option<Restart>,
}

struct Procedure<'a> {
    gateway: &'a Gateway,
    world: &'a World<'a>,
    runtime: Runtime,
    state: &'a State,
    force: bool,
}

impl Procedure<'_> {
    fn run(&self, place: &mut Place) -> anyhow::Result<Done> {
        let out = &self.world.out;
        // Read again: another run may have finished its work while this one waited for the lock.
        let old = place.read()?;
        let before = old.parse(&place.name())?;
        let waiting = self.waiting(&old, &before)?;
        if waiting.is_none() && !self.force && !is_due(&before, self.gateway, &self.world.clock) {
            return Ok(Done {
                renewed: not_due(self.gateway, &before),
                registration: None,
                restart: None,
            });
        }
        place.prepare(self.gateway, out)?;
        let mounted = self.mounted(place)?;
        let restart = match place {
            Place::Host(_) => Restart::of_host(self.gateway, self.runtime, &mounted)?,
            Place::Cluster(cluster) => Restart::of_cluster(self.gateway, cluster),
        };
        let (action, new) = match waiting {
            Some(new) => {
                out.info(
                    "an earlier run was interrupted before its end: going on with what it got",
                );
                (Action::Finished, new)
            }
            None => (Action::Renewed, self.ask_flexctl(&old, &before, &mounted)?),
        };
        let after = new.parse("the new registration")?;
        let backup = self.install(place, &old, &new, &restart)?;
        self.state.clear_staged()?;
        self.state.prune(self.gateway.keep, out);
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
        self.world
            .out
            .debug("what an interrupted run had left is older than what is installed");
        self.state.clear_staged()?;
        Ok(None)
    }

    /// The gateway's own containers, and the end of those that a killed run left.
    fn mounted(&self, place: &Place) -> Result<Vec<Mounted>> {
        let (Place::Host(file), Runtime::Docker | Runtime::Podman) = (place, self.runtime) else {
            return Ok(Vec::new());
        };
        let engine = runtime::containers::Engine::new(self.runtime);
        for left in &self.state.left {
            engine.remove(&engine.container_name(left));
        }
        engine.mounting(file)
    }

    /// Has `flexctl` write a new registration, judges it, and keeps it for the installation.
    fn ask_flexctl(
        &self,
        old: &Files,
        before: &Registration,
        mounted: &[Mounted],
    ) -> anyhow::Result<Files> {
        let out = &self.world.out;
        before.check_key(&self.gateway.name)?;
        let login = self.gateway.login(self.world.settings, out)?;
        let runtime = match self.runtime {
            Runtime::Kubernetes => runtime::choose_via(self.gateway)?,
            runtime => runtime,
        };
        let work = self.state.work()?;
        let unwritable = |err: std::io::Error| {
            Error::config(format!("{} cannot be written", work.path().display()))
                .caused_by(err)
                .advise("Make room, or choose another place with --state-dir. Nothing was changed.")
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

        let mut call = Call::new(self.gateway, runtime, work.path(), mounted)?;
        call.flexctl.folder = Some(work.path().to_owned());
        call.flexctl.hold = Some(self.state.hold(&work)?);
        out.info(format!(
            "{} until {}: asking {} for a new registration",
            if before.expiry() < self.world.clock.now() {
                "was valid"
            } else {
                "valid"
            },
            day(before.expiry()),
            call.described
        ));
        let limit = call.flexctl.limit;
        let answered = {
            let _progress = out.progress("waiting for flexctl");
            call.flexctl.renew(&Renewal {
                login: &login,
                registration: &call.sees.join("in").join(FILE_NAME),
                output: &call.sees.join(state::NEW),
                update_urls: self.gateway.update_urls,
            })
        };
        let accepted = match answered {
            Ok(said) => {
                if !output.join(FILE_NAME).is_file() {
                    return Err(cure::of(said.without_file(), limit).into());
                }
                if !said.says_completed() {
                    out.warn("flexctl did not say \"Registration renewal completed\"; what it wrote decides");
                }
                accept(&output, old, before)
            }
            Err(failed) => {
                call.stop();
                Err(cure::of(failed, limit))
            }
        };
        match accepted {
            Ok(new) => {
                self.state.stage(&new)?;
                Ok(new)
            }
            Err(err) => {
                if let Some(kept) = self.state.keep_rejected(&output) {
                    out.warn(format!("what flexctl wrote is kept in {}", kept.display()));
                }
                Err(err).context("renewing the registration")
            }
        }
    }

    /// Backs the old registration up, puts the new one in place and restarts the gateway; if that fails, the old one
    /// goes back. Returns the folder of the backup.
    fn install(
        &self,
        place: &Place,
        old: &Files,
        new: &Files,
        restart: &Restart,
    ) -> anyhow::Result<PathBuf> {
        let out = &self.world.out;
        if signals::interrupted() {
            return Err(Error::new(
                Kind::Unreachable,
                "stopped by a signal before the installation",
            )
            .advise("The next run goes on from here.")
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
            let backup = self.state.back_up(old, self.world.clock.now())?;
            out.debug(format!(
                "the old registration is kept in {}",
                backup.display()
            ));
            place.install(new, work.path())?;
            (backup, Some(old.clone()))
        };
        let installed = place.read().map_err(anyhow::Error::from).and_then(|there| {
            if there == *new {
                Ok(())
            } else {
                Err(Error::new(
                    Kind::Unproved,
                    format!("{} is not what was installed", place.name()),
                )
                .into())
            }
        });
        let restarted = installed.and_then(|()| Ok(restart.run(&self.world.clock, out)?));
        match (restarted, old) {
            (Ok(()), _) => Ok(backup),
            // Nobody knows whether the gateway took it, which is no reason to go back.
            (Err(err), _) if signals::interrupted() => Err(err.context(
                "the new registration is installed, and the next run restarts the gateway once more",
            )),
            (Err(err), Some(old)) => {
                Err(self.go_back(place, &old, new, restart, work.path(), &err))
            }
            (Err(err), None) => Err(err),
        }
    }

    /// Puts the old registration back and restarts the gateway with it. The new one is kept.
    fn go_back(
        &self,
        place: &Place,
        old: &Files,
        new: &Files,
        restart: &Restart,
        work: &Path,
        why: &anyhow::Error,
    ) -> anyhow::Error {
        let out = &self.world.out;
        out.error(common::log::sentence(why));
        if let Some(advice) = common::log::advice(why) {
            out.error(advice);
        }
        out.warn("putting the old registration back");
        let kind = common::cli::exit::kind_of(why).unwrap_or(Kind::Refused);
        if let Err(err) = place.install(old, work) {
            return anyhow::Error::from(err).context(format!(
                "{} holds the new registration, the gateway did not start with it, and the old one cannot be put back",
                place.name()
            ));
        }
        let kept = DirBuilder::new()
            .mode(0o700)
            .create(work.join("new"))
            .and_then(|()| state::write(&work.join("new"), new, ""))
            .ok()
            .and_then(|()| self.state.keep_rejected(&work.join("new")));
        if let Err(err) = self.state.clear_staged() {
            out.warn(common::log::sentence(&err.into()));
        }
        let again = restart.run(&self.world.clock, out);
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
    gateway: &Gateway,
    args: &RenewArgs,
    world: &World<'_>,
    place: &Place,
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
    let there = place.read()?.parse(&place.name())?;
    if there.certificate != registration.certificate {
        return Err(Error::new(
            Kind::Unproved,
            format!(
                "{} has been changed by somebody else during the restart",
                place.name()
            ),
        )
        .advise("Look at flex-renew inspect.")
        .into());
    }
    second_opinion(gateway, place, &restart, &registration, &world.out);
    world.out.debug(format!(
        "the replicas have {} to report the new certificate",
        duration::show(gateway.timeout)
    ));
    if let Restart::Nothing = restart {
        return Ok(renewed);
    }
    renewed.proof = proof::of_replicas(gateway, &args.platform, world, &registration)?;
    Ok(renewed)
}

/// What `flexctl` itself says about the installed file. It decides nothing.
fn second_opinion(
    gateway: &Gateway,
    place: &Place,
    restart: &Restart,
    registration: &Registration,
    out: &Output,
) {
    let answer = match (place, restart) {
        (_, Restart::Containers(engine, names)) => {
            names.first().map(|name| engine.inspect_inside(name))
        }
        (_, Restart::Rollout(cluster)) => Some(cluster.inspect_inside()),
        (Place::Host(path), _) if process::exists(&gateway.flexctl) => Some(
            common::flex::flexctl::Flexctl::on_host(&gateway.flexctl, gateway.flexctl_timeout)
                .inspect(Some(path)),
        ),
        _ => None,
    };
    match answer {
        None => {}
        Some(Ok(date)) if date.as_second() == registration.expiry().as_second() => {
            out.debug("flexctl registration inspect says the same");
        }
        Some(Ok(date)) => out.warn(format!(
            "flexctl registration inspect says that the certificate ends on {}, the file says {}",
            day(date),
            day(registration.expiry())
        )),
        Some(Err(err)) => out.debug(format!(
            "flexctl registration inspect could not be asked: {err}"
        )),
    }
}
