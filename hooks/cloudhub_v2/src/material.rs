//! The certificate to deploy, checked for everything that can be known before the first request.

use std::path::{Path, PathBuf};

use anyhow::Context;
use common::acme_sh::Stored;
use common::anypoint::tls_contexts::{
    Ciphers, NewTlsContext, NewTrustStore, PemKeyStore, TlsConfig, limits,
};
use common::cert::{Certificate, Chain, PrivateKey, Validity};
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::net::tls::{Distrust, Judge, Trust};
use common::secret::Secret;
use common::settings::Sourced;
use common::system::files;
use jiff::{SignedDuration, Timestamp};

use crate::domain::canonical;
use crate::settings::{KEY_PASSPHRASE, STRICT};

/// No PEM file of a certificate is larger.
const LARGEST: u64 = 1024 * 1024;

/// A certificate that expires sooner is not worth deploying: something went wrong with its renewal.
const SHORTEST: SignedDuration = SignedDuration::from_hours(24);

/// Digits of the fingerprint that fit into a file name together with its ending.
const DIGITS: usize = limits::FILE_NAME - ".cer".len();

/// Where the parts of a certificate are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) fullchain: Option<PathBuf>,
    /// Whether somebody wrote the paths down, so that a file which is missing is a mistake. acme.sh passes paths of files
    /// that need not be there.
    pub(crate) named: bool,
}

impl From<&Stored> for Files {
    fn from(stored: &Stored) -> Self {
        Self {
            key: stored.key(),
            certificate: stored.certificate(),
            ca: Some(stored.ca()),
            fullchain: Some(stored.fullchain()),
            named: false,
        }
    }
}

/// A certificate with its key, fit for the platform.
#[derive(Debug)]
pub(crate) struct Material {
    /// The main name as acme.sh gave it.
    pub(crate) domain: String,
    pub(crate) identity: Identity,
    certificate: String,
    ca_path: Option<String>,
    key: Secret,
    passphrase: Option<Secret>,
}

/// What a TLS context can be compared with.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) leaf: Certificate,
    /// File names that carry the fingerprints and the domain.
    pub(crate) names: FileNames,
}

impl Identity {
    /// Reads the certificates of a domain, which need not be fit for deployment.
    pub(crate) fn read(domain: &str, files: &Files, now: Timestamp) -> Result<Self> {
        let chain = chain(files, now)?;
        Ok(Self {
            names: FileNames::new(domain, &chain),
            leaf: chain.leaf,
        })
    }

    /// The last day of its validity as the platform writes it.
    pub(crate) fn expiration_date(&self) -> String {
        self.leaf.not_after.strftime("%Y-%m-%d").to_string()
    }
}

/// What the platform keeps as names of the uploaded files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNames {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) ca_path: Option<String>,
}

impl Material {
    /// Reads and checks the files. `call` is that of this certificate.
    pub(crate) fn load(call: &Invocation, domain: &str, files: &Files) -> anyhow::Result<Self> {
        let passphrase = call.settings.secret(&KEY_PASSPHRASE)?;
        let now = call.clock.now();
        let checked = || -> Result<Self> {
            let chain = chain(files, now)?;
            check_leaf(&chain.leaf, domain, &files.certificate, now)?;
            check_intermediates(&chain, now)?;
            check_complete(call, &chain, domain, files)?;
            let (key, passphrase) = key(files, &chain.leaf, passphrase.as_ref())?;
            Self::fit(domain, chain, key, passphrase)
        };
        checked().with_context(|| format!("checking the certificate of {domain}"))
    }

    fn fit(domain: &str, chain: Chain, key: Secret, passphrase: Option<Secret>) -> Result<Self> {
        let certificate = chain.leaf.to_pem();
        within(
            "the certificate",
            &certificate,
            limits::CERTIFICATE,
            "Give it fewer names: issue several certificates with fewer -d, one for each TLS context.",
        )?;
        within(
            "the private key",
            key.expose(),
            limits::KEY,
            "Use a smaller key: --keylength ec-256, 2048 or 4096; RSA 8192 does not fit.",
        )?;
        let ca_path: String = chain
            .intermediates
            .iter()
            .map(Certificate::to_pem)
            .collect();
        within(
            "the rest of the chain",
            &ca_path,
            limits::CA_PATH,
            "Take out certificates that are not needed; the root never is. acme.sh's --preferred-chain may give a \
             shorter chain.",
        )?;
        if let Some(passphrase) = &passphrase {
            within(
                "the passphrase of the private key",
                passphrase.expose(),
                limits::PASSPHRASE,
                "Encrypt the key with a shorter one.",
            )?;
        }
        Ok(Self {
            identity: Identity {
                names: FileNames::new(domain, &chain),
                leaf: chain.leaf,
            },
            domain: domain.to_owned(),
            certificate,
            ca_path: (!ca_path.is_empty()).then_some(ca_path),
            key,
            passphrase,
        })
    }

    /// The body that puts it into the TLS context `name`.
    pub(crate) fn body<'a>(
        &'a self,
        name: &'a str,
        ciphers: &'a Ciphers,
        trust_store: Option<NewTrustStore<'a>>,
    ) -> NewTlsContext<'a> {
        NewTlsContext {
            name,
            tls_config: TlsConfig {
                key_store: PemKeyStore {
                    source: "PEM",
                    certificate: &self.certificate,
                    certificate_file_name: &self.identity.names.certificate,
                    key: &self.key,
                    key_file_name: &self.identity.names.key,
                    key_passphrase: self.passphrase.as_ref(),
                    ca_path: self.ca_path.as_deref(),
                    ca_path_file_name: self.identity.names.ca_path.as_deref(),
                },
                trust_store,
            },
            ciphers,
        }
    }
}

impl FileNames {
    fn new(domain: &str, chain: &Chain) -> Self {
        let ders: Vec<u8> = chain
            .intermediates
            .iter()
            .flat_map(|one| one.der.iter().copied())
            .collect();
        Self {
            certificate: certificate_file_name(&chain.leaf.fingerprint()),
            key: key_file_name(domain),
            ca_path: (!ders.is_empty())
                .then(|| format!("{}.cer", &common::cert::sha256_hex(&ders)[..DIGITS])),
        }
    }
}

/// The file name that says which certificate it is: as much of the fingerprint as fits.
pub(crate) fn certificate_file_name(fingerprint: &str) -> String {
    format!("{}.cer", &fingerprint[..DIGITS.min(fingerprint.len())])
}

/// Whether a certificate's file name is one that [`certificate_file_name`] makes.
pub(crate) fn is_our_file_name(name: &str) -> bool {
    name.strip_suffix(".cer").is_some_and(|stem| {
        stem.len() == DIGITS
            && stem
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// The file name that says which domain the key is for.
pub(crate) fn key_file_name(domain: &str) -> String {
    const ROOM: usize = limits::FILE_NAME - ".key".len();
    // An underscore is in no host name, so `*.acme.example` cannot be taken for `x.acme.example`.
    let mut stem: String = canonical(domain)
        .replacen('*', "_wildcard", 1)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    if stem.len() > ROOM {
        let digest = common::cert::sha256_hex(canonical(domain).as_bytes());
        stem.truncate(ROOM - 17);
        stem = format!("{stem}-{}", &digest[..16]);
    }
    format!("{stem}.key")
}

/// The leaf with the first chain for it among the CA file, the full chain and what stands behind the leaf. One that holds an
/// expired certificate gives way to another: acme.sh leaves an old CA file in place when the CA sent no chain.
fn chain(files: &Files, now: Timestamp) -> Result<Chain> {
    let mut given = certificates("the certificate", &files.certificate)?;
    let leaf = given.remove(0);
    let ca_file = || match &files.ca {
        Some(path) => optional_certificates("the CA file", path),
        None => Ok(None),
    };
    let full_chain = || match &files.fullchain {
        Some(path) => Ok(optional_certificates("the full chain", path)?
            .filter(|whole| whole.first() == Some(&leaf))),
        None => Ok(None),
    };
    let behind_the_leaf = || Ok(Some(given.clone()));
    let sources: [&dyn Fn() -> Result<Option<Vec<Certificate>>>; 3] =
        [&ca_file, &full_chain, &behind_the_leaf];
    let (mut expired, mut refused) = (None, None);
    for source in sources {
        let Some(rest) = source()? else { continue };
        match Chain::from_parts(leaf.clone(), rest) {
            Ok(chain) if is_alone(&chain) => {}
            Ok(chain) if expired_intermediate(&chain, now).is_some() => {
                expired.get_or_insert(chain);
            }
            Ok(chain) => return Ok(chain),
            Err(err) => {
                refused.get_or_insert(err);
            }
        }
    }
    match (expired, refused) {
        (Some(chain), _) => Ok(chain),
        (None, None) => Ok(Chain {
            leaf,
            intermediates: Vec::new(),
            root: None,
        }),
        (None, Some(err)) => Err(Error::config(format!(
            "{} and {}: {err}",
            files.certificate.display(),
            files.ca.as_deref().unwrap_or(Path::new("no CA file")).display()
        ))
        .advise(
            "Pass the leaf as CERTFILE, and as CAFILE the certificates of its issuers, each issued by the next one; the \
             root may be left out.",
        )),
    }
}

/// Whether there is nothing but the leaf.
fn is_alone(chain: &Chain) -> bool {
    chain.intermediates.is_empty() && chain.root.is_none()
}

fn expired_intermediate(chain: &Chain, now: Timestamp) -> Option<&Certificate> {
    let mut others = chain.intermediates.iter();
    others.find(|certificate| certificate.validity(now) == Validity::Expired)
}

fn check_intermediates(chain: &Chain, now: Timestamp) -> Result<()> {
    match expired_intermediate(chain, now) {
        None => Ok(()),
        Some(expired) => Err(Error::config(format!(
            "the intermediate certificate {} expired on {}",
            expired.subject, expired.not_after
        ))
        .advise(
            "Clients would refuse the chain. Renew the certificate, so that the CA sends a current one: acme.sh --renew \
             --force -d DOMAIN.",
        )),
    }
}

/// Reports a chain whose next issuer is missing. Without `--strict`, whoever has intermediates has done what is needed: the
/// root of a private authority need not be trusted on this machine.
fn check_complete(call: &Invocation, chain: &Chain, domain: &str, files: &Files) -> Result<()> {
    let strict = call.settings.switch(&STRICT)?;
    if !strict && !is_alone(chain) {
        return Ok(());
    }
    let trust = call.settings.network()?.trust;
    let Some(issuer) = missing_issuer(chain, domain, trust, call.clock.now()) else {
        return Ok(());
    };
    let what = format!(
        "the chain of {} does not lead to a root that is trusted here: the certificate of its issuer {issuer} is missing",
        files.certificate.display()
    );
    let named = [&files.ca, &files.fullchain].into_iter().flatten();
    let absent = named.clone().find(|path| files.named && !path.exists());
    if let Some(path) = absent {
        return Err(
            Error::not_found(format!("{what}, and {} does not exist", path.display()))
                .advise("Check the path; from cron, write it in full."),
        );
    }
    let advice = "Clients may refuse it: pass the certificates of its issuers as CAFILE or FULLCHAIN; a private root is \
                  trusted here with CA_BUNDLE.";
    if strict {
        return Err(Error::config(what).advise(advice));
    }
    call.log.warn(format!("{domain}: {what}. {advice}"));
    Ok(())
}

/// The issuer at which the chain breaks off before a trusted root.
fn missing_issuer(chain: &Chain, domain: &str, trust: Trust, now: Timestamp) -> Option<String> {
    let last = chain.served().last()?;
    if chain.root.is_some() || last.is_self_issued() {
        return None;
    }
    let verifying = Trust {
        insecure: false,
        ..trust
    };
    let served: Vec<Certificate> = chain.served().cloned().collect();
    match Judge::new(&verifying).map(|judge| judge.judge(&served, &canonical(domain), now)) {
        Ok(Err(Distrust::UnknownIssuer { issuer })) => Some(issuer),
        Ok(_) => None,
        // Without roots, nothing is known to be above it.
        Err(_) => Some(last.issuer.clone()),
    }
}

fn certificates(what: &str, path: &Path) -> Result<Vec<Certificate>> {
    let text = files::read_text(what, path, LARGEST)?;
    Certificate::parse_all(&text).map_err(|err| {
        Error::config(format!("{what} {}: {err}", path.display())).advise(
            "It has to hold PEM text that begins with -----BEGIN CERTIFICATE-----. To issue it again: acme.sh \
             --renew --force -d DOMAIN.",
        )
    })
}

/// As [`certificates`]; nothing where there is no file, or only blank lines in it.
fn optional_certificates(what: &str, path: &Path) -> Result<Option<Vec<Certificate>>> {
    match files::read_text(what, path, LARGEST) {
        Err(err) if err.kind() == Kind::NotFound => Ok(None),
        Err(err) => Err(err),
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(_) => certificates(what, path).map(Some),
    }
}

fn check_leaf(leaf: &Certificate, domain: &str, path: &Path, now: Timestamp) -> Result<()> {
    let shown = path.display();
    let again = "Renew it first: acme.sh --renew --force -d DOMAIN.";
    match leaf.validity(now) {
        Validity::Expired => {
            return Err(Error::config(format!(
                "the certificate {shown} expired on {}",
                leaf.not_after
            ))
            .advise(again));
        }
        Validity::NotYet => {
            return Err(Error::config(format!(
                "the certificate {shown} is not valid before {}",
                leaf.not_before
            ))
            .advise("Check this machine's clock; if it is right, wait until then."));
        }
        Validity::Valid if leaf.time_left(now) < SHORTEST => {
            return Err(Error::config(format!(
                "the certificate {shown} expires in less than a day, on {}",
                leaf.not_after
            ))
            .advise(again));
        }
        Validity::Valid => {}
    }
    if !leaf.covers(&canonical(domain)) {
        let names: Vec<&str> = leaf.names().collect();
        return Err(Error::config(format!(
            "the certificate {shown} is not for {domain}, but for {}",
            if names.is_empty() {
                "no domain".to_owned()
            } else {
                names.join(", ")
            }
        ))
        .advise(
            "Pass the files that belong to the domain, or issue the certificate with -d for it.",
        ));
    }
    Ok(())
}

/// The key as it is sent, and its passphrase if it is encrypted.
fn key(
    files: &Files,
    leaf: &Certificate,
    passphrase: Option<&Sourced<Secret>>,
) -> Result<(Secret, Option<Secret>)> {
    let shown = files.key.display();
    let text = Secret::new(files::read_text("the private key", &files.key, LARGEST)?);
    let key = PrivateKey::parse(text.expose(), passphrase.map(|found| found.value.expose()))
        .map_err(|err| unusable_key(&files.key, &err, passphrase))?;
    if !key.matches(leaf) {
        return Err(Error::config(format!(
            "the private key {shown} ({}) does not belong to the certificate {} ({})",
            key.algorithm(),
            files.certificate.display(),
            leaf.algorithm()
        ))
        .advise(
            "The two files come from different orders: pass those of one domain folder of acme.sh, or issue the \
             certificate again with acme.sh --renew --force -d DOMAIN.",
        ));
    }
    // Encrypted, it goes out as the owner encrypted it; else as PKCS#8, the only plain form that is documented.
    match (encrypted_block(text.expose()), passphrase) {
        (Some(block), Some(passphrase)) => Ok((Secret::new(block), Some(passphrase.value.clone()))),
        _ => Ok((Secret::new(key.to_pkcs8_pem().as_str()), None)),
    }
}

fn unusable_key(
    path: &Path,
    err: &common::cert::KeyError,
    passphrase: Option<&Sourced<Secret>>,
) -> Error {
    use common::cert::KeyError;
    let origin = passphrase.map_or_else(
        || "CH2_KEY_PASSPHRASE".to_owned(),
        |found| found.origin.to_string(),
    );
    let error = Error::config(format!("the private key {}: {err}", path.display()));
    match err {
        KeyError::NeedsPassphrase => error.advise(
            "Set CH2_KEY_PASSPHRASE, or CH2_KEY_PASSPHRASE_FILE to the path of a file that holds it.",
        ),
        KeyError::WrongPassphrase => error.advise(format!("Check {origin}.")),
        KeyError::NoKey | KeyError::SeveralKeys => error.advise(
            "It has to hold one PEM private key: PKCS#8, PKCS#1 (BEGIN RSA PRIVATE KEY) or SEC 1 (BEGIN EC PRIVATE \
             KEY).",
        ),
        KeyError::Unsupported { .. } => {
            error.advise("Issue the certificate with --keylength ec-256 or 2048.")
        }
        _ => error,
    }
}

/// The block `ENCRYPTED PRIVATE KEY` of a PEM text, with what is around it left out.
fn encrypted_block(text: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let body = text.split_once(BEGIN)?.1.split_once(END)?.0;
    let lines: Vec<&str> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    Some(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
}

fn within(what: &str, text: &str, limit: usize, advice: &str) -> Result<()> {
    let length = text.chars().count();
    if length <= limit {
        return Ok(());
    }
    Err(Error::config(format!(
        "{what} is {length} characters long, and the platform accepts {limit}"
    ))
    .advise(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_stay_within_the_limit_and_tell_domains_apart() {
        let long = format!("{}.example.com", "a".repeat(60));
        let longer = format!("b{long}");
        for domain in [
            "*.acme.example",
            "x.acme.example",
            &long,
            &longer,
            "2001:db8::1",
        ] {
            assert!(key_file_name(domain).len() <= limits::FILE_NAME, "{domain}");
        }
        assert_eq!(
            key_file_name("*.Acme.example"),
            "_wildcard.acme.example.key"
        );
        assert_ne!(
            key_file_name("*.acme.example"),
            key_file_name("x.acme.example")
        );
        assert_ne!(key_file_name(&long), key_file_name(&longer));
        assert_eq!(
            certificate_file_name(&"ab".repeat(32)).len(),
            limits::FILE_NAME
        );
    }

    #[test]
    fn our_file_names_are_recognised_and_others_are_not() {
        assert!(is_our_file_name(&certificate_file_name(&"0f".repeat(32))));
        for name in [
            "cert.pem",
            "acme.example.cer",
            "0f0f.cer",
            &format!("{}.cer", "x".repeat(60)),
        ] {
            assert!(!is_our_file_name(name), "{name}");
        }
    }

    #[test]
    fn an_encrypted_key_is_sent_without_what_is_around_it() {
        let text = "Bag\n-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMII\r\n-----END ENCRYPTED PRIVATE KEY-----\r\nx";
        assert_eq!(
            encrypted_block(text).as_deref(),
            Some(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n-----END ENCRYPTED PRIVATE KEY-----\n"
            )
        );
        assert_eq!(encrypted_block("-----BEGIN PRIVATE KEY-----"), None);
    }
}
