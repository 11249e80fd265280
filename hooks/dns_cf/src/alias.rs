//! Aliases (CNAME): a challenge at an alias belongs to where it leads.

use common::cloudflare::Client;
use common::error::{Error, Result};
use common::net::dns::name::DnsName;

use crate::zone::{Finder, ResolvedZone};

/// A longer chain of aliases is a circle.
const LONGEST_CHAIN: usize = 8;

/// What a visit to a name came to.
pub(crate) enum Visit<T> {
    Done(T),
    /// The name is an alias of this one.
    Alias(DnsName),
}

/// Where the aliases have led, and what the visit there came to.
pub(crate) struct Visited<T> {
    /// The finder of another account, where the target is in one.
    finder: Option<Finder>,
    pub(crate) zone: ResolvedZone,
    pub(crate) name: DnsName,
    pub(crate) done: T,
}

impl<T> Visited<T> {
    /// The client for the zone, where the visit began with `first`.
    pub(crate) fn dns<'a>(&'a self, first: &'a Finder) -> &'a Client {
        &self.finder.as_ref().unwrap_or(first).dns
    }
}

/// Visits `name`, and where it is an alias its target, until a visit is done.
pub(crate) fn follow<T>(
    first: &Finder,
    name: &DnsName,
    visit: impl Fn(&Finder, &ResolvedZone, &DnsName) -> Result<Visit<T>>,
) -> Result<Visited<T>> {
    let mut at = name.clone();
    let mut finder: Option<Finder> = None;
    let mut zone = first.find(&at)?;
    for _ in 0..LONGEST_CHAIN {
        let current = finder.as_ref().unwrap_or(first);
        match visit(current, &zone, &at)? {
            Visit::Done(done) => {
                return Ok(Visited {
                    finder,
                    zone,
                    name: at,
                    done,
                });
            }
            Visit::Alias(target) => {
                match current.of_target(&target)? {
                    Some(other) => {
                        zone = other.find(&target)?;
                        finder = Some(other);
                    }
                    None => zone = current.find_target(&target)?,
                }
                at = target;
            }
        }
    }
    Err(Error::config(format!(
        "the aliases (CNAME) that begin at {name} lead nowhere or in a circle"
    ))
    .advise("Correct the CNAME records."))
}
