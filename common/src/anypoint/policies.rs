//! API Manager: the policies of an API instance.

use std::fmt;

use reqwest::Method;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::api_instances::{ApiId, Location, Technology, number};
use super::{Client, Permission, refusal};
use crate::error::{Error, Kind, Result};
use crate::net::http::Reply;
use crate::secret::Secret;

/// Reading policies.
pub const VIEW_POLICIES: Permission = Permission {
    purpose: "to read policies",
    scopes: &[
        ("View Policies", "read:api_policies"),
        ("Manage Policies", "manage:api_policies"),
    ],
};

/// Applying, changing and removing policies.
pub const MANAGE_POLICIES: Permission = Permission {
    purpose: "to change policies",
    scopes: &[("Manage Policies", "manage:api_policies")],
};

/// The Exchange group of MuleSoft's own policies. Source: the official clients.
pub const MULESOFT_GROUP: &str = "68ef9520-24e9-4cf2-b2f5-620025690913";

/// Asset id of "Basic Authentication - Simple". Source: the official Terraform provider.
pub const BASIC_AUTHENTICATION: &str = "http-basic-authentication";

/// Asset ids of the policies that ask a caller who it is. Source: MuleSoft's list of included policies and the official
/// Terraform provider.
const AUTHENTICATION: [&str; 11] = [
    BASIC_AUTHENTICATION,
    "ldap-authentication",
    "client-id-enforcement",
    "jwt-validation",
    "oauth2-token-introspection",
    "external-oauth2-access-token-enforcement",
    "openidconnect-access-token-enforcement",
    "openam-access-token-enforcement",
    "pingfederate-access-token-enforcement",
    "native-ext-authz",
    "intask-authentication-policy",
];

/// Number of a policy on an API instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PolicyId(pub u64);

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Requests that a policy is for: both regular expressions have to match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Methods, as `GET|PUT`.
    #[serde(default = "anything", deserialize_with = "regex")]
    pub method_regex: String,
    /// Paths, as `/orders/.*`.
    #[serde(default = "anything", deserialize_with = "regex")]
    pub uri_template_regex: String,
}

fn anything() -> String {
    ".*".to_owned()
}

/// `null` is no condition. Other programs leave it behind.
fn regex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(anything))
}

impl Resource {
    /// Whether every request fits.
    pub fn is_everything(&self) -> bool {
        let of = |regex: &str, all: &[&str]| {
            let bare = regex.strip_prefix('^').unwrap_or(regex);
            all.contains(&bare.strip_suffix('$').unwrap_or(bare))
        };
        of(&self.method_regex, &[".*", ".+"])
            && of(&self.uri_template_regex, &[".*", "/.*", "(/.*)?"])
    }
}

/// A policy that is applied to an API instance, whichever of its three forms the platform chose.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its number.
    pub id: PolicyId,
    /// Group of the policy's asset.
    pub group: Option<String>,
    /// Asset id, without the suffix of the implementation.
    pub asset: String,
    /// Version of the asset.
    pub version: Option<String>,
    /// Place among the policies, from 1; some kinds have none.
    pub order: Option<i64>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The user name in its configuration. A password is never read.
    pub username: Option<String>,
    /// The requests that it is for; none means all.
    pub resources: Option<Vec<Resource>>,
    /// When it was last changed, in the platform's own words: only good for comparing.
    pub updated: Option<String>,
    /// What it can run on, where the platform says so.
    pub technologies: Vec<Technology>,
}

impl Policy {
    /// Whether this is "Basic Authentication - Simple".
    pub fn is_basic(&self) -> bool {
        self.asset == BASIC_AUTHENTICATION
    }

    /// Whether it asks callers who they are.
    pub fn authenticates(&self) -> bool {
        AUTHENTICATION.contains(&self.asset.as_str())
    }

    /// Whether it is for every request.
    pub fn is_for_everything(&self) -> bool {
        self.resources
            .as_ref()
            .is_none_or(|resources| resources.iter().any(Resource::is_everything))
    }
}

/// The wire forms in one: every field is optional, and several names mean the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(deserialize_with = "number")]
    id: Option<u64>,
    #[serde(deserialize_with = "number")]
    policy_id: Option<u64>,
    group_id: Option<String>,
    asset_id: Option<String>,
    asset_version: Option<String>,
    template: Option<Asset>,
    implementation_asset: Option<Asset>,
    implementation_assets: Option<Vec<Asset>>,
    configuration_data: Option<Map<String, Value>>,
    configuration: Option<Map<String, Value>>,
    order: Option<i64>,
    disabled: Option<bool>,
    pointcut_data: Option<Vec<Resource>>,
    audit: Option<Audit>,
    version: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Asset {
    group_id: Option<String>,
    asset_id: Option<String>,
    asset_version: Option<String>,
    version: Option<String>,
    technology: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Audit {
    created: Option<Moment>,
    updated: Option<Moment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Moment {
    date: Option<String>,
}

impl Wire {
    fn into_policy(self) -> Option<Policy> {
        let id = PolicyId(self.id.or(self.policy_id)?);
        let technologies = (self.implementation_assets.iter().flatten())
            .chain(&self.implementation_asset)
            .filter_map(|asset| asset.technology.as_deref())
            .map(Technology::parse)
            .collect();
        let whole = Asset {
            group_id: self.group_id,
            asset_id: self.asset_id,
            asset_version: self.asset_version,
            ..Asset::default()
        };
        let implementation = self.implementation_asset.map(|mut asset| {
            asset.asset_id = asset
                .asset_id
                .as_deref()
                .map(interface_of)
                .map(str::to_owned);
            asset
        });
        let asset = [Some(whole), self.template, implementation]
            .into_iter()
            .flatten()
            .find(|asset| asset.asset_id.is_some())?;
        let audit = self.audit.unwrap_or_default();
        let moment = |moment: Option<Moment>| moment.and_then(|moment| moment.date);
        Some(Policy {
            id,
            group: asset.group_id,
            asset: asset.asset_id?,
            version: asset.asset_version.or(asset.version),
            order: self.order,
            disabled: self.disabled.unwrap_or(false),
            username: self
                .configuration_data
                .or(self.configuration)
                .and_then(|data| data.get("username")?.as_str().map(str::to_owned)),
            resources: self.pointcut_data.filter(|resources| !resources.is_empty()),
            updated: moment(audit.updated)
                .or_else(|| moment(audit.created))
                .or_else(|| Some(self.version?.to_string())),
            technologies,
        })
    }
}

/// The name of the policy that an implementation belongs to: implementations carry a suffix.
fn interface_of(implementation: &str) -> &str {
    ["-mule", "-flex"]
        .iter()
        .find_map(|suffix| implementation.strip_suffix(suffix))
        .unwrap_or(implementation)
}

/// Reads a list of policies in any of its three forms.
fn read_list(reply: &Reply) -> Result<Vec<Policy>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Bare(Vec<Wire>),
        Wrapped { policies: Vec<Wire> },
    }
    let list: List = reply.json()?;
    let (List::Bare(wires) | List::Wrapped { policies: wires }) = list;
    let mut policies: Vec<Policy> = wires.into_iter().filter_map(Wire::into_policy).collect();
    policies.sort_by_key(|policy| (policy.order.unwrap_or(i64::MAX), policy.id));
    Ok(policies)
}

/// User and password of a policy. The platform replaces both together.
#[derive(Debug, Clone, Copy)]
pub struct BasicConfiguration<'a> {
    /// The one user.
    pub username: &'a str,
    /// Its password.
    pub password: &'a Secret,
}

impl BasicConfiguration<'_> {
    fn json(&self) -> Value {
        json!({ "username": self.username, "password": self.password.expose() })
    }
}

/// A Basic Authentication policy to apply.
#[derive(Debug, Clone)]
pub struct NewBasic<'a> {
    /// Version of the policy.
    pub version: &'a str,
    /// User and password.
    pub configuration: BasicConfiguration<'a>,
    /// The requests that it is for; none means all.
    pub resources: Option<&'a [Resource]>,
    /// Place among the policies, from 1; at the end unless given.
    pub order: Option<i64>,
}

/// What to change of a Basic Authentication policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct BasicChange<'a> {
    /// Another version, be it newer or older.
    pub version: Option<&'a str>,
    /// User and password.
    pub configuration: Option<BasicConfiguration<'a>>,
    /// The requests that it is for: what was read, where it is to stay.
    pub resources: Option<&'a [Resource]>,
    /// Switch it on or off.
    pub disabled: Option<bool>,
}

impl Client {
    /// Every policy of an API instance in their order, disabled ones too.
    ///
    /// `GET …/policies?fullInfo=false`; without that parameter disabled policies are left out.
    ///
    /// # Errors
    ///
    /// Not found, refused, or no usable answer.
    pub fn policies(&self, at: &Location, api: ApiId) -> Result<Vec<Policy>> {
        let path = policies_path(at, api);
        let reply = self.send(|http| http.get(&path).query(&[("fullInfo", "false")]))?;
        if !reply.is_success() {
            return Err(policy_refusal(&reply, &VIEW_POLICIES, at, api));
        }
        read_list(&reply)
    }

    /// One policy of an API instance. It tells when it was changed, which a list may leave out.
    ///
    /// `GET …/policies/POLICY`
    ///
    /// # Errors
    ///
    /// Not found, refused, or no usable answer.
    pub fn policy(&self, at: &Location, api: ApiId, policy: PolicyId) -> Result<Policy> {
        let path = format!("{}/{policy}", policies_path(at, api));
        let reply = self.send(|http| http.get(&path))?;
        if !reply.is_success() {
            return Err(policy_refusal(&reply, &VIEW_POLICIES, at, api));
        }
        // The official example shows an array.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Read {
            Array(Vec<Wire>),
            One(Box<Wire>),
        }
        let wires = match reply.json()? {
            Read::Array(wires) => wires,
            Read::One(wire) => vec![*wire],
        };
        let mut read = wires.into_iter().filter_map(Wire::into_policy);
        read.find(|read| read.id == policy).ok_or_else(|| {
            Error::new(
                Kind::Unreachable,
                format!("the platform does not say what policy {policy} is"),
            )
        })
    }

    /// The automated policies that apply to an environment. They run before those of an API instance.
    ///
    /// `GET /apimanager/api/v1/organizations/ORG/automated-policies?environmentId=ENV`
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn automated_policies(&self, at: &Location) -> Result<Vec<Policy>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct List {
            #[serde(default)]
            automated_policies: Vec<Wire>,
        }
        let path = format!(
            "/apimanager/api/v1/organizations/{}/automated-policies",
            at.organization.segment()
        );
        let reply = self.send(|http| {
            http.get(&path)
                .query(&[("environmentId", at.environment.as_str())])
        })?;
        if !reply.is_success() {
            return Err(refusal(&reply, &VIEW_POLICIES));
        }
        let list: List = reply.json()?;
        Ok(list
            .automated_policies
            .into_iter()
            .filter_map(Wire::into_policy)
            .collect())
    }

    /// Applies a Basic Authentication policy.
    ///
    /// `POST …/policies`. Without `allowDuplicated` a second one is refused with 409.
    ///
    /// # Errors
    ///
    /// Refused ([`lacks_implementation`] tells one reason), not found, or no usable answer.
    pub fn apply_basic(&self, at: &Location, api: ApiId, new: &NewBasic<'_>) -> Result<()> {
        let mut body = json!({
            "apiVersionId": api.0,
            "groupId": MULESOFT_GROUP,
            "assetId": BASIC_AUTHENTICATION,
            "assetVersion": new.version,
            "configurationData": new.configuration.json(),
            "pointcutData": new.resources,
        });
        if let Some(order) = new.order {
            body["order"] = order.into();
        }
        let path = policies_path(at, api);
        let reply = self.send(|http| http.post(&path).json(&body))?;
        done(&reply, at, api)
    }

    /// Changes a Basic Authentication policy.
    ///
    /// `PATCH …/policies/POLICY`. The platform replaces the configuration as a whole.
    ///
    /// # Errors
    ///
    /// As [`Client::apply_basic`].
    pub fn change_basic(
        &self,
        at: &Location,
        api: ApiId,
        policy: &Policy,
        change: &BasicChange<'_>,
    ) -> Result<()> {
        let mut body = json!({
            "groupId": policy.group.as_deref().unwrap_or(MULESOFT_GROUP),
            "assetId": BASIC_AUTHENTICATION,
            "pointcutData": change.resources,
        });
        if let Some(version) = change.version.or(policy.version.as_deref()) {
            body["assetVersion"] = version.into();
        }
        if let Some(configuration) = &change.configuration {
            body["configurationData"] = configuration.json();
        }
        if let Some(disabled) = change.disabled {
            body["disabled"] = disabled.into();
        }
        self.patch_policy(at, api, policy.id, &body)
    }

    /// Switches a policy on or off and leaves everything else alone.
    ///
    /// `PATCH …/policies/POLICY`
    ///
    /// # Errors
    ///
    /// As [`Client::apply_basic`].
    pub fn switch_policy(
        &self,
        at: &Location,
        api: ApiId,
        policy: PolicyId,
        disabled: bool,
    ) -> Result<()> {
        self.patch_policy(at, api, policy, &json!({ "disabled": disabled }))
    }

    /// Puts policies into this order.
    ///
    /// `PATCH …/policies`, which looks at nothing but the order, so that no gateway blocks meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Client::apply_basic`].
    pub fn order_policies(&self, at: &Location, api: ApiId, ids: &[PolicyId]) -> Result<()> {
        let body: Vec<Value> = ids
            .iter()
            .zip(1..)
            .map(|(id, order)| json!({ "id": id.0, "order": order }))
            .collect();
        let path = policies_path(at, api);
        let reply = self.send(|http| http.request(Method::PATCH, &path).json(&body))?;
        done(&reply, at, api)
    }

    /// Removes a policy. One that is gone already is content.
    ///
    /// `DELETE …/policies/POLICY`
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn remove_policy(&self, at: &Location, api: ApiId, policy: PolicyId) -> Result<()> {
        let path = format!("{}/{policy}", policies_path(at, api));
        let reply = self.send(|http| http.request(Method::DELETE, &path))?;
        match reply.status() {
            404 => Ok(()),
            _ => done(&reply, at, api),
        }
    }

    fn patch_policy(
        &self,
        at: &Location,
        api: ApiId,
        policy: PolicyId,
        body: &Value,
    ) -> Result<()> {
        let path = format!("{}/{policy}", policies_path(at, api));
        let reply = self.send(|http| http.request(Method::PATCH, &path).json(body))?;
        done(&reply, at, api)
    }
}

fn policies_path(at: &Location, api: ApiId) -> String {
    format!("{}/{api}/policies", at.apis())
}

/// The body of a confirmed write is not read: it is read back anyway.
fn done(reply: &Reply, at: &Location, api: ApiId) -> Result<()> {
    if reply.is_success() {
        Ok(())
    } else {
        Err(policy_refusal(reply, &MANAGE_POLICIES, at, api))
    }
}

fn policy_refusal(reply: &Reply, needs: &Permission, at: &Location, api: ApiId) -> Error {
    let err = refusal(reply, needs);
    if err.kind() != Kind::NotFound {
        return err;
    }
    let said = err.remote().cloned().unwrap_or_default();
    Error::not_found(format!(
        "API Manager finds no API instance {api}, or not this policy of it, in environment {} ({said})",
        at.environment
    ))
    .said(said)
    .advise("Check API_INSTANCE_ID and ENVIRONMENT_ID; each environment has its own instances.")
}

/// Whether a refusal means that this version of the policy does not exist for the API's runtime.
pub fn lacks_implementation(err: &Error) -> bool {
    err.status() == Some(400)
        && err
            .remote()
            .is_some_and(|said| said.message.contains("does not have an implementation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: Value) -> Policy {
        serde_json::from_value::<Wire>(json)
            .unwrap()
            .into_policy()
            .unwrap()
    }

    #[test]
    fn the_three_forms_of_one_policy_read_the_same() {
        let whole = policy(json!({
            "id": 4711, "policyTemplateId": "348742", "groupId": MULESOFT_GROUP, "assetId": BASIC_AUTHENTICATION,
            "assetVersion": "1.3.2", "configurationData": { "username": "svc" }, "order": 1, "disabled": false,
            "pointcutData": null, "audit": { "created": { "date": "x" }, "updated": {} },
            "implementationAsset": { "assetId": "http-basic-authentication-mule", "version": "1.3.2" },
        }));
        let with_template = policy(json!({
            "policyId": "4711", "policyTemplateId": 348742, "order": 1, "version": "x",
            "configuration": { "username": "svc" }, "pointcutData": [],
            "template": { "groupId": MULESOFT_GROUP, "assetId": BASIC_AUTHENTICATION, "assetVersion": "1.3.2" },
            "audit": { "created": { "date": "x" }, "updated": { "date": null } },
        }));
        let with_implementation = policy(json!({
            "policyId": 4711, "order": 1, "configuration": { "username": "svc" }, "upstreamIds": [],
            "audit": { "created": { "date": "x" } },
            "implementationAsset":
                { "groupId": MULESOFT_GROUP, "assetId": "http-basic-authentication-flex", "version": "1.3.2" },
        }));
        assert_eq!(whole, with_template);
        assert_eq!(whole, with_implementation);
        assert!(whole.is_basic());
    }

    #[test]
    fn a_condition_of_null_is_none() {
        let with = |pointcut: Value| {
            policy(json!({ "id": 1, "assetId": BASIC_AUTHENTICATION, "pointcutData": pointcut }))
        };
        let read = with(json!([{ "methodRegex": null, "uriTemplateRegex": "/a" }, {}]));
        let resources = read.resources.as_deref().unwrap();
        assert_eq!(resources[0].method_regex, ".*");
        assert_eq!(resources[0].uri_template_regex, "/a");
        assert!(read.is_for_everything(), "the second is for every request");
        assert!(!with(json!([resources[0]])).is_for_everything());
        assert!(with(json!(null)).is_for_everything());
        for part in [("GET", ".*"), (".*", "/a/.*"), ("GET|PUT", "/.*")] {
            let one = json!([{ "methodRegex": part.0, "uriTemplateRegex": part.1 }]);
            assert!(!with(one).is_for_everything(), "{part:?}");
        }
    }

    #[test]
    fn what_a_policy_runs_on_is_read() {
        let automated = policy(json!({
            "id": 1, "assetId": BASIC_AUTHENTICATION,
            "implementationAssets": [{ "technology": "mule4" }, { "technology": "flexGateway" }, {}],
        }));
        assert_eq!(
            automated.technologies,
            [Technology::Mule4, Technology::FlexGateway]
        );
    }

    #[test]
    fn a_policy_whose_asset_is_not_named_is_left_out() {
        let wire: Wire = serde_json::from_value(json!({ "policyId": 1 })).unwrap();
        assert!(wire.into_policy().is_none());
    }

    #[test]
    fn a_password_that_the_platform_gives_back_is_not_kept() {
        let read = policy(json!({
            "id": 1, "assetId": BASIC_AUTHENTICATION, "configurationData": { "username": "u", "password": "canary-read" },
        }));
        assert!(!format!("{read:?}").contains("canary-read"));
    }

    #[test]
    fn a_suffix_that_belongs_to_the_name_stays() {
        assert_eq!(
            interface_of("http-basic-authentication-flex"),
            BASIC_AUTHENTICATION
        );
        assert_eq!(interface_of("mule"), "mule");
    }
}
