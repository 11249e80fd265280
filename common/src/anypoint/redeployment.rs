//! A redeployment from its beginning to its end, and the wait for one that others began.

use std::time::Duration;

use super::Client;
use super::api_instances::Location;
use super::deployments::{Deployment, Progress, Redeployment};
use crate::cli::Invocation;
use crate::error::{Error, Kind, Result};
use crate::system::polling::{Look, Pauses, poll};

/// Between two looks, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// Who redeploys where, and how long each wait may take.
#[derive(Debug, Clone, Copy)]
pub struct Redeploying<'a> {
    /// The call that waits.
    pub call: &'a Invocation,
    /// Who is logged in.
    pub client: &'a Client,
    /// Where the application is.
    pub at: &'a Location,
    /// The longest wait.
    pub limit: Duration,
}

impl Redeploying<'_> {
    /// The application as it is now.
    ///
    /// # Errors
    ///
    /// Those of [`Client::deployment`].
    pub fn look(&self, of: &Deployment) -> Result<Deployment> {
        // A wait has a limit of its own.
        self.client.for_target().deployment(self.at, &of.id)
    }

    /// Waits for a redeployment that is under way: of a run that was killed, or somebody else's.
    ///
    /// # Errors
    ///
    /// Unproved: it takes too long. Those of [`Client::deployment`].
    pub fn settled(&self, application: Deployment) -> Result<Deployment> {
        if !application.is_being_redeployed() {
            return Ok(application);
        }
        let name = &application.name;
        let what = format!("{name} is being redeployed; waiting for the end of that");
        self.call.log.info(&what);
        let progress = self.call.progress(what);
        let settled = self.poll(|| {
            let now = self.look(&application)?;
            progress.tick(self.limit, &now.status);
            Ok((!now.is_being_redeployed()).then_some(now))
        })?;
        settled.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{name} is still being redeployed after {} s; nothing was changed now",
                    self.limit.as_secs()
                ),
            )
            .advise("Look at Runtime Manager, and run this again.")
        })
    }

    /// Waits as [`Redeploying::settled`], after the platform has refused a change since another one is being applied: that
    /// one may not show yet.
    ///
    /// # Errors
    ///
    /// Those of [`Redeploying::settled`].
    pub fn settled_after_refusal(&self, application: &Deployment) -> Result<Deployment> {
        let [pause, _] = PAUSES;
        self.call.clock.sleep(pause);
        self.settled(self.look(application)?)
    }

    /// Changes an application, which restarts, and returns how it is then.
    ///
    /// # Errors
    ///
    /// Refused: somebody else has changed it since `of` was read, or the platform does not take the change. Unproved: it is not
    /// known whether the change took effect.
    pub fn begin(&self, of: &Deployment, change: Redeployment<'_>) -> Result<Deployment> {
        // The platform has no condition for a change, so this is as late as one of somebody else can be seen.
        if self.look(of)?.desired_version != of.desired_version {
            return Err(Error::new(
                Kind::Refused,
                format!("somebody else has changed {} meanwhile", of.name),
            )
            .advise("Nothing was changed: run this again."));
        }
        self.call
            .log
            .info(format!("redeploying {}; it restarts", of.name));
        let changed = self.client.for_target().redeploy(self.at, of, change);
        match changed {
            Err(err) if !err.effect_unknown() => Err(err),
            changed => {
                let written = self.look(of)?;
                match changed {
                    Err(err) if written.desired_version == of.desired_version => {
                        Err(err.as_kind(Kind::Unproved))
                    }
                    _ => Ok(written),
                }
            }
        }
    }

    /// Waits until the change of `before` that [`Redeploying::begin`] made is running.
    ///
    /// # Errors
    ///
    /// Refused: the platform gave it up, see [`failure`]. Unproved: it takes too long. Those of [`Client::deployment`].
    pub fn finished(
        &self,
        before: &Deployment,
        is_wanted: impl Fn(&Deployment) -> bool,
    ) -> Result<Deployment> {
        let progress = self
            .call
            .progress(format!("waiting for the redeployment of {}", before.name));
        let running = self.poll(|| {
            let now = self.look(before)?;
            progress.tick(self.limit, &now.status);
            let is_new =
                now.desired_version.is_none() || now.desired_version != before.desired_version;
            match now.progress() {
                Progress::Failed if is_new => Err(failure(&now)),
                Progress::Running if is_new && is_wanted(&now) => Ok(Some(now)),
                _ => Ok(None),
            }
        })?;
        running.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{} was changed and is not redeployed after {} s",
                    before.name,
                    self.limit.as_secs()
                ),
            )
            .advise("Look at Runtime Manager, and run this again.")
        })
    }

    /// Asks until there is something; nothing if the time is over.
    ///
    /// # Errors
    ///
    /// That of a question, unless the platform was only away for a moment.
    pub fn poll<T>(&self, ask: impl Fn() -> Result<Option<T>>) -> Result<Option<T>> {
        let look = || match ask() {
            Ok(Some(found)) => Ok(Look::Done(found)),
            Ok(None) => Ok(Look::NotYet(())),
            // The application is being redeployed all the same.
            Err(err) if err.kind() == Kind::Unreachable => {
                self.call.log.debug(err.to_string());
                Ok(Look::NotYet(()))
            }
            Err(err) => Err(err),
        };
        let [first, longest] = PAUSES;
        let pauses = Pauses::doubling(first, longest);
        let last = poll(self.call.clock.as_ref(), self.limit, pauses, look, |()| {})?;
        Ok(match last {
            Look::Done(found) => Some(found),
            Look::NotYet(()) => None,
        })
    }
}

/// The error for a redeployment that the platform gave up.
pub fn failure(now: &Deployment) -> Error {
    let why = if now.reasons.is_empty() {
        "the platform gives no reason".to_owned()
    } else {
        now.reasons.join("; ")
    };
    Error::new(
        Kind::Refused,
        format!(
            "the redeployment of {} failed ({}): {why}",
            now.name, now.status
        ),
    )
    .advise("Look at the application's log in Runtime Manager.")
}
