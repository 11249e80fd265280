//! Renewing one registration.

use common::cli::{Invocation, Outcome};
use common::error::Error;

use crate::args::RenewArgs;
use crate::{gateway, renewal};

/// Renews one registration that is due.
pub(crate) fn run(call: &Invocation, args: &RenewArgs) -> anyhow::Result<Outcome> {
    let saving = call.settings.saving()?;
    let gateways = gateway::named(&call.settings, args)?;
    let [gateway] = &gateways[..] else {
        let names: Vec<&str> = gateways
            .iter()
            .map(|gateway| gateway.name.as_str())
            .collect();
        return Err(Error::config(format!(
            "there are several registrations: {}",
            names.join(", ")
        ))
        .advise("Name one by its path or name, or renew all that are due with flex-renew run.")
        .into());
    };
    let renewed = renewal::renew(call, gateway, args.force);
    // Most runs renew nothing, so no platform has seen the credentials yet; the run that needs them would have none.
    saving.finish()?;
    call.result(&renewed?)?;
    Ok(Outcome::Done)
}
