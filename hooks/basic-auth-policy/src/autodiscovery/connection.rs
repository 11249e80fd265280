//! An application and the API instance that it is to be connected to.

use std::collections::BTreeMap;

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::deployments::Deployment;
use common::anypoint::directory::{self, listed};
use common::cli::Invocation;
use common::error::{Error, Result};
use common::secret::Secret;
use common::system::fingerprints::Fingerprints;

use crate::args::AutodiscoverArgs;
use crate::session::Session;

/// Values of protected properties, by name.
pub(crate) type Secrets = BTreeMap<String, Secret>;

/// Work on the connection of one application to one API instance.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    pub(crate) call: &'a Invocation,
    pub(crate) args: &'a AutodiscoverArgs,
    pub(crate) session: &'a Session,
    pub(crate) api: &'a ApiInstance,
    pub(crate) memory: Option<Fingerprints>,
    /// Protected values that the user gave.
    pub(crate) given: Secrets,
}

/// The application that `--app` names.
pub(crate) fn find(session: &Session, app: &str) -> Result<Deployment> {
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
