//! API Manager: API instances.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::directory::{EnvironmentId, OrganizationId};
use super::{Client, Permission, refusal};
use crate::error::{Error, Result};
use crate::net::http::Repeat;

/// Reading API instances.
pub const VIEW_APIS: Permission = Permission {
    purpose: "to read API instances",
    scopes: &[
        ("View APIs Configuration", "read:api_configuration"),
        ("Manage APIs Configuration", "manage:api_configuration"),
    ],
};

/// Creating API instances. The platform also looks into Exchange then.
pub const MANAGE_APIS: Permission = Permission {
    purpose: "to create API instances (together with \"Exchange Viewer\")",
    scopes: &[("Manage APIs Configuration", "manage:api_configuration")],
};

/// Instances come grouped by asset; this many assets are asked for at a time, which is the default.
const PAGE: usize = 100;

/// Longest instance label.
pub const LONGEST_LABEL: usize = 255;

/// An environment of an organization: where API instances and applications live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The organization or business group.
    pub organization: OrganizationId,
    /// One of its environments.
    pub environment: EnvironmentId,
}

impl Location {
    /// The path of the environment below an API's prefix.
    pub(super) fn path(&self, prefix: &str) -> String {
        format!(
            "{prefix}/organizations/{}/environments/{}",
            self.organization.segment(),
            self.environment.segment()
        )
    }

    /// The path of the API instances.
    pub(super) fn apis(&self) -> String {
        self.path("/apimanager/api/v1") + "/apis"
    }
}

/// Number of an API instance, as API Manager shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ApiId(pub u64);

impl fmt::Display for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What enforces the policies of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Technology {
    /// The Mule Gateway inside a Mule 4 runtime.
    Mule4,
    /// A Flex Gateway.
    FlexGateway,
    /// Something else: Mule 3, service mesh, or a kind that came later.
    Other,
}

impl Technology {
    /// The platform's name for it, as it was read.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "mule4" => Technology::Mule4,
            "flexGateway" => Technology::FlexGateway,
            _ => Technology::Other,
        }
    }
}

impl fmt::Display for Technology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Technology::Mule4 => "Mule 4",
            Technology::FlexGateway => "Flex Gateway",
            Technology::Other => "other",
        })
    }
}

/// Whether a gateway tracks an API instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// A gateway tracks it and reported lately.
    Active,
    /// A gateway did once.
    Inactive,
    /// None ever did.
    Unregistered,
    /// The platform does not say.
    Unknown,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activity::Active => "active",
            Activity::Inactive => "inactive",
            Activity::Unregistered => "unregistered",
            Activity::Unknown => "unknown",
        })
    }
}

/// An API instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiInstance {
    /// Its number.
    pub id: ApiId,
    /// The Exchange asset that it manages.
    pub asset: String,
    /// Name of the asset in Exchange, where the platform gives it.
    pub asset_name: Option<String>,
    /// Version of the asset.
    pub asset_version: Option<String>,
    /// Label that tells instances of one asset apart.
    pub label: Option<String>,
    /// What enforces its policies.
    pub technology: Technology,
    /// Whether a gateway tracks it.
    pub activity: Activity,
    /// When a gateway last reported, ISO 8601; none if none ever did.
    pub last_active: Option<String>,
    /// Where it is deployed and reached, as far as the platform says.
    pub endpoint: Endpoint,
}

impl ApiInstance {
    /// How to call it in a message: `orders-api "prod" (20123456)`.
    pub fn shown(&self) -> String {
        let label = match &self.label {
            Some(label) => format!(" {label:?}"),
            None => String::new(),
        };
        format!("{}{label} ({})", self.asset, self.id)
    }
}

/// The wire form. The single read calls the number `apiId` in the official example.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(deserialize_with = "number")]
    id: Option<u64>,
    #[serde(deserialize_with = "number")]
    api_id: Option<u64>,
    asset_id: Option<String>,
    exchange_asset_name: Option<String>,
    asset_version: Option<String>,
    instance_label: Option<String>,
    technology: Option<String>,
    status: Option<String>,
    last_active_date: Option<String>,
    endpoint: Option<Endpoint>,
}

/// The endpoint of an API instance.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    mule_version4_or_above: Option<bool>,
    /// `CH2`, `CH`, `HY` or `RF`.
    pub deployment_type: Option<String>,
    /// Where the implementation is, for a Flex Gateway.
    pub uri: Option<String>,
    /// Where the gateway listens, for a Flex Gateway.
    pub proxy_uri: Option<String>,
}

/// An integer that may come as a string.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    })
}

impl Wire {
    fn into_instance(
        self,
        asset: Option<&str>,
        asset_name: Option<&str>,
        known: Option<ApiId>,
    ) -> Option<ApiInstance> {
        let id = self.id.or(self.api_id).map(ApiId).or(known)?;
        let technology = match self.technology.as_deref() {
            Some(text) => Technology::parse(text),
            // Old instances do not say; their endpoint does.
            None if self
                .endpoint
                .as_ref()
                .and_then(|e| e.mule_version4_or_above)
                == Some(true) =>
            {
                Technology::Mule4
            }
            None => Technology::Other,
        };
        let activity = match self
            .status
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("active") => Activity::Active,
            Some("inactive") => Activity::Inactive,
            Some("unregistered") => Activity::Unregistered,
            _ if self.last_active_date.is_none() => Activity::Unregistered,
            _ => Activity::Unknown,
        };
        Some(ApiInstance {
            id,
            asset: self
                .asset_id
                .or_else(|| asset.map(str::to_owned))
                .unwrap_or_default(),
            asset_name: self
                .exchange_asset_name
                .or_else(|| asset_name.map(str::to_owned)),
            asset_version: self.asset_version,
            label: self.instance_label.filter(|label| !label.is_empty()),
            technology,
            activity,
            last_active: self.last_active_date,
            endpoint: self.endpoint.unwrap_or_default(),
        })
    }
}

/// What to create an API instance of.
#[derive(Debug, Clone)]
pub struct NewApi<'a> {
    /// Group of the asset, an organization's id.
    pub group: &'a str,
    /// The asset.
    pub asset: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Label of the instance.
    pub label: Option<&'a str>,
    /// What will enforce its policies.
    pub technology: Technology,
    /// `CH2`, `CH`, `HY` or `RF`.
    pub deployment_type: &'a str,
    /// Where the implementation is, for a Flex Gateway.
    pub uri: Option<&'a str>,
    /// Where the gateway listens, for a Flex Gateway.
    pub proxy_uri: Option<&'a str>,
}

impl Client {
    /// One API instance.
    ///
    /// `GET …/apis/API`, <https://anypoint.mulesoft.com/exchange/portals/anypoint-platform/f1e97bc6-315a-4490-82a7-23abe036327a.anypoint-platform/api-manager-api/>
    ///
    /// # Errors
    ///
    /// Not found, refused, or no usable answer.
    pub fn api(&self, at: &Location, id: ApiId) -> Result<ApiInstance> {
        let path = format!("{}/{id}", at.apis());
        let reply = self.send(|http| http.get(&path))?;
        if reply.status() == 404 {
            return Err(no_such_api(at, id));
        }
        if !reply.is_success() {
            return Err(refusal(&reply, &VIEW_APIS));
        }
        let wire: Wire = reply.json()?;
        wire.into_instance(None, None, Some(id))
            .ok_or_else(|| no_such_api(at, id))
    }

    /// Every API instance of an environment, or those whose asset name matches `query` in part.
    ///
    /// `GET …/apis`, all pages; the platform counts assets there, each with all its instances.
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn apis(&self, at: &Location, query: Option<&str>) -> Result<Vec<ApiInstance>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: Option<usize>,
            #[serde(default)]
            assets: Vec<Asset>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Asset {
            #[serde(default)]
            asset_id: Option<String>,
            #[serde(default)]
            exchange_asset_name: Option<String>,
            #[serde(default)]
            name: Option<String>,
            #[serde(default)]
            apis: Vec<Wire>,
        }
        let path = at.apis();
        let limit = PAGE.to_string();
        let mut seen = 0;
        let mut all = Vec::new();
        loop {
            let offset = seen.to_string();
            let reply = self.send(|http| {
                let request = http.get(&path).query(&[
                    ("limit", &limit),
                    ("offset", &offset),
                    ("sort", "id"),
                    ("ascending", "true"),
                ]);
                match query {
                    Some(query) => request.query(&[("query", query)]),
                    None => request,
                }
            })?;
            if !reply.is_success() {
                return Err(refusal(&reply, &VIEW_APIS));
            }
            let page: Page = reply.json()?;
            let count = page.assets.len();
            seen += count;
            for asset in page.assets {
                let name = asset.exchange_asset_name.or(asset.name);
                all.extend(asset.apis.into_iter().filter_map(|wire| {
                    wire.into_instance(asset.asset_id.as_deref(), name.as_deref(), None)
                }));
            }
            let more = page.total.map_or(count == PAGE, |total| seen < total);
            if count == 0 || !more {
                return Ok(all);
            }
        }
    }

    /// Creates an API instance and returns its number.
    ///
    /// `POST …/apis`, the body of the official command line tool.
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer; [`Error::effect_unknown`] tells whether to look before repeating it.
    pub fn create_api(&self, at: &Location, new: &NewApi<'_>) -> Result<ApiId> {
        let flex = new.technology == Technology::FlexGateway;
        let mut body = serde_json::json!({
            "spec": { "groupId": new.group, "assetId": new.asset, "version": new.version },
            "instanceLabel": new.label,
            "endpoint": {
                "type": "http-api",
                "uri": new.uri,
                "proxyUri": new.proxy_uri,
                "isCloudHub": null,
                "deploymentType": new.deployment_type,
                "referencesUserDomain": null,
                "responseTimeout": null,
                "muleVersion4OrAbove": if flex { Value::Null } else { Value::Bool(true) },
            },
        });
        if flex {
            body["technology"] = "flexGateway".into();
        }
        let path = at.apis();
        let reply = self.send(|http| http.post(&path).json(&body).repeat(Repeat::IfNotExecuted))?;
        if !reply.is_success() {
            return Err(refusal(&reply, &MANAGE_APIS));
        }
        let wire: Wire = reply.json()?;
        wire.id.or(wire.api_id).map(ApiId).ok_or_else(|| {
            Error::new(
                crate::error::Kind::Unreachable,
                "the platform created an API instance and did not say its number",
            )
            .with_unknown_effect()
        })
    }
}

/// The error for an API instance that is not there.
fn no_such_api(at: &Location, id: ApiId) -> Error {
    Error::not_found(format!(
        "there is no API instance {id} in environment {} of organization {}",
        at.environment, at.organization
    ))
    .advise(
        "Check API_INSTANCE_ID and ENVIRONMENT_ID: the number stands in API Manager next to the API, and each \
         environment has its own instances.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(json: &str) -> ApiInstance {
        serde_json::from_str::<Wire>(json)
            .unwrap()
            .into_instance(None, None, None)
            .unwrap()
    }

    #[test]
    fn the_number_is_called_id_or_api_id_and_may_be_a_string() {
        assert_eq!(instance(r#"{"id": 7}"#).id, ApiId(7));
        assert_eq!(instance(r#"{"apiId": "8"}"#).id, ApiId(8));
    }

    #[test]
    fn an_old_mule_4_instance_is_known_by_its_endpoint() {
        let old = instance(r#"{"id": 1, "endpoint": {"muleVersion4OrAbove": true}}"#);
        assert_eq!(old.technology, Technology::Mule4);
        assert_eq!(
            instance(r#"{"id": 1, "technology": "mule3"}"#).technology,
            Technology::Other
        );
    }

    #[test]
    fn activity_is_read_in_any_case_and_without_a_status_from_the_date() {
        assert_eq!(
            instance(r#"{"id": 1, "status": "ACTIVE"}"#).activity,
            Activity::Active
        );
        assert_eq!(
            instance(r#"{"id": 1, "lastActiveDate": null}"#).activity,
            Activity::Unregistered
        );
        assert_eq!(
            instance(r#"{"id": 1, "lastActiveDate": "2026-01-01T00:00:00Z"}"#).activity,
            Activity::Unknown
        );
    }
}
