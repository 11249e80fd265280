//! What the credentials may do in a zone.

use common::cli::Invocation;
use common::cli::monitoring::{Item, Kind as What, State};
use common::cloudflare::{Filter, NewRecord, RecordId, ZoneId, txt_content};
use common::error::{Error, Kind, Result};
use common::net::dns::name::DnsName;
use common::system::signals::Signals;

use crate::challenge::COMMENT;
use crate::zone::{Finder, ResolvedZone};

/// An id that no record has. Deleting it shows whether deleting is allowed, and changes nothing.
const NO_RECORD: &str = "ffffffffffffffffffffffffffffffff";

/// A zone, and what is allowed there.
#[derive(Debug)]
pub(crate) struct CheckedZone {
    id: ZoneId,
    name: Option<String>,
    status: Option<String>,
    /// Its id and its name.
    account: Option<(String, String)>,
    pub(crate) read_zone: bool,
    read_records: Permission,
    pub(crate) edit_records: Permission,
    /// Whether a record was written to prove it.
    proved: bool,
    notes: Vec<String>,
}

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) allowed: bool,
    /// What Cloudflare said where it refused.
    said: Option<String>,
}

impl Permission {
    /// A refusal for want of permission is an answer here; any other failure is an error.
    fn of<T>(tried: Result<T>) -> Result<Self> {
        match tried {
            Ok(_) => Ok(Self {
                allowed: true,
                said: None,
            }),
            Err(err) if err.kind() == Kind::Credentials => Ok(Self {
                allowed: false,
                said: Some(
                    err.remote()
                        .map_or_else(|| err.to_string(), ToString::to_string),
                ),
            }),
            Err(err) => Err(err),
        }
    }

    pub(crate) fn shown(&self) -> String {
        match &self.said {
            _ if self.allowed => "yes".to_owned(),
            Some(said) => format!("no ({said})"),
            None => "no".to_owned(),
        }
    }
}

impl CheckedZone {
    /// Its name if known, else its id.
    pub(crate) fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }

    /// What to grant, in Cloudflare's words.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.edit_records.allowed {
            missing.push(format!("Zone / DNS / Edit for zone {}", self.shown()));
        }
        if !self.read_zone {
            missing.push(format!(
                "Zone / Zone / Read for zone {} (not needed as long as CF_Zone_ID is set)",
                self.shown()
            ));
        }
        missing
    }

    /// What there is to report.
    pub(crate) fn item(&self) -> Item {
        let is_allowed = self.edit_records.allowed;
        let state = if is_allowed {
            State::Ok
        } else {
            State::Missing
        };
        let (account, account_name) = self.account.clone().unwrap_or_default();
        let mut item = Item::new(What::Zone, self.shown(), state)
            .at("account", account)
            .at("account_name", account_name)
            .at("zone", self.id.to_string())
            .at("status", self.status.clone().unwrap_or_default())
            .at("read_zone", yes_or_no(self.read_zone))
            .at("read_records", yes_or_no(self.read_records.allowed))
            .at("edit_records", yes_or_no(is_allowed))
            .at("proved", yes_or_no(self.proved));
        let refused = (!is_allowed).then(|| format!("edit records: {}", self.edit_records.shown()));
        let detail: Vec<String> = refused.into_iter().chain(self.notes.clone()).collect();
        item.detail = (!detail.is_empty()).then(|| detail.join("; "));
        item.advice = (!is_allowed).then(|| {
            format!(
                "Add Zone / DNS / Edit for zone {} to the token (dash.cloudflare.com, API Tokens).",
                self.shown()
            )
        });
        item
    }

    /// The lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let status = self.status.as_deref().unwrap_or("status unknown");
        let account = match &self.account {
            Some((id, name)) => format!(", account {id} ({name})"),
            None => String::new(),
        };
        let proof = match (self.edit_records.allowed, self.proved) {
            (true, true) => ", proved with a record that was created and deleted again",
            (true, false) => ", as far as can be determined without --write",
            (false, _) => "",
        };
        let mut lines = vec![
            format!("zone {}: {status}{account}", self.shown()),
            format!("  read the zone: {}", yes_or_no(self.read_zone)),
            format!("  read records: {}", self.read_records.shown()),
            format!("  edit records: {}{proof}", self.edit_records.shown()),
        ];
        lines.extend(self.notes.iter().map(|note| format!("  note: {note}")));
        lines
    }
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// Tries what a challenge takes. The right to edit is proved with a record only where `write` says so.
pub(crate) fn check_zone(
    call: &Invocation,
    finder: &Finder,
    zone: &ResolvedZone,
    name: Option<&DnsName>,
    write: bool,
) -> Result<CheckedZone> {
    let details = zone.details.as_ref();
    let apex = details.map(|zone| DnsName::parse(&zone.name)).transpose()?;
    let shown = name.or(apex.as_ref());
    let mut notes = Vec::new();
    let read_records = match shown {
        Some(shown) => {
            let filter = Filter {
                name: Some(shown),
                kind: None,
            };
            let listed = finder.dns.list_records(&zone.id, filter);
            if let (Ok(records), Some(name)) = (&listed, name) {
                notes.extend(notes_on(
                    name,
                    records
                        .iter()
                        .map(|r| (r.kind.as_str(), r.content.as_str())),
                ));
            }
            Permission::of(listed)?
        }
        None => Permission::of(finder.dns.list_records(
            &zone.id,
            Filter {
                name: None,
                kind: Some("CAA"),
            },
        ))?,
    };
    let edit_records = if write {
        let probe = shown.map(ToString::to_string);
        Permission::of(probe_write(call, finder, zone, probe.as_deref()))?
    } else {
        Permission::of(
            finder
                .dns
                .delete_record(&zone.id, &RecordId(NO_RECORD.to_owned())),
        )?
    };
    if details.is_some_and(|zone| !zone.is_active()) {
        notes.push(
            "the zone is not active: Cloudflare accepts records but does not serve them".to_owned(),
        );
    }
    Ok(CheckedZone {
        id: zone.id.clone(),
        name: details.map(|zone| zone.name.clone()),
        status: details.map(|zone| zone.status.clone()),
        account: details
            .map(|zone| &zone.account)
            .filter(|account| !account.id.is_empty())
            .map(|account| (account.id.clone(), account.name.clone())),
        read_zone: details.is_some(),
        read_records,
        proved: write && edit_records.allowed,
        edit_records,
        notes,
    })
}

/// What is where the challenge's record would go.
fn notes_on<'a>(name: &DnsName, records: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut texts = 0;
    for (kind, content) in records {
        match kind {
            "CNAME" => notes.push(format!(
                "{name} is an alias (CNAME) of {content}: challenges go there"
            )),
            "NS" => notes.push(format!(
                "{name} is delegated to {content}: a challenge in this zone is not served"
            )),
            "TXT" => texts += 1,
            _ => {}
        }
    }
    if texts > 0 {
        notes.push(format!(
            "{texts} TXT record(s) are at {name} now; `dns_cf sweep` removes forgotten ones"
        ));
    }
    notes
}

/// Creates a record that serves no purpose, and deletes it again.
fn probe_write(
    call: &Invocation,
    finder: &Finder,
    zone: &ResolvedZone,
    below: Option<&str>,
) -> Result<()> {
    let Some(below) = below else {
        return Err(Error::config(
            "the name of the zone is not known, so no record can be written to prove it",
        )
        .advise("Give a DOMAIN in the zone."));
    };
    let apex = zone
        .details
        .as_ref()
        .map_or(below, |details| details.name.as_str());
    let name = DnsName::parse(&format!("_dns-cf-check.{apex}"))?;
    let content = txt_content(format!("check of {}", call.clock.now()).as_bytes())?;
    // Told to stop, it deletes the record all the same.
    let _signals = Signals::listen();
    let record = finder.dns.create_record(
        &zone.id,
        &NewRecord {
            kind: "TXT",
            name: &name,
            content: &content,
            ttl: 120,
            proxied: None,
            // The comment lets `sweep` find it, should deleting fail.
            comment: Some(COMMENT),
        },
    )?;
    finder.dns.delete_record(&zone.id, &record.id)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_shadow_a_challenge_is_noted() {
        let name = DnsName::parse("_acme-challenge.example.com").unwrap();
        let notes = notes_on(
            &name,
            [
                ("CNAME", "x.example.net"),
                ("NS", "ns.example.net"),
                ("A", "192.0.2.1"),
            ]
            .into_iter(),
        );
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("alias") && notes[1].contains("delegated"));
    }

    #[test]
    fn a_refusal_for_want_of_permission_is_an_answer_and_a_failure_is_not() {
        let refused = Permission::of::<()>(Err(Error::new(Kind::Credentials, "x"))).unwrap();
        assert!(!refused.allowed);
        assert!(Permission::of::<()>(Err(Error::new(Kind::Unreachable, "x"))).is_err());
        assert!(Permission::of(Ok(())).unwrap().allowed);
    }
}
