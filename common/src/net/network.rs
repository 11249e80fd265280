//! How the network is used: what a client of an API is made with.

use std::time::Duration;

use crate::net::proxy::Proxies;
use crate::net::tls::Trust;

/// How the network is used.
#[derive(Debug, Clone)]
pub struct Network {
    /// Whom to trust.
    pub trust: Trust,
    /// Limit on making a connection.
    pub connect_timeout: Duration,
    /// Limit on one request.
    pub request_timeout: Duration,
    /// Limit on all requests for one target.
    pub deadline: Duration,
    /// The `User-Agent` header, if another than the program's own is wanted.
    pub user_agent: Option<String>,
    /// The proxies to go through.
    pub proxies: Proxies,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(5 * 60),
            user_agent: None,
            proxies: Proxies::default(),
        }
    }
}
