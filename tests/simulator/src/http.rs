//! Requests as the handlers see them, and the answers they give.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

/// A request with its body read.
#[derive(Debug, Clone)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// As sent, percent-encoded, without the query.
    pub path: String,
    /// As sent, without the question mark; empty if there is none.
    pub raw_query: String,
    /// The query's parameters, decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as received.
    pub body: Vec<u8>,
    /// Number of the TLS connection, from 1.
    pub connection: u64,
    /// Where it came from; rate limits per client are counted by it.
    pub client: Option<IpAddr>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The parts of the path after `prefix`, decoded; empty ones are kept, since `//` is not `/`.
    pub fn segments(&self, prefix: &str) -> Vec<String> {
        let rest = self.path.strip_prefix(prefix).unwrap_or(&self.path);
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        rest.split('/')
            .map(|part| {
                percent_encoding::percent_decode_str(part)
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// The body as JSON, or the parser's complaint.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|err| err.to_string())
    }

    /// Whether the content type is JSON.
    pub fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|value| {
            let kind = value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            kind == "application/json" || kind.ends_with("+json")
        })
    }

    /// The body as form fields.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// What a handler gives back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names and values, besides `Content-Length` and `Date`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Set if the request used something that the simulator does not model: a test should fail on it.
    pub unexpected: Option<String>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            unexpected: None,
        }
    }

    /// A JSON answer; fields appear in the order of the struct, on which clients written in shell depend.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Every type answered here has string keys, the one thing serialising to memory can fail on.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self::empty(status)
            .header("Content-Type", "application/json")
            .body(body)
    }

    /// A plain text answer.
    pub fn text(status: u16, text: &str) -> Self {
        Self::empty(status)
            .header("Content-Type", "text/plain; charset=utf-8")
            .body(text.as_bytes().to_vec())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// Marks the request as one that nobody modelled.
    #[must_use]
    pub fn unexpected(mut self, note: impl Into<String>) -> Self {
        self.unexpected = Some(note.into());
        self
    }
}
