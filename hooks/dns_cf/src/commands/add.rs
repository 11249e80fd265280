//! `dns_cf add`: the TXT record of a challenge is created.

use std::time::Duration;

use anyhow::Context;
use common::cli::{Invocation, Outcome};
use common::cloudflare::{self, Client, Filter, NewRecord, Record, RecordId};
use common::error::{Error, Kind, Result};
use common::net::dns::name::DnsName;
use common::system::signals::{Signals, go_on, interrupted};

use crate::alias::{self, Visit};
use crate::args::AddArgs;
use crate::certificate::call_about;
use crate::challenge::{COMMENT, Challenge, Change, Done};
use crate::propagation::Wait;
use crate::saving::Pending;
use crate::settings::TTL;
use crate::ttl;
use crate::zone::{Finder, ResolvedZone};

/// How often a lost request to create a record is made again, each time after a look.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Creates the record, unless it is already present, and keeps the settings for the renewal.
pub(crate) fn run(call: &Invocation, args: &AddArgs) -> anyhow::Result<Outcome> {
    let challenge = Challenge::from_args(&args.challenge, call.env())?;
    let call = call_about(call, challenge.given_name(&args.challenge))?;
    let ttl = call
        .settings
        .parsed(&TTL, ttl::parse)?
        .map_or(ttl::AUTOMATIC, |ttl| ttl.value);
    let finder = Finder::of(&call, Some(&challenge.name))?;
    let pending = Pending::of(&call, &finder.account)?;
    let result = add(
        &call,
        &finder,
        &challenge,
        ttl,
        Wait::from_args(args).as_ref(),
    )
    .with_context(|| format!("adding TXT {}", challenge.name));
    pending.finish(&call, &finder);
    call.result(&result?)?;
    Ok(Outcome::Done)
}

/// A record that is not served in time, or whose `add` is told to stop, is taken back, since no caller cleans up after an
/// `add` that has failed.
fn add(
    call: &Invocation,
    finder: &Finder,
    challenge: &Challenge,
    ttl: u32,
    wait: Option<&Wait>,
) -> Result<Done> {
    let _signals = Signals::listen();
    let visited = alias::follow(finder, &challenge.name, |finder, zone, name| {
        match create(call, finder, challenge, zone, name, ttl) {
            Err(err) if cloudflare::is_beside_cname(&err) => {
                target(call, finder, zone, name, err).map(Visit::Alias)
            }
            result => result.map(Visit::Done),
        }
    })?;
    let result = wait.map_or_else(go_on, |wait| {
        wait.until_served(call, &visited.zone, &visited.name, &challenge.value)
    });
    if let Err(err) = result {
        if let Some(id) = &visited.done {
            take_back(call, visited.dns(finder), &visited.zone, id);
        }
        return Err(err);
    }
    let change = match visited.done {
        Some(_) => Change::Created,
        None => Change::Present,
    };
    let records = usize::from(visited.done.is_some());
    Ok(Done::new(change, visited.name, &visited.zone, records))
}

fn take_back(call: &Invocation, dns: &Client, zone: &ResolvedZone, id: &RecordId) {
    // The wait may have used up the time for requests.
    match dns.for_target().delete_record(&zone.id, id) {
        Ok(_) => call.log.info("the record has been taken back"),
        Err(err) => call
            .log
            .warn(format!("the record cannot be taken back: {err}")),
    }
}

/// Creates the record once; nothing if it was already there. A request whose answer was lost is not repeated before a
/// look whether it took effect.
fn create(
    call: &Invocation,
    finder: &Finder,
    challenge: &Challenge,
    zone: &ResolvedZone,
    name: &DnsName,
    ttl: u32,
) -> Result<Option<RecordId>> {
    let new = NewRecord {
        kind: "TXT",
        name,
        content: &challenge.content,
        ttl,
        proxied: None,
        comment: Some(COMMENT),
    };
    let mut waits = WAITS.iter();
    loop {
        let err = match finder.dns.create_record(&zone.id, &new) {
            Ok(record) => {
                let record = finder.created_in_place(zone, name, record)?;
                return Ok(Some(record.id));
            }
            Err(err) if cloudflare::is_identical(&err) => return Ok(None),
            Err(err) if err.effect_unknown() => err,
            Err(err) => return Err(err),
        };
        call.log
            .debug(format!("{err}; looking whether the record was created"));
        match look(finder, challenge, zone, name) {
            Ok(Some(record)) => return Ok(Some(record.id)),
            Ok(None) => {}
            Err(look) => {
                return Err(Error::new(
                    Kind::Unproved,
                    format!("{err}; whether the record was created cannot be seen either: {look}"),
                )
                .advise(format!(
                    "Once Cloudflare can be reached, `dns_cf rm` with the same arguments removes what may be left, or \
                     `dns_cf sweep {name} --older-than 1h`."
                )));
            }
        }
        let Some(wait) = waits.next() else {
            return Err(err);
        };
        if interrupted() || finder.dns.time_left() <= *wait {
            return Err(err);
        }
        call.clock.sleep(*wait);
    }
}

fn look(
    finder: &Finder,
    challenge: &Challenge,
    zone: &ResolvedZone,
    name: &DnsName,
) -> Result<Option<Record>> {
    let filter = Filter {
        name: Some(name),
        kind: Some("TXT"),
    };
    let records = finder.dns.list_records(&zone.id, filter)?;
    Ok(records
        .into_iter()
        .find(|record| challenge.matches(name, record)))
}

/// Where the alias at `name` leads; `err` is why something is known to be there.
fn target(
    call: &Invocation,
    finder: &Finder,
    zone: &ResolvedZone,
    name: &DnsName,
    err: Error,
) -> Result<DnsName> {
    let filter = Filter {
        name: Some(name),
        kind: Some("CNAME"),
    };
    let records = finder.dns.list_records(&zone.id, filter)?;
    let Some(target) = records.first().map(|record| &record.content) else {
        return Err(err);
    };
    call.log.info(format!(
        "{name} is an alias (CNAME) of {target}: the record belongs there"
    ));
    DnsName::parse(target)
}
