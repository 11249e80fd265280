//! TLS contexts of a private space, with the variants on which sources disagree as switches.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::keystore::{KeyStoreBody, Material, Strictness};
use super::refusal;
use super::runtime_fabric::PrivateSpace;
use crate::clock::plus;
use crate::http::{Answer, Request};
use crate::pki::Leaf;
use crate::routes;
use crate::world::{Ids, World};

/// The 17 cipher switches, with their defaults.
pub const CIPHERS: [(&str, bool); 17] = [
    ("aes128GcmSha256", false),
    ("aes128Sha256", false),
    ("aes256GcmSha384", false),
    ("aes256Sha256", false),
    ("dheRsaAes128Sha256", false),
    ("dheRsaAes256GcmSha384", false),
    ("dheRsaAes256Sha256", false),
    ("dheRsaChacha20Poly1305", false),
    ("ecdheEcdsaAes128GcmSha256", true),
    ("ecdheEcdsaAes256GcmSha384", true),
    ("ecdheEcdsaChacha20Poly1305", false),
    ("ecdheRsaAes128GcmSha256", true),
    ("ecdheRsaAes256GcmSha384", true),
    ("ecdheRsaChacha20Poly1305", false),
    ("tlsAes128GcmSha256", true),
    ("tlsAes256GcmSha384", true),
    ("tlsChacha20Poly1305Sha256", true),
];

const CUSTOM_MAX: usize = 10;

/// What sources disagree on, and what they do not tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Answer to a successful create.
    pub create: CreateAnswer,
    /// Answer to an update by `PATCH`.
    pub patch: Patch,
    /// Whether `PUT` exists.
    pub put: bool,
    /// Whether a single context can be read.
    pub single_read: bool,
    /// Status of a successful delete: 200 or 204.
    pub delete_status: u16,
    /// Whether an update without a trust store keeps the one that is there.
    pub update_keeps_trust_store: bool,
    /// Whether an update without ciphers keeps the ones that are there; else the defaults come back.
    pub update_keeps_ciphers: bool,
    /// Milliseconds until the ingress serves what was uploaded.
    pub update_delay_ms: u64,
    /// Whether answers tell file names.
    pub file_names: bool,
    /// Whether file names are replaced by ones of the platform's own.
    pub changed_file_names: bool,
    /// What lists hold besides, as it stands here: entries that other versions or tools have made.
    pub strangers: Vec<Value>,
    /// Whether answers tell the domains, common name and alternative names.
    pub domains: bool,
    /// What answers tell of alternative names.
    pub san: San,
    /// Whether the file names of certificate and key must be sent.
    pub require_file_names: bool,
    /// Whether ciphers must be sent, all 17.
    pub require_ciphers: bool,
    /// Whether `keyPassphrase` must be sent, as the published description has it.
    pub require_passphrase: bool,
    /// Whether PKCS#1 and SEC 1 keys are taken.
    pub traditional_keys: bool,
    /// Whether a domain that another context serves is a conflict.
    pub domain_conflict: bool,
    /// Whether names that differ in case only are the same.
    pub names_ignore_case: bool,
    /// Whether answers still hold the four ciphers that are no longer in use.
    pub dead_ciphers: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            create: CreateAnswer::Body,
            patch: Patch::Ok,
            put: true,
            single_read: true,
            delete_status: 200,
            update_keeps_trust_store: true,
            update_keeps_ciphers: true,
            update_delay_ms: 0,
            file_names: true,
            changed_file_names: false,
            strangers: Vec::new(),
            domains: true,
            san: San::Names,
            require_file_names: false,
            require_ciphers: false,
            require_passphrase: false,
            traditional_keys: true,
            domain_conflict: false,
            names_ignore_case: false,
            dead_ciphers: false,
        }
    }
}

/// How a successful create is answered; always 201.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateAnswer {
    /// With the context, and `Location` and `ETag`.
    Body,
    /// Empty, with `Location`.
    Location,
    /// Empty, without a word.
    Empty,
}

/// What `PATCH` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Patch {
    /// 200 with the context.
    Ok,
    /// 202 with the context.
    Accepted,
    /// 404: the route does not exist.
    NotFound,
    /// 405: the route does not exist.
    NotAllowed,
}

/// What answers tell of alternative names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum San {
    /// The names.
    Names,
    /// An empty array, although there are names.
    Empty,
    /// Nothing.
    Absent,
}

/// A TLS context.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsContext {
    /// UUID.
    pub id: String,
    /// As given.
    pub name: String,
    /// `custom`, or `default`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The 17 cipher switches.
    pub ciphers: BTreeMap<String, bool>,
    /// As a client configured it; only its effect is visible in the real platform.
    pub trust_store: Option<Value>,
    /// File names as sent: certificate, key, CA path.
    pub file_names: [Option<String>; 3],
    #[serde(skip)]
    body: KeyStoreBody,
    #[serde(skip)]
    current: Material,
    // What the ingress serves until the update reaches it.
    #[serde(skip)]
    before: Option<Material>,
    #[serde(skip)]
    effective: Timestamp,
}

impl TlsContext {
    /// The context that the platform makes for each space.
    pub(super) fn default_of_space(ids: &mut Ids, leaf: &Leaf) -> anyhow::Result<Self> {
        let (body, current) = uploaded(leaf)?;
        Ok(Self {
            id: ids.uuid(),
            name: "default".to_owned(),
            kind: "default".to_owned(),
            ciphers: default_ciphers(),
            trust_store: None,
            file_names: [const { None }; 3],
            body,
            current,
            before: None,
            effective: Timestamp::UNIX_EPOCH,
        })
    }

    /// Puts another certificate there, as somebody does in the user interface; in force at once.
    pub fn replace_by_hand(&mut self, leaf: &Leaf) -> anyhow::Result<()> {
        (self.body, self.current) = uploaded(leaf)?;
        self.file_names = [
            Some("upload.pem".to_owned()),
            Some("upload.key".to_owned()),
            None,
        ];
        Ok(())
    }

    /// What was uploaded last.
    pub fn material(&self) -> &Material {
        &self.current
    }

    /// What the ingress serves now; nothing while a first upload is under way.
    pub fn served(&self, now: Timestamp) -> Option<&Material> {
        if self.effective <= now {
            Some(&self.current)
        } else {
            self.before.as_ref()
        }
    }

    fn view(&self, switches: &Switches) -> Value {
        let mut store = json!({ "type": "PEM", "cn": self.current.cn, "expirationDate": self.current.expiration_date });
        match switches.san {
            San::Names => store["san"] = json!(self.current.names),
            San::Empty => store["san"] = json!([]),
            San::Absent => {}
        }
        if !switches.domains {
            for field in ["cn", "san"] {
                store.as_object_mut().map(|store| store.remove(field));
            }
        }
        if switches.file_names {
            for (field, name) in ["fileName", "keyFileName", "capathFileName"]
                .iter()
                .zip(&self.file_names)
            {
                match name {
                    Some(_) if switches.changed_file_names => store[field] = json!("upload.pem"),
                    Some(name) => store[field] = json!(name),
                    None => {}
                }
            }
        }
        // The published description requires it of every answer, whether a name was sent or not.
        if switches.file_names && self.file_names[0].is_none() {
            store["fileName"] = json!("certificate.pem");
        }
        let mut ciphers = self.ciphers.clone();
        if switches.dead_ciphers {
            let dead = [
                "ecdheEcdsaAes128Sha1",
                "ecdheEcdsaAes256Sha1",
                "ecdheRsaAes128Sha1",
                "ecdheRsaAes256Sha1",
            ];
            ciphers.extend(dead.map(|name| (name.to_owned(), false)));
        }
        let mut view = json!({
            "id": self.id, "name": self.name, "type": self.kind, "keyStore": store, "ciphers": ciphers,
        });
        if let Some(trust_store) = &self.trust_store {
            view["trustStore"] = trust_store.clone();
        }
        view
    }
}

fn uploaded(leaf: &Leaf) -> anyhow::Result<(KeyStoreBody, Material)> {
    let body = KeyStoreBody {
        source: Some("PEM".to_owned()),
        certificate: Some(leaf.cert_pem.clone()),
        key: Some(leaf.key_pem.clone()),
        ..KeyStoreBody::default()
    };
    let lenient = Strictness {
        traditional_keys: true,
        refuse_expired: false,
    };
    let material = body
        .check(Timestamp::UNIX_EPOCH, lenient)
        .map_err(anyhow::Error::msg)?;
    Ok((body, material))
}

/// Keeps `id` and `name` in front, where clients written in shell look for them.
#[derive(Serialize)]
struct Ordered {
    id: Value,
    name: Value,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Own(Ordered),
    Stranger(Value),
}

fn ordered(view: Value) -> Option<Ordered> {
    let Value::Object(mut rest) = view else {
        return None;
    };
    Some(Ordered {
        id: rest.remove("id")?,
        name: rest.remove("name")?,
        rest,
    })
}

/// The current value of the entity tag.
pub(super) fn entity_tag<T: Serialize>(value: &T) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(value)
        .unwrap_or_default()
        .hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    name: Option<String>,
    tls_config: Option<TlsConfig>,
    ciphers: Option<BTreeMap<String, bool>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TlsConfig {
    key_store: Option<KeyStoreBody>,
    trust_store: Option<Value>,
}

pub(super) fn route(
    world: &mut World,
    request: &Request,
    now: Timestamp,
    space: &str,
    rest: &[&str],
) -> Result<Answer, Answer> {
    let switches = world.anypoint.switches.tls_contexts.clone();
    let World { anypoint, ids, .. } = world;
    let space = anypoint
        .space_mut(space)
        .ok_or_else(|| refusal(404, "Private Space not found"))?;
    let mut edit = Edit {
        space,
        ids,
        switches: &switches,
        now,
    };
    match (request.method.as_str(), rest) {
        ("GET", []) => {
            let views: Vec<Value> = edit
                .space
                .contexts
                .iter()
                .map(|context| context.view(&switches))
                .collect();
            let tag = entity_tag(&views);
            let own = views.into_iter().filter_map(ordered).map(Listed::Own);
            let strangers = switches.strangers.iter().cloned().map(Listed::Stranger);
            let all: Vec<Listed> = own.chain(strangers).collect();
            Ok(Answer::json(200, &all).header("ETag", tag))
        }
        ("POST", []) => edit.create(request),
        ("GET", [id]) if switches.single_read => {
            let at = edit.position(id)?;
            Ok(Answer::json(
                200,
                &ordered(edit.space.contexts[at].view(&switches)),
            ))
        }
        ("GET", [_]) => Err(refusal(404, "Not Found")),
        ("PATCH", [id]) => match switches.patch {
            Patch::Ok => edit.update(id, request, 200, false),
            Patch::Accepted => edit.update(id, request, 202, false),
            Patch::NotFound => Err(refusal(404, "Not Found")),
            Patch::NotAllowed => Err(refusal(405, "Method Not Allowed")),
        },
        ("PUT", [id]) if switches.put => edit.update(id, request, 200, true),
        ("PUT", [_]) => Err(refusal(405, "Method Not Allowed")),
        ("DELETE", [id]) => edit.delete(id),
        _ => Err(routes::not_modelled(request)),
    }
}

struct Edit<'a> {
    space: &'a mut PrivateSpace,
    ids: &'a mut Ids,
    switches: &'a Switches,
    now: Timestamp,
}

impl Edit<'_> {
    fn create(&mut self, request: &Request) -> Result<Answer, Answer> {
        let (body, note) = parse(request)?;
        let name = body.name.clone().unwrap_or_default();
        self.check_name(&name, None)?;
        if self
            .space
            .contexts
            .iter()
            .filter(|context| context.kind == "custom")
            .count()
            >= CUSTOM_MAX
        {
            return Err(coded(400, "XX006", "Reached Maximum number of Resources"));
        }
        let ciphers = self.ciphers(body.ciphers, default_ciphers())?;
        let config = body.tls_config.unwrap_or_default();
        let store = config
            .key_store
            .ok_or_else(|| invalid("tlsConfig.keyStore is required"))?;
        let material = self.material(&store, None)?;
        let context = TlsContext {
            id: self.ids.uuid(),
            name,
            kind: "custom".to_owned(),
            ciphers,
            trust_store: trust_store(config.trust_store),
            file_names: file_names(&store),
            body: store,
            current: material,
            before: None,
            effective: self.effective(),
        };
        let location = format!("{}/{}", request.path, context.id);
        let view = context.view(self.switches);
        self.space.contexts.push(context);
        let answer = match self.switches.create {
            CreateAnswer::Body => {
                let tag = entity_tag(&view);
                Answer::json(201, &ordered(view))
                    .header("Location", location)
                    .header("ETag", tag)
            }
            CreateAnswer::Location => Answer::empty(201).header("Location", location),
            CreateAnswer::Empty => Answer::empty(201),
        };
        Ok(noted(answer, note))
    }

    fn update(
        &mut self,
        id: &str,
        request: &Request,
        status: u16,
        complete: bool,
    ) -> Result<Answer, Answer> {
        let at = self.position(id)?;
        let (body, note) = parse(request)?;
        let old = self.space.contexts[at].clone();
        if old.kind == "default" {
            return Err(invalid("The default TLS context cannot be changed"));
        }
        let name = match body.name {
            Some(name) => name,
            None if complete => return Err(invalid("name is required")),
            None => old.name.clone(),
        };
        self.check_name(&name, Some(id))?;
        let config = body.tls_config.unwrap_or_default();
        if complete && config.key_store.is_none() {
            return Err(invalid("tlsConfig.keyStore is required"));
        }
        let kept = if self.switches.update_keeps_ciphers {
            old.ciphers.clone()
        } else {
            default_ciphers()
        };
        let ciphers = self.ciphers(body.ciphers, kept)?;
        let kept = old
            .trust_store
            .clone()
            .filter(|_| self.switches.update_keeps_trust_store);
        let trust_store = trust_store(config.trust_store).or(kept);
        let mut new = TlsContext {
            name,
            ciphers,
            trust_store,
            ..old.clone()
        };
        if let Some(store) = config.key_store {
            let store = completed(store, &old.body)?;
            new.before = old.served(self.now).cloned();
            new.current = self.material(&store, Some(id))?;
            new.effective = self.effective();
            new.file_names = file_names(&store);
            new.body = store;
        }
        let view = new.view(self.switches);
        self.space.contexts[at] = new;
        Ok(noted(Answer::json(status, &ordered(view)), note))
    }

    fn delete(&mut self, id: &str) -> Result<Answer, Answer> {
        let at = self.position(id)?;
        if self.space.contexts[at].kind == "default" {
            return Err(invalid("The default TLS context cannot be deleted"));
        }
        self.space.contexts.remove(at);
        Ok(Answer::empty(self.switches.delete_status))
    }

    fn position(&self, id: &str) -> Result<usize, Answer> {
        let found = self
            .space
            .contexts
            .iter()
            .position(|context| context.id == id);
        found.ok_or_else(|| refusal(404, "TLS context not found"))
    }

    fn check_name(&self, name: &str, own_id: Option<&str>) -> Result<(), Answer> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == ' ' || letter == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(coded(400, "XX005", "Invalid Name Format"));
        }
        let same = |other: &str| {
            other == name || (self.switches.names_ignore_case && other.eq_ignore_ascii_case(name))
        };
        let mut others = self
            .space
            .contexts
            .iter()
            .filter(|context| Some(context.id.as_str()) != own_id);
        if others.any(|context| same(&context.name)) {
            Err(Answer::empty(409))
        } else {
            Ok(())
        }
    }

    fn ciphers(
        &self,
        sent: Option<BTreeMap<String, bool>>,
        kept: BTreeMap<String, bool>,
    ) -> Result<BTreeMap<String, bool>, Answer> {
        let Some(sent) = sent else {
            return if self.switches.require_ciphers {
                Err(invalid("ciphers is required"))
            } else {
                Ok(kept)
            };
        };
        if let Some(unknown) = sent
            .keys()
            .find(|name| !CIPHERS.iter().any(|(known, _)| known == name))
        {
            return Err(invalid(&format!("unknown cipher {unknown}")));
        }
        if let Some((missing, _)) = CIPHERS.iter().find(|(name, _)| !sent.contains_key(*name)) {
            return Err(invalid(&format!("ciphers.{missing} is required")));
        }
        Ok(sent)
    }

    fn material(&self, store: &KeyStoreBody, own_id: Option<&str>) -> Result<Material, Answer> {
        if self.switches.require_file_names
            && (store.certificate_file_name.is_none() || store.key_file_name.is_none())
        {
            return Err(invalid("certificateFileName and keyFileName are required"));
        }
        if self.switches.require_passphrase && store.key_passphrase.is_none() {
            return Err(invalid("keyPassphrase is required"));
        }
        let strict = Strictness {
            traditional_keys: self.switches.traditional_keys,
            refuse_expired: true,
        };
        let material = store.check(self.now, strict).map_err(|why| invalid(&why))?;
        let others = self
            .space
            .contexts
            .iter()
            .filter(|context| Some(context.id.as_str()) != own_id);
        let mut taken = others.flat_map(|context| &context.current.names);
        if self.switches.domain_conflict && taken.any(|name| material.names.contains(name)) {
            return Err(Answer::empty(409));
        }
        Ok(material)
    }

    fn effective(&self) -> Timestamp {
        plus(
            self.now,
            Duration::from_millis(self.switches.update_delay_ms),
        )
    }
}

fn parse(request: &Request) -> Result<(Body, Option<String>), Answer> {
    if !request.is_json() {
        return Err(refusal(415, "Unsupported Media Type"));
    }
    let body: Body =
        serde_json::from_slice(&request.body).map_err(|err| invalid(&err.to_string()))?;
    let store = body
        .tls_config
        .as_ref()
        .and_then(|config| config.key_store.as_ref());
    let unknown = body
        .rest
        .keys()
        .chain(store.into_iter().flat_map(|store| store.rest.keys()));
    let unknown: Vec<&str> = unknown.map(String::as_str).collect();
    let note = (!unknown.is_empty()).then(|| format!("fields {}", unknown.join(", ")));
    Ok((body, note))
}

/// The CA path alone may be replaced; the key only together with the certificate.
fn completed(mut store: KeyStoreBody, old: &KeyStoreBody) -> Result<KeyStoreBody, Answer> {
    match (&store.certificate, &store.key) {
        (Some(_), Some(_)) => Ok(store),
        (None, None) => {
            store.source = store.source.or_else(|| old.source.clone());
            store.certificate.clone_from(&old.certificate);
            store.key.clone_from(&old.key);
            store.key_passphrase.clone_from(&old.key_passphrase);
            store.certificate_file_name = store
                .certificate_file_name
                .or_else(|| old.certificate_file_name.clone());
            store.key_file_name = store.key_file_name.or_else(|| old.key_file_name.clone());
            Ok(store)
        }
        _ => Err(invalid("certificate and key can only be replaced together")),
    }
}

fn file_names(store: &KeyStoreBody) -> [Option<String>; 3] {
    [
        store.certificate_file_name.clone(),
        store.key_file_name.clone(),
        store.capath_file_name.clone(),
    ]
}

fn trust_store(sent: Option<Value>) -> Option<Value> {
    sent.filter(|value| !value.is_null())
}

fn default_ciphers() -> BTreeMap<String, bool> {
    CIPHERS
        .iter()
        .map(|(name, on)| ((*name).to_owned(), *on))
        .collect()
}

fn invalid(message: &str) -> Answer {
    refusal(400, message)
}

fn coded(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "message": message, "errors": [{ "code": code, "message": message }] }),
    )
}

fn noted(answer: Answer, note: Option<String>) -> Answer {
    match note {
        Some(note) => answer.unexpected(note),
        None => answer,
    }
}
