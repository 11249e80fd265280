//! DNS records: listing, creating, changing, deleting; and the text form of TXT content.

use serde::{Deserialize, Serialize};

use super::{Client, ZoneId, every_page, has_code, null_is_missing};
use crate::error::{Error, Result};
use crate::net::dns::name::DnsName;
use crate::net::http::segment;

/// How many records are asked for at once; far more than one name can have.
const PAGE: u64 = 1000;

/// A TXT record in wire form has at most this many bytes, one per string of up to 255 for its length included.
const LONGEST_TXT: usize = 4096;

/// The longest string within a TXT record.
const LONGEST_STRING: usize = 255;

/// A record's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub String);

/// A DNS record as Cloudflare keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// Full name in A-labels, without trailing dot.
    pub name: String,
    /// `A`, `CNAME`, `TXT`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// As given when it was created: of a TXT record with or without quotes, see [`txt_value`].
    #[serde(default, deserialize_with = "null_is_missing")]
    pub content: String,
    /// Seconds; 1 is automatic.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub ttl: u32,
    /// Whether clients reach Cloudflare instead of the content.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub proxied: bool,
    /// A note for people.
    #[serde(default)]
    pub comment: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
}

/// A record to create.
#[derive(Debug, Clone, Serialize)]
pub struct NewRecord<'a> {
    /// `CNAME`, `TXT`, …
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Full name. What does not end in the zone's name is silently completed with it.
    pub name: &'a DnsName,
    /// Of a TXT record in the form of [`txt_content`].
    pub content: &'a str,
    /// Seconds; 1 is automatic.
    pub ttl: u32,
    /// Whether clients shall reach Cloudflare instead of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxied: Option<bool>,
    /// A note for people, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<&'a str>,
}

/// What to change of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Change<'a> {
    /// New content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// New TTL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// New setting of the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxied: Option<bool>,
}

/// Which records to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Only those of this name.
    pub name: Option<&'a DnsName>,
    /// Only those of this type.
    pub kind: Option<&'a str>,
}

#[derive(Serialize)]
struct Batch<'a> {
    deletes: Vec<Doomed<'a>>,
    posts: &'a [NewRecord<'a>],
}

#[derive(Serialize)]
struct Doomed<'a> {
    id: &'a RecordId,
}

#[derive(Deserialize)]
struct BatchResult {
    #[serde(default)]
    posts: Option<Vec<Record>>,
}

impl Client {
    /// All records that `filter` lets through.
    ///
    /// <https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/list/>
    ///
    /// # Errors
    ///
    /// Refused or unreachable.
    pub fn list_records(&self, zone: &ZoneId, filter: Filter<'_>) -> Result<Vec<Record>> {
        let path = format!("zones/{}/dns_records", zone.segment());
        let size = PAGE.to_string();
        every_page(PAGE, |number| {
            let number = number.to_string();
            let mut query = vec![("per_page", size.as_str())];
            query.extend(filter.kind.map(|kind| ("type", kind)));
            query.extend(filter.name.map(|name| ("name", name.as_str())));
            if number != "1" {
                query.push(("page", number.as_str()));
            }
            let access = &self.records;
            access.page(access.get(&path).query(&query))
        })
    }

    /// Creates a record.
    ///
    /// <https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/create/>
    ///
    /// # Errors
    ///
    /// Refused or unreachable. [`Error::effect_unknown`] tells that it may have been created all the same.
    pub fn create_record(&self, zone: &ZoneId, record: &NewRecord<'_>) -> Result<Record> {
        let access = &self.records;
        let request = access
            .http
            .post(&format!("zones/{}/dns_records", zone.segment()))
            .json(record);
        access.fetch(request)
    }

    /// Changes a record.
    ///
    /// <https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/edit/>
    ///
    /// # Errors
    ///
    /// Refused or unreachable.
    pub fn change_record(
        &self,
        zone: &ZoneId,
        id: &RecordId,
        change: &Change<'_>,
    ) -> Result<Record> {
        let access = &self.records;
        let request = access
            .http
            .request(reqwest::Method::PATCH, &self.path_of(zone, id))
            .json(change);
        access.fetch(request)
    }

    /// Deletes a record; `false` if it was gone already.
    ///
    /// <https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/delete/>
    ///
    /// # Errors
    ///
    /// Refused or unreachable.
    pub fn delete_record(&self, zone: &ZoneId, id: &RecordId) -> Result<bool> {
        let access = &self.records;
        let request = access
            .http
            .request(reqwest::Method::DELETE, &self.path_of(zone, id));
        match access.send(request) {
            Ok(_) => Ok(true),
            Err(err) if has_code(&err, |code| code == 81044) => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// Deletes records and creates others in one step: all or nothing.
    ///
    /// <https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/batch/>
    ///
    /// # Errors
    ///
    /// Refused or unreachable.
    pub fn replace_records(
        &self,
        zone: &ZoneId,
        old: &[Record],
        new: &[NewRecord<'_>],
    ) -> Result<Vec<Record>> {
        let body = Batch {
            deletes: old.iter().map(|record| Doomed { id: &record.id }).collect(),
            posts: new,
        };
        let access = &self.records;
        let request = access
            .http
            .post(&format!("zones/{}/dns_records/batch", zone.segment()))
            .json(&body);
        access
            .fetch::<BatchResult>(request)
            .map(|result| result.posts.unwrap_or_default())
    }

    fn path_of(&self, zone: &ZoneId, id: &RecordId) -> String {
        format!("zones/{}/dns_records/{}", zone.segment(), segment(&id.0))
    }
}

/// The content of a TXT record with this value: quoted strings of at most 255 bytes, special bytes escaped.
///
/// # Errors
///
/// Configuration: the value is empty, or longer than a record can be.
pub fn txt_content(value: &[u8]) -> Result<String> {
    if value.is_empty() {
        return Err(Error::config("the value of the TXT record is empty"));
    }
    if value.len() + value.len().div_ceil(LONGEST_STRING) > LONGEST_TXT {
        return Err(Error::config(format!(
            "the value of the TXT record has {} bytes: more than fit into one record",
            value.len()
        )));
    }
    let strings: Vec<String> = value.chunks(LONGEST_STRING).map(quoted).collect();
    Ok(strings.join(" "))
}

/// The value of a TXT record: quotes removed, strings joined, escapes resolved. Content without quotes is the value.
pub fn txt_value(content: &str) -> Vec<u8> {
    let content = content.trim();
    if !(content.len() >= 2 && content.starts_with('"') && content.ends_with('"')) {
        return content.as_bytes().to_vec();
    }
    let mut value = Vec::new();
    let mut inside = false;
    let mut rest = content.bytes().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => {
                let digits: Vec<u8> = rest
                    .clone()
                    .take(3)
                    .take_while(u8::is_ascii_digit)
                    .collect();
                let code = std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                match (digits.len(), code) {
                    (3, Some(code)) => {
                        value.push(code);
                        rest.nth(2);
                    }
                    _ => value.extend(rest.next()),
                }
            }
            _ if inside => value.push(byte),
            _ => {}
        }
    }
    value
}

fn quoted(string: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in string {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_quoted_as_cloudflare_documents_it() {
        assert_eq!(txt_content(b"-abc_DEF").unwrap(), r#""-abc_DEF""#);
        assert_eq!(txt_content(br#"a"b\c"#).unwrap(), r#""a\"b\\c""#);
        assert_eq!(txt_content(b"\x00\xff\n").unwrap(), r#""\000\255\010""#);
    }

    #[test]
    fn a_long_value_is_split_into_strings_of_255_bytes() {
        let content = txt_content(&[b'x'; 300]).unwrap();
        assert_eq!(
            content,
            format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45))
        );
        assert_eq!(txt_value(&content), [b'x'; 300]);
    }

    #[test]
    fn a_value_that_fits_into_no_record_is_refused() {
        assert!(txt_content(&[b'x'; 4080]).is_ok());
        assert!(txt_content(&[b'x'; 4081]).is_err());
        assert!(txt_content(b"").is_err());
    }

    #[test]
    fn content_is_compared_without_its_quotes() {
        for content in [
            "Abc",
            "\"Abc\"",
            "\"A\" \"bc\"",
            " \"Ab\"\"c\" ",
            r#""\065bc""#,
        ] {
            assert_eq!(txt_value(content), b"Abc", "{content}");
        }
        assert_ne!(txt_value("abc"), b"Abc");
        assert_eq!(txt_value("\""), b"\"");
        assert_eq!(txt_value(r#""\999""#), b"999");
    }

    proptest! {
        #[test]
        fn any_bytes_survive_the_way_there_and_back(value in proptest::collection::vec(any::<u8>(), 1..600)) {
            prop_assert_eq!(txt_value(&txt_content(&value).unwrap()), value);
        }
    }
}
