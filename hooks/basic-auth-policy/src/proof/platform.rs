//! What the platform says about an API.

use common::anypoint::Credentials;
use common::anypoint::api_instances::ApiInstance;
use common::anypoint::endpoints::Address;
use common::anypoint::policies::{Policy, PolicyId};
use common::cli::Invocation;
use common::error::Result;

use crate::session::{self, Session};

/// Applications that are read to find the one with the API, at most.
const APPLICATIONS_READ: usize = 25;

/// What the platform says about an API.
#[derive(Debug)]
pub(crate) struct Platform {
    session: Session,
    pub(super) api: ApiInstance,
    pub(super) policy: Option<Policy>,
}

/// An application whose autodiscovery names the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Application {
    pub(super) name: String,
    pub(super) gatekeeper: Option<String>,
    /// Where it is reached; empty where that is not known.
    pub(super) hosts: Vec<String>,
}

impl Platform {
    /// What the platform says about the API that is set, where credentials for the platform are set too.
    pub(crate) fn look(call: &Invocation) -> Result<Option<Self>> {
        let Some(selector) = session::selected_api_if_set(&call.settings)? else {
            call.log
                .debug("no API instance is given: the platform is not asked");
            return Ok(None);
        };
        if Credentials::general(&call.settings).is_err() {
            call.log
                .debug("no credentials for the platform are given: it is not asked");
            return Ok(None);
        }
        let session = session::prepare(call)?.log_in()?;
        let api = session.api(&selector)?;
        let policies = session.policies(&api)?;
        Ok(Some(Self {
            policy: session::basic(call, &api, &policies)?.cloned(),
            session,
            api,
        }))
    }

    /// What the platform says about one policy of an API.
    pub(crate) fn of(session: Session, api: ApiInstance, policy: PolicyId) -> Result<Self> {
        let policies = session.policies(&api)?;
        Ok(Self {
            policy: policies.into_iter().find(|found| found.id == policy),
            session,
            api,
        })
    }

    /// The application whose properties name the API. Not being allowed to look only makes the answer vaguer.
    pub(super) fn application(&self, call: &Invocation) -> Option<Application> {
        let Session { client, at } = &self.session;
        let id = self.api.id.to_string();
        let listed = client
            .deployments(at)
            .inspect_err(|err| {
                call.log
                    .debug(format!("applications cannot be read: {err}"));
            })
            .ok()?;
        listed
            .iter()
            .take(APPLICATIONS_READ)
            .filter_map(|listed| client.deployment(at, &listed.id).ok())
            .find(|deployment| deployment.properties.values().any(|value| *value == id))
            .map(|deployment| Application {
                gatekeeper: deployment
                    .properties
                    .get("anypoint.platform.gatekeeper")
                    .map(|value| value.to_ascii_lowercase()),
                hosts: deployment
                    .inbound
                    .public_urls()
                    .iter()
                    .map(|url| Address::of(url).host)
                    .collect(),
                name: deployment.name,
            })
    }
}
