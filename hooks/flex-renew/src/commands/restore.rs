//! Putting the registration of before back.

use common::cli::{Invocation, Outcome};

use crate::args::{RenewArgs, RestoreArgs};
use crate::{gateway, restoration};

/// Installs a backup and restarts the gateway with it.
pub(crate) fn run(call: &Invocation, args: &RestoreArgs) -> anyhow::Result<Outcome> {
    let meant = RenewArgs {
        look: args.look.clone(),
        restart: args.restart.clone(),
        ..RenewArgs::default()
    };
    let gateway = gateway::only(&call.settings, &meant)?;
    call.result(&restoration::restore(
        call,
        &gateway,
        args.backup.as_deref(),
    )?)?;
    Ok(Outcome::Done)
}
