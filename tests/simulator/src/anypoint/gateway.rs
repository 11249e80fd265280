//! The Mule Gateway inside the applications: enforces the policies that API Manager has for them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::Anypoint;
use super::api_manager::{ApiInstance, BASIC, Policy};
use super::application_manager::{self, Deployment};
use super::endpoints::Endpoint;
use crate::http::{Answer, Request};
use crate::world::World;

/// The answer of the application that a request through the ingress belongs to, if there is one.
/// `space` is the id or name of the only one whose applications are there.
pub(crate) fn answer(
    world: &mut World,
    space: Option<&str>,
    host: &str,
    request: &Request,
) -> Option<Answer> {
    application_manager::settle(world);
    let anypoint = &mut world.anypoint;
    let (application, endpoint) = find(anypoint, space, host, &request.path)?;
    let (application, rest) = (
        application.clone(),
        &request.path[endpoint.base_path().len()..],
    );
    let rewritten = endpoint.path_rewrite.as_deref().unwrap_or_default();
    let inner = format!("{}{rest}", rewritten.trim_end_matches('/'));
    let refused = match application_manager::named(&application) {
        None => None,
        Some(_) => match application_manager::tracks(anypoint, &application) {
            // Without policies the gatekeeper decides.
            None => (gatekeeper(&application) != "disabled").then(unavailable),
            Some(_) if reaches_open_replica(anypoint, request) => None,
            Some(id) => anypoint
                .api_manager
                .instance_mut(id)
                .and_then(|instance| enforce(instance, request, &inner)),
        },
    };
    Some(refused.unwrap_or_else(|| application_answer(&application, request, &inner)))
}

fn reaches_open_replica(anypoint: &Anypoint, request: &Request) -> bool {
    let every = anypoint.switches.api_manager.open_replica_every;
    every > 0 && request.connection.is_multiple_of(every)
}

fn application_answer(application: &Deployment, request: &Request, inner: &str) -> Answer {
    if inner.trim_end_matches('/').ends_with("/missing") {
        return Answer::json(404, &json!({ "message": "Resource not found" }));
    }
    // A resource that wants more than a user.
    if inner.ends_with("/strict")
        && (request.header("x-api-key").is_none() || request.body.is_empty())
    {
        return Answer::json(
            400,
            &json!({ "message": "x-api-key and a body are needed" }),
        );
    }
    Answer::json(
        200,
        &json!({ "application": application.name, "method": request.method, "path": inner }),
    )
}

fn unavailable() -> Answer {
    Answer::text(503, "Service Unavailable")
}

fn gatekeeper(application: &Deployment) -> &str {
    application
        .running
        .properties
        .get("anypoint.platform.gatekeeper")
        .map_or("flexible", String::as_str)
}

/// The application with the longest base path that fits. The port does not matter.
fn find<'a>(
    anypoint: &'a Anypoint,
    space: Option<&str>,
    host: &str,
    path: &str,
) -> Option<(&'a Deployment, &'a Endpoint)> {
    let space = space.and_then(|space| anypoint.space(space));
    anypoint
        .deployments
        .iter()
        .filter(|one| !one.stopped && space.is_none_or(|space| one.space == space.id))
        .flat_map(|one| one.routed.iter().map(move |endpoint| (one, endpoint)))
        .filter(|(_, endpoint)| {
            endpoint.is_public()
                && endpoint.host().eq_ignore_ascii_case(host)
                && path
                    .strip_prefix(endpoint.base_path())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|(_, endpoint)| endpoint.base_path().len())
}

/// The refusal of the first policy that refuses. Gateways hear of changes late, and replicas not at the same time.
fn enforce(instance: &mut ApiInstance, request: &Request, path: &str) -> Option<Answer> {
    let tracking = &mut instance.tracking;
    let answered = tracking.requests;
    tracking.requests += 1;
    let is_second = tracking.requests.is_multiple_of(2);
    let enforced = tracking.enforced.iter().rfind(|enforced| {
        let after = if is_second {
            enforced.second_after
        } else {
            enforced.after
        };
        after <= answered
    })?;
    let mut policies: Vec<&Policy> = enforced
        .policies
        .iter()
        .filter(|policy| !policy.disabled && is_for(policy, &request.method, path))
        .collect();
    policies.sort_by_key(|policy| policy.order);
    policies
        .into_iter()
        .find_map(|policy| match policy.asset.as_str() {
            BASIC => basic(policy, request),
            "client-id-enforcement" | "jwt-validation" => Some(Answer::json(
                401,
                &json!({ "error": "Invalid client id or secret" }),
            )),
            _ => None,
        })
}

fn is_for(policy: &Policy, method: &str, path: &str) -> bool {
    let Some(entries) = policy.pointcut.as_array() else {
        return true;
    };
    entries.iter().any(|entry| {
        let fits = |name: &str, text: &str| {
            let pattern = entry[name].as_str().unwrap_or_default();
            regex_lite::Regex::new(&format!("^(?:{pattern})$"))
                .is_ok_and(|regex| regex.is_match(text))
        };
        fits("methodRegex", method) && fits("uriTemplateRegex", path)
    })
}

fn basic(policy: &Policy, request: &Request) -> Option<Answer> {
    let text = |name: &str| policy.configuration[name].as_str().unwrap_or_default();
    let wanted = BASE64_STANDARD.encode(format!("{}:{}", text("username"), text("password")));
    let given = request.header("authorization").and_then(|header| {
        let (scheme, value) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then_some(value.trim())
    });
    (given != Some(&wanted)).then(|| {
        Answer::json(401, &json!({ "error": "Authentication Attempt Failed" }))
            .header("WWW-Authenticate", "Basic realm=\"mule-realm\"")
    })
}
