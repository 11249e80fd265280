//! `enable`, `disable`, `remove`.

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::Policy;
use common::cli::exit::Outcome;
use common::error::{Error, Result};
use common::log::Report;
use serde::Serialize;

use crate::apply;
use crate::session::{Context, Session};

#[derive(Debug, Serialize)]
struct Switched {
    api: String,
    api_instance_id: u64,
    policy_id: Option<u64>,
    /// `enabled`, `disabled` or `removed`.
    state: &'static str,
    changed: bool,
}

impl Report for Switched {
    fn text(&self) -> String {
        let policy = match self.policy_id {
            Some(id) => format!("Basic Authentication (policy {id})"),
            None => "Basic Authentication".to_owned(),
        };
        let already = if self.changed { "" } else { " already" };
        format!("{}: {policy} is{already} {}", self.api, self.state)
    }
}

/// An API and its policy, if it has one.
struct Found {
    session: Session,
    api: ApiInstance,
    policy: Option<Policy>,
}

fn find(context: &Context<'_>) -> Result<Found> {
    let wanted = context.wanted_api()?;
    let session = context.prepare()?.log_in()?;
    let api = session.api(&wanted)?;
    let policies = session.client.policies(&session.at, api.id)?;
    let policy = Session::basic(&api, &policies, context.target.policy_id)?.cloned();
    Ok(Found {
        session,
        api,
        policy,
    })
}

impl Found {
    fn policy(&self) -> Result<&Policy> {
        self.policy.as_ref().ok_or_else(|| {
            Error::not_found(format!(
                "API {} has no Basic Authentication policy of its own",
                self.api.shown()
            ))
            .advise("Apply one with basic-auth-policy apply.")
        })
    }

    fn report(&self, context: &Context<'_>, state: &'static str, changed: bool) -> Result<Outcome> {
        context.out.result(&Switched {
            api: self.api.shown(),
            api_instance_id: self.api.id.0,
            policy_id: self.policy.as_ref().map(|policy| policy.id.0),
            state,
            changed,
        })?;
        Ok(Outcome::Done)
    }

    fn switch(&self, context: &Context<'_>, disabled: bool) -> Result<Outcome> {
        let policy = self.policy()?;
        let changed = policy.disabled != disabled;
        if changed {
            self.session.client.switch_policy(
                &self.session.at,
                self.api.id,
                policy.id,
                disabled,
            )?;
            self.keep_memory(context, policy)?;
        }
        let state = if disabled { "disabled" } else { "enabled" };
        self.report(context, state, changed)
    }

    /// Our own change is none that makes the password unknown.
    fn keep_memory(&self, context: &Context<'_>, before: &Policy) -> Result<()> {
        let after = self
            .session
            .client
            .policies(&self.session.at, self.api.id)?;
        let after = after.iter().find(|policy| policy.id == before.id);
        let subject = apply::subject(&self.session, &self.api, before.id);
        if let (Some(memory), Some(after)) = (apply::memory(context), after) {
            let moved = memory.follow(
                &subject,
                before.updated.as_deref(),
                after.updated.as_deref(),
            );
            if let Err(err) = moved {
                context.out.warn(err.to_string());
            }
        }
        Ok(())
    }
}

/// Switches the policy on.
pub(crate) fn enable(context: &Context<'_>) -> anyhow::Result<Outcome> {
    let found = find(context)?;
    let outcome = found.switch(context, false)?;
    apply::warn_if_not_active(context, &found.api);
    Ok(outcome)
}

/// Switches the policy off.
pub(crate) fn disable(context: &Context<'_>, yes: bool) -> anyhow::Result<Outcome> {
    let found = find(context)?;
    let policy = found.policy()?;
    if !policy.disabled && !agreed(context, yes, &found.api, "Switch off")? {
        return Ok(Outcome::Done);
    }
    Ok(found.switch(context, true)?)
}

/// Removes the policy.
pub(crate) fn remove(context: &Context<'_>, yes: bool) -> anyhow::Result<Outcome> {
    let found = find(context)?;
    let Some(policy) = &found.policy else {
        return Ok(found.report(context, "removed", false)?);
    };
    if !agreed(context, yes, &found.api, "Remove")? {
        return Ok(Outcome::Done);
    }
    found
        .session
        .client
        .remove_policy(&found.session.at, found.api.id, policy.id)?;
    if let Some(memory) = apply::memory(context) {
        let subject = apply::subject(&found.session, &found.api, policy.id);
        if let Err(err) = memory.forget(&subject) {
            context.out.warn(err.to_string());
        }
    }
    Ok(found.report(context, "removed", true)?)
}

fn agreed(context: &Context<'_>, yes: bool, api: &ApiInstance, what: &str) -> Result<bool> {
    let question = format!(
        "{what} Basic Authentication of {}? Anybody can call the API then.",
        api.shown()
    );
    if yes || context.out.confirm(&question)? {
        return Ok(true);
    }
    context.out.info("nothing was changed");
    Ok(false)
}
