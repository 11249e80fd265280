//! Who is logged in, and which API instance and policy are meant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::anypoint::api_instances::{ApiId, ApiInstance, Location};
use common::anypoint::directory::listed;
use common::anypoint::policies::Policy;
use common::anypoint::settings::organization;
use common::anypoint::{Client, Credentials};
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::net::http::Http;
use common::net::http::rate_limiter::PerSecond;
use common::settings::{Settings, Sourced};

use crate::settings::{self, API, ENVIRONMENT, LABEL, POLICY_ID, URL};

/// What is known before the first request.
#[derive(Debug)]
pub(crate) struct Prepared {
    client: Client,
    organization: Sourced,
    environment: Sourced,
}

/// A client that is logged in, and the environment to work in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) at: Location,
}

/// Which API instance is meant.
#[derive(Debug)]
pub(crate) enum ApiSelector {
    Id(ApiId),
    Name {
        name: String,
        label: Option<String>,
        origin: String,
    },
}

/// Gathers what a session needs, without a request.
pub(crate) fn prepare(call: &Invocation) -> Result<Prepared> {
    let credentials = Credentials::general(&call.settings)?;
    let organization = organization(&call.settings)?;
    let environment = environment(&call.settings)?;
    let http = limited(call, call.http(&call.settings.address(&URL)?)?)?;
    Ok(Prepared {
        client: Client::new(http, credentials),
        organization,
        environment,
    })
}

/// One for each control plane: it counts the requests of one address, however many APIs are worked on.
static RATE_LIMITERS: Mutex<BTreeMap<String, Arc<PerSecond>>> = Mutex::new(BTreeMap::new());

fn limited(call: &Invocation, http: Http) -> Result<Http> {
    let rate = settings::rate(&call.settings)?;
    if rate == 0 {
        return Ok(http);
    }
    let plane = http.base().origin().ascii_serialization();
    let mut limiters = RATE_LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let limiter = limiters
        .entry(plane)
        .or_insert_with(|| Arc::new(PerSecond::new(rate)));
    Ok(http.limited_by(Arc::<PerSecond>::clone(limiter)))
}

/// The environment that is set.
pub(crate) fn environment(settings: &Settings) -> Result<Sourced> {
    settings.text(&ENVIRONMENT)?.ok_or_else(|| {
        Error::config("no environment is given").advise(format!(
            "Set {} to the name or the id of the environment, for example Sandbox.",
            ENVIRONMENT.how_to_give()
        ))
    })
}

/// The API instance that is set.
pub(crate) fn selected_api(call: &Invocation) -> Result<ApiSelector> {
    selected_api_if_set(&call.settings)?.ok_or_else(|| {
        Error::config("no API instance is given").advise(format!(
            "Set {} to the number that API Manager shows next to the API, or to the API's name.",
            API.how_to_give()
        ))
    })
}

/// The API instance that is set, if one is.
pub(crate) fn selected_api_if_set(settings: &Settings) -> Result<Option<ApiSelector>> {
    let label = settings.text(&LABEL)?;
    let flagged = label
        .as_ref()
        .filter(|label| settings.is_near(&label.origin));
    let Some(given) = settings.text(&API)? else {
        return match flagged {
            Some(label) => Err(Error::config(format!(
                "{} is given without the name of an API",
                label.origin
            ))
            .advise(format!("Set {}.", API.how_to_give()))),
            None => Ok(None),
        };
    };
    let text = given.value.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(ApiSelector::Name {
            name: text.to_owned(),
            label: label.map(|label| label.value),
            origin: given.origin.to_string(),
        }));
    }
    if let Some(label) = flagged {
        return Err(Error::config(format!(
            "{} has no effect: {} gives the API instance by its number, {text}",
            label.origin, given.origin
        ))
        .advise("A label selects among the instances of an API that is given by name: give the name, or leave out the label."));
    }
    let id = text.parse().ok().filter(|&id| id > 0).ok_or_else(|| {
        Error::config(format!(
            "{}: {text:?} is not the number of an API instance",
            given.origin
        ))
    })?;
    Ok(Some(ApiSelector::Id(ApiId(id))))
}

impl Prepared {
    /// Proves that the credentials are accepted.
    pub(crate) fn prove_credentials(&self) -> Result<()> {
        self.client.log_in()
    }

    /// Logs in and looks up organization and environment.
    pub(crate) fn log_in(self) -> Result<Session> {
        let organization = self.client.organization(&self.organization)?;
        let environment = self.client.environment(&organization, &self.environment)?;
        Ok(Session {
            client: self.client,
            at: Location {
                organization,
                environment,
            },
        })
    }
}

impl Session {
    /// The same session with a fresh deadline, for the next target.
    pub(crate) fn for_target(&self) -> Self {
        Self {
            client: self.client.for_target(),
            at: self.at.clone(),
        }
    }

    /// The API instance that is meant.
    pub(crate) fn api(&self, selector: &ApiSelector) -> Result<ApiInstance> {
        match selector {
            ApiSelector::Id(id) => self.client.api(&self.at, *id),
            ApiSelector::Name {
                name,
                label,
                origin,
            } => {
                let all = self.client.apis(&self.at, None)?;
                let id = pick(&all, name, label.as_deref(), origin, &self.at)?;
                // A list does not hold everything that the single read does.
                self.client.api(&self.at, id)
            }
        }
    }

    /// Every policy of an API instance. When one was changed tells whether its password may be another: where the list
    /// leaves that out, the policy itself is asked.
    pub(crate) fn policies(&self, api: &ApiInstance) -> Result<Vec<Policy>> {
        let mut policies = self.client.policies(&self.at, api.id)?;
        for policy in &mut policies {
            if policy.is_basic() && policy.updated.is_none() {
                policy.updated = match self.client.policy(&self.at, api.id, policy.id) {
                    Ok(read) => read.updated,
                    Err(err) if err.kind() == Kind::NotFound => None,
                    Err(err) => return Err(err),
                };
            }
        }
        Ok(policies)
    }
}

/// The Basic Authentication policy of an API among `policies`, or the one that `--policy-id` names.
pub(crate) fn basic<'p>(
    call: &Invocation,
    api: &ApiInstance,
    policies: &'p [Policy],
) -> Result<Option<&'p Policy>> {
    let only = call.settings.parsed(&POLICY_ID, str::parse::<u64>)?;
    let basics: Vec<&Policy> = policies.iter().filter(|policy| policy.is_basic()).collect();
    if let Some(only) = only {
        return basics
            .iter()
            .find(|policy| policy.id.0 == only.value)
            .copied()
            .map(Some)
            .ok_or_else(|| {
                Error::not_found(format!(
                    "API {} has no Basic Authentication policy {}",
                    api.shown(),
                    only.value
                ))
                .advise(format!("It has {}.", ids(&basics)))
            });
    }
    match basics[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Error::config(format!(
            "API {} has {} Basic Authentication policies, {}: where both apply, everybody is refused",
            api.shown(),
            basics.len(),
            ids(&basics)
        ))
        .advise("Choose one with --policy-id, and remove the others: remove --policy-id ID.")),
    }
}

fn ids(policies: &[&Policy]) -> String {
    if policies.is_empty() {
        return "none".to_owned();
    }
    let ids: Vec<String> = policies
        .iter()
        .map(|policy| policy.id.to_string())
        .collect();
    ids.join(" and ")
}

fn pick(
    all: &[ApiInstance],
    name: &str,
    label: Option<&str>,
    origin: &str,
    at: &Location,
) -> Result<ApiId> {
    let named: Vec<&ApiInstance> = all.iter().filter(|api| is_called(api, name)).collect();
    let fitting: Vec<&ApiInstance> = named
        .iter()
        .filter(|api| label.is_none_or(|label| api.label.as_deref() == Some(label)))
        .copied()
        .collect();
    match (&fitting[..], &named[..]) {
        ([one], _) => Ok(one.id),
        ([], []) => Err(Error::not_found(format!(
            "{origin}: environment {} has no API {name:?}",
            at.environment
        ))
        .advise(format!(
            "It has {}. Names are compared exactly; the number of the instance works too.",
            listed(all.iter().map(|api| api.asset.as_str()))
        ))),
        ([], named) => Err(Error::not_found(format!(
            "no instance of API {name:?} has the label {:?}",
            label.unwrap_or_default()
        ))
        .advise(format!("There are {}.", shown(named)))),
        (several, _) => Err(Error::config(format!(
            "API {name:?} has {} instances{}",
            several.len(),
            if label.is_some() {
                " with this label"
            } else {
                ""
            }
        ))
        .advise(format!(
            "Choose one with --label, or by its number: {}.",
            shown(several)
        ))),
    }
}

/// Whether `name` is the asset id or the name of an API.
pub(crate) fn is_called(api: &ApiInstance, name: &str) -> bool {
    api.asset == name || api.asset_name.as_deref() == Some(name)
}

fn shown(apis: &[&ApiInstance]) -> String {
    let shown: Vec<String> = apis.iter().map(|api| api.shown()).collect();
    shown.join(", ")
}
