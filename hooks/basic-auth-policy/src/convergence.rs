//! Bringing the policy of an API to what is desired, whatever is there already.

use std::cell::Cell;

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::{
    BASIC_AUTHENTICATION, BasicChange, MULESOFT_GROUP, NewBasic, Policy, PolicyId,
    lacks_implementation,
};
use common::cli::{Invocation, confirm};
use common::error::{Error, Kind, Result};
use semver::Version;
use serde::Serialize;

use crate::desired::DesiredPolicy;
use crate::memory::Memory;
use crate::plan::{self, Differences};
use crate::read_back::{self, read_back};
use crate::session::{self, Session};

/// Work on the policy of one API.
#[derive(Debug)]
pub(crate) struct Convergence<'a> {
    pub(crate) call: &'a Invocation,
    pub(crate) session: &'a Session,
    pub(crate) api: &'a ApiInstance,
    pub(crate) desired: &'a DesiredPolicy,
    pub(crate) memory: Memory<'a>,
    /// Whether a write was accepted, or may have been: the password may be in force then, however the run ends.
    pub(crate) may_have_written: Cell<bool>,
}

/// What was done to the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Created,
    Changed,
    Unchanged,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Converged {
    pub(crate) action: Action,
    pub(crate) changes: Vec<String>,
    pub(crate) id: PolicyId,
    pub(crate) version: Option<String>,
    /// Position among the policies, from 1.
    pub(crate) order: Option<usize>,
}

/// What one round of writing did.
struct Written {
    action: Action,
    changes: Vec<String>,
}

impl Convergence<'_> {
    /// Looks, writes what differs, and reads back. When an answer was lost or somebody else was faster, it looks again:
    /// whatever is there then is only changed, so nothing is applied twice. Nothing comes of it where the user was asked
    /// and declined.
    pub(crate) fn run(&self) -> Result<Option<Converged>> {
        let mut lost = false;
        loop {
            let before = self.session.policies(self.api)?;
            let applied = session::basic(self.call, self.api, &before)?;
            if let Some(applied) = applied
                && !lost
                && !self.may_narrow(applied)?
            {
                return Ok(None);
            }
            let outcome = self.write(applied);
            if match &outcome {
                Ok(written) => written.action != Action::Unchanged,
                Err(err) => err.effect_unknown(),
            } {
                self.may_have_written.set(true);
            }
            let written = match outcome {
                Ok(written) => written,
                Err(err) if !lost && (err.effect_unknown() || err.status() == Some(409)) => {
                    self.call
                        .log
                        .debug("the outcome is not known, looking at what is there");
                    lost = true;
                    if err.status() == Some(409) && applied.is_none() {
                        self.must_be_there_now(err)?;
                    }
                    continue;
                }
                Err(err) if err.effect_unknown() => return Err(err.as_kind(Kind::Unproved)),
                Err(err) => return Err(err),
            };
            return self.finish(written).map(Some);
        }
    }

    /// What [`Convergence::run`] would do, where the versions that the platform offers run on the API.
    pub(crate) fn planned(&self) -> Result<(Action, Vec<String>)> {
        let policies = self.session.policies(self.api)?;
        let Some(applied) = session::basic(self.call, self.api, &policies)? else {
            self.versions(None)?;
            return Ok((Action::Created, Vec::new()));
        };
        let versions = self.versions(Some(applied))?;
        let mut changes = self.differences(applied, &versions[0]).words;
        if let Some(order) = self.desired.rest.order
            && plan::reordered(&policies, applied.id, order).is_some()
        {
            changes.push(format!("position {order}"));
        }
        let action = if changes.is_empty() {
            Action::Unchanged
        } else {
            Action::Changed
        };
        Ok((action, changes))
    }

    fn differences(&self, applied: &Policy, version: &Version) -> Differences {
        let configuration = self.desired.configuration();
        let password = self
            .memory
            .compare(self.session, self.api, applied, configuration);
        Differences::between(
            applied,
            &self.desired.username.value,
            password,
            version,
            &self.desired.rest.scope,
        )
    }

    /// Asks whether requests may get through that the policy refuses now, where that is what is desired.
    fn may_narrow(&self, applied: &Policy) -> Result<bool> {
        let rest = &self.desired.rest;
        if rest.may_narrow || !plan::narrows(applied, &rest.scope) {
            return Ok(true);
        }
        confirm(&format!(
            "Limit Basic Authentication of {} to other methods or paths than now? Anybody can send the requests that it \
             is no longer for.",
            self.api.shown()
        ))
    }

    fn must_be_there_now(&self, refused: Error) -> Result<()> {
        let policies = self.session.policies(self.api)?;
        if policies.iter().any(Policy::is_basic) {
            return Ok(());
        }
        Err(refused.advise(
            "The platform says that the policy is applied already, but does not list it on this instance: it may be an \
             automated policy of the environment (API Manager > Automated Policies).",
        ))
    }

    fn write(&self, applied: Option<&Policy>) -> Result<Written> {
        let versions = self.versions(applied)?;
        match applied {
            None => self.create(&versions),
            Some(applied) => self.change(applied, &versions),
        }
    }

    fn versions(&self, applied: Option<&Policy>) -> Result<Vec<Version>> {
        if let Some(version) = &self.desired.rest.version {
            return Ok(vec![version.clone()]);
        }
        let offered = self.session.client.policy_versions(
            &self.session.at,
            self.api.id,
            MULESOFT_GROUP,
            BASIC_AUTHENTICATION,
        )?;
        let upgrade = self.desired.rest.upgrade;
        if !upgrade && let Some(newest) = plan::next_major(&offered, applied) {
            self.call.log.info(format!(
                "version {newest} of the policy is there, a new major version: apply --upgrade moves to it"
            ));
        }
        let versions = plan::versions(offered, applied, upgrade);
        if versions.is_empty() {
            return Err(Error::not_found(format!(
                "the platform offers no published version of Basic Authentication for {}",
                self.api.shown()
            ))
            .advise("Name the version with --policy-version, for example 1.3.2."));
        }
        Ok(versions)
    }

    fn create(&self, versions: &[Version]) -> Result<Written> {
        let resources = self.desired.rest.scope.resources(None);
        let order = self
            .desired
            .rest
            .order
            .and_then(|order| i64::try_from(order.get()).ok());
        self.first_version_that_runs(versions, |version| {
            self.session.client.apply_basic(
                &self.session.at,
                self.api.id,
                &NewBasic {
                    version: &version.to_string(),
                    configuration: self.desired.configuration(),
                    resources: resources.as_deref(),
                    order,
                },
            )
        })?;
        Ok(Written {
            action: Action::Created,
            changes: Vec::new(),
        })
    }

    fn change(&self, applied: &Policy, versions: &[Version]) -> Result<Written> {
        let configuration = self.desired.configuration();
        let scope = &self.desired.rest.scope;
        let mut changes = Vec::new();
        let write = |version: &Version| {
            let found = self.differences(applied, version);
            changes.clone_from(&found.words);
            if !found.any() {
                return Ok(());
            }
            let resources = scope.resources(applied.resources.as_deref());
            self.session.client.change_basic(
                &self.session.at,
                self.api.id,
                applied,
                &BasicChange {
                    version: found.version.as_deref(),
                    configuration: found.configuration.then_some(configuration),
                    resources: resources.as_deref(),
                    disabled: found.enable.then_some(false),
                },
            )
        };
        self.first_version_that_runs(versions, write)?;
        Ok(Written {
            action: if changes.is_empty() {
                Action::Unchanged
            } else {
                Action::Changed
            },
            changes,
        })
    }

    /// Tries the versions, best first, for as long as the platform says that one has no implementation for the runtime.
    fn first_version_that_runs(
        &self,
        versions: &[Version],
        mut write: impl FnMut(&Version) -> Result<()>,
    ) -> Result<()> {
        let mut versions = versions.iter().peekable();
        while let Some(version) = versions.next() {
            match write(version) {
                Err(err) if lacks_implementation(&err) && versions.peek().is_some() => {
                    self.call.log.debug(format!(
                        "version {version} does not run on {}, trying the one before",
                        self.api.technology
                    ));
                }
                Err(err) if lacks_implementation(&err) => {
                    return Err(err.advise(format!(
                        "Version {version} of the policy does not run on this API's runtime: choose another one with \
                         --policy-version."
                    )));
                }
                Err(err) if err.status() == Some(400) => {
                    return Err(err.advise(
                        "The platform did not accept the policy's configuration; check --policy-version, --methods and \
                         --paths.",
                    ));
                }
                outcome => return outcome,
            }
        }
        Ok(())
    }

    /// Reads back until everything is as desired, moves the policy to its position, and remembers what was written.
    fn finish(&self, written: Written) -> Result<Converged> {
        let Written {
            mut action,
            mut changes,
        } = written;
        let (mut policies, mut id) = self.read_back_until(|_, _| true)?;
        if let Some(order) = self.desired.rest.order
            && let Some(ids) = plan::reordered(&policies, id, order)
        {
            self.session
                .client
                .order_policies(&self.session.at, self.api.id, &ids)?;
            changes.push(format!("position {order}"));
            if action == Action::Unchanged {
                action = Action::Changed;
            }
            (policies, id) = self
                .read_back_until(|policies, id| plan::reordered(policies, id, order).is_none())?;
        }
        let policy = policies.iter().find(|policy| policy.id == id);
        if action != Action::Unchanged {
            self.memory.remember(
                self.session,
                self.api,
                id,
                self.desired.configuration(),
                policy.and_then(|policy| policy.updated.as_deref()),
            );
        }
        Ok(Converged {
            action,
            changes,
            id,
            version: policy.and_then(|policy| policy.version.clone()),
            order: plan::position(&policies, id),
        })
    }

    fn read_back_until(
        &self,
        also: impl Fn(&[Policy], PolicyId) -> bool,
    ) -> Result<(Vec<Policy>, PolicyId)> {
        let is_there = |policies: Vec<Policy>| {
            let id = session::basic(self.call, self.api, &policies)?
                .filter(|policy| self.is_as_desired(policy))
                .map(|policy| policy.id)
                .filter(|id| also(&policies, *id));
            Ok(id.map(|id| (policies, id)))
        };
        read_back(self.call, self.session, self.api, is_there)?.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "the policy of {} was written, and the platform still lists it differently after {} s",
                    self.api.shown(),
                    read_back::LIMIT.as_secs()
                ),
            )
            .advise("Look with basic-auth-policy status, and run apply again.")
        })
    }

    fn is_as_desired(&self, policy: &Policy) -> bool {
        let user = policy
            .username
            .as_deref()
            .is_none_or(|user| user == self.desired.username.value);
        let resources = policy.resources.as_deref();
        let scope = self.desired.rest.scope.resources(resources) == policy.resources;
        user && scope && !policy.disabled
    }
}
