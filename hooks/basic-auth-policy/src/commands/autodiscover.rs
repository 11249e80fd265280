//! `autodiscover`: connects an application on CloudHub 2.0 to its API instance, and goes back.

use std::collections::BTreeSet;

use common::anypoint::api_instances::Activity;
use common::anypoint::deployments::{Deployment, Progress};
use common::cli::{Invocation, Outcome, Report, confirm};
use common::error::Result;
use serde::Serialize;

use crate::args::AutodiscoverArgs;
use crate::autodiscovery::backup::{Backup, State};
use crate::autodiscovery::connection::{self, Connection, Secrets};
use crate::autodiscovery::properties::{self, Changes};
use crate::autodiscovery::redeployment::failed;
use crate::autodiscovery::secrets::{self, CLIENT_SECRET};
use crate::autodiscovery::undo;
use crate::memory::Memory;
use crate::session;

#[derive(Debug, Serialize)]
struct Connected {
    application: String,
    deployment_id: String,
    /// The version of the application that is deployed; on a dry run, the one deployed now.
    version: Option<String>,
    api_instance_id: u64,
    changed: bool,
    dry_run: bool,
    changes: Vec<String>,
    instance: Activity,
}

impl Report for Connected {
    fn text(&self) -> String {
        let application = match &self.version {
            Some(version) => format!("{} {version}", self.application),
            None => self.application.clone(),
        };
        let mut lines = vec![match (self.changed, self.dry_run) {
            (true, true) => format!("{application} would be changed, and restart:"),
            (true, false) => format!("{application} was changed:"),
            (false, _) => format!("{application} is up to date"),
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
    let application = connection.settled(application)?;
    let report = if args.undo {
        take_back(&connection, &application)?
    } else {
        connect(&connection, &application)?
    };
    call.result(&report)?;
    Ok(Outcome::Done)
}

fn connect(connection: &Connection<'_>, before: &Deployment) -> Result<Connected> {
    let log = &connection.call.log;
    let changes = properties::changes(connection, before)?;
    let now = connection.api.activity;
    let then = changes.properties.as_ref().unwrap_or(&before.properties);
    if properties::opens_at_startup(then) {
        log.warn(
            "the gatekeeper is disabled: at every start the API is open until its policies have arrived. Set it to \
             flexible as soon as the instance is active: autodiscover --gatekeeper flexible",
        );
    }
    if changes.is_empty() {
        return up_to_date(connection, before);
    }
    let secrets = all_secrets(connection, before, &changes)?;
    if connection.args.dry_run {
        return Ok(report(connection, before, changes, now));
    }
    if !may_replace(connection, before, &changes)? {
        return Ok(report(connection, before, Changes::default(), now));
    }
    match &connection.memory {
        Some(memory) => {
            let before_it = State::of(before);
            let after = before_it.after(&changes);
            Backup::new(before_it, after).begin(memory, before, connection)?;
        }
        None => log.warn("--undo will not be possible"),
    }
    connection
        .redeploy(before, &changes, &secrets)
        .inspect_err(|err| connection.end_if_refused(before, err))?;
    if let Err(err) = connection.wait_until_running(before, &changes) {
        return Err(connection.go_back(before, &changes, &secrets, err));
    }
    let activity = connection.wait_until_active()?;
    connection.end(before);
    Ok(report(connection, before, changes, activity))
}

/// Nothing has to be changed. A run that was killed may have left the redeployment or the instance on the way, though.
fn up_to_date(connection: &Connection<'_>, application: &Deployment) -> Result<Connected> {
    let mut activity = connection.api.activity;
    if !connection.args.dry_run {
        if application.progress() == Progress::Failed {
            return Err(failed(application));
        }
        if activity != Activity::Active {
            activity = connection.wait_until_active()?;
        }
        connection.end(application);
    }
    Ok(report(
        connection,
        application,
        Changes::default(),
        activity,
    ))
}

fn take_back(connection: &Connection<'_>, now: &Deployment) -> Result<Connected> {
    let log = &connection.call.log;
    let memory = connection.memory.as_ref();
    let mut backup = Backup::read(memory, now)?;
    let (changes, kept) = undo::changes(&backup, now);
    if !kept.is_empty() {
        log.warn(format!(
            "others have changed this since autodiscover, so it stays as it is: {}",
            kept.join(", ")
        ));
    }
    let activity = connection.api.activity;
    if !changes.is_empty() {
        let mut secrets = all_secrets(connection, now, &changes)?;
        // Where none are shown, the user alone knows which of them were there before.
        let hides = now.secure_names.is_empty();
        secrets.retain(|name, _| {
            changes.secure_names.contains(name)
                || !backup.after.secure_names.contains(name)
                || (hides && name != CLIENT_SECRET)
        });
        if connection.args.dry_run {
            return Ok(report(connection, now, changes, activity));
        }
        if !may_replace(connection, now, &changes)? {
            return Ok(report(connection, now, Changes::default(), activity));
        }
        if let Some(memory) = memory {
            backup.begin(memory, now, connection)?;
        }
        connection
            .redeploy(now, &changes, &secrets)
            .inspect_err(|err| connection.end_if_refused(now, err))?;
        connection.wait_until_running(now, &changes)?;
    }
    if !connection.args.dry_run
        && let Some(Err(err)) = memory.map(|memory| Backup::remove(memory, now))
    {
        log.warn(err.to_string());
    }
    Ok(report(connection, now, changes, activity))
}

/// Asks where the platform shows no protected property: those that nobody gave would be deleted.
fn may_replace(connection: &Connection<'_>, now: &Deployment, changes: &Changes) -> Result<bool> {
    if changes.properties.is_none() || !now.secure_names.is_empty() || connection.args.yes {
        return Ok(true);
    }
    let question = format!(
        "The platform shows no protected properties of {}. If it has any, a change deletes those whose values are not \
         given with --secure. Change it?",
        now.name
    );
    if confirm(&question)? {
        return Ok(true);
    }
    connection.call.log.info("nothing was changed");
    Ok(false)
}

/// The values of all protected properties that the application is to have, and the platform's secret.
fn all_secrets(connection: &Connection<'_>, of: &Deployment, changes: &Changes) -> Result<Secrets> {
    let mut secrets = connection.given.clone();
    let Some(properties) = &changes.properties else {
        // Both kinds stay where neither is named.
        return Ok(secrets);
    };
    let names: &BTreeSet<String> = &changes.secure_names;
    secrets::check_complete(of, names, &secrets)?;
    if names.contains(CLIENT_SECRET) && !secrets.contains_key(CLIENT_SECRET) {
        let secret = secrets::client_secret(connection.call, connection.session)?;
        secrets.insert(CLIENT_SECRET.to_owned(), secret);
    }
    properties::check_limits(properties, &secrets)?;
    Ok(secrets)
}

fn report(
    connection: &Connection<'_>,
    of: &Deployment,
    changes: Changes,
    instance: Activity,
) -> Connected {
    let dry_run = connection.args.dry_run;
    let now = of.version().map(str::to_owned);
    Connected {
        application: of.name.clone(),
        deployment_id: of.id.clone(),
        api_instance_id: connection.api.id.0,
        changed: !changes.is_empty(),
        dry_run,
        version: changes.version.filter(|_| !dry_run).or(now),
        changes: changes.words,
        instance,
    }
}
