//! `/standalone/api/v1` and its facade `/gatewaymanager/xapi/v1`: self-managed Flex Gateways and their replicas.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::authorize;
use super::refusal;
use crate::http::{Answer, Request};
use crate::routes;
use crate::world::World;

/// Scopes of which one is needed to read.
pub const READ: &[&str] = &["read:servers", "manage:servers"];
/// Scopes of which one is needed to write.
pub const WRITE: &[&str] = &["manage:servers"];

const PREFIX: &str = "/standalone/api/v1";
const FACADE_PREFIX: &str = "/gatewaymanager/xapi/v1";
const LAST_UPDATE: &str = "2026-07-01T10:00:07.69Z";
const DEFAULT_PAGE: usize = 30;
/// From here on a page size is refused.
const TOO_LARGE: usize = 200;

/// A registered gateway.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlexGateway {
    /// UUID.
    pub id: String,
    /// Name, which deleted gateways may have had as well.
    pub name: String,
    /// Id of the organization.
    pub organization: String,
    /// Id of the environment.
    pub environment: String,
    /// Whether it was deleted: it stays in lists.
    pub deleted: bool,
    /// Its replicas, present and past.
    pub replicas: Vec<Replica>,
}

/// A replica.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// Whether it is connected.
    pub connected: bool,
    /// End of its certificate.
    pub expires: Option<Timestamp>,
    /// Reads of this replica after which `expires` becomes `expires_later`: the platform learns late.
    pub after_reads: u32,
    /// See `after_reads`.
    pub expires_later: Option<Timestamp>,
}

impl FlexGateway {
    fn status(&self) -> &'static str {
        match (
            self.deleted,
            self.replicas.iter().any(|replica| replica.connected),
        ) {
            (true, _) => "DELETED",
            (false, true) => "CONNECTED",
            (false, false) => "DISCONNECTED",
        }
    }

    fn json(&self) -> Value {
        let counted = |connected: bool, status: &str| {
            let of_status: Vec<&Replica> = self
                .replicas
                .iter()
                .filter(|replica| replica.connected == connected)
                .collect();
            let dates: Vec<String> = of_status
                .iter()
                .filter_map(|replica| replica.expires)
                .map(two_digits)
                .collect();
            json!({ "status": status, "count": of_status.len(), "certificateExpirationDates": dates })
        };
        json!({
            "id": self.id,
            "organizationId": self.organization,
            "name": self.name,
            "status": self.status(),
            "tags": [],
            "lastUpdate": LAST_UPDATE,
            "replicas": [counted(true, "CONNECTED"), counted(false, "DISCONNECTED")],
        })
    }
}

impl Replica {
    fn json(&mut self, gateway: &str) -> Value {
        if self.expires_later.is_some() {
            match self.after_reads.checked_sub(1) {
                Some(left) => self.after_reads = left,
                None => self.expires = self.expires_later.take(),
            }
        }
        json!({
            "id": format!("r-{}", self.name),
            "targetId": gateway,
            "gatewayVersion": "1.8.2",
            "status": if self.connected { "CONNECTED" } else { "DISCONNECTED" },
            "connectedAt": "2026-07-01T10:00:00.00Z",
            "disconnectedAt": null,
            "configurationStatus": { "status": "UP_TO_DATE", "message": null },
            "name": self.name,
            "cid": "c1",
            "nodeId": "n1",
            "provider": "RR",
            "certificateExpirationDate": self.expires.map(two_digits),
        })
    }
}

/// The platform writes two digits of a second.
fn two_digits(time: Timestamp) -> String {
    format!("{time:.2}")
}

/// Answers a request under `/gatewaymanager/xapi/v1`, the facade that the pages and MuleSoft's own command line tool ask.
pub fn facade(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments(FACADE_PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["organizations", org, "environments", env, "gateways"] = &segments[..] else {
        return routes::not_modelled(request);
    };
    if request.method != "GET" || request.param("kind") != Some("selfManaged") {
        return routes::not_modelled(request);
    }
    let now = world.clock.now();
    if let Err(refused) = authorize(&world.anypoint, request, now, READ, org, Some(env)) {
        return refused;
    }
    let gateways = &world.anypoint.gateways;
    let all = gateways
        .iter()
        .filter(|gateway| gateway.organization == *org && gateway.environment == *env)
        .map(|gateway| {
            json!({
                "id": gateway.id, "name": gateway.name, "targetName": gateway.name, "status": gateway.status(),
                "lastUpdated": LAST_UPDATE,
            })
        })
        .collect();
    page(request, all, json!({}))
}

/// Answers a request.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["organizations", org, "environments", env, rest @ ..] = &segments[..] else {
        return routes::not_modelled(request);
    };
    let needed = if request.method == "GET" { READ } else { WRITE };
    let now = world.clock.now();
    if let Err(refused) = authorize(&world.anypoint, request, now, needed, org, Some(env)) {
        return refused;
    }
    let here = |gateway: &FlexGateway| gateway.organization == *org && gateway.environment == *env;
    let gateways = &mut world.anypoint.gateways;
    let find = |gateways: &mut Vec<FlexGateway>, id: &str| {
        gateways
            .iter()
            .position(|gateway| here(gateway) && gateway.id == id)
    };
    match (request.method.as_str(), rest) {
        ("POST", ["gatewaytokens"]) => {
            Answer::json(201, &json!({ "registrationToken": world.ids.uuid() }))
        }
        ("GET", ["gatewaytokens"]) => refusal(405, "Method Not Allowed").header("Allow", "POST"),
        ("GET", ["gateways"]) => {
            let all: Vec<Value> = gateways
                .iter()
                .filter(|gateway| here(gateway))
                .map(FlexGateway::json)
                .collect();
            page(request, all, json!({}))
        }
        ("GET", ["gateways", id]) => match find(gateways, id) {
            Some(index) => Answer::json(200, &gateways[index].json()),
            None => not_found(),
        },
        ("GET", ["gateways", id, "replicas"]) => match find(gateways, id) {
            Some(index) => {
                let gateway = &mut gateways[index];
                let (id, name) = (gateway.id.clone(), gateway.name.clone());
                let all = gateway
                    .replicas
                    .iter_mut()
                    .map(|replica| replica.json(&id))
                    .collect();
                page(
                    request,
                    all,
                    json!({ "gateway": { "id": id, "name": name } }),
                )
            }
            None => not_found(),
        },
        ("DELETE", ["gateways", id]) => match find(gateways, id) {
            Some(index) if gateways[index].deleted => {
                refusal(400, "This target was already deleted")
            }
            Some(index) => {
                gateways[index].deleted = true;
                Answer::empty(202)
            }
            None => not_found(),
        },
        _ => routes::not_modelled(request),
    }
}

fn not_found() -> Answer {
    refusal(404, "Gateway not found by id")
}

fn page(request: &Request, all: Vec<Value>, mut around: Value) -> Answer {
    let number =
        |name: &str, default: usize| request.param(name).map_or(Ok(default), str::parse::<usize>);
    let (Ok(size), Ok(page)) = (number("pageSize", DEFAULT_PAGE), number("pageNumber", 0)) else {
        return refusal(400, "Wrong page");
    };
    if size == 0 || size >= TOO_LARGE {
        return refusal(400, "Wrong page size");
    }
    let total = all.len();
    let content: Vec<Value> = all
        .into_iter()
        .skip(page.saturating_mul(size))
        .take(size)
        .collect();
    // Behind the end, the platform says that there is nothing at all.
    around["totalElements"] = json!(if content.is_empty() { 0 } else { total });
    around["content"] = json!(content);
    around["pageNumber"] = json!(page);
    around["pageSize"] = json!(size);
    Answer::json(200, &around)
}
