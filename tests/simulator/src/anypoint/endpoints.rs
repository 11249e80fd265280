//! The addresses that applications are reached at, and who may have which.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Anypoint, refusal};
use crate::http::Answer;

/// An address of an application.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Endpoint {
    /// As `https://api.acme.example/orders`.
    pub url: String,
    /// The path that the application expects instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_rewrite: Option<String>,
    /// `internal` or `external`, which it is if empty.
    pub access: String,
}

impl Endpoint {
    fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            access: "external".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.access != "internal"
    }

    fn after_scheme(&self) -> &str {
        self.url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest)
    }

    /// Without its port.
    pub(crate) fn host(&self) -> &str {
        let host = self.after_scheme().split('/').next().unwrap_or_default();
        host.split(':').next().unwrap_or_default()
    }

    /// Begins with a slash, or is empty.
    pub(crate) fn base_path(&self) -> &str {
        let rest = self.after_scheme();
        rest.find('/')
            .map_or("", |at| &rest[at..])
            .trim_end_matches('/')
    }

    fn is_same_address(&self, other: &Self) -> bool {
        self.host().eq_ignore_ascii_case(other.host()) && self.base_path() == other.base_path()
    }
}

/// The addresses in a text that separates them by commas.
pub(super) fn of_text(urls: &str) -> Vec<Endpoint> {
    urls.split(',')
        .map(str::trim)
        .filter(|url| !url.is_empty())
        .map(Endpoint::of)
        .collect()
}

/// What an answer says of them.
pub(super) fn view(endpoints: &[Endpoint], as_list: bool) -> Map<String, Value> {
    let (name, value) = if as_list {
        ("endpoints", json!(endpoints))
    } else {
        let urls: Vec<&str> = endpoints.iter().map(|one| one.url.as_str()).collect();
        ("publicUrl", json!(urls.join(",")))
    };
    Map::from_iter([(name.to_owned(), value)])
}

/// The endpoints that an update wants, if it says something about them.
pub(super) fn wanted(
    anypoint: &Anypoint,
    of: usize,
    body: &Value,
) -> Result<Option<Vec<Endpoint>>, Answer> {
    let inbound = body.pointer("/target/deploymentSettings/http/inbound");
    let said = |name: &str| inbound.and_then(|inbound| inbound.get(name));
    let wanted = match (said("publicUrl"), said("endpoints")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(refusal(
                400,
                "Configure either publicUrl or endpoints, but not both",
            ));
        }
        (Some(Value::String(urls)), None) => of_text(urls),
        (Some(_), None) => return Err(refusal(400, "publicUrl should be a text")),
        (None, Some(list)) => serde_json::from_value(list.clone())
            .map_err(|err| refusal(400, &format!("endpoints: {err}")))?,
    };
    let known = &anypoint.deployments[of].endpoints;
    let new = wanted
        .iter()
        .filter(|one| !known.contains(one) && one.is_public());
    for endpoint in new {
        check(anypoint, of, endpoint)?;
    }
    Ok(Some(wanted))
}

fn check(anypoint: &Anypoint, of: usize, endpoint: &Endpoint) -> Result<(), Answer> {
    let application = &anypoint.deployments[of];
    let url = &endpoint.url;
    let is_address = url.starts_with("https://") || url.starts_with("http://");
    if !is_address || endpoint.host().is_empty() {
        return Err(refusal(400, &format!("{url:?} is not a public URL")));
    }
    let Some(space) = anypoint.space(&application.space) else {
        return Err(refusal(
            400,
            "Endpoints of applications in a shared space cannot be customized",
        ));
    };
    let host = endpoint.host().to_ascii_lowercase();
    let wildcard = host
        .split_once('.')
        .map(|(_, parent)| format!("*.{parent}"));
    let is_covered = space.contexts.iter().any(|context| {
        let names = &context.material().names;
        names.contains(&host) || wildcard.as_ref().is_some_and(|name| names.contains(name))
    });
    if !is_covered {
        return Err(refusal(
            400,
            &format!("The domain of {url} is in no TLS context of the private space"),
        ));
    }
    let taken = anypoint.deployments.iter().find(|other| {
        let all = || other.endpoints.iter().chain(&other.routed);
        other.id != application.id
            && other.space == application.space
            && all().any(|one| one.is_same_address(endpoint))
    });
    match taken {
        Some(other) => Err(refusal(
            400,
            &format!("{url} is in use by the application {}", other.name),
        )),
        None => Ok(()),
    }
}
