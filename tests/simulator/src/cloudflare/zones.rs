//! Zones and the accounts that own them.

use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::envelope::{self, Refusal};
use super::{Cloudflare, Record, WithoutZoneRead, WrongAccount};
use crate::http::{Answer, Request};

/// An account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// 32 hexadecimal digits; made up if empty.
    pub id: String,
    /// Display name.
    pub name: String,
}

/// A zone with its records.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zone {
    /// 32 hexadecimal digits; made up if empty.
    pub id: String,
    /// In Punycode, without the final dot.
    pub name: String,
    /// The owner; the first account if empty.
    pub account: Account,
    /// Only an active zone is served by DNS.
    pub status: ZoneStatus,
    /// Cloudflare's servers for this zone.
    pub name_servers: Vec<String>,
    /// In the order of creation.
    pub records: Vec<Record>,
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            account: Account::default(),
            status: ZoneStatus::Active,
            name_servers: vec![
                "ada.ns.cloudflare.com".to_owned(),
                "bob.ns.cloudflare.com".to_owned(),
            ],
            records: Vec::new(),
        }
    }
}

/// Whether Cloudflare serves the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneStatus {
    /// Being set up.
    Initializing,
    /// The registrar's name servers are not Cloudflare's yet.
    Pending,
    /// Served.
    Active,
    /// The registrar's name servers are no longer Cloudflare's.
    Moved,
}

type Test = Box<dyn Fn(&Zone) -> bool>;

/// A zone as answered. Clients written in shell take the first `id` and the first `name`.
#[derive(Serialize)]
struct ZoneView<'a> {
    id: &'a str,
    name: &'a str,
    status: ZoneStatus,
    paused: bool,
    r#type: &'a str,
    development_mode: u32,
    name_servers: &'a [String],
    original_name_servers: Option<()>,
    created_on: &'a str,
    modified_on: &'a str,
    activated_on: Option<&'a str>,
    account: &'a Account,
    permissions: [&'a str; 2],
}

impl<'a> From<&'a Zone> for ZoneView<'a> {
    fn from(zone: &'a Zone) -> Self {
        let since = "2024-01-01T00:00:00.000000Z";
        Self {
            id: &zone.id,
            name: &zone.name,
            status: zone.status,
            paused: false,
            r#type: "full",
            development_mode: 0,
            name_servers: &zone.name_servers,
            original_name_servers: None,
            created_on: since,
            modified_on: since,
            activated_on: (zone.status == ZoneStatus::Active).then_some(since),
            account: &zone.account,
            permissions: ["#dns_records:edit", "#zone:read"],
        }
    }
}

pub(super) fn list(
    api: &Cloudflare,
    caller: &Caller,
    request: &Request,
) -> Result<Answer, Refusal> {
    permit_listing(api, caller, request)?;
    let any = request.param("match") == Some("any");
    let mut tests: Vec<Test> = Vec::new();
    for (key, value) in &request.query {
        let value = value.clone();
        match key.as_str() {
            "name" => tests.push(Box::new(move |zone| name_matches(&zone.name, &value))),
            "account.id" => tests.push(Box::new(move |zone| zone.account.id == value)),
            "account.name" => tests.push(Box::new(move |zone| {
                name_matches(&zone.account.name, &value)
            })),
            "status" => {
                let status: ZoneStatus = serde_json::from_value(value.clone().into())
                    .map_err(|_| Refusal::parameter("status", &value))?;
                tests.push(Box::new(move |zone| zone.status == status));
            }
            "type" => tests.push(Box::new(move |_| {
                value.split(',').any(|kind| kind == "full")
            })),
            "match" | "page" | "per_page" | "order" | "direction" => {}
            _ => return Err(Refusal::parameter(key, &value)),
        }
    }
    let mut zones: Vec<&Zone> = api
        .zones
        .iter()
        .filter(|zone| caller.reads_zone(zone))
        .filter(|zone| {
            tests.is_empty()
                || if any {
                    tests.iter().any(|test| test(zone))
                } else {
                    tests.iter().all(|test| test(zone))
                }
        })
        .collect();
    match request.param("order") {
        None => {}
        Some("name") => zones.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("status") => zones.sort_by_key(|zone| format!("{:?}", zone.status)),
        Some("account.id") => zones.sort_by(|a, b| a.account.id.cmp(&b.account.id)),
        Some("account.name") => zones.sort_by(|a, b| a.account.name.cmp(&b.account.name)),
        Some(other) => return Err(Refusal::parameter("order", other)),
    }
    if request.param("direction") == Some("desc") {
        zones.reverse();
    }
    let views: Vec<ZoneView<'_>> = zones.into_iter().map(ZoneView::from).collect();
    envelope::page(&views, request, 20, api.switches.zones_per_page_max)
}

fn permit_listing(api: &Cloudflare, caller: &Caller, request: &Request) -> Result<(), Refusal> {
    let permission = "requires permission 'com.cloudflare.api.account.zone.list' to list zones";
    if let Some(token) = caller.token() {
        let actor = format!("Actor 'com.cloudflare.api.token.{}' {permission}", token.id);
        if token.zone_read == super::Reach::None {
            match api.switches.without_zone_read {
                WithoutZoneRead::Empty => {}
                WithoutZoneRead::Refused => {
                    return Err(Refusal::bare(403, 10000, "Authentication error"));
                }
                WithoutZoneRead::RefusedNamingPermission => {
                    return Err(Refusal::new(403, 0, actor));
                }
            }
        } else if !token.list_zones && request.param("name").is_none() {
            return Err(Refusal::new(403, 0, actor));
        }
    }
    let Some(account) = request.param("account.id") else {
        return Ok(());
    };
    let known =
        api.accounts.iter().any(|known| known.id == account) && caller.knows_account(account);
    if !known && api.switches.wrong_account == WrongAccount::Refused {
        let actor = caller.token().map_or_else(
            || "Actor 'com.cloudflare.api.user'".to_owned(),
            |token| format!("Actor 'com.cloudflare.api.token.{}'", token.id),
        );
        return Err(Refusal::new(
            403,
            0,
            format!("{actor} {permission} for 'com.cloudflare.api.account.{account}'"),
        ));
    }
    Ok(())
}

/// The operators that may stand before the value; none means equal.
fn name_matches(name: &str, filter: &str) -> bool {
    let (operator, value) = match filter.split_once(':') {
        Some((operator, value)) => (operator, value),
        None => ("equal", filter),
    };
    let (operator, exact_case) = match operator.strip_suffix("_case_sensitive") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let fold = |text: &str| {
        if exact_case {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let (name, value) = (fold(name), fold(value));
    match operator {
        "equal" => name == value,
        "not_equal" => name != value,
        "starts_with" => name.starts_with(&value),
        "ends_with" => name.ends_with(&value),
        "contains" => name.contains(&value),
        _ => false,
    }
}

pub(super) fn read(
    api: &Cloudflare,
    caller: &Caller,
    request: &Request,
    id: &str,
) -> Result<Answer, Refusal> {
    let zone = find(api, caller, request, id)?;
    if !caller.reads_zone(zone) {
        return Err(uncovered());
    }
    Ok(envelope::success(&ZoneView::from(zone)))
}

/// The zone with this id, if the caller can see it at all.
pub(super) fn find<'a>(
    api: &'a Cloudflare,
    caller: &Caller,
    request: &Request,
    id: &str,
) -> Result<&'a Zone, Refusal> {
    if !is_id(id) {
        return Err(Refusal::could_not_route(
            api.switches.malformed_id_status,
            request,
        ));
    }
    // An id that does not exist is not told from one that the credentials do not cover.
    api.zones
        .iter()
        .find(|zone| zone.id == id && caller.sees(zone))
        .ok_or_else(uncovered)
}

fn uncovered() -> Refusal {
    Refusal::new(403, 9109, "Unauthorized to access requested resource")
}

pub(super) fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}
