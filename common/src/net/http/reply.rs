//! What one attempt brought: a whole answer or none, and the error that each means.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Remote, Result};
use crate::secret;

/// A larger answer is not one of these APIs'.
const LARGEST_BODY: u64 = 8 * 1024 * 1024;

/// How much of an answer that is not understood is shown.
const EXCERPT: usize = 200;

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

    /// Every line of a header, as far as it is readable.
    pub fn header_lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.headers.get_all(name).into_iter();
        lines.filter_map(|line| line.to_str().ok())
    }

    /// The body as JSON, whatever the status.
    ///
    /// # Errors
    ///
    /// Unreachable: it is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|err| self.not_understood(&err))
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

    pub(super) fn marked(mut self, effect_unknown: bool) -> Self {
        self.effect_unknown |= effect_unknown;
        self
    }

    pub(super) fn read(response: Response) -> std::result::Result<Self, Broken> {
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

    /// The wait that `Retry-After` (seconds or a date) asks for.
    pub(super) fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let now = std::time::SystemTime::try_from(now).ok()?;
        Some(date.duration_since(now).unwrap_or(Duration::ZERO))
    }
}

/// An attempt that brought no whole answer.
#[derive(Debug)]
pub(super) struct Broken {
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
    /// Whether the request surely has not reached the other side.
    pub(super) fn is_before_sending(&self) -> bool {
        self.before_sending
    }

    /// The error that this is, of `host` and a request to it.
    pub(super) fn into_error(self, host: &str, method: &Method, path: &str) -> Error {
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

/// A text cut to a length, on one line, secrets masked.
pub fn excerpt(text: &str) -> String {
    let masked = secret::mask(text);
    let line = masked.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = secret::mask(&line);
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
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
