//! Certificates for tests: an authority, intermediates, leaves of any names, keys and dates.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber, SubjectPublicKeyInfo,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When a certificate holds, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: u64,
    /// Last moment.
    pub not_after: u64,
}

impl Validity {
    /// From an hour ago until `days` from now.
    pub fn days(days: u32) -> Self {
        let now = now();
        Self {
            not_before: now - 3600,
            not_after: now + u64::from(days) * DAY.as_secs(),
        }
    }

    /// For what others keep current: longer than any test puts the clock forward.
    pub fn lasting() -> Self {
        Self::days(3000)
    }

    /// Over since an hour ago, after 90 days.
    pub fn expired() -> Self {
        let now = now();
        Self {
            not_before: now - 90 * DAY.as_secs(),
            not_after: now - 3600,
        }
    }

    /// Begins tomorrow.
    pub fn not_yet() -> Self {
        let now = now();
        Self {
            not_before: now + DAY.as_secs(),
            not_after: now + 90 * DAY.as_secs(),
        }
    }
}

impl Default for Validity {
    fn default() -> Self {
        Self::days(90)
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// A certificate authority: a root, or an intermediate under one.
#[derive(Clone)]
pub struct Authority {
    name: String,
    pem: String,
    /// Certificates that a server sends between its leaf and the root; empty for a root.
    chain: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("pem", &self.pem)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// A new root.
    pub fn root(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let params = authority_params(name)?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            name: name.to_owned(),
            pem,
            chain: String::new(),
            issuer: Arc::new(Issuer::new(params, key)),
        })
    }

    /// An intermediate under this authority.
    pub fn intermediate(&self, name: &str) -> Result<Self> {
        self.sign(authority_params(name)?, name)
    }

    /// An intermediate under this authority whose time is over.
    pub fn expired_intermediate(&self, name: &str) -> Result<Self> {
        let mut params = authority_params(name)?;
        set_validity(&mut params, Validity::expired());
        self.sign(params, name)
    }

    fn sign(&self, params: CertificateParams, name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Self {
            name: name.to_owned(),
            chain: format!("{pem}{}", self.chain),
            pem,
            issuer: Arc::new(Issuer::new(params, key)),
        })
    }

    /// This authority as another one vouches for it: the same name and key, signed by `other`, as roots are that are
    /// too young to be in every store.
    pub fn cross_signed_by(&self, other: &Self) -> Result<Self> {
        let key = self.issuer.key();
        let params = authority_params(&self.name)?;
        let pem = params.signed_by(key, &other.issuer)?.pem();
        let key = KeyPair::from_pem(&key.serialize_pem())?;
        Ok(Self {
            name: self.name.clone(),
            chain: format!("{pem}{}", other.chain),
            pem,
            issuer: Arc::new(Issuer::new(params, key)),
        })
    }

    /// The authority's own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A leaf with a new P-256 key.
    pub fn leaf(&self, names: &[&str], validity: Validity) -> Result<Leaf> {
        self.leaf_with_key(names, validity, &ec_key()?)
    }

    /// A leaf for a private key in PKCS#8 PEM.
    pub fn leaf_with_key(&self, names: &[&str], validity: Validity, key_pem: &str) -> Result<Leaf> {
        self.leaf_named(names, names.first().copied(), validity, key_pem)
    }

    /// A leaf whose subject is empty, as newer profiles of public authorities have it.
    pub fn leaf_without_common_name(&self, names: &[&str], validity: Validity) -> Result<Leaf> {
        self.leaf_named(names, None, validity, &ec_key()?)
    }

    fn leaf_named(
        &self,
        names: &[&str],
        common_name: Option<&str>,
        validity: Validity,
        key_pem: &str,
    ) -> Result<Leaf> {
        let key = KeyPair::from_pem(key_pem)?;
        let params = leaf_params(names, common_name, validity)?;
        let cert_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf {
            cert_pem,
            key_pem: key_pem.to_owned(),
            chain_pem: self.chain.clone(),
        })
    }

    /// A chain for a public key of somebody else's (`SubjectPublicKeyInfo`, DER): PEM, the leaf first.
    pub(crate) fn chain_for(
        &self,
        public_key: &[u8],
        names: &[&str],
        common_name: Option<&str>,
        validity: Validity,
        serial: u64,
    ) -> Result<String> {
        let mut params = leaf_params(names, common_name, validity)?;
        params.serial_number = Some(SerialNumber::from(serial));
        let key = SubjectPublicKeyInfo::from_der(public_key)?;
        let leaf = params.signed_by(&key, &self.issuer)?.pem();
        Ok(format!("{leaf}{}", self.chain))
    }
}

fn leaf_params(
    names: &[&str],
    common_name: Option<&str>,
    validity: Validity,
) -> Result<CertificateParams> {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = common_name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    set_validity(&mut params, validity);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority_params(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut span = Validity::days(3650);
    span.not_before -= 365 * DAY.as_secs();
    set_validity(&mut params, span);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.not_before);
    params.not_after = epoch + Duration::from_secs(validity.not_after);
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The leaf alone, as acme.sh's `DOMAIN.cer`.
    pub cert_pem: String,
    /// Private key, PKCS#8, as acme.sh's `DOMAIN.key` but for its form.
    pub key_pem: String,
    /// The intermediates without the root, as acme.sh's `ca.cer`; empty if the root signed the leaf.
    pub chain_pem: String,
}

impl Leaf {
    /// Leaf and intermediates, as acme.sh's `fullchain.cer`.
    pub fn fullchain_pem(&self) -> String {
        format!("{}{}", self.cert_pem, self.chain_pem)
    }
}

/// A new P-256 key, PKCS#8 PEM.
pub fn ec_key() -> Result<String> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// A new P-384 key, PKCS#8 PEM.
pub fn p384_key() -> Result<String> {
    Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?.serialize_pem())
}

/// A new RSA key, PKCS#8 PEM, made by `openssl`: *ring* cannot make one.
pub fn rsa_key(bits: u32) -> Result<String> {
    openssl(
        &[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            &format!("rsa_keygen_bits:{bits}"),
        ],
        "",
    )
}

/// The key in the older form of its kind: `BEGIN RSA PRIVATE KEY` (PKCS#1) or `BEGIN EC PRIVATE KEY` (SEC 1).
pub fn traditional(key_pem: &str) -> Result<String> {
    openssl(&["pkey", "-traditional"], key_pem)
}

/// The key as `BEGIN ENCRYPTED PRIVATE KEY` (PKCS#8, PBES2).
pub fn encrypted(key_pem: &str, passphrase: &str) -> Result<String> {
    openssl(
        &[
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-256-cbc",
            "-passout",
            &format!("pass:{passphrase}"),
        ],
        key_pem,
    )
}

fn openssl(args: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting openssl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .context("writing to openssl")?;
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "openssl {}: {}",
        args[0],
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
