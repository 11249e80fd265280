//! Renewing one registration: `flexctl` into an empty folder, judge, back up, install, restart, prove.
//!
//! Whenever the program may be killed, the next run continues: what has begun is written down in the state folder until the
//! gateway has been restarted with the new registration, or with that of before.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use common::cli::{Invocation, Report, exit};
use common::duration;
use common::error::{Error, Kind, Result};
use common::flex::flexctl::{Flexctl, Login};
use common::flex::registration::{FILE_NAME, Files, Registration};
use common::log;
use common::system::process;
use common::system::signals::{self, Signals};
use jiff::Timestamp;
use serde::Serialize;

use crate::call::Call;
use crate::containers::{Engine, Mounted};
use crate::cure;
use crate::dates::day;
use crate::discovery::FLEXCTL;
use crate::due::Due;
use crate::gateway::Gateway;
use crate::gateway_log::{self, Seen};
use crate::installation::{self, Installation};
use crate::proof::{self, Proof};
use crate::restart::{Restart, RestartPolicy};
use crate::runtime::Runtime;
use crate::state::{self, Begun, Direction, State, Work};

/// What became of one registration.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Renewed {
    pub(crate) gateway: String,
    pub(crate) action: Action,
    /// Expiry of the certificate that was installed before; none where that could not be read.
    pub(crate) previous_expiry: Option<Timestamp>,
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
    /// What the gateway's log shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<Seen>,
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
                let mut text = format!("{}: renewed, valid until {until}", self.gateway);
                if let Some(previous) = self.previous_expiry {
                    text += &format!(" (before: {})", day(previous));
                }
                match &self.restarted {
                    Some(what) => text += &format!("; restarted {what}"),
                    None => text += "; not restarted",
                }
                if let Some(version) = &self.flexctl {
                    text += &format!("; flexctl {version}");
                }
                if let Some(seen) = &self.log {
                    text += &format!("; {seen}");
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
    if !state::is_unfinished(&folder) {
        let before = installation.registration()?;
        before.check_key(&installation.name())?;
        if !force && !is_due(call, gateway, &installation, &before) {
            return Ok(not_due(gateway, &before));
        }
    }
    call.log.info(format!("runtime {runtime}: {why}"));
    let state = State::open(&folder, gateway.flexctl_timeout, &call.log)?;
    let done = Procedure {
        gateway,
        call,
        runtime,
        state: &state,
        force,
    }
    .run(&mut installation)?;
    // From here on nothing is changed, so other runs need not wait.
    drop(state);
    if signals::interrupted() {
        return Err(Error::new(
            Kind::Unproved,
            "stopped by a signal after the restart: the new registration is installed, which nothing has proved yet",
        )
        .advise("Look at flex-renew status and at the gateway's log.")
        .into());
    }
    prove(call, gateway, &installation, done)
}

fn is_due(
    call: &Invocation,
    gateway: &Gateway,
    installation: &Installation,
    registration: &Registration,
) -> bool {
    let within = |time| Due::of(&registration.certificate, time, call.clock.now());
    if let Some(objection) = within(gateway.within).objection(gateway.within) {
        call.log.warn(objection);
    }
    if within(gateway.within.saturating_add(gateway.ahead)) == Due::Yes {
        return true;
    }
    if !gateway_log::asks_for_renewal(call, gateway, installation) {
        return false;
    }
    match Due::of_version_1(&registration.certificate, call.clock.now()) {
        Due::Yes => {
            call.log
                .info("the gateway's log asks for a renewal: the registration is of version 1");
            true
        }
        Due::No | Due::TooNew { .. } => {
            call.log.warn(
                "the gateway's log says that the registration is of version 1, although it was renewed lately: use the \
                 newest flexctl (--pull), with --force",
            );
            false
        }
    }
}

fn not_due(gateway: &Gateway, registration: &Registration) -> Renewed {
    Renewed {
        gateway: gateway.name.clone(),
        action: Action::NotDue,
        previous_expiry: Some(registration.expiry()),
        expires: registration.expiry(),
        restarted: None,
        flexctl: None,
        log: None,
        backup: None,
        proof: None,
    }
}

/// The restart of another gateway with the same registration.
fn restart_of(sibling: &Gateway, ran: &[String]) -> Result<Restart> {
    match Installation::of(sibling)? {
        Installation::Host(file) => {
            let (runtime, _) = sibling.runtime()?;
            let mounted = match Engine::of(runtime) {
                Some(engine) => engine.mounting(&file)?,
                None => Vec::new(),
            };
            Restart::of_host(&sibling.restart, runtime, &mounted, ran)
        }
        Installation::Cluster(cluster) => Ok(Restart::of_cluster(&sibling.restart, &cluster)),
    }
}

/// What is installed now.
struct Done {
    renewed: Renewed,
    registration: Option<Registration>,
    restart: Option<Restart>,
}

/// What is done for one gateway.
pub(crate) struct Procedure<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) call: &'a Invocation,
    pub(crate) runtime: Runtime,
    pub(crate) state: &'a State,
    pub(crate) force: bool,
}

impl Procedure<'_> {
    fn run(&self, installation: &mut Installation) -> anyhow::Result<Done> {
        self.remove_left_containers();
        if let Some((direction, begun)) = self.state.begun()? {
            let _signals = Signals::listen();
            let resumed = match direction {
                Direction::Forward => self.resume(installation, begun)?,
                Direction::Back => {
                    self.resume_going_back(installation, &begun)?;
                    None
                }
            };
            if let Some(done) = resumed {
                return Ok(done);
            }
        }
        // Read again: another run may have finished its work while this one waited for the lock.
        let old = installation.read()?;
        let before = old.parse(&installation.name())?;
        before.check_key(&installation.name())?;
        if !self.force && !is_due(self.call, self.gateway, installation, &before) {
            return Ok(Done {
                renewed: not_due(self.gateway, &before),
                registration: None,
                restart: None,
            });
        }
        let mounted = self.mounted(installation)?;
        let restart = self.prepare(installation, &mounted, &[])?;
        let login = self.gateway.login(&self.call.settings)?;
        // Not earlier: the password may have been asked for.
        let _signals = Signals::listen();
        let (begun, version) =
            self.ask_flexctl(installation, &old, &before, &mounted, &login, &restart)?;
        let mut done = self.carry_out(installation, Action::Renewed, begun, &restart)?;
        done.renewed.flexctl = version;
        Ok(done)
    }

    /// Checks all that can be known to go wrong before anything is changed, and settles the restart. `ran` are the
    /// containers that ran when the renewal began.
    pub(crate) fn prepare(
        &self,
        installation: &mut Installation,
        mounted: &[Mounted],
        ran: &[String],
    ) -> Result<Restart> {
        let policy = &self.gateway.restart;
        let rolls_out = matches!(policy, RestartPolicy::Usual | RestartPolicy::Named(_));
        installation.prepare(rolls_out, &self.call.log)?;
        let own = match installation {
            Installation::Host(_) => Restart::of_host(policy, self.runtime, mounted, ran)?,
            Installation::Cluster(cluster) => Restart::of_cluster(policy, cluster),
        };
        let siblings = self.gateway.siblings.iter();
        let mut all = vec![own];
        for sibling in siblings {
            all.push(restart_of(sibling, ran)?);
        }
        let restart = Restart::all(all);
        if !matches!(restart, Restart::Nothing) {
            proof::check_settings(self.call)?;
        }
        Ok(restart)
    }

    /// Finishes what an interrupted run had begun, unless something newer is there by now.
    fn resume(
        &self,
        installation: &mut Installation,
        mut begun: Begun,
    ) -> anyhow::Result<Option<Done>> {
        let log = &self.call.log;
        let there = installation.read_with(&begun.new)?;
        if !installation::is_made_of(&there, &[&begun.new, &begun.before]) {
            if self.is_overtaken(&there, &begun)? {
                let kept = self.give_up(&begun)?;
                log.warn(format!(
                    "an earlier run was interrupted, and somebody else has installed a registration since, which stays.{kept}"
                ));
                return Ok(None);
            }
            self.make_way(installation, &there, &mut begun)?;
        }
        log.info("an earlier run was interrupted before its end: continuing with what it received");
        let mounted = self.mounted(installation)?;
        let restart = self.prepare(installation, &mounted, &begun.containers)?;
        self.carry_out(installation, Action::Finished, begun, &restart)
            .map(Some)
    }

    /// Finishes going back, which an interrupted run had begun.
    fn resume_going_back(
        &self,
        installation: &mut Installation,
        begun: &Begun,
    ) -> anyhow::Result<()> {
        let log = &self.call.log;
        log.info(
            "an earlier run was putting the old registration back when it was interrupted: going on with that",
        );
        let there = installation.read_with(&begun.new)?;
        if !installation::is_made_of(&there, &[&begun.new, &begun.before])
            && is_usable(&there, &installation.name())
        {
            log.warn("somebody else has installed a registration since, which stays");
            return Ok(self.state.end()?);
        }
        let mounted = self.mounted(installation)?;
        let restart = self.prepare(installation, &mounted, &begun.containers)?;
        let work = self.state.work()?;
        self.put_back(installation, begun, &work)?;
        restart
            .run(
                self.gateway.restart_times,
                &work.hold,
                &self.call.clock,
                log,
            )
            .context("restarting the gateway with the old registration, which is in place again")?;
        Ok(self.state.end()?)
    }

    fn carry_out(
        &self,
        installation: &Installation,
        action: Action,
        begun: Begun,
        restart: &Restart,
    ) -> anyhow::Result<Done> {
        let name = installation.name();
        let after = begun.new.parse("the new registration")?;
        let (backup, previous, seen) = self.install(installation, begun, restart)?;
        self.state.end()?;
        self.state.prune(self.gateway.keep, &self.call.log);
        Ok(Done {
            renewed: Renewed {
                gateway: self.gateway.name.clone(),
                action,
                previous_expiry: previous.parse(&name).ok().map(|before| before.expiry()),
                expires: after.expiry(),
                restarted: match restart {
                    Restart::Nothing => None,
                    restart => Some(restart.to_string()),
                },
                flexctl: None,
                log: (seen != Seen::NoLog).then_some(seen),
                backup: Some(backup),
                proof: None,
            },
            registration: Some(after),
            restart: Some(restart.clone()),
        })
    }

    /// Whether what somebody else installed is newer than the new registration, or another gateway's.
    fn is_overtaken(&self, there: &Files, begun: &Begun) -> Result<bool> {
        let name = &self.gateway.name;
        if !is_usable(there, name) {
            return Ok(false);
        }
        let (there, new) = (there.parse(name)?, begun.new.parse("the new registration")?);
        Ok(new.differs(&there).is_some() || there.expiry() >= new.expiry())
    }

    /// Keeps the new registration, which is not installed any more; says where.
    fn give_up(&self, begun: &Begun) -> Result<String> {
        let kept = self.state.reject(&begun.new);
        self.state.end()?;
        Ok(kept.map_or_else(String::new, |kept| {
            format!(" What flexctl had written is kept in {}.", kept.display())
        }))
    }

    /// Keeps a copy of what somebody else put into the place of the registration. It is what is gone back to then, if it
    /// can be used.
    ///
    /// # Errors
    ///
    /// Refused: it is newer than the new registration, or another gateway's. The new one is kept and not installed.
    fn make_way(
        &self,
        installation: &Installation,
        there: &Files,
        begun: &mut Begun,
    ) -> Result<()> {
        let name = installation.name();
        if self.is_overtaken(there, begun)? {
            let kept = self.give_up(begun)?;
            return Err(Error::new(
                Kind::Refused,
                format!(
                    "somebody else has installed a registration in {name} meanwhile, which stays"
                ),
            )
            .advise(format!("See that the gateway is restarted with it.{kept}")));
        }
        let copy = if is_usable(there, &name) {
            begun.before = there.clone();
            Some(self.state.back_up(there, self.call.clock.now())?)
        } else {
            self.state.reject(there)
        };
        self.call.log.warn(format!(
            "{name} was changed by somebody else meanwhile{}",
            copy.map_or_else(String::new, |copy| format!(
                "; a copy of that is kept in {}",
                copy.display()
            ))
        ));
        self.state.begin(begun)
    }

    /// The gateway's own containers.
    pub(crate) fn mounted(&self, installation: &Installation) -> Result<Vec<Mounted>> {
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

    /// Has `flexctl` write a new registration, judges it, and writes down that it is to be installed. Returns that with
    /// the version of `flexctl`.
    fn ask_flexctl(
        &self,
        installation: &Installation,
        old: &Files,
        before: &Registration,
        mounted: &[Mounted],
        login: &Login,
        restart: &Restart,
    ) -> anyhow::Result<(Begun, Option<String>)> {
        let log = &self.call.log;
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

        let mut flexctl = Call::new(self.gateway, runtime, work.path(), mounted, self.call)?;
        flexctl.flexctl.folder = Some(work.path().to_owned());
        flexctl.flexctl.hold = Some(work.hold.clone());
        stopped_before("flexctl was asked", "Nothing was changed.")?;
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
            flexctl.renew(login, self.gateway.update_urls, log)
        };
        if state::gather(work.path()) {
            log.warn("flexctl wrote into the folder that it ran in, not where it was told to");
        }
        let accepted = match answered {
            Ok(said) => {
                if !output.join(FILE_NAME).is_file() {
                    return Err(cure::of(said.without_file(), self.gateway.flexctl_timeout).into());
                }
                if !said.says_completed() {
                    log.warn("flexctl did not say \"Registration renewal completed\"; what it wrote decides");
                }
                self.accept(&output, old, before)
            }
            Err(failed) => {
                flexctl.stop();
                Err(cure::of(failed, self.gateway.flexctl_timeout))
            }
        };
        let begun =
            accepted.and_then(|new| self.begin(installation, old, new, restart.containers()));
        let begun = begun.map_err(|err| {
            if let Some(kept) = self.state.keep_rejected(&output) {
                log.warn(format!("what flexctl wrote is kept in {}", kept.display()));
            }
            anyhow::Error::from(err).context("renewing the registration")
        })?;
        Ok((begun, flexctl.version(log)))
    }

    /// The new registration, if it is one that may be installed. What is no part of it is kept elsewhere.
    fn accept(&self, output: &Path, old: &Files, before: &Registration) -> Result<Files> {
        let now = self.call.clock.now();
        if let Some((names, kept)) = self.state.keep_extra(output, now)? {
            self.call.log.warn(format!(
                "flexctl wrote more than a registration, which is not installed and kept in {}: {}",
                kept.display(),
                names.join(", ")
            ));
        }
        accept(output, old, before)
    }

    /// Writes down what is to be installed, and in place of what.
    fn begin(
        &self,
        installation: &Installation,
        old: &Files,
        new: Files,
        containers: Vec<String>,
    ) -> Result<Begun> {
        let there = installation.read_with(&new)?;
        let is_old = there.registration == old.registration
            && old.others.iter().all(|other| there.others.contains(other));
        let mut begun = Begun {
            new,
            before: if is_old { there.clone() } else { old.clone() },
            containers,
        };
        if is_old {
            self.state.begin(&begun)?;
        } else {
            self.make_way(installation, &there, &mut begun)?;
        }
        Ok(begun)
    }

    /// Backs the old registration up, puts the new one in place and restarts the gateway; if that fails, the old one
    /// goes back. Returns the folder of the backup, what it holds, and what the gateway's log shows.
    pub(crate) fn install(
        &self,
        installation: &Installation,
        mut begun: Begun,
        restart: &Restart,
    ) -> anyhow::Result<(PathBuf, Files, Seen)> {
        let log = &self.call.log;
        stopped_before("the installation", "The next run continues from here.")?;
        let work = self.state.work()?;
        let mut backup = self.state.back_up(&begun.before, self.call.clock.now())?;
        log.debug(format!(
            "the old registration is kept in {}",
            backup.display()
        ));
        let mut in_the_way: Option<Files> = None;
        let installed = loop {
            let mut known = vec![&begun.new, &begun.before];
            known.extend(&in_the_way);
            match installation.install(&begun.new, &begun.before, &known, &work) {
                Ok(None) => break installation.check(&begun.new),
                Ok(Some(there)) => {
                    self.make_way(installation, &there, &mut begun)?;
                    backup = self.state.back_up(&begun.before, self.call.clock.now())?;
                    in_the_way = Some(there);
                }
                Err(err) => break Err(err),
            }
        };
        if let Err(err) = installed {
            let is_in_part = |left: Files| {
                left != begun.before
                    && installation::is_made_of(&left, &[&begun.new, &begun.before])
            };
            return if installation.read_with(&begun.new).is_ok_and(is_in_part) {
                Err(self.go_back(installation, &begun, restart, &work, &err.into()))
            } else {
                // Nothing is installed, or nobody knows: the next run looks again.
                Err(err.into())
            };
        }
        let restarted = stopped_before("the restart", "").and_then(|()| {
            restart.run(
                self.gateway.restart_times,
                &work.hold,
                &self.call.clock,
                log,
            )?;
            let new = begun.new.parse("the new registration")?;
            gateway_log::after(self.call, restart, &new, self.gateway.timeout)
        });
        match restarted {
            Ok(seen) => Ok((backup, begun.before, seen)),
            // Nobody knows whether the gateway accepted it, which is no reason to go back.
            Err(err) if signals::interrupted() => Err(anyhow::Error::from(err).context(
                "the new registration is installed, and the next run restarts the gateway once more",
            )),
            Err(err) => Err(self.go_back(installation, &begun, restart, &work, &err.into())),
        }
    }

    /// Puts the old registration back and restarts the gateway with it. The new one is kept.
    fn go_back(
        &self,
        installation: &Installation,
        begun: &Begun,
        restart: &Restart,
        work: &Work,
        why: &anyhow::Error,
    ) -> anyhow::Error {
        let log = &self.call.log;
        log.error(log::sentence(why));
        if let Some(advice) = log::advice(why) {
            log.error(advice);
        }
        log.warn("putting the old registration back");
        let kind = exit::kind_of(why).unwrap_or(Kind::Refused);
        let back = self
            .state
            .turn_back()
            .and_then(|()| self.put_back(installation, begun, work));
        if let Err(err) = back {
            return anyhow::Error::from(err).context(format!(
                "{} holds the new registration, the gateway did not start with it, and the old one cannot be put back",
                installation.name()
            ));
        }
        let kept = self.state.reject(&begun.new);
        let kept = kept.map_or_else(String::new, |kept| {
            format!(" The new registration is kept in {}.", kept.display())
        });
        let again = restart.run(
            self.gateway.restart_times,
            &work.hold,
            &self.call.clock,
            log,
        );
        let (what, advice) = match again {
            Ok(()) => {
                if let Err(err) = self.state.end() {
                    log.warn(log::sentence(&err.into()));
                }
                (
                    "the gateway could not be restarted with the new registration; the old one is in place again and the \
                     gateway has been restarted with it"
                        .to_owned(),
                    format!("Find out why the restart failed, then run flex-renew again.{kept}"),
                )
            }
            Err(err) => (
                format!(
                    "the gateway could not be restarted with the new registration, nor with the old one, which is in \
                     place again: {err}"
                ),
                format!(
                    "The restart itself does not work: look at the gateway now. The next run tries to restart it once \
                     more.{kept}"
                ),
            ),
        };
        Error::new(kind, what).advise(advice).into()
    }

    /// Restores exactly the files of before.
    fn put_back(&self, installation: &Installation, begun: &Begun, work: &Work) -> Result<()> {
        let there = installation.read_with(&begun.new)?;
        let mut known = vec![&begun.new, &begun.before];
        if !is_usable(&there, &installation.name()) {
            // Half-written, where a file cannot be replaced as a whole.
            known.push(&there);
        }
        match installation.install(&begun.before, &begun.new, &known, work)? {
            None => installation.check(&begun.before),
            Some(there) => {
                let copy = self.state.back_up(&there, self.call.clock.now())?;
                Err(Error::new(
                    Kind::Refused,
                    format!(
                        "{} was changed by somebody else meanwhile, and stays as it is",
                        installation.name()
                    ),
                )
                .advise(format!(
                    "Look at flex-renew inspect and at the gateway. A copy of what is there is kept in {}.",
                    copy.display()
                )))
            }
        }
    }
}

/// Whether a gateway could be started with what is there.
fn is_usable(there: &Files, name: &str) -> bool {
    there
        .parse(name)
        .is_ok_and(|registration| registration.has_key)
}

/// Nothing new is begun once this process was told to stop.
fn stopped_before(what: &str, advice: &str) -> Result<()> {
    if !signals::interrupted() {
        return Ok(());
    }
    let err = Error::new(
        Kind::Unreachable,
        format!("stopped by a signal before {what}"),
    );
    Err(if advice.is_empty() {
        err
    } else {
        err.advise(advice)
    })
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
    if let (Some(Seen::Missing(what)), None) = (&renewed.log, &renewed.proof) {
        return Err(Error::new(
            Kind::Unproved,
            format!("the new registration is installed, but nothing proves it: {what}"),
        )
        .advise("The new file stays. Look at the gateway's log.")
        .into());
    }
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
    let answer = match (installation, restart.first()) {
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
