//! Zones: reading, and finding the one that holds a name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Access, Client, Page, may_lack_permission, null_is_missing};
use crate::error::{Error, Result};
use crate::net::dns::name::{DnsName, normal};
use crate::net::http::segment;

/// The largest page of zones that the API gives.
const PAGE: u64 = 50;

/// A zone's id, 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneId(String);

impl ZoneId {
    /// Takes an id.
    ///
    /// # Errors
    ///
    /// Configuration: it does not have 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else if text.contains('.') {
            Err(Error::config(format!(
                "{text:?} is a domain name, not the id of a zone"
            )))
        } else {
            Err(Error::config(format!(
                "{text:?} is not the id of a zone, which has 32 hexadecimal digits"
            )))
        }
    }

    pub(super) fn segment(&self) -> String {
        segment(&self.0)
    }
}

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A zone.
#[derive(Debug, Clone, Deserialize)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Its name, in A-labels.
    pub name: String,
    /// `active`, `pending`, `initializing`, `moved` and what else may come.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub status: String,
    /// The account it belongs to.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub account: Owner,
    /// The name servers that Cloudflare assigned to it.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub name_servers: Vec<String>,
}

/// An account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Zone {
    /// Whether Cloudflare serves the zone. An answer without a status does not tell, and counts as yes.
    pub fn is_active(&self) -> bool {
        self.status.is_empty() || self.status == "active"
    }
}

/// What the search for the zone of a name has found.
#[derive(Debug)]
pub enum Search {
    /// The zone.
    Found(Box<Zone>),
    /// Several zones of the same name, of which none or several are active.
    Several(Vec<Zone>),
    /// No zone, as far as these credentials see.
    Missing {
        /// Names of zones that they do see; not all of them if there are many.
        seen: Vec<String>,
        /// How many zones they see, where the API told.
        total: Option<u64>,
    },
}

/// The state of an API token.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenState {
    /// `active`, `disabled` or `expired`.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub status: String,
    /// When it ends, RFC 3339.
    #[serde(default)]
    pub expires_on: Option<String>,
}

impl Client {
    /// The zone with this id.
    ///
    /// <https://developers.cloudflare.com/api/resources/zones/methods/get/>
    ///
    /// # Errors
    ///
    /// Not found, refused or unreachable.
    pub fn zone(&self, id: &ZoneId) -> Result<Zone> {
        let access = &self.zones;
        access.fetch(access.get(&format!("zones/{}", id.segment())))
    }

    /// The first page of the zones that the credentials see, and how many there are in all.
    ///
    /// # Errors
    ///
    /// Refused or unreachable.
    pub fn first_zones(&self, account: Option<&str>) -> Result<(Vec<Zone>, Option<u64>)> {
        let page = self.list_zones(account, None)?;
        Ok((page.items, page.info.total_count))
    }

    /// The longest zone that `name` lies in; with `account`, only among the zones of that account.
    ///
    /// One request lists all zones of nearly every user. Where there are more than a page, or the token may not list
    /// them, each possible zone is asked for by its name, longest first, so that the number of requests does not grow
    /// with the number of zones. A look-up that was refused or failed ends the search: going on would end in a parent.
    ///
    /// <https://developers.cloudflare.com/api/resources/zones/methods/list/>
    ///
    /// # Errors
    ///
    /// Refused or unreachable.
    pub fn find_zone(&self, name: &DnsName, account: Option<&str>) -> Result<Search> {
        let listed = match self.list_zones(account, None) {
            Ok(page) => page,
            // A token for certain zones may not list them all, and still ask for one by its name.
            Err(err) if may_lack_permission(&err) => {
                return self.find_by_name(name, account, None);
            }
            Err(err) => return Err(err),
        };
        if !listed.is_last(1, PAGE) {
            return self.find_by_name(name, account, Some(listed));
        }
        let longest = name
            .candidates()
            .into_iter()
            .map(|candidate| named(candidate, &listed.items))
            .find(|zones| !zones.is_empty());
        Ok(match longest {
            Some(zones) => choose(zones),
            None => missing(&listed),
        })
    }

    fn find_by_name(
        &self,
        name: &DnsName,
        account: Option<&str>,
        listed: Option<Page<Zone>>,
    ) -> Result<Search> {
        for candidate in name.candidates() {
            let zones = self.list_zones(account, Some(candidate))?.items;
            let zones = named(candidate, &zones);
            if !zones.is_empty() {
                return Ok(choose(zones));
            }
        }
        Ok(listed.map_or(
            Search::Missing {
                seen: Vec::new(),
                total: None,
            },
            |page| missing(&page),
        ))
    }

    fn list_zones(&self, account: Option<&str>, name: Option<&str>) -> Result<Page<Zone>> {
        let size = PAGE.to_string();
        let mut query = vec![("per_page", size.as_str())];
        query.extend(name.map(|name| ("name", name)));
        query.extend(account.map(|account| ("account.id", account)));
        let access = &self.zones;
        access.page(access.get("zones").query(&query))
    }

    /// The state of the token that this client edits with. `account` is asked where the token belongs to an account.
    ///
    /// <https://developers.cloudflare.com/api/resources/user/subresources/tokens/methods/verify/>
    ///
    /// # Errors
    ///
    /// Credentials: the token is not known there. Unreachable.
    pub fn verify_token(&self, account: Option<&str>) -> Result<TokenState> {
        verify(&self.records, account)
    }

    /// The state of the API token that reads zones: as [`Client::verify_token`], which it is where no other is set.
    ///
    /// # Errors
    ///
    /// As [`Client::verify_token`].
    pub fn verify_zone_token(&self, account: Option<&str>) -> Result<TokenState> {
        verify(&self.zones, account)
    }
}

fn verify(access: &Access, account: Option<&str>) -> Result<TokenState> {
    let path = match account {
        Some(account) => format!("accounts/{}/tokens/verify", segment(account)),
        None => "user/tokens/verify".to_owned(),
    };
    access.fetch(access.get(&path))
}

fn named(name: &str, zones: &[Zone]) -> Vec<Zone> {
    zones
        .iter()
        .filter(|zone| normal(&zone.name) == name)
        .cloned()
        .collect()
}

/// One name can be a zone of several accounts, or have a copy that waits for a move: the active one counts.
fn choose(zones: Vec<Zone>) -> Search {
    let (mut active, mut others): (Vec<Zone>, Vec<Zone>) =
        zones.into_iter().partition(Zone::is_active);
    match (active.len(), others.len()) {
        (1, _) => Search::Found(Box::new(active.remove(0))),
        (0, 1) => Search::Found(Box::new(others.remove(0))),
        (0, _) => Search::Several(others),
        _ => Search::Several(active),
    }
}

fn missing(page: &Page<Zone>) -> Search {
    Search::Missing {
        seen: page.items.iter().map(|zone| zone.name.clone()).collect(),
        total: page.info.total_count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn zone(id: u8, status: &str) -> Zone {
        Zone {
            id: ZoneId::parse(&format!("{id:032x}")).unwrap(),
            name: "example.com".to_owned(),
            status: status.to_owned(),
            account: Owner::default(),
            name_servers: Vec::new(),
        }
    }

    #[test]
    fn of_zones_with_one_name_the_active_one_is_meant() {
        let Search::Found(found) = choose(vec![
            zone(1, "moved"),
            zone(2, "active"),
            zone(3, "pending"),
        ]) else {
            panic!("none found");
        };
        assert_eq!(found.id, zone(2, "").id);
        assert!(matches!(choose(vec![zone(1, "pending")]), Search::Found(_)));
        assert!(
            matches!(choose(vec![zone(1, "active"), zone(2, "active")]), Search::Several(two) if two.len() == 2)
        );
        assert!(matches!(
            choose(vec![zone(1, "moved"), zone(2, "pending")]),
            Search::Several(_)
        ));
    }

    #[test]
    fn a_domain_name_is_not_taken_for_a_zone_id() {
        let err = ZoneId::parse("example.com").unwrap_err();
        assert_eq!(err.kind(), Kind::Config);
        assert!(err.to_string().contains("domain name"));
        assert!(ZoneId::parse("0123").is_err());
        assert!(ZoneId::parse("0123456789ABCDEF0123456789abcdef").is_ok());
    }
}
