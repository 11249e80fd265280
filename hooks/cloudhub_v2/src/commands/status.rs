//! `status`: shows what the targets have for a domain, next to acme.sh's certificate.

use common::acme_sh::Conf;
use common::cli::{Invocation, Outcome};

use crate::account::Logins;
use crate::args::StatusArgs;
use crate::inventory::{self, Inventory};
use crate::target::Target;
use crate::targets;
use crate::walk::Local;

pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let domain = &args.domain;
    let mut inventory = Inventory {
        contexts: Vec::new(),
    };
    let (mut failed, mut all) = (Vec::new(), 0);
    for (targets, local) in parts(call, domain)? {
        let (part, errors) = inventory::take(call, &targets, Some(domain), local.as_ref())?;
        inventory.contexts.extend(part.contexts);
        failed.extend(errors);
        all += targets.len();
    }
    if inventory.contexts.is_empty() && failed.is_empty() {
        call.log
            .warn(format!("no TLS context of the targets is for {domain}"));
    }
    inventory::conclude(call, &inventory, failed, all)?;
    Ok(Outcome::Done)
}

/// acme.sh's certificates for a domain, RSA and EC, each with the targets that it goes to: as `reconcile` has it, a TLS
/// context that both would go to is that of the first.
fn parts(call: &Invocation, domain: &str) -> anyhow::Result<Vec<(Vec<Target>, Option<Local>)>> {
    let kept = call.settings.home().map(|home| home.of_domain(domain));
    let mut logins = Logins::default();
    let mut parts: Vec<(Vec<Target>, Option<Local>)> = Vec::new();
    for stored in kept.unwrap_or_default() {
        let of_this = call.with_settings(call.settings.for_stored(&stored)?);
        let conf = Conf::load(&stored.conf())?;
        let local = Local::read(domain, &stored, &conf, call.clock.now())?;
        let mut targets = targets::load_with(&mut logins, &of_this, Some(domain))?;
        targets.retain(|target| {
            let mut taken = parts.iter().flat_map(|(targets, _)| targets);
            !taken.any(|other| other.is_same_context(target, domain))
        });
        parts.push((targets, Some(local)));
    }
    if parts.is_empty() {
        parts.push((targets::load_with(&mut logins, call, Some(domain))?, None));
    }
    Ok(parts)
}
