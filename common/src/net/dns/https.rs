//! One question to one server over HTTPS (RFC 8484).

use std::fmt;
use std::time::Duration;

use hickory_proto::op::Message;
use reqwest::Url;

use crate::error::Result;
use crate::log::Log;
use crate::net::http::{Http, Repeat};
use crate::net::network::Network;
use crate::system::clock::SharedClock;

/// How long one question may take, a new connection included.
pub(super) const ATTEMPT: Duration = Duration::from_secs(5);

const MEDIA_TYPE: &str = "application/dns-message";

/// A name server that is asked over HTTPS. Its own name is looked up by the system.
#[derive(Debug, Clone)]
pub(super) struct HttpsServer {
    http: Http,
    path: String,
    shown: String,
}

impl fmt::Display for HttpsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl HttpsServer {
    /// # Errors
    ///
    /// Those of [`Http::new`].
    pub(super) fn new(
        program: &str,
        url: &Url,
        network: &Network,
        clock: SharedClock,
        log: &Log,
    ) -> Result<Self> {
        let network = Network {
            connect_timeout: network.connect_timeout.min(ATTEMPT),
            request_timeout: ATTEMPT,
            deadline: ATTEMPT,
            ..network.clone()
        };
        let mut base = url.clone();
        base.set_path("/");
        Ok(Self {
            http: Http::new(program, base.as_str(), &network, clock, log)?,
            path: url.path().to_owned(),
            shown: url.to_string(),
        })
    }

    /// Sends a message and reads the one that comes back.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn exchange(&self, question: &Message) -> std::result::Result<Message, String> {
        let bytes = question.to_vec().map_err(|err| err.to_string())?;
        let reply = self
            .http
            .for_target()
            .post(&self.path)
            .header("Accept", MEDIA_TYPE)
            .body(MEDIA_TYPE, bytes)
            // The resolver decides who is asked next.
            .repeat(Repeat::Never)
            .send()
            .map_err(|err| err.to_string())?;
        if !reply.is_success() {
            return Err(format!("it answered with HTTP status {}", reply.status()));
        }
        Message::from_vec(reply.body()).map_err(|_| "what it answered is not DNS".to_owned())
    }
}
