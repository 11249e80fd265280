//! X.509 certificates and private keys: names, validity, order of a chain, which key belongs to which certificate.
//!
//! Nothing here asks the clock, reads a file or prints. Whether a chain ends in a root that somebody trusts is
//! answered by [`crate::net::tls::Judge`].
//!
//! Whoever reads or compares certificates uses it; it uses no other room.

mod chain;
mod find;
mod key;
mod pem;
#[cfg(test)]
mod test_support;

use std::error::Error;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use chain::{Chain, ChainError};
pub use find::{Found, Item, Pair, find_pem, pairs};
pub use key::{Algorithm, KeyError, PrivateKey};

/// A certificate, with what the programs ask of it read out.
///
/// Two are equal if they are the same, byte for byte.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate as it was issued.
    pub der: Vec<u8>,
    /// The subject as text, such as `CN=api.example.com, O=Example`; may be empty.
    pub subject: String,
    /// The issuer's name as text.
    pub issuer: String,
    /// The subject's most specific common name, if it has one.
    pub common_name: Option<String>,
    /// The serial number in upper-case hexadecimal without separators, as `openssl x509 -serial` shows it.
    pub serial: String,
    /// The DNS names of the subject alternative names, as they stand there.
    pub dns_names: Vec<String>,
    /// The IP addresses of the subject alternative names.
    pub ip_addresses: Vec<IpAddr>,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity. "No expiry" (year 9999, RFC 5280 section 4.1.2.5) becomes the latest
    /// moment that can be represented.
    pub not_after: Timestamp,
    /// Whether it says that it may issue certificates (basic constraints).
    pub is_ca: bool,
    /// SHA-256 of the whole certificate.
    pub sha256: [u8; 32],
    /// The public key with its algorithm, DER (`SubjectPublicKeyInfo`).
    pub spki: Vec<u8>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

/// Where a moment lies in a certificate's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Before its first second.
    NotYet,
    /// Within.
    Valid,
    /// After its last second.
    Expired,
}

/// Why a text gave no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertError {
    /// There is no block labelled `CERTIFICATE` in it.
    NoCertificate,
    /// A block cannot be read.
    Damaged {
        /// The line of the block's beginning, from 1; 0 if there was no text around it.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for CertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no PEM certificate in it"),
            Self::Damaged { line: 0, why } => write!(f, "the certificate is damaged: {why}"),
            Self::Damaged { line, why } => {
                write!(f, "the certificate in line {line} is damaged: {why}")
            }
        }
    }
}

impl Error for CertError {}

impl Certificate {
    /// Reads every certificate of a PEM text, in the order in which they stand there.
    ///
    /// Text around the blocks, blank lines, indentation and CRLF do no harm; other kinds of block are passed over.
    ///
    /// # Errors
    /// A text without certificate, or one that has a damaged one.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, CertError> {
        let mut certificates = Vec::new();
        for block in pem::blocks(text) {
            if !is_certificate(&block.label) {
                continue;
            }
            let damaged = |why| CertError::Damaged {
                line: block.line,
                why,
            };
            let der = block.der.as_ref().map_err(|why| damaged(why.to_string()))?;
            certificates.push(Self::read(der).map_err(damaged)?);
        }
        if certificates.is_empty() {
            return Err(CertError::NoCertificate);
        }
        Ok(certificates)
    }

    /// Reads one certificate in DER form; nothing may follow it.
    ///
    /// # Errors
    /// Anything that is not exactly one X.509 certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        Self::read(der).map_err(|why| CertError::Damaged { line: 0, why })
    }

    fn read(der: &[u8]) -> Result<Self, String> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|err| err.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        let names = x509
            .subject_alternative_name()
            .map_err(|err| format!("subject alternative names: {err}"))?
            .map_or(&[][..], |names| &names.value.general_names[..]);
        Ok(Self {
            der: der.to_vec(),
            subject: x509.subject().to_string(),
            issuer: x509.issuer().to_string(),
            common_name: last_common_name(&x509),
            serial: serial_text(x509.raw_serial()),
            dns_names: names.iter().filter_map(dns_name).collect(),
            ip_addresses: names.iter().filter_map(ip_address).collect(),
            not_before: timestamp(x509.validity().not_before.timestamp()),
            not_after: timestamp(x509.validity().not_after.timestamp()),
            is_ca: x509.is_ca(),
            sha256: sha256(der),
            spki: x509.public_key().raw.to_vec(),
            subject_der: x509.subject().as_raw().to_vec(),
            issuer_der: x509.issuer().as_raw().to_vec(),
        })
    }

    /// The certificate as one PEM block: lines of 64 characters that end in LF.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.der).as_str().to_owned()
    }

    /// The SHA-256 of the certificate as 64 lower-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex(&self.sha256)
    }

    /// The host names it is for: the DNS names, or else the common name.
    ///
    /// The common name counts only where there is no DNS name (RFC 6125 section 6.4.4).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let fallback = self
            .common_name
            .as_deref()
            .filter(|_| self.dns_names.is_empty());
        self.dns_names.iter().map(String::as_str).chain(fallback)
    }

    /// Whether a client that asks for `name` would accept this certificate (RFC 6125 section 6.4).
    ///
    /// `name` is a host name (with A-labels), an IP address, or a wildcard domain: `*.acme.example` is covered only
    /// by exactly that name. A wildcard in the certificate stands for one whole left-most label, and never for the
    /// label below a top-level domain. Case and a trailing dot make no difference.
    pub fn covers(&self, name: &str) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.ip_addresses.contains(&address);
        }
        let name = canonical(name);
        !name.is_empty()
            && self
                .names()
                .any(|pattern| pattern_covers(&canonical(pattern), &name))
    }

    /// Where `now` lies in its validity.
    pub fn validity(&self, now: Timestamp) -> Validity {
        if now < self.not_before {
            Validity::NotYet
        } else if now > self.not_after {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    /// The time from `now` to the end of its validity; negative when it has expired.
    pub fn time_left(&self, now: Timestamp) -> SignedDuration {
        self.not_after.duration_since(now)
    }

    /// Whether it takes the place of `other`, a certificate for the same domain with another type of key: the one that was
    /// issued last counts.
    pub fn supersedes(&self, other: &Self) -> bool {
        self.not_before > other.not_before
    }

    /// Whether it names itself as its issuer, as roots and self-signed server certificates do.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// The kind and size of its public key.
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::of_spki(&self.spki)
    }

    /// Whether `issuer`'s name is the one that this certificate gives for its issuer.
    fn names_issuer(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }

    /// Whether `issuer`'s key made the signature. `None` if the algorithm is not among those that can be checked.
    fn is_signed_by(&self, issuer: &Self) -> Option<bool> {
        use x509_parser::error::X509Error;
        let (_, x509) = X509Certificate::from_der(&self.der).ok()?;
        let (_, key) = x509_parser::x509::SubjectPublicKeyInfo::from_der(&issuer.spki).ok()?;
        match x509.verify_signature(Some(&key)) {
            Ok(()) => Some(true),
            Err(X509Error::SignatureVerificationError) => Some(false),
            Err(_) => None,
        }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("serial", &self.serial)
            .field("sha256", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// `X509 CERTIFICATE` is what OpenSSL before 0.9 wrote.
fn is_certificate(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE")
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn pattern_covers(pattern: &str, name: &str) -> bool {
    if pattern == name {
        return true;
    }
    let (Some(parent), Some((label, rest))) = (pattern.strip_prefix("*."), name.split_once('.'))
    else {
        return false;
    };
    rest == parent && !label.is_empty() && label != "*" && parent.contains('.')
}

fn last_common_name(x509: &X509Certificate<'_>) -> Option<String> {
    let last = x509.subject().iter_common_name().last()?;
    Some(match last.as_str() {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(last.as_slice()).into_owned(),
    })
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

fn ip_address(name: &GeneralName<'_>) -> Option<IpAddr> {
    let GeneralName::IPAddress(bytes) = name else {
        return None;
    };
    if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from)
}

fn serial_text(raw: &[u8]) -> String {
    // DER puts a zero before a number whose first bit is set.
    let number = match raw {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex(number).to_ascii_uppercase()
}

fn timestamp(seconds: i64) -> Timestamp {
    let nearest = if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    sum
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::test_support::*;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_gives_its_certificates_in_order_whatever_is_around_them() {
        let (one, two) = (
            self_signed("one", &["one.example.com"]),
            self_signed("two", &["two.example.com"]),
        );
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let text = format!(
            "\n\n \nsubject=CN = one\n{}{key}\nBag Attributes\n{}\nend",
            one.to_pem(),
            two.to_pem()
        );
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            assert_eq!(
                Certificate::parse_all(&text).unwrap(),
                [one.clone(), two.clone()]
            );
        }
    }

    #[test]
    fn pem_is_written_as_openssl_writes_it() {
        let certificate = self_signed("api.example.com", &["api.example.com"]);
        let pem = certificate.to_pem();
        assert_eq!(openssl("x509", &pem), pem);
    }

    #[test]
    fn what_is_read_out_agrees_with_openssl() {
        let certificate = self_signed("api.example.com", &["api.example.com", "192.0.2.7"]);
        let shown = openssl(
            "x509 -noout -serial -fingerprint -sha256 -dateopt iso_8601 -enddate",
            &certificate.to_pem(),
        );
        let fingerprint: Vec<_> = certificate
            .sha256
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        let end = certificate.not_after.to_string().replace('T', " ");
        assert!(
            shown.contains(&format!("serial={}\n", certificate.serial)),
            "{shown}"
        );
        assert!(shown.contains(&fingerprint.join(":")), "{shown}");
        assert!(shown.contains(&format!("notAfter={end}")), "{shown}{end}");
        assert_eq!(certificate.fingerprint().len(), 64);
        assert_eq!(certificate.subject, "CN=api.example.com");
        assert_eq!(certificate.common_name.as_deref(), Some("api.example.com"));
        assert_eq!(certificate.dns_names, ["api.example.com"]);
        assert_eq!(
            certificate.ip_addresses,
            ["192.0.2.7".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(certificate.algorithm(), Algorithm::P256);
    }

    #[test]
    fn a_text_without_certificate_is_told_from_a_damaged_one() {
        assert_eq!(
            Certificate::parse_all("hello"),
            Err(CertError::NoCertificate)
        );
        let pem = self_signed("a", &[]).to_pem();
        let cut = format!("first\n{}", &pem[..pem.len() / 2]);
        assert_eq!(
            Certificate::parse_all(&cut).unwrap_err().to_string(),
            "the certificate in line 2 is damaged: its END line is missing"
        );
        let no_base64 = pem.replacen("MII", "M*I", 1);
        assert!(matches!(
            Certificate::parse_all(&no_base64),
            Err(CertError::Damaged { line: 1, .. })
        ));
        let mut longer = self_signed("a", &[]).der;
        longer.push(0);
        assert!(Certificate::from_der(&longer).is_err());
    }

    #[test]
    fn a_wildcard_stands_for_one_whole_label() {
        let certificate = self_signed(
            "x",
            &[
                "*.Acme.example",
                "acme.example",
                "*.example",
                "w*.acme.test",
            ],
        );
        for name in [
            "api.acme.example",
            "API.acme.EXAMPLE.",
            "acme.example",
            "*.acme.example",
            "xn--bcher-kva.acme.example",
        ] {
            assert!(certificate.covers(name), "{name}");
        }
        for name in [
            "a.b.acme.example",
            ".acme.example",
            "other.example",
            "*.b.acme.example",
            "w1.acme.test",
            "api.acme.example.org",
            "xacme.example",
            "",
            ".",
            "x",
        ] {
            assert!(!certificate.covers(name), "{name}");
        }
    }

    #[test]
    fn a_wildcard_domain_is_covered_only_by_itself() {
        assert!(!self_signed("x", &["api.acme.example", "acme.example"]).covers("*.acme.example"));
        assert!(!self_signed("x", &["*.acme.example"]).covers("*.api.acme.example"));
        assert!(!self_signed("x", &["*.acme.example"]).covers("acme.example"));
    }

    #[test]
    fn the_common_name_counts_only_without_dns_names() {
        assert!(self_signed("api.example.com", &[]).covers("api.example.com"));
        assert!(self_signed("api.example.com", &["192.0.2.7"]).covers("api.example.com"));
        assert!(!self_signed("api.example.com", &["www.example.com"]).covers("api.example.com"));
    }

    #[test]
    fn an_address_is_covered_only_by_an_address() {
        let certificate = self_signed("192.0.2.9", &["192.0.2.7", "2001:db8::1"]);
        assert!(certificate.covers("192.0.2.7"));
        assert!(certificate.covers("2001:DB8:0::1"));
        assert!(!certificate.covers("192.0.2.9"));
    }

    #[test]
    fn validity_includes_its_first_and_last_second() {
        let certificate = self_signed("a", &[]);
        let second = SignedDuration::from_secs(1);
        let (first, last) = (certificate.not_before, certificate.not_after);
        assert_eq!(certificate.validity(first - second), Validity::NotYet);
        assert_eq!(certificate.validity(first), Validity::Valid);
        assert_eq!(certificate.validity(last), Validity::Valid);
        assert_eq!(certificate.validity(last + second), Validity::Expired);
        assert_eq!(certificate.time_left(last - second), second);
    }

    #[test]
    fn a_certificate_without_expiry_never_expires() {
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(certificate.not_after, Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in r"(-----BEGIN (CERTIFICATE|EC PRIVATE KEY|X)-----|-----END (CERTIFICATE|X)-----|[A-Za-z0-9+/=]{1,90}|[ \n\\#:]|\\n|\PC){0,40}") {
            let _ = Certificate::parse_all(&text);
            let _ = PrivateKey::parse(&text, Some("x"));
            let _ = find_pem(&text);
        }

        #[test]
        fn damage_never_makes_the_parser_panic(at in 0usize..400, byte: u8) {
            let mut der = self_signed("a", &["a.example.com"]).der;
            let at = at % der.len();
            der[at] = byte;
            let _ = Certificate::from_der(&der);
            let _ = PrivateKey::from_der(&der);
        }
    }
}
