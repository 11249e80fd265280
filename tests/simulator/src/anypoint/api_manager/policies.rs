//! Policies of an API instance: applied, changed, put in order, removed.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::instances::{ApiInstance, Enforced};
use super::templates::implemented;
use super::views::{list_policies, policy_json};
use super::{ApiManager, BASIC, MASK, Switches, VENDOR_GROUP, bad_request, not_found};
use crate::anypoint::Anypoint;
use crate::http::{Answer, Request};
use crate::routes;

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

impl Policy {
    /// A policy of the vendor's, as somebody may have applied it before.
    pub fn applied(asset: &str, version: &str) -> Self {
        Self {
            id: 1,
            group: VENDOR_GROUP.to_owned(),
            asset: asset.to_owned(),
            version: version.to_owned(),
            configuration: Map::new(),
            order: 1,
            disabled: false,
            pointcut: Value::Null,
            created: Timestamp::UNIX_EPOCH,
            updated: None,
        }
    }
}

pub(super) fn answer(
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
    manager.instances[there].tell_gateways(&switches);
    Ok(answer)
}

impl ApiInstance {
    fn tell_gateways(&mut self, switches: &Switches) {
        let tracking = &mut self.tracking;
        let after = tracking.requests.saturating_add(switches.heard_after);
        tracking.enforced.push(Enforced {
            after,
            second_after: after.saturating_add(switches.second_replica_after),
            policies: self.policies.clone(),
        });
    }
}

impl Anypoint {
    /// Switches every policy of an API instance off, as somebody does in the user interface.
    pub fn switch_policies_off(&mut self, api: u64) {
        if let Some(instance) = self.api_manager.instance_mut(api) {
            for policy in &mut instance.policies {
                policy.disabled = true;
            }
            instance.tell_gateways(&self.switches.api_manager);
        }
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
