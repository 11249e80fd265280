//! An authority for tests.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::sign::CertifiedKey;

use crate::net::tls::judge::Judge;
use crate::net::tls::trust::Trust;

pub(super) const NAME: &str = "api.example.com";

/// An authority, and a folder with its certificate as the only trusted root.
pub(super) struct World {
    pub(super) authority: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Root");
        let key = KeyPair::generate().unwrap();
        let world = Self {
            authority: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(world.folder.path().join("root.pem"), world.authority.pem()).unwrap();
        world
    }

    pub(super) fn judge(&self) -> Judge {
        Judge::new(&Trust {
            ssl_cert_file: Some(self.folder.path().join("root.pem")),
            ..Trust::default()
        })
        .unwrap()
    }

    pub(super) fn certified(&self, names: &[&str]) -> CertifiedKey {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        let leaf = params.signed_by(&key, &self.authority).unwrap();
        CertifiedKey::new(vec![leaf.der().clone()], signing_key(&key))
    }
}

pub(super) fn signing_key(key: &KeyPair) -> Arc<dyn rustls::sign::SigningKey> {
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    rustls::crypto::ring::sign::any_supported_type(&der.into()).unwrap()
}
