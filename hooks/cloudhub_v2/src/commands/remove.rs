//! `remove`: deletes the TLS context of a domain.

use anyhow::Context as _;
use common::anypoint::api_instances::Location;
use common::anypoint::directory::EnvironmentId;
use common::anypoint::tls_contexts::{ContextId, TlsContext};
use common::cli::{self, Invocation, Outcome, Report};
use common::error::{Error, Kind, Result};
use serde::Serialize;

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
            check_unused(&call.about(&target.name), &resolved, context).with_context(space)?;
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
            let id = ContextId::new(&context.id);
            resolved
                .client
                .delete_tls_context(&resolved.organization, &resolved.space, &id)
                .map_err(cure::of)
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
            "TLS context {:?} belongs to {}, not to {domain}; it is not removed",
            context.name,
            context.domains().join(", ")
        ))
        .advise("Name the domain that it belongs to."));
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

/// Refuses while an application of the organization answers under one of the context's domains.
fn check_unused(call: &Invocation, resolved: &ResolvedTarget, context: &TlsContext) -> Result<()> {
    match users(resolved, context) {
        Ok(users) if users.is_empty() => Ok(()),
        Ok(users) => Err(Error::config(format!(
            "TLS context {} is in use: {}",
            context.name,
            users.join(", ")
        ))
        .advise("Give the applications another public endpoint first, or remove them.")),
        Err(err) if matches!(err.kind(), Kind::Credentials | Kind::NotFound) => {
            call.log.warn(format!(
                "whether an application uses TLS context {} is not known: {err}",
                context.name
            ));
            Ok(())
        }
        Err(err) => Err(err),
    }
}

/// The applications in the private space that answer under a domain of the context, with their addresses.
fn users(resolved: &ResolvedTarget, context: &TlsContext) -> Result<Vec<String>> {
    let domains: Vec<String> = context.domains().into_iter().map(canonical).collect();
    let mut users = Vec::new();
    for environment in resolved.client.environments(&resolved.organization)? {
        let at = Location {
            organization: resolved.organization.clone(),
            environment: EnvironmentId::new(environment.id),
        };
        for listed in resolved.client.deployments(&at)? {
            let elsewhere = listed
                .target
                .as_deref()
                .is_some_and(|id| !id.eq_ignore_ascii_case(resolved.space.as_str()));
            if elsewhere {
                continue;
            }
            let application = resolved.client.deployment(&at, &listed.id)?;
            let urls = application.public_url.unwrap_or_default();
            for url in urls
                .split(',')
                .map(str::trim)
                .filter(|url| is_at(url, &domains))
            {
                users.push(format!(
                    "{} in {} at {url}",
                    application.name, environment.name
                ));
            }
        }
    }
    Ok(users)
}

/// Whether an address lies under one of the domains, a wildcard standing for one label.
fn is_at(url: &str, domains: &[String]) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = canonical(rest.split(['/', ':', '?']).next().unwrap_or_default());
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
