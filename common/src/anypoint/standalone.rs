//! Self-managed Flex Gateways and their replicas: the standalone gateway API.
//!
//! There is no published description; source: the official Terraform provider
//! (<https://docs.mulesoft.com/mulesoft-terraform-provider/self-managed-gateway-resources>).

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::directory::{EnvironmentId, OrganizationId};
use super::{Client, Permission, refusal};
use crate::error::{Error, Result};
use crate::net::http::segment;

/// Reading gateways.
pub const READ_SERVERS: Permission = Permission {
    purpose: "to read Flex Gateways",
    scopes: &[
        ("Read Servers", "read:servers"),
        ("Manage Servers", "manage:servers"),
    ],
};

/// The largest page that is surely accepted; 200 is refused.
const PAGE: usize = 100;

/// A status of gateways and replicas that are there and talk to the platform.
pub const CONNECTED: &str = "CONNECTED";

/// A gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Its id, which its registration calls `agentId`.
    pub id: String,
    /// Its name. Gateways that were deleted may have had the same.
    #[serde(default)]
    pub name: String,
    /// `CONNECTED`, `DISCONNECTED`, `DELETED`, or something newer.
    #[serde(default)]
    pub status: String,
}

impl Gateway {
    /// Whether it is only the memory of one: deleted gateways stay in lists.
    pub fn is_deleted(&self) -> bool {
        self.status.to_ascii_uppercase().starts_with("DELET")
    }
}

/// A running copy of a gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Its name, such as `d6c0.default`.
    #[serde(default)]
    pub name: Option<String>,
    /// `CONNECTED`, or something else. One that was restarted appears anew; the old one stays for days.
    #[serde(default)]
    pub status: String,
    /// Version of the gateway program.
    #[serde(default)]
    pub gateway_version: Option<String>,
    /// End of the validity of the certificate that it connected with.
    #[serde(default, deserialize_with = "moment")]
    pub certificate_expiration_date: Option<Timestamp>,
}

impl Replica {
    /// Whether it talks to the platform now.
    pub fn is_connected(&self) -> bool {
        self.status.eq_ignore_ascii_case(CONNECTED)
    }
}

impl Client {
    /// Every gateway of an environment that is not deleted.
    ///
    /// # Errors
    ///
    /// Refused, not found, or no usable answer.
    pub fn gateways(
        &self,
        organization: &OrganizationId,
        environment: &EnvironmentId,
    ) -> Result<Vec<Gateway>> {
        let mut all: Vec<Gateway> = self.pages(&base(organization, environment))?;
        all.retain(|gateway| !gateway.is_deleted());
        Ok(all)
    }

    /// One gateway by its id. One that was deleted is not found.
    ///
    /// # Errors
    ///
    /// Refused, not found, or no usable answer.
    pub fn gateway(
        &self,
        organization: &OrganizationId,
        environment: &EnvironmentId,
        id: &str,
    ) -> Result<Gateway> {
        let path = format!("{}/{}", base(organization, environment), segment(id));
        let reply = self.send(|http| http.get(&path))?;
        if reply.status() == 404 {
            return Err(no_such_gateway(id, environment));
        }
        if !reply.is_success() {
            return Err(refusal(&reply, &READ_SERVERS));
        }
        let gateway: Gateway = reply.json()?;
        if gateway.is_deleted() {
            return Err(no_such_gateway(id, environment));
        }
        Ok(gateway)
    }

    /// Every replica of a gateway, also those that are gone.
    ///
    /// # Errors
    ///
    /// Refused, not found, or no usable answer.
    pub fn replicas(
        &self,
        organization: &OrganizationId,
        environment: &EnvironmentId,
        id: &str,
    ) -> Result<Vec<Replica>> {
        let path = format!(
            "{}/{}/replicas",
            base(organization, environment),
            segment(id)
        );
        self.pages(&path).map_err(|err| match err.status() {
            Some(404) => no_such_gateway(id, environment),
            _ => err,
        })
    }

    /// Follows the pages to the first that is not full: a page behind the end says that there is nothing at all.
    fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        struct Page<T> {
            content: Vec<T>,
        }
        let mut all = Vec::new();
        for number in 0.. {
            let (size, number) = (PAGE.to_string(), number.to_string());
            let reply = self.send(|http| {
                http.get(path)
                    .query(&[("pageSize", &size), ("pageNumber", &number)])
            })?;
            if !reply.is_success() {
                return Err(refusal(&reply, &READ_SERVERS));
            }
            let page: Page<T> = reply.json()?;
            let last = page.content.len() < PAGE;
            all.extend(page.content);
            if last {
                break;
            }
        }
        Ok(all)
    }
}

/// A date as `2027-10-31T15:31:46.00Z`; one that is not understood is none.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn base(organization: &OrganizationId, environment: &EnvironmentId) -> String {
    format!(
        "/standalone/api/v1/organizations/{}/environments/{}/gateways",
        organization.segment(),
        environment.segment()
    )
}

fn no_such_gateway(id: &str, environment: &EnvironmentId) -> Error {
    Error::not_found(format!(
        "the platform knows no gateway {id} in environment {environment}"
    ))
    .advise(
        "It may have been deleted there, or belong to another organization, environment or control plane \
         (ORGANIZATION_ID, ANYPOINT_ENV, ANYPOINT_URL). Gateways in Local Mode are not listed.",
    )
}
