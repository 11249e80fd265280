//! Deleting TLS contexts.

use anyhow::Context as _;
use common::anypoint::api_instances::Location;
use common::anypoint::directory::EnvironmentId;
use common::anypoint::tls_contexts::{ContextId, TlsContext};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::settings::Settings;
use common::system::environment::Env;
use serde::Serialize;

use crate::args::{Args, RemoveArgs};
use crate::compare::{self, canonical};
use crate::cure;
use crate::deploy::context_name;
use crate::targets::{self, Place, Target};

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

pub(crate) fn run(
    args: &Args,
    remove: &RemoveArgs,
    env: &Env,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let domain = &remove.domain;
    let settings = Settings::load(env, &args.settings, Some(domain))?;
    let targets = targets::load(&settings, &args.target, Some(domain), out)?;
    let mut found = Vec::new();
    for target in &targets {
        let space = || format!("private space {}", target.name);
        let place = target.place().with_context(space)?;
        let context = to_remove(target, &place, domain).with_context(space)?;
        if let Some(context) = &context {
            check_unused(&place, context, target, out).with_context(space)?;
        }
        found.push((target, place, context));
    }
    let doomed: Vec<String> = found
        .iter()
        .filter_map(|(target, _, context)| {
            Some(format!("{} in {}", context.as_ref()?.name, target.name))
        })
        .collect();
    if !doomed.is_empty() && !remove.yes {
        let question = format!(
            "Delete TLS context {}? {domain} will then be served another certificate, or none.",
            doomed.join(", ")
        );
        if !out.confirm(&question)? {
            out.info("nothing was removed");
            return Ok(Outcome::Done);
        }
    }
    let mut rows = Vec::new();
    for (target, place, context) in found {
        if let Some(context) = &context {
            let id = ContextId::new(&context.id);
            place
                .client
                .delete_tls_context(&place.organization, &place.space, &id)
                .map_err(cure::of)
                .with_context(|| format!("private space {}", target.name))?;
        }
        rows.push(Row {
            target: target.name.clone(),
            context: context.map(|context| context.name),
        });
    }
    out.result(&Removed {
        domain: domain.clone(),
        targets: rows,
    })?;
    Ok(Outcome::Done)
}

/// The context for `domain`, if it is there and may be removed.
fn to_remove(target: &Target, place: &Place, domain: &str) -> Result<Option<TlsContext>> {
    let name = context_name(target, domain);
    let contexts = target.contexts(place)?;
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
            "the TLS context for {domain} is called {:?}, not {name:?}",
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
fn check_unused(place: &Place, context: &TlsContext, target: &Target, out: &Output) -> Result<()> {
    match users(place, context) {
        Ok(users) if users.is_empty() => Ok(()),
        Ok(users) => Err(Error::config(format!(
            "TLS context {} is in use: {}",
            context.name,
            users.join(", ")
        ))
        .advise("Give the applications another public endpoint first, or remove them.")),
        Err(err) if matches!(err.kind(), Kind::Credentials | Kind::NotFound) => {
            out.warn(format!(
                "{}: whether an application uses TLS context {} is not known: {err}",
                target.name, context.name
            ));
            Ok(())
        }
        Err(err) => Err(err),
    }
}

/// The applications in the private space that answer under a domain of the context, with their addresses.
fn users(place: &Place, context: &TlsContext) -> Result<Vec<String>> {
    let domains: Vec<String> = context.domains().into_iter().map(canonical).collect();
    let mut users = Vec::new();
    for environment in place.client.environments(&place.organization)? {
        let at = Location {
            organization: place.organization.clone(),
            environment: EnvironmentId::new(environment.id),
        };
        for listed in place.client.deployments(&at)? {
            let elsewhere = listed
                .target
                .as_deref()
                .is_some_and(|id| !id.eq_ignore_ascii_case(place.space.as_str()));
            if elsewhere {
                continue;
            }
            let application = place.client.deployment(&at, &listed.id)?;
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
    domains.iter().any(|domain| {
        *domain == host
            || domain.strip_prefix("*.").is_some_and(|parent| {
                host.split_once('.')
                    .is_some_and(|(_, above)| above == parent)
            })
    })
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
