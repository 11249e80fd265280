//! `status`: shows what the targets have for a domain, next to acme.sh's certificate.

use common::cli::{Invocation, Outcome};
use common::error::Result;

use crate::args::StatusArgs;
use crate::material::{Files, Identity};
use crate::{inventory, targets};

pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let domain = &args.domain;
    let call = &call.for_domain(domain)?;
    let targets = targets::load(call, Some(domain))?;
    let local = local(call, domain)?;
    let (inventory, failed) = inventory::take(call, &targets, Some(domain), local.as_ref())?;
    if inventory.contexts.is_empty() && failed.is_empty() {
        call.log
            .warn(format!("no TLS context of the targets is for {domain}"));
    }
    inventory::conclude(call, &inventory, failed, targets.len())?;
    Ok(Outcome::Done)
}

/// acme.sh's certificate for a domain.
fn local(call: &Invocation, domain: &str) -> Result<Option<Identity>> {
    call.settings
        .home()
        .and_then(|home| home.find(domain))
        .map(|stored| Identity::read(domain, &Files::from(&stored), call.clock.now()))
        .transpose()
}
