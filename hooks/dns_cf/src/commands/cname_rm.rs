//! `dns_cf cname rm`: a CNAME record is deleted.

use anyhow::Context;
use common::cli::{Invocation, Outcome, confirm};
use common::cloudflare::{Filter, Record};
use common::error::Result;
use common::net::dns::name::{DnsName, normal};

use crate::args::CnameRmArgs;
use crate::certificate::call_about;
use crate::cname::{Done, Effect, Previous};
use crate::zone::Finder;

/// Deletes the record, if there is one.
pub(crate) fn run(call: &Invocation, args: &CnameRmArgs) -> anyhow::Result<Outcome> {
    let name = DnsName::parse(&args.name)?;
    let call = call_about(call, &args.name)?;
    let finder = Finder::of(&call, Some(&name))?;
    let done = delete(&finder, &name, args).with_context(|| format!("deleting CNAME {name}"))?;
    call.result(&done)?;
    Ok(Outcome::Done)
}

fn delete(finder: &Finder, name: &DnsName, args: &CnameRmArgs) -> Result<Done> {
    let zone = finder.find(name)?;
    let filter = Filter {
        name: Some(name),
        kind: Some("CNAME"),
    };
    let there: Vec<Record> = finder
        .dns
        .list_records(&zone.id, filter)?
        .into_iter()
        .filter(|record| record.kind == "CNAME" && normal(&record.name) == name.as_str())
        .collect();
    let previous: Vec<Previous> = there.iter().map(Previous::from).collect();
    let done =
        |effect, previous| Done::new(effect, name, &zone, previous).with_dry_run(args.dry_run);
    if there.is_empty() {
        return Ok(done(Effect::Absent, previous));
    }
    if !args.dry_run {
        let question = format!("Delete {} at {name}?", Previous::shown(&previous));
        if !args.yes && !confirm(&question)? {
            return Ok(done(Effect::Kept, Vec::new()));
        }
        for record in &there {
            finder.dns.delete_record(&zone.id, &record.id)?;
        }
    }
    Ok(done(Effect::Deleted, previous))
}
