//! Proving by a handshake that an ingress serves a certificate.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use common::anypoint::tls_contexts::TlsContext;
use common::cert::Certificate;
use common::cli::{Invocation, Report};
use common::error::{Error, Kind, Result};
use common::net::dns::Resolver;
use common::net::host_and_port;
use common::net::tls::{Distrust, Judge, Limits, Served, probe_address};
use common::system::polling::{self, Look, Pauses};
use serde::Serialize;

use crate::args::ConnectArgs;
use crate::compare;
use crate::domain::canonical;
use crate::material::is_our_file_name;

/// Where HTTPS is.
const PORT: u16 = 443;

/// What stands for the `*` of a wildcard. Any name below it is served the same; this one shows a log reader who asked.
const PROBED_LABEL: &str = "cloudhub-v2-verify.";

/// The certificate that has to be served, as far as it is known.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The certificate itself.
    Whole(Box<Certificate>),
    /// What the platform reports about the one that is deployed.
    Deployed(Box<TlsContext>),
}

impl Expected {
    /// What is wrong with the certificate that is served, if anything is.
    fn differs(&self, served: &Certificate) -> Option<String> {
        let other = |wanted: String| {
            Some(format!(
                "another certificate ({}, valid until {}) instead of {wanted}",
                short(&served.fingerprint()),
                served.not_after
            ))
        };
        match self {
            Self::Whole(wanted) if **wanted == *served => None,
            Self::Whole(wanted) => other(short(&wanted.fingerprint())),
            Self::Deployed(context) => {
                let store = &context.key_store;
                let name = store
                    .file_name
                    .as_deref()
                    .filter(|name| is_our_file_name(name));
                if let Some(name) = name {
                    let wanted = name.trim_end_matches(".cer");
                    return if served.fingerprint().starts_with(wanted) {
                        None
                    } else {
                        other(short(wanted))
                    };
                }
                let date = store.expiration_date.as_deref().map(compare::date);
                let day = served.not_after.strftime("%Y-%m-%d").to_string();
                match date {
                    Some(date) if date != day => other(format!("the one that expires on {date}")),
                    _ => None,
                }
            }
        }
    }
}

/// Enough of a fingerprint to distinguish two certificates by eye.
fn short(fingerprint: &str) -> String {
    format!("SHA-256 {}…", fingerprint.get(..16).unwrap_or(fingerprint))
}

/// How to probe an ingress.
#[derive(Debug)]
pub(crate) struct Probe {
    judge: Judge,
    limits: Limits,
    server_name: String,
    host: String,
    port: u16,
    resolver: Option<Resolver>,
    timeout: Duration,
}

/// What was proved.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Proof {
    server_name: String,
    host: String,
    addresses: Vec<String>,
    /// SHA-256.
    fingerprint: String,
    valid_until: String,
    protocol: &'static str,
}

impl Report for Proof {
    fn text(&self) -> String {
        format!(
            "{}: {} ({}) serves the certificate: SHA-256 {}, valid until {}, chain trusted",
            self.server_name,
            self.host,
            self.addresses.join(", "),
            self.fingerprint,
            self.valid_until
        )
    }
}

/// Why there is no proof yet. It may be gone at the next look.
#[derive(Debug)]
enum Obstacle {
    /// DNS leads nowhere.
    NoAddress(String),
    /// The name server did not answer.
    Resolver(String),
    /// The ingress was not reached, or did not complete the handshake.
    NoHandshake(String),
    /// An address serves something else.
    OtherCertificate { address: SocketAddr, why: String },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(why) | Self::Resolver(why) | Self::NoHandshake(why) => f.write_str(why),
            Self::OtherCertificate { address, why } => write!(f, "{address} serves {why}"),
        }
    }
}

impl Probe {
    /// How to probe what is served for `domain`. The host comes from DNS unless another is named.
    pub(crate) fn new(call: &Invocation, connect: &ConnectArgs, domain: &str) -> Result<Self> {
        let server_name = match &connect.server_name {
            Some(name) => canonical(name),
            None => canonical(domain).replacen("*.", PROBED_LABEL, 1),
        };
        let (host, port) = match &connect.connect {
            Some(text) => host_and_port("--connect", text, PORT)?,
            None => (server_name.clone(), PORT),
        };
        let network = call.settings.network()?;
        let judge = Judge::new(&network.trust)
            .map_err(|err| Error::config(err.to_string()).caused_by(err))?;
        Ok(Self {
            judge,
            limits: Limits {
                connect: network.connect_timeout,
                handshake: network.connect_timeout,
            },
            server_name,
            host,
            port,
            resolver: (!connect.resolver.is_empty())
                .then(|| Resolver::new(connect.resolver.clone())),
            timeout: connect.timeout,
        })
    }

    /// Looks until every address of the ingress serves what is expected.
    pub(crate) fn prove(&self, call: &Invocation, expected: &Expected) -> Result<Proof> {
        let progress = call.progress(format!(
            "waiting for {} to serve the certificate",
            self.host
        ));
        let last = polling::poll(
            call.clock.as_ref(),
            self.timeout,
            Pauses::doubling(Duration::from_millis(500), Duration::from_secs(5)),
            || self.look(call, expected),
            |obstacle: &Obstacle| {
                progress.tick(self.timeout, &obstacle.to_string());
                call.log.debug(format!("{}: {obstacle}", self.host));
            },
        )?;
        match last {
            Look::Done(proof) => Ok(proof),
            Look::NotYet(obstacle) => Err(self.not_proved(&obstacle)),
        }
    }

    /// The error is one that waiting does not change.
    fn look(&self, call: &Invocation, expected: &Expected) -> Result<Look<Proof, Obstacle>> {
        let addresses = match self.addresses() {
            Ok(addresses) => addresses,
            Err(obstacle) => return Ok(Look::NotYet(obstacle)),
        };
        let mut first: Option<(Served, Certificate)> = None;
        for address in &addresses {
            let (served, leaf) = match self.look_at(call, *address, expected) {
                Ok(seen) => seen,
                Err(obstacle) => return Ok(Look::NotYet(obstacle)),
            };
            if let Err(why) = &served.trust {
                return Err(self.refused_by_clients(*address, why));
            }
            first.get_or_insert((served, leaf));
        }
        Ok(match first {
            None => Look::NotYet(Obstacle::NoAddress("the name has no address".to_owned())),
            Some((served, leaf)) => Look::Done(Proof {
                server_name: self.server_name.clone(),
                host: self.host.clone(),
                addresses: addresses.iter().map(ToString::to_string).collect(),
                fingerprint: leaf.fingerprint(),
                valid_until: leaf.not_after.to_string(),
                protocol: served.protocol,
            }),
        })
    }

    fn look_at(
        &self,
        call: &Invocation,
        address: SocketAddr,
        expected: &Expected,
    ) -> std::result::Result<(Served, Certificate), Obstacle> {
        let now = call.clock.now();
        let served = probe_address(&self.judge, address, &self.server_name, self.limits, now)
            .map_err(|err| Obstacle::NoHandshake(err.to_string()))?;
        let Some(leaf) = served.chain.first().cloned() else {
            return Err(Obstacle::NoHandshake(format!("{address}: no certificate")));
        };
        match expected.differs(&leaf) {
            Some(why) => Err(Obstacle::OtherCertificate { address, why }),
            None => Ok((served, leaf)),
        }
    }

    /// Every address: an ingress has several, and each has to serve the certificate.
    fn addresses(&self) -> std::result::Result<Vec<SocketAddr>, Obstacle> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        match (&self.resolver, bare.parse::<std::net::IpAddr>()) {
            (_, Ok(address)) => Ok(vec![SocketAddr::new(address, self.port)]),
            (Some(resolver), _) => match resolver.addresses(&self.host) {
                Ok(addresses) if addresses.is_empty() => Err(Obstacle::NoAddress(format!(
                    "{} has no address in DNS",
                    self.host
                ))),
                Ok(addresses) => Ok(addresses
                    .into_iter()
                    .map(|address| SocketAddr::new(address, self.port))
                    .collect()),
                Err(err) => Err(Obstacle::Resolver(err.to_string())),
            },
            (None, _) => match (self.host.as_str(), self.port).to_socket_addrs() {
                Ok(addresses) => Ok(addresses.collect()),
                Err(err) => Err(Obstacle::NoAddress(format!(
                    "{} has no address: {err}",
                    self.host
                ))),
            },
        }
    }

    fn refused_by_clients(&self, address: SocketAddr, why: &Distrust) -> Error {
        let advice = match why {
            Distrust::UnknownIssuer { .. } => {
                "A test CA's root is trusted with CA_BUNDLE; if the CA is public, its intermediate certificates are \
                 missing on the ingress: deploy again with the CA file."
            }
            _ => "Issue a certificate that clients accept, and deploy that.",
        };
        Error::new(
            Kind::Unproved,
            format!(
                "{}: {address} serves the certificate, but clients would refuse it: {why}",
                self.server_name
            ),
        )
        .advise(advice)
    }

    fn not_proved(&self, obstacle: &Obstacle) -> Error {
        let advice = match obstacle {
            Obstacle::NoAddress(_) => format!(
                "`cloudhub_v2 dns DOMAIN` shows the DNS record that is missing. Until it is there, name the ingress with \
                 --connect HOST:PORT{}.",
                if self.server_name.starts_with(PROBED_LABEL) {
                    ", or a name below the wildcard that is in DNS with --server-name"
                } else {
                    ""
                }
            ),
            Obstacle::Resolver(_) | Obstacle::NoHandshake(_) | Obstacle::OtherCertificate { .. } => {
                "The ingress may need longer: try again with a longer --timeout. If it stays so, `cloudhub_v2 dns DOMAIN` \
                 shows whether DNS leads to the private space, and `cloudhub_v2 list` whether another TLS context is for \
                 the same domain; a CDN in front of it presents its own certificate."
                    .to_owned()
            }
        };
        Error::new(
            Kind::Unproved,
            format!(
                "{}: no proof after {} s that the certificate is served: {obstacle}",
                self.server_name,
                self.timeout.as_secs()
            ),
        )
        .advise(advice)
    }
}
