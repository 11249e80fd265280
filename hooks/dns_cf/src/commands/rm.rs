//! `dns_cf rm`: the TXT records of a challenge are deleted.

use anyhow::Context;
use common::cli::{Invocation, Outcome};
use common::cloudflare::{Filter, Record};
use common::error::Result;
use common::net::dns::name::{DnsName, normal};

use crate::alias::{self, Visit};
use crate::args::RmArgs;
use crate::certificate::call_about;
use crate::challenge::{Challenge, Change, Done};
use crate::zone::{Finder, ResolvedZone};

/// Deletes the records with exactly this value, at the end of the aliases if the name is one.
pub(crate) fn run(call: &Invocation, args: &RmArgs) -> anyhow::Result<Outcome> {
    let challenge = Challenge::from_args(&args.challenge, call.env())?;
    let call = call_about(call, challenge.given_name(&args.challenge))?;
    let finder = Finder::of(&call, Some(&challenge.name))?;
    let visited = alias::follow(&finder, &challenge.name, |finder, zone, name| {
        delete(&call, finder, &challenge, zone, name)
    })
    .with_context(|| format!("deleting TXT {}", challenge.name))?;
    let deleted = visited.done;
    let change = if deleted == 0 {
        Change::Absent
    } else {
        Change::Deleted
    };
    call.result(&Done::new(change, visited.name, &visited.zone, deleted))?;
    Ok(Outcome::Done)
}

fn delete(
    call: &Invocation,
    finder: &Finder,
    challenge: &Challenge,
    zone: &ResolvedZone,
    name: &DnsName,
) -> Result<Visit<usize>> {
    // All types, to learn of an alias in the same request.
    let filter = Filter {
        name: Some(name),
        kind: None,
    };
    let records = finder.dns.list_records(&zone.id, filter)?;
    let matching: Vec<&Record> = records
        .iter()
        .filter(|record| challenge.matches(name, record))
        .collect();
    let alias = records
        .iter()
        .find(|record| record.kind == "CNAME" && normal(&record.name) == name.as_str());
    if let (true, Some(alias)) = (matching.is_empty(), alias) {
        call.log
            .debug(format!("{name} is an alias (CNAME) of {}", alias.content));
        return Ok(Visit::Alias(DnsName::parse(&alias.content)?));
    }
    delete_all(finder, zone, &matching).map(Visit::Done)
}

/// Tries them all, whatever becomes of the first.
fn delete_all(finder: &Finder, zone: &ResolvedZone, records: &[&Record]) -> Result<usize> {
    let results: Vec<Result<bool>> = records
        .iter()
        .map(|record| finder.dns.delete_record(&zone.id, &record.id))
        .collect();
    results
        .into_iter()
        .try_fold(0, |deleted, result| Ok(deleted + usize::from(result?)))
}
