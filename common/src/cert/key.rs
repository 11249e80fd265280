//! Private keys in the forms that acme.sh and OpenSSL write, brought to one: PKCS#8.

use std::error::Error;
use std::fmt;

use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use super::Certificate;
use super::pem::{self, Block, PemError};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A private key that belongs to a known public key. Its bytes are wiped when it is dropped, and `Debug` shows none.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

/// The kind and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, with the length of its modulus.
    Rsa {
        /// The length in bits, such as 2048.
        bits: usize,
    },
    /// The elliptic curve secp256r1, which acme.sh calls `ec-256`.
    P256,
    /// The elliptic curve secp384r1.
    P384,
    /// The elliptic curve secp521r1.
    P521,
    /// Another elliptic curve.
    OtherCurve(ObjectIdentifier),
    /// Ed25519.
    Ed25519,
    /// Something else.
    Other(ObjectIdentifier),
    /// The key's description cannot be read.
    Unreadable,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
            Self::OtherCurve(oid) => write!(f, "EC (curve {oid})"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => write!(f, "algorithm {oid}"),
            Self::Unreadable => f.write_str("unreadable key"),
        }
    }
}

impl Algorithm {
    /// Reads it from a `SubjectPublicKeyInfo`.
    pub(super) fn of_spki(spki: &[u8]) -> Self {
        PublicKey::of_spki(spki).map_or(Self::Unreadable, |key| key.algorithm)
    }
}

/// Why a text gave no private key. No variant holds key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no private key block in it.
    NoKey,
    /// There are several keys in it.
    SeveralKeys,
    /// The key is encrypted and no passphrase was given.
    NeedsPassphrase,
    /// The passphrase does not open the key.
    WrongPassphrase,
    /// The key is encrypted with something that is not supported.
    UnsupportedEncryption {
        /// What it says it is encrypted with.
        why: String,
    },
    /// The key is encrypted in OpenSSL's old way, inside the PEM block.
    LegacyEncryption,
    /// A kind of key that no server certificate has, or one that is not supported.
    Unsupported {
        /// Which.
        what: String,
    },
    /// An elliptic curve key whose public part was left out, so that it cannot be compared.
    NoPublicPart,
    /// The block cannot be read, or the key's parts contradict each other.
    Damaged {
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("there is no PEM private key in it"),
            Self::SeveralKeys => f.write_str("there are several private keys in it"),
            Self::NeedsPassphrase => {
                f.write_str("the private key is encrypted and no passphrase was given")
            }
            Self::WrongPassphrase => f.write_str("the passphrase does not open the private key"),
            Self::UnsupportedEncryption { why } => write!(
                f,
                "the private key's encryption is not supported ({why}); write it anew with `openssl pkcs8 -topk8 \
                 -v2 aes-256-cbc -in OLD -out NEW`"
            ),
            Self::LegacyEncryption => f.write_str(
                "the private key is encrypted in OpenSSL's old way (Proc-Type: 4,ENCRYPTED); write it anew with \
                 `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`",
            ),
            Self::Unsupported { what } => write!(f, "{what} is not supported as a server's key"),
            Self::NoPublicPart => f.write_str(
                "the private key lacks its public part, so it cannot be compared with a certificate; `openssl ec \
                 -in OLD -out NEW` adds it",
            ),
            Self::Damaged { why } => write!(f, "the private key is damaged: {why}"),
        }
    }
}

impl Error for KeyError {}

impl PrivateKey {
    /// Reads the one private key of a PEM text: PKCS#8 (encrypted or not), PKCS#1 or SEC 1.
    ///
    /// Other blocks, such as `EC PARAMETERS` or certificates, are passed over. `passphrase` is used only for a key
    /// that is encrypted.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let blocks = pem::blocks(text);
        let mut keys = blocks.iter().filter(|block| is_key(&block.label));
        let block = keys.next().ok_or(KeyError::NoKey)?;
        if keys.next().is_some() {
            return Err(KeyError::SeveralKeys);
        }
        Self::from_block(block, curve_parameters(&blocks), passphrase)
    }

    /// Whether this is the key of `certificate`.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        PublicKey::of_spki(&certificate.spki).is_some_and(|key| key == self.public)
    }

    /// Its kind and size.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm
    }

    #[cfg(test)]
    pub(super) fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The key as one PEM block `PRIVATE KEY` (PKCS#8, unencrypted). The text is wiped when it is dropped.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        pem::encode("PRIVATE KEY", &self.pkcs8)
    }

    pub(super) fn from_block(
        block: &Block,
        curve: Option<ObjectIdentifier>,
        passphrase: Option<&str>,
    ) -> Result<Self, KeyError> {
        let der = block.der.as_ref().map_err(|error| match error {
            PemError::LegacyEncryption => KeyError::LegacyEncryption,
            other => damaged(other),
        })?;
        match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(der),
            "RSA PRIVATE KEY" => Self::from_pkcs1(der),
            "EC PRIVATE KEY" => Self::from_sec1(der, curve),
            "ENCRYPTED PRIVATE KEY" => {
                Self::from_encrypted(der, passphrase.ok_or(KeyError::NeedsPassphrase)?)
            }
            other => Err(KeyError::Unsupported {
                what: format!("a PEM block \"{other}\""),
            }),
        }
    }

    /// Reads a key in DER form, whichever of the unencrypted ones it is.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        Self::from_pkcs8(der)
            .or_else(|_| Self::from_pkcs1(der))
            .or_else(|_| Self::from_sec1(der, None))
            .ok()
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(damaged)?;
        let key = info.private_key.as_bytes();
        let public = match info.algorithm.oid {
            RSA | RSA_PSS => rsa_public(key)?,
            EC => {
                let curve = info
                    .algorithm
                    .parameters
                    .and_then(|parameters| parameters.decode_as().ok())
                    .ok_or_else(unnamed_curve)?;
                let ec = EcPrivateKey::from_der(key).map_err(damaged)?;
                let outer = info.public_key.and_then(|bits| bits.as_bytes());
                ec_public(curve, &ec, outer)?
            }
            ED25519 => ed25519_public(der)?,
            other => {
                return Err(KeyError::Unsupported {
                    what: format!("a key of algorithm {other}"),
                });
            }
        };
        Ok(Self {
            pkcs8: Zeroizing::new(der.to_vec()),
            public,
        })
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let public = rsa_public(der)?;
        let algorithm = AlgorithmIdentifierRef {
            oid: RSA,
            parameters: Some(pkcs8::der::asn1::Null.into()),
        };
        Ok(Self {
            pkcs8: wrap(algorithm, der)?,
            public,
        })
    }

    fn from_sec1(der: &[u8], curve: Option<ObjectIdentifier>) -> Result<Self, KeyError> {
        let mut ec = EcPrivateKey::from_der(der).map_err(damaged)?;
        let own_curve = ec.parameters.take().and_then(EcParameters::named_curve);
        let curve = own_curve.or(curve).ok_or_else(unnamed_curve)?;
        let public = ec_public(curve, &ec, None)?;
        let algorithm = AlgorithmIdentifierRef {
            oid: EC,
            parameters: Some((&curve).into()),
        };
        // The curve stands in the envelope now; inside it is left out, as OpenSSL does.
        let inner = Zeroizing::new(ec.to_der().map_err(damaged)?);
        Ok(Self {
            pkcs8: wrap(algorithm, &inner)?,
            public,
        })
    }

    fn from_encrypted(der: &[u8], passphrase: &str) -> Result<Self, KeyError> {
        use pkcs8::pkcs5::Error as Pkcs5;
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|error| {
            // Its parser knows the supported schemes only, and calls every other one an unknown value.
            KeyError::UnsupportedEncryption {
                why: error.to_string(),
            }
        })?;
        let plain = encrypted.decrypt(passphrase).map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                error @ (Pkcs5::UnsupportedAlgorithm { .. }
                | Pkcs5::AlgorithmParametersInvalid { .. }
                | Pkcs5::NoPbes1CryptSupport),
            ) => KeyError::UnsupportedEncryption {
                why: error.to_string(),
            },
            // A wrong passphrase shows as wrong padding, or as something that is no key.
            _ => KeyError::WrongPassphrase,
        })?;
        Self::from_pkcs8(plain.as_bytes())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ***)", self.public.algorithm)
    }
}

/// A public key in a form that can be compared.
#[derive(Clone, PartialEq, Eq)]
struct PublicKey {
    algorithm: Algorithm,
    /// What follows the algorithm in a `SubjectPublicKeyInfo`; curve points compressed.
    bits: Vec<u8>,
}

impl PublicKey {
    fn of_spki(spki: &[u8]) -> Option<Self> {
        let spki = SubjectPublicKeyInfoRef::try_from(spki).ok()?;
        let bits = spki.subject_public_key.as_bytes()?;
        Some(match spki.algorithm.oid {
            RSA | RSA_PSS => {
                let key = RsaPublicKeyRef::from_der(bits).ok()?;
                Self::rsa(&key, bits.to_vec())
            }
            EC => Self::ec(spki.algorithm.parameters?.decode_as().ok()?, bits),
            ED25519 => Self {
                algorithm: Algorithm::Ed25519,
                bits: bits.to_vec(),
            },
            other => Self {
                algorithm: Algorithm::Other(other),
                bits: bits.to_vec(),
            },
        })
    }

    fn rsa(key: &RsaPublicKeyRef<'_>, bits: Vec<u8>) -> Self {
        let modulus = key.modulus.as_bytes();
        let unused = modulus
            .first()
            .map_or(0, |byte| byte.leading_zeros() as usize);
        Self {
            algorithm: Algorithm::Rsa {
                bits: modulus.len() * 8 - unused,
            },
            bits,
        }
    }

    fn ec(curve: ObjectIdentifier, point: &[u8]) -> Self {
        Self {
            algorithm: match curve {
                P256 => Algorithm::P256,
                P384 => Algorithm::P384,
                P521 => Algorithm::P521,
                other => Algorithm::OtherCurve(other),
            },
            bits: compressed(point),
        }
    }
}

/// The compressed form of a curve point (SEC 1 section 2.3.3): x, and whether y is odd.
fn compressed(point: &[u8]) -> Vec<u8> {
    match point {
        [4, both @ ..] if !both.is_empty() && both.len() % 2 == 0 => {
            let odd = both[both.len() - 1] & 1;
            let mut short = vec![2 + odd];
            short.extend(&both[..both.len() / 2]);
            short
        }
        other => other.to_vec(),
    }
}

/// The public part of a PKCS#1 key.
fn rsa_public(pkcs1: &[u8]) -> Result<PublicKey, KeyError> {
    let key = RsaPrivateKeyRef::from_der(pkcs1).map_err(damaged)?;
    // ring is choosy (2048 to 4096 bits, exponent at least 65537); only a contradiction counts against the key.
    if let Err(rejected) = RsaKeyPair::from_der(pkcs1)
        && matches!(
            rejected.to_string().as_str(),
            "InconsistentComponents" | "InvalidComponent"
        )
    {
        return Err(inconsistent());
    }
    let public = RsaPublicKeyRef {
        modulus: key.modulus,
        public_exponent: key.public_exponent,
    };
    let bits = public.to_der().map_err(damaged)?;
    Ok(PublicKey::rsa(&public, bits))
}

fn ec_public(
    curve: ObjectIdentifier,
    key: &EcPrivateKey<'_>,
    outer: Option<&[u8]>,
) -> Result<PublicKey, KeyError> {
    let point = key.public_key.or(outer).ok_or(KeyError::NoPublicPart)?;
    let checkable = match curve {
        P256 => Some((&ECDSA_P256_SHA256_FIXED_SIGNING, 32)),
        P384 => Some((&ECDSA_P384_SHA384_FIXED_SIGNING, 48)),
        _ => None,
    };
    // ring reads points in their long form only.
    if let (Some((algorithm, size)), Some(4)) = (checkable, point.first()) {
        let scalar = left_padded(key.private_key, size);
        let random = SystemRandom::new();
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, point, &random)
            .map_err(|_| inconsistent())?;
    }
    Ok(PublicKey::ec(curve, point))
}

/// Some writers drop leading zeros of the private number.
fn left_padded(number: &[u8], size: usize) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; size.saturating_sub(number.len())]);
    padded.reserve_exact(number.len());
    padded.extend_from_slice(number);
    padded
}

fn ed25519_public(pkcs8: &[u8]) -> Result<PublicKey, KeyError> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(damaged)?;
    Ok(PublicKey {
        algorithm: Algorithm::Ed25519,
        bits: pair.public_key().as_ref().to_vec(),
    })
}

fn wrap(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let key = pkcs8::der::asn1::OctetStringRef::new(key).map_err(damaged)?;
    let info = PrivateKeyInfoRef::new(algorithm, key);
    Ok(Zeroizing::new(info.to_der().map_err(damaged)?))
}

pub(super) fn is_key(label: &str) -> bool {
    label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY")
}

/// The curve named by an `EC PARAMETERS` block, which `openssl ecparam -genkey` writes before the key.
pub(super) fn curve_parameters(blocks: &[Block]) -> Option<ObjectIdentifier> {
    let block = blocks.iter().find(|block| block.label == "EC PARAMETERS")?;
    ObjectIdentifier::from_der(block.der.as_ref().ok()?).ok()
}

fn unnamed_curve() -> KeyError {
    KeyError::Unsupported {
        what: "an elliptic curve key without a named curve".into(),
    }
}

fn inconsistent() -> KeyError {
    damaged("its private and public part do not belong together")
}

// The errors of the parsers tell kinds and positions, never content.
fn damaged(why: impl fmt::Display) -> KeyError {
    KeyError::Damaged {
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::*;
    use super::*;

    fn genpkey(options: &str) -> String {
        openssl(&format!("genpkey {options}"), "")
    }

    fn ec(curve: &str) -> String {
        genpkey(&format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}"))
    }

    fn rsa(bits: usize) -> String {
        genpkey(&format!("-algorithm RSA -pkeyopt rsa_keygen_bits:{bits}"))
    }

    fn assert_is_key(text: &str, passphrase: Option<&str>, original: &str) {
        let key = PrivateKey::parse(text, passphrase).unwrap();
        assert!(key.matches(&openssl_certificate(original)));
        assert_eq!(openssl("pkey", &key.to_pkcs8_pem()), original);
    }

    #[test]
    fn every_form_of_every_kind_becomes_the_same_pkcs8() {
        let kinds = [
            (rsa(2048), Algorithm::Rsa { bits: 2048 }),
            (rsa(3072), Algorithm::Rsa { bits: 3072 }),
            (ec("P-256"), Algorithm::P256),
            (ec("P-384"), Algorithm::P384),
            (ec("P-521"), Algorithm::P521),
            (genpkey("-algorithm ED25519"), Algorithm::Ed25519),
        ];
        for (pkcs8, algorithm) in kinds {
            let key = PrivateKey::parse(&pkcs8, None).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(*key.to_pkcs8_pem(), pkcs8);
            assert_is_key(&pkcs8, None, &pkcs8);
            // Ed25519 never had another form.
            if algorithm != Algorithm::Ed25519 {
                let traditional = openssl("pkey -traditional", &pkcs8);
                assert!(!traditional.starts_with("-----BEGIN PRIVATE KEY"));
                assert_is_key(&traditional, None, &pkcs8);
            }
        }
    }

    #[test]
    fn rsa_beyond_what_can_sign_here_still_matches() {
        // Keys of 8192 bits take half a minute to make, and differ in nothing from these.
        for bits in [1024, 4104] {
            let pkcs8 = rsa(bits);
            let key = PrivateKey::parse(&pkcs8, None).unwrap();
            assert_eq!(key.algorithm(), Algorithm::Rsa { bits });
            assert!(key.matches(&openssl_certificate(&pkcs8)));
        }
    }

    #[test]
    fn curve_parameters_may_stand_before_the_key() {
        let text = openssl("ecparam -name prime256v1 -genkey", "");
        assert!(text.starts_with("-----BEGIN EC PARAMETERS"));
        assert_is_key(&text, None, &openssl("pkey", &text));
        // Some writers name the curve there alone.
        let key = PrivateKey::parse(&text, None).unwrap();
        let info = PrivateKeyInfoRef::try_from(key.pkcs8_der()).unwrap();
        let bare = pem::encode("EC PRIVATE KEY", info.private_key.as_bytes());
        let parameters = &text[..text.find("-----BEGIN EC PRIVATE").unwrap()];
        assert!(PrivateKey::parse(&format!("{parameters}{}", *bare), None).is_ok());
        assert!(matches!(
            PrivateKey::parse(&bare, None),
            Err(KeyError::Unsupported { .. })
        ));
    }

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_only() {
        let plain = ec("P-256");
        for scheme in [
            "-v2 aes-256-cbc",
            "-v2 aes-128-cbc -v2prf hmacWithSHA1",
            "-v2 des3",
            "-scrypt",
        ] {
            let text = openssl(
                &format!("pkcs8 -topk8 {scheme} -passout pass:canary-pass"),
                &plain,
            );
            assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY"));
            assert_is_key(&text, Some("canary-pass"), &plain);
            assert_eq!(
                PrivateKey::parse(&text, Some("wrong")).unwrap_err(),
                KeyError::WrongPassphrase
            );
            assert_eq!(
                PrivateKey::parse(&text, None).unwrap_err(),
                KeyError::NeedsPassphrase
            );
        }
    }

    #[test]
    fn a_passphrase_for_a_plain_key_does_no_harm() {
        assert!(PrivateKey::parse(&ec("P-256"), Some("canary-pass")).is_ok());
    }

    #[test]
    fn old_encryptions_are_named_with_the_way_out() {
        let plain = rsa(2048);
        let legacy = openssl("rsa -traditional -aes128 -passout pass:canary-pass", &plain);
        let error = PrivateKey::parse(&legacy, Some("canary-pass")).unwrap_err();
        assert_eq!(error, KeyError::LegacyEncryption);
        assert!(error.to_string().contains("openssl pkcs8 -topk8"));
        let pbes1 = openssl(
            "pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout pass:canary-pass",
            &plain,
        );
        let error = PrivateKey::parse(&pbes1, Some("canary-pass")).unwrap_err();
        assert!(
            matches!(error, KeyError::UnsupportedEncryption { .. }),
            "{error}"
        );
    }

    #[test]
    fn a_key_matches_no_other_certificate() {
        let authority = root("Root");
        let (own, key) = leaf(&["a.example.com"], &authority);
        let (other, _) = leaf(&["a.example.com"], &authority);
        assert!(key.matches(&own));
        assert!(!key.matches(&other));
        assert!(!key.matches(&openssl_certificate(&rsa(2048))));
    }

    #[test]
    fn a_compressed_point_is_the_same_key() {
        let plain = ec("P-256");
        let short = openssl("ec -conv_form compressed", &plain);
        assert!(
            PrivateKey::parse(&short, None)
                .unwrap()
                .matches(&openssl_certificate(&plain))
        );
    }

    #[test]
    fn a_key_without_public_part_is_named() {
        let bare = openssl("ec -no_public", &ec("P-384"));
        assert_eq!(
            PrivateKey::parse(&bare, None).unwrap_err(),
            KeyError::NoPublicPart
        );
    }

    #[test]
    fn parts_of_different_keys_are_no_key() {
        for kind in [ec("P-256"), rsa(2048)] {
            let mut der = PrivateKey::parse(&kind, None).unwrap().pkcs8_der().to_vec();
            // Inside the private number of the one, inside the first prime of the other.
            let at = if der.len() < 200 { 40 } else { 640 };
            der[at] ^= 1;
            let text = pem::encode("PRIVATE KEY", &der);
            assert!(matches!(
                PrivateKey::parse(&text, None),
                Err(KeyError::Damaged { .. })
            ));
        }
    }

    #[test]
    fn other_texts_are_told_apart() {
        let certificate = self_signed("a", &[]).to_pem();
        assert_eq!(
            PrivateKey::parse(&certificate, None).unwrap_err(),
            KeyError::NoKey
        );
        let twice = ec("P-256").repeat(2);
        assert_eq!(
            PrivateKey::parse(&twice, None).unwrap_err(),
            KeyError::SeveralKeys
        );
        let ssh = pem::encode("OPENSSH PRIVATE KEY", b"openssh-key-v1");
        assert!(
            PrivateKey::parse(&ssh, None)
                .unwrap_err()
                .to_string()
                .contains("OPENSSH PRIVATE KEY")
        );
        let ed448 = genpkey("-algorithm ED448");
        assert!(matches!(
            PrivateKey::parse(&ed448, None),
            Err(KeyError::Unsupported { .. })
        ));
    }

    #[test]
    fn debug_shows_no_key() {
        let text = ec("P-256");
        let key = PrivateKey::parse(&text, None).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(EC P-256, ***)");
    }
}
