//! Which name server to ask, as people write it, and how it is reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use reqwest::Url;

use crate::net::dns::https::HttpsServer;
use crate::net::dns::system::PORT;

/// The address of a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// Asked by UDP, and by TCP where an answer is long.
    Plain(SocketAddr),
    /// Asked by HTTPS (RFC 8484), for networks that let nothing else through.
    Https(Url),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => address.fmt(f),
            Self::Https(url) => url.fmt(f),
        }
    }
}

/// Reads a name server's address: `IP`, `IP:PORT`, `[IPv6]:PORT` or `https://HOST/PATH`. Fits `clap`'s `value_parser`.
///
/// # Errors
///
/// A sentence that says which forms are understood.
pub fn server(text: &str) -> Result<ServerAddress, String> {
    if text.contains("://") {
        return https(text).map(ServerAddress::Https).ok_or_else(|| {
            format!(
                "{text:?} is not the address of DNS over HTTPS, as https://dns.example/dns-query"
            )
        });
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse()
        .or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)))
        .map(ServerAddress::Plain)
        .map_err(|_| {
            format!(
                "{text:?} is not the address of a name server, as 192.0.2.53, 192.0.2.53:5353 or \
                 https://dns.example/dns-query"
            )
        })
}

/// Credentials in the address would show in every message about it.
fn https(text: &str) -> Option<Url> {
    // Resolvers publish a template (RFC 6570), whose variable part is for GET.
    let text = text.strip_suffix("{?dns}").unwrap_or(text);
    Url::parse(text).ok().filter(|url| {
        url.scheme() == "https"
            && url.has_host()
            && url.query().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// A name server that can be asked.
#[derive(Debug, Clone)]
pub(super) enum Server {
    Plain(SocketAddr),
    Https(Box<HttpsServer>),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => address.fmt(f),
            Self::Https(server) => server.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_an_address_are_told_apart() {
        let plain = |text: &str| ServerAddress::Plain(text.parse().unwrap());
        assert_eq!(server("192.0.2.53").unwrap(), plain("192.0.2.53:53"));
        assert_eq!(server("192.0.2.53:5353").unwrap(), plain("192.0.2.53:5353"));
        assert_eq!(
            server("[2001:db8::53]").unwrap(),
            plain("[2001:db8::53]:53")
        );
        assert_eq!(server("2001:db8::53").unwrap(), plain("[2001:db8::53]:53"));
        for text in [
            "https://dns.example/dns-query",
            "https://dns.example/dns-query{?dns}",
        ] {
            let address = server(text).unwrap();
            assert_eq!(address.to_string(), "https://dns.example/dns-query");
        }
        for wrong in [
            "dns.example",
            "http://dns.example/dns-query",
            "https://",
            "https://user:word@dns.example/dns-query",
            "https://dns.example/dns-query?dns=AAAB",
        ] {
            assert!(
                server(wrong).unwrap_err().contains("https://dns.example"),
                "{wrong}"
            );
        }
    }
}
