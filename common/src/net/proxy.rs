//! The variables that name a proxy. The HTTP library obeys them by itself, but ignores one that it cannot read.

use std::fmt;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::Url;

use crate::error::{Error, Result};
use crate::secret::without_credentials;
use crate::system::environment::Env;

/// The first of each pair that is set counts.
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxies that the environment names.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<Variable>,
    https: Option<Variable>,
    all: Option<Variable>,
    none: String,
}

#[derive(Clone)]
struct Variable {
    name: &'static str,
    value: String,
}

impl Proxies {
    /// The proxies that `env` names.
    pub fn of(env: &Env) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = env.get(name)?.to_owned();
                Some(Variable { name, value })
            })
        };
        Self {
            http: first(HTTP),
            https: first(HTTPS),
            all: first(ALL),
            none: first(NONE).map(|none| none.value).unwrap_or_default(),
        }
    }

    /// Whether requests to `url` go through a proxy, which then chooses among the addresses of its host.
    pub fn are_for(&self, url: &Url) -> bool {
        self.variable(url).is_some()
    }

    /// Whether requests to `url` go where the user wants them to: never directly because a variable is misspelled.
    ///
    /// # Errors
    ///
    /// Configuration: the proxy named for `url` is not one that can be used.
    pub fn check(&self, url: &Url) -> Result<()> {
        let Some(variable) = self.variable(url) else {
            return Ok(());
        };
        let Some(proxy) = proxy_of(url, &variable.value, "") else {
            return Err(Error::config(format!("{variable} is not the address of a proxy"))
                .advise("Write it as http://HOST:PORT; special characters in a user name or password are percent-encoded."));
        };
        if proxy
            .uri()
            .scheme_str()
            .is_some_and(|scheme| scheme.starts_with("socks"))
        {
            return Err(Error::config(format!(
                "{variable} is a SOCKS proxy, which is not supported"
            ))
            .advise("Name an HTTP proxy in HTTPS_PROXY, or exclude the host with NO_PROXY."));
        }
        Ok(())
    }

    fn variable(&self, url: &Url) -> Option<&Variable> {
        let own = match url.scheme() {
            "http" => &self.http,
            _ => &self.https,
        };
        let variable = own.as_ref().or(self.all.as_ref())?;
        proxy_of(url, "http://proxy.invalid", &self.none).map(|_| variable)
    }
}

/// The library's own reading of both, so that this cannot judge differently.
fn proxy_of(url: &Url, proxy: &str, none: &str) -> Option<Intercept> {
    let matcher = Matcher::builder().all(proxy).no(none).build();
    matcher.intercept(&url.as_str().parse().ok()?)
}

impl fmt::Display for Variable {
    /// The name and the value, without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = without_credentials(self.value.trim());
        write!(f, "{} ({shown:?})", self.name)
    }
}

impl fmt::Debug for Proxies {
    /// Names only: values may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                [&self.http, &self.https, &self.all]
                    .into_iter()
                    .flatten()
                    .map(|variable| variable.name),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn check(pairs: &[(&str, &str)], url: &str) -> Result<()> {
        let env = Env::from_pairs(pairs.iter().copied());
        Proxies::of(&env).check(&Url::parse(url).unwrap())
    }

    const API: &str = "https://api.example.com/";

    #[test]
    fn a_proxy_that_can_be_used_is_accepted_with_and_without_scheme_and_credentials() {
        for value in [
            "http://proxy.example:3128",
            "proxy.example:3128",
            "https://user:p%40ss@proxy.example/",
        ] {
            check(&[("HTTPS_PROXY", value)], API).unwrap();
            check(&[("all_proxy", value)], API).unwrap();
        }
        check(&[], API).unwrap();
    }

    #[test]
    fn a_malformed_proxy_is_refused_by_name_and_without_its_password() {
        for (name, url) in [
            ("HTTPS_PROXY", API),
            ("https_proxy", API),
            ("ALL_PROXY", API),
            ("http_proxy", "http://api.example.com/"),
        ] {
            let err =
                check(&[(name, "htp//user:canary-proxy@proxy.example:31 28")], url).unwrap_err();
            assert_eq!(err.kind(), Kind::Config);
            assert_eq!(
                err.to_string(),
                format!("{name} (\"***@proxy.example:31 28\") is not the address of a proxy")
            );
        }
    }

    #[test]
    fn a_malformed_proxy_does_no_harm_where_it_has_no_say() {
        let bad = "http//proxy";
        check(&[("HTTP_PROXY", bad)], API).unwrap();
        check(
            &[("HTTPS_PROXY", "proxy.example:1"), ("ALL_PROXY", bad)],
            API,
        )
        .unwrap();
        check(&[("HTTPS_PROXY", bad), ("NO_PROXY", ".example.com")], API).unwrap();
        check(&[("HTTPS_PROXY", bad), ("no_proxy", "*")], API).unwrap();
        check(&[("HTTPS_PROXY", bad), ("NO_PROXY", "other.example")], API).unwrap_err();
    }

    #[test]
    fn a_socks_proxy_is_refused_rather_than_spoken_to_in_another_language() {
        let err = check(
            &[("ALL_PROXY", "socks5h://user:canary@proxy.example:1080")],
            API,
        )
        .unwrap_err();
        assert_eq!(
            err.to_string(),
            "ALL_PROXY (\"socks5h://***@proxy.example:1080\") is a SOCKS proxy, which is not supported"
        );
    }

    #[test]
    fn values_are_not_shown_for_debugging() {
        let env = Env::from_pairs([("HTTPS_PROXY", "http://user:canary@proxy.example")]);
        assert_eq!(format!("{:?}", Proxies::of(&env)), "[\"HTTPS_PROXY\"]");
    }
}
