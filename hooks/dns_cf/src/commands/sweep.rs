//! `dns_cf sweep`: challenge records that a killed run or a crashed machine left behind are deleted.

use anyhow::Context;
use common::cli::{Invocation, Outcome, Report};
use common::cloudflare::{Filter, Record};
use common::duration;
use common::error::Result;
use common::net::dns::name::{DnsName, normal};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::args::SweepArgs;
use crate::certificate::call_about;
use crate::challenge::COMMENT;
use crate::zone::Finder;

#[derive(Debug, Serialize)]
struct Swept {
    zone: String,
    dry_run: bool,
    deleted: Vec<Old>,
    /// Records of this program that are younger.
    kept: usize,
    #[serde(skip)]
    limit: String,
}

#[derive(Debug, Serialize)]
struct Old {
    name: String,
    created_on: String,
}

impl Report for Swept {
    fn text(&self) -> String {
        let done = if self.dry_run {
            "would be deleted"
        } else {
            "deleted"
        };
        let mut lines: Vec<String> = self
            .deleted
            .iter()
            .map(|old| {
                format!(
                    "TXT record {}, created {}, {done}",
                    old.name, old.created_on
                )
            })
            .collect();
        lines.push(format!(
            "zone {}: {} challenge records older than {} {done}, {} younger kept",
            self.zone,
            self.deleted.len(),
            self.limit,
            self.kept
        ));
        lines.join("\n")
    }
}

/// Deletes the records at the domain and below that carry this program's comment and are old enough.
pub(crate) fn run(call: &Invocation, args: &SweepArgs) -> anyhow::Result<Outcome> {
    let domain = domain(&args.domain)?;
    let call = call_about(call, &args.domain)?;
    let finder = Finder::of(&call, Some(&domain))?;
    let swept =
        sweep(&call, &finder, &domain, args).with_context(|| format!("sweeping {domain}"))?;
    call.result(&swept)?;
    Ok(Outcome::Done)
}

/// What to sweep: a wildcard means its parent.
fn domain(text: &str) -> Result<DnsName> {
    DnsName::parse(text.strip_prefix("*.").unwrap_or(text))
}

fn sweep(call: &Invocation, finder: &Finder, domain: &DnsName, args: &SweepArgs) -> Result<Swept> {
    let zone = finder.find(domain)?;
    let filter = Filter {
        name: None,
        kind: Some("TXT"),
    };
    let now = call.clock.now();
    let limit = SignedDuration::try_from(args.older_than).unwrap_or(SignedDuration::MAX);
    let mut swept = Swept {
        zone: zone.shown(),
        dry_run: args.dry_run,
        deleted: Vec::new(),
        kept: 0,
        limit: duration::show(args.older_than),
    };
    for record in finder.dns.list_records(&zone.id, filter)? {
        if !is_ours(&record, domain) {
            continue;
        }
        let Some(created) = created(&record) else {
            call.log.warn(format!(
                "TXT record {} has no creation date and is kept",
                record.name
            ));
            swept.kept += 1;
            continue;
        };
        if now.duration_since(created) < limit {
            swept.kept += 1;
            continue;
        }
        if args.dry_run || finder.dns.delete_record(&zone.id, &record.id)? {
            swept.deleted.push(Old {
                created_on: created.to_string(),
                name: record.name,
            });
        }
    }
    Ok(swept)
}

fn is_ours(record: &Record, domain: &DnsName) -> bool {
    let name = normal(&record.name);
    let below = name
        .strip_suffix(domain.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    record.kind == "TXT" && record.comment.as_deref() == Some(COMMENT) && below
}

fn created(record: &Record) -> Option<Timestamp> {
    record.created_on.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use common::cloudflare::RecordId;

    use super::*;

    #[test]
    fn only_records_with_the_programs_comment_below_the_domain_are_swept() {
        let domain = domain("*.example.com").unwrap();
        let record = |name: &str, comment: Option<&str>| Record {
            id: RecordId("1".to_owned()),
            name: name.to_owned(),
            kind: "TXT".to_owned(),
            content: "\"x\"".to_owned(),
            ttl: 120,
            proxied: false,
            comment: comment.map(str::to_owned),
            created_on: None,
        };
        assert!(is_ours(
            &record("_acme-challenge.example.com", Some(COMMENT)),
            &domain
        ));
        assert!(is_ours(&record("a.b.Example.com", Some(COMMENT)), &domain));
        assert!(!is_ours(
            &record("_acme-challenge.notexample.com", Some(COMMENT)),
            &domain
        ));
        assert!(!is_ours(
            &record("_acme-challenge.example.com", None),
            &domain
        ));
        assert!(!is_ours(
            &record("_acme-challenge.example.com", Some("ACME")),
            &domain
        ));
    }
}
