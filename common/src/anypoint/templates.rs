//! API Manager: the versions of a policy that the platform offers for an API instance.

use semver::Version;
use serde::Deserialize;

use super::api_instances::{ApiId, Location};
use super::{Client, Permission, refusal};
use crate::error::Result;

/// Reading policy templates, which live in Exchange.
pub const VIEW_TEMPLATES: Permission = Permission {
    purpose: "to find the versions of the policy (together with \"View Policies\" (read:api_policies))",
    scopes: &[("Exchange Viewer", "view:exchange")],
};

/// The wire form. Official and community sources disagree on the name of the version.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Template {
    group_id: Option<String>,
    asset_id: Option<String>,
    asset_version: Option<String>,
    version: Option<String>,
    status: Option<String>,
    stage: Option<String>,
    applicable: Option<bool>,
    all_versions: Vec<Edition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Edition {
    version: Option<String>,
    status: Option<String>,
}

impl Template {
    fn versions(&self) -> Vec<Version> {
        let own = self.own_version().filter(|_| {
            self.applicable != Some(false)
                && is_published(self.status.as_deref())
                && is_published(self.stage.as_deref())
        });
        let others = self
            .all_versions
            .iter()
            .filter(|edition| {
                self.applicable != Some(false) && is_published(edition.status.as_deref())
            })
            .filter_map(|edition| edition.version.as_deref());
        own.into_iter()
            .chain(others)
            .filter_map(|text| Version::parse(text).ok())
            .filter(|version| version.pre.is_empty())
            .collect()
    }

    fn own_version(&self) -> Option<&str> {
        self.asset_version.as_deref().or(self.version.as_deref())
    }
}

/// Whether a life cycle state of Exchange is one that others shall use. No state means that.
fn is_published(state: Option<&str>) -> bool {
    state.is_none_or(|state| {
        matches!(
            state.to_ascii_lowercase().as_str(),
            "" | "published" | "release" | "released" | "stable"
        )
    })
}

impl Client {
    /// The versions of a policy that fit an API instance, newest first. Pre-releases, and versions that are not
    /// published or are deprecated, are left out.
    ///
    /// `GET /apimanager/xapi/v1/organizations/ORG/exchange-policy-templates`
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn policy_versions(
        &self,
        at: &Location,
        api: ApiId,
        group: &str,
        asset: &str,
    ) -> Result<Vec<Version>> {
        let path = format!(
            "/apimanager/xapi/v1/organizations/{}/exchange-policy-templates",
            at.organization.segment()
        );
        let api = api.to_string();
        let reply = self.send(|http| {
            http.get(&path).query(&[
                ("environmentId", at.environment.as_str()),
                ("apiInstanceId", &api),
                ("splitModel", "true"),
                ("latest", "false"),
                ("includeConfiguration", "false"),
            ])
        })?;
        if !reply.is_success() {
            return Err(refusal(&reply, &VIEW_TEMPLATES));
        }
        let templates: Vec<Template> = reply.json()?;
        Ok(newest_first(&templates, group, asset))
    }
}

fn newest_first(templates: &[Template], group: &str, asset: &str) -> Vec<Version> {
    let mut versions: Vec<Version> = templates
        .iter()
        .filter(|template| {
            template.asset_id.as_deref() == Some(asset)
                && template.group_id.as_deref().is_none_or(|id| id == group)
        })
        .flat_map(Template::versions)
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.dedup();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(json: serde_json::Value) -> Vec<String> {
        let templates: Vec<Template> = serde_json::from_value(json).unwrap();
        newest_first(&templates, "g", "basic")
            .iter()
            .map(Version::to_string)
            .collect()
    }

    #[test]
    fn versions_are_compared_as_numbers_whatever_their_field_is_called() {
        let found = newest(serde_json::json!([
            { "groupId": "g", "assetId": "basic", "assetVersion": "1.9.0" },
            { "groupId": "g", "assetId": "basic", "version": "1.10.0" },
            { "groupId": "g", "assetId": "other", "version": "9.0.0" },
            { "groupId": "h", "assetId": "basic", "version": "8.0.0" },
        ]));
        assert_eq!(found, ["1.10.0", "1.9.0"]);
    }

    #[test]
    fn pre_releases_and_unpublished_versions_are_never_chosen() {
        let found = newest(serde_json::json!([
            { "groupId": "g", "assetId": "basic", "version": "2.0.0-rc.1" },
            { "groupId": "g", "assetId": "basic", "version": "1.9.0", "status": "development" },
            { "groupId": "g", "assetId": "basic", "version": "1.8.0", "stage": "development" },
            { "groupId": "g", "assetId": "basic", "version": "1.7.0", "status": "deprecated" },
            { "groupId": "g", "assetId": "basic", "version": "1.6.0", "applicable": false },
            { "groupId": "g", "assetId": "basic", "version": "1.5.0", "status": "published", "stage": "release",
              "allVersions": [ { "version": "1.5.0", "status": "published" }, { "version": "1.4.0", "status": "published" },
                               { "version": "1.9.9", "status": "development" } ] },
        ]));
        assert_eq!(found, ["1.5.0", "1.4.0"]);
    }
}
