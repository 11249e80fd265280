//! API Manager: API instances, their policies, policy templates, automated policies.

mod automated;
mod instances;
mod policies;
mod templates;
mod views;

pub use instances::{ApiInstance, Tracking};
pub use policies::Policy;
pub use templates::Template;
pub use views::{ListForm, PasswordForm, shown_policies};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accounts::authorize;
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

/// Behaviour that is unknown, differs between sources, or that a test wants to set.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Form of the list of policies with `fullInfo=false`.
    pub list_form: ListForm,
    /// Lists of policies do not say when one was changed.
    pub list_without_dates: bool,
    /// What a read shows of a password.
    pub password: PasswordForm,
    /// Templates call their version `version` instead of `assetVersion`.
    pub template_version_field: bool,
    /// Requests that a gateway answers before it hears of a change.
    pub heard_after: u64,
    /// Requests more before a second replica hears of it, which answers every other one. 0: there is one replica.
    pub second_replica_after: u64,
    /// Of so many connections to an application one reaches a replica that enforces nothing. 0: none does.
    pub open_replica_every: u64,
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
        ] if request.method == "GET" => templates::list(world, request, org),
        ["api", "v1", "organizations", org, "automated-policies"] if request.method == "GET" => {
            automated::list(world, request, org)
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
            "GET" => Ok(instances::list(anypoint, request, org, env)),
            "POST" => instances::create(anypoint, request, org, env),
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
            Ok(Answer::json(
                200,
                &instances::instance_json(instance, true, now),
            ))
        }
        ("DELETE", []) => {
            anypoint.api_manager.instances.remove(there);
            Ok(Answer::empty(204))
        }
        (_, ["policies", rest @ ..]) => policies::answer(anypoint, request, there, rest, now),
        _ => Err(routes::not_modelled(request)),
    }
}
