//! The properties that an application is to have, and what that changes.

use std::collections::{BTreeMap, BTreeSet};

use common::anypoint::DEFAULT_URL;
use common::anypoint::deployments::{Deployment, LONGEST_PROPERTY, MOST_PROPERTIES};
use common::error::{Error, Result};
use common::system::fingerprints::Match;
use reqwest::Url;

use super::connection::Connection;
use super::secrets::{self, CLIENT_SECRET, Secrets};
use crate::args::Gatekeeper;

const CLIENT_ID: &str = "anypoint.platform.client_id";
const GATEKEEPER: &str = "anypoint.platform.gatekeeper";
const BASE_URI: &str = "anypoint.platform.base_uri";
const ANALYTICS_URI: &str = "anypoint.platform.analytics_base_uri";

/// Properties that are not protected.
pub(crate) type Properties = BTreeMap<String, String>;

/// The properties that the application is to have, and the changes in words.
pub(crate) fn changes(
    connection: &Connection<'_>,
    before: &Deployment,
) -> Result<(Properties, Vec<String>)> {
    let mut properties = before.properties.clone();
    let mut changes = Vec::new();
    for (name, value) in desired(connection)? {
        match properties.insert(name.clone(), value.clone()) {
            Some(old) if old == value => {}
            Some(old) => changes.push(format!("{name}: {old} → {value}")),
            None => changes.push(format!("{name}: {value}")),
        }
    }
    // A protected property must not stand among the plain ones as well.
    let given = &connection.given;
    let mut hidden: BTreeSet<&str> = given.keys().map(String::as_str).collect();
    hidden.insert(CLIENT_SECRET);
    for name in hidden {
        let was_plain = properties.remove(name).is_some();
        if was_plain {
            changes.push(format!("{name}: protected from now on"));
        } else if !before.secure_names.contains(name) {
            changes.push(format!("{name}: (protected)"));
        } else if let Some(value) = given.get(name)
            && secrets::compare(
                connection.memory.as_ref(),
                connection.session,
                before,
                name,
                value,
            ) != Match::Same
        {
            changes.push(format!("{name}: (protected, another value)"));
        }
    }
    Ok((properties, changes))
}

fn desired(connection: &Connection<'_>) -> Result<Vec<(String, String)>> {
    let gatekeeper = match connection.args.gatekeeper {
        Gatekeeper::Flexible => "flexible",
        Gatekeeper::Strict => "strict",
    };
    let client_id = secrets::client_id(connection.call, connection.session)?;
    let mut desired = vec![
        (
            connection.args.property.clone(),
            connection.api.id.to_string(),
        ),
        (CLIENT_ID.to_owned(), client_id),
        (GATEKEEPER.to_owned(), gatekeeper.to_owned()),
    ];
    if let Some((base, analytics)) = plane(connection.session.client.http().base()) {
        desired.push((BASE_URI.to_owned(), base));
        desired.push((ANALYTICS_URI.to_owned(), analytics));
    }
    Ok(desired)
}

/// The changes in words that lead back to `backup`.
pub(crate) fn changes_back(
    now: &Deployment,
    properties: &Properties,
    secure_names: &BTreeSet<String>,
) -> Vec<String> {
    let names: BTreeSet<&String> = now.properties.keys().chain(properties.keys()).collect();
    let plain = names.into_iter().filter_map(|name| {
        match (now.properties.get(name), properties.get(name)) {
            (Some(old), Some(new)) if old != new => Some(format!("{name}: {old} → {new}")),
            (Some(_), None) => Some(format!("{name}: removed")),
            (None, Some(new)) => Some(format!("{name}: {new}")),
            _ => None,
        }
    });
    let hidden = now
        .secure_names
        .difference(secure_names)
        .map(|name| format!("{name}: removed"));
    plain.chain(hidden).collect()
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
