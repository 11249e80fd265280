//! `dns_cf cname set`: a CNAME record is created, changed or left alone.

use anyhow::Context;
use common::cli::{Invocation, Outcome, confirm};
use common::cloudflare::{self, Filter, Record};
use common::error::{Error, Kind, Result};

use crate::args::CnameSetArgs;
use crate::certificate::call_about;
use crate::cname::{DesiredRecord, Done, Effect, Plan, Previous, plan};
use crate::zone::{Finder, ResolvedZone};

/// Creates or changes the record, or leaves it alone.
pub(crate) fn run(call: &Invocation, args: &CnameSetArgs) -> anyhow::Result<Outcome> {
    let desired = DesiredRecord::from_args(args)?;
    let call = call_about(call, &args.name)?;
    let finder = Finder::of(&call)?;
    let done =
        set(&finder, &desired, args).with_context(|| format!("setting CNAME {}", desired.name))?;
    if desired.proxied && done.result != Effect::Kept {
        call.log.warn(
            "proxied: browsers see Cloudflare's certificate for this name, not the one in the private space, and the \
             target has to be reachable for Cloudflare",
        );
    }
    call.result(&done)?;
    Ok(Outcome::Done)
}

fn set(finder: &Finder, desired: &DesiredRecord, args: &CnameSetArgs) -> Result<Done> {
    let zone = finder.find(&desired.name)?;
    let there = records(finder, &zone, desired)?;
    let apex = zone.details.as_ref().map(|details| details.name.as_str());
    let done = |effect, previous| {
        Done::new(effect, &desired.name, &zone, previous)
            .with_record(desired)
            .with_dry_run(args.dry_run)
    };
    match plan(desired, apex, there) {
        Plan::Nothing => Ok(done(Effect::Unchanged, Vec::new())),
        Plan::Create => {
            if !args.dry_run {
                create(finder, &zone, desired)?;
            }
            Ok(done(Effect::Created, Vec::new()))
        }
        Plan::Change(record) => {
            if !args.dry_run {
                finder
                    .dns
                    .change_record(&zone.id, &record.id, &desired.change(&record))?;
            }
            Ok(done(Effect::Changed, vec![Previous::from(&*record)]))
        }
        Plan::Replace(old) => {
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
                    return Ok(done(Effect::Kept, Vec::new()));
                }
                replace(finder, &zone, desired, &old)?;
            }
            Ok(done(Effect::Replaced, previous))
        }
    }
}

fn create(finder: &Finder, zone: &ResolvedZone, desired: &DesiredRecord) -> Result<()> {
    match finder.dns.create_record(&zone.id, &desired.new_record()) {
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
    old: &[Record],
) -> Result<()> {
    match finder
        .dns
        .replace_records(&zone.id, old, &[desired.new_record()])
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
