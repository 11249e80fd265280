//! Names and contents: what Cloudflare takes, and what it makes of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::envelope::Refusal;
use super::records::Record;
use super::{Switches, TextForm, Zone};

/// A domain name in Punycode and lower case, without the final dot.
pub(super) fn ascii(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_lowercase())
}

/// A record's full name: what does not end in the zone's name is completed with it, without a word.
pub(super) fn full_name(name: &str, zone: &str) -> String {
    let name = ascii(name);
    match name.as_str() {
        "@" | "" => zone.to_owned(),
        _ if name == zone || name.ends_with(&format!(".{zone}")) => name,
        _ => format!("{name}.{zone}"),
    }
}

/// The bytes that DNS serves for a TXT record's content: quotes removed, pieces joined, escapes resolved.
pub(crate) fn text_data(content: &str) -> Vec<u8> {
    let content = content.trim();
    if !(content.len() >= 2 && content.starts_with('"') && content.ends_with('"')) {
        return content.as_bytes().to_vec();
    }
    let mut text = Vec::new();
    let mut quoted = false;
    let mut rest = content.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (b'"', _) => quoted = !quoted,
            (
                b'\\',
                [
                    a @ b'0'..=b'2',
                    b @ b'0'..=b'9',
                    c @ b'0'..=b'9',
                    after @ ..,
                ],
            ) => {
                let code =
                    u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
                text.extend(u8::try_from(code));
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                text.push(*escaped);
                rest = after;
            }
            _ if quoted => text.push(*byte),
            _ => {}
        }
    }
    text
}

/// Name, content, TTL, comment and tags by themselves.
pub(super) fn fields(record: &Record, zone: &Zone, switches: &Switches) -> Result<(), Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(400, code, message));
    if !is_name(&record.name) {
        return refuse(9000, "DNS name is invalid.");
    }
    if record.ttl != 1 && !(60..=86_400).contains(&record.ttl) {
        return refuse(
            9021,
            "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.",
        );
    }
    let content = &record.content;
    match record.kind.as_str() {
        "A" if content.parse::<Ipv4Addr>().is_err() => {
            return refuse(9005, "Content for A record must be a valid IPv4 address.");
        }
        "AAAA" if content.parse::<Ipv6Addr>().is_err() => {
            return refuse(
                9006,
                "Content for AAAA record must be a valid IPv6 address.",
            );
        }
        "CNAME" | "NS" => {
            if content.parse::<std::net::IpAddr>().is_ok() || !is_name(&ascii(content)) {
                let message = format!("Content for {} record is invalid.", record.kind);
                return refuse(9007, &message);
            }
            if ascii(content) == record.name {
                return refuse(9039, "A record cannot reference itself.");
            }
        }
        "TXT" => {
            let length = text_data(content).len();
            if length == 0 {
                return refuse(9009, "Content for TXT record must not be empty.");
            }
            // Each string of up to 255 bytes is preceded by its length.
            if length + length.div_ceil(255) > 4096 {
                return refuse(
                    9015,
                    "Record content exceeds the allowed length of 4096 wire format bytes",
                );
            }
        }
        "A" | "AAAA" | "MX" | "CAA" => {}
        kind => {
            let message = format!("Invalid DNS record type {kind}.");
            return refuse(9004, &message);
        }
    }
    if record.proxied && !matches!(record.kind.as_str(), "A" | "AAAA" | "CNAME") {
        return refuse(9041, "This DNS record cannot be proxied.");
    }
    if record
        .comment
        .as_ref()
        .is_some_and(|comment| comment.chars().count() > 100)
    {
        return refuse(
            9301,
            "DNS record comment exceeds the maximum length of 100 characters.",
        );
    }
    if record.tags.len() > switches.tags_quota {
        let message = format!(
            "DNS record has {} tags, exceeding the quota of {}.",
            record.tags.len(),
            switches.tags_quota
        );
        return refuse(9300, &message);
    }
    debug_assert!(record.name == zone.name || record.name.ends_with(&format!(".{}", zone.name)));
    Ok(())
}

/// What the zone's other records forbid. `others` are all but the record itself.
pub(super) fn conflicts(
    record: &Record,
    others: &[&Record],
    apex: &str,
    switches: &Switches,
) -> Result<(), Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(400, code, message));
    let beside: Vec<&&Record> = others
        .iter()
        .filter(|other| other.name == record.name)
        .collect();
    let form = |content: &str| match (record.kind.as_str(), switches.identical_by) {
        ("TXT", TextForm::DnsData) => text_data(content),
        ("TXT", TextForm::Stored) => content.as_bytes().to_vec(),
        _ => content.to_lowercase().into_bytes(),
    };
    if beside
        .iter()
        .any(|other| other.kind == record.kind && form(&other.content) == form(&record.content))
    {
        let message = match switches.identical_code {
            81057 => "The record already exists.",
            _ => "An identical record already exists.",
        };
        return refuse(switches.identical_code, message);
    }
    // At the apex a CNAME is answered as addresses, and so is in the way of addresses alone.
    let beside_cname = |other: &Record| {
        other.name != apex || matches!(other.kind.as_str(), "A" | "AAAA" | "CNAME")
    };
    if record.kind == "CNAME" && beside.iter().any(|other| beside_cname(other)) {
        return refuse(
            81053,
            "An A, AAAA, or CNAME record with that host already exists.",
        );
    }
    if beside_cname(record) && beside.iter().any(|other| other.kind == "CNAME") {
        return refuse(81054, "A CNAME record with that host already exists.");
    }
    let apart = |one: &str, other: &str| one == "NS" && other != "NS";
    if beside
        .iter()
        .any(|other| apart(&record.kind, &other.kind) || apart(&other.kind, &record.kind))
    {
        return refuse(81056, "NS records with that host already exist.");
    }
    let same_kind = beside.iter().filter(|other| other.kind == record.kind);
    let length: usize = same_kind.map(|other| other.content.chars().count()).sum();
    if length + record.content.chars().count() > 8192 {
        return refuse(
            83011,
            "Combined content length of records with this name exceeds 8192",
        );
    }
    if others.len() >= switches.records_quota {
        return refuse(81045, "The record quota has been exceeded.");
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*'))
        })
}

#[cfg(test)]
mod tests {
    use super::{full_name, text_data};

    #[test]
    fn a_relative_name_is_completed_with_the_zone() {
        assert_eq!(full_name("www", "acme.example"), "www.acme.example");
        assert_eq!(full_name("mail.a.com", "b.com"), "mail.a.com.b.com");
        assert_eq!(full_name("@", "acme.example"), "acme.example");
        assert_eq!(
            full_name("Bücher.acme.example.", "acme.example"),
            "xn--bcher-kva.acme.example"
        );
        assert_eq!(
            full_name("notacme.example", "acme.example"),
            "notacme.example.acme.example"
        );
    }

    #[test]
    fn quotes_are_not_part_of_the_text() {
        assert_eq!(text_data("abc"), b"abc");
        assert_eq!(text_data("\"abc\""), b"abc");
        assert_eq!(text_data("\"ab\" \"cd\""), b"abcd");
        assert_eq!(text_data(r#""a\"b""#), b"a\"b");
        assert_eq!(text_data(r#""\000\255x""#), b"\x00\xffx");
    }
}
