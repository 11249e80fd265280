//! Proving by a handshake that the world is served a certificate.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use common::anypoint::tls_contexts::TlsContext;
use common::cert::Certificate;
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::net::dns::Resolver;
use common::net::tls::{Judge, Limits, Served, probe_address};
use common::settings::Settings;
use common::system::clock::{self, SharedClock};
use common::system::environment::Env;
use common::system::files;
use serde::Serialize;

use crate::args::{Args, ConnectArgs, VerifyArgs};
use crate::compare::{self, canonical};
use crate::deploy::context_name;
use crate::material::is_our_file_name;
use crate::targets::{self, Target};

/// Where HTTPS is.
const PORT: u16 = 443;

/// The largest certificate file.
const LARGEST: u64 = 1024 * 1024;

/// Pauses between two looks at the ingress; the last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// The certificate that has to be served, as far as it is known.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The certificate itself.
    Whole(Box<Certificate>),
    /// What the platform tells of the one that is deployed.
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

/// Enough of a fingerprint to tell two certificates apart by eye.
fn short(fingerprint: &str) -> String {
    format!("SHA-256 {}…", fingerprint.get(..16).unwrap_or(fingerprint))
}

/// How to look at an ingress.
#[derive(Debug)]
pub(crate) struct Probe {
    judge: Judge,
    limits: Limits,
    clock: SharedClock,
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
            "{} is served its certificate at {} ({}): SHA-256 {}, valid until {}, chain trusted",
            self.server_name,
            self.host,
            self.addresses.join(", "),
            self.fingerprint,
            self.valid_until
        )
    }
}

/// Why there is no proof.
enum Problem {
    /// It may be gone at the next look.
    Passing(String),
    /// Waiting changes nothing.
    Lasting(String),
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Passing(text)
    }
}

impl Probe {
    /// How to look at what is served for `domain`. The host comes from DNS unless another is named.
    pub(crate) fn new(settings: &Settings, connect: &ConnectArgs, domain: &str) -> Result<Self> {
        let server_name = match &connect.server_name {
            Some(name) => canonical(name),
            // Any name below a wildcard is served the same; this one tells a log reader who asked.
            None => canonical(domain).replacen("*.", "cloudhub-v2-verify.", 1),
        };
        let (host, port) = match &connect.connect {
            Some(text) => host_and_port(text)?,
            None => (server_name.clone(), PORT),
        };
        let network = settings.network()?;
        let judge = Judge::new(&network.trust)
            .map_err(|err| Error::config(err.to_string()).caused_by(err))?;
        Ok(Self {
            judge,
            limits: Limits {
                connect: network.connect_timeout,
                handshake: network.connect_timeout,
            },
            clock: clock::system(),
            server_name,
            host,
            port,
            resolver: (!connect.resolver.is_empty())
                .then(|| Resolver::new(connect.resolver.clone())),
            timeout: connect.timeout,
        })
    }

    /// Looks until every address of the ingress serves what is expected.
    pub(crate) fn prove(&self, expected: &Expected, out: &Output) -> Result<Proof> {
        let progress = out.progress(format!(
            "waiting for {} to serve the certificate",
            self.host
        ));
        let start = self.clock.elapsed();
        let mut pauses = PAUSES.iter();
        let mut pause = PAUSES[0];
        loop {
            let problem = match self.look(expected) {
                Ok(proof) => return Ok(proof),
                Err(Problem::Lasting(problem)) => return Err(self.refused_by_clients(&problem)),
                Err(Problem::Passing(problem)) => problem,
            };
            let left = self
                .timeout
                .saturating_sub(self.clock.elapsed().saturating_sub(start));
            if left.is_zero() {
                return Err(self.not_proved(&problem));
            }
            progress.tick(self.timeout, &problem);
            out.debug(format!("{}: {problem}", self.host));
            pause = pauses.next().copied().unwrap_or(pause);
            self.clock.sleep(pause.min(left));
        }
    }

    fn look(&self, expected: &Expected) -> std::result::Result<Proof, Problem> {
        let addresses = self.addresses()?;
        let mut first: Option<Served> = None;
        for address in &addresses {
            let now = self.clock.now();
            let served = probe_address(&self.judge, *address, &self.server_name, self.limits, now)
                .map_err(|err| err.to_string())?;
            let leaf = served
                .chain
                .first()
                .ok_or_else(|| format!("{address}: no certificate"))?;
            if let Some(why) = expected.differs(leaf) {
                return Err(Problem::Passing(format!("{address} serves {why}")));
            }
            served.trust.clone().map_err(|why| {
                Problem::Lasting(format!(
                    "{address} serves the certificate, but clients would refuse it: {why}"
                ))
            })?;
            first.get_or_insert(served);
        }
        let served = first.ok_or_else(|| "the name has no address".to_owned())?;
        let leaf = &served.chain[0];
        Ok(Proof {
            server_name: self.server_name.clone(),
            host: self.host.clone(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            fingerprint: leaf.fingerprint(),
            valid_until: leaf.not_after.to_string(),
            protocol: served.protocol,
        })
    }

    /// Every address: an ingress has several, and each has to serve the certificate.
    fn addresses(&self) -> std::result::Result<Vec<SocketAddr>, String> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        match (&self.resolver, bare.parse::<std::net::IpAddr>()) {
            (_, Ok(address)) => Ok(vec![SocketAddr::new(address, self.port)]),
            (Some(resolver), _) => match resolver.addresses(&self.host) {
                Ok(addresses) if addresses.is_empty() => {
                    Err(format!("{} has no address in the DNS", self.host))
                }
                Ok(addresses) => Ok(addresses
                    .into_iter()
                    .map(|address| SocketAddr::new(address, self.port))
                    .collect()),
                Err(err) => Err(err.to_string()),
            },
            (None, _) => match (self.host.as_str(), self.port).to_socket_addrs() {
                Ok(addresses) => Ok(addresses.collect()),
                Err(err) => Err(format!("{} has no address: {err}", self.host)),
            },
        }
    }

    /// The certificate is there and will not get better by waiting.
    fn refused_by_clients(&self, problem: &str) -> Error {
        let advice = if problem.contains("no trusted root") {
            "A test CA's root is trusted with CA_BUNDLE; if the CA is public, its intermediate certificates are missing \
             on the ingress: deploy again with the CA file."
        } else {
            "Issue a certificate that clients accept, and deploy that."
        };
        Error::new(
            Kind::Unproved,
            format!(
                "{} is not served as it should be: {problem}",
                self.server_name
            ),
        )
        .advise(advice)
    }

    fn not_proved(&self, problem: &str) -> Error {
        let advice = if problem.contains("no address") {
            format!(
                "`cloudhub_v2 dns DOMAIN` tells the DNS record that is missing. Until it is there, name the ingress with \
                 --connect HOST:PORT{}.",
                if self.server_name.starts_with("cloudhub-v2-verify.") {
                    ", or a name below the wildcard that is in DNS with --server-name"
                } else {
                    ""
                }
            )
        } else {
            "The ingress may need longer: look again with a longer --timeout. If it stays so, `cloudhub_v2 dns DOMAIN` \
             tells whether DNS leads to the private space, and `cloudhub_v2 list` whether another TLS context is for \
             the same domain; a CDN in front of it shows its own certificate."
                .to_owned()
        };
        Error::new(
            Kind::Unproved,
            format!(
                "{} is not proved to be served its certificate after {} s: {problem}",
                self.server_name,
                self.timeout.as_secs()
            ),
        )
        .advise(advice)
    }
}

fn host_and_port(text: &str) -> Result<(String, u16)> {
    let wrong = || {
        Error::config(format!(
            "--connect: {text:?} is not HOST, HOST:PORT or [IPV6]:PORT"
        ))
    };
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((text.to_owned(), PORT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
            (host, port.parse().map_err(|_| wrong())?)
        }
        Some(_) if !text.starts_with('[') => return Err(wrong()),
        _ => (text, PORT),
    };
    if host.is_empty() {
        Err(wrong())
    } else {
        Ok((host.to_owned(), port))
    }
}

pub(crate) fn run(
    args: &Args,
    verify: &VerifyArgs,
    env: &Env,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, Some(&verify.domain))?;
    let probe = Probe::new(&settings, &verify.connect, &verify.domain)?;
    let expected = match local(&settings, verify)? {
        Some(certificate) => Expected::Whole(Box::new(certificate)),
        None => Expected::Deployed(Box::new(deployed(args, &settings, &verify.domain, out)?)),
    };
    out.result(&probe.prove(&expected, out)?)?;
    Ok(Outcome::Done)
}

/// The certificate on this machine: the file that was named, else the one in acme.sh's home.
fn local(settings: &Settings, verify: &VerifyArgs) -> Result<Option<Certificate>> {
    match &verify.cert {
        Some(path) => read_leaf(path).map(Some),
        None => match settings.home().and_then(|home| home.find(&verify.domain)) {
            Some(stored) => read_leaf(&stored.certificate()).map(Some),
            None => Ok(None),
        },
    }
}

/// The first certificate of a file.
pub(crate) fn read_leaf(path: &std::path::Path) -> Result<Certificate> {
    let text = files::read_text("the certificate", path, LARGEST)?;
    let mut all = Certificate::parse_all(&text)
        .map_err(|err| Error::config(format!("the certificate {}: {err}", path.display())))?;
    Ok(all.remove(0))
}

/// What the first target that has the domain tells of it.
fn deployed(args: &Args, settings: &Settings, domain: &str, out: &Output) -> Result<TlsContext> {
    let targets = targets::load(settings, &args.target, Some(domain), out)?;
    for target in &targets {
        if let Some(context) = context_of(target, domain)? {
            return Ok(context);
        }
    }
    Err(Error::not_found(format!("no TLS context of the targets is for {domain}")).advise(
        "Deploy it first; or name the certificate to compare with by --cert, or acme.sh's home by --home.",
    ))
}

fn context_of(target: &Target, domain: &str) -> Result<Option<TlsContext>> {
    let place = target.place()?;
    let name = context_name(target, domain);
    Ok(target
        .contexts(&place)?
        .into_iter()
        .filter(|context| compare::belongs(context, domain))
        .max_by_key(|context| context.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_its_port() {
        let parse = |text| host_and_port(text).ok();
        let expect = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(parse("ingress.example"), expect("ingress.example", 443));
        assert_eq!(
            parse("ingress.example:8443"),
            expect("ingress.example", 8443)
        );
        assert_eq!(parse("[::1]:8443"), expect("[::1]", 8443));
        assert_eq!(parse("[::1]"), expect("[::1]", 443));
        assert_eq!(parse("::1"), expect("::1", 443));
        for wrong in ["", "host:", "host:x", ":443", "host:70000"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
