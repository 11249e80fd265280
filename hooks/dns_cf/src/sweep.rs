//! Challenge records that were left behind, by a run that was killed or a machine that went down.

use anyhow::Context;
use common::cli::exit::Outcome;
use common::cloudflare::{Filter, Record};
use common::duration;
use common::error::Result;
use common::log::{Output, Report};
use common::net::dns::name::{DnsName, normal};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::args::SweepArgs;
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
            .map(|old| format!("TXT record {} of {} {done}", old.name, old.created_on))
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

/// What to sweep: a wildcard means its parent.
pub(crate) fn domain(text: &str) -> Result<DnsName> {
    DnsName::parse(text.strip_prefix("*.").unwrap_or(text))
}

/// Deletes the records at `domain` and below that carry this program's comment and are old enough.
pub(crate) fn sweep(
    finder: &Finder<'_>,
    domain: &DnsName,
    args: &SweepArgs,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let report = run(finder, domain, args, out).with_context(|| format!("sweeping {domain}"))?;
    out.result(&report)?;
    Ok(Outcome::Done)
}

fn run(finder: &Finder<'_>, domain: &DnsName, args: &SweepArgs, out: &Output) -> Result<Swept> {
    let place = finder.find(domain)?;
    let filter = Filter {
        name: None,
        kind: Some("TXT"),
    };
    let now = finder.dns.clock().now();
    let mut swept = Swept {
        zone: place.shown(),
        dry_run: args.dry_run,
        deleted: Vec::new(),
        kept: 0,
        limit: duration::show(args.older_than),
    };
    for record in finder.dns.list_records(&place.id, filter)? {
        if !is_ours(&record, domain) {
            continue;
        }
        let Some(created) = created(&record) else {
            out.warn(format!(
                "TXT record {} has no date of creation and is kept",
                record.name
            ));
            swept.kept += 1;
            continue;
        };
        let limit = SignedDuration::try_from(args.older_than).unwrap_or(SignedDuration::MAX);
        if now.duration_since(created) < limit {
            swept.kept += 1;
            continue;
        }
        if args.dry_run || finder.dns.delete_record(&place.id, &record.id)? {
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
