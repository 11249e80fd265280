//! Domain names as the DNS and its APIs take them: lower case, A-labels, no trailing dot.

use std::fmt;
use std::net::IpAddr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// The longest name as text, without the trailing dot (RFC 1035: 255 octets on the wire).
const LONGEST: usize = 253;

/// The longest label (RFC 1035).
const LONGEST_LABEL: usize = 63;

/// A full domain name with at least two labels. Underscores are allowed, as is `*` for the first label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(String);

impl DnsName {
    /// Reads a name as people and programs write it: U-labels or A-labels, any case, with or without a trailing dot.
    ///
    /// # Errors
    ///
    /// Configuration: the name cannot exist in the DNS, or is an address or a single label.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::config(format!(
                "{text:?} is not a full domain name such as www.example.com: {why}"
            ))
        };
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if trimmed.is_empty() {
            return Err(refuse("it is empty"));
        }
        if trimmed.parse::<IpAddr>().is_ok() {
            return Err(refuse("it is an address"));
        }
        let ascii = ascii_form(trimmed)
            .ok_or_else(|| refuse("it holds characters that no domain name has"))?;
        let labels: Vec<&str> = ascii.split('.').collect();
        if labels.len() < 2 {
            return Err(refuse("it has a single label"));
        }
        for (index, label) in labels.iter().enumerate() {
            if label.is_empty() {
                return Err(refuse("it has an empty label"));
            }
            if label.len() > LONGEST_LABEL {
                return Err(refuse("one label is longer than 63 octets"));
            }
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
            if !(label.bytes().all(plain) || index == 0 && *label == "*") {
                return Err(refuse("it holds characters that no domain name has"));
            }
        }
        if ascii.len() > LONGEST {
            return Err(refuse("it is longer than 253 octets"));
        }
        Ok(Self(ascii))
    }

    /// The name in A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `zone` or lies below it.
    pub fn is_within(&self, zone: &str) -> bool {
        self.0
            .strip_suffix(zone)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The zones that may hold this name, longest first: itself and its parents, down to two labels. A `*` is no zone.
    pub fn candidates(&self) -> Vec<&str> {
        let starts = std::iter::once(0).chain(self.0.match_indices('.').map(|(at, _)| at + 1));
        starts
            .map(|start| &self.0[start..])
            .filter(|name| name.contains('.') && !name.starts_with("*."))
            .collect()
    }

    /// The name under which a CA looks for the TXT record of `domain`; a wildcard is proved at its parent.
    ///
    /// # Errors
    ///
    /// As [`DnsName::parse`].
    pub fn of_challenge(domain: &str) -> Result<Self> {
        let domain = domain.strip_prefix("*.").unwrap_or(domain);
        // Parsed first by itself, so that an error shows what was given.
        let parent = Self::parse(domain)?;
        Self::parse(&format!("_acme-challenge.{parent}"))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for DnsName {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A name of an API's answer in the form of [`DnsName`], so that both can be compared.
pub fn normal(answered: &str) -> String {
    let trimmed = answered.strip_suffix('.').unwrap_or(answered);
    ascii_form(trimmed).unwrap_or_else(|| trimmed.to_ascii_lowercase())
}

/// Lower case and A-labels. Lengths are judged by the caller, who can say what is wrong.
fn ascii_form(text: &str) -> Option<String> {
    Uts46::new()
        .to_ascii(
            text.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::Allow,
            DnsLength::Ignore,
        )
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        DnsName::parse(text).unwrap().to_string()
    }

    #[test]
    fn every_way_to_write_a_name_gives_one_form() {
        assert_eq!(name("WWW.Example.COM."), "www.example.com");
        assert_eq!(name("Bücher.example.com"), "xn--bcher-kva.example.com");
        assert_eq!(
            name("XN--BCHER-KVA.example.com"),
            name("bücher.example.com")
        );
        assert_eq!(name("bücher。example。com"), "xn--bcher-kva.example.com");
        assert_eq!(
            name("_acme-challenge.a_b.example.com"),
            "_acme-challenge.a_b.example.com"
        );
        assert_eq!(name("*.example.com"), "*.example.com");
    }

    #[test]
    fn a_name_of_253_octets_is_the_longest() {
        let labels = [
            &"a".repeat(63)[..],
            &"b".repeat(63),
            &"c".repeat(63),
            &"d".repeat(57),
            "com",
        ];
        let longest = labels.join(".");
        assert_eq!(longest.len(), 253);
        assert_eq!(name(&longest), longest);
        assert_eq!(name(&format!("{longest}.")), longest);
        assert!(DnsName::parse(&format!("e{longest}")).is_err());
        let too_long = format!("x.{longest}");
        assert!(
            DnsName::parse(&too_long)
                .unwrap_err()
                .to_string()
                .contains("253")
        );
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for text in [
            "",
            ".",
            "com",
            "a..com",
            ".com",
            "a b.com",
            "a.com/x",
            "192.0.2.1",
            "2001:db8::1",
            "a.*.com",
            "-\"x.com",
            "www.example.com?",
            "xn--\u{0}.com",
        ] {
            let err = DnsName::parse(text).unwrap_err();
            assert_eq!(err.kind(), crate::error::Kind::Config, "{text}");
        }
    }

    #[test]
    fn a_name_lies_within_its_zone_but_not_in_one_that_only_ends_alike() {
        let www = DnsName::parse("www.example.com").unwrap();
        assert!(www.is_within("example.com"));
        assert!(www.is_within("www.example.com"));
        assert!(!www.is_within("ample.com"));
        assert!(!www.is_within("a.www.example.com"));
    }

    #[test]
    fn zones_are_sought_from_the_longest_name_down() {
        let wild = DnsName::parse("*.a.example.com").unwrap();
        assert_eq!(wild.candidates(), ["a.example.com", "example.com"]);
        let plain = DnsName::parse("_acme-challenge.example.com").unwrap();
        assert_eq!(
            plain.candidates(),
            ["_acme-challenge.example.com", "example.com"]
        );
    }

    #[test]
    fn a_wildcard_is_proved_at_its_parent() {
        let of = |domain| DnsName::of_challenge(domain).unwrap().to_string();
        assert_eq!(of("*.example.com"), "_acme-challenge.example.com");
        assert_eq!(of("example.com."), "_acme-challenge.example.com");
    }
}
