//! The zone that holds a name, and in words why there is none.

use std::cell::Cell;

use common::cli::Invocation;
use common::cloudflare::{Client, Record, Search, Zone, ZoneId, may_lack_permission};
use common::error::{Error, Kind, Result};
use common::net::dns::name::{DnsName, normal};

use crate::account::Account;
use crate::listed;

/// How many zones an error names.
const MOST_SHOWN: usize = 10;

const WRONG_ZONE_ID: &str =
    "Unset CF_Zone_ID to have the zone found by name, or set it to the id of the right zone.";

/// Finds zones with the credentials and ids that the user has set.
#[derive(Debug)]
pub(crate) struct Finder {
    pub(crate) dns: Client,
    pub(crate) account: Account,
    call: Invocation,
    refuted_account: Cell<bool>,
}

/// A zone as far as it is known: with `CF_Zone_ID` and a token that may not read zones, that is its id.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedZone {
    pub(crate) id: ZoneId,
    pub(crate) details: Option<Zone>,
}

impl ResolvedZone {
    /// Its name if known, else its id.
    pub(crate) fn shown(&self) -> String {
        self.details
            .as_ref()
            .map_or_else(|| self.id.to_string(), |zone| zone.name.clone())
    }
}

impl Finder {
    /// For what is set in this call, and in the TOML file for `name`. Nothing is asked yet.
    pub(crate) fn of(call: &Invocation, name: Option<&DnsName>) -> Result<Self> {
        Self::with(call, Account::load(&call.settings, name)?)
    }

    /// For this account. Nothing is asked yet.
    pub(crate) fn with(call: &Invocation, account: Account) -> Result<Self> {
        Ok(Self {
            dns: account.client(call)?,
            account,
            call: call.clone(),
            refuted_account: Cell::new(false),
        })
    }

    /// The finder for the target of an alias, where the TOML file has another account for it.
    pub(crate) fn of_target(&self, target: &DnsName) -> Result<Option<Self>> {
        let settings = &self.call.settings;
        match listed::account_of(settings, target)?.map(|listed| listed.number) {
            None => Ok(None),
            same if same == self.account.listed => Ok(None),
            Some(_) => Self::of(&self.call, Some(target)).map(Some),
        }
    }

    /// Whether `CF_Account_ID` has turned out to be wrong.
    pub(crate) fn refuted_account(&self) -> bool {
        self.refuted_account.get()
    }

    /// The zone that holds `name`.
    pub(crate) fn find(&self, name: &DnsName) -> Result<ResolvedZone> {
        let zone = match &self.account.zone_id {
            Some(id) => self.by_id(name, &id.value, &id.origin.to_string())?,
            None => self.by_name(name)?,
        };
        self.describe(&zone);
        Ok(zone)
    }

    /// The zone that holds the target of an alias, which need not be the one that `CF_Zone_ID` names.
    pub(crate) fn find_target(&self, target: &DnsName) -> Result<ResolvedZone> {
        let zone = self.by_name(target)?;
        self.describe(&zone);
        Ok(zone)
    }

    /// The record that Cloudflare made for `name`. It completes a name that is not in the zone, so that a wrong zone id
    /// yields a wrong record, which is deleted again where that succeeds.
    pub(crate) fn created_in_place(
        &self,
        zone: &ResolvedZone,
        name: &DnsName,
        record: Record,
    ) -> Result<Record> {
        if normal(&record.name) == name.as_str() {
            return Ok(record);
        }
        let fate = match self.dns.delete_record(&zone.id, &record.id) {
            Ok(_) => "which was deleted again".to_owned(),
            Err(err) => format!("which has to be deleted by hand, for deleting it failed: {err}"),
        };
        Err(Error::config(format!(
            "{name} is not in the zone with the id {}: Cloudflare created {} instead, {fate}",
            zone.id, record.name
        ))
        .advise(WRONG_ZONE_ID))
    }

    fn describe(&self, zone: &ResolvedZone) {
        let Some(zone) = &zone.details else {
            return;
        };
        self.call
            .log
            .debug(format!("zone {} has the id {}", zone.name, zone.id));
        if !zone.is_active() {
            let servers = if zone.name_servers.is_empty() {
                "Cloudflare's".to_owned()
            } else {
                zone.name_servers.join(", ")
            };
            self.call.log.warn(format!(
                "zone {} is {}: Cloudflare accepts records but does not serve them, so a challenge in it will fail until \
                 the registrar's name servers are {servers}",
                zone.name, zone.status,
            ));
        }
    }

    fn by_id(&self, name: &DnsName, id: &ZoneId, origin: &str) -> Result<ResolvedZone> {
        let zone = match self.dns.zone(id) {
            Ok(zone) => zone,
            // A token that may edit records but not read zones. Whether the name lies in the zone shows when a
            // record is created; a token that is refused altogether is refused there again.
            Err(err) if may_lack_permission(&err) => {
                self.call.log.debug(format!(
                    "the zone {id} cannot be read ({err}); continuing with its id"
                ));
                return Ok(ResolvedZone {
                    id: id.clone(),
                    details: None,
                });
            }
            Err(err) => return Err(err),
        };
        if !name.is_within(&normal(&zone.name)) {
            return Err(Error::config(format!(
                "{origin} is the id of zone {}, which does not contain {name}",
                zone.name
            ))
            .advise(WRONG_ZONE_ID));
        }
        Ok(ResolvedZone {
            id: id.clone(),
            details: Some(zone),
        })
    }

    fn by_name(&self, name: &DnsName) -> Result<ResolvedZone> {
        let account = self
            .account
            .account_id
            .as_ref()
            .map(|found| found.value.as_str());
        let found = self.dns.find_zone(name, account);
        let search = match (found, account) {
            (Ok(found @ Search::Found(_)), _) => found,
            (other, Some(_)) => self.without_account(name, other)?,
            (other, None) => other.map_err(with_zone_id_advice)?,
        };
        self.resolved(name, search)
    }

    /// The search has failed within the account of `CF_Account_ID`: perhaps because that is wrong.
    fn without_account(&self, name: &DnsName, within: Result<Search>) -> Result<Search> {
        if within
            .as_ref()
            .is_err_and(|err| err.kind() != Kind::Credentials)
        {
            return within;
        }
        let Ok(Search::Found(zone)) = self.dns.find_zone(name, None) else {
            return within;
        };
        let origin = self
            .account
            .account_id
            .as_ref()
            .map(|id| id.origin.to_string())
            .unwrap_or_default();
        self.refuted_account.set(true);
        let owner = match (zone.account.id.as_str(), zone.account.name.as_str()) {
            ("", _) => "another account".to_owned(),
            (id, "") => format!("account {id}"),
            (id, name) => format!("account {id} ({name})"),
        };
        Err(Error::not_found(format!(
            "{origin} is wrong: zone {} is not in that account but in {owner}",
            zone.name
        ))
        .advise("Unset CF_Account_ID, or set it to the id of that account."))
    }

    /// The zone that a search came to, or in words why it came to none.
    fn resolved(&self, name: &DnsName, search: Search) -> Result<ResolvedZone> {
        let credentials = &self.account.credentials;
        let label = credentials.label();
        match search {
            Search::Found(zone) => Ok(ResolvedZone {
                id: zone.id.clone(),
                details: Some(*zone),
            }),
            Search::Several(zones) => {
                let ids: Vec<String> = zones
                    .iter()
                    .map(|zone| {
                        format!("{} ({}, account {})", zone.id, zone.status, zone.account.id)
                    })
                    .collect();
                Err(
                    Error::config(format!("several zones contain {name}: {}", ids.join(", ")))
                        .advise("Set CF_Zone_ID or CF_Account_ID to say which one is meant."),
                )
            }
            Search::Missing { seen, total }
                if seen.is_empty() && total.unwrap_or(0) == 0 && credentials.are_token() =>
            {
                Err(Error::new(
                    Kind::Credentials,
                    format!("no zone for {name}: the {label} sees no zone that could contain it"),
                )
                .advise(
                    "If the zone is at Cloudflare, the token lacks Zone / Zone / Read for it: add that permission, or \
                     set CF_Zone_ID to the zone's id (dashboard, zone, Overview, API).",
                ))
            }
            Search::Missing { seen, total } => Err(Error::not_found(format!(
                "no zone for {name} is visible to the {label}; visible zones: {}",
                shown(&seen, total)
            ))
            .advise(
                "Check the domain for typos, and that its zone is in this account and covered by the token.",
            )),
        }
    }
}

/// The names of a few zones out of `total`.
fn shown(zones: &[String], total: Option<u64>) -> String {
    let few = &zones[..zones.len().min(MOST_SHOWN)];
    let more = total.unwrap_or(0).saturating_sub(few.len() as u64);
    match (few, more) {
        ([], _) => "none".to_owned(),
        (few, 0) => few.join(", "),
        (few, more) => format!("{} and {more} more", few.join(", ")),
    }
}

/// A token need not read zones where the id of the zone is set.
fn with_zone_id_advice(err: Error) -> Error {
    if !may_lack_permission(&err) {
        return err;
    }
    let known = err.advice().unwrap_or_default().to_owned();
    err.advise(format!(
        "{known} A token that may edit records but not read zones needs CF_Zone_ID, the id of the zone (dashboard, zone, \
         Overview, API)."
    ))
}
