//! Cloudflare's API v4: credentials, zones and DNS records, as far as certificates and vanity domains need them.
//!
//! Checks follow each other as in the real one: form of the headers, credentials, route, permission, body, conflicts.

mod auth;
mod envelope;
mod filter;
mod records;
mod validate;
mod zones;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::http::{Answer, Request};
use crate::world::{Ids, World};

pub use auth::{GlobalKey, Reach, Status, Token, Usage};
pub use records::Record;
pub(crate) use validate::text_data;
pub use zones::{Account, Zone, ZoneStatus};

use envelope::Refusal;

/// Where the API lives below the server's address.
pub(crate) const PREFIX: &str = "/client/v4";

/// The state of Cloudflare.
#[derive(Debug, Default)]
pub struct Cloudflare {
    /// Accounts; the first one owns zones that name none.
    pub accounts: Vec<Account>,
    /// API tokens.
    pub tokens: Vec<Token>,
    /// Global API keys.
    pub keys: Vec<GlobalKey>,
    /// Zones with their records.
    pub zones: Vec<Zone>,
    /// What is unknown of the real one, or can be set.
    pub switches: Switches,
    pub(crate) usage: HashMap<String, Usage>,
    pub(crate) failures: u32,
    ids: Ids,
}

/// What a seed file says about Cloudflare. Identifiers that are left out are made up.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Accounts.
    pub accounts: Vec<Account>,
    /// API tokens.
    pub tokens: Vec<Token>,
    /// Global API keys.
    pub keys: Vec<GlobalKey>,
    /// Zones with their records.
    pub zones: Vec<Zone>,
    /// Replaces the switches.
    pub switches: Option<Switches>,
}

/// Behaviour that is unknown, differs between accounts, or that a test wants to set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Requests per window and credential; absent for no limit.
    pub rate_limit: Option<RateLimit>,
    /// What the `content` filter compares.
    pub content_filter: TextForm,
    /// What makes two TXT records identical.
    pub identical_by: TextForm,
    /// Code for an identical record: 81058, formerly 81057.
    pub identical_code: u32,
    /// `GET /zones` with a token that lacks Zone Read.
    pub without_zone_read: WithoutZoneRead,
    /// `GET /zones` with an `account.id` that the credentials do not know.
    pub wrong_account: WrongAccount,
    /// Status of an id that is malformed: 404, formerly 400.
    pub malformed_id_status: u16,
    /// Records that a zone may hold.
    pub records_quota: usize,
    /// Tags that a record may carry; 0 as on a free plan.
    pub tags_quota: usize,
    /// Largest page of zones; a larger one asked for is cut down.
    pub zones_per_page_max: u64,
    /// Milliseconds until a new or changed record is served by DNS.
    pub publish_delay_ms: u64,
    /// Failed authentications after which every one is refused for a while.
    pub lockout_after: Option<u32>,
    /// Token and key together: the token wins, or the request is refused.
    pub both_schemes_refused: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            rate_limit: Some(RateLimit::default()),
            content_filter: TextForm::Stored,
            identical_by: TextForm::Stored,
            identical_code: 81058,
            without_zone_read: WithoutZoneRead::Empty,
            wrong_account: WrongAccount::Empty,
            malformed_id_status: 404,
            records_quota: 3500,
            tags_quota: 0,
            zones_per_page_max: 50,
            publish_delay_ms: 0,
            lockout_after: None,
            both_schemes_refused: false,
        }
    }
}

/// A number of requests per window.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests.
    pub quota: u32,
    /// Seconds; also how long everything is refused after the quota is exceeded.
    pub window_s: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            quota: 1200,
            window_s: 300,
        }
    }
}

/// Two ways to look at a TXT record's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextForm {
    /// As stored: `"abc"` and `abc` differ.
    Stored,
    /// As served by DNS: quotes do not count.
    DnsData,
}

/// Answer to listing zones without permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutZoneRead {
    /// 200 and an empty list.
    Empty,
    /// 403 with code 10000.
    Refused,
    /// 403 with code 0, naming the permission.
    RefusedNamingPermission,
}

/// Answer to listing the zones of an account that the credentials do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongAccount {
    /// 200 and an empty list.
    Empty,
    /// 403 with code 0, naming the permission.
    Refused,
}

impl Cloudflare {
    /// Adds an active zone to the first account, and returns its id.
    pub fn add_zone(&mut self, name: &str) -> String {
        self.insert_zone(Zone {
            name: name.to_owned(),
            ..Zone::default()
        })
    }

    /// Adds a zone, making up what is left empty, and returns its id.
    pub fn insert_zone(&mut self, mut zone: Zone) -> String {
        if zone.id.is_empty() {
            zone.id = self.ids.hex();
        }
        zone.name = validate::ascii(&zone.name);
        if zone.account.id.is_empty() {
            zone.account = self.first_account();
        }
        for record in std::mem::take(&mut zone.records) {
            let name = validate::full_name(&record.name, &zone.name);
            zone.records.push(Record {
                name,
                ..record.completed(&mut self.ids)
            });
        }
        let id = zone.id.clone();
        self.zones.push(zone);
        id
    }

    /// Adds a user's token that may read all zones and edit their DNS, and returns its value.
    pub fn add_token(&mut self) -> String {
        self.insert_token(Token::default())
    }

    /// Adds a token, making up what is left empty, and returns its value.
    pub fn insert_token(&mut self, mut token: Token) -> String {
        if token.id.is_empty() {
            token.id = self.ids.hex();
        }
        if token.value.is_empty() {
            token.value = format!("{}{}", self.ids.hex(), &self.ids.hex()[..8]);
        }
        let value = token.value.clone();
        self.tokens.push(token);
        value
    }

    /// Adds a global API key for this e-mail address, and returns it.
    pub fn add_key(&mut self, email: &str) -> String {
        let key = format!("{}{}", self.ids.hex(), &self.ids.hex()[..5]);
        self.keys.push(GlobalKey {
            email: email.to_owned(),
            key: key.clone(),
            accounts: Vec::new(),
        });
        key
    }

    /// Adds an account, and returns its id.
    pub fn add_account(&mut self, name: &str) -> String {
        let id = self.ids.hex();
        self.accounts.push(Account {
            id: id.clone(),
            name: name.to_owned(),
        });
        id
    }

    /// Adds a record as if by the dashboard, without checks; `name` may be relative to the zone.
    ///
    /// # Panics
    /// If there is no zone with this id or name.
    pub fn add_record(&mut self, zone: &str, kind: &str, name: &str, content: &str) -> String {
        let mut ids = std::mem::take(&mut self.ids);
        let record = Record::new(kind, name, content).completed(&mut ids);
        self.ids = ids;
        let zone = self
            .zone_mut(zone)
            .unwrap_or_else(|| panic!("no zone {zone}"));
        let id = record.id.clone();
        zone.records.push(Record {
            name: validate::full_name(name, &zone.name),
            ..record
        });
        id
    }

    /// A zone by id or name.
    pub fn zone(&self, zone: &str) -> Option<&Zone> {
        self.zones
            .iter()
            .find(|known| known.id == zone || known.name == zone)
    }

    /// A zone by id or name, to change.
    pub fn zone_mut(&mut self, zone: &str) -> Option<&mut Zone> {
        self.zones
            .iter_mut()
            .find(|known| known.id == zone || known.name == zone)
    }

    /// Contents of the TXT records with this full name in all zones, in the order of creation, as stored.
    pub fn txt(&self, name: &str) -> Vec<String> {
        self.contents("TXT", name)
    }

    /// Contents of the records of this type and full name in all zones, as stored.
    pub fn contents(&self, kind: &str, name: &str) -> Vec<String> {
        let records = self.zones.iter().flat_map(|zone| &zone.records);
        records
            .filter(|record| record.kind == kind && record.name == name)
            .map(|r| r.content.clone())
            .collect()
    }

    pub(crate) fn apply(&mut self, seed: Seed) {
        for mut account in seed.accounts {
            if account.id.is_empty() {
                account.id = self.ids.hex();
            }
            self.accounts.push(account);
        }
        for token in seed.tokens {
            self.insert_token(token);
        }
        self.keys.extend(seed.keys);
        for zone in seed.zones {
            self.insert_zone(zone);
        }
        if let Some(switches) = seed.switches {
            self.switches = switches;
        }
    }

    pub(crate) fn state(&self) -> serde_json::Value {
        serde_json::json!({ "accounts": self.accounts, "zones": self.zones, "switches": self.switches })
    }

    fn first_account(&mut self) -> Account {
        if self.accounts.is_empty() {
            self.add_account("Acme");
        }
        self.accounts[0].clone()
    }
}

/// Answers a request under `/client/v4`.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let now = world.clock.now();
    let api = &mut world.cloudflare;
    let result = auth::identify(api, request, now);
    let credential = match &result {
        Ok(caller) => caller.credential.clone(),
        Err(_) => auth::raw_credential(request),
    };
    let limit = auth::count(api, &credential, now);
    let answer = match limit.refusal {
        Some(ref refusal) => refusal.clone().into_answer(),
        None => result
            .and_then(|caller| route(api, &caller, request, now))
            .unwrap_or_else(Refusal::into_answer),
    };
    limit
        .headers
        .into_iter()
        .fold(answer, |answer, (name, value)| answer.header(name, value))
}

fn route(
    api: &mut Cloudflare,
    caller: &auth::Caller,
    request: &Request,
    now: Timestamp,
) -> Result<Answer, Refusal> {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["user", "tokens", "verify"]) => auth::verify(api, caller, None),
        ("GET", ["accounts", account, "tokens", "verify"]) => {
            auth::verify(api, caller, Some(account))
        }
        ("GET", ["accounts"]) => auth::accounts(api, caller, request),
        ("GET", ["zones"]) => zones::list(api, caller, request),
        ("GET", ["zones", zone]) => zones::read(api, caller, request, zone),
        (method, ["zones", zone, "dns_records", rest @ ..]) => {
            records::route(api, caller, request, now, method, zone, rest)
        }
        _ => Err(Refusal::no_route(request)),
    }
}
