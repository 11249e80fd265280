//! Proving by a handshake that an ingress serves a certificate.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::Context as _;
use common::anypoint::tls_contexts::TlsContext;
use common::cert::Certificate;
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::net::dns::Resolver;
use common::net::tls::{Distrust, Judge, Limits, Served, probe_address};
use common::net::{has_route, host_and_port};
use common::system::polling::{self, Look, Pauses};
use common::system::workers;
use jiff::Timestamp;
use serde::Serialize;

use crate::compare;
use crate::domain::canonical;
use crate::material::is_our_file_name;
use crate::settings::{self, VERIFY_CONNECT, VERIFY_SERVER_NAME, VERIFY_TIMEOUT};
use crate::target::Target;

/// Where HTTPS is.
const PORT: u16 = 443;

/// What stands for the `*` of a wildcard. Any name below it is served the same; this one shows a log reader who asked.
const PROBED_LABEL: &str = "cloudhub-v2-verify.";

/// The certificate that has to be served, as far as it is known.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The certificate itself.
    Whole(Box<Certificate>),
    /// What the platform reports about the one that is deployed; of several, any, and of none, whatever clients trust.
    Deployed(Vec<TlsContext>),
}

impl Expected {
    /// What is wrong with the certificate that is served, if anything is.
    fn differs(&self, served: &Certificate) -> Option<String> {
        match self {
            Self::Whole(wanted) if **wanted == *served => None,
            Self::Whole(wanted) => Some(another(served, &short(&wanted.fingerprint()))),
            Self::Deployed(contexts) => {
                let mut differences = contexts.iter().map(|context| differs(context, served));
                let first = differences.next()?;
                first.filter(|_| differences.all(|other| other.is_some()))
            }
        }
    }
}

/// What is wrong with `served` where the certificate of `context` should be.
fn differs(context: &TlsContext, served: &Certificate) -> Option<String> {
    let store = &context.key_store;
    let name = store
        .file_name
        .as_deref()
        .filter(|name| is_our_file_name(name));
    if let Some(name) = name {
        let wanted = name.trim_end_matches(".cer");
        let is_it = served.fingerprint().starts_with(wanted);
        return (!is_it).then(|| another(served, &short(wanted)));
    }
    let date = store.expiration_date.as_deref().map(compare::date);
    let day = served.not_after.strftime("%Y-%m-%d").to_string();
    let date = date.filter(|date| *date != day)?;
    Some(another(served, &format!("the one that expires on {date}")))
}

fn another(served: &Certificate, wanted: &str) -> String {
    format!(
        "another certificate ({}, valid until {}) instead of {wanted}",
        short(&served.fingerprint()),
        served.not_after
    )
}

/// Enough of a fingerprint to distinguish two certificates by eye.
fn short(fingerprint: &str) -> String {
    format!("SHA-256 {}…", fingerprint.get(..16).unwrap_or(fingerprint))
}

/// How to prove that a domain's certificate is served.
#[derive(Debug)]
pub(crate) struct Probe {
    judge: Judge,
    limits: Limits,
    server_name: String,
    /// The one place to look at, instead of the targets' ingresses.
    named: Option<Endpoint>,
    resolver: Option<Resolver>,
    timeout: Duration,
    has_route: fn(SocketAddr) -> bool,
}

/// Where a certificate has to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The target whose ingress it is.
    target: Option<String>,
    pub(crate) host: String,
    port: u16,
}

/// What one look at an ingress has shown.
#[derive(Debug)]
pub(crate) enum Seen {
    Served(Proof),
    /// Another certificate, or one that clients refuse.
    NotServed(String),
    /// Nothing was seen.
    Unknown(String),
}

/// What was proved.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Proof {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    server_name: String,
    host: String,
    addresses: Vec<SocketAddr>,
    /// Addresses that this host has no route to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
    /// SHA-256.
    fingerprint: String,
    #[serde(skip)]
    pub(crate) valid_from: Timestamp,
    pub(crate) valid_until: Timestamp,
    protocol: &'static str,
}

impl Proof {
    /// Where it was proved.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = &self.target {
            write!(f, "{target}: ")?;
        }
        write!(
            f,
            "{}: {} ({}) serves the certificate: SHA-256 {}, valid until {}, chain trusted",
            self.server_name,
            self.host,
            shown(&self.addresses).join(", "),
            self.fingerprint,
            self.valid_until
        )?;
        if self.left_out.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "; left out, since this host has no route there: {}",
            self.left_out.join(", ")
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
    /// There are addresses, and no way to any of them.
    NoRoute(String),
    /// The ingress was not reached, or did not complete the handshake.
    NoHandshake(String),
    /// An address serves something else.
    OtherCertificate { address: SocketAddr, why: String },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(why) | Self::Resolver(why) | Self::NoHandshake(why) => f.write_str(why),
            Self::NoRoute(addresses) => write!(f, "this host has no route to {addresses}"),
            Self::OtherCertificate { address, why } => write!(f, "{address} serves {why}"),
        }
    }
}

impl Probe {
    /// How to prove what is served for `domain`, as the settings say.
    pub(crate) fn new(call: &Invocation, domain: &str) -> Result<Self> {
        Self::by(judge(call)?, call, domain)
    }

    /// As [`Probe::new`], with a judge that others share.
    pub(crate) fn by(judge: Judge, call: &Invocation, domain: &str) -> Result<Self> {
        let server_name = match call.settings.text(&VERIFY_SERVER_NAME)? {
            Some(name) => canonical(&name.value),
            None => canonical(domain).replacen("*.", PROBED_LABEL, 1),
        };
        Self::asking(judge, call, &server_name)
    }

    /// How to prove what is served for one name.
    pub(crate) fn for_host(call: &Invocation, server_name: &str) -> Result<Self> {
        Self::asking(judge(call)?, call, server_name)
    }

    fn asking(judge: Judge, call: &Invocation, server_name: &str) -> Result<Self> {
        let settings = &call.settings;
        let named = settings.parsed(&VERIFY_CONNECT, endpoint)?;
        let network = settings.network()?;
        Ok(Self {
            judge,
            limits: Limits {
                connect: network.connect_timeout,
                handshake: network.connect_timeout,
            },
            server_name: server_name.to_owned(),
            named: named.map(|found| found.value),
            resolver: match &settings::resolvers(settings)?[..] {
                [] => None,
                servers => Some(call.resolver(servers)?),
            },
            timeout: settings.duration(&VERIFY_TIMEOUT)?,
            has_route,
        })
    }

    /// Proves it at the place that is named, else where DNS leads.
    pub(crate) fn prove_one(&self, call: &Invocation, expected: &Expected) -> Result<Proof> {
        self.prove_at(call, &self.named_or_dns(None), expected)
    }

    /// Proves it at the target's own ingress, wherever DNS leads: a standby space is proved as well.
    pub(crate) fn prove_target(
        &self,
        call: &Invocation,
        target: &Target,
        expected: &Expected,
    ) -> Result<Proof> {
        let space = target.private_space()?;
        let endpoint = self.ingress(&target.name, space.network.dns_target.as_deref())?;
        self.prove_at(call, &endpoint, expected)
    }

    /// Proves it at the place that is named, else at the ingress of this private space.
    pub(crate) fn prove_ingress(
        &self,
        call: &Invocation,
        space: &str,
        dns_target: Option<&str>,
        expected: &Expected,
    ) -> Result<Proof> {
        let endpoint = match &self.named {
            Some(named) => named.clone(),
            None => self.ingress(space, dns_target)?,
        };
        self.prove_at(call, &endpoint, expected)
    }

    /// The name that is asked for.
    pub(crate) fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The one place that is named, if one is.
    pub(crate) fn named(&self) -> Option<&Endpoint> {
        self.named.as_ref()
    }

    /// The ingress of a private space, which its DNS target leads to.
    pub(crate) fn ingress(&self, space: &str, dns_target: Option<&str>) -> Result<Endpoint> {
        let target = Some(space.to_owned());
        let Some(dns_target) = dns_target else {
            return Ok(self.named_or_dns(target));
        };
        let endpoint = endpoint(dns_target)
            .map_err(|why| Error::config(format!("the DNS target of {space} {why}")))?;
        Ok(Endpoint { target, ..endpoint })
    }

    /// The longest wait.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Proves that `leaf` is served: by every target, or at the one place that is named instead.
    pub(crate) fn prove_everywhere(
        &self,
        call: &Invocation,
        targets: &[Target],
        leaf: &Certificate,
    ) -> Result<Vec<anyhow::Result<Proof>>> {
        let expected = Expected::Whole(Box::new(leaf.clone()));
        if self.named.is_some() {
            return Ok(vec![
                self.prove_one(call, &expected).map_err(anyhow::Error::new),
            ]);
        }
        let workers = settings::workers(&call.settings)?;
        Ok(workers::side_by_side(targets, workers, |target| {
            self.prove_target(call, target, &expected)
                .with_context(|| format!("private space {}", target.name))
        }))
    }

    fn named_or_dns(&self, target: Option<String>) -> Endpoint {
        self.named.clone().unwrap_or_else(|| Endpoint {
            target,
            host: self.server_name.clone(),
            port: PORT,
        })
    }

    /// Looks until every address of the ingress serves what is expected.
    fn prove_at(
        &self,
        call: &Invocation,
        endpoint: &Endpoint,
        expected: &Expected,
    ) -> Result<Proof> {
        let host = &endpoint.host;
        let progress = call.progress(format!("waiting for {host} to serve the certificate"));
        let last = polling::poll(
            call.clock.as_ref(),
            self.timeout,
            Pauses::doubling(Duration::from_millis(500), Duration::from_secs(5)),
            || self.look(call, endpoint, expected),
            |obstacle: &Obstacle| {
                progress.tick(self.timeout, &obstacle.to_string());
                call.log.debug(format!("{host}: {obstacle}"));
            },
        )?;
        match last {
            Look::Done(proof) => Ok(proof),
            Look::NotYet(obstacle) => Err(self.not_proved(&obstacle)),
        }
    }

    /// Looks once, without waiting.
    pub(crate) fn look_once(
        &self,
        call: &Invocation,
        endpoint: &Endpoint,
        expected: &Expected,
    ) -> Seen {
        match self.look(call, endpoint, expected) {
            Ok(Look::Done(proof)) => Seen::Served(proof),
            Ok(Look::NotYet(obstacle @ Obstacle::OtherCertificate { .. })) => {
                Seen::NotServed(obstacle.to_string())
            }
            Ok(Look::NotYet(obstacle)) => Seen::Unknown(obstacle.to_string()),
            Err(refused) => Seen::NotServed(refused.to_string()),
        }
    }

    /// The error is one that waiting does not change.
    fn look(
        &self,
        call: &Invocation,
        endpoint: &Endpoint,
        expected: &Expected,
    ) -> Result<Look<Proof, Obstacle>> {
        let addresses = match self.addresses(endpoint) {
            Ok(addresses) => addresses,
            Err(obstacle) => return Ok(Look::NotYet(obstacle)),
        };
        // Others may reach them: a name has addresses of a family that this host does not have.
        let (addresses, left_out): (Vec<_>, Vec<_>) = addresses
            .into_iter()
            .partition(|address| (self.has_route)(*address));
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
            None if left_out.is_empty() => {
                Look::NotYet(Obstacle::NoAddress("the name has no address".to_owned()))
            }
            None => Look::NotYet(Obstacle::NoRoute(shown(&left_out).join(", "))),
            Some((served, leaf)) => Look::Done(Proof {
                target: endpoint.target.clone(),
                server_name: self.server_name.clone(),
                host: endpoint.host.clone(),
                addresses,
                left_out: shown(&left_out),
                fingerprint: leaf.fingerprint(),
                valid_from: leaf.not_before,
                valid_until: leaf.not_after,
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
    fn addresses(&self, endpoint: &Endpoint) -> std::result::Result<Vec<SocketAddr>, Obstacle> {
        let Endpoint { host, port, .. } = endpoint;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match (&self.resolver, bare.parse::<std::net::IpAddr>()) {
            (_, Ok(address)) => Ok(vec![SocketAddr::new(address, *port)]),
            (Some(resolver), _) => match resolver.addresses(host) {
                Ok(addresses) if addresses.is_empty() => {
                    Err(Obstacle::NoAddress(format!("{host} has no address in DNS")))
                }
                Ok(addresses) => Ok(addresses
                    .into_iter()
                    .map(|address| SocketAddr::new(address, *port))
                    .collect()),
                Err(err) => Err(Obstacle::Resolver(err.to_string())),
            },
            (None, _) => match (host.as_str(), *port).to_socket_addrs() {
                Ok(addresses) => Ok(addresses.collect()),
                Err(err) => Err(Obstacle::NoAddress(format!("{host} has no address: {err}"))),
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
                "`cloudhub_v2 dns DOMAIN` shows the DNS record that has to exist. Name the ingress with CH2_VERIFY_CONNECT \
                 or --connect HOST:PORT, or another name server with --resolver{}.",
                if self.server_name.starts_with(PROBED_LABEL) {
                    ", or a name below the wildcard that is in DNS with --server-name"
                } else {
                    ""
                }
            ),
            Obstacle::NoRoute(_) => {
                "Run it on a host that has, or name another address with --connect HOST:PORT.".to_owned()
            }
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

fn shown(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// Judges by the roots that the settings name.
pub(crate) fn judge(call: &Invocation) -> Result<Judge> {
    let network = call.settings.network()?;
    Judge::new(&network.trust).map_err(|err| Error::config(err.to_string()).caused_by(err))
}

/// Reads `HOST`, `HOST:PORT` or `[IPV6]:PORT`. The error says what is wrong.
fn endpoint(text: &str) -> std::result::Result<Endpoint, String> {
    let (host, port) = host_and_port(text, PORT)?;
    Ok(Endpoint {
        target: None,
        host,
        port,
    })
}
