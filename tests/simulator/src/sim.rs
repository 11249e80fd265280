//! Starting and stopping the simulator.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::acme::{self, Upstream};
use crate::faults::Fault;
use crate::http::Request;
use crate::log::{Entry, Question, Stats};
use crate::pki::{Authority, Validity};
use crate::seed::Seed;
use crate::world::{Latency, Shared, World};
use crate::{dns, ingress, server};

/// How to start the simulator. By default: free ports of 127.0.0.1, no latency, an empty world.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Address of the HTTPS port.
    pub listen: SocketAddr,
    /// Address of the DNS port, UDP and TCP; for an IPv4 loopback address, `::1` is tried as well.
    pub dns_listen: SocketAddr,
    /// Address of the ingress.
    pub ingress_listen: SocketAddr,
    /// A round trip: added to each answer.
    pub latency: Duration,
    /// Added to each new connection, for the round trips of TCP and TLS.
    pub connect_latency: Duration,
    /// Where to write `ca.pem`; a temporary folder if not given.
    pub dir: Option<PathBuf>,
    /// What the world contains at first.
    pub seed: Seed,
}

impl Default for SimConfig {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: free,
            dns_listen: free,
            ingress_listen: free,
            latency: Duration::ZERO,
            connect_latency: Duration::ZERO,
            dir: None,
            seed: Seed::default(),
        }
    }
}

/// A running simulator; stops when dropped.
#[derive(Debug)]
pub struct Sim {
    shared: Arc<Shared>,
    url: String,
    dns: SocketAddr,
    ingress: SocketAddr,
    ca_path: PathBuf,
    _dir: Option<TempDir>,
    // `None` only while being dropped.
    runtime: Option<Runtime>,
}

impl Sim {
    /// Starts all servers; they accept connections when this returns.
    pub fn start(config: SimConfig) -> Result<Self> {
        let (ca_path, dir) = match &config.dir {
            Some(path) => (path.join("ca.pem"), None),
            None => {
                let dir = tempfile::tempdir()?;
                (dir.path().join("ca.pem"), Some(dir))
            }
        };
        let authority = Authority::root("Simulator CA")?;
        std::fs::write(&ca_path, authority.pem())
            .with_context(|| format!("writing {}", ca_path.display()))?;
        let tls = own_tls(&authority)?;

        let mut world = World::new(authority);
        config.seed.apply(&mut world)?;
        let latency = Latency {
            request: config.latency,
            connect: config.connect_latency,
        };
        let shared = Arc::new(Shared::new(world, latency));

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("simulator")
            .enable_all()
            .build()?;
        let (url, dns, ingress) = runtime.block_on(async {
            let listener = listen(config.listen).await?;
            let url = format!("https://{}", listener.local_addr()?);
            tokio::spawn(server::serve(listener, tls, Arc::clone(&shared)));

            let (udp, tcp) = dns_sockets(config.dns_listen).await?;
            let dns = udp.local_addr()?;
            tokio::spawn(dns::serve_udp(udp, Arc::clone(&shared)));
            tokio::spawn(dns::serve_tcp(tcp, Arc::clone(&shared)));
            if config.dns_listen.ip() == Ipv4Addr::LOCALHOST {
                serve_ipv6_too(dns.port(), &shared).await;
            }

            let ingress = serve_ingress(config.ingress_listen, &shared, None).await?;
            anyhow::Ok((url, dns, ingress))
        })?;
        Ok(Self {
            shared,
            url,
            dns,
            ingress,
            ca_path,
            _dir: dir,
            runtime: Some(runtime),
        })
    }

    /// `https://127.0.0.1:PORT`, without a path: `ANYPOINT_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cloudflare's base address: `CF_Api`.
    pub fn cloudflare_url(&self) -> String {
        format!("{}/client/v4", self.url)
    }

    /// `127.0.0.1:PORT`: `ANYPOINT_HOST`.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("https://")
    }

    /// File with the certificate that the HTTPS port and default ingress certificates are signed with: `CA_BUNDLE`.
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca_path
    }

    /// The DNS server.
    pub fn dns_addr(&self) -> SocketAddr {
        self.dns
    }

    /// The ingress of all private spaces.
    pub fn ingress_addr(&self) -> SocketAddr {
        self.ingress
    }

    /// Opens one more ingress, which knows the certificates of this private space only.
    pub fn open_ingress(&self, space: &str) -> Result<SocketAddr> {
        let runtime = self.runtime.as_ref().context("the simulator has stopped")?;
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        runtime.block_on(serve_ingress(free, &self.shared, Some(space.to_owned())))
    }

    /// Opens the front before a `pebble` whose own certificate this simulator's authority has signed; returns the address of
    /// the ACME directory.
    pub fn front(&self, pebble: SocketAddr) -> Result<String> {
        let runtime = self.runtime.as_ref().context("the simulator has stopped")?;
        let authority = self.world().authority.clone();
        let tls = own_tls(&authority)?;
        let upstream = Upstream::new(pebble, &authority)?;
        runtime.block_on(async {
            let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let address = listener.local_addr()?;
            tokio::spawn(acme::serve(
                listener,
                tls,
                Arc::clone(&self.shared),
                upstream,
            ));
            Ok(format!("https://{address}/dir"))
        })
    }

    /// The status with which an application answers `GET https://HOST/PATH` through the ingress, found without a connection.
    pub fn status_of(&self, host: &str, path: &str, authorization: Option<&str>) -> u16 {
        let mut headers = vec![("host".to_owned(), host.to_owned())];
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value.to_owned())));
        let request = Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            raw_query: String::new(),
            query: Vec::new(),
            headers,
            body: Vec::new(),
            connection: 0,
            client: None,
        };
        ingress::answer(&mut self.world(), None, host, &request).status
    }

    /// The state of the world. No request is answered while the guard lives: drop it before the next one.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Adds what `seed` holds to the world.
    pub fn seed(&self, seed: Seed) -> Result<()> {
        seed.apply(&mut self.world())
    }

    /// Requests so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Entry> {
        self.shared.log().entries.clone()
    }

    /// Requests that used something the simulator does not model; a contract test expects none.
    pub fn unexpected(&self) -> Vec<Entry> {
        self.requests()
            .into_iter()
            .filter(|entry| entry.unexpected.is_some())
            .collect()
    }

    /// DNS questions so far.
    pub fn questions(&self) -> Vec<Question> {
        self.shared.log().questions.clone()
    }

    /// Totals.
    pub fn stats(&self) -> Stats {
        self.shared.log().stats
    }

    /// Clears log and totals.
    pub fn clear_log(&self) {
        self.shared.log().clear();
    }

    /// The fault switch.
    pub fn faults(&self) -> FaultSwitch<'_> {
        FaultSwitch {
            shared: &self.shared,
        }
    }

    /// Changes how long things take.
    pub fn set_latency(&self, latency: Latency) {
        self.shared.set_latency(latency);
    }

    /// Puts the simulated clock forward.
    pub fn advance(&self, by: Duration) {
        self.world().clock.advance(by);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Hung connections would keep an orderly shutdown waiting.
            runtime.shutdown_background();
        }
    }
}

/// Adds and removes faults.
#[derive(Debug)]
pub struct FaultSwitch<'sim> {
    shared: &'sim Shared,
}

impl FaultSwitch<'_> {
    /// Adds a rule after those that are there.
    pub fn add(&self, fault: Fault) {
        self.shared.faults().add(fault);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.shared.faults().clear();
    }

    /// The rules, each with the number of requests that it applied to.
    pub fn list(&self) -> Vec<(Fault, u32)> {
        self.shared.faults().list()
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))
}

/// UDP and TCP on one port, which for a free one needs luck: the kernel gives out each separately.
async fn dns_sockets(address: SocketAddr) -> Result<(UdpSocket, TcpListener)> {
    let attempts = if address.port() == 0 { 20 } else { 1 };
    let mut last = io::Error::other("no attempt");
    for _ in 0..attempts {
        let udp = UdpSocket::bind(address)
            .await
            .with_context(|| format!("listening on {address} (UDP)"))?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(err) => last = err,
        }
    }
    Err(last).with_context(|| format!("listening on {address} (TCP)"))
}

/// Where there is no IPv6, nobody asks there.
async fn serve_ipv6_too(port: u16, shared: &Arc<Shared>) {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    if let Ok(udp) = UdpSocket::bind(address).await {
        tokio::spawn(dns::serve_udp(udp, Arc::clone(shared)));
    }
    if let Ok(tcp) = TcpListener::bind(address).await {
        tokio::spawn(dns::serve_tcp(tcp, Arc::clone(shared)));
    }
}

async fn serve_ingress(
    address: SocketAddr,
    shared: &Arc<Shared>,
    space: Option<String>,
) -> Result<SocketAddr> {
    let listener = listen(address).await?;
    let address = listener.local_addr()?;
    let tls = ingress::tls(Arc::clone(shared), space.clone())?;
    tokio::spawn(ingress::serve(listener, tls, Arc::clone(shared), space));
    Ok(address)
}

fn own_tls(authority: &Authority) -> Result<TlsAcceptor> {
    let leaf = authority.leaf(&["localhost", "127.0.0.1", "::1"], Validity::lasting())?;
    let chain = vec![CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
