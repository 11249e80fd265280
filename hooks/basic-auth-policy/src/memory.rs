//! What was written last. The platform never returns a password, so a keyed hash of it is remembered.

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::{BasicConfiguration, Policy, PolicyId};
use common::cli::Invocation;
use common::system::fingerprints::{Fingerprints, Match};

use crate::session::Session;

/// What the program calls its files in the state folder.
pub(crate) const PROGRAM: &str = "basic-auth-policy";

/// The memory of one call: where there is no place for it, nothing is known and nothing is kept.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    call: &'a Invocation,
    fingerprints: Option<Fingerprints>,
}

impl<'a> Memory<'a> {
    /// Opens the memory.
    pub(crate) fn of(call: &'a Invocation) -> Self {
        let fingerprints = Fingerprints::of(call.env(), PROGRAM);
        if fingerprints.is_none() {
            call.log.warn(
                "neither XDG_STATE_HOME nor HOME is set: what was written cannot be remembered, so the password is \
                 written each time",
            );
        }
        Self { call, fingerprints }
    }

    /// The file behind it.
    pub(crate) fn fingerprints(&self) -> Option<&Fingerprints> {
        self.fingerprints.as_ref()
    }

    /// How user and password compare with what was written last to `policy`.
    pub(crate) fn compare(
        &self,
        session: &Session,
        api: &ApiInstance,
        policy: &Policy,
        configuration: BasicConfiguration<'_>,
    ) -> Match {
        let Some(fingerprints) = &self.fingerprints else {
            return Match::Unknown;
        };
        let secret = [configuration.username, configuration.password.expose()];
        fingerprints
            .compare(
                &subject(session, api, policy.id),
                &secret,
                policy.updated.as_deref(),
            )
            .unwrap_or_else(|err| {
                self.call.log.warn(err.to_string());
                Match::Unknown
            })
    }

    /// Remembers what was written. Without it the next run writes once more, so a failure is only a warning.
    pub(crate) fn remember(
        &self,
        session: &Session,
        api: &ApiInstance,
        policy: PolicyId,
        configuration: BasicConfiguration<'_>,
        updated: Option<&str>,
    ) {
        let Some(fingerprints) = &self.fingerprints else {
            return;
        };
        let secret = [configuration.username, configuration.password.expose()];
        let subject = subject(session, api, policy);
        if let Err(err) = fingerprints.remember(&subject, &secret, updated) {
            self.call
                .log
                .warn(format!("{err}: the next run will write the password again"));
        }
    }

    /// A change of our own that leaves the password alone does not make it unknown.
    pub(crate) fn follow(
        &self,
        session: &Session,
        api: &ApiInstance,
        before: &Policy,
        after: &Policy,
    ) {
        let Some(fingerprints) = &self.fingerprints else {
            return;
        };
        let moved = fingerprints.follow(
            &subject(session, api, before.id),
            before.updated.as_deref(),
            after.updated.as_deref(),
        );
        if let Err(err) = moved {
            self.call.log.warn(err.to_string());
        }
    }

    /// Forgets a policy that is gone.
    pub(crate) fn forget(&self, session: &Session, api: &ApiInstance, policy: PolicyId) {
        let Some(fingerprints) = &self.fingerprints else {
            return;
        };
        if let Err(err) = fingerprints.forget(&subject(session, api, policy)) {
            self.call.log.warn(err.to_string());
        }
    }
}

/// The name of a policy in the memory.
fn subject(session: &Session, api: &ApiInstance, policy: PolicyId) -> String {
    let at = &session.at;
    format!("{}/{}/{}/{policy}", at.organization, at.environment, api.id)
}
