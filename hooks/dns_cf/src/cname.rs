//! CNAME records for vanity domains.

use std::net::IpAddr;

use anyhow::Context;
use common::cli::exit::Outcome;
use common::cloudflare::{Change, Filter, NewRecord, Record, txt_value};
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::net::dns::name::{DnsName, normal};
use serde::Serialize;

use crate::account::checked_ttl;
use crate::args::{CnameRmArgs, CnameSetArgs};
use crate::zone::{Finder, Place};

/// Cloudflare's word for "as it thinks best".
const AUTOMATIC: u32 = 1;

/// The record as it shall be.
#[derive(Debug)]
pub(crate) struct Wanted {
    name: DnsName,
    target: DnsName,
    proxied: bool,
    /// As it is, if not given.
    ttl: Option<u32>,
}

impl Wanted {
    pub(crate) fn from_args(args: &CnameSetArgs) -> Result<Self> {
        if args
            .target
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok()
        {
            return Err(Error::config(format!("the target {} is an address, not a host name", args.target))
                .advise("A CNAME leads to a name, as the DNS target of a private space. Addresses need A or AAAA records."));
        }
        let wanted = Self {
            name: DnsName::parse(&args.name)?,
            target: DnsName::parse(&args.target)?,
            proxied: args.proxied,
            ttl: args
                .ttl
                .map(checked_ttl)
                .transpose()
                .map_err(|err| Error::config(format!("--ttl: {err}")))?,
        };
        if wanted.target.as_str().starts_with("*.") {
            return Err(Error::config("a wildcard cannot be the target of a CNAME"));
        }
        if wanted.name == wanted.target {
            return Err(Error::config(format!(
                "{} cannot lead to itself",
                wanted.name
            )));
        }
        if wanted.proxied && wanted.ttl.is_some_and(|ttl| ttl != AUTOMATIC) {
            return Err(Error::config(
                "--ttl has no effect with --proxied: Cloudflare then sets it",
            )
            .advise("Leave one of them out."));
        }
        Ok(wanted)
    }

    fn new_record<'a>(&'a self) -> NewRecord<'a> {
        NewRecord {
            kind: "CNAME",
            name: &self.name,
            content: self.target.as_str(),
            ttl: self.ttl.unwrap_or(AUTOMATIC),
            proxied: Some(self.proxied),
            comment: None,
        }
    }

    fn is_met_by(&self, record: &Record) -> bool {
        self.change(record) == Change::default()
    }

    /// What `record` lacks.
    fn change(&self, record: &Record) -> Change<'_> {
        let differs = normal(&record.content) != self.target.as_str();
        Change {
            content: differs.then(|| self.target.as_str()),
            ttl: self.ttl.filter(|ttl| *ttl != record.ttl && !self.proxied),
            proxied: (self.proxied != record.proxied).then_some(self.proxied),
        }
    }
}

/// What has to be done, given the records that are there.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Create,
    Change(Box<Record>),
    Replace(Vec<Record>),
}

fn plan(wanted: &Wanted, zone: Option<&str>, there: Vec<Record>) -> Plan {
    // At the apex Cloudflare answers with the target's addresses, so that only addresses are in the way.
    let apex = zone.is_some_and(|zone| normal(zone) == wanted.name.as_str());
    let at_name = there
        .into_iter()
        .filter(|record| normal(&record.name) == wanted.name.as_str());
    let (cnames, others): (Vec<Record>, Vec<Record>) =
        at_name.partition(|record| record.kind == "CNAME");
    if let Some(record) = cnames.into_iter().next() {
        return if wanted.is_met_by(&record) {
            Plan::Nothing
        } else {
            Plan::Change(Box::new(record))
        };
    }
    let in_the_way: Vec<Record> = others
        .into_iter()
        .filter(|record| !apex || matches!(record.kind.as_str(), "A" | "AAAA"))
        .collect();
    if in_the_way.is_empty() {
        Plan::Create
    } else {
        Plan::Replace(in_the_way)
    }
}

/// What `cname set` and `cname rm` have done, or would do.
#[derive(Debug, Serialize)]
struct Done {
    /// `created`, `changed`, `replaced`, `unchanged`, `deleted`, `absent` or, not done for want of a yes, `kept`.
    result: &'static str,
    dry_run: bool,
    name: DnsName,
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxied: Option<bool>,
    /// What stood there before and does no more.
    before: Vec<Before>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Before {
    r#type: String,
    content: String,
    proxied: bool,
    ttl: u32,
}

impl From<&Record> for Before {
    fn from(record: &Record) -> Self {
        Self {
            r#type: record.kind.clone(),
            content: if record.kind == "TXT" {
                String::from_utf8_lossy(&txt_value(&record.content)).into_owned()
            } else {
                record.content.clone()
            },
            proxied: record.proxied,
            ttl: record.ttl,
        }
    }
}

impl std::fmt::Display for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ttl = match self.ttl {
            AUTOMATIC => "automatic".to_owned(),
            seconds => format!("{seconds} s"),
        };
        let proxied = if self.proxied { ", proxied" } else { "" };
        write!(f, "{} {} (TTL {ttl}{proxied})", self.r#type, self.content)
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let Self { name, zone, .. } = self;
        let target = self.target.as_deref().unwrap_or_default();
        let proxied = if self.proxied == Some(true) {
            ", proxied"
        } else {
            ""
        };
        let verb = |done: &str, would: &str| {
            if self.dry_run {
                would.to_owned()
            } else {
                done.to_owned()
            }
        };
        let first = match self.result {
            "created" => format!(
                "CNAME record {name} → {target}{proxied} {} in zone {zone}",
                verb("created", "would be created")
            ),
            "changed" => format!(
                "CNAME record {name} {} to {target}{proxied} in zone {zone}",
                verb("changed", "would be changed")
            ),
            "replaced" => format!(
                "{} record(s) of {name} {} by CNAME {target}{proxied} in zone {zone}",
                self.before.len(),
                verb("replaced", "would be replaced")
            ),
            "unchanged" => {
                format!("CNAME record {name} → {target}{proxied} is there already in zone {zone}")
            }
            "deleted" => format!(
                "CNAME record {name} {} from zone {zone}",
                verb("deleted", "would be deleted")
            ),
            "absent" => format!("no CNAME record {name} in zone {zone}: nothing to delete"),
            _ => format!("{name} is left as it is in zone {zone}"),
        };
        let mut lines = vec![first];
        lines.extend(
            self.before
                .iter()
                .map(|before| format!("  before: {before}")),
        );
        lines.join("\n")
    }
}

/// Creates or changes the record, or leaves it alone.
pub(crate) fn set(
    finder: &Finder<'_>,
    wanted: &Wanted,
    args: &CnameSetArgs,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let doing = || format!("setting CNAME {}", wanted.name);
    let place = finder.find(&wanted.name).with_context(doing)?;
    let done = set_in(finder, &place, wanted, args, out).with_context(doing)?;
    if wanted.proxied && done.result != "kept" {
        out.warn(
            "proxied: browsers see Cloudflare's certificate for this name, not the one in the private space, and the \
             target has to be reachable for Cloudflare",
        );
    }
    out.result(&done)?;
    Ok(Outcome::Done)
}

fn set_in(
    finder: &Finder<'_>,
    place: &Place,
    wanted: &Wanted,
    args: &CnameSetArgs,
    out: &Output,
) -> Result<Done> {
    let dns = finder.dns;
    let there = records(finder, place, &wanted.name)?;
    let zone = place.zone.as_ref().map(|zone| zone.name.as_str());
    let done = |result, before: Vec<Before>| Done {
        result,
        dry_run: args.dry_run,
        name: wanted.name.clone(),
        zone: place.shown(),
        target: Some(wanted.target.to_string()),
        proxied: Some(wanted.proxied),
        before,
    };
    match plan(wanted, zone, there) {
        Plan::Nothing => Ok(done("unchanged", Vec::new())),
        Plan::Create => {
            if !args.dry_run {
                create(finder, place, wanted)?;
            }
            Ok(done("created", Vec::new()))
        }
        Plan::Change(record) => {
            if !args.dry_run {
                dns.change_record(&place.id, &record.id, &wanted.change(&record))?;
            }
            Ok(done("changed", vec![Before::from(&*record)]))
        }
        Plan::Replace(old) => {
            let before: Vec<Before> = old.iter().map(Before::from).collect();
            let shown = before
                .iter()
                .map(Before::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            if !args.replace {
                return Err(Error::new(
                    Kind::Refused,
                    format!("{} has other records, which a CNAME cannot stand beside: {shown}", wanted.name),
                )
                .advise("Give --replace to delete them; with --dry-run it only shows what would be done."));
            }
            if !args.dry_run {
                let question = format!(
                    "Delete {shown} at {} and put CNAME {} there?",
                    wanted.name, wanted.target
                );
                if !args.yes && !out.confirm(&question)? {
                    return Ok(done("kept", Vec::new()));
                }
                replace(finder, place, wanted, &old)?;
            }
            Ok(done("replaced", before))
        }
    }
}

/// Creates the record; if the answer is lost, a look tells.
fn create(finder: &Finder<'_>, place: &Place, wanted: &Wanted) -> Result<()> {
    match finder.dns.create_record(&place.id, &wanted.new_record()) {
        Ok(record) if normal(&record.name) == wanted.name.as_str() => Ok(()),
        Ok(record) => {
            finder.dns.delete_record(&place.id, &record.id)?;
            Err(Error::config(format!(
                "{} does not lie in the zone with the id {}: Cloudflare made {} of it, which was deleted again",
                wanted.name, place.id, record.name
            ))
            .advise("Unset CF_Zone_ID to have the zone found by name, or set it to the id of the right zone."))
        }
        Err(err) if common::cloudflare::is_identical(&err) => Ok(()),
        Err(err) => settled(finder, place, wanted, err),
    }
}

fn replace(finder: &Finder<'_>, place: &Place, wanted: &Wanted, old: &[Record]) -> Result<()> {
    match finder
        .dns
        .replace_records(&place.id, old, &[wanted.new_record()])
    {
        Ok(_) => Ok(()),
        Err(err) => settled(finder, place, wanted, err),
    }
}

/// After a write whose answer was lost: whether the record is as wanted now.
fn settled(finder: &Finder<'_>, place: &Place, wanted: &Wanted, err: Error) -> Result<()> {
    if !err.effect_unknown() {
        return Err(err);
    }
    match records(finder, place, &wanted.name) {
        Ok(there)
            if there
                .iter()
                .any(|record| record.kind == "CNAME" && wanted.is_met_by(record)) =>
        {
            Ok(())
        }
        Ok(_) => Err(err),
        Err(look) => Err(Error::new(
            Kind::Unproved,
            format!("{err}; whether the record was written cannot be seen either: {look}"),
        )
        .advise("Run the same command again later: it changes only what is not yet as wanted.")),
    }
}

fn records(finder: &Finder<'_>, place: &Place, name: &DnsName) -> Result<Vec<Record>> {
    let filter = Filter {
        name: Some(name),
        kind: None,
    };
    finder.dns.list_records(&place.id, filter)
}

/// Deletes the record; content with none.
pub(crate) fn remove(
    finder: &Finder<'_>,
    name: &DnsName,
    args: &CnameRmArgs,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let done =
        remove_in(finder, name, args, out).with_context(|| format!("deleting CNAME {name}"))?;
    out.result(&done)?;
    Ok(Outcome::Done)
}

fn remove_in(
    finder: &Finder<'_>,
    name: &DnsName,
    args: &CnameRmArgs,
    out: &Output,
) -> Result<Done> {
    let place = finder.find(name)?;
    let there: Vec<Record> = records(finder, &place, name)?
        .into_iter()
        .filter(|record| record.kind == "CNAME" && normal(&record.name) == name.as_str())
        .collect();
    let before: Vec<Before> = there.iter().map(Before::from).collect();
    let mut done = Done {
        result: "deleted",
        dry_run: args.dry_run,
        name: name.clone(),
        zone: place.shown(),
        target: None,
        proxied: None,
        before,
    };
    if there.is_empty() {
        done.result = "absent";
    } else if !args.dry_run {
        let shown: Vec<String> = done.before.iter().map(Before::to_string).collect();
        if !args.yes && !out.confirm(&format!("Delete {} at {name}?", shown.join("; ")))? {
            done.result = "kept";
            done.before.clear();
            return Ok(done);
        }
        for record in &there {
            finder.dns.delete_record(&place.id, &record.id)?;
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use common::cloudflare::RecordId;

    use super::*;

    fn wanted(name: &str, target: &str) -> Wanted {
        Wanted {
            name: DnsName::parse(name).unwrap(),
            target: DnsName::parse(target).unwrap(),
            proxied: false,
            ttl: None,
        }
    }

    fn record(kind: &str, name: &str, content: &str) -> Record {
        Record {
            id: RecordId("1".to_owned()),
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: content.to_owned(),
            ttl: 1,
            proxied: false,
            comment: None,
            created_on: None,
        }
    }

    fn planned(wanted: &Wanted, there: &[Record]) -> Plan {
        plan(wanted, Some("example.com"), there.to_vec())
    }

    #[test]
    fn a_record_that_is_as_wanted_is_left_alone() {
        let wanted = wanted("api.example.com", "Target.example.net.");
        assert_eq!(planned(&wanted, &[]), Plan::Create);
        let same = record("CNAME", "api.example.com", "target.example.net.");
        assert_eq!(planned(&wanted, &[same]), Plan::Nothing);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let wanted = Wanted {
            ttl: Some(300),
            ..wanted("api.example.com", "b.example.net")
        };
        let old = record("CNAME", "api.example.com", "a.example.net");
        assert_eq!(
            wanted.change(&old),
            Change {
                content: Some("b.example.net"),
                ttl: Some(300),
                proxied: None
            }
        );
        assert_eq!(
            planned(&wanted, std::slice::from_ref(&old)),
            Plan::Change(Box::new(old))
        );
    }

    #[test]
    fn every_other_type_is_in_the_way_except_beside_the_apex() {
        for kind in ["A", "AAAA", "MX", "TXT"] {
            let there = [record(kind, "api.example.com", "x")];
            let plan = planned(&wanted("api.example.com", "t.example.net"), &there);
            assert!(
                matches!(plan, Plan::Replace(old) if old.len() == 1),
                "{kind}"
            );
        }
        let apex = wanted("example.com", "t.example.net");
        assert_eq!(
            planned(&apex, &[record("MX", "example.com", "mail")]),
            Plan::Create
        );
        let address = [
            record("MX", "example.com", "mail"),
            record("A", "example.com", "192.0.2.1"),
        ];
        assert!(matches!(planned(&apex, &address), Plan::Replace(old) if old.len() == 1));
    }
}
