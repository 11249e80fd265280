//! Which records a list request asks for.

use super::envelope::Refusal;
use super::records::Record;
use super::validate::text_data;
use super::{Switches, TextForm};
use crate::http::Request;

type Test = Box<dyn Fn(&Record) -> bool>;

/// The records of `records` that the request's parameters ask for, in the order they ask for.
pub(super) fn select<'a>(
    records: &'a [Record],
    request: &Request,
    switches: &Switches,
) -> Result<Vec<&'a Record>, Refusal> {
    let mut tests: Vec<Test> = Vec::new();
    for (key, value) in &request.query {
        if let Some(test) = test(key, value, switches)? {
            tests.push(test);
        }
    }
    let any = match request.param("match") {
        None | Some("all") => false,
        Some("any") => true,
        Some(other) => return Err(Refusal::parameter("match", other)),
    };
    let wanted = |record: &&Record| {
        tests.is_empty()
            || if any {
                tests.iter().any(|test| test(record))
            } else {
                tests.iter().all(|test| test(record))
            }
    };
    let mut found: Vec<&Record> = records.iter().filter(wanted).collect();
    match request.param("order") {
        None => {}
        Some("type") => found.sort_by(|a, b| a.kind.cmp(&b.kind)),
        Some("name") => found.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("content") => found.sort_by(|a, b| a.content.cmp(&b.content)),
        Some("ttl") => found.sort_by_key(|record| record.ttl),
        Some("proxied") => found.sort_by_key(|record| record.proxied),
        Some(other) => return Err(Refusal::parameter("order", other)),
    }
    if request.param("direction") == Some("desc") {
        found.reverse();
    }
    Ok(found)
}

fn test(key: &str, value: &str, switches: &Switches) -> Result<Option<Test>, Refusal> {
    let owned = value.to_owned();
    let test: Test = match key {
        "page" | "per_page" | "order" | "direction" | "match" => return Ok(None),
        "type" => Box::new(move |record| record.kind == owned),
        "proxied" => {
            let wanted: bool = value.parse().map_err(|_| Refusal::parameter(key, value))?;
            Box::new(move |record| record.proxied == wanted)
        }
        "comment.present" => Box::new(|record| record.comment.is_some()),
        "comment.absent" => Box::new(|record| record.comment.is_none()),
        _ => {
            let (field, operator) = key.split_once('.').unwrap_or((key, "exact"));
            let compare: fn(&str, &str) -> bool = match operator {
                "exact" => |text, value| text == value,
                "contains" => |text, value| text.contains(value),
                "startswith" => |text, value| text.starts_with(value),
                "endswith" => |text, value| text.ends_with(value),
                _ => return Err(Refusal::parameter(key, value)),
            };
            let value = value.to_lowercase();
            match (field, switches.content_filter) {
                ("name", _) => Box::new(move |record| compare(&record.name.to_lowercase(), &value)),
                ("comment", _) => Box::new(move |record| {
                    record
                        .comment
                        .as_ref()
                        .is_some_and(|comment| compare(&comment.to_lowercase(), &value))
                }),
                ("content", TextForm::Stored) => {
                    Box::new(move |record| compare(&record.content.to_lowercase(), &value))
                }
                ("content", TextForm::DnsData) => {
                    let data =
                        |content: &str| String::from_utf8_lossy(&text_data(content)).to_lowercase();
                    let value = data(&value);
                    Box::new(move |record| compare(&data(&record.content), &value))
                }
                _ => return Err(Refusal::parameter(key, &owned)),
            }
        }
    };
    Ok(Some(test))
}
