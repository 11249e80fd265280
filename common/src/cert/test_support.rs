//! Certificates and keys made on the spot, by rcgen and by the `openssl` program.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, SignatureAlgorithm,
};

use super::{Certificate, PrivateKey};

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn root(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn intermediate(name: &str, issuer: &Authority) -> Authority {
    let key = KeyPair::generate().unwrap();
    CertifiedIssuer::signed_by(authority_params(name), key, issuer).unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

pub(super) fn certificate(authority: &Authority) -> Certificate {
    Certificate::from_der(authority.der()).unwrap()
}

/// A leaf for `names`, the first of which is also the common name; with its key.
pub(super) fn leaf(names: &[&str], issuer: &Authority) -> (Certificate, PrivateKey) {
    leaf_with(&PKCS_ECDSA_P256_SHA256, names, issuer)
}

pub(super) fn leaf_with(
    algorithm: &'static SignatureAlgorithm,
    names: &[&str],
    issuer: &Authority,
) -> (Certificate, PrivateKey) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.distinguished_name = named(&names[0]).distinguished_name;
    let certificate = params.signed_by(&key, issuer).unwrap();
    (
        Certificate::from_der(certificate.der()).unwrap(),
        PrivateKey::parse(&key.serialize_pem(), None).unwrap(),
    )
}

/// A self-signed certificate with these names and common name.
pub(super) fn self_signed(common_name: &str, names: &[&str]) -> Certificate {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = named(common_name).distinguished_name;
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Certificate::from_der(certificate.der()).unwrap()
}

/// Runs `openssl` with `input` and returns what it printed.
pub(super) fn openssl(arguments: &str, input: &str) -> String {
    let mut child = Command::new("openssl")
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the openssl program");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// A self-signed certificate for `key`, made by openssl.
pub(super) fn openssl_certificate(key: &str) -> Certificate {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, key).unwrap();
    let pem = openssl(
        &format!(
            "req -x509 -new -key {} -subj /CN=api.example.com -days 2",
            file.display()
        ),
        "",
    );
    Certificate::parse_all(&pem).unwrap().remove(0)
}
