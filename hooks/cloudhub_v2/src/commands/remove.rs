//! `remove`: deletes the TLS context of a domain.

use anyhow::Context as _;
use common::anypoint::directory::OrganizationId;
use common::anypoint::endpoints::Address;
use common::anypoint::tls_contexts::TlsContext;
use common::cli::{self, Invocation, Outcome, Report};
use common::error::{Error, Kind, Result};
use serde::Serialize;

use crate::applications;
use crate::args::RemoveArgs;
use crate::compare;
use crate::cure;
use crate::domain::{canonical, is_for};
use crate::target::{ResolvedTarget, Target};
use crate::targets;

#[derive(Debug, Serialize)]
struct Removed {
    domain: String,
    targets: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    context: Option<String>,
}

impl Report for Removed {
    fn text(&self) -> String {
        let lines = self.targets.iter().map(|row| match &row.context {
            Some(name) => format!("{}: TLS context {name} removed", row.target),
            None => format!(
                "{}: no TLS context for {}, nothing to do",
                row.target, self.domain
            ),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn run(call: &Invocation, args: &RemoveArgs) -> anyhow::Result<Outcome> {
    let domain = &args.domain;
    let call = &call.for_domain(domain)?;
    let targets = targets::load(call, Some(domain))?;
    let mut found = Vec::new();
    for target in &targets {
        let space = || format!("private space {}", target.name);
        let resolved = target.resolve().with_context(space)?;
        let context = to_remove(target, &resolved, domain).with_context(space)?;
        if let Some(context) = &context {
            check_unused(&call.about(&target.name), target, &resolved, context)
                .with_context(space)?;
        }
        found.push((target, resolved, context));
    }
    let doomed: Vec<String> = found
        .iter()
        .filter_map(|(target, _, context)| {
            Some(format!("{} in {}", context.as_ref()?.name, target.name))
        })
        .collect();
    if !doomed.is_empty() && !args.yes {
        let question = format!(
            "Delete TLS context {}? {domain} will then be served another certificate, or none.",
            doomed.join(", ")
        );
        if !cli::confirm(&question)? {
            call.log.info("nothing has been removed");
            return Ok(Outcome::Done);
        }
    }
    let mut rows = Vec::new();
    for (target, resolved, context) in found {
        if let Some(context) = &context {
            delete(target, &resolved, context)
                .with_context(|| format!("private space {}", target.name))?;
        }
        rows.push(Row {
            target: target.name.clone(),
            context: context.map(|context| context.name),
        });
    }
    call.result(&Removed {
        domain: domain.clone(),
        targets: rows,
    })?;
    Ok(Outcome::Done)
}

/// The context for `domain`, if it is there and may be removed.
fn to_remove(
    target: &Target,
    resolved: &ResolvedTarget,
    domain: &str,
) -> Result<Option<TlsContext>> {
    let name = target.context_for(domain);
    let contexts = target.contexts(resolved)?;
    let Some(context) = contexts
        .iter()
        .find(|context| context.name == name)
        .or_else(|| {
            contexts
                .iter()
                .find(|context| compare::names_domain(context, domain))
        })
    else {
        return Ok(None);
    };
    if context.is_default() {
        return Err(Error::config(format!(
            "{:?} is the private space's default TLS context, which cannot be removed",
            context.name
        ))
        .advise("The platform manages it itself; name a domain of your own."));
    }
    if !compare::belongs(context, domain) {
        return Err(Error::config(format!(
            "TLS context {:?} {}; it is not removed as that of {domain}",
            context.name,
            compare::whose(context)
        ))
        .advise("Name the domain that it belongs to, or remove it in Runtime Manager."));
    }
    if context.name != name {
        return Err(Error::config(format!(
            "the TLS context for {domain} is named {:?}, not {name:?}",
            context.name
        ))
        .advise(format!(
            "To remove it, set CH2_TLS_CONTEXT_NAME={:?}.",
            context.name
        )));
    }
    Ok(Some(context.clone()))
}

/// Deletes the context. A delete that was answered with a failure may have had its effect all the same.
fn delete(target: &Target, resolved: &ResolvedTarget, context: &TlsContext) -> Result<()> {
    let id = context.id()?;
    let deleted = resolved
        .client
        .delete_tls_context(&resolved.organization, &resolved.space, &id);
    match deleted.map_err(cure::of) {
        Err(err) if err.kind() == Kind::Unreachable => {
            let contexts = target.contexts(resolved).map_err(|look| {
                Error::new(
                    Kind::Unproved,
                    format!(
                        "whether TLS context {} was removed is not known: {err}",
                        context.name
                    ),
                )
                .advise("Run it again: it checks first, and does what is missing.")
                .caused_by(look)
            })?;
            let is_there = contexts
                .iter()
                .any(|other| other.listed_id == context.listed_id);
            if is_there { Err(err) } else { Ok(()) }
        }
        outcome => outcome,
    }
}

/// Refuses while an application answers under one of the context's domains, of whatever business group that the private
/// space is shared with.
fn check_unused(
    call: &Invocation,
    target: &Target,
    resolved: &ResolvedTarget,
    context: &TlsContext,
) -> Result<()> {
    let mut found = Vec::new();
    for group in applications::groups(&resolved.organization, &target.private_space()?) {
        match users(resolved, &group, context) {
            Ok(users) => found.extend(users),
            Err(err) if matches!(err.kind(), Kind::Credentials | Kind::NotFound) => {
                call.log.warn(format!(
                    "whether an application of business group {group} uses TLS context {} is not known: {err}",
                    context.name
                ));
            }
            Err(err) => return Err(err),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::config(format!(
        "TLS context {} is in use: {}",
        context.name,
        found.join(", ")
    ))
    .advise("Give the applications another public endpoint first, or remove them."))
}

/// The applications of a business group in the private space that answer under a domain of the context, with their
/// addresses.
fn users(
    resolved: &ResolvedTarget,
    group: &OrganizationId,
    context: &TlsContext,
) -> Result<Vec<String>> {
    let domains: Vec<String> = context.domains().into_iter().map(canonical).collect();
    let tenants = applications::of_group(&resolved.client, group, &resolved.space)?;
    let users = tenants.iter().flat_map(|tenant| {
        let urls = tenant.application.inbound.public_urls();
        let here = urls.into_iter().filter(|url| is_at(url, &domains));
        here.map(|url| {
            format!(
                "{} in {} at {url}",
                tenant.application.name, tenant.environment
            )
        })
    });
    Ok(users.collect())
}

/// Whether an address lies under one of the domains, a wildcard standing for one label.
fn is_at(url: &str, domains: &[String]) -> bool {
    let host = Address::of(url).host;
    domains.iter().any(|domain| is_for(domain, &host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_matched_with_the_domains_of_a_context() {
        let domains = ["*.acme.example".to_owned(), "acme.test".to_owned()];
        for url in [
            "https://shop.acme.example/orders",
            "acme.test",
            "https://ACME.test:443",
        ] {
            assert!(is_at(url, &domains), "{url}");
        }
        for url in [
            "https://a.b.acme.example/",
            "https://acme.example",
            "https://x.acme.test",
            "",
        ] {
            assert!(!is_at(url, &domains), "{url}");
        }
    }
}
