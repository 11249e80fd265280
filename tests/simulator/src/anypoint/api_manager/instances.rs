//! API instances: listed, created, shown, deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::policies::Policy;
use super::{bad_request, not_found};
use crate::anypoint::Anypoint;
use crate::http::{Answer, Request};

/// An API instance.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiInstance {
    /// Its number; made up if 0.
    pub id: u64,
    /// Id of the organization; the first one if empty.
    pub organization: String,
    /// Id of the environment.
    pub environment: String,
    /// Asset id.
    pub asset: String,
    /// Display name of the asset.
    pub name: String,
    /// Version of the asset.
    pub asset_version: String,
    /// Label.
    pub label: Option<String>,
    /// `mule4`, `flexGateway`, `mule3`; `mule4` if empty.
    pub technology: String,
    /// `CH2` and so on.
    pub deployment_type: String,
    /// Where the implementation is, for a Flex Gateway.
    pub uri: Option<String>,
    /// Where a Flex Gateway listens.
    pub proxy_uri: Option<String>,
    /// `active`, `inactive`, `unregistered`; the last if empty. An application that tracks the instance makes it active.
    pub status: String,
    /// Whether reads leave the technology out, as for old instances.
    pub without_technology: bool,
    /// Applied policies.
    #[serde(skip)]
    pub policies: Vec<Policy>,
    /// What gateways know of it.
    #[serde(skip)]
    pub tracking: Tracking,
}

/// Policies, and how many requests are answered before they are enforced.
#[derive(Debug, Default, Clone)]
pub(crate) struct Enforced {
    /// By the first replica.
    pub(crate) after: u64,
    /// By the second.
    pub(crate) second_after: u64,
    pub(crate) policies: Vec<Policy>,
}

/// What the gateways that track an API instance know.
#[derive(Debug, Default, Clone)]
pub struct Tracking {
    /// The policies that they enforce, each set from some request on.
    pub(crate) enforced: Vec<Enforced>,
    pub(crate) requests: u64,
    pub(crate) last_active: Option<Timestamp>,
}

impl Tracking {
    /// A gateway has just reported.
    pub fn seen_now() -> Self {
        Self {
            last_active: Some(Timestamp::now()),
            ..Self::default()
        }
    }
}

impl Anypoint {
    /// Adds an API instance, making up what is left empty, and returns its number.
    pub fn add_api(&mut self, mut instance: ApiInstance) -> u64 {
        if instance.id == 0 {
            instance.id = 20_000_000 + self.api_manager.next_id();
        }
        if instance.organization.is_empty()
            && let Some(first) = self.organizations.first()
        {
            instance.organization.clone_from(&first.id);
        }
        let or = |field: &mut String, default: &str| {
            if field.is_empty() {
                default.clone_into(field);
            }
        };
        or(&mut instance.technology, "mule4");
        or(&mut instance.status, "unregistered");
        or(&mut instance.asset_version, "1.0.0");
        or(&mut instance.deployment_type, "CH2");
        if instance.name.is_empty() {
            instance.name.clone_from(&instance.asset);
        }
        let id = instance.id;
        self.api_manager.instances.push(instance);
        id
    }
}

pub(super) fn instance_json(instance: &ApiInstance, whole: bool, now: Timestamp) -> Value {
    let mut value = json!({
        "audit": { "created": { "date": "2026-01-01T00:00:00.000Z" }, "updated": {} },
        "masterOrganizationId": instance.organization, "organizationId": instance.organization,
        "id": instance.id, "instanceLabel": instance.label, "groupId": instance.organization,
        "assetId": instance.asset, "assetVersion": instance.asset_version, "productVersion": "v1",
        "autodiscoveryInstanceName": format!("v1:{}", instance.id), "environmentId": instance.environment,
        "tags": [], "order": 1, "deprecated": false, "isPublic": false, "endpointUri": null, "pinned": false,
        "activeContractsCount": 0,
        "lastActiveDate": instance.tracking.last_active.map(|date| date.to_string()),
    });
    if let Some(last) = instance.tracking.last_active {
        value["lastActiveDelta"] = (now.as_second() - last.as_second()).into();
    }
    if whole {
        value["exchangeAssetName"] = instance.name.clone().into();
        value["status"] = instance.status.clone().into();
        value["endpoint"] = json!({
            "type": "http-api", "uri": instance.uri, "proxyUri": instance.proxy_uri, "isCloudHub": null,
            "deploymentType": instance.deployment_type,
            "muleVersion4OrAbove": instance.technology == "mule4", "validation": "NOT_APPLICABLE",
        });
        value["deployment"] = Value::Null;
        if !instance.without_technology {
            value["technology"] = instance.technology.clone().into();
        }
    }
    value
}

pub(super) fn list(anypoint: &Anypoint, request: &Request, org: &str, env: &str) -> Answer {
    let (mut offset, mut limit) = (0, 100);
    let mut found: Vec<&ApiInstance> = anypoint
        .api_manager
        .instances
        .iter()
        .filter(|one| one.organization == org && one.environment == env)
        .collect();
    for (key, value) in &request.query {
        match key.as_str() {
            "offset" => offset = value.parse().unwrap_or(0),
            "limit" => limit = value.parse().unwrap_or(100),
            "assetId" => found.retain(|one| one.asset == *value),
            "assetVersion" => found.retain(|one| one.asset_version == *value),
            "instanceLabel" => found.retain(|one| one.label.as_deref() == Some(value)),
            "query" => found.retain(|one| one.name.contains(value.as_str())),
            "sort" | "ascending" | "productVersion" | "groupId" => {}
            _ => {
                return bad_request("unknown parameter")
                    .unexpected(format!("query parameter {key}={value}"));
            }
        }
    }
    // Paging counts assets, each with all its instances.
    let mut assets: Vec<(&str, Vec<&ApiInstance>)> = Vec::new();
    for instance in found {
        match assets
            .iter_mut()
            .find(|(asset, _)| *asset == instance.asset)
        {
            Some((_, instances)) => instances.push(instance),
            None => assets.push((&instance.asset, vec![instance])),
        }
    }
    let total = assets.len();
    let assets: Vec<Value> = assets
        .into_iter()
        .zip(1_u64..)
        .skip(offset)
        .take(limit)
        .map(|((asset, instances), number)| {
            let apis: Vec<Value> = instances
                .iter()
                .map(|one| instance_json(one, false, Timestamp::now()))
                .collect();
            json!({
                "audit": { "created": { "date": "2026-01-01T00:00:00.000Z" }, "updated": {} },
                "masterOrganizationId": org, "organizationId": org, "id": number,
                "name": format!("groupId:{org}:assetId:{asset}"),
                "exchangeAssetName": instances.first().map(|one| &one.name),
                "groupId": org, "assetId": asset, "totalApis": apis.len(), "apis": apis,
            })
        })
        .collect();
    Answer::json(200, &json!({ "total": total, "assets": assets }))
}

pub(super) fn create(
    anypoint: &mut Anypoint,
    request: &Request,
    org: &str,
    env: &str,
) -> Result<Answer, Answer> {
    let body = request.json().map_err(|why| bad_request(&why))?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let (Some(group), Some(asset), Some(version)) = (
        text("/spec/groupId"),
        text("/spec/assetId"),
        text("/spec/version"),
    ) else {
        return Err(bad_request("spec must have groupId, assetId and version"));
    };
    for field in ["uri", "proxyUri", "isCloudHub"] {
        if body.pointer(&format!("/endpoint/{field}")).is_none() {
            return Err(bad_request(&format!(
                "endpoint should have required property '{field}'"
            )));
        }
    }
    let kind = text("/endpoint/deploymentType").unwrap_or_default();
    if !["CH", "CH2", "HY", "RF", "SM"].contains(&kind) {
        return Err(bad_request(
            "endpoint.deploymentType is not one of CH, HY, RF, SM, CH2",
        ));
    }
    let label = text("/instanceLabel");
    if label.is_some_and(|label| label.is_empty() || label.chars().count() > 255) {
        return Err(bad_request(
            "instanceLabel should NOT be longer than 255 characters",
        ));
    }
    let Some(known) = anypoint
        .exchange
        .assets
        .iter()
        .find(|known| known.group == group && known.asset == asset && known.version == version)
        .cloned()
    else {
        return Err(not_found(&format!(
            "Asset {group}:{asset}:{version} not found"
        )));
    };
    let twin = anypoint.api_manager.instances.iter().any(|one| {
        one.environment == env
            && one.asset == asset
            && one.label.as_deref() == label
            && label.is_some()
    });
    if twin {
        return Err(Answer::json(
            409,
            &json!({ "name": "ConflictError", "message": "An instance with this label exists already" }),
        ));
    }
    let mule4 = body.pointer("/endpoint/muleVersion4OrAbove") == Some(&Value::Bool(true));
    let id = anypoint.add_api(ApiInstance {
        organization: org.to_owned(),
        environment: env.to_owned(),
        asset: asset.to_owned(),
        name: known.name,
        asset_version: version.to_owned(),
        label: label.map(str::to_owned),
        technology: text("/technology")
            .unwrap_or(if mule4 { "mule4" } else { "mule3" })
            .to_owned(),
        deployment_type: kind.to_owned(),
        uri: text("/endpoint/uri").map(str::to_owned),
        proxy_uri: text("/endpoint/proxyUri").map(str::to_owned),
        ..ApiInstance::default()
    });
    let created = anypoint
        .api_manager
        .instance(id)
        .map(|one| instance_json(one, true, Timestamp::now()));
    Ok(Answer::json(201, &created))
}
