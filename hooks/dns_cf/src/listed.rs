//! The accounts of the TOML file, and which of them a name belongs to.

use common::error::{Error, Result};
use common::net::dns::name::DnsName;
use common::secret::Secret;
use common::settings::file::ConfigFile;
use common::settings::{Origin, Settings, Sourced};

use crate::settings::{AccountEntry, EMAIL, KEY, Lists, TOKEN, ZONE_TOKEN};

/// One of the accounts, which holds the zone of some name.
#[derive(Debug, Clone)]
pub(crate) struct ListedAccount<'a> {
    file: &'a ConfigFile,
    entry: AccountEntry,
    /// Its place in the file, from 1.
    pub(crate) number: usize,
}

/// The account with the longest zone that holds `name`; none where credentials were given for this very call, or saved for
/// this certificate.
///
/// # Errors
///
/// Configuration: a zone is malformed, or two accounts claim it.
pub(crate) fn account_of<'a>(
    settings: &'a Settings,
    name: &DnsName,
) -> Result<Option<ListedAccount<'a>>> {
    let mut best: Option<(DnsName, ListedAccount<'a>)> = None;
    for listed in in_force(settings)? {
        for zone in listed.zones()? {
            let shortest = best.as_ref().map_or(0, |(best, _)| best.as_str().len());
            if !name.is_within(zone.as_str()) || zone.as_str().len() < shortest {
                continue;
            }
            if let Some((other, claimed)) = &best
                && *other == zone
            {
                return Err(claimed_twice(&zone, claimed, &listed));
            }
            best = Some((zone, listed.clone()));
        }
    }
    Ok(best.map(|(_, listed)| listed))
}

/// Every account with its zones; none where credentials were given for this very call.
///
/// # Errors
///
/// Configuration: a zone is malformed, or two accounts claim it.
pub(crate) fn all(settings: &Settings) -> Result<Vec<(ListedAccount<'_>, Vec<DnsName>)>> {
    let mut all: Vec<(ListedAccount<'_>, Vec<DnsName>)> = Vec::new();
    for listed in in_force(settings)? {
        let zones = listed.zones()?;
        for zone in &zones {
            if let Some((claimed, _)) = all.iter().find(|(_, others)| others.contains(zone)) {
                return Err(claimed_twice(zone, claimed, &listed));
            }
        }
        all.push((listed, zones));
    }
    Ok(all)
}

fn in_force(settings: &Settings) -> Result<Vec<ListedAccount<'_>>> {
    let Some(file) = settings.file() else {
        return Ok(Vec::new());
    };
    if has_own_credentials(settings)? {
        return Ok(Vec::new());
    }
    let entries = entries(file)?.into_iter().enumerate();
    Ok(entries
        .map(|(index, entry)| ListedAccount {
            file,
            entry,
            number: index + 1,
        })
        .collect())
}

fn claimed_twice(zone: &DnsName, one: &ListedAccount<'_>, other: &ListedAccount<'_>) -> Error {
    Error::config(format!(
        "zone {zone} stands in both {} and {}",
        one.at("zones"),
        other.at("zones")
    ))
}

/// The zones of all of them, to say which ones there are.
pub(crate) fn all_zones(settings: &Settings) -> Result<Vec<String>> {
    let Some(file) = settings.file() else {
        return Ok(Vec::new());
    };
    let entries = entries(file)?;
    Ok(entries.into_iter().flat_map(|entry| entry.zones).collect())
}

fn entries(file: &ConfigFile) -> Result<Vec<AccountEntry>> {
    Ok(file.lists::<Lists>()?.dns_cf.account)
}

fn has_own_credentials(settings: &Settings) -> Result<bool> {
    let kinds = [&TOKEN, &ZONE_TOKEN, &KEY];
    if settings.domain_conf_holds(&kinds) {
        return Ok(true);
    }
    for setting in kinds {
        // One that cannot be read was meant all the same, and is an error where it is used.
        let Ok(found) = settings.secret(setting) else {
            return Ok(true);
        };
        if found.is_some_and(|found| settings.is_near(&found.origin)) {
            return Ok(true);
        }
    }
    Ok(settings
        .text(&EMAIL)?
        .is_some_and(|found| settings.is_near(&found.origin)))
}

impl ListedAccount<'_> {
    /// The token that edits records.
    pub(crate) fn token(&self, settings: &Settings) -> Result<Option<Sourced<Secret>>> {
        let entry = &self.entry;
        self.secret("token", &entry.token_file, &entry.token_env, settings)
    }

    /// The token that reads zones, where that is another one.
    pub(crate) fn zone_token(&self, settings: &Settings) -> Result<Option<Sourced<Secret>>> {
        let entry = &self.entry;
        self.secret(
            "zone_token",
            &entry.zone_token_file,
            &entry.zone_token_env,
            settings,
        )
    }

    /// The global key.
    pub(crate) fn key(&self, settings: &Settings) -> Result<Option<Sourced<Secret>>> {
        let entry = &self.entry;
        self.secret("key", &entry.key_file, &entry.key_env, settings)
    }

    /// The address that belongs to the global key.
    pub(crate) fn email(&self) -> Option<Sourced> {
        self.text("email", self.entry.email.as_ref())
    }

    /// The account's id.
    pub(crate) fn account_id(&self) -> Option<Sourced> {
        self.text("account_id", self.entry.account_id.as_ref())
    }

    /// The id of its only zone.
    pub(crate) fn zone_id(&self) -> Result<Option<Sourced>> {
        let id = self.text("zone_id", self.entry.zone_id.as_ref());
        match id {
            Some(id) if self.entry.zones.len() != 1 => Err(Error::config(format!(
                "{} cannot be the id of {} zones",
                id.origin,
                self.entry.zones.len()
            ))
            .advise("Give such a zone an entry of its own.")),
            id => Ok(id),
        }
    }

    /// Which one it is, for people.
    pub(crate) fn label(&self) -> String {
        format!("the account of {}", self.entry.zones.join(", "))
    }

    /// Where something stands in the file.
    pub(crate) fn at(&self, key: &str) -> Origin {
        Origin::Toml {
            key: self.dotted(key),
            path: self.file.path.clone(),
        }
    }

    fn zones(&self) -> Result<Vec<DnsName>> {
        let zones = self.entry.zones.iter().map(|zone| {
            DnsName::parse(zone)
                .map_err(|err| Error::config(format!("{}: {err}", self.at("zones"))))
        });
        zones.collect()
    }

    fn dotted(&self, key: &str) -> String {
        format!("dns_cf.account[{}].{key}", self.number)
    }

    fn text(&self, key: &str, value: Option<&String>) -> Option<Sourced> {
        value.map(|value| Sourced {
            value: value.clone(),
            origin: self.at(key),
        })
    }

    fn secret(
        &self,
        key: &str,
        file: &Option<String>,
        variable: &Option<String>,
        settings: &Settings,
    ) -> Result<Option<Sourced<Secret>>> {
        self.file.secret_by(
            &self.dotted(key),
            file.as_deref(),
            variable.as_deref(),
            settings.env(),
        )
    }
}
