//! The ACME server as its clients see it: a front before `pebble` that keeps the simulated time.
//!
//! pebble speaks the protocol and validates challenges for real, but nothing can put its clock forward. So the front hands
//! every request on, and issues each certificate again: the same key and names, from an authority of its own, with dates by
//! the simulated clock. It adds renewal information (RFC 9773) to match, and can be out of order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::seconds_until;
use crate::http::{Answer, Request};
use crate::pki::{Authority, Validity};
use crate::server::{Delivery, each_connection, read, response};
use crate::world::Shared;

const RENEWAL_INFO: &str = "/renewal-info";
const NEW_ORDER: &str = "/order-plz";
/// Serial numbers of eight bytes: renewal information is asked for by their bytes.
const FIRST_SERIAL: u64 = 0x0100_0000_0000_0000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Let's Encrypt dates certificates back, for clients whose clocks are late.
const BACKDATED: Duration = Duration::from_secs(60 * 60);
/// Below this lifetime Let's Encrypt suggests to renew after half of it, above after two thirds.
const SHORT_LIVED: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// What is wrong with an ACME server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It answers 503, whatever is asked.
    Unavailable,
    /// It takes no order before this moment.
    RateLimited(Timestamp),
}

/// The state of the ACME server, beside that of pebble.
#[derive(Debug)]
pub struct Acme {
    /// From the first to the last moment of the certificates that are issued from now on.
    pub lifetime: Duration,
    /// Whether they carry a common name, as those of 90 days do.
    pub common_name: bool,
    /// What is wrong now.
    pub trouble: Option<Trouble>,
    authority: Option<Authority>,
    issued: Vec<Issued>,
}

#[derive(Debug)]
struct Issued {
    path: String,
    chain: String,
    serial: u64,
    validity: Validity,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            lifetime: 90 * DAY,
            common_name: true,
            trouble: None,
            authority: None,
            issued: Vec::new(),
        }
    }
}

impl Acme {
    /// How many certificates were issued.
    pub fn issued(&self) -> usize {
        self.issued.len()
    }

    /// The chain at an address of pebble, issued again.
    fn again(
        &mut self,
        root: &Authority,
        path: &str,
        pem: &[u8],
        now: Timestamp,
    ) -> Result<String> {
        if let Some(known) = self.issued.iter().find(|known| known.path == path) {
            return Ok(known.chain.clone());
        }
        let authority = match &self.authority {
            Some(authority) => authority,
            None => self
                .authority
                .insert(root.intermediate("Simulated intermediate")?),
        };
        let first = u64::try_from(now.as_second())?.saturating_sub(BACKDATED.as_secs());
        let validity = Validity {
            not_before: first,
            not_after: first + self.lifetime.as_secs() - 1,
        };
        let der = CertificateDer::from_pem_slice(pem)?;
        let (_, parsed) = X509Certificate::from_der(&der)?;
        let names = names(&parsed)?;
        let serial = FIRST_SERIAL + self.issued.len() as u64;
        let chain = authority.chain_for(
            parsed.public_key().raw,
            &names,
            names.first().copied().filter(|_| self.common_name),
            validity,
            serial,
        )?;
        self.issued.push(Issued {
            path: path.to_owned(),
            chain: chain.clone(),
            serial,
            validity,
        });
        Ok(chain)
    }

    /// When to renew the certificate with this serial number, as Let's Encrypt reckons it.
    fn window(&self, serial: u64) -> Option<[Timestamp; 2]> {
        let found = self.issued.iter().find(|known| known.serial == serial)?;
        let Validity {
            not_before,
            not_after,
        } = found.validity;
        let lifetime = not_after + 1 - not_before;
        let part = if lifetime < SHORT_LIVED.as_secs() {
            2
        } else {
            3
        };
        let ideal = not_after - lifetime / part;
        let at = |seconds: u64| Timestamp::from_second(i64::try_from(seconds).ok()?).ok();
        Some([at(ideal - lifetime / 100)?, at(ideal + lifetime / 100)?])
    }
}

fn names<'a>(certificate: &'a X509Certificate<'_>) -> Result<Vec<&'a str>> {
    let extension = certificate
        .subject_alternative_name()?
        .context("a certificate without names")?;
    let names = &extension.value.general_names;
    Ok(names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect())
}

/// What the front needs to reach pebble.
#[derive(Clone)]
pub(crate) struct Upstream {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Upstream {
    /// `authority` has signed pebble's own certificate.
    pub(crate) fn new(address: SocketAddr, authority: &Authority) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Hands a request on. Its `Host` stays, from which pebble makes the addresses that it answers.
    async fn ask(&self, request: &Request) -> Result<Answer> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::from(self.address.ip());
        let tls = self.tls.connect(name, tcp).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        let mut builder = hyper::Request::builder()
            .method(request.method.as_str())
            .uri(&request.path);
        for (name, value) in &request.headers {
            if !["connection", "content-length"].contains(&name.as_str()) {
                builder = builder.header(name, value);
            }
        }
        let body = Full::new(Bytes::from(request.body.clone()));
        let (head, body) = sender.send_request(builder.body(body)?).await?.into_parts();
        let mut answer = Answer::empty(head.status.as_u16());
        for (name, value) in &head.headers {
            if !["connection", "content-length", "date", "transfer-encoding"]
                .contains(&name.as_str())
            {
                answer = answer.header(name.as_str(), value.to_str()?);
            }
        }
        Ok(answer.body(body.collect().await?.to_bytes().to_vec()))
    }
}

pub(crate) async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    upstream: Upstream,
) {
    let serve = |tcp, peer, number| {
        let (tls, shared, upstream) = (tls.clone(), Arc::clone(&shared), upstream.clone());
        async move {
            let stream = tls.accept(tcp).await?;
            let service = service_fn(|request| {
                let (shared, upstream) = (Arc::clone(&shared), upstream.clone());
                async move {
                    let request = read(request, number, peer).await;
                    let answer = answer(&shared, &upstream, &request).await;
                    Ok::<_, std::convert::Infallible>(response(answer, Delivery::Whole))
                }
            });
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .map_err(std::io::Error::other)
        }
    };
    each_connection(listener, serve).await;
}

async fn answer(shared: &Shared, upstream: &Upstream, request: &Request) -> Answer {
    if let Some(refusal) = refused(shared, request) {
        return refusal;
    }
    if let Some(id) = request.path.strip_prefix(RENEWAL_INFO) {
        return renewal_info(shared, id.trim_start_matches('/'));
    }
    let answer = match upstream.ask(request).await {
        Ok(answer) => answer,
        Err(err) => return Answer::text(502, &format!("pebble: {err:#}")),
    };
    let changed = match answer.status {
        200 if request.path == "/dir" => with_renewal_info(&answer, request),
        200 if request.path.starts_with("/certZ/") => {
            let mut world = shared.world();
            let world = &mut *world;
            let now = world.clock.now();
            let chain = world
                .acme
                .again(&world.authority, &request.path, &answer.body, now);
            chain.map(String::into_bytes)
        }
        _ => return answer,
    };
    match changed {
        Ok(body) => answer.body(body),
        Err(err) => Answer::text(500, &format!("the front before pebble: {err:#}")),
    }
}

fn refused(shared: &Shared, request: &Request) -> Option<Answer> {
    let world = shared.world();
    let now = world.clock.now();
    match world.acme.trouble? {
        Trouble::Unavailable => Some(
            problem(503, "serverInternal", "Service is down for maintenance")
                .header("Retry-After", "3600"),
        ),
        Trouble::RateLimited(until) if now < until && request.path == NEW_ORDER => Some(
            problem(
                429,
                "rateLimited",
                &format!(
                    "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry \
                     after {}",
                    until.strftime("%Y-%m-%d %H:%M:%S UTC")
                ),
            )
            .header("Retry-After", seconds_until(now, until).to_string()),
        ),
        Trouble::RateLimited(_) => None,
    }
}

fn problem(status: u16, kind: &str, detail: &str) -> Answer {
    let body = json!({
        "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status,
    });
    let mut answer = Answer::json(status, &body);
    answer.headers = vec![(
        "Content-Type".to_owned(),
        "application/problem+json".to_owned(),
    )];
    answer
}

fn with_renewal_info(directory: &Answer, request: &Request) -> Result<Vec<u8>> {
    let mut directory: Value = serde_json::from_slice(&directory.body)?;
    let host = request.header("host").context("a request names its host")?;
    directory["renewalInfo"] = format!("https://{host}{RENEWAL_INFO}").into();
    Ok(serde_json::to_vec(&directory)?)
}

fn renewal_info(shared: &Shared, id: &str) -> Answer {
    let serial = id.split_once('.').and_then(|(_, serial)| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(serial).ok()?;
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    });
    match serial.and_then(|serial| shared.world().acme.window(serial)) {
        Some([start, end]) => Answer::json(
            200,
            &json!({ "suggestedWindow": { "start": start.to_string(), "end": end.to_string() } }),
        )
        .header("Retry-After", "21600"),
        None => problem(404, "malformed", "Certificate not found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lived_certificates_are_renewed_after_half_of_their_time_and_others_after_two_thirds() {
        for (days, ideal) in [(90, 60), (45, 30), (6, 3)] {
            let mut acme = Acme::default();
            acme.issued.push(Issued {
                path: String::new(),
                chain: String::new(),
                serial: FIRST_SERIAL,
                validity: Validity {
                    not_before: 0,
                    not_after: days * DAY.as_secs() - 1,
                },
            });
            let [start, end] = acme.window(FIRST_SERIAL).unwrap();
            let ideal = Timestamp::from_second(ideal * 24 * 60 * 60).unwrap();
            assert!(start < ideal && ideal < end, "{days}: {start} to {end}");
            assert_eq!(acme.window(FIRST_SERIAL + 1), None);
        }
    }
}
