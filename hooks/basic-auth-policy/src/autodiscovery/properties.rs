//! The properties that an application is to have, and what that changes.

use std::collections::{BTreeMap, BTreeSet};

use common::anypoint::DEFAULT_URL;
use common::anypoint::api_instances::Activity;
use common::anypoint::deployments::{Deployment, LONGEST_PROPERTY, MOST_PROPERTIES};
use common::error::{Error, Result};
use common::system::fingerprints::Match;
use reqwest::Url;

use super::connection::{Connection, Secrets};
use super::secrets::{self, CLIENT_SECRET};
use crate::args::Gatekeeper;

const CLIENT_ID: &str = "anypoint.platform.client_id";
const GATEKEEPER: &str = "anypoint.platform.gatekeeper";
const BASE_URI: &str = "anypoint.platform.base_uri";
const ANALYTICS_URI: &str = "anypoint.platform.analytics_base_uri";

/// Properties that are not protected.
pub(crate) type Properties = BTreeMap<String, String>;

/// What is to become of an application.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// All plain properties that it is to have; none where properties stay as they are.
    pub(crate) properties: Option<Properties>,
    /// The protected ones that it is to have then.
    pub(crate) secure_names: BTreeSet<String>,
    /// Its version, where another one is to be deployed.
    pub(crate) version: Option<String>,
    /// What differs, in words.
    pub(crate) words: Vec<String>,
}

impl Changes {
    /// Whether there is nothing to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.properties.is_none() && self.version.is_none()
    }
}

/// What has to change for `before` to be connected.
pub(crate) fn changes(connection: &Connection<'_>, before: &Deployment) -> Result<Changes> {
    let mut properties = before.properties.clone();
    let mut words = Vec::new();
    for (name, value) in desired(connection, before)? {
        match properties.insert(name.clone(), value.clone()) {
            Some(old) if old == value => {}
            Some(old) => words.push(format!("{name}: {old} → {value}")),
            None => words.push(format!("{name}: {value}")),
        }
    }
    let mut secure_names = before.secure_names.clone();
    secure_names.extend(connection.given.keys().cloned());
    secure_names.insert(CLIENT_SECRET.to_owned());
    for name in &secure_names {
        // A protected property must not stand among the plain ones as well.
        if properties.remove(name).is_some() {
            words.push(format!("{name}: protected from now on"));
        } else if let Some(what) = protected_difference(connection, before, name)? {
            words.push(format!("{name}: {what}"));
        }
    }
    let mut changes = Changes {
        properties: (!words.is_empty()).then_some(properties),
        secure_names,
        version: None,
        words,
    };
    if let Some(version) = &connection.args.app_version
        && before.version() != Some(version)
    {
        let old = before.version().unwrap_or("unknown");
        changes.words.push(format!("version: {old} → {version}"));
        changes.version = Some(version.clone());
    }
    Ok(changes)
}

/// How a protected property differs from what it is to be, as far as that can be known: its value cannot be read.
fn protected_difference(
    connection: &Connection<'_>,
    before: &Deployment,
    name: &str,
) -> Result<Option<&'static str>> {
    let is_client_secret = name == CLIENT_SECRET;
    let is_shown = before.secure_names.contains(name);
    // The platform may show none. What was written by this program is there as long as nobody has changed anything.
    let is_known = before.secure_names.is_empty() && secrets::is_ours(connection, before);
    if !is_shown && !is_known {
        return Ok(Some("(protected)"));
    }
    let is_active = connection.api.activity == Activity::Active;
    let value = match connection.given.get(name) {
        Some(given) => given.clone(),
        None if is_client_secret && (!is_shown || !is_active) => {
            secrets::client_secret(connection.call, connection.session)?
        }
        None => return Ok(None),
    };
    Ok(match secrets::compare(connection, before, name, &value) {
        Match::Different => Some("(protected, another value)"),
        Match::Same => None,
        // Given so that it is kept. That the instance is not active may well be for another secret, though.
        Match::Unknown if is_client_secret && !is_active => {
            Some("(protected, which value is set is not known)")
        }
        Match::Unknown if !is_shown => Some("(protected)"),
        Match::Unknown => None,
    })
}

fn desired(connection: &Connection<'_>, before: &Deployment) -> Result<Vec<(String, String)>> {
    let client_id = secrets::client_id(connection.call, connection.session)?;
    let mut desired = vec![
        (
            connection.args.property.clone(),
            connection.api.id.to_string(),
        ),
        (CLIENT_ID.to_owned(), client_id),
    ];
    let gatekeeper = match connection.args.gatekeeper {
        None if before.properties.contains_key(GATEKEEPER) => None,
        chosen => Some(chosen.unwrap_or(Gatekeeper::Flexible)),
    };
    if let Some(gatekeeper) = gatekeeper {
        desired.push((GATEKEEPER.to_owned(), gatekeeper.property().to_owned()));
    }
    if let Some((base, analytics)) = plane(connection.session.client.http().base()) {
        desired.push((BASE_URI.to_owned(), base));
        desired.push((ANALYTICS_URI.to_owned(), analytics));
    }
    Ok(desired)
}

/// Whether requests pass before the policies of an application with `properties` have arrived.
pub(crate) fn opens_at_startup(properties: &Properties) -> bool {
    properties
        .get(GATEKEEPER)
        .is_some_and(|value| value.eq_ignore_ascii_case(Gatekeeper::Disabled.property()))
}

/// Refuses what CloudHub 2.0 would not take.
pub(crate) fn check_limits(properties: &Properties, secrets: &Secrets) -> Result<()> {
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
                "property {name} or its value is longer than {LONGEST_PROPERTY} characters, which CloudHub 2.0 does not \
                 take"
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
        let mut properties: Properties =
            (0..300).map(|n| (format!("p{n}"), String::new())).collect();
        assert!(check_limits(&properties, &Secrets::new()).is_ok());
        properties.insert("one.more".to_owned(), String::new());
        assert!(check_limits(&properties, &Secrets::new()).is_err());
        let long = Properties::from([("p".to_owned(), "x".repeat(1025))]);
        assert!(check_limits(&long, &Secrets::new()).is_err());
    }
}
