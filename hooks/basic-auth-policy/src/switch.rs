//! The policy that an API has, to switch it on and off or to remove it.

use common::anypoint::api_instances::{Activity, ApiInstance};
use common::anypoint::policies::Policy;
use common::cli::{Invocation, Outcome, Report, confirm};
use common::error::{Error, Result};
use serde::Serialize;

use crate::memory::Memory;
use crate::session::{self, Session};

/// An API and its policy, if it has one.
#[derive(Debug)]
pub(crate) struct Protection {
    pub(crate) session: Session,
    pub(crate) api: ApiInstance,
    pub(crate) policy: Option<Policy>,
}

/// What became of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Enabled,
    Disabled,
    Removed,
}

#[derive(Debug, Serialize)]
struct Switched {
    api: String,
    api_instance_id: u64,
    policy_id: Option<u64>,
    state: State,
    changed: bool,
}

impl Report for Switched {
    fn text(&self) -> String {
        let policy = match self.policy_id {
            Some(id) => format!("Basic Authentication (policy {id})"),
            None => "Basic Authentication".to_owned(),
        };
        let already = if self.changed { "" } else { " already" };
        let state = match self.state {
            State::Enabled => "enabled",
            State::Disabled => "disabled",
            State::Removed => "removed",
        };
        format!("{}: {policy} is{already} {state}", self.api)
    }
}

impl Protection {
    /// Looks up the API that is set, and its policy.
    pub(crate) fn find(call: &Invocation) -> Result<Self> {
        let selector = session::selected_api(call)?;
        let session = session::prepare(call)?.log_in()?;
        let api = session.api(&selector)?;
        let policies = session.policies(&api)?;
        let policy = session::basic(call, &api, &policies)?.cloned();
        Ok(Self {
            session,
            api,
            policy,
        })
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// Not found: the API has none.
    pub(crate) fn policy(&self) -> Result<&Policy> {
        self.policy.as_ref().ok_or_else(|| {
            Error::not_found(format!(
                "API {} has no Basic Authentication policy of its own",
                self.api.shown()
            ))
            .advise("Apply one with basic-auth-policy apply.")
        })
    }

    /// Switches the policy on or off, and shows the result.
    pub(crate) fn switch(&self, call: &Invocation, state: State) -> Result<Outcome> {
        let policy = self.policy()?;
        let disabled = state == State::Disabled;
        let changed = policy.disabled != disabled;
        if changed {
            let Session { client, at } = &self.session;
            client.switch_policy(at, self.api.id, policy.id, disabled)?;
            let after = self.session.policies(&self.api)?;
            if let Some(after) = after.iter().find(|after| after.id == policy.id) {
                Memory::of(call).follow(&self.session, &self.api, policy, after);
            }
        }
        self.show(call, state, changed)
    }

    /// Shows the result.
    pub(crate) fn show(&self, call: &Invocation, state: State, changed: bool) -> Result<Outcome> {
        call.result(&Switched {
            api: self.api.shown(),
            api_instance_id: self.api.id.0,
            policy_id: self.policy.as_ref().map(|policy| policy.id.0),
            state,
            changed,
        })?;
        Ok(Outcome::Done)
    }

    /// Asks whether the API may be opened, unless that was answered with `--yes`.
    pub(crate) fn may_open(&self, call: &Invocation, yes: bool, what: &str) -> Result<bool> {
        let question = format!(
            "{what} Basic Authentication of {}? Anybody can call the API then.",
            self.api.shown()
        );
        if yes || confirm(&question)? {
            return Ok(true);
        }
        call.log.info("nothing was changed");
        Ok(false)
    }
}

/// Warns that a policy on this instance protects nothing yet.
pub(crate) fn warn_if_not_active(call: &Invocation, api: &ApiInstance) {
    let why = match api.activity {
        Activity::Active | Activity::Unknown => return,
        Activity::Inactive => "no gateway tracks it any more",
        Activity::Unregistered => "no gateway has ever tracked it",
    };
    call.log.warn(format!(
        "API instance {} is {}: {why}, so the policy protects nothing yet. Connect the application with \
         basic-auth-policy autodiscover, or check its autodiscovery and anypoint.platform properties",
        api.shown(),
        api.activity
    ));
}
