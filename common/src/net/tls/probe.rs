//! A handshake with a server, to see what it serves.
//!
//! Own code over rustls: HTTP clients show no chain that they do not trust, and none at all of one that they do.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConnection, DigitallySignedStruct, ProtocolVersion, SignatureScheme};

use crate::cert::Certificate;
use crate::net::timed::Timed;
use crate::net::tls::judge::{Distrust, Judge};
use crate::net::tls::trust::{config_with, provider};

/// How long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP connection.
    pub connect: Duration,
    /// For the TLS handshake after it.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
        }
    }
}

/// What a server served.
#[derive(Clone, Debug)]
pub struct Served {
    /// The certificates in the order in which they came, the server's own first.
    pub chain: Vec<Certificate>,
    /// Whether a client that trusts the same roots would go on.
    pub trust: Result<(), Distrust>,
    /// The protocol version, such as `TLS 1.3`.
    pub protocol: &'static str,
}

/// Why nothing was learned from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError {
    /// The address that was to be asked.
    pub address: SocketAddr,
    /// What happened.
    pub fault: ProbeFault,
}

/// What can go wrong on the way to a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeFault {
    /// The name to ask for is no host name or address.
    BadName {
        /// The name.
        name: String,
    },
    /// Nothing listens on that port.
    Refused,
    /// There is no way to the host, or the connection broke.
    Unreachable {
        /// What the system said.
        why: String,
    },
    /// No answer in time.
    TimedOut {
        /// What was waited for.
        during: &'static str,
    },
    /// The server closed the connection before the end of the handshake.
    Closed,
    /// The answer is not TLS.
    NotTls,
    /// The server ended the handshake with a TLS alert.
    Alert {
        /// The alert's name, such as `UnrecognisedName`.
        alert: String,
    },
    /// The handshake cannot go on, such as for want of a common protocol version.
    Handshake {
        /// What the TLS library said.
        why: String,
    },
    /// A certificate that was shown cannot be read.
    BadCertificate {
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.fault)
    }
}

impl Error for ProbeError {}

impl fmt::Display for ProbeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { name } => write!(f, "{name:?} is not a host name"),
            Self::Refused => f.write_str("the connection was refused"),
            Self::Unreachable { why } => write!(f, "the connection failed: {why}"),
            Self::TimedOut { during } => write!(f, "no answer in time ({during})"),
            Self::Closed => {
                f.write_str("the server closed the connection during the TLS handshake")
            }
            Self::NotTls => f.write_str("the server does not speak TLS on this port"),
            Self::Alert { alert } => {
                write!(
                    f,
                    "the server ended the TLS handshake with the alert {alert}"
                )
            }
            Self::Handshake { why } => write!(f, "the TLS handshake failed: {why}"),
            Self::BadCertificate { why } => {
                write!(
                    f,
                    "the server shows a certificate that cannot be read: {why}"
                )
            }
        }
    }
}

/// Connects to `address`, asks for `server_name` and tells what is served. An ingress has several addresses, and each has
/// to serve the new certificate.
///
/// Trust is judged, but never decides whether there is an answer.
///
/// # Errors
/// See [`ProbeFault`].
pub fn probe_address(
    judge: &Judge,
    address: SocketAddr,
    server_name: &str,
    limits: Limits,
    now: Timestamp,
) -> Result<Served, ProbeError> {
    TcpStream::connect_timeout(&address, limits.connect)
        .map_err(|error| connection_fault(&error, "connecting"))
        .and_then(|stream| examine(judge, &stream, server_name, limits.handshake, now))
        .map_err(|fault| ProbeError { address, fault })
}

fn connection_fault(error: &io::Error, during: &'static str) -> ProbeFault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ProbeFault::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ProbeFault::TimedOut { during },
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => ProbeFault::Closed,
        _ => ProbeFault::Unreachable {
            why: error.to_string(),
        },
    }
}

fn examine(
    judge: &Judge,
    stream: &TcpStream,
    server_name: &str,
    limit: Duration,
    now: Timestamp,
) -> Result<Served, ProbeFault> {
    let recorder = Arc::new(Recorder::new());
    let (protocol, ended) = match handshake(&recorder, stream, server_name, limit) {
        Ok(protocol) => (protocol, None),
        Err((protocol, fault)) => (protocol, Some(fault)),
    };
    // A server that demands a client certificate breaks off after it has shown its own: that is known all the same.
    let record = recorder.take();
    if record.chain.is_empty() {
        return Err(ended.unwrap_or(ProbeFault::Handshake {
            why: "no certificate was shown".into(),
        }));
    }
    let chain = read_all(&record.chain)?;
    let unfinished = || Err("the handshake ended before".into());
    let trust = record
        .proof
        .unwrap_or_else(unfinished)
        .map_err(|why| Distrust::KeyNotProved { why })
        .and_then(|()| judge.judge(&chain, server_name, now));
    Ok(Served {
        chain,
        trust,
        protocol,
    })
}

fn read_all(chain: &[Vec<u8>]) -> Result<Vec<Certificate>, ProbeFault> {
    chain
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<_, _>>()
        .map_err(|error| ProbeFault::BadCertificate {
            why: error.to_string(),
        })
}

/// The protocol version, also of a handshake that broke off.
fn handshake(
    recorder: &Arc<Recorder>,
    stream: &TcpStream,
    server_name: &str,
    limit: Duration,
) -> Result<&'static str, (&'static str, ProbeFault)> {
    let mut connection = start(recorder, server_name).map_err(|fault| ("", fault))?;
    let mut timed = Timed::new(stream, Instant::now() + limit);
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut timed) {
            return Err((version(&connection), handshake_fault(&error)));
        }
    }
    // Politeness only: what was wanted is known.
    connection.send_close_notify();
    let _ = connection.write_tls(&mut timed);
    Ok(version(&connection))
}

fn start(recorder: &Arc<Recorder>, server_name: &str) -> Result<ClientConnection, ProbeFault> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| ProbeFault::BadName {
        name: server_name.to_owned(),
    })?;
    let failed = |why: String| ProbeFault::Handshake { why };
    let verifier = Arc::clone(recorder) as Arc<dyn ServerCertVerifier>;
    let config = config_with(verifier, Arc::clone(&recorder.provider))
        .map_err(|error| failed(error.to_string()))?;
    ClientConnection::new(Arc::new(config), name).map_err(|error| failed(error.to_string()))
}

fn handshake_fault(error: &io::Error) -> ProbeFault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => ProbeFault::NotTls,
        Some(rustls::Error::AlertReceived(alert)) => ProbeFault::Alert {
            alert: format!("{alert:?}"),
        },
        Some(other) => ProbeFault::Handshake {
            why: other.to_string(),
        },
        None => connection_fault(error, "TLS handshake"),
    }
}

fn version(connection: &ClientConnection) -> &'static str {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    }
}

/// Lets every handshake pass and remembers what was shown.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    chain: Vec<Vec<u8>>,
    /// Whether the handshake's signature showed that the server holds the key; `None` if it never came.
    proof: Option<Result<(), String>>,
}

impl Recorder {
    fn new() -> Self {
        Self {
            provider: provider(),
            record: Mutex::default(),
        }
    }

    fn take(&self) -> Record {
        std::mem::take(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(
        &self,
        proof: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> HandshakeSignatureValid {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.proof = Some(proof.map(drop).map_err(|error| error.to_string()));
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::iter::once(end_entity).chain(intermediates);
        record.chain = all.map(|certificate| certificate.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.note(verify_tls12_signature(message, cert, dss, algorithms)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.note(verify_tls13_signature(message, cert, dss, algorithms)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let mut schemes = algorithms.supported_schemes();
        // Cannot be checked with ring, but unless it is offered a server with such a key shows nothing.
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Child, Command, Stdio};
    use std::thread;

    use std::io::{BufRead as _, BufReader, Read as _, Write as _};

    use rcgen::KeyPair;
    use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
    use rustls::sign::CertifiedKey;
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::*;
    use crate::net::tls::test_support::{NAME, World, signing_key};

    fn probe(world: &World, server: SocketAddr) -> Result<Served, ProbeError> {
        probe_for(world, NAME, server)
    }

    fn probe_for(world: &World, name: &str, server: SocketAddr) -> Result<Served, ProbeError> {
        probe_address(&world.judge(), server, name, limits(), Timestamp::now())
    }

    fn limits() -> Limits {
        Limits {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
        }
    }

    #[derive(Debug)]
    struct OnlyFor(Option<&'static str>, Arc<CertifiedKey>);

    impl ResolvesServerCert for OnlyFor {
        fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            let known = self.0.is_none() || self.0 == hello.server_name();
            known.then(|| Arc::clone(&self.1))
        }
    }

    fn config(
        certified: CertifiedKey,
        only_for: Option<&'static str>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OnlyFor(only_for, Arc::new(certified))))
    }

    fn serve(config: ServerConfig) -> SocketAddr {
        serve_raw(move |mut stream| {
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            let _ = stream.read(&mut [0; 64]);
        })
    }

    fn serve_raw(behave: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || behave(listener.accept().unwrap().0));
        address
    }

    fn fault(result: Result<Served, ProbeError>) -> ProbeFault {
        result.unwrap_err().fault
    }

    #[test]
    fn a_trusted_chain_is_told_as_such() {
        let world = World::new();
        for (versions, text) in [
            (&rustls::version::TLS12, "TLS 1.2"),
            (&rustls::version::TLS13, "TLS 1.3"),
        ] {
            let certified = world.certified(&[NAME]);
            let leaf = certified.cert[0].to_vec();
            let server = serve(config(certified, Some(NAME), &[versions]));
            let served = probe(&world, server).unwrap();
            assert_eq!(served.chain[0].der, leaf);
            assert_eq!(served.trust, Ok(()));
            assert_eq!(served.protocol, text);
        }
    }

    #[test]
    fn an_untrusted_chain_is_shown_all_the_same() {
        let (world, stranger) = (World::new(), World::new());
        let server = serve(config(
            stranger.certified(&[NAME]),
            None,
            rustls::DEFAULT_VERSIONS,
        ));
        let served = probe(&world, server).unwrap();
        assert_eq!(served.chain[0].dns_names, [NAME]);
        // Both authorities have the same name, but not the same key.
        let trust = served.trust.unwrap_err();
        assert!(
            matches!(&trust, Distrust::UnknownIssuer { issuer } if issuer == "CN=Root")
                || matches!(&trust, Distrust::Other { why } if why.contains("BadSignature")),
            "{trust}"
        );
    }

    #[test]
    fn a_wrong_name_is_named() {
        let world = World::new();
        let server = serve(config(
            world.certified(&["*.acme.example"]),
            None,
            rustls::DEFAULT_VERSIONS,
        ));
        let trust = probe(&world, server).unwrap().trust.unwrap_err();
        assert_eq!(
            trust.to_string(),
            "not for api.example.com, but for *.acme.example"
        );
    }

    #[test]
    fn a_server_without_the_key_is_not_trusted() {
        let world = World::new();
        for versions in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut certified = world.certified(&[NAME]);
            certified.key = signing_key(&KeyPair::generate().unwrap());
            let server = serve(config(certified, None, &[versions]));
            let trust = probe(&world, server).unwrap().trust.unwrap_err();
            assert!(matches!(trust, Distrust::KeyNotProved { .. }), "{trust}");
        }
    }

    #[test]
    fn a_server_that_demands_a_client_certificate_has_shown_its_own() {
        let world = World::new();
        let mut roots = RootCertStore::empty();
        roots.add(world.authority.der().clone()).unwrap();
        let demanding = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_client_cert_verifier(demanding)
            .with_cert_resolver(Arc::new(OnlyFor(None, Arc::new(world.certified(&[NAME])))));
        let served = probe(&world, serve(config)).unwrap();
        assert_eq!(served.trust, Ok(()));
    }

    #[test]
    fn an_unknown_name_answered_by_an_alert_is_told() {
        let world = World::new();
        let config = config(
            world.certified(&[NAME]),
            Some("other.example.com"),
            rustls::DEFAULT_VERSIONS,
        );
        assert!(matches!(
            fault(probe(&world, serve(config))),
            ProbeFault::Alert { .. }
        ));
    }

    #[test]
    fn what_is_not_tls_is_told() {
        let server = serve_raw(|mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        assert_eq!(fault(probe(&World::new(), server)), ProbeFault::NotTls);
    }

    #[test]
    fn a_closed_connection_is_told() {
        let server = serve_raw(|mut stream| {
            let _ = stream.read(&mut [0; 4096]);
        });
        assert_eq!(fault(probe(&World::new(), server)), ProbeFault::Closed);
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let world = World::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let limits = Limits {
            handshake: Duration::from_millis(50),
            ..limits()
        };
        let address = listener.local_addr().unwrap();
        let result = probe_address(&world.judge(), address, NAME, limits, Timestamp::now());
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("{address}: no answer in time (TLS handshake)")
        );
    }

    #[test]
    fn a_port_where_nothing_listens_is_told() {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert_eq!(fault(probe(&World::new(), address)), ProbeFault::Refused);
    }

    #[test]
    fn a_name_that_cannot_be_asked_for_is_told() {
        let world = World::new();
        let server = serve_raw(drop);
        assert!(matches!(
            fault(probe_for(&world, "*.acme.example", server)),
            ProbeFault::BadName { .. }
        ));
    }

    /// `openssl s_server`, for what rustls cannot serve; stopped when it goes out of scope.
    struct OpensslServer {
        child: Child,
        address: SocketAddr,
        _folder: tempfile::TempDir,
    }

    impl OpensslServer {
        fn with_key(options: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let made = Command::new("openssl")
                .current_dir(folder.path())
                .args([
                    "req",
                    "-x509",
                    "-nodes",
                    "-subj",
                    "/CN=api.example.com",
                    "-keyout",
                    "key",
                    "-out",
                    "cert",
                ])
                .args(options)
                .output()
                .expect("this test needs the openssl program");
            assert!(made.status.success());
            let mut child = Command::new("openssl")
                .current_dir(folder.path())
                .args([
                    "s_server",
                    "-accept",
                    "127.0.0.1:0",
                    "-key",
                    "key",
                    "-cert",
                    "cert",
                ])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let address = lines
                .map_while(Result::ok)
                .find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok())
                .unwrap();
            Self {
                child,
                address,
                _folder: folder,
            }
        }
    }

    impl Drop for OpensslServer {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn a_key_that_cannot_be_checked_is_shown_but_not_trusted() {
        let server =
            OpensslServer::with_key(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"]);
        let served = probe(&World::new(), server.address).unwrap();
        assert_eq!(served.chain[0].algorithm(), crate::cert::Algorithm::P521);
        assert!(matches!(served.trust, Err(Distrust::KeyNotProved { .. })));
    }
}
