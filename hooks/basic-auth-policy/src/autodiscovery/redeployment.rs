//! A redeployment with other properties or another version.

use common::anypoint::api_instances::Activity;
use common::anypoint::deployments::{AllProperties, Deployment, Redeployment};
use common::anypoint::redeployment::{Redeploying, failure};
use common::error::{Error, Kind, Result};

use super::backup::Backup;
use super::connection::{Connection, Secrets};
use super::properties::Changes;
use super::secrets;

/// What to do when the platform gave up.
const TAKE_BACK: &str =
    "Look at the application's log in Runtime Manager; autodiscover --undo takes the change back.";

impl Connection<'_> {
    fn redeploying(&self) -> Redeploying<'_> {
        Redeploying {
            call: self.call,
            client: &self.session.client,
            at: &self.session.at,
            limit: self.args.timeout,
        }
    }

    /// Waits for a redeployment that is under way, unless nothing is going to be changed.
    pub(crate) fn settled(&self, application: Deployment) -> Result<Deployment> {
        if self.args.dry_run {
            return Ok(application);
        }
        self.redeploying().settled(application)
    }

    /// Redeploys an application with `changes`, `secrets` being the values of all protected properties that it is to have.
    pub(crate) fn redeploy(
        &self,
        of: &Deployment,
        changes: &Changes,
        secrets: &Secrets,
    ) -> Result<()> {
        let change = Redeployment {
            properties: changes.properties.as_ref().map(|plain| AllProperties {
                plain,
                protected: secrets,
            }),
            version: changes.version.as_deref(),
            inbound: None,
        };
        let written = self.redeploying().begin(of, change)?;
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

    /// Waits until the application runs with `changes`.
    pub(crate) fn wait_until_running(&self, before: &Deployment, changes: &Changes) -> Result<()> {
        let properties = changes.properties.as_ref().unwrap_or(&before.properties);
        let version = changes.version.as_deref().or(before.version());
        let running = self.redeploying().finished(before, |now| {
            now.properties == *properties && now.version() == version
        });
        match running {
            Ok(_) => Ok(()),
            Err(err) if err.kind() == Kind::Refused => Err(err.advise(TAKE_BACK)),
            Err(err) if err.kind() == Kind::Unproved => Err(err.advise(
                "Look at Runtime Manager; run autodiscover again, or take it back with --undo.",
            )),
            Err(err) => Err(err),
        }
    }

    /// Waits until a gateway tracks the API instance.
    pub(crate) fn wait_until_active(&self) -> Result<Activity> {
        let progress = self
            .call
            .progress(format!("waiting for API instance {}", self.api.id));
        let active = self.redeploying().poll(|| {
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
            inbound: None,
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
    failure(now).advise(TAKE_BACK)
}
