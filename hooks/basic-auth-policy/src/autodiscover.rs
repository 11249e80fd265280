//! `autodiscover`: connects an application on CloudHub 2.0 with its API instance, and goes back.
//!
//! The platform replaces all properties of an application at once and never gives protected values back, so every
//! change here carries the whole set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::anypoint::api_instances::{Activity, ApiInstance};
use common::anypoint::deployments::{Deployment, LONGEST_PROPERTY, MOST_PROPERTIES, Progress};
use common::anypoint::directory::listed;
use common::anypoint::{DEFAULT_URL, directory};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::Report;
use common::secret::Secret;
use common::settings::{self, Key};
use common::system::files;
use common::system::fingerprints::{Fingerprints, Match};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::apply;
use crate::args::{AutodiscoverArgs, Gatekeeper};
use crate::session::{Context, Session};

const CLIENT_ID: &str = "anypoint.platform.client_id";
const CLIENT_SECRET: &str = "anypoint.platform.client_secret";
const GATEKEEPER: &str = "anypoint.platform.gatekeeper";
const BASE_URI: &str = "anypoint.platform.base_uri";
const ANALYTICS_URI: &str = "anypoint.platform.analytics_base_uri";

/// The client id of the environment.
const PLATFORM_CLIENT_ID: Key = Key::new(&["PLATFORM_CLIENT_ID"], &[]).flag("--platform-client-id");

/// Its secret.
const PLATFORM_CLIENT_SECRET: Key = Key::new(&["PLATFORM_CLIENT_SECRET"], &[]);

/// Between two looks at a redeployment, at most.
const PAUSE: Duration = Duration::from_secs(5);

/// A file of properties is small.
const LARGEST_BACKUP: u64 = 4 * 1024 * 1024;

type Secrets = BTreeMap<String, Secret>;

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
            (false, _) => format!("{} is as wanted", self.application),
        }];
        lines.extend(self.changes.iter().map(|change| format!("  {change}")));
        lines.push(format!(
            "API instance {} is {}",
            self.api_instance_id, self.instance
        ));
        lines.join("\n")
    }
}

/// What an application had before.
#[derive(Debug, Serialize, Deserialize)]
struct Backup {
    properties: BTreeMap<String, String>,
    secure_names: BTreeSet<String>,
}

/// Runs the command.
pub(crate) fn run(context: &Context<'_>, args: &AutodiscoverArgs) -> anyhow::Result<Outcome> {
    let secrets = secrets(context, &args.secure)?;
    let wanted_api = context.wanted_api()?;
    let session = context.prepare()?.log_in()?;
    let api = session.api(&wanted_api)?;
    let deployment = find(&session, &args.app)?;
    let task = Task {
        context,
        args,
        session: &session,
        api: &api,
        memory: apply::memory(context),
        given: secrets,
    };
    let report = if args.undo {
        task.undo(&deployment)?
    } else {
        task.connect(&deployment)?
    };
    context.out.result(&report)?;
    Ok(Outcome::Done)
}

/// The protected values that are given.
fn secrets(context: &Context<'_>, secure: &[String]) -> Result<Secrets> {
    let mut secrets = Secrets::new();
    if let Some(found) = context.settings.secret(&PLATFORM_CLIENT_SECRET)? {
        secrets.insert(CLIENT_SECRET.to_owned(), found.value);
    }
    for text in secure {
        // The text itself is not shown: it may hold a value that should have been in a file.
        let (name, file) = text.split_once("=@").ok_or_else(|| {
            Error::config("--secure is not NAME=@FILE").advise(
                "Put the value into a file and name that, as --secure db.password=@db.password: values on a command \
                 line can be seen in the list of processes.",
            )
        })?;
        let value = settings::secret_in(&format!("--secure {name}"), Path::new(file))?;
        secrets.insert(name.to_owned(), value);
    }
    Ok(secrets)
}

fn find(session: &Session, app: &str) -> Result<Deployment> {
    if directory::is_uuid(app) {
        return session.client.deployment(&session.at, app);
    }
    let all = session.client.deployments(&session.at)?;
    let one = all
        .iter()
        .find(|listed| listed.name == app)
        .ok_or_else(|| {
            Error::not_found(format!(
                "environment {} has no application {app:?}",
                session.at.environment
            ))
            .advise(format!(
                "It has {}. Check --app and ENVIRONMENT_ID.",
                listed(all.iter().map(|listed| listed.name.as_str()))
            ))
        })?;
    session.client.deployment(&session.at, &one.id)
}

struct Task<'a> {
    context: &'a Context<'a>,
    args: &'a AutodiscoverArgs,
    session: &'a Session,
    api: &'a ApiInstance,
    memory: Option<Fingerprints>,
    given: Secrets,
}

impl Task<'_> {
    fn connect(&self, before: &Deployment) -> Result<Connected> {
        let (properties, changes) = self.changes(before)?;
        if changes.is_empty() {
            return Ok(self.report(before, changes, self.api.activity));
        }
        let secrets = self.all_secrets(before, &before.secure_names)?;
        within_limits(&properties, &secrets)?;
        if self.args.dry_run {
            return Ok(self.report(before, changes, self.api.activity));
        }
        if before.secure_names.is_empty() {
            self.context.out.warn(format!(
                "the platform shows no protected properties of {}: if it has any, they are lost now unless their values \
                 are given with --secure",
                before.name
            ));
        }
        self.keep(before)?;
        self.replace(before, &properties, &secrets)?;
        if let Err(err) = self.wait_until_running(before, &properties) {
            return Err(self.go_back(before, &secrets, err));
        }
        self.remember(before, &secrets);
        let activity = self.wait_until_active()?;
        Ok(self.report(before, changes, activity))
    }

    fn report(&self, of: &Deployment, changes: Vec<String>, instance: Activity) -> Connected {
        Connected {
            application: of.name.clone(),
            deployment_id: of.id.clone(),
            api_instance_id: self.api.id.0,
            changed: !changes.is_empty(),
            dry_run: self.args.dry_run,
            changes,
            instance,
        }
    }

    /// The properties that the application is to have, and what that changes.
    fn changes(&self, before: &Deployment) -> Result<(BTreeMap<String, String>, Vec<String>)> {
        let mut properties = before.properties.clone();
        let mut changes = Vec::new();
        for (name, value) in self.wanted()? {
            match properties.insert(name.clone(), value.clone()) {
                Some(old) if old == value => {}
                Some(old) => changes.push(format!("{name}: {old} → {value}")),
                None => changes.push(format!("{name}: {value}")),
            }
        }
        // A protected property must not stand among the plain ones as well.
        let mut hidden: BTreeSet<&str> = self.given.keys().map(String::as_str).collect();
        hidden.insert(CLIENT_SECRET);
        for name in hidden {
            let was_plain = properties.remove(name).is_some();
            if was_plain {
                changes.push(format!("{name}: protected from now on"));
            } else if !before.secure_names.contains(name) {
                changes.push(format!("{name}: (protected)"));
            } else if let Some(value) = self.given.get(name)
                && self.compare(before, name, value) != Match::Same
            {
                changes.push(format!("{name}: (protected, another value)"));
            }
        }
        Ok((properties, changes))
    }

    fn wanted(&self) -> Result<Vec<(String, String)>> {
        let mut wanted = vec![
            (self.args.property.clone(), self.api.id.to_string()),
            (CLIENT_ID.to_owned(), self.client_id()?),
            (
                GATEKEEPER.to_owned(),
                match self.args.gatekeeper {
                    Gatekeeper::Flexible => "flexible",
                    Gatekeeper::Strict => "strict",
                }
                .to_owned(),
            ),
        ];
        let base = self.session.client.http().base();
        if let Some((base, analytics)) = plane(base) {
            wanted.push((BASE_URI.to_owned(), base));
            wanted.push((ANALYTICS_URI.to_owned(), analytics));
        }
        Ok(wanted)
    }

    fn client_id(&self) -> Result<String> {
        let given = self
            .context
            .settings
            .text(&PLATFORM_CLIENT_ID, self.args.platform_client_id.as_deref())?;
        if let Some(given) = given {
            return Ok(given.value);
        }
        let at = &self.session.at;
        self.session
            .client
            .environment_details(&at.organization, &at.environment)?
            .client_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| {
                Error::config("the platform does not tell the client id of the environment").advise(
                    "Give it with --platform-client-id (PLATFORM_CLIENT_ID), and its secret in \
                     PLATFORM_CLIENT_SECRET_FILE: Access Management > Business Groups > Environments shows both.",
                )
            })
    }

    /// The values of `names` and of the platform's secret.
    ///
    /// # Errors
    ///
    /// Configuration: values are missing that the platform does not give back.
    fn all_secrets(&self, of: &Deployment, names: &BTreeSet<String>) -> Result<Secrets> {
        let mut secrets = self.given.clone();
        let missing: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| *name != CLIENT_SECRET && !secrets.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            let flags: Vec<String> = missing
                .iter()
                .map(|name| format!("--secure {name}=@FILE"))
                .collect();
            return Err(Error::config(format!(
                "{} has protected properties whose values the platform does not give back, and a change would delete them: \
                 {}",
                of.name,
                missing.join(", ")
            ))
            .advise(format!("Give their values: {}.", flags.join(" "))));
        }
        if !secrets.contains_key(CLIENT_SECRET)
            && (!self.args.undo || names.contains(CLIENT_SECRET))
        {
            secrets.insert(CLIENT_SECRET.to_owned(), self.platform_secret()?);
        }
        Ok(secrets)
    }

    fn platform_secret(&self) -> Result<Secret> {
        let id = self.client_id()?;
        self.session
            .client
            .platform_secret(&self.session.at.organization, &id)
            .map_err(|err| {
                let advice = format!(
                    "{} Or give the secret yourself: set PLATFORM_CLIENT_SECRET_FILE to a file that holds it.",
                    err.advice().unwrap_or_default()
                );
                err.advise(advice)
            })
    }

    fn replace(
        &self,
        of: &Deployment,
        properties: &BTreeMap<String, String>,
        secrets: &Secrets,
    ) -> Result<()> {
        self.context.out.info(format!(
            "changing the properties of {}; it restarts",
            of.name
        ));
        let changed =
            self.session
                .client
                .replace_properties(&self.session.at, of, properties, secrets);
        match changed {
            Err(err) if err.effect_unknown() => {
                let now = self.look(of)?;
                if now.desired_version != of.desired_version {
                    return Ok(());
                }
                Err(err.as_kind(Kind::Unproved))
            }
            changed => changed,
        }
    }

    fn look(&self, of: &Deployment) -> Result<Deployment> {
        // A wait has a limit of its own.
        self.session
            .client
            .for_target()
            .deployment(&self.session.at, &of.id)
    }

    fn wait_until_running(
        &self,
        before: &Deployment,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let progress = self
            .context
            .out
            .progress(format!("waiting for the redeployment of {}", before.name));
        self.poll(|| {
            let now = self.look(before)?;
            progress.tick(self.args.timeout, &now.status);
            let is_new = now.desired_version.is_none()
                || now.desired_version != before.desired_version
                || before.properties == *properties;
            Ok(match now.progress() {
                Progress::Failed if is_new => {
                    let why = if now.reasons.is_empty() {
                        "the platform gives no reason".to_owned()
                    } else {
                        now.reasons.join("; ")
                    };
                    return Err(Error::new(
                        Kind::Refused,
                        format!(
                            "the redeployment of {} failed ({}): {why}",
                            before.name, now.status
                        ),
                    )
                    .advise("Look at the application's log in Runtime Manager."));
                }
                Progress::Running if is_new && now.properties == *properties => Some(()),
                _ => None,
            })
        })?
        .ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{} was changed and is not redeployed after {} s",
                    before.name,
                    self.args.timeout.as_secs()
                ),
            )
            .advise("Look at Runtime Manager; run autodiscover again, or take it back with --undo.")
        })
    }

    fn wait_until_active(&self) -> Result<Activity> {
        let progress = self
            .context
            .out
            .progress(format!("waiting for API instance {}", self.api.id));
        self.poll(|| {
            let now = self
                .session
                .client
                .for_target()
                .api(&self.session.at, self.api.id)?;
            progress.tick(self.args.timeout, &now.activity.to_string());
            Ok((now.activity == Activity::Active).then_some(now.activity))
        })?
        .ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                format!(
                    "{} runs with the new properties, and API instance {} is not active after {} s",
                    self.args.app,
                    self.api.shown(),
                    self.args.timeout.as_secs()
                ),
            )
            .advise(format!(
                "Its autodiscovery element must take the instance from the property {} (apiId=\"${{{}}}\") and name the \
                 flow with the listener; client id and secret must be those of this environment. Go back with --undo.",
                self.args.property, self.args.property
            ))
        })
    }

    /// Asks until there is something, or the time is over.
    fn poll<T>(&self, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        let clock = self.session.client.http().clock();
        let start = clock.elapsed();
        let mut pause = Duration::from_millis(500);
        loop {
            match ask() {
                Ok(Some(found)) => return Ok(Some(found)),
                // The platform may be away for a moment; the application is being redeployed all the same.
                Err(err) if err.kind() != Kind::Unreachable => return Err(err),
                Err(err) => self.context.out.debug(err.to_string()),
                Ok(None) => {}
            }
            if clock.elapsed() - start + pause > self.args.timeout {
                return Ok(None);
            }
            clock.sleep(pause);
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// The redeployment failed: puts the properties of before back. The error stays the same.
    fn go_back(&self, before: &Deployment, secrets: &Secrets, err: Error) -> Error {
        if err.kind() != Kind::Refused {
            return err;
        }
        let old: Secrets = secrets
            .iter()
            .filter(|(name, _)| before.secure_names.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let back = self.session.client.for_target().replace_properties(
            &self.session.at,
            before,
            &before.properties,
            &old,
        );
        match back {
            Ok(()) => self.context.out.warn(format!(
                "the properties of before were put back into {}, with the protected values given",
                before.name
            )),
            Err(back) => self.context.out.warn(format!(
                "the properties of before could not be put back: {back}; try autodiscover --undo"
            )),
        }
        err
    }

    fn undo(&self, now: &Deployment) -> Result<Connected> {
        let path = self.backup_path(now).ok_or_else(no_state)?;
        let text = files::read_text(
            "the record of the properties before,",
            &path,
            LARGEST_BACKUP,
        )?;
        let backup: Backup = serde_json::from_str(&text).map_err(|_| {
            Error::config(format!("{} is damaged", path.display()))
                .advise("Put the properties back in Runtime Manager.")
        })?;
        let mut changes = Vec::new();
        let names: BTreeSet<&String> = now
            .properties
            .keys()
            .chain(backup.properties.keys())
            .collect();
        for name in names {
            match (now.properties.get(name), backup.properties.get(name)) {
                (Some(old), Some(new)) if old != new => {
                    changes.push(format!("{name}: {old} → {new}"));
                }
                (Some(_), None) => changes.push(format!("{name}: removed")),
                (None, Some(new)) => changes.push(format!("{name}: {new}")),
                _ => {}
            }
        }
        for name in now.secure_names.difference(&backup.secure_names) {
            changes.push(format!("{name}: removed"));
        }
        let mut secrets = self.all_secrets(now, &backup.secure_names)?;
        secrets.retain(|name, _| backup.secure_names.contains(name));
        if self.args.dry_run || changes.is_empty() {
            return Ok(self.report(now, changes, self.api.activity));
        }
        self.replace(now, &backup.properties, &secrets)?;
        self.wait_until_running(now, &backup.properties)?;
        self.remember(now, &secrets);
        if let Err(err) = std::fs::remove_file(&path) {
            self.context
                .out
                .warn(format!("{} cannot be removed: {err}", path.display()));
        }
        Ok(self.report(now, changes, self.api.activity))
    }

    /// Writes down what the application had, so that `--undo` can put it back.
    fn keep(&self, before: &Deployment) -> Result<()> {
        let Some(path) = self.backup_path(before) else {
            self.context.out.warn("there will be no --undo");
            return Ok(());
        };
        let backup = Backup {
            properties: before.properties.clone(),
            secure_names: before.secure_names.clone(),
        };
        let text = serde_json::to_string_pretty(&backup)
            .map_err(|err| Error::config("the properties do not fit into JSON").caused_by(err))?;
        common::system::fingerprints::private_folder(&files::folder_of(&path))
            .and_then(|()| files::replace(&path, text.as_bytes(), files::PRIVATE))
            .map_err(|err| {
                Error::config(format!("{} cannot be written", path.display()))
                    .caused_by(err)
                    .advise("The properties of before are kept there for --undo.")
            })
    }

    fn backup_path(&self, of: &Deployment) -> Option<PathBuf> {
        let folder = files::folder_of(self.memory.as_ref()?.path());
        let id: String = of
            .id
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        Some(folder.join(format!("autodiscover-{id}.json")))
    }

    fn subject(&self, of: &Deployment, name: &str) -> String {
        let at = &self.session.at;
        format!("{}/{}/{}/{name}", at.organization, at.environment, of.id)
    }

    fn compare(&self, of: &Deployment, name: &str, value: &Secret) -> Match {
        self.memory
            .as_ref()
            .and_then(|memory| {
                memory
                    .compare(&self.subject(of, name), &[value.expose()], None)
                    .ok()
            })
            .unwrap_or(Match::Unknown)
    }

    fn remember(&self, of: &Deployment, secrets: &Secrets) {
        let Some(memory) = &self.memory else { return };
        for (name, value) in secrets {
            if let Err(err) = memory.remember(&self.subject(of, name), &[value.expose()], None) {
                self.context.out.warn(err.to_string());
            }
        }
    }
}

fn no_state() -> Error {
    Error::config(
        "nothing is known of the properties before: neither XDG_STATE_HOME nor HOME is set",
    )
}

fn within_limits(properties: &BTreeMap<String, String>, secrets: &Secrets) -> Result<()> {
    let count = properties.len() + secrets.len();
    if count > MOST_PROPERTIES {
        return Err(Error::config(format!(
            "the application would have {count} properties; CloudHub 2.0 takes {MOST_PROPERTIES}"
        )));
    }
    let plain = properties
        .iter()
        .map(|(name, value)| (name, value.as_str()));
    let hidden = secrets.iter().map(|(name, value)| (name, value.expose()));
    for (name, value) in plain.chain(hidden) {
        if name.chars().count().max(value.chars().count()) > LONGEST_PROPERTY {
            return Err(Error::config(format!(
                "property {name} or its value is longer than {LONGEST_PROPERTY} characters, which CloudHub 2.0 does not take"
            )));
        }
    }
    Ok(())
}

/// The addresses that an application outside the control plane of the United States has to know.
fn plane(base: &Url) -> Option<(String, String)> {
    let origin = base.origin().ascii_serialization();
    if origin == DEFAULT_URL {
        return None;
    }
    let analytics = origin.replacen("://", "://analytics-ingest.", 1);
    Some((origin, analytics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_planes_than_the_one_of_the_us_are_named_to_the_application() {
        let plane = |url: &str| plane(&Url::parse(url).unwrap());
        assert_eq!(plane("https://anypoint.mulesoft.com/"), None);
        assert_eq!(
            plane("https://eu1.anypoint.mulesoft.com"),
            Some((
                "https://eu1.anypoint.mulesoft.com".to_owned(),
                "https://analytics-ingest.eu1.anypoint.mulesoft.com".to_owned()
            ))
        );
    }

    #[test]
    fn too_many_or_too_long_properties_are_refused_before_the_platform_sees_them() {
        let mut properties: BTreeMap<String, String> =
            (0..300).map(|n| (format!("p{n}"), String::new())).collect();
        assert!(within_limits(&properties, &Secrets::new()).is_ok());
        properties.insert("one.more".to_owned(), String::new());
        assert!(within_limits(&properties, &Secrets::new()).is_err());
        let long = BTreeMap::from([("p".to_owned(), "x".repeat(1025))]);
        assert!(within_limits(&long, &Secrets::new()).is_err());
    }
}
