//! Application Manager: applications on CloudHub 2.0, their properties and redeployments.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::accounts::authorize;
use super::endpoints::Endpoint;
use super::{Anypoint, endpoints, fill, refusal};
use crate::clock::plus;
use crate::http::{Answer, Request};
use crate::routes;
use crate::world::{Ids, World};

const PREFIX: &str = "/amc/application-manager/api/v2";
const SERVICE: &str = "mule.agent.application.properties.service";
const READ: &[&str] = &["read:applications", "create:applications"];
const WRITE: &[&str] = &["manage:application_settings"];

/// What a read shows of protected properties.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecureForm {
    /// The names, with empty values.
    #[default]
    Empty,
    /// The names, with masked values.
    Masked,
    /// An empty object.
    Hidden,
}

/// Behaviour that is unknown, or that a test wants to set.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// What a read shows of protected properties.
    pub secure: SecureForm,
    /// Milliseconds that a redeployment takes.
    pub redeploy_ms: u64,
    /// Redeployments that fail, from the next one on.
    pub failing_redeployments: u32,
    /// Whether endpoints are told and taken as a list of objects, instead of one text of addresses.
    pub endpoint_list: bool,
    /// Whether what an update says of the inbound traffic takes the place of all that was said before; else both are merged.
    pub inbound_replaced: bool,
}

type Properties = BTreeMap<String, String>;

/// A configuration of an application.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// Plain properties.
    pub properties: Properties,
    /// Protected properties, with their values.
    pub secure: Properties,
}

impl Configuration {
    fn value(&self, name: &str) -> Option<&str> {
        self.secure
            .get(name)
            .or_else(|| self.properties.get(name))
            .map(String::as_str)
    }
}

/// A deployed application.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deployment {
    /// UUID; made up if empty.
    pub id: String,
    /// Name.
    pub name: String,
    /// Id of the organization; the first one if empty.
    pub organization: String,
    /// Id of the environment.
    pub environment: String,
    /// Where it answers, as `https://api.acme.example/orders`, or several such addresses separated by commas.
    pub public_url: String,
    /// Id of the private space that it runs in; the shared space of a region if empty.
    pub space: String,
    /// Property that its autodiscovery element takes the API instance from; none if it has no such element.
    pub autodiscovery: Option<String>,
    /// Version of the application; `1.0.0` if empty.
    pub version: String,
    /// Whether it was stopped.
    pub stopped: bool,
    /// Versions that Exchange has of it; any if empty.
    pub published: Vec<String>,
    /// What is wanted.
    pub desired: Configuration,
    /// What runs; the same as wanted at first.
    #[serde(skip)]
    pub running: Configuration,
    /// Where it is wanted to answer.
    #[serde(skip)]
    pub endpoints: Vec<Endpoint>,
    /// Where it answers.
    #[serde(skip)]
    pub routed: Vec<Endpoint>,
    /// What else was said about the target, as an update would say it.
    #[serde(skip)]
    pub settings: Settings,
    /// How far the last change has come.
    #[serde(skip)]
    pub change: Change,
}

/// What the target of a deployment holds beside its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `target.replicas` and the like.
    pub target: Map<String, Value>,
    /// `target.deploymentSettings`.
    pub deployment: Map<String, Value>,
    /// `target.deploymentSettings.http.inbound`.
    pub inbound: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        Self {
            target: object(json!({ "replicas": 1 })),
            deployment: object(json!({
                "runtime": { "version": "4.9.3", "releaseChannel": "LTS", "java": "17" }, "clustered": false,
            })),
            inbound: object(json!({ "lastMileSecurity": false, "forwardSslSession": false })),
        }
    }
}

impl Deployment {
    /// Has it answer at this address, or at these, and nowhere else, as if it had been deployed so.
    pub fn expose_at(&mut self, urls: &str) {
        urls.clone_into(&mut self.public_url);
        self.endpoints = endpoints::of_text(urls);
        self.routed.clone_from(&self.endpoints);
    }

    fn target(&self) -> &str {
        if self.space.is_empty() {
            "cloudhub-us-east-2"
        } else {
            &self.space
        }
    }
}

/// The life of an application since it was added.
#[derive(Debug, Default, Clone)]
pub struct Change {
    wanted: u64,
    running: u64,
    done: Option<Timestamp>,
    fails: bool,
    failed: bool,
    restarts: u32,
}

impl Change {
    /// How often the application was restarted with other properties.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }
}

impl Anypoint {
    /// Adds an application that runs, and returns the id of its deployment.
    pub fn add_deployment(&mut self, ids: &mut Ids, mut deployment: Deployment) -> String {
        fill(&mut deployment.id, ids);
        if deployment.organization.is_empty()
            && let Some(first) = self.organizations.first()
        {
            deployment.organization.clone_from(&first.id);
        }
        if deployment.version.is_empty() {
            "1.0.0".clone_into(&mut deployment.version);
        }
        deployment.running = deployment.desired.clone();
        let urls = deployment.public_url.clone();
        deployment.expose_at(&urls);
        let id = deployment.id.clone();
        self.deployments.push(deployment);
        id
    }

    /// An application by name.
    pub fn deployment(&self, name: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|one| one.name == name)
    }
}

/// Lets time take effect: redeployments end, and instances whose application runs become active.
pub(crate) fn settle(world: &mut World) {
    let now = world.clock.now();
    let anypoint = &mut world.anypoint;
    for one in &mut anypoint.deployments {
        let change = &mut one.change;
        if change.done.is_some_and(|done| done <= now) {
            change.done = None;
            change.failed = change.fails;
            if !change.fails {
                change.running = change.wanted;
                change.restarts += 1;
                one.running = one.desired.clone();
                one.routed.clone_from(&one.endpoints);
            }
        }
    }
    let tracked: Vec<u64> = anypoint
        .deployments
        .iter()
        .filter_map(|one| tracks(anypoint, one))
        .collect();
    for instance in &mut anypoint.api_manager.instances {
        if tracked.contains(&instance.id) {
            "active".clone_into(&mut instance.status);
            instance.tracking.last_active = Some(now);
        }
    }
}

/// The API instance that a running application tracks: it names one of its environment, with that one's credentials.
pub(crate) fn tracks(anypoint: &Anypoint, deployment: &Deployment) -> Option<u64> {
    let id: u64 = named(deployment)?.parse().ok()?;
    let instance = anypoint.api_manager.instance(id)?;
    let environment = anypoint
        .organizations
        .iter()
        .flat_map(|org| &org.environments)
        .find(|environment| environment.id == deployment.environment)?;
    let running = &deployment.running;
    let trusted = running.value("anypoint.platform.client_id") == Some(&environment.client_id)
        && running.value("anypoint.platform.client_secret") == Some(&environment.client_secret)
        // The simulator is no control plane of the United States, so an application has to be told where it is.
        && running.value("anypoint.platform.base_uri").is_some();
    (instance.environment == deployment.environment && trusted).then_some(id)
}

/// The API instance that the autodiscovery element of a running application names, be it right or wrong.
pub(crate) fn named(deployment: &Deployment) -> Option<&str> {
    deployment
        .running
        .value(deployment.autodiscovery.as_deref()?)
        .filter(|id| !id.is_empty())
}

/// Answers a request under `/amc/application-manager/api/v2`.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    settle(world);
    let result = match segments.as_slice() {
        [
            "organizations",
            org,
            "environments",
            env,
            "deployments",
            rest @ ..,
        ] => deployments(world, request, org, env, rest),
        _ => Err(routes::not_modelled(request)),
    };
    result.unwrap_or_else(|answer| answer)
}

fn deployments(
    world: &mut World,
    request: &Request,
    org: &str,
    env: &str,
    rest: &[&str],
) -> Result<Answer, Answer> {
    let now = world.clock.now();
    let scopes = if request.method == "GET" { READ } else { WRITE };
    let anypoint = &mut world.anypoint;
    authorize(anypoint, request, now, scopes, org, Some(env))?;
    let switches = anypoint.switches.application_manager.clone();
    let [id] = rest else {
        return if rest.is_empty() && request.method == "GET" {
            Ok(list(anypoint, request, env))
        } else {
            Err(routes::not_modelled(request))
        };
    };
    let there = anypoint
        .deployments
        .iter()
        .position(|one| one.id == *id && one.environment == env)
        .ok_or_else(|| {
            Answer::json(
                404,
                &json!({ "status": 404, "message": "Deployment not found" }),
            )
        })?;
    match request.method.as_str() {
        "GET" => {}
        "PATCH" => {
            let body = request.json().map_err(|why| refusal(400, &why))?;
            let wanted = endpoints::wanted(anypoint, there, &body)?;
            patch(&mut anypoint.deployments[there], &body, &switches, now)?;
            if let Some(wanted) = wanted {
                anypoint.deployments[there].endpoints = wanted;
            }
            let failing = &mut anypoint.switches.application_manager.failing_redeployments;
            *failing = failing.saturating_sub(1);
        }
        _ => return Err(routes::not_modelled(request)),
    }
    Ok(Answer::json(
        200,
        &deployment_json(&anypoint.deployments[there], &switches),
    ))
}

fn list(anypoint: &Anypoint, request: &Request, env: &str) -> Answer {
    let number = |name: &str, default| {
        request
            .param(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (offset, limit) = (number("offset", 0), number("limit", 25_usize).min(100));
    let all: Vec<&Deployment> = anypoint
        .deployments
        .iter()
        .filter(|one| one.environment == env)
        .collect();
    let items: Vec<Value> = all
        .iter()
        .skip(offset)
        .take(limit)
        .map(|one| {
            json!({
                "id": one.id, "name": one.name, "creationDate": 1_767_225_600_000_u64,
                "lastModifiedDate": 1_767_225_600_000_u64,
                "target": { "provider": "MC", "targetId": one.target() }, "status": one.status(),
                "application": { "status": "RUNNING" },
            })
        })
        .collect();
    Answer::json(200, &json!({ "total": all.len(), "items": items }))
}

impl Deployment {
    fn status(&self) -> &'static str {
        if self.change.done.is_some() {
            "APPLYING"
        } else if self.change.failed {
            "FAILED"
        } else {
            "APPLIED"
        }
    }
}

fn version_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn deployment_json(one: &Deployment, switches: &Switches) -> Value {
    let secure: BTreeMap<&String, &str> = match switches.secure {
        SecureForm::Hidden => BTreeMap::new(),
        SecureForm::Empty => one.desired.secure.keys().map(|name| (name, "")).collect(),
        SecureForm::Masked => one
            .desired
            .secure
            .keys()
            .map(|name| (name, "******"))
            .collect(),
    };
    let reason = if one.change.failed {
        "The application did not start: see its log"
    } else {
        ""
    };
    let Settings {
        target,
        deployment,
        inbound,
    } = &one.settings;
    let mut inbound = inbound.clone();
    inbound
        .entry("pathRewrite".to_owned())
        .or_insert(Value::Null);
    inbound.append(&mut endpoints::view(&one.endpoints, switches.endpoint_list));
    let mut deployment = deployment.clone();
    deployment.insert("http".to_owned(), json!({ "inbound": inbound }));
    let mut target = target.clone();
    target.extend([
        ("provider".to_owned(), json!("MC")),
        ("targetId".to_owned(), json!(one.target())),
        ("deploymentSettings".to_owned(), Value::Object(deployment)),
    ]);
    json!({
        "id": one.id, "name": one.name, "labels": [],
        "creationDate": 1_767_225_600_000_u64, "lastModifiedDate": 1_767_225_600_000_u64,
        "desiredVersion": version_id(one.change.wanted), "lastSuccessfulVersion": version_id(one.change.running),
        "status": one.status(),
        "replicas": [ {
            "id": format!("{}-7d9c", one.name), "state": if one.change.failed { "FAILED" } else { "STARTED" },
            "reason": reason, "currentDeploymentVersion": version_id(one.change.wanted),
        } ],
        "application": {
            "status": if one.stopped { "NOT_RUNNING" } else { "RUNNING" },
            "desiredState": if one.stopped { "STOPPED" } else { "STARTED" }, "vCores": 0.1,
            "ref": { "groupId": one.organization, "artifactId": one.name, "version": one.version, "packaging": "jar" },
            "configuration": { SERVICE: {
                "applicationName": one.name, "properties": one.desired.properties, "secureProperties": secure,
            } },
        },
        "target": target,
    })
}

fn patch(
    one: &mut Deployment,
    body: &Value,
    switches: &Switches,
    now: Timestamp,
) -> Result<(), Answer> {
    if one.change.done.is_some() {
        return Err(refusal(409, "The deployment is being updated"));
    }
    let artifact = body.pointer("/application/ref");
    if let Some(artifact) = artifact {
        patch_artifact(one, artifact)?;
    }
    let service = body
        .pointer("/application/configuration")
        .and_then(|configuration| configuration.get(SERVICE));
    if let Some(service) = service {
        let kind = |name: &str| -> Result<Option<Properties>, Answer> {
            service
                .get(name)
                .map(|value| {
                    serde_json::from_value(value.clone())
                        .map_err(|_| refusal(400, &format!("{name} should be an object of texts")))
                })
                .transpose()
        };
        let (properties, secure) = (kind("properties")?, kind("secureProperties")?);
        let all = properties.iter().chain(&secure).flatten();
        if all.clone().count() > 300
            || all
                .into_iter()
                .any(|(key, value)| key.chars().count().max(value.chars().count()) > 1024)
        {
            return Err(refusal(400, "too many or too long properties"));
        }
        // Either kind replaces both; naming none keeps both.
        if properties.is_some() || secure.is_some() {
            one.desired = Configuration {
                properties: properties.unwrap_or_default(),
                secure: secure.unwrap_or_default(),
            };
        }
    }
    if let Some(target) = body.get("target").and_then(Value::as_object) {
        one.settings.change(target.clone(), switches);
    }
    one.change.wanted += 1;
    one.change.fails = switches.failing_redeployments > 0;
    one.change.failed = false;
    one.change.done = Some(plus(now, Duration::from_millis(switches.redeploy_ms)));
    Ok(())
}

impl Settings {
    /// Takes what an update says; what it does not say stays.
    fn change(&mut self, mut target: Map<String, Value>, switches: &Switches) {
        let object = |value: Option<Value>| match value {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let mut deployment = object(target.remove("deploymentSettings"));
        let mut http = object(deployment.remove("http"));
        let mut inbound = object(http.remove("inbound"));
        for known in ["publicUrl", "endpoints"] {
            inbound.remove(known);
        }
        if switches.inbound_replaced && !inbound.is_empty() {
            self.inbound.clear();
        }
        for name in ["provider", "targetId"] {
            target.remove(name);
        }
        merge(&mut self.target, target);
        merge(&mut self.deployment, deployment);
        merge(&mut self.inbound, inbound);
    }
}

/// Objects are merged, everything else is replaced.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

fn patch_artifact(one: &mut Deployment, artifact: &Value) -> Result<(), Answer> {
    let text = |name: &str| artifact.get(name).and_then(Value::as_str);
    let is_the_same = text("groupId") == Some(&one.organization)
        && text("artifactId") == Some(&one.name)
        && text("packaging") == Some("jar");
    let version = text("version").filter(|_| is_the_same);
    let version = version.ok_or_else(|| refusal(400, "ref does not name the application"))?;
    if !one.published.is_empty() && !one.published.iter().any(|known| known == version) {
        return Err(refusal(
            400,
            &format!("Asset {} has no version {version}", one.name),
        ));
    }
    version.clone_into(&mut one.version);
    Ok(())
}
