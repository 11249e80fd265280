//! `dns_cf check`: what the credentials can and cannot do, and which permission is missing.

use anyhow::Context;
use common::cli::{Invocation, Outcome, Report};
use common::cloudflare::{
    Filter, NewRecord, RecordId, TokenState, Zone, ZoneId, may_lack_permission, txt_content,
};
use common::error::{Error, Kind, Result};
use common::net::dns::name::DnsName;
use common::system::signals::Signals;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::certificate::call_about;
use crate::challenge::COMMENT;
use crate::zone::{Finder, ResolvedZone};

/// More zones are not tried one by one: each costs two requests, and five minutes allow 1200.
const MOST_ZONES: usize = 50;

/// An id that no record has. Deleting it shows whether deleting is allowed, and changes nothing.
const NO_RECORD: &str = "ffffffffffffffffffffffffffffffff";

#[derive(Debug, Serialize)]
struct Checked {
    credentials: String,
    /// `active`, `disabled` or `expired`; missing for a global key, or where Cloudflare does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_on: Option<String>,
    zones: Vec<CheckedZone>,
    /// Zones that are visible and were not tried.
    more_zones: u64,
    /// What to grant, in Cloudflare's words.
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CheckedZone {
    id: ZoneId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    read_zone: bool,
    read_records: Permission,
    edit_records: Permission,
    /// Whether a record was written to prove it.
    proved: bool,
    notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Permission {
    allowed: bool,
    /// What Cloudflare said where it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
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

    fn shown(&self) -> String {
        match &self.said {
            _ if self.allowed => "yes".to_owned(),
            Some(said) => format!("no ({said})"),
            None => "no".to_owned(),
        }
    }
}

impl CheckedZone {
    fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }
}

impl Report for Checked {
    fn text(&self) -> String {
        let mut lines = vec![format!("credentials: {}", self.credentials)];
        if let Some(status) = &self.token_status {
            let end = match &self.token_expires_on {
                Some(date) => format!(", expires {date}"),
                None => String::new(),
            };
            lines.push(format!("  status: {status}{end}"));
        }
        for zone in &self.zones {
            let status = zone.status.as_deref().unwrap_or("status unknown");
            let account = match &zone.account {
                Some(account) => format!(", account {account}"),
                None => String::new(),
            };
            lines.push(format!("zone {}: {status}{account}", zone.shown()));
            lines.push(format!(
                "  read the zone: {}",
                if zone.read_zone { "yes" } else { "no" }
            ));
            lines.push(format!("  read records: {}", zone.read_records.shown()));
            let proof = match (zone.edit_records.allowed, zone.proved) {
                (true, true) => ", proved with a record that was created and deleted again",
                (true, false) => ", as far as can be determined without --write",
                (false, _) => "",
            };
            lines.push(format!(
                "  edit records: {}{proof}",
                zone.edit_records.shown()
            ));
            lines.extend(zone.notes.iter().map(|note| format!("  note: {note}")));
        }
        if self.more_zones > 0 {
            lines.push(format!(
                "{} more zones: give a DOMAIN to check its zone",
                self.more_zones
            ));
        }
        lines.extend(
            self.missing
                .iter()
                .map(|missing| format!("missing: {missing}")),
        );
        lines.join("\n")
    }
}

/// Reports on the zone of a domain, or on every visible one.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let name = args.domain.as_deref().map(challenge_name).transpose()?;
    let call = match &args.domain {
        Some(domain) => call_about(call, domain)?,
        None => call.clone(),
    };
    let finder = Finder::of(&call, name.as_ref())?;
    let checked = check(&call, &finder, name.as_ref(), args.write)?;
    call.result(&checked)?;
    verdict(&checked)?;
    Ok(Outcome::Done)
}

fn check(
    call: &Invocation,
    finder: &Finder,
    name: Option<&DnsName>,
    write: bool,
) -> anyhow::Result<Checked> {
    let (zones, more) = zones(finder, name)
        .map_err(|err| with_token_state(finder, err))
        .context("checking the credentials")?;
    let token = token(call, finder, &zones).context("checking the token")?;
    let mut checked = Checked {
        credentials: finder.account.credentials.label(),
        token_status: token
            .as_ref()
            .map(|state| state.status.clone())
            .filter(|status| !status.is_empty()),
        token_expires_on: token.and_then(|state| state.expires_on),
        zones: Vec::new(),
        more_zones: more,
        missing: Vec::new(),
    };
    for zone in &zones {
        let zone = check_zone(call, finder, zone, name, write)
            .with_context(|| format!("checking zone {}", zone.shown()))?;
        if !zone.edit_records.allowed {
            checked
                .missing
                .push(format!("Zone / DNS / Edit for zone {}", zone.shown()));
        }
        if !zone.read_zone {
            checked.missing.push(format!(
                "Zone / Zone / Read for zone {} (not needed as long as CF_Zone_ID is set)",
                zone.shown()
            ));
        }
        checked.zones.push(zone);
    }
    Ok(checked)
}

/// Distinguishes a dead token from a live one that lacks a permission.
fn with_token_state(finder: &Finder, err: Error) -> Error {
    if err.kind() != Kind::Credentials || !finder.account.credentials.are_token() {
        return err;
    }
    let state = match finder.dns.verify_token(None) {
        Ok(state) => format!("The token itself is known and {}.", state.status),
        Err(verify) => match verify.remote() {
            Some(said) => format!("Asked about the token itself, Cloudflare says {said}."),
            None => return err,
        },
    };
    let advice = err.advice().unwrap_or_default().to_owned();
    err.advise(format!("{state} {advice}"))
}

/// Fine if the given zone can be edited; without one, if any can.
fn verdict(checked: &Checked) -> Result<()> {
    if checked
        .token_status
        .as_deref()
        .is_some_and(|status| status != "active")
    {
        return Err(
            Error::new(Kind::Credentials, "the API token is not active").advise(
                "Create a new one, or extend its validity (dash.cloudflare.com, API Tokens).",
            ),
        );
    }
    if checked.zones.iter().any(|zone| zone.edit_records.allowed) {
        return Ok(());
    }
    let zones: Vec<String> = checked.zones.iter().map(CheckedZone::shown).collect();
    Err(Error::new(
        Kind::Credentials,
        format!("the credentials may not edit records in {}", zones.join(", ")),
    )
    .advise("Add Zone / DNS / Edit for the zone to the token (dash.cloudflare.com, API Tokens), or use another token."))
}

/// The challenge's name for a domain; one that is a challenge's name already stays.
fn challenge_name(domain: &str) -> Result<DnsName> {
    if domain.starts_with('_') {
        DnsName::parse(domain)
    } else {
        DnsName::of_challenge(domain)
    }
}

fn zones(finder: &Finder, name: Option<&DnsName>) -> Result<(Vec<ResolvedZone>, u64)> {
    if let Some(name) = name {
        return Ok((vec![finder.find(name)?], 0));
    }
    if let Some(id) = &finder.account.zone_id {
        let details = match finder.dns.zone(&id.value) {
            Ok(zone) => Some(zone),
            Err(err) if may_lack_permission(&err) => None,
            Err(err) => return Err(err),
        };
        let id = id.value.clone();
        return Ok((vec![ResolvedZone { id, details }], 0));
    }
    let account = finder
        .account
        .account_id
        .as_ref()
        .map(|found| found.value.as_str());
    let (zones, total) = finder.dns.first_zones(account)?;
    if zones.is_empty() {
        return Err(Error::new(Kind::Credentials, format!("the {} sees no zone", finder.account.credentials.label())).advise(
            "Add Zone / Zone / Read and Zone / DNS / Edit to the token for the zones it is meant for, or set CF_Zone_ID \
             and give it Zone / DNS / Edit alone.",
        ));
    }
    let tried = zones.len().min(MOST_ZONES);
    let more = total.unwrap_or(tried as u64).saturating_sub(tried as u64);
    let resolved = |zone: Zone| ResolvedZone {
        id: zone.id.clone(),
        details: Some(zone),
    };
    Ok((zones.into_iter().take(tried).map(resolved).collect(), more))
}

/// The token's state, from wherever its owner keeps it: a user or an account.
fn token(call: &Invocation, finder: &Finder, zones: &[ResolvedZone]) -> Result<Option<TokenState>> {
    if !finder.account.credentials.are_token() {
        return Ok(None);
    }
    let account = zones
        .iter()
        .find_map(|zone| zone.details.as_ref())
        .map(|zone| zone.account.id.as_str());
    let account = account.or(finder
        .account
        .account_id
        .as_ref()
        .map(|found| found.value.as_str()));
    let as_users = finder.dns.verify_token(None);
    let state = match (as_users, account.filter(|id| !id.is_empty())) {
        (Err(err), Some(account)) if err.kind() != Kind::Unreachable => {
            finder.dns.verify_token(Some(account))
        }
        (state, _) => state,
    };
    match state {
        Ok(state) => Ok(Some(state)),
        Err(err) if err.kind() == Kind::Unreachable => Err(err),
        // It works for zones all the same, which is what matters.
        Err(err) => {
            call.log
                .debug(format!("the state of the token cannot be read: {err}"));
            Ok(None)
        }
    }
}

fn check_zone(
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
            .map(|account| format!("{} ({})", account.id, account.name)),
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
