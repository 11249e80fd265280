//! `disable`: the policy is switched off.

use common::cli::{Invocation, Outcome};

use crate::args::ConfirmArgs;
use crate::switch::{Protection, State};

pub(crate) fn run(call: &Invocation, args: &ConfirmArgs) -> anyhow::Result<Outcome> {
    let found = Protection::find(call)?;
    if !found.policy()?.disabled && !found.may_open(call, args.yes, "Switch off")? {
        return Ok(Outcome::Done);
    }
    Ok(found.switch(call, State::Disabled)?)
}
