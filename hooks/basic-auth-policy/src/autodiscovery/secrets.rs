//! Protected properties: their values come from the user or from Access Management, never from the application.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::anypoint::deployments::Deployment;
use common::cli::Invocation;
use common::error::{Error, Result};
use common::secret::Secret;
use common::settings;
use common::system::fingerprints::{Fingerprints, Match};

use crate::session::Session;
use crate::settings::{PLATFORM_CLIENT_ID, PLATFORM_CLIENT_SECRET};

/// The property that holds the client secret of the environment.
pub(crate) const CLIENT_SECRET: &str = "anypoint.platform.client_secret";

/// Values by the name of the property.
pub(crate) type Secrets = BTreeMap<String, Secret>;

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
    memory: Option<&Fingerprints>,
    session: &Session,
    of: &Deployment,
    name: &str,
    value: &Secret,
) -> Match {
    memory
        .and_then(|memory| {
            memory
                .compare(&subject(session, of, name), &[value.expose()], None)
                .ok()
        })
        .unwrap_or(Match::Unknown)
}

/// Remembers what was written.
pub(crate) fn remember(
    call: &Invocation,
    memory: Option<&Fingerprints>,
    session: &Session,
    of: &Deployment,
    secrets: &Secrets,
) {
    let Some(memory) = memory else { return };
    for (name, value) in secrets {
        if let Err(err) = memory.remember(&subject(session, of, name), &[value.expose()], None) {
            call.log.warn(err.to_string());
        }
    }
}

fn subject(session: &Session, of: &Deployment, name: &str) -> String {
    let at = &session.at;
    format!("{}/{}/{}/{name}", at.organization, at.environment, of.id)
}
