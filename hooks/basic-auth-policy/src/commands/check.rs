//! `check`: whether an API is open that should not be.

use std::collections::BTreeSet;

use common::cli::{Invocation, Outcome};

use super::status;
use crate::args::{CheckArgs, StatusArgs};
use crate::listed;
use crate::settings::API;

pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let look = |all| StatusArgs { all, require: true };
    // The variable is set wherever the other commands are used: only the flag means that one API is enough.
    if call.settings.flag(&API).is_some() {
        return status::run(call, &look(false));
    }
    let mut entries = listed::all(&call.settings)?;
    if entries.is_empty() {
        return status::run(call, &look(true));
    }
    if args.all {
        let mut environments = BTreeSet::new();
        entries.retain_mut(|(_, entry)| {
            entry.name.clone_from(&entry.environment);
            let at = [&entry.url, &entry.organization, &entry.environment];
            environments.insert(at.map(Option::clone))
        });
    }
    listed::each(call, &entries, None, |call, _| {
        status::run(call, &look(args.all))
    })
}
