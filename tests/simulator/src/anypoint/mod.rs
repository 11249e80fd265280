//! The Anypoint Platform: who may do what, and what is there.

pub mod accounts;
pub mod analytics;
pub mod api_manager;
pub mod application_manager;
pub mod endpoints;
pub mod exchange;
pub mod gateway;
pub mod keystore;
pub mod runtime_fabric;
pub mod standalone;
pub mod tls_contexts;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::http::Answer;
use crate::world::Ids;

pub use api_manager::{ApiInstance, ApiManager};
pub use application_manager::Deployment;
pub use exchange::{Asset, Exchange};

pub use accounts::{BadCredentials, Bearer, ConnectedApp, Environment, Grant, Organization, User};
pub use runtime_fabric::PrivateSpace;
pub use standalone::{FlexGateway, Replica};
pub use tls_contexts::{CreateAnswer, Patch, San, TlsContext};

/// The state of the platform.
#[derive(Debug, Default)]
pub struct Anypoint {
    /// Organizations with their environments. The first is where things go that name none.
    pub organizations: Vec<Organization>,
    /// Connected apps that act on their own behalf.
    pub apps: Vec<ConnectedApp>,
    /// Users with a password.
    pub users: Vec<User>,
    /// Tokens that were issued, by value.
    pub bearers: HashMap<String, Bearer>,
    /// Private spaces with their TLS contexts.
    pub spaces: Vec<PrivateSpace>,
    /// API instances, policies and policy templates.
    pub api_manager: ApiManager,
    /// Exchange assets.
    pub exchange: Exchange,
    /// Applications on CloudHub 2.0.
    pub deployments: Vec<Deployment>,
    /// Self-managed Flex Gateways.
    pub gateways: Vec<FlexGateway>,
    /// What is unknown of the real platform, or can be set.
    pub switches: Switches,
    pub(crate) recent: HashMap<IpAddr, Vec<Timestamp>>,
}

/// What a seed file says about the platform. Identifiers that are left out are made up.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Organizations with their environments.
    pub organizations: Vec<Organization>,
    /// Connected apps.
    pub apps: Vec<ConnectedApp>,
    /// Users.
    pub users: Vec<User>,
    /// Private spaces.
    pub spaces: Vec<PrivateSpace>,
    /// API instances.
    pub apis: Vec<ApiInstance>,
    /// Exchange assets.
    pub assets: Vec<Asset>,
    /// Applications.
    pub deployments: Vec<Deployment>,
    /// Self-managed Flex Gateways.
    pub gateways: Vec<FlexGateway>,
    /// Replaces the switches.
    pub switches: Option<Switches>,
}

/// Behaviour that is unknown, differs between sources, or that a test wants to set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Seconds that a token lasts.
    pub token_lifetime_s: u32,
    /// Body of a 401 from the token endpoint.
    pub bad_credentials: BadCredentials,
    /// Status when a scope is missing: 403, or 401.
    pub missing_scope_status: u16,
    /// Whether listing environments takes a scope.
    pub environments_need_scope: bool,
    /// Requests per second and client address to `/runtimefabric`; absent for no limit.
    pub requests_per_second: Option<u32>,
    /// Private spaces per page of a page object; absent for a bare array.
    pub spaces_page_size: Option<usize>,
    /// What the list of private spaces holds besides, as it stands here.
    pub strange_spaces: Vec<serde_json::Value>,
    /// TLS contexts.
    pub tls_contexts: tls_contexts::Switches,
    /// API Manager.
    pub api_manager: api_manager::Switches,
    /// Application Manager.
    pub application_manager: application_manager::Switches,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            token_lifetime_s: 3600,
            bad_credentials: BadCredentials::PlainText,
            missing_scope_status: 403,
            environments_need_scope: true,
            requests_per_second: Some(15),
            spaces_page_size: None,
            strange_spaces: Vec::new(),
            tls_contexts: tls_contexts::Switches::default(),
            api_manager: api_manager::Switches::default(),
            application_manager: application_manager::Switches::default(),
        }
    }
}

impl Anypoint {
    /// Adds an organization with the environments `Sandbox` and `Production`, and returns its id.
    pub fn add_organization(&mut self, ids: &mut Ids, name: &str) -> String {
        let environments =
            [("Sandbox", false), ("Production", true)].map(|(name, is_production)| Environment {
                name: name.to_owned(),
                is_production,
                ..Environment::default()
            });
        self.insert_organization(
            ids,
            Organization {
                name: name.to_owned(),
                environments: environments.into(),
                ..Organization::default()
            },
        )
    }

    /// Adds an organization, making up what is left empty, and returns its id.
    pub fn insert_organization(&mut self, ids: &mut Ids, mut organization: Organization) -> String {
        fill(&mut organization.id, ids);
        for environment in &mut organization.environments {
            fill(&mut environment.id, ids);
            if environment.client_id.is_empty() {
                environment.client_id = ids.hex();
                environment.client_secret = ids.hex();
            }
        }
        let id = organization.id.clone();
        self.organizations.push(organization);
        id
    }

    /// Adds a connected app of this organization with these scopes; returns client id and secret.
    pub fn add_app(
        &mut self,
        ids: &mut Ids,
        organization: &str,
        scopes: &[&str],
    ) -> (String, String) {
        let app = ConnectedApp {
            client_id: ids.hex(),
            client_secret: ids.hex(),
            name: "app".to_owned(),
            organization: organization.to_owned(),
            scopes: scopes.iter().map(|scope| Grant::of(scope)).collect(),
        };
        let credentials = (app.client_id.clone(), app.client_secret.clone());
        self.apps.push(app);
        credentials
    }

    /// An organization by id or name.
    pub fn organization(&self, organization: &str) -> Option<&Organization> {
        self.organizations
            .iter()
            .find(|known| known.id == organization || known.name == organization)
    }

    /// A private space by id or name.
    pub fn space(&self, space: &str) -> Option<&PrivateSpace> {
        self.spaces
            .iter()
            .find(|known| known.id == space || known.name == space)
    }

    /// A private space by id or name, to change.
    pub fn space_mut(&mut self, space: &str) -> Option<&mut PrivateSpace> {
        self.spaces
            .iter_mut()
            .find(|known| known.id == space || known.name == space)
    }

    /// Whether this host name is the DNS target of a private space.
    pub fn is_dns_target(&self, name: &str) -> bool {
        self.spaces
            .iter()
            .any(|space| space.dns_target.as_deref() == Some(name))
    }

    /// The certificate for a server name: the exact name, else a wildcard one level up; the youngest context wins.
    pub fn certificate(
        &self,
        name: &str,
        space: Option<&str>,
        now: Timestamp,
    ) -> Option<Arc<CertifiedKey>> {
        let contexts = || {
            let spaces = self
                .spaces
                .iter()
                .filter(|known| space.is_none_or(|id| known.id == id || known.name == id));
            spaces.flat_map(|known| &known.contexts).rev()
        };
        let name = name.to_ascii_lowercase();
        let wildcard = name
            .split_once('.')
            .map(|(_, parent)| format!("*.{parent}"));
        [Some(name), wildcard]
            .into_iter()
            .flatten()
            .find_map(|wanted| {
                contexts().find_map(|context| {
                    let material = context.served(now)?;
                    material
                        .names
                        .contains(&wanted)
                        .then(|| Arc::clone(&material.certified))
                })
            })
    }

    pub(crate) fn apply(
        &mut self,
        seed: Seed,
        ids: &mut Ids,
        authority: &crate::pki::Authority,
    ) -> anyhow::Result<()> {
        for organization in seed.organizations {
            self.insert_organization(ids, organization);
        }
        self.apps.extend(seed.apps);
        self.users.extend(seed.users);
        self.gateways.extend(seed.gateways);
        for space in seed.spaces {
            self.insert_space(ids, authority, space)?;
        }
        for api in seed.apis {
            self.add_api(api);
        }
        self.exchange.assets.extend(seed.assets);
        for deployment in seed.deployments {
            self.add_deployment(ids, deployment);
        }
        if let Some(switches) = seed.switches {
            self.switches = switches;
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> serde_json::Value {
        json!({
            "organizations": self.organizations, "spaces": self.spaces, "switches": self.switches,
            "apis": self.api_manager.instances, "assets": self.exchange.assets, "deployments": self.deployments,
        })
    }
}

fn fill(id: &mut String, ids: &mut Ids) {
    if id.is_empty() {
        *id = ids.uuid();
    }
}

/// An error body with a message only.
pub(crate) fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message }))
}
