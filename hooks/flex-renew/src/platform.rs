//! An environment of the platform, as the program asks about it.

use common::anypoint::directory::{EnvironmentId, OrganizationId};
use common::anypoint::settings as shared;
use common::anypoint::standalone::{Gateway, Replica};
use common::anypoint::{Client, Credentials, DEFAULT_URL, PLANES};
use common::cli::Invocation;
use common::error::{Error, Result};
use common::flex::registration::Registration;
use common::settings::{Origin, Settings, Sourced};

use crate::settings::{ENVIRONMENT, ORGANIZATION, URL};

/// An environment of the platform.
#[derive(Debug)]
pub(crate) struct Environment {
    client: Client,
    pub(crate) organization: OrganizationId,
    pub(crate) environment: EnvironmentId,
}

impl Environment {
    /// What flags say, else what the registration says, else other settings. Only an address that was set comes before
    /// that of the registration.
    pub(crate) fn of(
        call: &Invocation,
        registration: Option<&Registration>,
        credentials: Credentials,
    ) -> Result<Self> {
        let settings = &call.settings;
        let own = |field: fn(&Registration) -> &Option<String>| {
            registration
                .and_then(|registration| field(registration).clone())
                .map(|value| Sourced {
                    value,
                    origin: Origin::Flag("the registration"),
                })
        };
        let url = address(settings, registration)?;
        let client = Client::new(call.http(&url)?, credentials);
        let organization = match (settings.flag(&ORGANIZATION), own(|r| &r.organization)) {
            (None, Some(own)) => own,
            _ => shared::organization(settings)?,
        };
        let environment = match (settings.flag(&ENVIRONMENT), own(|r| &r.environment)) {
            (None, Some(own)) => own,
            _ => settings.text(&ENVIRONMENT)?.ok_or_else(|| {
                Error::config("no environment is given").advise(format!(
                    "Set {} to its name or id.",
                    ENVIRONMENT.how_to_give()
                ))
            })?,
        };
        let organization = client.organization(&organization)?;
        let environment = client.environment(&organization, &environment)?;
        Ok(Self {
            client,
            organization,
            environment,
        })
    }

    /// The replicas of the gateway with this id.
    pub(crate) fn replicas(&self, id: &str) -> Result<Vec<Replica>> {
        self.client
            .for_target()
            .replicas(&self.organization, &self.environment, id)
    }

    /// The gateway with this id.
    pub(crate) fn gateway(&self, id: &str) -> Result<Gateway> {
        self.client
            .gateway(&self.organization, &self.environment, id)
    }

    /// All gateways, or the one with this name or id.
    pub(crate) fn gateways(&self, only: Option<&str>) -> Result<Vec<Gateway>> {
        let mut all = self
            .client
            .gateways(&self.organization, &self.environment)?;
        let Some(only) = only else {
            return Ok(all);
        };
        all.retain(|known| known.id == only || known.name == only);
        if all.is_empty() {
            return Err(Error::not_found(format!(
                "there is no gateway {only:?} in environment {}",
                self.environment
            ))
            .advise("flex-renew status without --gateway shows all. Gateways in Local Mode are not listed."));
        }
        Ok(all)
    }
}

/// Where the platform is asked: only an address that was set comes before that of the registration.
pub(crate) fn address(settings: &Settings, registration: Option<&Registration>) -> Result<String> {
    let own = registration.and_then(|registration| registration.platform.clone());
    match (settings.text(&URL)?, own) {
        (Some(_), _) => settings.address(&URL),
        (None, Some(own)) if is_published(&own) => Ok(own),
        _ => Ok(DEFAULT_URL.to_owned()),
    }
}

/// Whether the platform can be asked at all. The credentials for `flexctl` are never used for that.
pub(crate) fn has_credentials(settings: &Settings) -> Result<bool> {
    Ok(settings.text(&shared::CLIENT_ID)?.is_some()
        || settings.secret(&shared::CLIENT_SECRET)?.is_some()
        || settings.secret(&shared::BEARER)?.is_some())
}

/// Credentials go to no other address than a published one merely because a registration names it.
fn is_published(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .unwrap_or_default()
        .trim_end_matches('/');
    PLANES.iter().any(|(_, known)| *known == host)
}
