//! Private spaces of CloudHub 2.0.
//!
//! <https://docs.mulesoft.com/cloudhub-2/ps-gather-setup-info>; paths from the published API description
//! `cloudhub-20-api`.

use serde::Deserialize;
use serde_json::Value;

use super::directory::{OrganizationId, id, listed, no_such_organization};
use super::{Client, Permission, lenient, refusal};
use crate::error::{Error, Kind, Result};

id!(
    /// Id of a private space.
    SpaceId
);

/// What reading private spaces asks for.
pub const READ_PRIVATE_SPACES: Permission = Permission {
    purpose: "to read private spaces and their TLS contexts",
    scopes: &[
        ("CloudHub Network Viewer", "read:cloudhub_networking"),
        (
            "CloudHub Network Administrator",
            "manage:cloudhub_networking",
        ),
        ("Manage Private Spaces", "manage:private_spaces"),
        ("Cloudhub Organization Admin", "admin:cloudhub"),
    ],
};

/// Requests per second that the platform takes from one client address, all private spaces together.
///
/// <https://docs.mulesoft.com/cloudhub-2/ch2-limits>
pub const REQUESTS_PER_SECOND: u32 = 15;

/// No organization has more pages than this; a server that never ends the list must not keep a program for ever.
const MOST_PAGES: usize = 100;

/// A private space. Every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrivateSpace {
    /// Its id, see [`PrivateSpace::id`].
    #[serde(rename = "id", deserialize_with = "lenient::id")]
    pub listed_id: Option<String>,
    /// Its name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// `Active` when it can be used.
    #[serde(deserialize_with = "lenient::or_default")]
    pub status: Option<String>,
    /// Region, where it stands outside of the network.
    #[serde(deserialize_with = "lenient::or_default")]
    pub region: Option<String>,
    /// Its network.
    #[serde(deserialize_with = "lenient::or_default")]
    pub network: Network,
    /// Who may deploy to it.
    #[serde(deserialize_with = "lenient::or_default")]
    pub environments: Environments,
}

/// Who may deploy to a private space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Environments {
    /// Ids of the business groups that it is shared with, the owner among them.
    #[serde(deserialize_with = "lenient::entries")]
    pub business_groups: Vec<String>,
}

/// The network of a private space. Every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Region, such as `us-east-1`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub region: Option<String>,
    /// Host name that public vanity domains point to.
    #[serde(deserialize_with = "lenient::or_default")]
    pub dns_target: Option<String>,
    /// The same, for domains that are resolved inside the private network.
    #[serde(deserialize_with = "lenient::or_default")]
    pub internal_dns_target: Option<String>,
}

impl PrivateSpace {
    /// Its id.
    ///
    /// # Errors
    ///
    /// Unreachable: the platform told none.
    pub fn id(&self) -> Result<SpaceId> {
        self.listed_id.as_deref().map(SpaceId::new).ok_or_else(|| {
            Error::new(
                Kind::Unreachable,
                format!(
                    "the platform tells no id of the private space {:?}",
                    self.name
                ),
            )
            .advise("Give its id instead of its name.")
        })
    }

    /// The region, wherever it stands.
    pub fn region(&self) -> Option<&str> {
        self.network.region.as_deref().or(self.region.as_deref())
    }
}

/// One form of the answer is a bare list, the other a page of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    List(Vec<Value>),
    Page {
        content: Vec<Value>,
        #[serde(default, deserialize_with = "lenient::or_default")]
        last: Option<bool>,
    },
}

impl Client {
    /// Every private space of `organization`, all pages.
    ///
    /// `GET /runtimefabric/api/organizations/ORG/privatespaces`
    ///
    /// # Errors
    ///
    /// Refused, no such organization, or no usable answer.
    pub fn private_spaces(&self, organization: &OrganizationId) -> Result<Vec<PrivateSpace>> {
        let path = spaces_path(organization);
        let mut all: Vec<Value> = Vec::new();
        for _ in 0..MOST_PAGES {
            let offset = all.len().to_string();
            let reply = self.send(|http| {
                let request = http.get(&path);
                if offset == "0" {
                    request
                } else {
                    request.query(&[("offset", &offset)])
                }
            })?;
            if !reply.is_success() {
                return Err(match reply.status() {
                    404 => no_such_organization(organization, self.host()),
                    _ => refusal(&reply, &READ_PRIVATE_SPACES),
                });
            }
            match reply.json()? {
                Answer::List(list) => {
                    all.extend(list);
                    return Ok(lenient::readable(all));
                }
                Answer::Page { content, last } => {
                    let done = last.unwrap_or(true) || content.is_empty();
                    all.extend(content);
                    if done {
                        return Ok(lenient::readable(all));
                    }
                }
            }
        }
        Err(Error::new(
            Kind::Unreachable,
            format!("{}: the list of private spaces never ends", self.host()),
        ))
    }

    /// The private space with this id, or nothing.
    ///
    /// `GET /runtimefabric/api/organizations/ORG/privatespaces/SPACE`. Holds fields that a list may leave out.
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn private_space(
        &self,
        organization: &OrganizationId,
        space: &SpaceId,
    ) -> Result<Option<PrivateSpace>> {
        let path = space_path(organization, space);
        let reply = self.send(|http| http.get(&path))?;
        match reply.status() {
            404 => Ok(None),
            _ if reply.is_success() => Ok(Some(reply.json()?)),
            _ => Err(refusal(&reply, &READ_PRIVATE_SPACES)),
        }
    }
}

/// The private space that `given` names, by id or by exact name, among `known`.
///
/// # Errors
///
/// Not found, or configuration: the name is ambiguous.
pub fn pick<'a>(
    known: &'a [PrivateSpace],
    given: &str,
    organization: &OrganizationId,
    host: &str,
) -> Result<&'a PrivateSpace> {
    if let Some(space) = known.iter().find(|space| has_id(space, given)) {
        return Ok(space);
    }
    let named: Vec<&PrivateSpace> = known.iter().filter(|space| space.name == given).collect();
    match named[..] {
        [space] => Ok(space),
        [] => Err(no_such_space(known, given, organization, host)),
        _ => Err(Error::config(format!(
            "{} private spaces are called {given:?}",
            named.len()
        ))
        .advise(format!(
            "Give the id instead, one of {}.",
            listed(named.iter().filter_map(|space| space.listed_id.as_deref()))
        ))),
    }
}

fn has_id(space: &PrivateSpace, given: &str) -> bool {
    let id = space.listed_id.as_deref();
    id.is_some_and(|id| id.eq_ignore_ascii_case(given))
}

/// The error for a private space that is not among `known`.
pub fn no_such_space(
    known: &[PrivateSpace],
    given: &str,
    organization: &OrganizationId,
    host: &str,
) -> Error {
    Error::not_found(format!(
        "organization {organization} on {host} has no private space {given:?} that the credentials can see"
    ))
    .advise(format!(
        "It has {}. Name the private space by its id or exact name. If none of these is yours, check \
         ORGANIZATION_ID (the business group that owns the space) and ANYPOINT_URL (the control plane).",
        listed(known.iter().map(|space| space.name.as_str()))
    ))
}

pub(super) fn space_path(organization: &OrganizationId, space: &SpaceId) -> String {
    format!("{}/{}", spaces_path(organization), space.segment())
}

fn spaces_path(organization: &OrganizationId) -> String {
    format!(
        "/runtimefabric/api/organizations/{}/privatespaces",
        organization.segment()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(id: &str, name: &str) -> PrivateSpace {
        PrivateSpace {
            listed_id: Some(id.into()),
            name: name.into(),
            ..PrivateSpace::default()
        }
    }

    #[test]
    fn both_forms_of_the_list_are_understood() {
        let list: Answer = serde_json::from_str(r#"[{"id":"1","name":"a","x":{}}]"#).unwrap();
        assert!(matches!(list, Answer::List(spaces) if spaces[0]["name"] == "a"));
        let page: Answer = serde_json::from_str(
            r#"{"content":[{"id":"1","name":"a","network":{"dnsTarget":"t.example"}}],"last":false,"totalElements":2}"#,
        )
        .unwrap();
        assert!(matches!(
            page,
            Answer::Page { content, last: Some(false) }
                if content[0]["network"]["dnsTarget"] == "t.example"
        ));
    }

    #[test]
    fn what_is_odd_about_a_space_hurts_nobody_who_does_not_need_it() {
        let list = serde_json::json!([
            null, 5, "space", {}, {"id": null, "name": null, "network": null, "environments": []},
            {"id": 7, "name": 8, "status": {}, "network": {"dnsTarget": 9, "region": "eu"}},
            {"id": "3", "name": "c", "environments": {"businessGroups": ["o", null, 4]}},
        ]);
        let spaces: Vec<PrivateSpace> = lenient::readable(serde_json::from_value(list).unwrap());
        assert_eq!(spaces.len(), 4);
        assert_eq!(spaces[2].id().unwrap().as_str(), "7");
        assert_eq!(spaces[2].region(), Some("eu"));
        assert_eq!(spaces[2].network.dns_target, None);
        assert_eq!(spaces[3].environments.business_groups, ["o"]);
        let err = spaces[1].id().unwrap_err();
        assert!(err.to_string().contains("no id of the private space"));
    }

    #[test]
    fn a_space_is_found_by_id_or_exact_name_and_an_ambiguous_name_is_refused() {
        let organization = OrganizationId::new("o");
        let known = [space("1", "prod"), space("2", "dev"), space("3", "dev")];
        let find = |given| pick(&known, given, &organization, "host").and_then(PrivateSpace::id);
        assert_eq!(find("2").unwrap().as_str(), "2");
        assert_eq!(find("prod").unwrap().as_str(), "1");
        assert_eq!(find("pro").unwrap_err().kind(), Kind::NotFound);
        let err = find("dev").unwrap_err();
        assert_eq!(err.kind(), Kind::Config);
        assert!(err.advice().unwrap().contains("\"2\", \"3\""));
    }
}
