//! The addresses that an application on CloudHub 2.0 is reached at.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::net::dns::name;

const TEXT: &str = "publicUrl";
const LIST: &str = "endpoints";

/// What a deployment says of inbound traffic, with everything that is not known here.
///
/// Its addresses stand in one of two fields. `publicUrl` is one address, or several separated by commas; `endpoints` is a
/// list of objects with `url`, `pathRewrite` and `access`, which is `external` or `internal`. A request may hold one of both
/// fields. Sources: the reference of the Mule Maven plugin for CloudHub 2.0 (mulesoft/docs-mule-runtime,
/// `mmp-deploy-to-cloudhub-2.adoc`), and `Inbound` in the vendor's description of Application Manager. Which one an answer
/// holds is not documented, so both are read, and the list is written where there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbound(Map<String, Value>);

impl Inbound {
    pub(super) fn read(value: Option<&Value>) -> Self {
        Self(
            value
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        )
    }

    pub(super) fn as_written(&self) -> &Map<String, Value> {
        &self.0
    }

    fn list(&self) -> &[Value] {
        self.0
            .get(LIST)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// The addresses that are reached from outside, each once, as the platform writes them.
    pub fn public_urls(&self) -> Vec<String> {
        let text = self.0.get(TEXT).and_then(Value::as_str).unwrap_or_default();
        let listed = self.list().iter().filter_map(public_url);
        let mut all: Vec<String> = Vec::new();
        for url in listed.chain(text.split(',')).map(str::trim) {
            if !url.is_empty() && !all.iter().any(|known| known == url) {
                all.push(url.to_owned());
            }
        }
        all
    }

    /// The same with these public addresses and no others. What is said of an address that stays, stays. What is told to be
    /// null is left out: the vendor's description lets no request hold that.
    #[must_use]
    pub fn with_public_urls(&self, urls: &[String]) -> Self {
        let mut fields = self.0.clone();
        fields.retain(|_, value| !value.is_null());
        if self.list().is_empty() {
            fields.remove(LIST);
            fields.insert(TEXT.to_owned(), json!(urls.join(",")));
            return Self(fields);
        }
        let stays = |one: &&Value| {
            public_url(one).is_none_or(|url| urls.iter().any(|wanted| wanted == url.trim()))
        };
        let mut list: Vec<Value> = self.list().iter().filter(stays).cloned().collect();
        let known: Vec<&str> = self.list().iter().filter_map(public_url).collect();
        let new = urls
            .iter()
            .filter(|url| !known.iter().any(|known| known.trim() == *url));
        list.extend(new.map(|url| json!({ "url": url, "access": "external" })));
        fields.remove(TEXT);
        fields.insert(LIST.to_owned(), Value::Array(list));
        Self(fields)
    }
}

/// The address of an entry of the list, unless only the private network reaches it.
fn public_url(entry: &Value) -> Option<&str> {
    let access = entry.get("access").and_then(Value::as_str);
    if access.is_some_and(|access| access.eq_ignore_ascii_case("internal")) {
        return None;
    }
    entry.get("url")?.as_str()
}

/// What distinguishes two addresses at one ingress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// In A-labels, without a port.
    pub host: String,
    /// Begins with a slash and does not end with one, or is empty.
    pub path: String,
}

impl Address {
    /// The address in a URL, with a scheme or without.
    pub fn of(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.split(':').next().unwrap_or_default();
        Self {
            host: name::normal(host),
            path: path.trim_end_matches('/').to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound(value: &Value) -> Inbound {
        Inbound::read(Some(value))
    }

    fn with(inbound: &Inbound, urls: &[&str]) -> Value {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        Value::Object(inbound.with_public_urls(&urls).0)
    }

    #[test]
    fn one_text_holds_several_addresses_and_the_rest_is_written_as_it_was_read() {
        let read = inbound(&json!({
            "publicUrl": "https://a.example, https://b.example/x,", "pathRewrite": null, "uniqueId": "u",
        }));
        assert_eq!(
            read.public_urls(),
            ["https://a.example", "https://b.example/x"]
        );
        assert_eq!(
            with(&read, &["https://b.example/x", "https://c.example"]),
            json!({ "publicUrl": "https://b.example/x,https://c.example", "uniqueId": "u" })
        );
        for none in [json!({}), json!({ "publicUrl": null, "endpoints": [] })] {
            let none = inbound(&none);
            assert_eq!(none.public_urls(), [""; 0]);
            assert_eq!(
                with(&none, &["https://a.example"])["publicUrl"],
                "https://a.example"
            );
        }
    }

    #[test]
    fn a_list_keeps_what_it_says_of_addresses_that_stay_and_the_internal_ones() {
        let kept =
            json!({ "url": "https://a.example", "pathRewrite": "/v1", "access": "external" });
        let within = json!({ "url": "https://a.internal.example", "access": "internal" });
        let read = inbound(&json!({
            "publicUrl": "https://a.example", "lastMileSecurity": true,
            "endpoints": [kept, within, { "url": "https://gone.example" }],
        }));
        assert_eq!(
            read.public_urls(),
            ["https://a.example", "https://gone.example"]
        );
        assert_eq!(
            with(&read, &["https://a.example", "https://new.example"]),
            json!({ "lastMileSecurity": true, "endpoints": [
                kept, within, { "url": "https://new.example", "access": "external" } ] })
        );
    }

    #[test]
    fn neither_case_nor_port_nor_a_slash_at_the_end_makes_another_address() {
        let address = Address::of("https://Shop.ACME.example:443/Orders/?x");
        assert_eq!(address, Address::of("shop.acme.example/Orders"));
        assert_eq!(address.to_string(), "https://shop.acme.example/Orders");
        assert_ne!(address, Address::of("shop.acme.example/orders"));
        assert_eq!(Address::of("https://shop.acme.example/").path, "");
    }
}
