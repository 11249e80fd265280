//! `remove`: the policy goes.

use common::cli::{Invocation, Outcome};

use crate::args::ConfirmArgs;
use crate::memory::Memory;
use crate::session::Session;
use crate::switch::{Protection, State};

pub(crate) fn run(call: &Invocation, args: &ConfirmArgs) -> anyhow::Result<Outcome> {
    let found = Protection::find(call)?;
    let Some(policy) = &found.policy else {
        return Ok(found.show(call, State::Removed, false)?);
    };
    if !found.may_open(call, args.yes, "Remove")? {
        return Ok(Outcome::Done);
    }
    let Session { client, at } = &found.session;
    client.remove_policy(at, found.api.id, policy.id)?;
    Memory::of(call).forget(&found.session, &found.api, policy.id);
    Ok(found.show(call, State::Removed, true)?)
}
