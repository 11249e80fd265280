//! `enable`: the policy is switched on.

use common::cli::{Invocation, Outcome};

use crate::args::EnableArgs;
use crate::switch::{Protection, State, warn_if_not_active};

pub(crate) fn run(call: &Invocation, _: &EnableArgs) -> anyhow::Result<Outcome> {
    let found = Protection::find(call)?;
    let outcome = found.switch(call, State::Enabled)?;
    warn_if_not_active(call, &found.api);
    Ok(outcome)
}
