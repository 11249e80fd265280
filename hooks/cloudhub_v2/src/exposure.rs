//! Where an application is to be reached, and whether it may be there.

use common::anypoint::Client;
use common::anypoint::api_instances::Location;
use common::anypoint::deployments::{Deployment, Listed, Progress};
use common::anypoint::directory::{OrganizationId, is_uuid, listed};
use common::anypoint::endpoints::Address;
use common::anypoint::private_spaces::{PrivateSpace, SpaceId};
use common::anypoint::tls_contexts::TlsContext;
use common::error::{Error, Kind, Result};
use common::log::Log;
use common::net::dns::name::DnsName;

use crate::applications;
use crate::cure;
use crate::domain::{canonical, is_for};

/// The address that was asked for.
pub(crate) fn requested(host: &str, path: Option<&str>) -> Result<Address> {
    let name =
        DnsName::parse(host).map_err(|err| Error::config(format!("--host: {err}")).advise(
            "Give the name alone, such as orders.example.com; what follows it is given with --path.",
        ))?;
    if name.as_str().contains('*') {
        return Err(Error::config(format!(
            "--host {host}: an application is reached under one name, not under a wildcard"
        ))
        .advise("Give a name that the wildcard of the TLS context covers."));
    }
    Ok(Address {
        host: name.as_str().to_owned(),
        path: path.map_or(Ok(String::new()), plain_path)?,
    })
}

fn plain_path(path: &str) -> Result<String> {
    let trimmed = path.trim_end_matches('/');
    let is_plain = |segment: &str| {
        let mut bytes = segment.bytes();
        !matches!(segment, "" | "." | "..")
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match trimmed.strip_prefix('/') {
        None if path.starts_with('/') => Ok(String::new()),
        Some(rest) if rest.split('/').all(is_plain) => Ok(trimmed.to_owned()),
        _ => Err(Error::config(format!(
            "--path {path:?} is not the beginning of a path such as /orders/v1"
        ))
        .advise("It begins with a slash, and holds letters, digits, and - . _ ~ between slashes.")),
    }
}

/// The public addresses that an application is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) urls: Vec<String>,
    /// Those that it loses.
    pub(crate) removed: Vec<String>,
}

/// What has to change for `application` to be reached at `address`, and with `only` nowhere else; nothing if it is so.
pub(crate) fn plan(application: &Deployment, address: &Address, only: bool) -> Option<Plan> {
    let existing = application.inbound.public_urls();
    let there = existing.iter().position(|url| Address::of(url) == *address);
    let (mut urls, mut removed) = (Vec::new(), Vec::new());
    for (at, url) in existing.into_iter().enumerate() {
        if only && Some(at) != there {
            removed.push(url);
        } else {
            urls.push(url);
        }
    }
    if there.is_none() {
        urls.push(address.to_string());
    } else if removed.is_empty() {
        return None;
    }
    Some(Plan { urls, removed })
}

/// The application that `app` names, by name or id of its deployment.
pub(crate) fn find(client: &Client, at: &Location, app: &str) -> Result<Deployment> {
    if is_uuid(app) {
        return client.deployment(at, app);
    }
    let all = client.deployments(at)?;
    let named: Vec<&Listed> = all.iter().filter(|listed| listed.name == app).collect();
    match named[..] {
        [one] => client.deployment(at, &one.id),
        [] => Err(Error::not_found(format!(
            "environment {} has no application {app:?}",
            at.environment
        ))
        .advise(format!(
            "It has {}. Check --app and --environment.",
            listed(all.iter().map(|listed| listed.name.as_str()))
        ))),
        _ => Err(Error::config(format!(
            "{} applications of environment {} are called {app:?}",
            named.len(),
            at.environment
        ))
        .advise(format!(
            "Give the id of the deployment instead, one of {}.",
            listed(named.iter().map(|listed| listed.id.as_str()))
        ))),
    }
}

/// Refuses an application that is stopped: no new version of it would come to run.
pub(crate) fn check_runs(application: &Deployment) -> Result<()> {
    let is_stopped = application.application_status == "NOT_RUNNING"
        && application.progress() != Progress::Failed;
    if is_stopped {
        return Err(Error::new(
            Kind::Refused,
            format!(
                "{} is stopped, so it cannot take another endpoint into use",
                application.name
            ),
        )
        .advise("Start it in Runtime Manager, and run expose again."));
    }
    Ok(())
}

/// The private space that an application runs in.
#[derive(Debug)]
pub(crate) struct Home {
    /// Who owns it: it may be shared with the business group of the application.
    owner: OrganizationId,
    id: SpaceId,
    pub(crate) space: PrivateSpace,
}

impl Home {
    /// Looks it up, with the business group of the application first.
    pub(crate) fn of(client: &Client, at: &Location, application: &Deployment) -> Result<Self> {
        let nowhere = || {
            Error::not_found(format!(
                "{} runs in no private space, so it cannot have an address of its own",
                application.name
            ))
            .advise(format!(
                "Its target is {}. Applications in a shared space keep the address that the platform gives them: deploy \
                 it to a private space.",
                application.target.as_deref().unwrap_or("unknown")
            ))
        };
        let id = application.target.as_deref().filter(|id| is_uuid(id));
        let id = SpaceId::new(id.ok_or_else(nowhere)?.to_ascii_lowercase());
        if let Some(space) = client.private_space(&at.organization, &id)? {
            return Ok(Self {
                owner: at.organization.clone(),
                id,
                space,
            });
        }
        for other in client.organizations()? {
            let owner = OrganizationId::new(other.id);
            if owner == at.organization {
                continue;
            }
            match client.private_space(&owner, &id) {
                Ok(Some(space)) => return Ok(Self { owner, id, space }),
                Ok(None) => {}
                Err(err) if err.kind() == Kind::Credentials => {}
                Err(err) => return Err(err),
            }
        }
        Err(Error::not_found(format!(
            "the target {id} of {} is no private space that the credentials can see",
            application.name
        ))
        .advise(
            "If it is a private space of another business group, give the app a scope there that lets it read private \
             spaces; addresses of applications elsewhere are not managed here.",
        ))
    }

    /// Refuses an application that runs in none of the private spaces that `--private-space` names.
    pub(crate) fn check_is_among(&self, spaces: &str, application: &Deployment) -> Result<()> {
        let is_it =
            |name: &str| name == self.space.name || self.id.as_str().eq_ignore_ascii_case(name);
        if spaces.split(',').map(str::trim).any(is_it) {
            return Ok(());
        }
        Err(Error::not_found(format!(
            "{} runs in the private space {}, not in {spaces}",
            application.name, self.space.name
        ))
        .advise("Check --app, --environment and --private-space."))
    }

    /// The TLS contexts for `host`, one that names it itself before those with a wildcard. None where a context might be for
    /// it that does not tell its domains.
    pub(crate) fn covering(
        &self,
        client: &Client,
        log: &Log,
        host: &str,
    ) -> Result<Vec<TlsContext>> {
        let all = client
            .tls_contexts(&self.owner, &self.id)
            .map_err(cure::of)?;
        let covers = |context: &TlsContext, is_it: fn(&str, &str) -> bool| {
            let domains = context.domains();
            domains.iter().any(|domain| is_it(&canonical(domain), host))
        };
        let exact = all.iter().filter(|context| covers(context, |a, b| a == b));
        let wildcards = all
            .iter()
            .filter(|context| covers(context, is_for) && !covers(context, |a, b| a == b));
        let covering: Vec<TlsContext> = exact.chain(wildcards).cloned().collect();
        if !covering.is_empty() {
            return Ok(covering);
        }
        if all.iter().any(|context| context.domains().is_empty()) {
            log.warn(format!(
                "the private space {} has TLS contexts that do not tell their domains; whether one is for {host} is left to \
                 the platform",
                self.space.name
            ));
            return Ok(covering);
        }
        let shown: Vec<String> = all
            .iter()
            .map(|context| format!("{} ({})", context.name, context.domains().join(", ")))
            .collect();
        Err(Error::not_found(format!(
            "no TLS context of the private space {} is for {host}",
            self.space.name
        ))
        .advise(format!(
            "It has {}. A wildcard stands for one label. Deploy a certificate that is valid for {host} first: cloudhub_v2 \
             deploy, or acme.sh --deploy.",
            if shown.is_empty() {
                "none".to_owned()
            } else {
                shown.join(", ")
            }
        )))
    }

    /// Refuses an address that another application in the private space has. One that cannot be seen is left to the
    /// platform.
    pub(crate) fn check_free(
        &self,
        client: &Client,
        log: &Log,
        application: &Deployment,
        address: &Address,
    ) -> Result<()> {
        for group in applications::groups(&self.owner, &self.space) {
            let tenants = match applications::of_group(&client.for_target(), &group, &self.id) {
                Ok(tenants) => tenants,
                Err(err) if matches!(err.kind(), Kind::Credentials | Kind::NotFound) => {
                    log.debug(format!(
                        "the applications of business group {group} cannot be read: {err}"
                    ));
                    continue;
                }
                Err(err) => return Err(err),
            };
            let other = tenants.iter().find(|tenant| {
                let urls = tenant.application.inbound.public_urls();
                tenant.application.id != application.id
                    && urls.iter().any(|url| Address::of(url) == *address)
            });
            if let Some(other) = other {
                return Err(Error::new(
                    Kind::Refused,
                    format!(
                        "{address} belongs to the application {} in {}",
                        other.application.name, other.environment
                    ),
                )
                .advise(
                    "Give that one another public endpoint first, or expose this one with another --host or --path.",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_name_and_a_path_is_plain() {
        let shown = |host: &str, path: Option<&str>| {
            requested(host, path)
                .map(|address| address.to_string())
                .map_err(|err| err.kind())
        };
        assert_eq!(
            shown("Orders.ACME.example.", Some("/v1/")).as_deref(),
            Ok("https://orders.acme.example/v1")
        );
        for root in [None, Some("/"), Some("//")] {
            assert_eq!(shown("a.example", root).as_deref(), Ok("https://a.example"));
        }
        for host in [
            "",
            "orders",
            "*.acme.example",
            "https://a.example",
            "a.example/x",
            "a.example:443",
            "a..example",
            "192.0.2.1",
            "a,b.example",
        ] {
            assert_eq!(shown(host, None), Err(Kind::Config), "{host:?}");
        }
        for path in [
            "", "v1", "/a//b", "/a/../b", "/a?b", "/a,b", "/a b", "/ä", "/%41", "/a*",
        ] {
            assert_eq!(
                shown("a.example", Some(path)),
                Err(Kind::Config),
                "{path:?}"
            );
        }
    }
}
