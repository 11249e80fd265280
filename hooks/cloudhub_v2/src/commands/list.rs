//! `list`: shows the TLS contexts of the targets.

use common::cli::{Invocation, Outcome};

use crate::args::ListArgs;
use crate::{inventory, targets};

pub(crate) fn run(call: &Invocation, _args: &ListArgs) -> anyhow::Result<Outcome> {
    let targets = targets::load(call, None)?;
    let (inventory, failed) = inventory::take(call, &targets, None, None)?;
    inventory::conclude(call, &inventory, failed, targets.len())?;
    Ok(Outcome::Done)
}
