//! `status`: shows what the targets have for a domain, next to acme.sh's certificate.

use common::cli::{Invocation, Outcome};

use crate::args::StatusArgs;
use crate::{inventory, targets, walk};

pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let domain = &args.domain;
    let call = &call.for_domain(domain)?;
    let targets = targets::load(call, Some(domain))?;
    let local = match call.settings.home() {
        Some(home) => walk::youngest(home, domain, call.clock.now())?.map(|(_, local)| local),
        None => None,
    };
    let (inventory, failed) = inventory::take(call, &targets, Some(domain), local.as_ref())?;
    if inventory.contexts.is_empty() && failed.is_empty() {
        call.log
            .warn(format!("no TLS context of the targets is for {domain}"));
    }
    inventory::conclude(call, &inventory, failed, targets.len())?;
    Ok(Outcome::Done)
}
