//! Who is logged in, and which API instance and policy are meant.

use common::anypoint::api_instances::{ApiId, ApiInstance, Location};
use common::anypoint::directory::listed;
use common::anypoint::policies::Policy;
use common::anypoint::{self, Client, Credentials};
use common::error::{Error, Result};
use common::log::Output;
use common::net::http::Http;
use common::settings::{Found, Key, Settings};
use common::system::clock;

use crate::args::TargetArgs;

/// The API instance.
pub(crate) const API: Key =
    Key::new(&["API_INSTANCE_ID"], &["basic_auth_policy.api_instance"]).flag("--api");

/// The environment.
pub(crate) const ENVIRONMENT: Key = Key::new(
    &["ENVIRONMENT_ID", "ANYPOINT_ENV"],
    &["basic_auth_policy.environment", "anypoint.environment"],
)
.flag("--environment");

/// `--url` is the API's here.
const URL: Key = anypoint::URL.flag("--anypoint-url");

/// Label of the instance.
const LABEL: Key = Key::new(&[], &["basic_auth_policy.label"]).flag("--label");

/// What every command gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) target: &'a TargetArgs,
    pub(crate) out: &'a Output,
}

/// What is known before the first request.
#[derive(Debug)]
pub(crate) struct Prepared {
    client: Client,
    organization: Found,
    environment: Found,
}

/// A client that is logged in, and the environment to work in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) at: Location,
}

impl Context<'_> {
    /// The address of the control plane.
    pub(crate) fn plane(&self) -> Result<String> {
        Ok(self
            .settings
            .text(&URL, self.target.anypoint_url.as_deref())?
            .map_or_else(|| anypoint::DEFAULT_URL.to_owned(), |found| found.value))
    }

    /// Gathers what a session needs, without a request.
    pub(crate) fn prepare(&self) -> Result<Prepared> {
        let credentials = Credentials::general(self.settings)?;
        let organization =
            anypoint::organization(self.settings, self.target.organization.as_deref())?;
        let environment = self
            .settings
            .text(&ENVIRONMENT, self.target.environment.as_deref())?
            .ok_or_else(|| {
                Error::config("no environment is given").advise(format!(
                    "Set {} to the name or the id of the environment, as Sandbox.",
                    ENVIRONMENT.how_to_give()
                ))
            })?;
        let http = Http::new(
            "basic-auth-policy",
            &self.plane()?,
            &self.settings.network()?,
            clock::system(),
            self.out,
        )?;
        Ok(Prepared {
            client: Client::new(http, credentials),
            organization,
            environment,
        })
    }

    /// The API instance that is set.
    pub(crate) fn wanted_api(&self) -> Result<WantedApi> {
        self.wanted_api_if_set()?.ok_or_else(|| {
            Error::config("no API instance is given").advise(format!(
                "Set {} to the number that API Manager shows next to the API, or to the API's name.",
                API.how_to_give()
            ))
        })
    }

    /// The API instance that is set, if one is.
    pub(crate) fn wanted_api_if_set(&self) -> Result<Option<WantedApi>> {
        let Some(given) = self.settings.text(&API, self.target.api.as_deref())? else {
            return Ok(None);
        };
        let label = self.settings.text(&LABEL, self.target.label.as_deref())?;
        let text = given.value.trim();
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse().ok().filter(|&id| id > 0).ok_or_else(|| {
                Error::config(format!(
                    "{}: {text:?} is not the number of an API instance",
                    given.origin
                ))
            })?;
            return Ok(Some(WantedApi::Id(ApiId(id))));
        }
        Ok(Some(WantedApi::Name {
            name: text.to_owned(),
            label: label.map(|label| label.value),
            origin: given.origin.to_string(),
        }))
    }
}

/// Which API instance is meant.
#[derive(Debug)]
pub(crate) enum WantedApi {
    Id(ApiId),
    Name {
        name: String,
        label: Option<String>,
        origin: String,
    },
}

impl Prepared {
    /// Logs in and finds organization and environment.
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

    /// Proves that the credentials are accepted.
    pub(crate) fn prove_credentials(&self) -> Result<()> {
        self.client.log_in()
    }
}

impl Session {
    /// The API instance that is meant.
    pub(crate) fn api(&self, wanted: &WantedApi) -> Result<ApiInstance> {
        match wanted {
            WantedApi::Id(id) => self.client.api(&self.at, *id),
            WantedApi::Name {
                name,
                label,
                origin,
            } => {
                let all = self.client.apis(&self.at, None)?;
                let id = pick(&all, name, label.as_deref(), origin, &self.at)?;
                // A list does not tell everything that the single read tells.
                self.client.api(&self.at, id)
            }
        }
    }

    /// The Basic Authentication policy of an API among `policies`, or the one that `--policy-id` names.
    pub(crate) fn basic<'p>(
        api: &ApiInstance,
        policies: &'p [Policy],
        only: Option<u64>,
    ) -> Result<Option<&'p Policy>> {
        let basics: Vec<&Policy> = policies.iter().filter(|policy| policy.is_basic()).collect();
        if let Some(only) = only {
            return basics
                .iter()
                .find(|policy| policy.id.0 == only)
                .copied()
                .map(Some)
                .ok_or_else(|| {
                    Error::not_found(format!(
                        "API {} has no Basic Authentication policy {only}",
                        api.shown()
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
            .advise("Say which one is meant with --policy-id, and remove the others: remove --policy-id ID.")),
        }
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
    let named: Vec<&ApiInstance> = all
        .iter()
        .filter(|api| api.asset == name || api.asset_name.as_deref() == Some(name))
        .collect();
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

fn shown(apis: &[&ApiInstance]) -> String {
    let shown: Vec<String> = apis.iter().map(|api| api.shown()).collect();
    shown.join(", ")
}
