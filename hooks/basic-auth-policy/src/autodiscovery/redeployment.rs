//! A redeployment with other properties or another version.

use std::time::Duration;

use common::anypoint::api_instances::Activity;
use common::anypoint::deployments::{AllProperties, Deployment, Progress, Redeployment};
use common::error::{Error, Kind, Result};
use common::system::polling::{Look, Pauses, poll};

use super::backup::Backup;
use super::connection::{Connection, Secrets};
use super::properties::Changes;
use super::secrets;
use crate::session::Session;

/// Between two looks at a redeployment, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

impl Connection<'_> {
    /// Waits for a redeployment that is under way: of a run that was killed, or somebody else's.
    pub(crate) fn settled(&self, application: Deployment) -> Result<Deployment> {
        if self.args.dry_run || !application.is_being_redeployed() {
            return Ok(application);
        }
        let name = &application.name;
        let what = format!("{name} is being redeployed; waiting for the end of that");
        self.call.log.info(&what);
        let progress = self.call.progress(what);
        let settled = self.poll(|| {
            let now = self.look(&application)?;
            progress.tick(self.args.timeout, &now.status);
            Ok((!now.is_being_redeployed()).then_some(now))
        })?;
        settled.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{name} is still being redeployed after {} s; nothing was changed now",
                    self.args.timeout.as_secs()
                ),
            )
            .advise("Look at Runtime Manager, and run autodiscover again.")
        })
    }

    /// Redeploys an application with `changes`, `secrets` being the values of all protected properties that it is to have.
    pub(crate) fn redeploy(
        &self,
        of: &Deployment,
        changes: &Changes,
        secrets: &Secrets,
    ) -> Result<()> {
        // The platform has no condition for a change, so this is as late as one of somebody else can be seen.
        if self.look(of)?.desired_version != of.desired_version {
            return Err(Error::new(
                Kind::Refused,
                format!("somebody else has changed {} meanwhile", of.name),
            )
            .advise("Nothing was changed: run autodiscover again."));
        }
        self.call
            .log
            .info(format!("redeploying {}; it restarts", of.name));
        let change = Redeployment {
            properties: changes.properties.as_ref().map(|plain| AllProperties {
                plain,
                protected: secrets,
            }),
            version: changes.version.as_deref(),
        };
        let Session { client, at } = self.session;
        let changed = client.redeploy(at, of, change);
        if let Err(err) = &changed
            && !err.effect_unknown()
        {
            return changed;
        }
        let written = self.look(of)?;
        if let Err(err) = changed
            && written.desired_version == of.desired_version
        {
            return Err(err.as_kind(Kind::Unproved));
        }
        // Before the wait: a run that is killed in it has written all the same.
        if changes.properties.is_some() {
            secrets::remember(self, &written, secrets);
        }
        Ok(())
    }

    /// What was begun with the application has come to its end.
    pub(crate) fn end(&self, of: &Deployment) {
        let Some(memory) = &self.memory else { return };
        if let Err(err) = Backup::end(memory, of) {
            self.call.log.warn(err.to_string());
        }
    }

    /// The same where the platform refused what was begun, so that nothing has changed.
    pub(crate) fn end_if_refused(&self, of: &Deployment, err: &Error) {
        if !matches!(err.kind(), Kind::Unreachable | Kind::Unproved) {
            self.end(of);
        }
    }

    fn look(&self, of: &Deployment) -> Result<Deployment> {
        // A wait has a limit of its own.
        let session = self.session.for_target();
        session.client.deployment(&session.at, &of.id)
    }

    /// Waits until the application runs with `changes`.
    pub(crate) fn wait_until_running(&self, before: &Deployment, changes: &Changes) -> Result<()> {
        let progress = self
            .call
            .progress(format!("waiting for the redeployment of {}", before.name));
        let properties = changes.properties.as_ref().unwrap_or(&before.properties);
        let version = changes.version.as_deref().or(before.version());
        let running = self.poll(|| {
            let now = self.look(before)?;
            progress.tick(self.args.timeout, &now.status);
            let is_new =
                now.desired_version.is_none() || now.desired_version != before.desired_version;
            let is_wanted = now.properties == *properties && now.version() == version;
            match now.progress() {
                Progress::Failed if is_new => Err(failed(&now)),
                Progress::Running if is_new && is_wanted => Ok(Some(())),
                _ => Ok(None),
            }
        })?;
        running.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{} was changed and is not redeployed after {} s",
                    before.name,
                    self.args.timeout.as_secs()
                ),
            )
            .advise("Look at Runtime Manager; run autodiscover again, or take it back with --undo.")
        })
    }

    /// Waits until a gateway tracks the API instance.
    pub(crate) fn wait_until_active(&self) -> Result<Activity> {
        let progress = self
            .call
            .progress(format!("waiting for API instance {}", self.api.id));
        let active = self.poll(|| {
            let session = self.session.for_target();
            let now = session.client.api(&session.at, self.api.id)?;
            progress.tick(self.args.timeout, &now.activity.to_string());
            Ok((now.activity == Activity::Active).then_some(now.activity))
        })?;
        active.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{} runs with its properties, and API instance {} is not active after {} s",
                    self.args.app,
                    self.api.shown(),
                    self.args.timeout.as_secs()
                ),
            )
            .advise(format!(
                "Its autodiscovery element must take the instance from the property {} (apiId=\"${{{}}}\") and name the \
                 flow with the listener; client id and secret must be those of this environment. Where its log shows that and it stays at 503, the \
                 last resort is --gatekeeper disabled, which lets requests pass without policies, and --gatekeeper \
                 flexible as soon as the instance is active. Go back with --undo.",
                self.args.property, self.args.property
            ))
        })
    }

    /// Asks until there is something, or the time is over.
    fn poll<T>(&self, ask: impl Fn() -> Result<Option<T>>) -> Result<Option<T>> {
        let look = || match ask() {
            Ok(Some(found)) => Ok(Look::Done(found)),
            Ok(None) => Ok(Look::NotYet(())),
            // The platform may be away for a moment; the application is being redeployed all the same.
            Err(err) if err.kind() == Kind::Unreachable => {
                self.call.log.debug(err.to_string());
                Ok(Look::NotYet(()))
            }
            Err(err) => Err(err),
        };
        let [first, longest] = PAUSES;
        let pauses = Pauses::doubling(first, longest);
        let last = poll(
            self.call.clock.as_ref(),
            self.args.timeout,
            pauses,
            look,
            |()| {},
        )?;
        Ok(match last {
            Look::Done(found) => Some(found),
            Look::NotYet(()) => None,
        })
    }

    /// Restores what was there before a redeployment that failed. The error stays the same.
    pub(crate) fn go_back(
        &self,
        before: &Deployment,
        changes: &Changes,
        secrets: &Secrets,
        err: Error,
    ) -> Error {
        if err.kind() != Kind::Refused {
            return err;
        }
        let old: Secrets = secrets
            .iter()
            .filter(|(name, _)| before.secure_names.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let restored = Redeployment {
            properties: changes.properties.as_ref().map(|_| AllProperties {
                plain: &before.properties,
                protected: &old,
            }),
            version: changes.version.as_ref().and(before.version()),
        };
        let session = self.session.for_target();
        let restored = session.client.redeploy(&session.at, before, restored);
        if restored.is_ok() {
            self.end(before);
        }
        match restored {
            Ok(()) if changes.properties.is_some() => self.call.log.warn(format!(
                "the previous properties of {} were restored, with the protected values given",
                before.name
            )),
            Ok(()) => self.call.log.warn(format!(
                "the previous version of {} was restored",
                before.name
            )),
            Err(back) => self.call.log.warn(format!(
                "what was there before could not be restored: {back}; try autodiscover --undo"
            )),
        }
        err
    }
}

/// The error for a redeployment that the platform gave up.
pub(crate) fn failed(now: &Deployment) -> Error {
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
    .advise("Look at the application's log in Runtime Manager; autodiscover --undo takes the change back.")
}
