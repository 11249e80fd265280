//! A change of properties, and the redeployment that follows.

use std::time::Duration;

use common::anypoint::api_instances::Activity;
use common::anypoint::deployments::{Deployment, Progress};
use common::error::{Error, Kind, Result};
use common::system::polling::{Look, Pauses, poll};

use super::connection::Connection;
use super::properties::Properties;
use super::secrets::Secrets;

/// Between two looks at a redeployment, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

impl Connection<'_> {
    /// Replaces all properties of an application.
    pub(crate) fn replace(
        &self,
        of: &Deployment,
        properties: &Properties,
        secrets: &Secrets,
    ) -> Result<()> {
        self.call.log.info(format!(
            "changing the properties of {}; it restarts",
            of.name
        ));
        let changed =
            self.session
                .client
                .replace_properties(&self.session.at, of, properties, secrets);
        match changed {
            Err(err) if err.effect_unknown() => {
                let now = self.look(of)?;
                if now.desired_version != of.desired_version {
                    return Ok(());
                }
                Err(err.as_kind(Kind::Unproved))
            }
            changed => changed,
        }
    }

    fn look(&self, of: &Deployment) -> Result<Deployment> {
        // A wait has a limit of its own.
        let session = self.session.for_target();
        session.client.deployment(&session.at, &of.id)
    }

    /// Waits until the application runs with `properties`.
    pub(crate) fn wait_until_running(
        &self,
        before: &Deployment,
        properties: &Properties,
    ) -> Result<()> {
        let progress = self
            .call
            .progress(format!("waiting for the redeployment of {}", before.name));
        let running = self.poll(|| {
            let now = self.look(before)?;
            progress.tick(self.args.timeout, &now.status);
            let is_new = now.desired_version.is_none()
                || now.desired_version != before.desired_version
                || before.properties == *properties;
            match now.progress() {
                Progress::Failed if is_new => Err(failed(&now, &before.name)),
                Progress::Running if is_new && now.properties == *properties => Ok(Some(())),
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
                    "{} runs with the new properties, and API instance {} is not active after {} s",
                    self.args.app,
                    self.api.shown(),
                    self.args.timeout.as_secs()
                ),
            )
            .advise(format!(
                "Its autodiscovery element must take the instance from the property {} (apiId=\"${{{}}}\") and name the \
                 flow with the listener; client id and secret must be those of this environment. Go back with --undo.",
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

    /// Restores the previous properties after a redeployment that failed. The error stays the same.
    pub(crate) fn go_back(&self, before: &Deployment, secrets: &Secrets, err: Error) -> Error {
        if err.kind() != Kind::Refused {
            return err;
        }
        let old: Secrets = secrets
            .iter()
            .filter(|(name, _)| before.secure_names.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let session = self.session.for_target();
        let back = session
            .client
            .replace_properties(&session.at, before, &before.properties, &old);
        match back {
            Ok(()) => self.call.log.warn(format!(
                "the previous properties of {} were restored, with the protected values given",
                before.name
            )),
            Err(back) => self.call.log.warn(format!(
                "the previous properties could not be restored: {back}; try autodiscover --undo"
            )),
        }
        err
    }
}

fn failed(now: &Deployment, name: &str) -> Error {
    let why = if now.reasons.is_empty() {
        "the platform gives no reason".to_owned()
    } else {
        now.reasons.join("; ")
    };
    Error::new(
        Kind::Refused,
        format!("the redeployment of {name} failed ({}): {why}", now.status),
    )
    .advise("Look at the application's log in Runtime Manager.")
}
