//! The client of an API, and a request that is being put together and sent.

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder, RequestBuilder};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::log::Log;
use crate::net::http::rate_limiter::RateLimiter;
use crate::net::http::reply::{Broken, Reply};
use crate::net::http::retry::{self, Attempt, Happened, Next, Repeat};
use crate::net::network::Network;
use crate::net::route::has_route;
use crate::net::tls;
use crate::secret::{Secret, without_credentials};
use crate::system::clock::SharedClock;
use crate::system::signals::interrupted;

/// A client for one API.
///
/// Clones share connections. Each has a deadline of its own, which starts when it is made: see [`Http::for_target`].
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: Url,
    headers: HeaderMap,
    deadline: Duration,
    limit: Duration,
    request_timeout: Duration,
    clock: SharedClock,
    rate_limiter: Option<Arc<dyn RateLimiter>>,
    asked_wait: fn(&Reply) -> Option<Duration>,
    log: Log,
}

impl Http {
    /// A client for the API at `base`. `program` and its version are the `User-Agent` unless another is set.
    ///
    /// # Errors
    ///
    /// Configuration: the address is no URL, or a file of certificates cannot be read.
    pub fn new(
        program: &str,
        base: &str,
        network: &Network,
        clock: SharedClock,
        log: &Log,
    ) -> Result<Self> {
        Self::build(program, base, network, clock, log, |client| client)
    }

    /// Clients that connect anew for each request: one for each address that the host of `base` has, or a single one
    /// where a proxy chooses. Addresses that this machine has no route to are left out if there are others. With
    /// `connect`, the addresses of that host, at that port, past any proxy.
    ///
    /// # Errors
    ///
    /// As [`Http::new`]; unreachable: the host has no address.
    pub fn for_each_address(
        program: &str,
        base: &str,
        network: &Network,
        clock: &SharedClock,
        log: &Log,
        connect: Option<(&str, u16)>,
    ) -> Result<Vec<(Option<SocketAddr>, Self)>> {
        let url = base_url(base)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let addresses: Vec<Option<SocketAddr>> = match connect {
            Some((host, port)) => addresses_of(host, port)?.into_iter().map(Some).collect(),
            None if network.proxies.are_for(&url) => vec![None],
            None => addresses_of(&host, url.port_or_known_default().unwrap_or(443))?
                .into_iter()
                .map(Some)
                .collect(),
        };
        addresses
            .into_iter()
            .map(|address| {
                let http = Self::build(program, base, network, clock.clone(), log, |client| {
                    let fresh = client.pool_max_idle_per_host(0);
                    let fresh = match connect {
                        Some(_) => fresh.no_proxy(),
                        None => fresh,
                    };
                    match address {
                        Some(address) => fresh.resolve(&host, address),
                        None => fresh,
                    }
                })?;
                Ok((address, http))
            })
            .collect()
    }

    fn build(
        program: &str,
        base: &str,
        network: &Network,
        clock: SharedClock,
        log: &Log,
        connect: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self> {
        let base = base_url(base)?;
        network.proxies.check(&base)?;
        let tls = tls::client_config(&network.trust)?;
        if network.trust.insecure {
            log.warn("certificates of servers are not verified (HTTPS_INSECURE)");
        }
        let agent = network.user_agent.clone().unwrap_or_else(|| {
            format!(
                "{program}/{} (anypoint-acme-hooks)",
                env!("CARGO_PKG_VERSION")
            )
        });
        let client = connect(Client::builder())
            .tls_backend_preconfigured(tls)
            .user_agent(agent)
            .connect_timeout(network.connect_timeout)
            // Credentials must never follow a redirect to another host, and these APIs do not redirect.
            .redirect(Policy::none())
            .build()
            .map_err(|err| Error::config("the HTTP client cannot be set up").caused_by(err))?;
        Ok(Self {
            client,
            base,
            headers: HeaderMap::new(),
            deadline: clock.elapsed() + network.deadline,
            limit: network.deadline,
            request_timeout: network.request_timeout,
            clock,
            rate_limiter: None,
            asked_wait: |_| None,
            log: log.clone(),
        })
    }

    /// The same client with a header on every request. The value is never shown.
    ///
    /// # Errors
    ///
    /// Configuration: the value holds a character that no header can carry.
    pub fn with_header(&self, name: &'static str, value: &Secret) -> Result<Self> {
        let mut header = HeaderValue::from_str(value.expose()).map_err(|_| {
            Error::config(format!(
                "the value for the header {name} holds a line break or another control character"
            ))
            .advise("Look for a stray newline, blank or quotation mark in the credential.")
        })?;
        header.set_sensitive(true);
        let mut with = self.clone();
        with.headers.insert(HeaderName::from_static(name), header);
        Ok(with)
    }

    /// The same client, whose requests `rate_limiter` delays.
    #[must_use]
    pub fn limited_by(mut self, rate_limiter: Arc<dyn RateLimiter>) -> Self {
        self.rate_limiter = Some(rate_limiter);
        self
    }

    /// The same client for an API that tells in a way of its own how long to wait before the next attempt.
    /// `Retry-After` counts first.
    #[must_use]
    pub fn with_asked_wait(mut self, asked_wait: fn(&Reply) -> Option<Duration>) -> Self {
        self.asked_wait = asked_wait;
        self
    }

    /// The same client with a fresh deadline, for the next target.
    #[must_use]
    pub fn for_target(&self) -> Self {
        let mut fresh = self.clone();
        fresh.deadline = self.clock.elapsed() + self.limit;
        fresh
    }

    /// The address of the API.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The clock that waits are made with.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Where requests are told.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Begins a request. `path` is relative to the base address; its variable parts must be encoded.
    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        let repeat = if method == Method::POST {
            Repeat::IfNotExecuted
        } else {
            Repeat::Freely
        };
        let url = format!(
            "{}/{}",
            self.base.as_str().trim_end_matches('/'),
            path.trim_start_matches('/')
        );
        Request {
            http: self,
            builder: self
                .client
                .request(method.clone(), url)
                .headers(self.headers.clone()),
            method,
            path: path.to_owned(),
            repeat,
        }
    }

    /// Begins a `GET`.
    pub fn get(&self, path: &str) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// Begins a `POST`. It is not repeated when it may have been executed: see [`Error::effect_unknown`].
    pub fn post(&self, path: &str) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// How much of the deadline is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.elapsed())
    }
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Request<'a> {
    http: &'a Http,
    builder: RequestBuilder,
    method: Method,
    path: String,
    repeat: Repeat,
}

impl Request<'_> {
    /// Adds query parameters.
    #[must_use]
    pub fn query(mut self, query: &[(&str, &str)]) -> Self {
        self.builder = self.builder.query(query);
        self
    }

    /// Adds a JSON body. It is never shown.
    #[must_use]
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        self.builder = self.builder.json(body);
        self
    }

    /// Adds a body of another type. It is never shown.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.builder = self
            .builder
            .header(reqwest::header::CONTENT_TYPE, content_type)
            .body(body);
        self
    }

    /// Adds a header that holds no secret.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Says whether the request may be repeated without looking.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Sends the request, and repeats it as allowed until there is an answer that is worth reading or the deadline has
    /// passed. An answer of any status is a success here; [`Reply::error`] makes an error of one.
    ///
    /// # Errors
    ///
    /// Unreachable: no answer. [`Error::effect_unknown`] tells whether the request may have been executed.
    pub fn send(self) -> Result<Reply> {
        let Request {
            http,
            builder,
            method,
            path,
            repeat,
        } = self;
        let mut effect_unknown = false;
        let mut previous = None;
        let mut limited_for = None;
        for number in 1.. {
            let left = http.left();
            if left.is_zero() {
                break;
            }
            let attempt = builder.try_clone().ok_or_else(|| {
                Error::new(Kind::Config, format!("{method} {path} cannot be repeated"))
            })?;
            if let Some(limiter) = &http.rate_limiter
                && let Err(wait) = limiter.wait(&http.clock, left)
            {
                limited_for = Some(wait);
                break;
            }
            // The wait has taken some of it.
            let attempt = attempt.timeout(http.left().min(http.request_timeout));
            let outcome = http.attempt(attempt, &method, &path);
            let judgment = retry::judge(&Attempt {
                happened: http.happened(&outcome),
                repeat,
                changes: method != Method::GET,
                number,
                left: http.left(),
                random: random(),
            });
            effect_unknown |= judgment.effect_unknown;
            match judgment.next {
                Next::Return | Next::GiveUp => {
                    return http.concluded(outcome, &method, &path, effect_unknown);
                }
                Next::Wait(_) if interrupted() => {
                    return http.concluded(outcome, &method, &path, effect_unknown);
                }
                Next::Wait(pause) => {
                    http.log.debug(format!(
                        "{method} {path}: trying again in {:.1} s",
                        pause.as_secs_f32()
                    ));
                    http.clock.sleep(pause);
                    if interrupted() {
                        return http.concluded(outcome, &method, &path, effect_unknown);
                    }
                    previous = Some(outcome);
                }
            }
        }
        match previous {
            // What went wrong before says more than that there is no time to try again.
            Some(outcome) => http.concluded(outcome, &method, &path, effect_unknown),
            None => Err(http.too_late(&method, &path, limited_for)),
        }
    }
}

impl Http {
    fn attempt(
        &self,
        request: RequestBuilder,
        method: &Method,
        path: &str,
    ) -> std::result::Result<Reply, Broken> {
        let started = self.clock.elapsed();
        let outcome = request.send().map_err(Broken::from).and_then(Reply::read);
        let took = self.clock.elapsed().saturating_sub(started);
        if let Some(limiter) = &self.rate_limiter {
            limiter.answered(&self.clock, took);
        }
        let took = took.as_millis();
        match &outcome {
            Ok(reply) => self
                .log
                .trace(format!("{method} {path} → {} ({took} ms)", reply.status())),
            Err(broken) => self
                .log
                .trace(format!("{method} {path} → {broken} ({took} ms)")),
        }
        outcome
    }

    fn happened(&self, outcome: &std::result::Result<Reply, Broken>) -> Happened {
        match outcome {
            Ok(reply) => Happened::Answered {
                status: reply.status(),
                asked: reply
                    .retry_after(self.clock.now())
                    .or_else(|| (self.asked_wait)(reply)),
            },
            Err(broken) if broken.is_before_sending() => Happened::BrokenBeforeSending,
            Err(_) => Happened::BrokenAfterwards,
        }
    }

    fn concluded(
        &self,
        outcome: std::result::Result<Reply, Broken>,
        method: &Method,
        path: &str,
        effect_unknown: bool,
    ) -> Result<Reply> {
        match outcome {
            Ok(reply) => Ok(reply.marked(effect_unknown)),
            Err(broken) => {
                let err = broken.into_error(self.host(), method, path);
                Err(if effect_unknown {
                    err.with_unknown_effect()
                } else {
                    err
                })
            }
        }
    }

    /// `limited_for` is how long the rate limit lets nothing through.
    fn too_late(&self, method: &Method, path: &str, limited_for: Option<Duration>) -> Error {
        let why = limited_for.map_or_else(
            || "no time left".to_owned(),
            |wait| {
                let seconds = wait.as_secs_f32().ceil();
                format!("the rate limit allows no more requests for {seconds} s, too long to wait")
            },
        );
        Error::new(
            Kind::Unreachable,
            format!(
                "{}: {why} for {method} {path}, the limit is {} s for everything",
                self.host(),
                self.limit.as_secs()
            ),
        )
        .advise("Try again later, or allow more with --deadline (ANYPOINT_HOOKS_DEADLINE).")
    }

    fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }
}

fn addresses_of(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, port).to_socket_addrs().map_err(|err| {
        Error::new(Kind::Unreachable, format!("{host} has no address")).caused_by(err)
    })?;
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let with_a_route: Vec<SocketAddr> = all
        .iter()
        .copied()
        .filter(|address| has_route(*address))
        .collect();
    match (with_a_route.is_empty(), all.is_empty()) {
        (false, _) => Ok(with_a_route),
        (true, false) => Ok(all),
        (true, true) => Err(Error::new(
            Kind::Unreachable,
            format!("{host} has no address"),
        )),
    }
}

/// A number from 0 to 999. The hasher's seed is random in each call and costs no dependency.
fn random() -> u32 {
    u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or(0)
}

/// Encodes one path segment.
pub fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The address of an API: http or https, with a host, without query and credentials. A host alone means https.
///
/// # Errors
///
/// Configuration: it is not such an address.
pub fn base_url(text: &str) -> Result<Url> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let url = Url::parse(full.trim())
        .ok()
        .filter(|url| {
            // As a host, these are a scheme that was misspelled.
            let host = url
                .host_str()
                .filter(|host| !matches!(*host, "http" | "https"));
            matches!(url.scheme(), "http" | "https") && host.is_some() && url.query().is_none()
        })
        .ok_or_else(|| {
            Error::config(format!(
                "{:?} is not the address of an API, as https://HOST",
                without_credentials(text)
            ))
        })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::config(format!(
            "{:?} holds a user name or password, which the API does not take there",
            without_credentials(text)
        ))
        .advise("Give the address alone: what requests are authorized by is set elsewhere."));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_means_https() {
        assert_eq!(
            base_url("eu1.anypoint.mulesoft.com").unwrap().as_str(),
            "https://eu1.anypoint.mulesoft.com/"
        );
        assert!(base_url("ftp://x").is_err());
        for text in ["https://", "https:/acme.example", "https//acme.example"] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_refused_and_not_shown() {
        for text in [
            "https://user:canary-url-1@acme.example/v4",
            "https://user:canary url-2@acme.example/v4?x",
            "user:canary-url-3@acme.example",
            "ftp://user:canary-url-4@acme.example",
        ] {
            let err = base_url(text).unwrap_err().to_string();
            assert!(
                err.contains("***@acme.example") && !err.contains("canary"),
                "{err}"
            );
        }
    }

    #[test]
    fn a_host_has_each_of_its_addresses_once() {
        assert_eq!(
            addresses_of("127.0.0.1", 8443).unwrap(),
            ["127.0.0.1:8443".parse().unwrap()]
        );
        assert_eq!(
            addresses_of("[::1]", 443).unwrap(),
            ["[::1]:443".parse().unwrap()]
        );
        assert!(addresses_of("no-such-host.invalid", 443).is_err());
    }

    #[test]
    fn a_segment_cannot_leave_its_path() {
        assert_eq!(segment("../a b?c#d/é"), "..%2Fa%20b%3Fc%23d%2F%C3%A9");
    }
}
