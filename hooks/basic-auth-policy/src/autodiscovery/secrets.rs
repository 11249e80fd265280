//! Protected properties: their values come from the user or from Access Management, never from the application.

use std::collections::BTreeSet;
use std::path::Path;

use common::anypoint::deployments::Deployment;
use common::cli::Invocation;
use common::error::{Error, Result};
use common::secret::Secret;
use common::settings;
use common::system::fingerprints::Match;

use super::connection::{Connection, Secrets};
use crate::session::Session;
use crate::settings::{PLATFORM_CLIENT_ID, PLATFORM_CLIENT_SECRET};

/// The property that holds the client secret of the environment.
pub(crate) const CLIENT_SECRET: &str = "anypoint.platform.client_secret";

/// What stands for the whole configuration in the memory. No property is called so: a name is not empty.
const CONFIGURATION: &str = "";

/// The protected values that the user gave.
pub(crate) fn given(call: &Invocation, secure: &[String]) -> Result<Secrets> {
    let mut secrets = Secrets::new();
    if let Some(found) = call.settings.secret(&PLATFORM_CLIENT_SECRET)? {
        secrets.insert(CLIENT_SECRET.to_owned(), found.value);
    }
    for text in secure {
        // The text itself is not shown: it may hold a value that should have been in a file.
        let (name, file) = text.split_once("=@").ok_or_else(|| {
            Error::config("--secure is not NAME=@FILE").advise(
                "Put the value into a file and name that, for example --secure db.password=@db.password: values on a \
                 command line can be seen in the list of processes.",
            )
        })?;
        let value = settings::secret_in(&format!("--secure {name}"), Path::new(file))?;
        secrets.insert(name.to_owned(), value);
    }
    Ok(secrets)
}

/// The client id of the environment.
pub(crate) fn client_id(call: &Invocation, session: &Session) -> Result<String> {
    if let Some(given) = call.settings.text(&PLATFORM_CLIENT_ID)? {
        return Ok(given.value);
    }
    let at = &session.at;
    session
        .client
        .environment_details(&at.organization, &at.environment)?
        .client_id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| {
            Error::config("the platform does not give the client id of the environment").advise(
                "Give it with --platform-client-id (PLATFORM_CLIENT_ID), and its secret in \
                 PLATFORM_CLIENT_SECRET_FILE: Access Management > Business Groups > Environments shows both.",
            )
        })
}

/// The client secret of the environment, from Access Management.
pub(crate) fn client_secret(call: &Invocation, session: &Session) -> Result<Secret> {
    let id = client_id(call, session)?;
    session
        .client
        .platform_secret(&session.at.organization, &id)
        .map_err(|err| {
            let advice = format!(
                "{} Or give the secret yourself: set PLATFORM_CLIENT_SECRET_FILE to a file that holds it.",
                err.advice().unwrap_or_default()
            );
            err.advise(advice)
        })
}

/// The error for values that the platform does not return and that nobody gave; none where `given` holds all of `names`.
///
/// # Errors
///
/// Configuration: some are missing.
pub(crate) fn check_complete(
    of: &Deployment,
    names: &BTreeSet<String>,
    given: &Secrets,
) -> Result<()> {
    let missing: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| *name != CLIENT_SECRET && !given.contains_key(*name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let flags: Vec<String> = missing
        .iter()
        .map(|name| format!("--secure {name}=@FILE"))
        .collect();
    Err(Error::config(format!(
        "{} has protected properties whose values the platform does not return, and a change would delete them: {}",
        of.name,
        missing.join(", ")
    ))
    .advise(format!("Give their values: {}.", flags.join(" "))))
}

/// How a protected value compares with what was written last.
pub(crate) fn compare(
    connection: &Connection<'_>,
    of: &Deployment,
    name: &str,
    value: &Secret,
) -> Match {
    known(
        connection,
        &subject(connection, of, name),
        &[value.expose()],
        None,
    )
}

/// Whether the configuration that is wanted is the one that this program has written.
pub(crate) fn is_ours(connection: &Connection<'_>, application: &Deployment) -> bool {
    let version = application.desired_version.as_deref();
    let subject = subject(connection, application, CONFIGURATION);
    version.is_some() && known(connection, &subject, &[], version) == Match::Same
}

fn known(connection: &Connection<'_>, subject: &str, secret: &[&str], seen: Option<&str>) -> Match {
    connection
        .memory
        .as_ref()
        .and_then(|memory| memory.compare(subject, secret, seen).ok())
        .unwrap_or(Match::Unknown)
}

/// Remembers what was written, and that it led to the configuration that `written` has.
pub(crate) fn remember(connection: &Connection<'_>, written: &Deployment, secrets: &Secrets) {
    let Some(memory) = &connection.memory else {
        return;
    };
    let configuration = memory.remember(
        &subject(connection, written, CONFIGURATION),
        &[],
        written.desired_version.as_deref(),
    );
    let values = secrets.iter().map(|(name, value)| {
        memory.remember(&subject(connection, written, name), &[value.expose()], None)
    });
    for result in values.chain([configuration]) {
        if let Err(err) = result {
            connection.call.log.warn(err.to_string());
        }
    }
}

fn subject(connection: &Connection<'_>, of: &Deployment, name: &str) -> String {
    let at = &connection.session.at;
    format!("{}/{}/{}/{name}", at.organization, at.environment, of.id)
}
