//! Which API answers which path.

use crate::http::{Answer, Request};
use crate::world::World;
use crate::{anypoint, cloudflare, kubernetes};

/// Answers a request from, and changes, the state of the world.
pub type Handler = fn(&mut World, &Request) -> Answer;

/// The first prefix that fits decides; it ends where a part of the path ends.
const ROUTES: &[(&str, Handler)] = &[
    ("/client/v4", cloudflare::answer),
    ("/accounts", anypoint::accounts::answer),
    ("/runtimefabric/api", anypoint::runtime_fabric::answer),
    ("/apimanager", anypoint::api_manager::answer),
    ("/exchange/api/v2", anypoint::exchange::answer),
    ("/graph/api/v2/graphql", anypoint::exchange::graphql),
    (
        "/amc/application-manager/api/v2",
        anypoint::application_manager::answer,
    ),
    ("/standalone/api/v1", anypoint::standalone::answer),
    ("/gatewaymanager/xapi/v1", anypoint::standalone::facade),
    ("/api", kubernetes::answer),
    ("/apis", kubernetes::answer),
    ("/openapi", kubernetes::answer),
    ("/version", kubernetes::answer),
    ("/cli/api/v1/analytics/event", anypoint::analytics::answer),
];

/// The answer of the API that the path belongs to.
pub fn dispatch(world: &mut World, request: &Request) -> Answer {
    let handler = ROUTES.iter().find(|(prefix, _)| {
        request
            .path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match handler {
        Some((_, handler)) => handler(world, request),
        None => not_modelled(request),
    }
}

/// 404 with a note in the log: no API here knows the route.
pub fn not_modelled(request: &Request) -> Answer {
    let Request { method, path, .. } = request;
    Answer::json(
        404,
        &serde_json::json!({ "message": format!("no such route: {method} {path}") }),
    )
    .unexpected(format!("route {method} {path}"))
}
