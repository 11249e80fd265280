//! The applications in a private space, of whatever business group.

use common::anypoint::Client;
use common::anypoint::api_instances::Location;
use common::anypoint::deployments::Deployment;
use common::anypoint::directory::{EnvironmentId, OrganizationId};
use common::anypoint::private_spaces::{PrivateSpace, SpaceId};
use common::error::Result;

/// An application that runs in a private space.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) application: Deployment,
    /// Name of its environment.
    pub(crate) environment: String,
}

/// The business groups whose applications may run in the private space, its owner first.
pub(crate) fn groups(owner: &OrganizationId, space: &PrivateSpace) -> Vec<OrganizationId> {
    let others = space
        .environments
        .business_groups
        .iter()
        .filter(|id| !id.eq_ignore_ascii_case(owner.as_str()))
        .map(OrganizationId::new);
    std::iter::once(owner.clone()).chain(others).collect()
}

/// The applications of a business group in the private space.
pub(crate) fn of_group(
    client: &Client,
    group: &OrganizationId,
    space: &SpaceId,
) -> Result<Vec<Tenant>> {
    let mut tenants = Vec::new();
    for environment in client.environments(group)? {
        let at = Location {
            organization: group.clone(),
            environment: EnvironmentId::new(environment.id),
        };
        for listed in client.deployments(&at)? {
            let elsewhere = listed
                .target
                .as_deref()
                .is_some_and(|id| !id.eq_ignore_ascii_case(space.as_str()));
            if elsewhere {
                continue;
            }
            tenants.push(Tenant {
                application: client.deployment(&at, &listed.id)?,
                environment: environment.name.clone(),
            });
        }
    }
    Ok(tenants)
}
