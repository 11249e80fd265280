//! TLS contexts of private spaces: which certificate is served for which domain.
//!
//! Sources: the published API description `cloudhub-20-api`, the official Terraform provider, and
//! <https://docs.mulesoft.com/cloudhub-2/ps-config-domains>. They disagree on the form of several answers, so every
//! form is understood.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize, Serializer};

use super::directory::{OrganizationId, id};
use super::private_spaces::{READ_PRIVATE_SPACES, SpaceId, space_path};
use super::{Client, Permission, lenient, refusal};
use crate::error::{Error, Kind, Result};
use crate::net::http::{Repeat, Reply};
use crate::secret::Secret;

id!(
    /// Id of a TLS context.
    ContextId
);

/// What changing TLS contexts asks for.
pub const MANAGE_TLS_CONTEXTS: Permission = Permission {
    purpose: "to change TLS contexts",
    scopes: &[
        (
            "CloudHub Network Administrator",
            "manage:cloudhub_networking",
        ),
        ("Manage Private Spaces", "manage:private_spaces"),
        ("Cloudhub Organization Admin", "admin:cloudhub"),
    ],
};

/// The documented limits. Lengths are in characters.
pub mod limits {
    /// Of the leaf certificate.
    pub const CERTIFICATE: usize = 4096;
    /// Of the private key.
    pub const KEY: usize = 6144;
    /// Of the rest of the chain.
    pub const CA_PATH: usize = 28672;
    /// Of each file name.
    pub const FILE_NAME: usize = 64;
    /// Of the passphrase of a key.
    pub const PASSPHRASE: usize = 64;
    /// Of the trust store for client authentication.
    pub const TRUST_STORE: usize = 131_072;
    /// Custom contexts in one private space.
    pub const CONTEXTS: usize = 10;
}

/// A TLS context as the platform lists it. The certificate itself, its fingerprint and the key are never returned.
/// Every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsContext {
    /// Its id, see [`TlsContext::id`].
    #[serde(rename = "id", deserialize_with = "lenient::id")]
    pub listed_id: Option<String>,
    /// Its name, unique in the private space.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// `custom`, or `default` for the one that the platform manages itself.
    #[serde(rename = "type", deserialize_with = "lenient::or_default")]
    pub kind: Option<String>,
    /// What is known of the certificate.
    #[serde(deserialize_with = "lenient::or_default")]
    pub key_store: KeyStore,
    /// Present where clients are authenticated.
    #[serde(deserialize_with = "trust_store")]
    pub trust_store: Option<TrustStore>,
    /// The ciphers. Keys that are not known are left out.
    #[serde(deserialize_with = "lenient::or_default")]
    pub ciphers: Option<Ciphers>,
}

/// What the platform tells of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyStore {
    /// Common name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub cn: Option<String>,
    /// Subject alternative names; may be empty although the certificate has some.
    #[serde(deserialize_with = "lenient::entries")]
    pub san: Vec<String>,
    /// Last day of validity, `YYYY-MM-DD`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub expiration_date: Option<String>,
    /// File name given for the certificate.
    #[serde(deserialize_with = "lenient::or_default")]
    pub file_name: Option<String>,
    /// File name given for the key.
    #[serde(deserialize_with = "lenient::or_default")]
    pub key_file_name: Option<String>,
    /// File name given for the rest of the chain.
    #[serde(rename = "capathFileName", deserialize_with = "lenient::or_default")]
    pub ca_path_file_name: Option<String>,
}

/// What the platform tells of a trust store. Its PEM is never returned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrustStore {
    /// File name given for it.
    pub file_name: Option<String>,
    /// Last day of validity of its first certificate to expire.
    pub expiration_date: Option<String>,
}

/// Whatever stands there says that clients are authenticated; sources differ on whether it is one object or a list.
fn trust_store<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TrustStore>, D::Error> {
    use serde_json::Value;
    let one = match Value::deserialize(deserializer)? {
        Value::Array(list) => list.into_iter().next().unwrap_or_default(),
        other => other,
    };
    Ok(match one {
        Value::Object(fields) if !fields.is_empty() => {
            Some(serde_json::from_value(Value::Object(fields)).unwrap_or_default())
        }
        _ => None,
    })
}

impl TlsContext {
    /// Its id.
    ///
    /// # Errors
    ///
    /// Unreachable: the platform told none.
    pub fn id(&self) -> Result<ContextId> {
        self.listed_id.as_deref().map(ContextId::new).ok_or_else(|| {
            Error::new(
                Kind::Unreachable,
                format!("the platform tells no id of TLS context {:?}", self.name),
            )
            .advise("Without it, the context cannot be changed: try again later, or change it in Runtime Manager.")
        })
    }

    /// Whether the platform manages it, renews its certificate and lets nobody change it.
    pub fn is_default(&self) -> bool {
        self.kind
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("default"))
    }

    /// The domains that it is for: common name and alternative names, each once.
    pub fn domains(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let given = self.key_store.cn.iter();
        for name in given.chain(&self.key_store.san) {
            if !name.is_empty() && !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        names
    }
}

macro_rules! ciphers {
    ($($name:ident: $default:literal,)*) => {
        /// The names of all ciphers, as the platform writes them.
        pub const CIPHERS: &[&str] = &[$(stringify!($name)),*];

        /// Those that are on unless somebody changes it.
        const DEFAULTS: &[(&str, bool)] = &[$((stringify!($name), $default)),*];
    };
}

// The order of the published schema.
ciphers! {
    aes128GcmSha256: false,
    aes128Sha256: false,
    aes256GcmSha384: false,
    aes256Sha256: false,
    dheRsaAes128Sha256: false,
    dheRsaAes256GcmSha384: false,
    dheRsaAes256Sha256: false,
    ecdheEcdsaAes128GcmSha256: true,
    ecdheEcdsaAes256GcmSha384: true,
    ecdheRsaAes128GcmSha256: true,
    ecdheRsaAes256GcmSha384: true,
    ecdheEcdsaChacha20Poly1305: false,
    ecdheRsaChacha20Poly1305: false,
    dheRsaChacha20Poly1305: false,
    tlsAes256GcmSha384: true,
    tlsChacha20Poly1305Sha256: true,
    tlsAes128GcmSha256: true,
}

/// Which ciphers are on. The platform wants every one of them said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ciphers(BTreeMap<&'static str, bool>);

impl Default for Ciphers {
    /// The platform's own defaults.
    fn default() -> Self {
        Self(DEFAULTS.iter().copied().collect())
    }
}

impl Ciphers {
    /// Exactly these ciphers, all others off. Case does not matter.
    ///
    /// # Errors
    ///
    /// The first name that is no cipher.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut ciphers: BTreeMap<&'static str, bool> =
            CIPHERS.iter().map(|name| (*name, false)).collect();
        for given in names {
            let known = CIPHERS
                .iter()
                .find(|name| name.eq_ignore_ascii_case(given))
                .ok_or_else(|| given.to_owned())?;
            ciphers.insert(known, true);
        }
        Ok(Self(ciphers))
    }

    /// The names of those that are on.
    pub fn on(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|(_, on)| **on).map(|(name, _)| *name)
    }
}

impl<'de> Deserialize<'de> for Ciphers {
    /// Four ciphers of an older set may still be returned, but must not be sent again: unknown names are dropped.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let mut ciphers = Self::default();
        for (name, on) in &mut ciphers.0 {
            if let Some(serde_json::Value::Bool(given)) = given.get(*name) {
                *on = *given;
            }
        }
        Ok(ciphers)
    }
}

/// A whole TLS context to write. Holds a private key: never shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTlsContext<'a> {
    /// Letters, digits, blanks and hyphens.
    pub name: &'a str,
    /// Certificate and key.
    pub tls_config: TlsConfig<'a>,
    /// All ciphers.
    pub ciphers: &'a Ciphers,
}

/// Certificate, key and, where clients are authenticated, whom to trust.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig<'a> {
    /// Certificate and key.
    pub key_store: PemKeyStore<'a>,
    /// Left out, an existing one is kept (by `PATCH`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_store: Option<NewTrustStore<'a>>,
}

/// Certificate and key in PEM form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PemKeyStore<'a> {
    /// Always `PEM`.
    pub source: &'static str,
    /// The leaf alone.
    pub certificate: &'a str,
    /// File name for it.
    pub certificate_file_name: &'a str,
    /// The private key, PKCS#8.
    #[serde(serialize_with = "exposed")]
    pub key: &'a Secret,
    /// File name for it.
    pub key_file_name: &'a str,
    /// Of an encrypted key.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "exposed_option"
    )]
    pub key_passphrase: Option<&'a Secret>,
    /// The rest of the chain.
    #[serde(rename = "capath", skip_serializing_if = "Option::is_none")]
    pub ca_path: Option<&'a str>,
    /// File name for it.
    #[serde(rename = "capathFileName", skip_serializing_if = "Option::is_none")]
    pub ca_path_file_name: Option<&'a str>,
}

/// Whom to trust, in one of the two forms that are published for it.
#[derive(Serialize)]
#[serde(untagged)]
pub enum NewTrustStore<'a> {
    /// A list, as the community client sends it.
    List([PemTrustStore<'a>; 1]),
    /// An object, as the official description has it.
    Object(PemTrustStore<'a>),
}

/// Certificates of authorities in PEM form.
#[derive(Clone, Copy, Serialize)]
pub struct PemTrustStore<'a> {
    /// Always `PEM`.
    pub source: &'static str,
    /// The certificates.
    #[serde(rename = "trustStorePEM")]
    pub pem: &'a str,
    /// File name for it.
    #[serde(rename = "fileName")]
    pub file_name: &'a str,
}

fn exposed<S: Serializer>(secret: &&Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn exposed_option<S: Serializer>(
    secret: &Option<&Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_str(secret.expose()),
        None => serializer.serialize_none(),
    }
}

/// How to update: the two sources that describe an update name different calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateBy {
    /// `PATCH …/tlsContexts/ID`: the published description. Keeps a trust store that is not mentioned.
    Patch,
    /// `PUT …/tlsContexts/ID`: the official Terraform provider. Replaces everything.
    Put,
}

/// How an update ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The platform took it; a 202 means that it will be in force later.
    Accepted,
    /// The platform knows no such call, or no such context.
    NoRoute,
}

impl Client {
    /// Every TLS context of a private space. The list has no pages.
    ///
    /// `GET …/tlsContexts`
    ///
    /// # Errors
    ///
    /// Not found: no such private space or organization. Refused, or no usable answer.
    pub fn tls_contexts(
        &self,
        organization: &OrganizationId,
        space: &SpaceId,
    ) -> Result<Vec<TlsContext>> {
        let path = contexts_path(organization, space);
        let reply = self.send(|http| http.get(&path))?;
        if !reply.is_success() {
            return Err(self.refused(&reply, &READ_PRIVATE_SPACES, organization));
        }
        Ok(lenient::readable(reply.json()?))
    }

    /// Creates a TLS context. The id is not part of every answer: list, and find it by name.
    ///
    /// `POST …/tlsContexts`
    ///
    /// # Errors
    ///
    /// Refused, or no answer: see [`Error::effect_unknown`].
    pub fn create_tls_context(
        &self,
        organization: &OrganizationId,
        space: &SpaceId,
        context: &NewTlsContext<'_>,
    ) -> Result<()> {
        let path = contexts_path(organization, space);
        let reply = self.send(|http| http.post(&path).json(context))?;
        if reply.is_success() {
            Ok(())
        } else {
            Err(self.refused(&reply, &MANAGE_TLS_CONTEXTS, organization))
        }
    }

    /// Replaces what `context` holds in the TLS context `id`. It is not repeated when it may have been executed.
    ///
    /// # Errors
    ///
    /// Refused, or no answer: see [`Error::effect_unknown`].
    pub fn update_tls_context(
        &self,
        organization: &OrganizationId,
        space: &SpaceId,
        id: &ContextId,
        context: &NewTlsContext<'_>,
        by: UpdateBy,
    ) -> Result<Updated> {
        let method = match by {
            UpdateBy::Patch => Method::PATCH,
            UpdateBy::Put => Method::PUT,
        };
        let path = context_path(organization, space, id);
        let reply = self.send(|http| {
            let request = http.request(method.clone(), &path).json(context);
            request.repeat(Repeat::IfNotExecuted)
        })?;
        match reply.status() {
            404 | 405 | 501 => Ok(Updated::NoRoute),
            _ if reply.is_success() => Ok(Updated::Accepted),
            _ => Err(self.refused(&reply, &MANAGE_TLS_CONTEXTS, organization)),
        }
    }

    /// Deletes the TLS context `id`. One that is gone already is no error.
    ///
    /// `DELETE …/tlsContexts/ID`
    ///
    /// # Errors
    ///
    /// Refused, or no answer.
    pub fn delete_tls_context(
        &self,
        organization: &OrganizationId,
        space: &SpaceId,
        id: &ContextId,
    ) -> Result<()> {
        let path = context_path(organization, space, id);
        let reply = self.send(|http| http.request(Method::DELETE, &path))?;
        if reply.is_success() || reply.status() == 404 {
            Ok(())
        } else {
            Err(self.refused(&reply, &MANAGE_TLS_CONTEXTS, organization))
        }
    }

    /// The error that a refusal is, with what to grant or change.
    fn refused(&self, reply: &Reply, needs: &Permission, organization: &OrganizationId) -> Error {
        let err = refusal(reply, needs);
        let host = self.host();
        let advice = match Refusal::of(&err) {
            Some(Refusal::Denied) => format!(
                "{} The organization in use is {organization}, on {host}: check that it owns the private space \
                 (ORGANIZATION_ID), that the app belongs to it, and that it lives on this control plane \
                 (ANYPOINT_URL).",
                needs.advice()
            ),
            Some(Refusal::NoSuchSpace) => {
                format!("Check ORGANIZATION_ID (in use: {organization}) and ANYPOINT_URL (in use: {host}).")
            }
            Some(Refusal::BadName) => {
                "Names of TLS contexts hold letters, digits, blanks and hyphens only.".to_owned()
            }
            Some(Refusal::Full) => full(),
            Some(Refusal::Rejected) => "The platform did not like the certificate, the key or the name. The local checks \
                 found nothing wrong with them; an uncommon kind of key (EC P-384 or P-521) or encryption may be \
                 the reason: try RSA 2048 or EC P-256 without a passphrase."
                .to_owned(),
            Some(Refusal::Duplicate) => {
                "Another TLS context has this name or this domain already.".to_owned()
            }
            Some(Refusal::NotJson) => {
                "The platform takes JSON only: a proxy on the way may have changed the request.".to_owned()
            }
            Some(Refusal::TooManyRequests) => format!(
                "The platform takes {} requests per second from one address, all programs together: try again later.",
                super::private_spaces::REQUESTS_PER_SECOND
            ),
            None => return err,
        };
        err.advise(advice)
    }
}

/// What a refusal of the platform's means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The credentials, their scopes, or where they belong.
    Denied,
    /// No such private space or organization.
    NoSuchSpace,
    /// The name of the context holds other characters than may be.
    BadName,
    /// There is no room for another context.
    Full,
    /// Certificate, key or name are not to the platform's liking.
    Rejected,
    /// The name or domain is another context's.
    Duplicate,
    /// What arrived there was not JSON.
    NotJson,
    /// More requests than allowed.
    TooManyRequests,
}

impl Refusal {
    /// Reads it from an error, by status and the platform's code.
    pub fn of(err: &Error) -> Option<Self> {
        let code = err.remote().and_then(|said| said.code.as_deref());
        Some(match (err.status()?, code) {
            (401 | 403, _) => Self::Denied,
            (404, _) => Self::NoSuchSpace,
            (400, Some("XX005")) => Self::BadName,
            (400, Some("XX006")) => Self::Full,
            (400 | 422, _) => Self::Rejected,
            (409, _) => Self::Duplicate,
            (415, _) => Self::NotJson,
            (429, _) => Self::TooManyRequests,
            _ => return None,
        })
    }
}

/// What to know when there is no room for another context.
pub fn full() -> String {
    format!(
        "A private space holds at most {} TLS contexts of your own; a certificate with several names needs one context \
         only.",
        limits::CONTEXTS
    )
}

/// Whether a name is one that the platform takes: letters, digits, blanks and hyphens.
///
/// # Errors
///
/// Configuration: what is wrong with it.
pub fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
    if name.trim().is_empty() || !name.chars().all(allowed) {
        return Err(Error::new(
            Kind::Config,
            format!("{name:?} cannot be the name of a TLS context"),
        )
        .advise("Use letters, digits, blanks and hyphens."));
    }
    Ok(())
}

fn contexts_path(organization: &OrganizationId, space: &SpaceId) -> String {
    format!("{}/tlsContexts", space_path(organization, space))
}

fn context_path(organization: &OrganizationId, space: &SpaceId, id: &ContextId) -> String {
    format!("{}/{}", contexts_path(organization, space), id.segment())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ciphers_of_an_answer_are_dropped_and_missing_ones_take_their_default() {
        let ciphers: Ciphers = serde_json::from_str(
            r#"{"ecdheRsaAes128Sha1":true,"aes256Sha256":true,"tlsAes128GcmSha256":false}"#,
        )
        .unwrap();
        let sent = serde_json::to_value(&ciphers).unwrap();
        assert_eq!(sent.as_object().unwrap().len(), 17);
        assert_eq!(sent["aes256Sha256"], true);
        assert_eq!(sent["tlsAes128GcmSha256"], false);
        assert_eq!(sent["tlsAes256GcmSha384"], true);
    }

    #[test]
    fn chosen_ciphers_switch_all_others_off() {
        let ciphers = Ciphers::only(["TLSAES256gcmsha384"]).unwrap();
        assert_eq!(ciphers.on().collect::<Vec<_>>(), ["tlsAes256GcmSha384"]);
        assert_eq!(Ciphers::only(["rc4"]), Err("rc4".to_owned()));
    }

    #[test]
    fn a_context_is_read_however_little_the_platform_tells() {
        for text in [
            "{}",
            r#"{"id":null,"name":null,"type":1,"keyStore":null,"trustStore":null,"ciphers":7}"#,
            r#"{"id":{},"name":5,"keyStore":{"cn":1,"san":null,"expirationDate":2,"fileName":3}}"#,
        ] {
            let context: TlsContext = serde_json::from_str(text).unwrap();
            assert!(!context.is_default(), "{text}");
            assert!(context.domains().is_empty(), "{text}");
            let err = context.id().unwrap_err();
            assert!(err.to_string().contains("no id of TLS context"), "{err}");
        }
        let context: TlsContext =
            serde_json::from_str(r#"{"id":1,"keyStore":{"san":[null,"a.example",4]}}"#).unwrap();
        assert_eq!(context.id().unwrap().as_str(), "1");
        assert_eq!(context.domains(), ["a.example"]);
        for (text, there) in [
            (r#"{"id":"1","trustStore":{"fileName":"ca.pem"}}"#, true),
            (r#"{"id":"1","trustStore":[{"source":"PEM"}]}"#, true),
            (r#"{"id":"1","trustStore":null}"#, false),
            (r#"{"id":"1","trustStore":{}}"#, false),
        ] {
            let context: TlsContext = serde_json::from_str(text).unwrap();
            assert_eq!(context.trust_store.is_some(), there, "{text}");
        }
        let context: TlsContext = serde_json::from_str(
            r#"{"id":"1","name":"n","type":"Default","keyStore":{"cn":"A.example","san":["a.example","b.example"]}}"#,
        )
        .unwrap();
        assert!(context.is_default());
        assert_eq!(context.domains(), ["A.example", "b.example"]);
    }

    #[test]
    fn a_plain_key_is_sent_without_a_passphrase_and_no_trust_store_is_made_up() {
        let key = Secret::new("canary-key-2b7e");
        let ciphers = Ciphers::default();
        let body = serde_json::to_value(NewTlsContext {
            name: "n",
            tls_config: TlsConfig {
                key_store: PemKeyStore {
                    source: "PEM",
                    certificate: "c",
                    certificate_file_name: "c.cer",
                    key: &key,
                    key_file_name: "k.key",
                    key_passphrase: None,
                    ca_path: None,
                    ca_path_file_name: None,
                },
                trust_store: None,
            },
            ciphers: &ciphers,
        })
        .unwrap();
        assert_eq!(
            body["tlsConfig"],
            serde_json::json!({"keyStore": {
                "source": "PEM", "certificate": "c", "certificateFileName": "c.cer",
                "key": "canary-key-2b7e", "keyFileName": "k.key",
            }})
        );
    }

    #[test]
    fn a_name_with_dots_or_stars_is_refused_before_it_is_sent() {
        assert!(check_name("x-acme-example 2").is_ok());
        for name in ["", " ", "*.acme", "a.b", "a_b", "ü"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
