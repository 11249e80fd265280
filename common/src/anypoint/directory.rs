//! Organizations (business groups) and environments, by name or id.

use serde::Deserialize;

use super::{Client, Permission, refusal};
use crate::error::{Error, Kind, Result};
use crate::net::http::segment;
use crate::secret::Secret;
use crate::settings::Sourced;

/// Reading environments.
pub const VIEW_ENVIRONMENTS: Permission = Permission {
    purpose: "to find environments by name",
    scopes: &[("View Environment", "view:environment")],
};

/// Reading the credentials of an environment.
const VIEW_CLIENTS: Permission = Permission {
    purpose: "to read the client secret of the environment",
    scopes: &[("View Organization", "read:organization")],
};

/// Reading the own user. Every connected app may.
const PROFILE: Permission = Permission {
    purpose: "to find organizations by name",
    scopes: &[("Profile", "profile")],
};

/// Environments come 25 at a time unless more are asked for; this is the largest page.
const PAGE: usize = 500;

/// Makes a type for one kind of id, so that ids of two kinds cannot be mixed up.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes an id as the platform gave it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as a path segment.
            pub fn segment(&self) -> String {
                $crate::net::http::segment(&self.0)
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use id;

id!(
    /// Id of an organization or business group, a lower-case UUID.
    OrganizationId
);
id!(
    /// Id of an environment, a lower-case UUID.
    EnvironmentId
);

/// Whether a text is an id rather than a name: 8-4-4-4-12 hexadecimal digits.
pub fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.len() == 5
        && groups.iter().zip([8, 4, 4, 4, 12]).all(|(group, length)| {
            group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

impl Client {
    /// The organization that `given` names. An id is taken as it is, without a request.
    ///
    /// # Errors
    ///
    /// Not found, or the name is ambiguous.
    pub fn organization(&self, given: &Sourced) -> Result<OrganizationId> {
        if is_uuid(&given.value) {
            return Ok(OrganizationId::new(given.value.to_ascii_lowercase()));
        }
        let known = self.organizations()?;
        let matching: Vec<&Organization> =
            known.iter().filter(|one| one.name == given.value).collect();
        match matching[..] {
            [one] => Ok(OrganizationId::new(&one.id)),
            [] => Err(Error::not_found(format!(
                "{}: there is no organization {:?} that the credentials can see on {}",
                given.origin,
                given.value,
                self.host()
            ))
            .advise(format!(
                "They can see {}. Names are compared exactly; the id works too.",
                listed(known.iter().map(|one| one.name.as_str()))
            ))),
            _ => Err(Error::config(format!(
                "{}: {} organizations are called {:?}",
                given.origin,
                matching.len(),
                given.value
            ))
            .advise(format!(
                "Give the id instead, one of {}.",
                listed(matching.iter().map(|one| one.id.as_str()))
            ))),
        }
    }

    /// The organizations that the user behind the credentials belongs to.
    ///
    /// `GET /accounts/api/users/me`; for a connected app that is the user who created it.
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn organizations(&self) -> Result<Vec<Organization>> {
        #[derive(Deserialize)]
        struct Me {
            organization: Option<Organization>,
            #[serde(default, rename = "memberOfOrganizations")]
            member_of: Vec<Organization>,
        }
        let reply = self.send(|http| http.get("/accounts/api/users/me"))?;
        if !reply.is_success() {
            return Err(refusal(&reply, &PROFILE));
        }
        let mut me: Me = reply.json()?;
        if me.member_of.is_empty() {
            me.member_of.extend(me.organization);
        }
        Ok(me.member_of)
    }

    /// The environment that `given` names in `organization`. An id is taken as it is, without a request.
    ///
    /// # Errors
    ///
    /// Not found, or not permitted to look.
    pub fn environment(
        &self,
        organization: &OrganizationId,
        given: &Sourced,
    ) -> Result<EnvironmentId> {
        if is_uuid(&given.value) {
            return Ok(EnvironmentId::new(given.value.to_ascii_lowercase()));
        }
        let known = self.environments(organization)?;
        match known.iter().find(|one| one.name == given.value) {
            Some(one) => Ok(EnvironmentId::new(&one.id)),
            None => Err(Error::not_found(format!(
                "{}: organization {organization} has no environment {:?}",
                given.origin, given.value
            ))
            .advise(format!(
                "It has {}. Names are compared exactly; the id works too.",
                listed(known.iter().map(|one| one.name.as_str()))
            ))),
        }
    }

    /// Every environment of `organization`.
    ///
    /// `GET /accounts/api/organizations/ORG/environments`, all pages.
    ///
    /// # Errors
    ///
    /// Refused, not found, or no usable answer.
    pub fn environments(&self, organization: &OrganizationId) -> Result<Vec<Environment>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            data: Vec<Environment>,
        }
        let path = format!(
            "/accounts/api/organizations/{}/environments",
            organization.segment()
        );
        let mut all: Vec<Environment> = Vec::new();
        loop {
            let offset = all.len().to_string();
            let limit = PAGE.to_string();
            let reply = self.send(|http| {
                http.get(&path)
                    .query(&[("limit", &limit), ("offset", &offset)])
            })?;
            if !reply.is_success() {
                return Err(match reply.status() {
                    404 => no_such_organization(organization, self.host()),
                    _ => refusal(&reply, &VIEW_ENVIRONMENTS),
                });
            }
            let page: Page = reply.json()?;
            let last = page.data.len() < PAGE;
            all.extend(page.data);
            if last {
                return Ok(all);
            }
        }
    }
}

impl Client {
    /// One environment.
    ///
    /// `GET /accounts/api/organizations/ORG/environments/ENV`
    ///
    /// # Errors
    ///
    /// Refused, not found, or no usable answer.
    pub fn environment_details(
        &self,
        organization: &OrganizationId,
        environment: &EnvironmentId,
    ) -> Result<Environment> {
        let path = format!(
            "/accounts/api/organizations/{}/environments/{}",
            organization.segment(),
            environment.segment()
        );
        let reply = self.send(|http| http.get(&path))?;
        match reply.status() {
            404 => Err(Error::not_found(format!(
                "organization {organization} has no environment {environment}"
            ))
            .advise("Check ENVIRONMENT_ID and ORGANIZATION_ID.")),
            _ if reply.is_success() => reply.json(),
            _ => Err(refusal(&reply, &VIEW_ENVIRONMENTS)),
        }
    }

    /// The secret that belongs to the client id of an environment or business group.
    ///
    /// `GET /accounts/api/organizations/ORG/clients/CLIENT`
    ///
    /// # Errors
    ///
    /// Not permitted, not found, or no usable answer.
    pub fn platform_secret(
        &self,
        organization: &OrganizationId,
        client_id: &str,
    ) -> Result<Secret> {
        #[derive(Deserialize)]
        struct Answer {
            client_secret: String,
        }
        let path = format!(
            "/accounts/api/organizations/{}/clients/{}",
            organization.segment(),
            segment(client_id)
        );
        let reply = self.send(|http| http.get(&path))?;
        if !reply.is_success() {
            return Err(refusal(&reply, &VIEW_CLIENTS));
        }
        Ok(Secret::new(reply.json::<Answer>()?.client_secret))
    }
}

/// The error for an organization that the control plane does not know.
pub fn no_such_organization(organization: &OrganizationId, host: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("{host} knows no organization {organization}"),
    )
    .advise(
        "Check ORGANIZATION_ID; an organization lives on one control plane only, so check ANYPOINT_URL too.",
    )
}

/// An organization or business group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// Its name, not unique across organizations.
    #[serde(default)]
    pub name: String,
}

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Environment {
    /// Its id.
    pub id: String,
    /// Its name, unique in its organization.
    #[serde(default)]
    pub name: String,
    /// The client id that its applications name themselves with.
    #[serde(default, rename = "clientId")]
    pub client_id: Option<String>,
}

/// Names for an advice, at most ten.
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(10);
    names.truncate(10);
    let mut text = names
        .iter()
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ");
    if text.is_empty() {
        text = "none".to_owned();
    }
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_a_name() {
        assert!(is_uuid("2f0c6f3e-0000-4000-8000-0000000000AA"));
        assert!(!is_uuid("Acme"));
        assert!(!is_uuid("2f0c6f3e-0000-4000-8000-0000000000a"));
        assert!(!is_uuid("production-east-2"));
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<String> = (0..12).map(|n| format!("e{n}")).collect();
        let text = listed(names.iter().map(String::as_str));
        assert!(text.ends_with("\"e9\" and 2 more"), "{text}");
        assert_eq!(listed(std::iter::empty()), "none");
    }
}
