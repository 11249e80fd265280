//! Renewing one registration.

use common::cli::{Invocation, Outcome};

use crate::args::RenewArgs;
use crate::{gateway, renewal};

/// Renews one registration that is due.
pub(crate) fn run(call: &Invocation, args: &RenewArgs) -> anyhow::Result<Outcome> {
    let saving = call.settings.saving()?;
    let gateway = gateway::only(&call.settings, args)?;
    let renewed = renewal::renew(call, &gateway, args.force);
    // Most runs renew nothing, so no platform has seen the credentials yet; the run that needs them would have none.
    saving.finish()?;
    call.result(&renewed?)?;
    Ok(Outcome::Done)
}
