//! The private spaces' ingress: terminates TLS with the deployed certificates and answers for the applications.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::anypoint;
use crate::http::{Answer, Request};
use crate::pki::Validity;
use crate::server::{Delivery, each_connection, error_page, read, response};
use crate::world::{Shared, World};

/// Answers a request that came through the ingress for `server_name`. Policies are enforced here. Where no application is
/// exposed under the host and path, the ingress itself answers.
pub(crate) fn answer(
    world: &mut World,
    space: Option<&str>,
    server_name: &str,
    request: &Request,
) -> Answer {
    let host = request.header("host").unwrap_or(server_name);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    anypoint::gateway::answer(world, space, host, request)
        .unwrap_or_else(|| error_page(404, "Not Found"))
}

/// TLS with the certificates of all spaces, or of one.
pub(crate) fn tls(shared: Arc<Shared>, space: Option<String>) -> Result<TlsAcceptor> {
    let leaf = shared.world().authority.leaf(
        &["default.cloudhub.example", "127.0.0.1"],
        Validity::lasting(),
    )?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes())?;
    let fallback = Arc::new(CertifiedKey::from_der(chain, key, &provider)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver {
            shared,
            space,
            fallback,
        }));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would show the certificate of before.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[derive(Debug)]
struct Resolver {
    shared: Arc<Shared>,
    space: Option<String>,
    fallback: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let world = self.shared.world();
        let deployed = hello.server_name().and_then(|name| {
            world
                .anypoint
                .certificate(name, self.space.as_deref(), world.clock.now())
        });
        Some(deployed.unwrap_or_else(|| Arc::clone(&self.fallback)))
    }
}

/// `space` is the only one whose applications are reached there.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    space: Option<String>,
) {
    let serve = |tcp, peer, number| {
        let (shared, space) = (Arc::clone(&shared), space.clone());
        connection(tcp, peer, tls.clone(), shared, space, number)
    };
    each_connection(listener, serve).await;
}

async fn connection(
    tcp: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    space: Option<String>,
    number: u64,
) -> io::Result<()> {
    let stream = tls.accept(tcp).await?;
    let server_name = stream
        .get_ref()
        .1
        .server_name()
        .unwrap_or_default()
        .to_owned();
    let service = service_fn(|request| {
        let (shared, server_name) = (Arc::clone(&shared), server_name.clone());
        let space = space.clone();
        async move {
            let request = read(request, number, peer).await;
            let answer = answer(
                &mut shared.world(),
                space.as_deref(),
                &server_name,
                &request,
            );
            Ok::<_, Infallible>(response(answer, Delivery::Whole))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}
