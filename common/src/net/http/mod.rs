//! One blocking HTTP client for every API: deadlines, retries, size limit, strict JSON.

pub mod rate_limiter;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Remote, Result};
use crate::log::Log;
use crate::net::http::rate_limiter::RateLimiter;
use crate::net::network::Network;
use crate::net::tls;
use crate::secret::{self, Secret};
use crate::system::clock::SharedClock;

/// A larger answer is not one of these APIs'.
const LARGEST_BODY: u64 = 8 * 1024 * 1024;

/// How much of an answer that is not understood is shown.
const EXCERPT: usize = 200;

/// Waits before the second, third, … attempt; jitter is taken off.
const BACKOFF: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

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
    log: Log,
}

/// Whether a request may be sent a second time without looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice is the same as sending it once.
    Freely,
    /// Only when it surely was not executed.
    IfNotExecuted,
    /// Not at all: what the first attempt brings is the answer.
    Never,
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
        let client = Client::builder()
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

    fn left(&self) -> Duration {
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
        let mut waits = BACKOFF.iter();
        // Set once an attempt may have been executed: a later refusal does not take that back.
        let mut effect_unknown = false;
        let mut previous = None;
        loop {
            let left = http.left();
            if left.is_zero() {
                // What went wrong before says more than that there is no time to try again.
                return match previous {
                    Some(failure) => http.give_up(failure, &method, &path, effect_unknown),
                    None => Err(http.too_late(&method, &path, effect_unknown)),
                };
            }
            let attempt = builder.try_clone().ok_or_else(|| {
                Error::new(Kind::Config, format!("{method} {path} cannot be repeated"))
            })?;
            let attempt = attempt.timeout(left.min(http.request_timeout));
            if let Some(limiter) = &http.rate_limiter {
                limiter.wait(&http.clock);
            }
            let started = http.clock.elapsed();
            let outcome = attempt.send().map_err(Broken::from).and_then(Reply::read);
            let took = http.clock.elapsed().saturating_sub(started);
            if let Some(limiter) = &http.rate_limiter {
                limiter.answered(&http.clock, took);
            }
            let took = took.as_millis();
            match &outcome {
                Ok(reply) => http
                    .log
                    .trace(format!("{method} {path} → {} ({took} ms)", reply.status)),
                Err(broken) => http
                    .log
                    .trace(format!("{method} {path} → {broken} ({took} ms)")),
            }
            if repeat == Repeat::Never {
                return outcome.map_err(|broken| broken.into_error(http, &method, &path));
            }
            let (pause, failure) = match outcome {
                Ok(reply) if !reply.is_temporary() => return Ok(reply.marked(effect_unknown)),
                Ok(reply) => {
                    let executed = reply.status != StatusCode::TOO_MANY_REQUESTS;
                    effect_unknown |= executed && repeat == Repeat::IfNotExecuted;
                    if executed && repeat == Repeat::IfNotExecuted {
                        return Ok(reply.marked(true));
                    }
                    (reply.retry_after(http.clock.now()), Ok(reply))
                }
                Err(broken) => {
                    let executed = !broken.before_sending;
                    effect_unknown |= executed && method != Method::GET;
                    if executed && repeat == Repeat::IfNotExecuted {
                        return Err(broken
                            .into_error(http, &method, &path)
                            .with_unknown_effect());
                    }
                    (None, Err(broken))
                }
            };
            let Some(backoff) = waits.next() else {
                return http.give_up(failure, &method, &path, effect_unknown);
            };
            let pause = pause.unwrap_or_else(|| jittered(*backoff));
            if pause >= http.left() {
                return http.give_up(failure, &method, &path, effect_unknown);
            }
            http.log.debug(format!(
                "{method} {path}: trying again in {:.1} s",
                pause.as_secs_f32()
            ));
            http.clock.sleep(pause);
            previous = Some(failure);
        }
    }
}

/// An attempt that brought no whole answer.
#[derive(Debug)]
struct Broken {
    before_sending: bool,
    reason: String,
    too_large: bool,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl From<reqwest::Error> for Broken {
    fn from(err: reqwest::Error) -> Self {
        Self {
            before_sending: err.is_connect() || err.is_builder(),
            reason: innermost(&err.without_url()),
            too_large: false,
        }
    }
}

impl Broken {
    fn into_error(self, http: &Http, method: &Method, path: &str) -> Error {
        let host = http.base.host_str().unwrap_or_default();
        if self.too_large {
            return Error::new(
                Kind::Unreachable,
                format!("{host} answered {method} {path} with more than 8 MiB"),
            );
        }
        let (what, advice) = if self.before_sending {
            (
                format!("{host} cannot be reached: {}", self.reason),
                "Check the network, DNS, HTTPS_PROXY and the address; behind a proxy with a certificate of its own, \
                 set CA_BUNDLE.",
            )
        } else {
            (
                format!(
                    "{host} gave no whole answer to {method} {path}: {}",
                    self.reason
                ),
                "Try again later.",
            )
        };
        Error::new(Kind::Unreachable, what).advise(advice)
    }
}

impl Http {
    fn give_up(
        &self,
        failure: std::result::Result<Reply, Broken>,
        method: &Method,
        path: &str,
        effect_unknown: bool,
    ) -> Result<Reply> {
        match failure {
            Ok(reply) => Ok(reply.marked(effect_unknown)),
            Err(broken) => {
                let err = broken.into_error(self, method, path);
                Err(if effect_unknown {
                    err.with_unknown_effect()
                } else {
                    err
                })
            }
        }
    }

    fn too_late(&self, method: &Method, path: &str, effect_unknown: bool) -> Error {
        let host = self.base.host_str().unwrap_or_default();
        let err = Error::new(
            Kind::Unreachable,
            format!(
                "{host}: no time left for {method} {path}, the limit is {} s for everything",
                self.limit.as_secs()
            ),
        )
        .advise("Try again later, or allow more with --deadline (ANYPOINT_HOOKS_DEADLINE).");
        if effect_unknown {
            err.with_unknown_effect()
        } else {
            err
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    from: String,
    effect_unknown: bool,
}

impl Reply {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Whether the status is a 2xx.
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether an earlier attempt, or this one, may have been executed although it was answered with a failure.
    pub fn effect_unknown(&self) -> bool {
        self.effect_unknown
    }

    /// A header, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON, whatever the status.
    ///
    /// # Errors
    ///
    /// Unreachable: it is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|err| self.not_understood(&err))
    }

    /// The body as JSON where the status is a 2xx.
    ///
    /// # Errors
    ///
    /// Those of [`Reply::error`] with `remote`, and of [`Reply::json`].
    pub fn into_json<T: DeserializeOwned>(
        self,
        remote: impl FnOnce(&Reply) -> Remote,
    ) -> Result<T> {
        if self.is_success() {
            self.json()
        } else {
            let said = remote(&self);
            Err(self.error(said))
        }
    }

    /// The error that this refusal is, its kind by the status.
    pub fn error(&self, said: Remote) -> Error {
        let kind = match self.status.as_u16() {
            401 | 403 => Kind::Credentials,
            404 => Kind::NotFound,
            408 | 425 | 429 | 500..=599 => Kind::Unreachable,
            _ => Kind::Refused,
        };
        let mut err = Error::new(kind, format!("{} refused with {said}", self.from)).said(said);
        if let Some(to) = self
            .header("location")
            .filter(|_| self.status.is_redirection())
        {
            err = Error::new(
                Kind::Refused,
                format!(
                    "{} redirects to {}, which is not followed",
                    self.from,
                    excerpt(to)
                ),
            )
            .advise("Check the address of the API.");
        } else if self.status == StatusCode::TOO_MANY_REQUESTS {
            err = err.advise("Too many requests in a short time: try again later.");
        } else if kind == Kind::Unreachable {
            err = err.advise("The service has a problem of its own: try again later.");
        }
        if self.effect_unknown {
            err = err.with_unknown_effect();
        }
        err
    }

    /// What a body that is no JSON of the API says: a short excerpt, secrets masked.
    pub fn remote_text(&self) -> Remote {
        let text = String::from_utf8_lossy(&self.body);
        let shown = if text.trim_start().starts_with('<') {
            "an HTML page instead of JSON".to_owned()
        } else {
            excerpt(&text)
        };
        Remote {
            status: Some(self.status.as_u16()),
            code: None,
            message: shown,
        }
    }

    fn not_understood(&self, err: &serde_json::Error) -> Error {
        let what = if self.body.is_empty() {
            format!(
                "{} answered {} without a body",
                self.from,
                self.status.as_u16()
            )
        } else if err.is_data() {
            // The message quotes values, which may be secrets that were never seen before.
            format!(
                "{} answered {} with JSON of an unexpected form (line {}, column {})",
                self.from,
                self.status.as_u16(),
                err.line(),
                err.column()
            )
        } else {
            let what = if self.body.trim_ascii_start().starts_with(b"<") {
                "an HTML page"
            } else {
                "something that is not JSON, or cut off"
            };
            format!(
                "{} answered {} with {what}",
                self.from,
                self.status.as_u16()
            )
        };
        Error::new(Kind::Unreachable, what)
            .advise("Something between here and the service may have answered instead, as a proxy or a login page; check the address, else try again later.")
    }

    fn marked(mut self, effect_unknown: bool) -> Self {
        self.effect_unknown |= effect_unknown;
        self
    }

    fn read(response: Response) -> std::result::Result<Self, Broken> {
        let status = response.status();
        let headers = response.headers().clone();
        let from = response.url().host_str().unwrap_or_default().to_owned();
        let mut body = Vec::new();
        response
            .take(LARGEST_BODY + 1)
            .read_to_end(&mut body)
            .map_err(|err| Broken {
                before_sending: false,
                reason: innermost(&err),
                too_large: false,
            })?;
        if body.len() as u64 > LARGEST_BODY {
            return Err(Broken {
                before_sending: false,
                reason: "more than 8 MiB".to_owned(),
                too_large: true,
            });
        }
        Ok(Self {
            status,
            headers,
            body,
            from,
            effect_unknown: false,
        })
    }

    /// Statuses after which the same request may succeed. 52x and 530 are Cloudflare's edge.
    fn is_temporary(&self) -> bool {
        matches!(
            self.status.as_u16(),
            408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=527 | 530
        )
    }

    /// What `Retry-After` (seconds or a date), else `Ratelimit`, asks for.
    fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        let Some(text) = self.headers.get(RETRY_AFTER) else {
            return self.header("ratelimit").and_then(exhausted);
        };
        let text = text.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let now = std::time::SystemTime::try_from(now).ok()?;
        Some(date.duration_since(now).unwrap_or(Duration::ZERO))
    }
}

/// How long until requests are allowed again, where a `Ratelimit` header says that none are left.
///
/// The form is that of Cloudflare: items such as `"default";r=0;t=120`, separated by commas; `r` requests are left, and
/// the count starts anew in `t` seconds.
pub fn exhausted(header: &str) -> Option<Duration> {
    header
        .split(',')
        .filter_map(|item| {
            let number = |name: &str| -> Option<u64> {
                item.split(';')
                    .find_map(|part| part.trim().strip_prefix(name)?.parse().ok())
            };
            (number("r=")? == 0).then(|| number("t="))?
        })
        .max()
        .map(Duration::from_secs)
}

/// A text cut to a length, on one line, secrets masked.
pub fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = secret::mask(&line);
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
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

/// The address of an API: http or https, with a host, without query. A host alone means https.
fn base_url(text: &str) -> Result<Url> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    Url::parse(full.trim())
        .ok()
        .filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        })
        .ok_or_else(|| {
            Error::config(format!(
                "{text:?} is not the address of an API, as https://HOST"
            ))
        })
}

/// Equal waits of many machines would meet again, so up to half is taken off.
fn jittered(wait: Duration) -> Duration {
    // The hasher's seed is random in each call and costs no dependency.
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0) % 1000;
    wait - wait / 2 * u32::try_from(random).unwrap_or(0) / 1000
}

fn innermost(err: &(dyn std::error::Error + 'static)) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    excerpt(&text)
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
        assert!(base_url("https://").is_err());
    }

    #[test]
    fn a_segment_cannot_leave_its_path() {
        assert_eq!(segment("../a b?c#d/é"), "..%2Fa%20b%3Fc%23d%2F%C3%A9");
    }

    #[test]
    fn a_rate_limit_without_requests_left_tells_how_long_to_wait() {
        assert_eq!(exhausted("\"default\";r=1100;t=120"), None);
        assert_eq!(
            exhausted("\"default\";r=0;t=120"),
            Some(Duration::from_secs(120))
        );
        assert_eq!(
            exhausted("\"a\";r=3;t=9, \"b\"; r=0; t=7"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(exhausted("nonsense"), None);
    }

    #[test]
    fn jitter_only_shortens() {
        for _ in 0..100 {
            let wait = jittered(Duration::from_secs(4));
            assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&wait));
        }
    }
}
