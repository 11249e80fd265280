//! API Manager: API instances, their policies, policy templates, automated policies.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Anypoint;
use super::accounts::authorize;
use crate::clock::plus;
use crate::http::{Answer, Request};
use crate::routes;
use crate::world::World;

const PREFIX: &str = "/apimanager";

/// Exchange group of the vendor's own policies.
pub const VENDOR_GROUP: &str = "68ef9520-24e9-4cf2-b2f5-620025690913";
/// "Basic Authentication - Simple".
pub const BASIC: &str = "http-basic-authentication";
/// What a masked password looks like.
pub const MASK: &str = "************";

const VIEW_POLICIES: &[&str] = &["read:api_policies", "manage:api_policies"];
const MANAGE_POLICIES: &[&str] = &["manage:api_policies"];
const VIEW_APIS: &[&str] = &["read:api_configuration", "manage:api_configuration"];
const MANAGE_APIS: &[&str] = &["manage:api_configuration"];
/// Scopes of which one is needed to read Exchange.
pub const VIEW_EXCHANGE: &[&str] = &["view:exchange", "read:exchange"];

/// In which of its three forms the platform lists policies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListForm {
    /// A bare array of whole policies.
    #[default]
    Bare,
    /// An object with `policies` and their `template`.
    WithTemplate,
    /// An array whose entries name only the implementation.
    WithImplementation,
}

/// What a read shows of a password.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordForm {
    /// The field is absent.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// [`MASK`].
    Masked,
    /// As it is, as older platforms did.
    Plain,
}

/// Behaviour that is unknown, differs between sources, or that a test wants to set.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Form of the list of policies with `fullInfo=false`.
    pub list_form: ListForm,
    /// What a read shows of a password.
    pub password: PasswordForm,
    /// Templates call their version `version` instead of `assetVersion`.
    pub template_version_field: bool,
    /// Milliseconds until a gateway hears of a change.
    pub poll_ms: u64,
    /// Milliseconds that a second replica hears of it later; it answers every other request. 0: there is one replica.
    pub second_replica_ms: u64,
}

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

/// API Manager's state.
#[derive(Debug, Clone)]
pub struct ApiManager {
    /// API instances of all environments.
    pub instances: Vec<ApiInstance>,
    /// Policy templates.
    pub templates: Vec<Template>,
    /// Automated policies, by environment.
    pub automated: Vec<(String, Policy)>,
    last_id: u64,
}

impl Default for ApiManager {
    fn default() -> Self {
        let templates = [
            (BASIC, "1.3.1"),
            (BASIC, "1.3.2"),
            ("client-id-enforcement", "1.3.3"),
            ("jwt-validation", "0.14.0"),
            ("rate-limiting", "1.4.0"),
            ("message-logging", "2.0.1"),
        ];
        Self {
            instances: Vec::new(),
            templates: templates
                .iter()
                .map(|(asset, version)| Template::new(asset, version))
                .collect(),
            automated: Vec::new(),
            last_id: 4710,
        }
    }
}

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

/// What the gateways that track an API instance know.
#[derive(Debug, Default, Clone)]
pub struct Tracking {
    /// The policies that they enforce, from when.
    pub(crate) enforced: Vec<(Timestamp, Vec<Policy>)>,
    pub(crate) requests: u64,
    pub(crate) last_active: Option<Timestamp>,
}

/// An applied policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its number.
    pub id: u64,
    /// Group of the asset.
    pub group: String,
    /// Asset id.
    pub asset: String,
    /// Version.
    pub version: String,
    /// Configuration, passwords included.
    pub configuration: Map<String, Value>,
    /// Place.
    pub order: i64,
    /// Switched off.
    pub disabled: bool,
    /// Conditions, as received.
    pub pointcut: Value,
    /// When it was applied.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
}

impl ApiManager {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// An API instance by its number.
    pub fn instance(&self, id: u64) -> Option<&ApiInstance> {
        self.instances.iter().find(|instance| instance.id == id)
    }

    /// An API instance by its number, to change.
    pub fn instance_mut(&mut self, id: u64) -> Option<&mut ApiInstance> {
        self.instances.iter_mut().find(|instance| instance.id == id)
    }

    /// Adds an automated policy to an environment.
    pub fn automate(&mut self, environment: &str, asset: &str, now: Timestamp) {
        let id = self.next_id();
        let policy = Policy {
            id,
            group: VENDOR_GROUP.to_owned(),
            asset: asset.to_owned(),
            version: "1.0.0".to_owned(),
            configuration: Map::new(),
            order: 1,
            disabled: false,
            pointcut: Value::Null,
            created: now,
            updated: None,
        };
        self.automated.push((environment.to_owned(), policy));
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

/// Answers a request under `/apimanager`.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    super::application_manager::settle(world);
    let result = match segments.as_slice() {
        [
            "api",
            "v1",
            "organizations",
            org,
            "environments",
            env,
            "apis",
            rest @ ..,
        ] => apis(world, request, org, env, rest),
        [
            "xapi",
            "v1",
            "organizations",
            org,
            "exchange-policy-templates",
        ] if request.method == "GET" => templates(world, request, org),
        ["api", "v1", "organizations", org, "automated-policies"] if request.method == "GET" => {
            automated(world, request, org)
        }
        _ => Err(routes::not_modelled(request)),
    };
    result.unwrap_or_else(|answer| answer)
}

fn not_found(message: &str) -> Answer {
    Answer::json(404, &json!({ "name": "NotFoundError", "message": message }))
}

fn bad_request(message: &str) -> Answer {
    Answer::json(
        400,
        &json!({ "name": "BadRequestError", "message": message }),
    )
}

fn apis(
    world: &mut World,
    request: &Request,
    org: &str,
    env: &str,
    rest: &[&str],
) -> Result<Answer, Answer> {
    let now = world.clock.now();
    let writes = request.method != "GET";
    let scopes = match (rest, writes) {
        ([_, "policies", ..], false) => VIEW_POLICIES,
        ([_, "policies", ..], true) => MANAGE_POLICIES,
        (_, false) => VIEW_APIS,
        (_, true) => MANAGE_APIS,
    };
    let anypoint = &mut world.anypoint;
    authorize(anypoint, request, now, scopes, org, Some(env))?;
    let known = anypoint
        .organizations
        .iter()
        .any(|known| known.id == org && known.environments.iter().any(|one| one.id == env));
    if !known {
        return Err(not_found("Environment not found"));
    }
    let [api, rest @ ..] = rest else {
        return match request.method.as_str() {
            "GET" => Ok(list(anypoint, request, org, env)),
            "POST" => create(anypoint, request, org, env),
            _ => Err(routes::not_modelled(request)),
        };
    };
    let id: u64 = api
        .parse()
        .map_err(|_| not_found("\"route\" could not be found using \"request path\""))?;
    let there = anypoint
        .api_manager
        .instances
        .iter()
        .position(|one| one.id == id && one.organization == org && one.environment == env)
        .ok_or_else(|| not_found(&format!("API with id {id} not found")))?;
    match (request.method.as_str(), rest) {
        ("GET", []) => {
            let instance = &anypoint.api_manager.instances[there];
            Ok(Answer::json(200, &instance_json(instance, true, now)))
        }
        ("DELETE", []) => {
            anypoint.api_manager.instances.remove(there);
            Ok(Answer::empty(204))
        }
        (_, ["policies", rest @ ..]) => policies(anypoint, request, there, rest, now),
        _ => Err(routes::not_modelled(request)),
    }
}

fn instance_json(instance: &ApiInstance, whole: bool, now: Timestamp) -> Value {
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
            "type": "http-api", "uri": null, "proxyUri": null, "isCloudHub": null,
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

fn list(anypoint: &Anypoint, request: &Request, org: &str, env: &str) -> Answer {
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

fn create(
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
        ..ApiInstance::default()
    });
    let created = anypoint
        .api_manager
        .instance(id)
        .map(|one| instance_json(one, true, Timestamp::now()));
    Ok(Answer::json(201, &created))
}

fn policies(
    anypoint: &mut Anypoint,
    request: &Request,
    there: usize,
    rest: &[&str],
    now: Timestamp,
) -> Result<Answer, Answer> {
    let switches = anypoint.switches.api_manager.clone();
    let manager = &mut anypoint.api_manager;
    let position = |manager: &ApiManager, id: &str| {
        manager.instances[there]
            .policies
            .iter()
            .position(|policy| policy.id.to_string() == id)
            .ok_or_else(|| not_found("Policy not found"))
    };
    let answer = match (request.method.as_str(), rest) {
        ("GET", []) => return list_policies(&manager.instances[there], request, &switches),
        ("GET", [id]) => {
            let instance = &manager.instances[there];
            let policy = &instance.policies[position(manager, id)?];
            return Ok(Answer::json(
                200,
                &policy_json(instance, policy, switches.password),
            ));
        }
        ("POST", []) => apply(manager, request, there, &switches, now)?,
        ("PATCH", []) => reorder(manager, request, there)?,
        ("PATCH", [id]) => {
            let at = position(manager, id)?;
            change(manager, request, there, at, &switches, now)?
        }
        ("DELETE", [id]) => {
            let at = position(manager, id)?;
            manager.instances[there].policies.remove(at);
            Answer::empty(204)
        }
        _ => return Err(routes::not_modelled(request)),
    };
    let instance = &mut manager.instances[there];
    let heard = plus(now, Duration::from_millis(switches.poll_ms));
    instance
        .tracking
        .enforced
        .push((heard, instance.policies.clone()));
    Ok(answer)
}

fn shown(configuration: &Map<String, Value>, form: PasswordForm) -> Value {
    let mut shown = configuration.clone();
    if shown.contains_key("password") {
        match form {
            PasswordForm::Absent => shown.remove("password"),
            PasswordForm::Null => shown.insert("password".to_owned(), Value::Null),
            PasswordForm::Masked => shown.insert("password".to_owned(), MASK.into()),
            PasswordForm::Plain => None,
        };
    }
    Value::Object(shown)
}

fn implementation(instance: &ApiInstance, policy: &Policy) -> Value {
    let suffix = if instance.technology == "flexGateway" {
        "flex"
    } else {
        "mule"
    };
    json!({
        "assetId": format!("{}-{suffix}", policy.asset), "groupId": policy.group, "version": policy.version,
        "technology": instance.technology, "minRuntimeVersion": "4.1.0", "supportedJavaVersions": ["8", "11", "17"],
    })
}

fn policy_json(instance: &ApiInstance, policy: &Policy, form: PasswordForm) -> Value {
    json!({
        "audit": {
            "created": { "date": policy.created.to_string() },
            "updated": policy.updated.map_or_else(|| json!({}), |date| json!({ "date": date.to_string() })),
        },
        "masterOrganizationId": instance.organization, "organizationId": instance.organization,
        "id": policy.id, "policyTemplateId": "348742", "groupId": policy.group, "assetId": policy.asset,
        "assetVersion": policy.version, "configurationData": shown(&policy.configuration, form),
        "order": policy.order, "disabled": policy.disabled, "pointcutData": policy.pointcut, "type": "system",
        "apiId": instance.id, "label": null, "implementationAsset": implementation(instance, policy),
    })
}

/// The policies of an instance as a list with `fullInfo=false` shows them, in its bare form.
pub fn shown_policies(instance: &ApiInstance) -> Value {
    instance
        .policies
        .iter()
        .map(|policy| policy_json(instance, policy, PasswordForm::Absent))
        .collect()
}

fn list_policies(
    instance: &ApiInstance,
    request: &Request,
    switches: &Switches,
) -> Result<Answer, Answer> {
    let full = match request.param("fullInfo") {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(bad_request("fullInfo should be boolean")),
    };
    let mut policies: Vec<&Policy> = instance
        .policies
        .iter()
        .filter(|policy| !full || !policy.disabled)
        .collect();
    policies.sort_by_key(|policy| policy.order);
    let form = if full {
        ListForm::WithTemplate
    } else {
        switches.list_form
    };
    let date = |policy: &Policy| policy.updated.unwrap_or(policy.created).to_string();
    let entries: Vec<Value> = policies
        .into_iter()
        .map(|policy| match form {
            ListForm::Bare => policy_json(instance, policy, switches.password),
            ListForm::WithTemplate => {
                let mut value = json!({
                    "policyId": policy.id, "policyTemplateId": 348_742, "type": "system", "version": date(policy),
                    "order": policy.order, "pointcutData": policy.pointcut,
                    "configuration": shown(&policy.configuration, switches.password),
                    "template": { "groupId": policy.group, "assetId": policy.asset, "assetVersion": policy.version },
                });
                if policy.disabled {
                    value["disabled"] = true.into();
                }
                value
            }
            ListForm::WithImplementation => json!({
                "policyId": policy.id, "order": policy.order, "disabled": policy.disabled,
                "configuration": shown(&policy.configuration, switches.password), "pointcutData": policy.pointcut,
                "upstreamIds": [], "implementationAsset": implementation(instance, policy),
                "audit": { "created": { "date": policy.created.to_string() }, "updated": { "date": date(policy) } },
            }),
        })
        .collect();
    Ok(match form {
        ListForm::WithTemplate => Answer::json(
            200,
            &json!({ "policies": entries, "tiers": { "values": [], "version": 0 } }),
        ),
        _ => Answer::json(200, &entries),
    })
}

/// The complaint of the platform's validator, which echoes what was submitted.
fn invalid(field: &str, data: &Value) -> Answer {
    Answer::json(
        400,
        &json!({ "errors": [ {
            "type": "required", "dataPath": ".configurationData", "keyword": "required", "schema": {}, "data": data,
            "message": format!("should have required property '{field}'"),
        } ] }),
    )
}

fn configuration(
    asset: &str,
    body: &Value,
) -> Result<(Map<String, Value>, Option<String>), Answer> {
    let Some(Value::Object(data)) = body.get("configurationData") else {
        return Err(bad_request("configurationData should be object"));
    };
    let mut note = None;
    if asset == BASIC {
        for field in ["username", "password"] {
            if !data.get(field).is_some_and(Value::is_string) {
                return Err(invalid(field, &body["configurationData"]));
            }
        }
        if data["password"] == MASK {
            note = Some("a masked password was sent back".to_owned());
        }
    }
    Ok((data.clone(), note))
}

fn implemented(
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

fn pointcut(body: &Value) -> Result<Value, Answer> {
    let value = body.get("pointcutData").cloned().unwrap_or_default();
    let fits = match &value {
        Value::Null => true,
        Value::Array(entries) => entries
            .iter()
            .all(|entry| entry["methodRegex"].is_string() && entry["uriTemplateRegex"].is_string()),
        _ => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(bad_request("pointcutData is malformed"))
    }
}

fn apply(
    manager: &mut ApiManager,
    request: &Request,
    there: usize,
    switches: &Switches,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let body = request.json().map_err(|why| bad_request(&why))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(group), Some(asset), Some(version)) =
        (text("groupId"), text("assetId"), text("assetVersion"))
    else {
        return Err(bad_request(
            "groupId, assetId and assetVersion are required",
        ));
    };
    let id = manager.next_id();
    let instance = &manager.instances[there];
    implemented(manager, instance, group, asset, version)?;
    let (configuration, note) = configuration(asset, &body)?;
    let pointcut = pointcut(&body)?;
    let twice = instance.policies.iter().any(|policy| policy.asset == asset);
    if twice && request.param("allowDuplicated") != Some("true") {
        return Err(Answer::json(
            409,
            &json!({ "name": "ConflictError", "message": "The policy template is already applied" }),
        ));
    }
    let last = instance
        .policies
        .iter()
        .map(|policy| policy.order)
        .max()
        .unwrap_or(0);
    let order = body
        .get("order")
        .and_then(Value::as_i64)
        .unwrap_or(last + 1);
    let instance = &mut manager.instances[there];
    if order <= last {
        for policy in instance
            .policies
            .iter_mut()
            .filter(|policy| policy.order >= order)
        {
            policy.order += 1;
        }
    }
    let policy = Policy {
        id,
        group: group.to_owned(),
        asset: asset.to_owned(),
        version: version.to_owned(),
        configuration,
        order,
        disabled: body.get("disabled") == Some(&Value::Bool(true)),
        pointcut,
        created: now,
        updated: None,
    };
    let answer = Answer::json(201, &policy_json(instance, &policy, switches.password));
    instance.policies.push(policy);
    Ok(match note {
        Some(note) => answer.unexpected(note),
        None => answer,
    })
}

fn change(
    manager: &mut ApiManager,
    request: &Request,
    there: usize,
    at: usize,
    switches: &Switches,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let body = request.json().map_err(|why| bad_request(&why))?;
    let Value::Object(fields) = &body else {
        return Err(bad_request("the body should be object"));
    };
    let instance = &manager.instances[there];
    let mut policy = instance.policies[at].clone();
    let mut note = None;
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("configurationData", _) => {
                let (configuration, odd) = configuration(&policy.asset, &body)?;
                policy.configuration = configuration;
                note = odd;
            }
            ("assetVersion", Value::String(version)) => {
                if *version != policy.version {
                    implemented(manager, instance, &policy.group, &policy.asset, version)?;
                    policy.version.clone_from(version);
                }
            }
            ("pointcutData", _) => policy.pointcut = pointcut(&body)?,
            ("disabled", Value::Bool(disabled)) => policy.disabled = *disabled,
            ("order", value) => policy.order = value.as_i64().unwrap_or(policy.order),
            ("groupId" | "assetId" | "apiVersionId" | "policyTemplateId" | "id" | "label", _) => {}
            (name, _) => note = Some(format!("field {name} of a policy")),
        }
    }
    policy.updated = Some(now);
    let answer = Answer::json(200, &policy_json(instance, &policy, switches.password));
    manager.instances[there].policies[at] = policy;
    Ok(match note {
        Some(note) => answer.unexpected(note),
        None => answer,
    })
}

fn reorder(manager: &mut ApiManager, request: &Request, there: usize) -> Result<Answer, Answer> {
    let body = request.json().map_err(|why| bad_request(&why))?;
    let Value::Array(entries) = &body else {
        return Err(bad_request("the body should be array"));
    };
    let policies = &mut manager.instances[there].policies;
    for entry in entries {
        let (Some(id), Some(order)) = (entry["id"].as_u64(), entry["order"].as_i64()) else {
            return Err(bad_request("id and order are required"));
        };
        let policy = policies
            .iter_mut()
            .find(|policy| policy.id == id)
            .ok_or_else(|| not_found("Policy not found"))?;
        policy.order = order;
    }
    policies.sort_by_key(|policy| policy.order);
    Ok(Answer::json(
        200,
        &json!({ "message": "Resource updated successfully" }),
    ))
}

fn templates(world: &mut World, request: &Request, org: &str) -> Result<Answer, Answer> {
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

fn automated(world: &mut World, request: &Request, org: &str) -> Result<Answer, Answer> {
    let now = world.clock.now();
    let anypoint = &world.anypoint;
    let env = request.param("environmentId");
    authorize(anypoint, request, now, VIEW_POLICIES, org, env)?;
    let policies: Vec<Value> = anypoint
        .api_manager
        .automated
        .iter()
        .filter(|(environment, _)| env.is_none_or(|env| env == environment))
        .map(|(environment, policy)| {
            json!({
                "audit": { "created": { "date": policy.created.to_string() }, "updated": {} },
                "id": policy.id, "groupId": policy.group, "assetId": policy.asset, "assetVersion": policy.version,
                "ruleOfApplication": { "organizationId": org, "environmentId": environment },
                "configurationData": shown(&policy.configuration, PasswordForm::Absent),
                "pointcutData": policy.pointcut, "order": policy.order, "disabled": policy.disabled,
                "implementationAssets": [],
            })
        })
        .collect();
    Ok(Answer::json(
        200,
        &json!({ "total": policies.len(), "automatedPolicies": policies }),
    ))
}
