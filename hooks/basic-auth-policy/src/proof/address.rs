//! The address of an API as its consumers use it.

use common::anypoint::policies::Resource;
use common::error::{Error, Result};
use common::net::host_and_port;
use common::secret::without_credentials;
use reqwest::{Method, Url};

/// One address, and the method that it is requested with.
#[derive(Debug, Clone)]
pub(super) struct Address {
    url: Url,
    pub(super) host: String,
    pub(super) method: Method,
}

impl Address {
    /// Reads what `--url` says, with what `--path` appends.
    pub(super) fn parse(text: &str, path: Option<&str>, method: &Method) -> Result<Self> {
        let bad = || {
            Error::config(format!(
                "--url {:?} is not an address such as https://api.example.com/orders",
                without_credentials(text)
            ))
        };
        let mut url = Url::parse(text).map_err(|_| bad())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::config(
                "--url holds credentials, which others can see in the list of processes",
            )
            .advise(
                "Give the address alone; user and password come from BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD.",
            ));
        }
        url.set_fragment(None);
        if let Some(path) = path {
            append(&mut url, path);
        }
        Ok(Self {
            host: url.host_str().ok_or_else(bad)?.to_owned(),
            method: method.clone(),
            url,
        })
    }

    /// How to call it in a message.
    pub(super) fn shown(&self) -> &str {
        self.url.as_str()
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Where to connect, as `--connect` says it.
    pub(super) fn connect(&self, text: &str) -> Result<(String, u16)> {
        let usual = self.url.port_or_known_default().unwrap_or(443);
        let (host, port) =
            host_and_port(text, usual).map_err(|why| Error::config(format!("--connect: {why}")))?;
        // The port of an address is part of what is asked for, so it cannot be another one.
        if self.url.port().is_some_and(|own| own != port) {
            return Err(Error::config(format!(
                "--connect {text}: {} has a port of its own",
                self.shown()
            ))
            .advise("Leave the port out of --url, or give the same one."));
        }
        Ok((host, port))
    }

    /// Where the request is sent: path and query.
    pub(super) fn target(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// Whether everybody on the way can read what is sent there.
    pub(super) fn is_readable(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Whether the conditions of a policy match a request to this address. The base path of the application is not known
    /// here, so every end of the path is tried.
    pub(super) fn is_covered_by(&self, resources: Option<&[Resource]>) -> bool {
        let path = self.url.path();
        resources.is_none_or(|resources| {
            resources.iter().any(|resource| {
                matches(&resource.method_regex, self.method.as_str())
                    && path
                        .match_indices('/')
                        .any(|(index, _)| matches(&resource.uri_template_regex, &path[index..]))
            })
        })
    }
}

fn append(url: &mut Url, path: &str) {
    let joined = format!(
        "{}/{}",
        url.path().trim_end_matches('/'),
        path.trim_start_matches('/')
    );
    match joined.split_once('?') {
        Some((path, query)) => {
            url.set_path(path);
            url.set_query(Some(query));
        }
        None => url.set_path(&joined),
    }
}

/// Whether a regular expression matches a whole text. One that this library cannot read is taken to match.
fn matches(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(&format!("^(?:{pattern})$")).map_or(true, |regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str, path: Option<&str>) -> Address {
        Address::parse(url, path, &Method::GET).unwrap()
    }

    #[test]
    fn a_path_is_appended_before_the_query_and_may_bring_one() {
        let target = |url, path| address(url, path).target();
        assert_eq!(target("https://api.example.com", None), "/");
        assert_eq!(target("https://api.example.com/a/?x=1#f", None), "/a/?x=1");
        assert_eq!(
            target("https://api.example.com/a/?x=1", Some("/b")),
            "/a/b?x=1"
        );
        assert_eq!(
            target("https://api.example.com/a", Some("b?y=2")),
            "/a/b?y=2"
        );
    }

    #[test]
    fn conditions_are_tried_without_the_base_path() {
        let address = address("https://api.example.com/base/orders?limit=1", None);
        let covered = |path: &str| {
            let resource = Resource {
                method_regex: "GET|PUT".to_owned(),
                uri_template_regex: path.to_owned(),
            };
            address.is_covered_by(Some(&[resource]))
        };
        assert!(covered("/orders"));
        assert!(covered("/base/.*"));
        assert!(!covered("/order"));
        assert!(
            covered("(?<=look)behind"),
            "what cannot be read is taken to match"
        );
    }
}
