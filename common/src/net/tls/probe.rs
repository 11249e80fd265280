//! A handshake with a server, to see what it serves.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConnection, DigitallySignedStruct, ProtocolVersion, SignatureScheme};

use super::{Distrust, Judge, config_with, provider};
use crate::cert::Certificate;
use crate::net::timed::Timed;

/// How long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP connection; shared by all addresses of the host.
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
    /// The address that answered.
    pub address: SocketAddr,
    /// The protocol version, such as `TLS 1.3`.
    pub protocol: &'static str,
    /// What ended the handshake after the certificate had been shown. A server that demands a client certificate
    /// does this; what it serves is known all the same.
    pub interrupted: Option<ProbeFault>,
}

/// Why nothing was learned from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError {
    /// The host and port, or address, that was to be asked.
    pub target: String,
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
    /// The host has no address, or DNS did not answer.
    NotResolved {
        /// What the system's resolver said.
        why: String,
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
        write!(f, "{}: {}", self.target, self.fault)
    }
}

impl Error for ProbeError {}

impl fmt::Display for ProbeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { name } => write!(f, "{name:?} is not a host name"),
            Self::NotResolved { why } => write!(f, "the name could not be resolved: {why}"),
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

/// Connects to `host` (a name, or an address, IPv6 with or without brackets), asks for `server_name` and tells what
/// is served.
///
/// The addresses of the host are tried in turn until one accepts the connection. Trust is judged, but never decides
/// whether there is an answer.
///
/// # Errors
/// See [`ProbeFault`].
pub fn probe(
    judge: &Judge,
    (host, port): (&str, u16),
    server_name: &str,
    limits: Limits,
    now: Timestamp,
) -> Result<Served, ProbeError> {
    resolve(host, port)
        .and_then(|addresses| connect(&addresses, limits.connect))
        .and_then(|connected| examine(judge, &connected, server_name, limits.handshake, now))
        .map_err(|fault| ProbeError {
            target: format!("{host}:{port}"),
            fault,
        })
}

/// As [`probe`], of one address: an ingress has several, and each has to serve the new certificate.
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
    connect(&[address], limits.connect)
        .and_then(|connected| examine(judge, &connected, server_name, limits.handshake, now))
        .map_err(|fault| ProbeError {
            target: address.to_string(),
            fault,
        })
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ProbeFault> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let not_resolved = |why| ProbeFault::NotResolved { why };
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|error| not_resolved(error.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(not_resolved("it has no address".into()));
    }
    Ok(addresses)
}

/// The address is kept here: a broken connection cannot be asked for it.
struct Connected {
    stream: TcpStream,
    address: SocketAddr,
}

/// Connects to the first address that accepts, and gives each a fair share of the time.
fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<Connected, ProbeFault> {
    let deadline = Instant::now() + limit;
    let mut fault = ProbeFault::NotResolved {
        why: "it has no address".into(),
    };
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = deadline.saturating_duration_since(Instant::now())
            / u32::try_from(left).unwrap_or(u32::MAX);
        if share.is_zero() {
            return Err(ProbeFault::TimedOut {
                during: "connecting",
            });
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                return Ok(Connected {
                    stream,
                    address: *address,
                });
            }
            Err(error) => fault = connection_fault(&error, "connecting"),
        }
    }
    Err(fault)
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
    connected: &Connected,
    server_name: &str,
    limit: Duration,
    now: Timestamp,
) -> Result<Served, ProbeFault> {
    let recorder = Arc::new(Recorder::new());
    let (protocol, ended) = match handshake(&recorder, &connected.stream, server_name, limit) {
        Ok(protocol) => (protocol, None),
        Err((protocol, fault)) => (protocol, Some(fault)),
    };
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
        address: connected.address,
        protocol,
        interrupted: ended,
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

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
    use rustls::sign::CertifiedKey;
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::super::Trust;
    use super::*;

    const NAME: &str = "api.example.com";

    /// An authority, and a folder with its certificate as the only trusted root.
    struct World {
        authority: CertifiedIssuer<'static, KeyPair>,
        folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
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

        fn judge(&self) -> Judge {
            Judge::new(&Trust {
                ssl_cert_file: Some(self.folder.path().join("root.pem")),
                ..Trust::default()
            })
            .unwrap()
        }

        fn certified(&self, names: &[&str]) -> CertifiedKey {
            let key = KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let params = CertificateParams::new(names).unwrap();
            let leaf = params.signed_by(&key, &self.authority).unwrap();
            CertifiedKey::new(vec![leaf.der().clone()], signing_key(&key))
        }

        fn probe(&self, server: SocketAddr) -> Result<Served, ProbeError> {
            self.probe_for(NAME, server)
        }

        fn probe_for(&self, name: &str, server: SocketAddr) -> Result<Served, ProbeError> {
            probe_address(&self.judge(), server, name, limits(), Timestamp::now())
        }
    }

    fn limits() -> Limits {
        Limits {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
        }
    }

    fn signing_key(key: &KeyPair) -> Arc<dyn rustls::sign::SigningKey> {
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        rustls::crypto::ring::sign::any_supported_type(&der.into()).unwrap()
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
            let served = world.probe(server).unwrap();
            assert_eq!(served.chain[0].der, leaf);
            assert_eq!(served.trust, Ok(()));
            assert_eq!(served.protocol, text);
            assert_eq!(served.address, server);
            assert_eq!(served.interrupted, None);
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
        let served = world.probe(server).unwrap();
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
        let trust = world.probe(server).unwrap().trust.unwrap_err();
        assert_eq!(
            trust.to_string(),
            "not for api.example.com, but for *.acme.example"
        );
    }

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
    fn a_server_without_the_key_is_not_trusted() {
        let world = World::new();
        for versions in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut certified = world.certified(&[NAME]);
            certified.key = signing_key(&KeyPair::generate().unwrap());
            let server = serve(config(certified, None, &[versions]));
            let trust = world.probe(server).unwrap().trust.unwrap_err();
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
        let served = world.probe(serve(config)).unwrap();
        assert_eq!(served.trust, Ok(()));
        assert!(served.interrupted.is_some());
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
            fault(world.probe(serve(config))),
            ProbeFault::Alert { .. }
        ));
    }

    #[test]
    fn what_is_not_tls_is_told() {
        let server = serve_raw(|mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        assert_eq!(fault(World::new().probe(server)), ProbeFault::NotTls);
    }

    #[test]
    fn a_closed_connection_is_told() {
        let server = serve_raw(|mut stream| {
            let _ = stream.read(&mut [0; 4096]);
        });
        assert_eq!(fault(World::new().probe(server)), ProbeFault::Closed);
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
        assert_eq!(fault(World::new().probe(address)), ProbeFault::Refused);
    }

    #[test]
    fn the_host_may_be_a_name_or_an_address() {
        let world = World::new();
        for host in ["127.0.0.1", "[127.0.0.1]", "localhost"] {
            let server = serve(config(
                world.certified(&[NAME]),
                None,
                rustls::DEFAULT_VERSIONS,
            ));
            let judge = world.judge();
            let served = probe(
                &judge,
                (host, server.port()),
                NAME,
                limits(),
                Timestamp::now(),
            );
            assert_eq!(served.unwrap().trust, Ok(()), "{host}");
        }
        assert_eq!(
            resolve("[2001:db8::1]", 443).unwrap(),
            ["[2001:db8::1]:443".parse().unwrap()]
        );
    }

    #[test]
    fn a_host_without_address_is_told() {
        let result = probe(
            &World::new().judge(),
            ("nowhere.invalid", 443),
            NAME,
            limits(),
            Timestamp::now(),
        );
        let error = result.unwrap_err();
        assert!(
            matches!(error.fault, ProbeFault::NotResolved { .. }),
            "{error}"
        );
        assert!(
            error.to_string().starts_with("nowhere.invalid:443: "),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_cannot_be_asked_for_is_told() {
        let world = World::new();
        let server = serve_raw(drop);
        assert!(matches!(
            fault(world.probe_for("*.acme.example", server)),
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
        let served = World::new().probe(server.address).unwrap();
        assert_eq!(served.chain[0].algorithm(), crate::cert::Algorithm::P521);
        assert!(matches!(served.trust, Err(Distrust::KeyNotProved { .. })));
    }
}
