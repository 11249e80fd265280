//! Aliases (CNAME): a challenge at an alias belongs to where it leads.

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

/// Visits `name`, and where it is an alias its target, until a visit is done.
pub(crate) fn follow<T>(
    finder: &Finder,
    name: &DnsName,
    visit: impl Fn(&ResolvedZone, &DnsName) -> Result<Visit<T>>,
) -> Result<(ResolvedZone, DnsName, T)> {
    let mut at = name.clone();
    let mut zone = finder.find(&at)?;
    for _ in 0..LONGEST_CHAIN {
        match visit(&zone, &at)? {
            Visit::Done(done) => return Ok((zone, at, done)),
            Visit::Alias(target) => {
                zone = finder.find_target(&target)?;
                at = target;
            }
        }
    }
    Err(Error::config(format!(
        "the aliases (CNAME) that begin at {name} lead nowhere or in a circle"
    ))
    .advise("Correct the CNAME records."))
}
