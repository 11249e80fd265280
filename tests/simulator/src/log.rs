//! What was asked of the simulator.

use jiff::Timestamp;
use serde::Serialize;

use crate::http::Request;

/// One request, with what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Position in the log, from 1.
    pub number: u64,
    /// When it arrived, in real time.
    pub time: Timestamp,
    /// Number of the TLS connection that carried it, from 1.
    pub connection: u64,
    /// Upper case.
    pub method: String,
    /// As sent, without the query.
    pub path: String,
    /// As sent, without the question mark.
    pub query: String,
    /// Names in lower case. Credentials are in here: this is a simulator.
    pub headers: Vec<(String, String)>,
    /// The body, with anything that is not UTF-8 replaced.
    pub body: String,
    /// Status answered; absent while it is being answered, or if the connection was cut.
    pub status: Option<u16>,
    /// The fault that was applied.
    pub fault: Option<String>,
    /// What the request used that the simulator does not model.
    pub unexpected: Option<String>,
}

impl Entry {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Method and target in one line, as `GET /zones?name=acme.example`.
    pub fn line(&self) -> String {
        let Entry {
            method,
            path,
            query,
            ..
        } = self;
        if query.is_empty() {
            format!("{method} {path}")
        } else {
            format!("{method} {path}?{query}")
        }
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Totals since the start, or since they were last cleared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests, without administration.
    pub requests: u64,
    /// TCP connections accepted.
    pub connections: u64,
    /// TLS handshakes completed.
    pub tls_connections: u64,
    /// TLS handshakes that broke off, for instance because the client does not trust the certificate.
    pub failed_handshakes: u64,
    /// DNS questions.
    pub dns_questions: u64,
}

/// One question to the DNS server.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Question {
    /// In lower case, without the final dot.
    pub name: String,
    /// `TXT`, `A`, …
    pub kind: String,
}

/// The log proper.
#[derive(Debug, Default)]
pub struct Log {
    pub(crate) entries: Vec<Entry>,
    pub(crate) questions: Vec<Question>,
    pub(crate) stats: Stats,
    last_number: u64,
}

impl Log {
    pub(crate) fn begin(&mut self, request: &Request) -> u64 {
        self.last_number += 1;
        self.stats.requests += 1;
        self.entries.push(Entry {
            number: self.last_number,
            time: Timestamp::now(),
            connection: request.connection,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.raw_query.clone(),
            headers: request.headers.clone(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            status: None,
            fault: None,
            unexpected: None,
        });
        self.last_number
    }

    pub(crate) fn finish(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        // The log may have been cleared in the meantime.
        if let Some(entry) = self
            .entries
            .iter_mut()
            .rev()
            .find(|entry| entry.number == number)
        {
            change(entry);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.questions.clear();
        self.stats = Stats::default();
    }
}
