//! Whom the programs trust.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Which certificate authorities are trusted, by the network settings that all programs share.
///
/// The default is the system's store. That store is read by `rustls-native-certs`, which itself
/// obeys `SSL_CERT_FILE` and `SSL_CERT_DIR` of the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// `SSL_CERT_FILE`: a PEM file that replaces the system's store.
    pub ssl_cert_file: Option<PathBuf>,
    /// `CA_BUNDLE`: a PEM file trusted as well.
    pub ca_bundle: Option<PathBuf>,
    /// `CA_PATH`: a folder whose PEM files are trusted as well; their names do not matter.
    pub ca_path: Option<PathBuf>,
    /// `HTTPS_INSECURE`: accept whatever certificate a server shows.
    pub insecure: bool,
}

/// Why the trusted certificates could not be read.
#[derive(Debug)]
pub enum TrustError {
    /// A file or folder is missing or may not be read.
    Unreadable {
        /// The variable that named it.
        setting: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file or folder was read, and no certificate that can be trusted is in it.
    NoCertificate {
        /// The variable that named it.
        setting: &'static str,
        /// The file or folder.
        path: PathBuf,
    },
    /// The system has no store of trusted certificates, and no setting names one.
    NoSystemStore,
    /// The TLS library refused the settings.
    Library(rustls::Error),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable {
                setting,
                path,
                error,
            } => write!(f, "{setting}: {}: {error}", path.display()),
            Self::NoCertificate { setting, path } => {
                write!(f, "{setting}: {} holds no certificate", path.display())
            }
            Self::NoSystemStore => f.write_str(
                "this system has no trusted certificates: install its package of CA certificates \
                 (ca-certificates), or name a PEM file with SSL_CERT_FILE",
            ),
            Self::Library(error) => write!(f, "TLS could not be set up: {error}"),
        }
    }
}

impl Error for TrustError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::Library(error) => Some(error),
            Self::NoCertificate { .. } | Self::NoSystemStore => None,
        }
    }
}

impl From<TrustError> for crate::error::Error {
    fn from(err: TrustError) -> Self {
        let kind = match &err {
            TrustError::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                crate::error::Kind::NotFound
            }
            _ => crate::error::Kind::Config,
        };
        Self::new(kind, err.to_string()).caused_by(err)
    }
}

impl Trust {
    /// Reads the trusted certificates.
    ///
    /// Blocks that are no certificate are skipped, as OpenSSL does, but a file without any usable
    /// certificate is an error: it would turn every connection into a puzzle.
    ///
    /// # Errors
    /// A named file or folder that cannot be read or holds no certificate; a system without a store.
    pub fn roots(&self) -> Result<RootCertStore, TrustError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ssl_cert_file {
            add_file(&mut roots, "SSL_CERT_FILE", path)?;
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if let Some(path) = &self.ca_bundle {
            add_file(&mut roots, "CA_BUNDLE", path)?;
        }
        if let Some(path) = &self.ca_path {
            add_folder(&mut roots, "CA_PATH", path)?;
        }
        if roots.is_empty() {
            return Err(TrustError::NoSystemStore);
        }
        Ok(roots)
    }
}

/// The TLS settings of an HTTPS client: TLS 1.2 and later, ring, `trust`, no client certificate.
///
/// The files are read here and now, so call it once per run and share the result. With
/// [`Trust::insecure`] no file is read at all.
///
/// # Errors
/// See [`Trust::roots`].
pub fn client_config(trust: &Trust) -> Result<ClientConfig, TrustError> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = if trust.insecure {
        Arc::new(AcceptAnything(Arc::clone(&provider)))
    } else {
        webpki_verifier(Arc::new(trust.roots()?), &provider)?
    };
    config_with(verifier, provider)
}

/// Named on every use: the process-wide default of rustls depends on what else is linked in.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(super) fn webpki_verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| match error {
            rustls::client::VerifierBuilderError::NoRootAnchors => TrustError::NoSystemStore,
            other => TrustError::Library(rustls::Error::General(other.to_string())),
        })
}

pub(super) fn config_with(
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, TrustError> {
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Library)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn add_file(
    roots: &mut RootCertStore,
    setting: &'static str,
    path: &Path,
) -> Result<(), TrustError> {
    let pem = std::fs::read(path).map_err(|error| unreadable(setting, path, error))?;
    match add_pem(roots, &pem) {
        0 => Err(no_certificate(setting, path)),
        _ => Ok(()),
    }
}

fn add_folder(
    roots: &mut RootCertStore,
    setting: &'static str,
    folder: &Path,
) -> Result<(), TrustError> {
    std::fs::read_dir(folder).map_err(|error| unreadable(setting, folder, error))?;
    // It skips the second name that `openssl rehash` gives to each file.
    let found = rustls_native_certs::load_certs_from_paths(None, Some(folder));
    match roots.add_parsable_certificates(found.certs).0 {
        0 => Err(no_certificate(setting, folder)),
        _ => Ok(()),
    }
}

/// Adds every usable certificate of `pem`; returns their number.
fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> usize {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates).0
}

fn unreadable(setting: &'static str, path: &Path, error: io::Error) -> TrustError {
    TrustError::Unreadable {
        setting,
        path: path.to_owned(),
        error,
    }
}

fn no_certificate(setting: &'static str, path: &Path) -> TrustError {
    TrustError::NoCertificate {
        setting,
        path: path.to_owned(),
    }
}

/// Accepts any certificate, but still wants proof that the server holds its key.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_pem() -> String {
        rcgen::generate_simple_self_signed(vec!["ca.example.com".into()])
            .unwrap()
            .cert
            .pem()
    }

    fn trusting(ca_bundle: &Path) -> Trust {
        Trust {
            ca_bundle: Some(ca_bundle.to_owned()),
            ..Trust::default()
        }
    }

    #[test]
    fn ssl_cert_file_replaces_the_system_store() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        std::fs::write(&file, format!("{}\n{}", root_pem(), root_pem())).unwrap();
        let trust = Trust {
            ssl_cert_file: Some(file),
            ..Trust::default()
        };
        assert_eq!(trust.roots().unwrap().len(), 2);
        assert!(client_config(&trust).is_ok());
    }

    #[test]
    fn a_bundle_and_a_folder_add_to_the_roots() {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        std::fs::create_dir(&certs).unwrap();
        for name in ["one.pem", "two.crt", "three.pem"] {
            std::fs::write(certs.join(name), root_pem()).unwrap();
        }
        std::fs::write(certs.join("README"), "not a certificate").unwrap();
        let trust = Trust {
            ssl_cert_file: Some(certs.join("one.pem")),
            ca_bundle: Some(certs.join("two.crt")),
            ca_path: Some(certs),
            insecure: false,
        };
        assert_eq!(trust.roots().unwrap().len(), 5);
    }

    #[test]
    fn a_bundle_without_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("y.pem");
        std::fs::write(&file, "hello").unwrap();
        let error = client_config(&trusting(&file)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("CA_BUNDLE: {} holds no certificate", file.display())
        );
    }

    #[test]
    fn a_missing_bundle_is_named() {
        let error = client_config(&trusting(Path::new("/nowhere/y.pem"))).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("CA_BUNDLE: /nowhere/y.pem: No such file"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust {
            ca_path: Some(folder.path().to_owned()),
            ..Trust::default()
        };
        assert!(matches!(
            trust.roots(),
            Err(TrustError::NoCertificate {
                setting: "CA_PATH",
                ..
            })
        ));
    }

    #[test]
    fn insecure_reads_no_file() {
        let trust = Trust {
            insecure: true,
            ..trusting(Path::new("/nowhere/y.pem"))
        };
        assert!(client_config(&trust).is_ok());
    }
}
