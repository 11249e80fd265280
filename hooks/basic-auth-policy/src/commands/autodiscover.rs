//! `autodiscover`: connects an application on CloudHub 2.0 to its API instance, and goes back.

use std::collections::BTreeSet;

use common::anypoint::api_instances::Activity;
use common::anypoint::deployments::Deployment;
use common::cli::{Invocation, Outcome, Report};
use common::error::Result;
use serde::Serialize;

use crate::args::AutodiscoverArgs;
use crate::autodiscovery::backup::Backup;
use crate::autodiscovery::connection::{self, Connection};
use crate::autodiscovery::properties;
use crate::autodiscovery::secrets::{self, CLIENT_SECRET, Secrets};
use crate::memory::Memory;
use crate::session;

#[derive(Debug, Serialize)]
struct Connected {
    application: String,
    deployment_id: String,
    api_instance_id: u64,
    changed: bool,
    dry_run: bool,
    changes: Vec<String>,
    instance: Activity,
}

impl Report for Connected {
    fn text(&self) -> String {
        let mut lines = vec![match (self.changed, self.dry_run) {
            (true, true) => format!("{} would be changed, and restart:", self.application),
            (true, false) => format!("{} was changed:", self.application),
            (false, _) => format!("{} is up to date", self.application),
        }];
        lines.extend(self.changes.iter().map(|change| format!("  {change}")));
        lines.push(format!(
            "API instance {} is {}",
            self.api_instance_id, self.instance
        ));
        lines.join("\n")
    }
}

pub(crate) fn run(call: &Invocation, args: &AutodiscoverArgs) -> anyhow::Result<Outcome> {
    let given = secrets::given(call, &args.secure)?;
    let selector = session::selected_api(call)?;
    let session = session::prepare(call)?.log_in()?;
    let api = session.api(&selector)?;
    let application = connection::find(&session, &args.app)?;
    let connection = Connection {
        call,
        args,
        session: &session,
        api: &api,
        memory: Memory::of(call).fingerprints().cloned(),
        given,
    };
    let report = if args.undo {
        undo(&connection, &application)?
    } else {
        connect(&connection, &application)?
    };
    call.result(&report)?;
    Ok(Outcome::Done)
}

fn connect(connection: &Connection<'_>, before: &Deployment) -> Result<Connected> {
    let log = &connection.call.log;
    let (properties, changes) = properties::changes(connection, before)?;
    let now = connection.api.activity;
    if changes.is_empty() {
        return Ok(report(connection, before, changes, now));
    }
    let secrets = all_secrets(connection, before, &before.secure_names)?;
    properties::check_limits(&properties, &secrets)?;
    if connection.args.dry_run {
        return Ok(report(connection, before, changes, now));
    }
    if before.secure_names.is_empty() {
        log.warn(format!(
            "the platform shows no protected properties of {}: if it has any, they are lost now unless their values \
             are given with --secure",
            before.name
        ));
    }
    match &connection.memory {
        Some(memory) => Backup::of(before).write(memory, before)?,
        None => log.warn("--undo will not be possible"),
    }
    connection.replace(before, &properties, &secrets)?;
    if let Err(err) = connection.wait_until_running(before, &properties) {
        return Err(connection.go_back(before, &secrets, err));
    }
    remember(connection, before, &secrets);
    let activity = connection.wait_until_active()?;
    Ok(report(connection, before, changes, activity))
}

fn undo(connection: &Connection<'_>, now: &Deployment) -> Result<Connected> {
    let memory = connection.memory.as_ref();
    let backup = Backup::read(memory, now)?;
    let changes = properties::changes_back(now, &backup.properties, &backup.secure_names);
    let mut secrets = all_secrets(connection, now, &backup.secure_names)?;
    secrets.retain(|name, _| backup.secure_names.contains(name));
    let activity = connection.api.activity;
    if connection.args.dry_run || changes.is_empty() {
        return Ok(report(connection, now, changes, activity));
    }
    connection.replace(now, &backup.properties, &secrets)?;
    connection.wait_until_running(now, &backup.properties)?;
    remember(connection, now, &secrets);
    if let Some(Err(err)) = memory.map(|memory| Backup::remove(memory, now)) {
        connection.call.log.warn(err.to_string());
    }
    Ok(report(connection, now, changes, activity))
}

/// The values of the protected properties `names`, and the platform's secret.
fn all_secrets(
    connection: &Connection<'_>,
    of: &Deployment,
    names: &BTreeSet<String>,
) -> Result<Secrets> {
    let mut secrets = connection.given.clone();
    secrets::check_complete(of, names, &secrets)?;
    let needs_secret = !connection.args.undo || names.contains(CLIENT_SECRET);
    if needs_secret && !secrets.contains_key(CLIENT_SECRET) {
        let secret = secrets::client_secret(connection.call, connection.session)?;
        secrets.insert(CLIENT_SECRET.to_owned(), secret);
    }
    Ok(secrets)
}

fn remember(connection: &Connection<'_>, of: &Deployment, secrets: &Secrets) {
    let memory = connection.memory.as_ref();
    secrets::remember(connection.call, memory, connection.session, of, secrets);
}

fn report(
    connection: &Connection<'_>,
    of: &Deployment,
    changes: Vec<String>,
    instance: Activity,
) -> Connected {
    Connected {
        application: of.name.clone(),
        deployment_id: of.id.clone(),
        api_instance_id: connection.api.id.0,
        changed: !changes.is_empty(),
        dry_run: connection.args.dry_run,
        changes,
        instance,
    }
}
