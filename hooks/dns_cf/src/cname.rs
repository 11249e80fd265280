//! A CNAME record as the user wants it, what has to be done for that, and what was done.

use std::net::IpAddr;

use common::cli::Report;
use common::cloudflare::{Change, NewRecord, Record, txt_value};
use common::error::{Error, Result};
use common::net::dns::name::{DnsName, normal};
use serde::Serialize;

use crate::args::CnameSetArgs;
use crate::ttl::{self, AUTOMATIC};
use crate::zone::ResolvedZone;

/// The record that the user wants.
#[derive(Debug)]
pub(crate) struct DesiredRecord {
    pub(crate) name: DnsName,
    pub(crate) target: DnsName,
    /// Unchanged, if not given.
    proxied: Option<bool>,
    /// Unchanged, if not given.
    ttl: Option<u32>,
}

impl DesiredRecord {
    pub(crate) fn from_args(args: &CnameSetArgs) -> Result<Self> {
        if args
            .target
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok()
        {
            return Err(Error::config(format!("the target {} is an address, not a host name", args.target)).advise(
                "A CNAME points to a name, such as the DNS target of a private space. Addresses need A or AAAA records.",
            ));
        }
        let desired = Self {
            name: DnsName::parse(&args.name)?,
            target: DnsName::parse(&args.target)?,
            proxied: args.proxied(),
            ttl: args
                .ttl
                .map(ttl::checked)
                .transpose()
                .map_err(|err| Error::config(format!("--ttl: {err}")))?,
        };
        if desired.target.as_str().starts_with("*.") {
            return Err(Error::config("a wildcard cannot be the target of a CNAME"));
        }
        if desired.name == desired.target {
            return Err(Error::config(format!(
                "{} cannot point to itself",
                desired.name
            )));
        }
        // What can be known without a request.
        desired.proxied_after(&[])?;
        Ok(desired)
    }

    /// Whether the record is proxied in the end, where `there` is what it takes the place of. Nobody's proxy is turned off
    /// unasked: what it hides may not be reachable without it.
    ///
    /// # Errors
    ///
    /// Configuration: it is, and a TTL was given.
    pub(crate) fn proxied_after(&self, there: &[Record]) -> Result<bool> {
        let proxied = self
            .proxied
            .unwrap_or_else(|| there.iter().any(|record| record.proxied));
        if proxied && self.ttl.is_some_and(|ttl| ttl != AUTOMATIC) {
            return Err(Error::config(format!(
                "--ttl has no effect on {}, which is proxied: Cloudflare then sets it",
                self.name
            ))
            .advise("Leave --ttl out, or turn the proxy off with --no-proxied."));
        }
        Ok(proxied)
    }

    /// The record to create where there is none.
    pub(crate) fn new_record(&self, proxied: bool) -> NewRecord<'_> {
        NewRecord {
            kind: "CNAME",
            name: &self.name,
            content: self.target.as_str(),
            ttl: self.ttl.unwrap_or(AUTOMATIC),
            proxied: Some(proxied),
            comment: None,
        }
    }

    /// Whether `record` is like this already.
    pub(crate) fn is_met_by(&self, record: &Record) -> bool {
        self.change(record) == Change::default()
    }

    /// What `record` lacks.
    pub(crate) fn change(&self, record: &Record) -> Change<'_> {
        let differs = normal(&record.content) != self.target.as_str();
        Change {
            content: differs.then(|| self.target.as_str()),
            ttl: self.ttl.filter(|ttl| *ttl != record.ttl),
            proxied: self.proxied.filter(|proxied| *proxied != record.proxied),
        }
    }
}

/// What has to be done, given the records that are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// This one is as desired.
    Nothing(Box<Record>),
    Create,
    Change(Box<Record>),
    /// These are in the way.
    Replace(Vec<Record>),
}

/// `may_be_apex` unless the name is known not to be the apex of its zone. There Cloudflare answers with the addresses of
/// the target, so that only addresses are in the way; mail and proofs of ownership have to stay.
pub(crate) fn plan(desired: &DesiredRecord, may_be_apex: bool, there: Vec<Record>) -> Plan {
    let at_name = there
        .into_iter()
        .filter(|record| normal(&record.name) == desired.name.as_str());
    let (cnames, others): (Vec<Record>, Vec<Record>) =
        at_name.partition(|record| record.kind == "CNAME");
    if let Some(record) = cnames.into_iter().next() {
        return if desired.is_met_by(&record) {
            Plan::Nothing(Box::new(record))
        } else {
            Plan::Change(Box::new(record))
        };
    }
    let in_the_way: Vec<Record> = others
        .into_iter()
        .filter(|record| !may_be_apex || is_address(record))
        .collect();
    if in_the_way.is_empty() {
        Plan::Create
    } else {
        Plan::Replace(in_the_way)
    }
}

/// Whether it is of a type that cannot stand beside a CNAME anywhere, the apex included.
pub(crate) fn is_address(record: &Record) -> bool {
    matches!(record.kind.as_str(), "A" | "AAAA")
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    Created,
    Changed,
    Replaced,
    /// It was already as desired.
    Unchanged,
    Deleted,
    /// There was none to delete.
    Absent,
    /// The user has not agreed.
    Kept,
}

/// The result of `cname set` and `cname rm`: what was done, or would be done.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    pub(crate) result: Effect,
    dry_run: bool,
    name: DnsName,
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proxied: Option<bool>,
    /// What was there and no longer is.
    #[serde(rename = "before")]
    previous: Vec<Previous>,
}

impl Done {
    /// What was done to the record at `name` in `zone`.
    pub(crate) fn new(
        result: Effect,
        name: &DnsName,
        zone: &ResolvedZone,
        previous: Vec<Previous>,
    ) -> Self {
        Self {
            result,
            dry_run: false,
            name: name.clone(),
            zone: zone.shown(),
            target: None,
            proxied: None,
            previous,
        }
    }

    /// The same, with what the record is now.
    pub(crate) fn with_record(self, desired: &DesiredRecord, proxied: bool) -> Self {
        Self {
            target: Some(desired.target.to_string()),
            proxied: Some(proxied),
            ..self
        }
    }

    /// The same, where with `dry_run` nothing was done.
    pub(crate) fn with_dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }
}

/// A record that was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Previous {
    r#type: String,
    content: String,
    proxied: bool,
    ttl: u32,
}

impl Previous {
    /// Several in one line.
    pub(crate) fn shown(records: &[Self]) -> String {
        let shown: Vec<String> = records.iter().map(Self::to_string).collect();
        shown.join("; ")
    }
}

impl From<&Record> for Previous {
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

impl std::fmt::Display for Previous {
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
            Effect::Created => format!(
                "CNAME record {name} → {target}{proxied} {} in zone {zone}",
                verb("created", "would be created")
            ),
            Effect::Changed => format!(
                "CNAME record {name} {} to {target}{proxied} in zone {zone}",
                verb("changed", "would be changed")
            ),
            Effect::Replaced => format!(
                "{} record(s) of {name} {} by CNAME {target}{proxied} in zone {zone}",
                self.previous.len(),
                verb("replaced", "would be replaced")
            ),
            Effect::Unchanged => {
                format!("CNAME record {name} → {target}{proxied} already present in zone {zone}")
            }
            Effect::Deleted => format!(
                "CNAME record {name} {} from zone {zone}",
                verb("deleted", "would be deleted")
            ),
            Effect::Absent => format!("no CNAME record {name} in zone {zone}: nothing to delete"),
            Effect::Kept => format!("{name} left unchanged in zone {zone}"),
        };
        let mut lines = vec![first];
        lines.extend(
            self.previous
                .iter()
                .map(|previous| format!("  before: {previous}")),
        );
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use common::cloudflare::RecordId;

    use super::*;

    fn desired(name: &str, target: &str) -> DesiredRecord {
        DesiredRecord {
            name: DnsName::parse(name).unwrap(),
            target: DnsName::parse(target).unwrap(),
            proxied: None,
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

    fn planned(desired: &DesiredRecord, there: &[Record]) -> Plan {
        plan(
            desired,
            desired.name.as_str() == "example.com",
            there.to_vec(),
        )
    }

    #[test]
    fn a_record_that_is_already_as_desired_is_left_alone() {
        let desired = desired("api.example.com", "Target.example.net.");
        assert_eq!(planned(&desired, &[]), Plan::Create);
        let same = record("CNAME", "api.example.com", "target.example.net.");
        assert_eq!(
            planned(&desired, std::slice::from_ref(&same)),
            Plan::Nothing(Box::new(same))
        );
    }

    #[test]
    fn only_what_differs_is_changed() {
        let desired = DesiredRecord {
            ttl: Some(300),
            ..desired("api.example.com", "b.example.net")
        };
        let old = record("CNAME", "api.example.com", "a.example.net");
        assert_eq!(
            desired.change(&old),
            Change {
                content: Some("b.example.net"),
                ttl: Some(300),
                proxied: None
            }
        );
        assert_eq!(
            planned(&desired, std::slice::from_ref(&old)),
            Plan::Change(Box::new(old))
        );
    }

    #[test]
    fn every_other_type_is_in_the_way_except_beside_the_apex() {
        for kind in ["A", "AAAA", "MX", "TXT"] {
            let there = [record(kind, "api.example.com", "x")];
            let plan = planned(&desired("api.example.com", "t.example.net"), &there);
            assert!(
                matches!(plan, Plan::Replace(old) if old.len() == 1),
                "{kind}"
            );
        }
        let apex = desired("example.com", "t.example.net");
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
