//! DNS records: list, read, create, overwrite, change, delete, and the batch of them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::auth::Caller;
use super::envelope::{self, Refusal};
use super::{Cloudflare, Switches, Zone, filter, validate, zones};
use crate::clock::plus;
use crate::http::{Answer, Request};
use crate::world::Ids;

/// A DNS record, as stored and as answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 32 hexadecimal digits; made up if empty.
    #[serde(default)]
    pub id: String,
    /// Full name in Punycode; in a seed it may be relative.
    pub name: String,
    /// `A`, `AAAA`, `CNAME`, `TXT`, `NS`, `MX`, `CAA`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As given: a TXT record's quotes are kept.
    pub content: String,
    /// Whether it could go through Cloudflare's edge.
    #[serde(default)]
    pub proxiable: bool,
    /// Whether it does.
    #[serde(default)]
    pub proxied: bool,
    /// Seconds; 1 for automatic.
    #[serde(default = "automatic")]
    pub ttl: u32,
    /// Priority of an MX record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// `flatten_cname` and the like.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// `read_only` for a record that another product owns.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// Free text.
    #[serde(default)]
    pub comment: Option<String>,
    /// `name:value`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// With microseconds.
    #[serde(default)]
    pub created_on: String,
    /// With microseconds.
    #[serde(default)]
    pub modified_on: String,
    /// From when on DNS serves it.
    #[serde(skip)]
    pub served_from: Option<Timestamp>,
}

fn automatic() -> u32 {
    1
}

impl Record {
    /// A record with automatic TTL, not yet in a zone.
    pub fn new(kind: &str, name: &str, content: &str) -> Self {
        Self {
            id: String::new(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: content.to_owned(),
            proxiable: false,
            proxied: false,
            ttl: automatic(),
            priority: None,
            settings: Map::new(),
            meta: Map::new(),
            comment: None,
            tags: Vec::new(),
            created_on: String::new(),
            modified_on: String::new(),
            served_from: None,
        }
    }

    pub(super) fn completed(mut self, ids: &mut Ids) -> Self {
        if self.id.is_empty() {
            self.id = ids.hex();
        }
        for date in [&mut self.created_on, &mut self.modified_on] {
            if date.is_empty() {
                "2024-01-01T00:00:00.000000Z".clone_into(date);
            }
        }
        self.proxiable = matches!(self.kind.as_str(), "A" | "AAAA" | "CNAME");
        self
    }
}

/// Body of create and overwrite; without optional fields, of change.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Body {
    /// In a batch.
    id: Option<String>,
    name: Option<String>,
    r#type: Option<String>,
    content: Option<String>,
    ttl: Option<u32>,
    proxied: Option<bool>,
    priority: Option<u16>,
    #[serde(deserialize_with = "present")]
    comment: Option<Option<String>>,
    tags: Option<Vec<String>>,
    settings: Option<Map<String, Value>>,
}

/// `null` is a value: it removes the comment.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Batch {
    deletes: Vec<Body>,
    patches: Vec<Body>,
    puts: Vec<Body>,
    posts: Vec<Body>,
}

#[derive(Serialize)]
struct Deleted {
    id: String,
}

#[derive(Serialize)]
struct BatchResult {
    deletes: Vec<Record>,
    patches: Vec<Record>,
    puts: Vec<Record>,
    posts: Vec<Record>,
}

pub(super) fn route(
    api: &mut Cloudflare,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
    method: &str,
    zone: &str,
    rest: &[&str],
) -> Result<Answer, Refusal> {
    let zone = zones::find(api, caller, request, zone)?;
    let id = match rest {
        [] | ["batch"] => "",
        [id] if zones::is_id(id) => id,
        _ => {
            return Err(Refusal::could_not_route(
                api.switches.malformed_id_status,
                request,
            ));
        }
    };
    let permitted = if method == "GET" {
        caller.reads_dns(zone)
    } else {
        caller.edits_dns(zone)
    };
    if !permitted {
        return Err(Refusal::bare(403, 10000, "Authentication error"));
    }

    match (method, rest) {
        ("GET", []) => {
            let records = filter::select(&zone.records, request, &api.switches)?;
            return envelope::page(&records, request, 100, 5_000_000);
        }
        ("GET", [_]) if !id.is_empty() => {
            let record = zone
                .records
                .iter()
                .find(|record| record.id == id)
                .ok_or_else(gone)?;
            return Ok(envelope::success(record));
        }
        _ => {}
    }

    // Worked on in a copy: a refusal in the middle of a batch leaves nothing behind.
    let mut edit = Edit {
        zone: zone.clone(),
        switches: api.switches.clone(),
        ids: api.ids.clone(),
        now,
    };
    let answer = match (method, rest) {
        ("POST", []) => envelope::success(&edit.create(body(request)?)?),
        ("POST", ["batch"]) => envelope::success(&edit.batch(body(request)?)?),
        ("PUT", [_]) => envelope::success(&edit.overwrite(id, body(request)?)?),
        ("PATCH", [_]) => envelope::success(&edit.change(id, body(request)?)?),
        ("DELETE", [_]) => envelope::success(&Deleted {
            id: edit.delete(id)?.id,
        }),
        _ => return Err(Refusal::no_route(request)),
    };
    let Edit { zone, ids, .. } = edit;
    api.ids = ids;
    if let Some(stored) = api.zones.iter_mut().find(|stored| stored.id == zone.id) {
        *stored = zone;
    }
    Ok(answer)
}

fn body<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    if !request.is_json() {
        return Err(Refusal::new(
            400,
            9207,
            "Request body is invalid: Content-Type must be application/json.",
        ));
    }
    serde_json::from_slice(&request.body)
        .map_err(|err| Refusal::new(400, 9207, format!("Request body is invalid: {err}")))
}

fn gone() -> Refusal {
    Refusal::new(404, 81044, "Record does not exist.")
}

struct Edit {
    zone: Zone,
    switches: Switches,
    ids: Ids,
    now: Timestamp,
}

impl Edit {
    fn create(&mut self, body: Body) -> Result<Record, Refusal> {
        let new = Record {
            created_on: self.date(),
            ..Record::new("", "", "")
        };
        let record = self.filled(new, body, true)?.completed(&mut self.ids);
        self.zone.records.push(record.clone());
        Ok(record)
    }

    fn overwrite(&mut self, id: &str, body: Body) -> Result<Record, Refusal> {
        let old = self.existing(id)?;
        let bare = Record {
            id: old.id,
            created_on: old.created_on,
            meta: old.meta,
            kind: old.kind,
            ..Record::new("", "", "")
        };
        let record = self.filled(bare, body, true)?;
        self.store(record)
    }

    fn change(&mut self, id: &str, body: Body) -> Result<Record, Refusal> {
        let old = self.existing(id)?;
        let record = self.filled(old, body, false)?;
        self.store(record)
    }

    fn delete(&mut self, id: &str) -> Result<Record, Refusal> {
        let record = self.existing(id)?;
        self.zone.records.retain(|record| record.id != id);
        Ok(record)
    }

    fn batch(&mut self, batch: Batch) -> Result<BatchResult, Refusal> {
        let id = |body: &Body| body.id.clone().ok_or_else(gone);
        let mut result = BatchResult {
            deletes: Vec::new(),
            patches: Vec::new(),
            puts: Vec::new(),
            posts: Vec::new(),
        };
        for body in batch.deletes {
            result.deletes.push(self.delete(&id(&body)?)?);
        }
        for body in batch.patches {
            result.patches.push(self.change(&id(&body)?, body)?);
        }
        for body in batch.puts {
            result.puts.push(self.overwrite(&id(&body)?, body)?);
        }
        for body in batch.posts {
            result.posts.push(self.create(body)?);
        }
        Ok(result)
    }

    fn existing(&self, id: &str) -> Result<Record, Refusal> {
        let record = self
            .zone
            .records
            .iter()
            .find(|record| record.id == id)
            .cloned()
            .ok_or_else(gone)?;
        if record.meta.get("read_only") == Some(&Value::Bool(true)) {
            return Err(Refusal::new(
                400,
                1043,
                "This record is managed by another product and cannot be edited.",
            ));
        }
        Ok(record)
    }

    fn store(&mut self, record: Record) -> Result<Record, Refusal> {
        let stored = self
            .zone
            .records
            .iter_mut()
            .find(|stored| stored.id == record.id)
            .ok_or_else(gone)?;
        *stored = record.clone();
        Ok(record)
    }

    /// `record` with the fields of `body`, checked by itself and against the other records.
    fn filled(&self, mut record: Record, body: Body, complete: bool) -> Result<Record, Refusal> {
        let missing = |field: &str| {
            Refusal::new(
                400,
                9207,
                format!("Request body is invalid: {field} is required."),
            )
        };
        if let Some(kind) = body.r#type {
            if !record.kind.is_empty() && record.kind != kind {
                return Err(Refusal::new(
                    400,
                    1004,
                    "The type of a record cannot be changed.",
                ));
            }
            record.kind = kind;
        } else if complete {
            return Err(missing("type"));
        }
        match body.name {
            Some(name) => record.name = validate::full_name(&name, &self.zone.name),
            None if complete => return Err(missing("name")),
            None => {}
        }
        match body.content {
            Some(content) => record.content = content,
            None if complete => return Err(missing("content")),
            None => {}
        }
        if matches!(record.kind.as_str(), "CNAME" | "NS") {
            record.content = validate::ascii(&record.content);
        }
        record.ttl = body.ttl.unwrap_or(record.ttl);
        record.proxied = body.proxied.unwrap_or(record.proxied);
        if record.proxied {
            record.ttl = automatic();
        }
        record.priority = body.priority.or(record.priority);
        record.comment = body
            .comment
            .unwrap_or(record.comment)
            .filter(|comment| !comment.is_empty());
        record.tags = body.tags.unwrap_or(record.tags);
        record.settings = body.settings.unwrap_or(record.settings);
        record.proxiable = matches!(record.kind.as_str(), "A" | "AAAA" | "CNAME");
        record.modified_on = self.date();
        record.served_from = Some(plus(
            self.now,
            Duration::from_millis(self.switches.publish_delay_ms),
        ));

        validate::fields(&record, &self.zone, &self.switches)?;
        let others: Vec<&Record> = self
            .zone
            .records
            .iter()
            .filter(|other| other.id != record.id)
            .collect();
        validate::conflicts(&record, &others, &self.zone.name, &self.switches)?;
        Ok(record)
    }

    fn date(&self) -> String {
        self.now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }
}
