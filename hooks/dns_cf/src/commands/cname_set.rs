//! `dns_cf cname set`: a CNAME record is created, changed or left alone.

use anyhow::Context;
use common::cli::{Invocation, Outcome, confirm};
use common::cloudflare::{self, Filter, Record};
use common::error::{Error, Kind, Result};
use common::net::dns::name::normal;

use crate::args::CnameSetArgs;
use crate::certificate::call_about;
use crate::cname::{DesiredRecord, Done, Effect, Plan, Previous, is_address, plan};
use crate::zone::{Finder, ResolvedZone};

/// Creates or changes the record, or leaves it alone.
pub(crate) fn run(call: &Invocation, args: &CnameSetArgs) -> anyhow::Result<Outcome> {
    let desired = DesiredRecord::from_args(args)?;
    let call = call_about(call, &args.name)?;
    let finder = Finder::of(&call, Some(&desired.name))?;
    let done =
        set(&finder, &desired, args).with_context(|| format!("setting CNAME {}", desired.name))?;
    if done.proxied == Some(true) && done.result != Effect::Kept {
        call.log.warn(
            "proxied: browsers see Cloudflare's certificate for this name, not the one in the private space, and the \
             target has to be reachable for Cloudflare; --no-proxied turns that off",
        );
    }
    call.result(&done)?;
    Ok(Outcome::Done)
}

fn set(finder: &Finder, desired: &DesiredRecord, args: &CnameSetArgs) -> Result<Done> {
    let zone = finder.find(&desired.name)?;
    let there = records(finder, &zone, desired)?;
    let may_be_apex = may_be_apex(finder, &zone, desired, &there)?;
    let others: Vec<Previous> = there
        .iter()
        .filter(|record| !is_address(record))
        .map(Previous::from)
        .collect();
    let done = |effect, proxied, previous| {
        Done::new(effect, &desired.name, &zone, previous)
            .with_record(desired, proxied)
            .with_dry_run(args.dry_run)
    };
    // Cloudflare knows whether the name is the apex, and refuses the CNAME where it cannot stand beside the others.
    let explained = |err: Error| {
        if cloudflare::is_beside_cname(&err) && zone.details.is_none() && !others.is_empty() {
            unknown_apex(err, desired, &others)
        } else {
            err
        }
    };
    match plan(desired, may_be_apex, there) {
        Plan::Nothing(record) => {
            let proxied = desired.proxied_after(&[*record])?;
            Ok(done(Effect::Unchanged, proxied, Vec::new()))
        }
        Plan::Create => {
            let proxied = desired.proxied_after(&[])?;
            if !args.dry_run {
                create(finder, &zone, desired, proxied).map_err(explained)?;
            }
            Ok(done(Effect::Created, proxied, Vec::new()))
        }
        Plan::Change(record) => {
            let proxied = desired.proxied_after(std::slice::from_ref(&record))?;
            if !args.dry_run {
                finder
                    .dns
                    .change_record(&zone.id, &record.id, &desired.change(&record))?;
            }
            Ok(done(
                Effect::Changed,
                proxied,
                vec![Previous::from(&*record)],
            ))
        }
        Plan::Replace(old) => {
            let proxied = desired.proxied_after(&old)?;
            let previous: Vec<Previous> = old.iter().map(Previous::from).collect();
            let shown = Previous::shown(&previous);
            if !args.replace {
                return Err(Error::new(
                    Kind::Refused,
                    format!("{} has other records, which a CNAME cannot coexist with: {shown}", desired.name),
                )
                .advise("Give --replace to delete them; with --dry-run it only shows what would be done."));
            }
            if !args.dry_run {
                let question = format!(
                    "Delete {shown} at {} and put CNAME {} there?",
                    desired.name, desired.target
                );
                if !args.yes && !confirm(&question)? {
                    return Ok(done(Effect::Kept, proxied, Vec::new()));
                }
                replace(finder, &zone, desired, proxied, &old).map_err(explained)?;
            }
            Ok(done(Effect::Replaced, proxied, previous))
        }
    }
}

/// Whether the name may be the apex of its zone. A token that cannot read zones does not tell; a record elsewhere in the
/// zone does, which is asked for only where the answer decides about a record.
fn may_be_apex(
    finder: &Finder,
    zone: &ResolvedZone,
    desired: &DesiredRecord,
    there: &[Record],
) -> Result<bool> {
    let name = desired.name.as_str();
    if let Some(details) = &zone.details {
        return Ok(normal(&details.name) == name);
    }
    if name.starts_with("*.") {
        return Ok(false);
    }
    if there.iter().all(is_address) {
        return Ok(true);
    }
    let all = finder.dns.list_records(&zone.id, Filter::default())?;
    let below = format!(".{name}");
    Ok(all
        .iter()
        .map(|record| normal(&record.name))
        .all(|other| other == name || other.ends_with(&below)))
}

fn unknown_apex(err: Error, desired: &DesiredRecord, others: &[Previous]) -> Error {
    err.advise(format!(
        "{} also has {}. They were not touched: the credentials cannot read zones, so that it is not known whether this is \
         the apex of the zone, whose mail would be lost with them. Give the token Zone / Zone / Read or set CF_Zone_Token, \
         or delete them yourself.",
        desired.name,
        Previous::shown(others)
    ))
}

fn create(
    finder: &Finder,
    zone: &ResolvedZone,
    desired: &DesiredRecord,
    proxied: bool,
) -> Result<()> {
    match finder
        .dns
        .create_record(&zone.id, &desired.new_record(proxied))
    {
        Ok(record) => finder
            .created_in_place(zone, &desired.name, record)
            .map(drop),
        Err(err) if cloudflare::is_identical(&err) => Ok(()),
        Err(err) => settled(finder, zone, desired, err),
    }
}

fn replace(
    finder: &Finder,
    zone: &ResolvedZone,
    desired: &DesiredRecord,
    proxied: bool,
    old: &[Record],
) -> Result<()> {
    match finder
        .dns
        .replace_records(&zone.id, old, &[desired.new_record(proxied)])
    {
        Ok(_) => Ok(()),
        Err(err) => settled(finder, zone, desired, err),
    }
}

/// After a write whose answer was lost: whether the record is as desired now.
fn settled(
    finder: &Finder,
    zone: &ResolvedZone,
    desired: &DesiredRecord,
    err: Error,
) -> Result<()> {
    if !err.effect_unknown() {
        return Err(err);
    }
    match records(finder, zone, desired) {
        Ok(there)
            if there
                .iter()
                .any(|record| record.kind == "CNAME" && desired.is_met_by(record)) =>
        {
            Ok(())
        }
        Ok(_) => Err(err),
        Err(look) => Err(Error::new(
            Kind::Unproved,
            format!("{err}; whether the record was written cannot be seen either: {look}"),
        )
        .advise("Run the same command again later: it changes only what is not yet as desired.")),
    }
}

fn records(finder: &Finder, zone: &ResolvedZone, desired: &DesiredRecord) -> Result<Vec<Record>> {
    let filter = Filter {
        name: Some(&desired.name),
        kind: None,
    };
    finder.dns.list_records(&zone.id, filter)
}
