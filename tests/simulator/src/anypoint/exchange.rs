//! Exchange: assets, and the few GraphQL queries that the official command line tool sends.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::authorize;
use super::api_manager::VIEW_EXCHANGE;
use super::refusal;
use crate::http::{Answer, Request};
use crate::routes;
use crate::world::World;

const PREFIX: &str = "/exchange/api/v2";
const CREATE: &[&str] = &["edit:exchange", "admin:exchange"];

/// Exchange's state.
#[derive(Debug, Default, Clone)]
pub struct Exchange {
    /// What is there.
    pub assets: Vec<Asset>,
    /// What was there, and can never be published again.
    pub deleted: Vec<Asset>,
    /// Publication is only promised, and takes until the next look.
    pub publishes_later: bool,
    pending: Vec<Asset>,
}

/// One version of an asset.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asset {
    /// Id of the organization.
    pub group: String,
    /// Asset id.
    pub asset: String,
    /// Version.
    pub version: String,
    /// Display name.
    pub name: String,
    /// `http-api` and so on.
    pub kind: String,
}

impl Asset {
    fn is(&self, group: &str, asset: &str, version: &str) -> bool {
        self.group == group && self.asset == asset && self.version == version
    }
}

/// Answers a request under `/exchange/api/v2`.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let result = match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["assets", group, asset, version, "asset"]) => {
            read(world, request, group, asset, version)
        }
        ("POST", ["organizations", org, "assets", group, asset, version]) => {
            create(world, request, org, group, asset, version)
        }
        _ => Err(routes::not_modelled(request)),
    };
    result.unwrap_or_else(|answer| answer)
}

fn read(
    world: &mut World,
    request: &Request,
    group: &str,
    asset: &str,
    version: &str,
) -> Result<Answer, Answer> {
    let now = world.clock.now();
    authorize(&world.anypoint, request, now, VIEW_EXCHANGE, group, None)?;
    let exchange = &mut world.anypoint.exchange;
    let known = exchange
        .assets
        .iter()
        .find(|known| known.is(group, asset, version));
    let answer = known.map_or_else(
        || refusal(404, "Asset not found"),
        |known| Answer::json(200, &asset_json(known)),
    );
    exchange.assets.append(&mut exchange.pending);
    Ok(answer)
}

fn asset_json(asset: &Asset) -> Value {
    json!({
        "groupId": asset.group, "assetId": asset.asset, "version": asset.version, "name": asset.name,
        "type": asset.kind, "status": "published",
    })
}

fn create(
    world: &mut World,
    request: &Request,
    org: &str,
    group: &str,
    asset: &str,
    version: &str,
) -> Result<Answer, Answer> {
    let now = world.clock.now();
    authorize(&world.anypoint, request, now, CREATE, org, None)?;
    let multipart = request
        .header("content-type")
        .and_then(|kind| kind.strip_prefix("multipart/form-data; boundary="))
        .ok_or_else(|| refusal(415, "multipart/form-data is expected"))?;
    let fields = fields(&request.body, multipart);
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let good = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if !good(asset) || version.split('.').count() != 3 {
        return Err(refusal(400, "The asset id or version is malformed"));
    }
    let (Some(name), Some("http-api"), Some(_)) =
        (field("name"), field("type"), field("properties.apiVersion"))
    else {
        return Err(refusal(
            400,
            "name, type and properties.apiVersion are required",
        ));
    };
    if !version.ends_with(".0.0") {
        return Err(refusal(400, "HTTP API assets have major versions only"));
    }
    let exchange = &mut world.anypoint.exchange;
    let taken = exchange
        .assets
        .iter()
        .chain(&exchange.deleted)
        .any(|known| known.is(group, asset, version));
    if taken {
        return Err(Answer::json(
            409,
            &json!({ "code": "ASSET_PRE_CONDITIONS_FAILED", "message": "The asset already exists" }),
        ));
    }
    let new = Asset {
        group: group.to_owned(),
        asset: asset.to_owned(),
        version: version.to_owned(),
        name: name.to_owned(),
        kind: "http-api".to_owned(),
    };
    if exchange.publishes_later || request.header("x-sync-publication") != Some("true") {
        exchange.pending.push(new);
        let link = format!(
            "/exchange/api/v2/organizations/{org}/assets/{group}/{asset}/{version}/publication/status/1"
        );
        return Ok(Answer::json(202, &json!({ "publicationStatusLink": link })));
    }
    let answer = Answer::json(201, &asset_json(&new));
    exchange.assets.push(new);
    Ok(answer)
}

/// The text fields of a multipart form.
fn fields(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    String::from_utf8_lossy(body)
        .split(&format!("--{boundary}"))
        .filter_map(|part| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            let name = head.split_once("name=\"")?.1.split_once('"')?.0;
            Some((name.to_owned(), value.strip_suffix("\r\n")?.to_owned()))
        })
        .collect()
}

/// Answers the policy queries of the official command line tool. Its token travels in the body.
pub fn graphql(world: &mut World, request: &Request) -> Answer {
    let Ok(body) = request.json() else {
        return refusal(400, "the body is no JSON");
    };
    let variable = |name: &str| {
        body.pointer(&format!("/variables/{name}"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let by_body = format!("Bearer {}", variable("accessToken"));
    let mut asking = request.clone();
    if asking.header("authorization").is_none() {
        asking.headers.push(("authorization".to_owned(), by_body));
    }
    let now = world.clock.now();
    if let Err(answer) = super::accounts::bearer(&world.anypoint, &asking, now) {
        return answer;
    }
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let templates = &world.anypoint.api_manager.templates;
    let group = super::api_manager::VENDOR_GROUP;
    if query.contains("asset(") {
        let (wanted, version) = (variable("assetId"), variable("version"));
        let found = templates
            .iter()
            .find(|one| one.asset == wanted && one.version == version && variable("groupId") == group)
            .map(|one| {
                json!({ "name": one.asset, "description": "A policy", "assetId": one.asset, "files": [],
                        "__typename": "Asset" })
            });
        return Answer::json(200, &json!({ "data": { "asset": found } }));
    }
    if query.contains("assets(") && query.contains("\"policy\"") {
        let assets: Vec<Value> = templates
            .iter()
            .map(|one| {
                json!({ "groupId": group, "assetId": one.asset, "version": one.version, "description": "A policy",
                        "name": one.asset, "__typename": "Asset" })
            })
            .collect();
        return Answer::json(200, &json!({ "data": { "assets": assets } }));
    }
    routes::not_modelled(request)
}
