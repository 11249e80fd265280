//! `/runtimefabric/api`: private spaces, and the way to their TLS contexts.

use anyhow::Result;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::authorize;
use super::tls_contexts::{self, TlsContext};
use super::{Anypoint, fill, refusal};
use crate::clock::plus;
use crate::http::{Answer, Request};
use crate::pki::{Authority, Validity};
use crate::routes;
use crate::world::{Ids, World};

/// Scopes of which one is needed to read.
pub const READ: &[&str] = &[
    "read:cloudhub_networking",
    "admin:cloudhub",
    "manage:cloudhub_networking",
    "manage:private_spaces",
];
/// Scopes of which one is needed to write.
pub const WRITE: &[&str] = &[
    "admin:cloudhub",
    "manage:cloudhub_networking",
    "manage:private_spaces",
];

const PREFIX: &str = "/runtimefabric/api";

/// A private space.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrivateSpace {
    /// UUID; made up if empty.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Id of the organization; the first one if empty.
    pub organization: String,
    /// `Active` if empty.
    pub status: String,
    /// `us-east-1` if empty.
    pub region: String,
    /// Host name that vanity domains point to; the official examples lack it.
    pub dns_target: Option<String>,
    /// The same inside the private network.
    pub internal_dns_target: Option<String>,
    /// Ids of the business groups that it is shared with, besides the organization that owns it.
    pub shared_with: Vec<String>,
    /// TLS contexts, the default one first.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<TlsContext>,
}

impl Anypoint {
    /// Adds an active private space with a DNS target to an organization, and returns its id.
    pub fn add_space(
        &mut self,
        ids: &mut Ids,
        authority: &Authority,
        organization: &str,
        name: &str,
    ) -> Result<String> {
        let target = format!("{}.usa-e1.cloudhub.io", &ids.hex()[..6]);
        self.insert_space(
            ids,
            authority,
            PrivateSpace {
                name: name.to_owned(),
                organization: organization.to_owned(),
                internal_dns_target: Some(format!("internal-{target}")),
                dns_target: Some(target),
                ..PrivateSpace::default()
            },
        )
    }

    /// Adds a private space with its default TLS context, making up what is left empty, and returns its id.
    pub fn insert_space(
        &mut self,
        ids: &mut Ids,
        authority: &Authority,
        mut space: PrivateSpace,
    ) -> Result<String> {
        fill(&mut space.id, ids);
        if space.organization.is_empty() {
            space.organization = self
                .organizations
                .first()
                .map(|org| org.id.clone())
                .unwrap_or_default();
        }
        for (field, default) in [
            (&mut space.status, "Active"),
            (&mut space.region, "us-east-1"),
        ] {
            if field.is_empty() {
                default.clone_into(field);
            }
        }
        let domain = space
            .dns_target
            .clone()
            .unwrap_or_else(|| format!("{}.usa-e1.cloudhub.io", &space.id[..6]));
        let leaf = authority.leaf(&[&format!("*.{domain}"), &domain], Validity::lasting())?;
        space
            .contexts
            .insert(0, TlsContext::default_of_space(ids, &leaf)?);
        let id = space.id.clone();
        self.spaces.push(space);
        Ok(id)
    }
}

/// Answers a request under `/runtimefabric/api`.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let now = world.clock.now();
    if let Some(answer) = throttle(&mut world.anypoint, request, now) {
        return answer;
    }
    route(world, request, now).unwrap_or_else(|answer| answer)
}

/// 15 requests per second and client address.
fn throttle(anypoint: &mut Anypoint, request: &Request, now: Timestamp) -> Option<Answer> {
    let limit = anypoint.switches.requests_per_second? as usize;
    let recent = anypoint.recent.entry(request.client?).or_default();
    recent.retain(|at| plus(*at, std::time::Duration::from_secs(1)) > now);
    if recent.len() >= limit {
        return Some(
            refusal(429, "Too many requests. Rate limit exceeded.").header("Retry-After", "1"),
        );
    }
    recent.push(now);
    None
}

fn route(world: &mut World, request: &Request, now: Timestamp) -> Result<Answer, Answer> {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (org, rest) = match segments.as_slice() {
        ["organizations", org, "privatespaces", rest @ ..] => (*org, rest),
        // The same space seen as deployment target.
        ["organizations", org, "targets", rest @ ..] if rest.len() == 1 => (*org, rest),
        _ => return Err(routes::not_modelled(request)),
    };
    let scopes = if request.method == "GET" { READ } else { WRITE };
    authorize(&world.anypoint, request, now, scopes, org, None)?;
    match (request.method.as_str(), rest) {
        ("GET", []) => list(&world.anypoint, request, org),
        ("GET", [space]) => {
            let space = find(&world.anypoint, org, space)?;
            Ok(Answer::json(200, &view(space)))
        }
        (_, [space, "tlsContexts", rest @ ..]) => {
            find(&world.anypoint, org, space)?;
            tls_contexts::route(world, request, now, space, rest)
        }
        _ => Err(routes::not_modelled(request)),
    }
}

fn find<'a>(anypoint: &'a Anypoint, org: &str, space: &str) -> Result<&'a PrivateSpace, Answer> {
    let known = anypoint
        .spaces
        .iter()
        .find(|known| known.id == space && known.organization == org);
    known.ok_or_else(|| refusal(404, "Private Space not found"))
}

fn list(anypoint: &Anypoint, request: &Request, org: &str) -> Result<Answer, Answer> {
    let all: Vec<Value> = anypoint
        .spaces
        .iter()
        .filter(|space| space.organization == org)
        .map(view)
        .chain(anypoint.switches.strange_spaces.iter().cloned())
        .collect();
    let Some(default_size) = anypoint.switches.spaces_page_size else {
        return Ok(Answer::json(200, &all).header("ETag", tls_contexts::entity_tag(&all)));
    };
    let number = |name, default| match request.param(name) {
        None => Ok(default),
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| refusal(400, &format!("invalid {name}"))),
    };
    let size = number("limit", default_size)?.max(1);
    let offset = number("offset", 0)?;
    let content: Vec<&Value> = all.iter().skip(offset).take(size).collect();
    let total = all.len();
    let last = offset + content.len() >= total;
    Ok(Answer::json(
        200,
        &json!({
            "numberOfElements": content.len(), "empty": content.is_empty(), "content": content, "totalElements": total,
            "totalPages": total.div_ceil(size), "size": size, "number": offset / size, "first": offset == 0, "last": last,
        }),
    ))
}

fn view(space: &PrivateSpace) -> Value {
    let mut network = json!({
        "region": space.region, "cidrBlock": "10.111.0.0/24", "inboundStaticIps": ["198.51.100.7"],
        "inboundInternalStaticIps": [], "outboundStaticIps": ["198.51.100.9"], "reservedCidrs": [],
        "internalDns": { "dnsServers": [], "specialDomains": [] },
    });
    if let Some(target) = &space.dns_target {
        network["dnsTarget"] = json!(target);
    }
    if let Some(target) = &space.internal_dns_target {
        network["internalDnsTarget"] = json!(target);
    }
    let owner = std::iter::once(&space.organization);
    let groups: Vec<&String> = owner.chain(&space.shared_with).collect();
    json!({
        "id": space.id, "name": space.name, "status": space.status, "region": space.region,
        "organizationId": space.organization, "rootOrganizationId": space.organization, "network": network,
        "environments": { "type": "all", "businessGroups": groups },
        "provisioning": { "status": "Success", "message": "" }, "ingressConfiguration": {}, "firewallRules": [],
    })
}
