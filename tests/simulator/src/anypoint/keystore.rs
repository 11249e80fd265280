//! Checks uploaded certificates and keys for real, as the platform does before it serves them.

use std::sync::Arc;

use jiff::Timestamp;
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::pem;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// `tlsConfig.keyStore` of a request.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStoreBody {
    /// `PEM` or `JKS`.
    pub source: Option<String>,
    /// The leaf alone.
    pub certificate: Option<String>,
    /// Display name of the file.
    pub certificate_file_name: Option<String>,
    /// Private key.
    pub key: Option<String>,
    /// Display name of the file.
    pub key_file_name: Option<String>,
    /// Of an encrypted key.
    pub key_passphrase: Option<String>,
    /// The rest of the chain.
    pub capath: Option<String>,
    /// Display name of the file.
    pub capath_file_name: Option<String>,
    /// What else was sent.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A certificate that can be served.
#[derive(Debug, Clone)]
pub struct Material {
    /// Chain and key, ready for a TLS server.
    pub certified: Arc<CertifiedKey>,
    /// The leaf as uploaded.
    pub certificate_pem: String,
    /// The rest of the chain as uploaded.
    pub capath_pem: String,
    /// Common name; the first name if there is none.
    pub cn: String,
    /// DNS names, lower case.
    pub names: Vec<String>,
    /// End of validity, `YYYY-MM-DD`.
    pub expiration_date: String,
}

/// What the platform insists on beyond the documented limits.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// Takes PKCS#1 and SEC 1 keys besides PKCS#8.
    pub traditional_keys: bool,
    /// Refuses certificates that have ended.
    pub refuse_expired: bool,
}

const CERTIFICATE_MAX: usize = 4096;
const KEY_MAX: usize = 6144;
const PASSPHRASE_MAX: usize = 64;
const CAPATH_MAX: usize = 28_672;
const FILE_NAME_MAX: usize = 64;

impl KeyStoreBody {
    /// The checked material, or what is wrong with it.
    pub fn check(&self, now: Timestamp, strict: Strictness) -> Result<Material, String> {
        if self.source.as_deref() != Some("PEM") {
            return Err("keyStore.source must be PEM".to_owned());
        }
        let certificate = required("certificate", self.certificate.as_deref(), CERTIFICATE_MAX)?;
        let key = required("key", self.key.as_deref(), KEY_MAX)?;
        let capath = limited("capath", self.capath.as_deref(), CAPATH_MAX)?.unwrap_or_default();
        limited(
            "keyPassphrase",
            self.key_passphrase.as_deref(),
            PASSPHRASE_MAX,
        )?;
        for (field, name) in [
            ("certificateFileName", &self.certificate_file_name),
            ("keyFileName", &self.key_file_name),
            ("capathFileName", &self.capath_file_name),
        ] {
            limited(field, name.as_deref(), FILE_NAME_MAX)?;
        }

        let leaf = certificates("certificate", certificate)?;
        let [leaf] = leaf.as_slice() else {
            return Err(format!(
                "certificate must hold exactly one certificate, found {}",
                leaf.len()
            ));
        };
        let key = private_key(key, self.key_passphrase.as_deref(), strict)?;
        let mut chain = vec![leaf.clone()];
        if !capath.trim().is_empty() {
            chain.extend(certificates("capath", capath)?);
        }
        let (_, parsed) =
            X509Certificate::from_der(leaf).map_err(|err| format!("certificate: {err}"))?;
        let not_after = parsed.validity().not_after.timestamp();
        if strict.refuse_expired && not_after < now.as_second() {
            return Err("The certificate has expired".to_owned());
        }
        let names = dns_names(&parsed);
        let cn = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|cn| cn.as_str().ok());
        let cn = cn
            .or(names.first().map(String::as_str))
            .unwrap_or_default()
            .to_owned();
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|err| format!("The private key does not match the certificate: {err}"))?;
        Ok(Material {
            certified: Arc::new(certified),
            certificate_pem: certificate.to_owned(),
            capath_pem: capath.to_owned(),
            cn,
            names,
            expiration_date: date(not_after),
        })
    }
}

fn required<'a>(field: &str, value: Option<&'a str>, max: usize) -> Result<&'a str, String> {
    let value = limited(field, value, max)?.unwrap_or_default();
    if value.trim().is_empty() {
        Err(format!("keyStore.{field} is required"))
    } else {
        Ok(value)
    }
}

fn limited<'a>(field: &str, value: Option<&'a str>, max: usize) -> Result<Option<&'a str>, String> {
    match value {
        Some(text) if text.chars().count() > max => {
            Err(format!("keyStore.{field} exceeds {max} characters"))
        }
        _ => Ok(value),
    }
}

fn certificates(field: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|err| format!("{field} is not PEM: {err}"))?;
    for certificate in &found {
        X509Certificate::from_der(certificate).map_err(|err| format!("{field}: {err}"))?;
    }
    if found.is_empty() {
        Err(format!("{field} holds no certificate"))
    } else {
        Ok(found)
    }
}

fn private_key(
    text: &str,
    passphrase: Option<&str>,
    strict: Strictness,
) -> Result<PrivateKeyDer<'static>, String> {
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("key: only PKCS#8 encryption is understood".to_owned());
    }
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        let passphrase = passphrase.ok_or("key is encrypted, but keyPassphrase is missing")?;
        return decrypted(text, passphrase)
            .map_err(|err| format!("key cannot be decrypted: {err}"));
    }
    // openssl writes the curve of an EC key in front of it, in a block of its own.
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
    let mut keys = Vec::new();
    for section in sections {
        let (kind, der) = section.map_err(|err| format!("key is not PEM: {err}"))?;
        match kind {
            SectionKind::PrivateKey => keys.push(PrivateKeyDer::Pkcs8(der.into())),
            SectionKind::RsaPrivateKey if strict.traditional_keys => {
                keys.push(PrivateKeyDer::Pkcs1(der.into()));
            }
            SectionKind::EcPrivateKey if strict.traditional_keys => {
                keys.push(PrivateKeyDer::Sec1(der.into()));
            }
            SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                return Err("key must be PKCS#8".to_owned());
            }
            _ => {}
        }
    }
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        (None, _) => Err("key holds no private key".to_owned()),
        (Some(_), false) => Err("key holds more than one private key".to_owned()),
    }
}

fn decrypted(text: &str, passphrase: &str) -> Result<PrivateKeyDer<'static>, pkcs8::Error> {
    let (_, der) = pem::decode_vec(text.trim().as_bytes())
        .map_err(|_| pkcs8::Error::KeyMalformed(pkcs8::KeyError::Invalid))?;
    let plain = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())?.decrypt(passphrase)?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        plain.as_bytes().to_vec(),
    )))
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map(|at| at.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
