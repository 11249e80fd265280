//! Application Manager: applications on CloudHub 2.0 and their properties.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api_instances::Location;
use super::endpoints::Inbound;
use super::{Client, Permission, lenient, refusal};
use crate::error::{Error, Kind, Result};
use crate::net::http::{Repeat, segment};
use crate::secret::Secret;

/// Reading applications.
pub const READ_APPLICATIONS: Permission = Permission {
    purpose: "to read applications",
    scopes: &[("Read Applications", "read:applications")],
};

/// Redeploying applications.
pub const MANAGE_SETTINGS: Permission = Permission {
    purpose: "to change applications (together with \"Create Applications\" (create:applications))",
    scopes: &[("Manage Settings", "manage:application_settings")],
};

/// Applications asked for at a time.
const PAGE: usize = 100;

/// One JSON key with dots in it.
const PROPERTIES_SERVICE: &str = "mule.agent.application.properties.service";

/// Most properties of an application, plain and protected. Source: the documented limits of CloudHub 2.0.
pub const MOST_PROPERTIES: usize = 300;

/// Longest key or value of a property, in characters. Source: as above.
pub const LONGEST_PROPERTY: usize = 1024;

/// An application in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Id of the deployment.
    pub id: String,
    /// Name of the application.
    pub name: String,
    /// Id of the private space, or other target, that it runs in.
    pub target: Option<String>,
}

/// A deployed application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Id of the deployment.
    pub id: String,
    /// Name of the application.
    pub name: String,
    /// What the platform says about the deployment, in capitals.
    pub status: String,
    /// What it says about the application, in capitals.
    pub application_status: String,
    /// The configuration that is wanted.
    pub desired_version: Option<String>,
    /// The configuration that runs.
    pub running_version: Option<String>,
    /// Why a replica is not running, in the platform's words.
    pub reasons: Vec<String>,
    /// What runs there, as Exchange has it; none where the platform does not say.
    pub artifact: Option<Artifact>,
    /// Plain properties.
    pub properties: BTreeMap<String, String>,
    /// Names of the protected properties, where the platform shows them. Their values cannot be read.
    pub secure_names: BTreeSet<String>,
    /// Id of the private space, or other target, that it runs in.
    pub target: Option<String>,
    /// Where the application is wanted to answer.
    pub inbound: Inbound,
}

/// An application in Exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Id of its organization.
    pub group_id: String,
    /// Its name there.
    pub artifact_id: String,
    /// Its version.
    pub version: String,
    /// Its form, as `jar`.
    #[serde(default = "jar")]
    pub packaging: String,
}

fn jar() -> String {
    "jar".to_owned()
}

/// Every property of an application: if one kind is named, the platform replaces both.
#[derive(Debug, Clone, Copy)]
pub struct AllProperties<'a> {
    /// Those that anybody may read.
    pub plain: &'a BTreeMap<String, String>,
    /// Those that nobody can read back.
    pub protected: &'a BTreeMap<String, Secret>,
}

/// What one redeployment changes; everything else stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Redeployment<'a> {
    /// All properties that it is to have.
    pub properties: Option<AllProperties<'a>>,
    /// Another version of the same application.
    pub version: Option<&'a str>,
    /// Other addresses. What was read is written whole: whether the platform merges it is not documented.
    pub inbound: Option<&'a Inbound>,
}

/// How far a redeployment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The wanted configuration runs.
    Running,
    /// The platform is at it.
    UnderWay,
    /// It gave up; the last good configuration may still run.
    Failed,
}

impl Deployment {
    /// How far the wanted configuration has come.
    pub fn progress(&self) -> Progress {
        match self.status.as_str() {
            "FAILED" | "DEPLOYMENT_FAILED" => Progress::Failed,
            "APPLIED" | "STARTED" if self.runs_what_is_wanted() => Progress::Running,
            _ => Progress::UnderWay,
        }
    }

    /// Whether the platform is about to give it another configuration. One that is stopped is not.
    pub fn is_being_redeployed(&self) -> bool {
        match self.status.as_str() {
            "FAILED" | "DEPLOYMENT_FAILED" => false,
            "APPLYING" | "STARTING" => true,
            _ => matches!(
                (&self.desired_version, &self.running_version),
                (Some(desired), Some(running)) if desired != running
            ),
        }
    }

    /// The version of the application that is deployed.
    pub fn version(&self) -> Option<&str> {
        self.artifact
            .as_ref()
            .map(|artifact| artifact.version.as_str())
    }

    fn runs_what_is_wanted(&self) -> bool {
        let versions = match (&self.desired_version, &self.running_version) {
            (Some(desired), Some(running)) => desired == running,
            _ => true,
        };
        versions && !matches!(self.application_status.as_str(), "NOT_RUNNING" | "SCALING")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    id: String,
    name: String,
    status: String,
    desired_version: Option<String>,
    last_successful_version: Option<String>,
    replicas: Vec<Replica>,
    application: Application,
    target: Target,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Replica {
    state: Option<String>,
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Application {
    status: String,
    #[serde(rename = "ref")]
    artifact: Option<Artifact>,
    configuration: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Target {
    target_id: Option<String>,
    deployment_settings: Option<Value>,
}

/// Values are texts; a number or a switch that somebody wrote as such means its text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

impl From<Wire> for Deployment {
    fn from(wire: Wire) -> Self {
        let service = wire.application.configuration.get(PROPERTIES_SERVICE);
        let object = |key: &str| service.and_then(|service| service.get(key)?.as_object());
        let properties = object("properties")
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
            .collect();
        // The official description lists both spellings.
        let secure_names = ["secureProperties", "secureproperties"]
            .into_iter()
            .filter_map(object)
            .flat_map(|secure| secure.keys().cloned())
            .collect();
        let settings = wire.target.deployment_settings.as_ref();
        let inbound = settings.and_then(|settings| settings.pointer("/http/inbound"));
        let inbound = Inbound::read(inbound);
        Self {
            id: wire.id,
            name: wire.name,
            status: wire.status.to_ascii_uppercase(),
            application_status: wire.application.status.to_ascii_uppercase(),
            desired_version: wire.desired_version,
            running_version: wire.last_successful_version,
            reasons: wire
                .replicas
                .into_iter()
                .filter(|replica| replica.state.as_deref() != Some("STARTED"))
                .filter_map(|replica| replica.reason)
                .filter(|reason| !reason.is_empty())
                .collect(),
            artifact: wire.application.artifact,
            properties,
            secure_names,
            target: wire.target.target_id,
            inbound,
        }
    }
}

impl Client {
    /// Every application of an environment.
    ///
    /// `GET /amc/application-manager/api/v2/…/deployments`, all pages.
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn deployments(&self, at: &Location) -> Result<Vec<Listed>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: Option<usize>,
            #[serde(default)]
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            id: String,
            #[serde(default, deserialize_with = "lenient::or_default")]
            name: String,
            #[serde(default, deserialize_with = "lenient::or_default")]
            target: Option<RunsIn>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RunsIn {
            target_id: Option<String>,
        }
        let path = deployments_path(at);
        let limit = PAGE.to_string();
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let offset = all.len().to_string();
            let reply = self.send(|http| {
                http.get(&path)
                    .query(&[("limit", &limit), ("offset", &offset)])
            })?;
            if !reply.is_success() {
                return Err(refusal(&reply, &READ_APPLICATIONS));
            }
            let page: Page = reply.json()?;
            let count = page.items.len();
            all.extend(page.items.into_iter().map(|item| Listed {
                id: item.id,
                name: item.name,
                target: item.target.and_then(|target| target.target_id),
            }));
            if count == 0 || page.total.is_none_or(|total| all.len() >= total) {
                return Ok(all);
            }
        }
    }

    /// One application with its properties.
    ///
    /// `GET …/deployments/ID`
    ///
    /// # Errors
    ///
    /// Not found, refused, or no usable answer.
    pub fn deployment(&self, at: &Location, id: &str) -> Result<Deployment> {
        let path = format!("{}/{}", deployments_path(at), segment(id));
        let reply = self.send(|http| http.get(&path))?;
        if reply.status() == 404 {
            return Err(no_such_application(at, id));
        }
        if !reply.is_success() {
            return Err(refusal(&reply, &READ_APPLICATIONS));
        }
        let wire: Wire = reply.json()?;
        Ok(wire.into())
    }

    /// Changes an application, which restarts. What the change does not name stays; of properties that is both kinds.
    ///
    /// `PATCH …/deployments/ID`
    ///
    /// # Errors
    ///
    /// Not found, refused, or no usable answer.
    pub fn redeploy(
        &self,
        at: &Location,
        deployment: &Deployment,
        change: Redeployment<'_>,
    ) -> Result<()> {
        let mut application = Map::new();
        if let Some(AllProperties { plain, protected }) = change.properties {
            let protected: BTreeMap<&str, &str> = protected
                .iter()
                .map(|(name, value)| (name.as_str(), value.expose()))
                .collect();
            let service = json!({ PROPERTIES_SERVICE: {
                "applicationName": deployment.name,
                "properties": plain,
                "secureProperties": protected,
            } });
            application.insert("configuration".to_owned(), service);
        }
        if let Some(version) = change.version {
            let artifact = deployment.artifact.as_ref().ok_or_else(|| {
                Error::config(format!(
                    "the platform does not say which application of Exchange {} is, so its version cannot be changed",
                    deployment.name
                ))
            })?;
            let artifact = json!({
                "groupId": artifact.group_id, "artifactId": artifact.artifact_id,
                "version": version, "packaging": artifact.packaging,
            });
            application.insert("ref".to_owned(), artifact);
        }
        let mut body = Map::new();
        if !application.is_empty() {
            body.insert("application".to_owned(), Value::Object(application));
        }
        if let Some(inbound) = change.inbound {
            let target =
                json!({ "deploymentSettings": { "http": { "inbound": inbound.as_written() } } });
            body.insert("target".to_owned(), target);
        }
        let path = format!("{}/{}", deployments_path(at), segment(&deployment.id));
        let reply = self.send(|http| {
            // Each one restarts the application.
            http.request(Method::PATCH, &path)
                .json(&body)
                .repeat(Repeat::IfNotExecuted)
        })?;
        match reply.status() {
            404 => Err(no_such_application(at, &deployment.name)),
            409 => Err(refusal(&reply, &MANAGE_SETTINGS)
                .as_kind(Kind::Refused)
                .advise(
                    "Another change of this application is under way: try again when it is done.",
                )),
            _ if reply.is_success() => Ok(()),
            _ => Err(refusal(&reply, &MANAGE_SETTINGS)),
        }
    }
}

fn deployments_path(at: &Location) -> String {
    at.path("/amc/application-manager/api/v2") + "/deployments"
}

fn no_such_application(at: &Location, name: &str) -> Error {
    Error::not_found(format!(
        "there is no application {name} in environment {} of organization {}",
        at.environment, at.organization
    ))
    .advise("Check its name, which is the one that Runtime Manager shows, and the environment.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(json: Value) -> Deployment {
        serde_json::from_value::<Wire>(json).unwrap().into()
    }

    #[test]
    fn properties_are_read_from_the_key_with_dots_and_secure_values_never() {
        let read = deployment(json!({
            "id": "d", "name": "orders", "application": { "configuration": { PROPERTIES_SERVICE: {
                "properties": { "a": "1", "n": 2 }, "secureProperties": { "s": "canary-masked" }, "secureproperties": { "t": null } } } },
        }));
        assert_eq!(read.properties["n"], "2");
        assert_eq!(read.secure_names.iter().collect::<Vec<_>>(), ["s", "t"]);
        assert!(!format!("{read:?}").contains("canary-masked"));
    }

    #[test]
    fn a_redeployment_is_over_when_the_wanted_configuration_runs() {
        let state = |status: &str, running: &str| {
            deployment(
                json!({ "status": status, "desiredVersion": "2", "lastSuccessfulVersion": running,
                "application": { "status": "RUNNING" } }),
            )
            .progress()
        };
        assert_eq!(state("APPLIED", "2"), Progress::Running);
        assert_eq!(state("APPLIED", "1"), Progress::UnderWay);
        assert_eq!(state("applying", "1"), Progress::UnderWay);
        assert_eq!(state("DEPLOYMENT_FAILED", "1"), Progress::Failed);
    }
}
