//! Policy templates: the versions of policies that can be applied.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::instances::ApiInstance;
use super::{ApiManager, VENDOR_GROUP, VIEW_EXCHANGE, VIEW_POLICIES, bad_request, not_found};
use crate::anypoint::accounts::authorize;
use crate::http::{Answer, Request};
use crate::world::World;

/// A policy template: one version of a policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Asset id.
    pub asset: String,
    /// Version.
    pub version: String,
    /// `published`, `development`, …
    #[serde(default = "published")]
    pub status: String,
    /// Technologies that it has an implementation for.
    #[serde(default = "all_technologies")]
    pub technologies: Vec<String>,
    /// Whether the list shows it although it lacks an implementation for the API.
    #[serde(default)]
    pub listed_without_implementation: bool,
}

fn published() -> String {
    "published".to_owned()
}

fn all_technologies() -> Vec<String> {
    vec!["mule4".to_owned(), "flexGateway".to_owned()]
}

impl Template {
    /// A published version for every technology.
    pub fn new(asset: &str, version: &str) -> Self {
        Self {
            asset: asset.to_owned(),
            version: version.to_owned(),
            status: published(),
            technologies: all_technologies(),
            listed_without_implementation: false,
        }
    }
}

pub(super) fn list(world: &mut World, request: &Request, org: &str) -> Result<Answer, Answer> {
    let now = world.clock.now();
    let anypoint = &world.anypoint;
    let env = request.param("environmentId");
    authorize(anypoint, request, now, VIEW_EXCHANGE, org, None)?;
    authorize(anypoint, request, now, VIEW_POLICIES, org, env)?;
    let technology = match request.param("apiInstanceId") {
        None => None,
        Some(id) => {
            let id: u64 = id
                .parse()
                .map_err(|_| bad_request("apiInstanceId should be integer"))?;
            let instance = anypoint.api_manager.instance(id);
            Some(
                instance
                    .ok_or_else(|| not_found("API not found"))?
                    .technology
                    .clone(),
            )
        }
    };
    let field = if anypoint.switches.api_manager.template_version_field {
        "version"
    } else {
        "assetVersion"
    };
    let fits = |template: &&Template| {
        technology.as_ref().is_none_or(|technology| {
            template.listed_without_implementation || template.technologies.contains(technology)
        })
    };
    let entries: Vec<Value> = anypoint
        .api_manager
        .templates
        .iter()
        .filter(fits)
        .map(|template| {
            let mut value = json!({
                "audit": { "created": { "date": "2026-01-01T00:00:00.000Z" }, "updated": {} },
                "organizationId": VENDOR_GROUP, "groupId": VENDOR_GROUP, "assetId": template.asset,
                "name": template.asset, "description": "", "type": "system", "category": "Security",
                "supportedPoliciesVersions": ">=v1", "status": template.status, "applicable": true,
            });
            value[field] = template.version.clone().into();
            value
        })
        .collect();
    Ok(Answer::json(200, &entries))
}

pub(super) fn implemented(
    manager: &ApiManager,
    instance: &ApiInstance,
    group: &str,
    asset: &str,
    version: &str,
) -> Result<(), Answer> {
    let template = manager
        .templates
        .iter()
        .find(|known| group == VENDOR_GROUP && known.asset == asset && known.version == version);
    let Some(template) = template else {
        return Err(bad_request(&format!(
            "The policy template {group}:{asset}:{version} was not found"
        )));
    };
    if template.technologies.contains(&instance.technology) {
        return Ok(());
    }
    Err(bad_request(&format!(
        "The policy {asset} version {version} does not have an implementation for {}",
        instance.technology
    )))
}
