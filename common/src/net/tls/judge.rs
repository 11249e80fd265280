//! Whether clients would accept a chain.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::cert::{Certificate, Validity};
use crate::net::tls::trust::{Trust, TrustError, provider, webpki_verifier};

/// Judges chains by the trusted roots, read once.
///
/// With [`Trust::insecure`] it judges name and validity only.
#[derive(Clone, Debug)]
pub struct Judge {
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

/// Why a client that trusts the same roots would refuse a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// There is no certificate.
    NoCertificate,
    /// The server did not prove that it holds the certificate's key, or in a way that cannot be checked.
    KeyNotProved {
        /// What the TLS library said.
        why: String,
    },
    /// A certificate of the chain has expired.
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// A certificate of the chain is not valid yet.
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
    },
    /// The certificate is for other names.
    WrongName {
        /// The name that was asked for.
        name: String,
        /// The names that it is for.
        presented: Vec<String>,
    },
    /// The chain leads to no trusted root: an intermediate is missing, or the root is not trusted here.
    UnknownIssuer {
        /// The issuer that the chain's last certificate names.
        issuer: String,
    },
    /// It is the certificate of an authority.
    IsAuthority,
    /// Anything else.
    Other {
        /// What the TLS library said.
        why: String,
    },
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("no certificate was shown"),
            Self::KeyNotProved { why } => write!(
                f,
                "the server did not prove that it holds the certificate's key: {why}"
            ),
            Self::Expired { not_after } => write!(f, "expired at {not_after}"),
            Self::NotYetValid { not_before } => write!(f, "not valid before {not_before}"),
            Self::WrongName { name, presented } => {
                write!(f, "not for {name}, but for {}", presented.join(", "))
            }
            Self::UnknownIssuer { issuer } => write!(
                f,
                "the chain leads to no trusted root: its last certificate was issued by {issuer}"
            ),
            Self::IsAuthority => f.write_str(
                "it is the certificate of an authority (CA:TRUE), which no server may use",
            ),
            Self::Other { why } => f.write_str(why),
        }
    }
}

impl Error for Distrust {}

impl Judge {
    /// Reads the roots.
    ///
    /// # Errors
    /// See [`Trust::roots`].
    pub fn new(trust: &Trust) -> Result<Self, TrustError> {
        let verifier = if trust.insecure {
            None
        } else {
            Some(webpki_verifier(Arc::new(trust.roots()?), &provider())?)
        };
        Ok(Self { verifier })
    }

    /// Judges a chain, leaf first, as a client that asks for `name` would at the moment `now`.
    ///
    /// Intermediates may stand in any order, as in TLS. `name` may be a wildcard domain: then the leaf has to be for
    /// exactly that.
    ///
    /// # Errors
    /// The first reason not to trust it. Where several hold, an unknown issuer hides a wrong name.
    pub fn judge(&self, chain: &[Certificate], name: &str, now: Timestamp) -> Result<(), Distrust> {
        let (leaf, intermediates) = chain.split_first().ok_or(Distrust::NoCertificate)?;
        if let Some(verifier) = &self.verifier {
            verify(verifier, leaf, intermediates, name, now)?;
        }
        match leaf.validity(now) {
            Validity::Expired => Err(Distrust::Expired {
                not_after: leaf.not_after,
            }),
            Validity::NotYet => Err(Distrust::NotYetValid {
                not_before: leaf.not_before,
            }),
            Validity::Valid if !leaf.covers(name) => Err(wrong_name(leaf, name)),
            Validity::Valid => Ok(()),
        }
    }
}

fn verify(
    verifier: &WebPkiServerVerifier,
    leaf: &Certificate,
    intermediates: &[Certificate],
    name: &str,
    now: Timestamp,
) -> Result<(), Distrust> {
    let others: Vec<_> = intermediates.iter().map(der).collect();
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier
        .verify_server_cert(&der(leaf), &others, &host_below(name)?, &[], now)
        .map(drop)
        .map_err(|error| {
            let last = intermediates.last().unwrap_or(leaf);
            reason(error, leaf, last, name)
        })
}

fn der(certificate: &Certificate) -> CertificateDer<'_> {
    CertificateDer::from(certificate.der.as_slice())
}

/// The name as TLS can ask for it: any host stands for a wildcard domain.
fn host_below(name: &str) -> Result<ServerName<'static>, Distrust> {
    let host = match name.strip_prefix("*.") {
        Some(parent) => format!("any.{parent}"),
        None => name.to_owned(),
    };
    ServerName::try_from(host).map_err(|_| Distrust::Other {
        why: format!("{name:?} is not a host name"),
    })
}

fn reason(error: rustls::Error, leaf: &Certificate, last: &Certificate, name: &str) -> Distrust {
    let rustls::Error::InvalidCertificate(error) = error else {
        return other(error);
    };
    match error {
        CertificateError::Expired => Distrust::Expired {
            not_after: leaf.not_after,
        },
        CertificateError::ExpiredContext { not_after, .. } => Distrust::Expired {
            not_after: timestamp(not_after),
        },
        CertificateError::NotValidYet => Distrust::NotYetValid {
            not_before: leaf.not_before,
        },
        CertificateError::NotValidYetContext { not_before, .. } => Distrust::NotYetValid {
            not_before: timestamp(not_before),
        },
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            wrong_name(leaf, name)
        }
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer {
            issuer: last.issuer.clone(),
        },
        // What is left when nothing else is wrong with it.
        CertificateError::Other(_) if leaf.is_ca => Distrust::IsAuthority,
        rest => other(rest),
    }
}

fn wrong_name(leaf: &Certificate, name: &str) -> Distrust {
    let addresses = leaf.ip_addresses.iter().map(ToString::to_string);
    Distrust::WrongName {
        name: name.to_owned(),
        presented: leaf.names().map(str::to_owned).chain(addresses).collect(),
    }
}

fn other(error: impl fmt::Display) -> Distrust {
    Distrust::Other {
        why: error.to_string(),
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::test_support::{NAME, World};

    #[test]
    fn validity_is_judged_at_the_moment_given() {
        let world = World::new();
        let leaf = Certificate::from_der(&world.certified(&[NAME]).cert[0]).unwrap();
        let judge = world.judge();
        let second = jiff::SignedDuration::from_secs(1);
        let chain = [leaf.clone()];
        assert_eq!(judge.judge(&chain, NAME, leaf.not_before), Ok(()));
        assert!(matches!(
            judge.judge(&chain, NAME, leaf.not_before - second),
            Err(Distrust::NotYetValid { .. })
        ));
        assert!(matches!(
            judge.judge(&chain, NAME, Timestamp::MAX),
            Err(Distrust::Expired { .. })
        ));
        assert_eq!(
            judge.judge(&[], NAME, leaf.not_before),
            Err(Distrust::NoCertificate)
        );
    }

    #[test]
    fn a_wildcard_domain_is_judged_as_such() {
        let world = World::new();
        let judge = world.judge();
        let now = Timestamp::now();
        let chain =
            |names: &[&str]| [Certificate::from_der(&world.certified(names).cert[0]).unwrap()];
        assert_eq!(
            judge.judge(&chain(&["*.acme.example"]), "*.acme.example", now),
            Ok(())
        );
        assert!(matches!(
            judge.judge(&chain(&["any.acme.example"]), "*.acme.example", now),
            Err(Distrust::WrongName { .. })
        ));
    }

    #[test]
    fn insecure_judges_name_and_validity_only() {
        let chain = [Certificate::from_der(&World::new().certified(&[NAME]).cert[0]).unwrap()];
        let judge = Judge::new(&Trust {
            insecure: true,
            ..Trust::default()
        })
        .unwrap();
        assert_eq!(judge.judge(&chain, NAME, Timestamp::now()), Ok(()));
        assert!(
            judge
                .judge(&chain, "other.example.com", Timestamp::now())
                .is_err()
        );
        assert!(judge.judge(&chain, NAME, Timestamp::MAX).is_err());
    }

    #[test]
    fn the_certificate_of_an_authority_is_told_as_such() {
        let world = World::new();
        let chain = [Certificate::from_der(world.authority.der()).unwrap()];
        let judgment = world.judge().judge(&chain, NAME, Timestamp::now());
        assert_eq!(judgment, Err(Distrust::IsAuthority));
    }
}
