//! What the world contains at first.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::anypoint::{
    self, ApiInstance, Asset, ConnectedApp, Deployment, Environment, Grant, Organization,
    PrivateSpace, User,
};
use crate::cloudflare::{self, Account, GlobalKey, Token, Zone};
use crate::world::World;

/// Things to add to the world, and switches to set: a seed file, or the body of `POST /_sim/seed`.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Cloudflare.
    pub cloudflare: cloudflare::Seed,
    /// The Anypoint Platform.
    pub anypoint: anypoint::Seed,
}

/// API token of [`Seed::demo`]: reads all zones, edits their DNS.
pub const CF_TOKEN: &str = "simulated-cloudflare-token-0000000000001";
/// E-mail address of [`Seed::demo`]'s global key.
pub const CF_EMAIL: &str = "admin@acme.example";
/// Global API key of [`Seed::demo`].
pub const CF_KEY: &str = "0123456789abcdef0123456789abcdef01234";
/// Account of [`Seed::demo`].
pub const CF_ACCOUNT_ID: &str = "acc00000000000000000000000000001";
/// Zone `acme.example` of [`Seed::demo`].
pub const CF_ZONE_ID: &str = "20e00000000000000000000000000001";
/// Zone `sub.acme.example` of [`Seed::demo`].
pub const CF_SUB_ZONE_ID: &str = "20e00000000000000000000000000002";
/// Organization `Acme` of [`Seed::demo`].
pub const ORGANIZATION_ID: &str = "0a000000-0000-4000-8000-000000000001";
/// Environment `Sandbox` of [`Seed::demo`].
pub const SANDBOX_ID: &str = "0e000000-0000-4000-8000-000000000001";
/// Environment `Production` of [`Seed::demo`].
pub const PRODUCTION_ID: &str = "0e000000-0000-4000-8000-000000000002";
/// Private space `prod-space` of [`Seed::demo`].
pub const PRIVATE_SPACE_ID: &str = "05000000-0000-4000-8000-000000000001";
/// Connected app of [`Seed::demo`], with the scopes that the hooks need.
pub const CLIENT_ID: &str = "00c11e00000000000000000000000001";
/// Its secret.
pub const CLIENT_SECRET: &str = "5ec2e700000000000000000000000001";
/// API instance `orders-api` of [`Seed::demo`], in `Sandbox`; the application `orders` there knows nothing of it yet.
pub const API_INSTANCE_ID: u64 = 20_123_456;
/// User of [`Seed::demo`].
pub const USERNAME: &str = "ada";
/// The user's password.
pub const PASSWORD: &str = "simulated-password";

impl Seed {
    /// Zones `acme.example` and `sub.acme.example`, credentials for them, an organization with two environments, a
    /// private space, a connected app and a user. The identifiers are the constants of this module.
    pub fn demo() -> Self {
        let account = Account {
            id: CF_ACCOUNT_ID.to_owned(),
            name: "Acme".to_owned(),
        };
        let zone = |id: &str, name: &str| Zone {
            id: id.to_owned(),
            name: name.to_owned(),
            account: account.clone(),
            ..Zone::default()
        };
        let environment = |id: &str, name: &str, is_production| Environment {
            id: id.to_owned(),
            name: name.to_owned(),
            is_production,
            ..Environment::default()
        };
        let scopes = [
            "manage:cloudhub_networking",
            "manage:api_policies",
            "manage:api_configuration",
            "view:exchange",
            "edit:exchange",
            "read:applications",
            "create:applications",
            "manage:application_settings",
            "view:environment",
            "read:servers",
            "manage:servers",
            "read:organization",
        ];
        Self {
            cloudflare: cloudflare::Seed {
                tokens: vec![Token {
                    value: CF_TOKEN.to_owned(),
                    ..Token::default()
                }],
                keys: vec![GlobalKey {
                    email: CF_EMAIL.to_owned(),
                    key: CF_KEY.to_owned(),
                    accounts: Vec::new(),
                }],
                zones: vec![
                    zone(CF_ZONE_ID, "acme.example"),
                    zone(CF_SUB_ZONE_ID, "sub.acme.example"),
                ],
                accounts: vec![account],
                switches: None,
            },
            anypoint: anypoint::Seed {
                organizations: vec![Organization {
                    id: ORGANIZATION_ID.to_owned(),
                    name: "Acme".to_owned(),
                    parent_id: None,
                    environments: vec![
                        environment(SANDBOX_ID, "Sandbox", false),
                        environment(PRODUCTION_ID, "Production", true),
                    ],
                }],
                apps: vec![ConnectedApp {
                    client_id: CLIENT_ID.to_owned(),
                    client_secret: CLIENT_SECRET.to_owned(),
                    name: "hooks".to_owned(),
                    organization: ORGANIZATION_ID.to_owned(),
                    scopes: scopes.iter().map(|scope| Grant::of(scope)).collect(),
                }],
                users: vec![User {
                    username: USERNAME.to_owned(),
                    password: PASSWORD.to_owned(),
                    organization: ORGANIZATION_ID.to_owned(),
                    multi_factor: false,
                }],
                spaces: vec![PrivateSpace {
                    id: PRIVATE_SPACE_ID.to_owned(),
                    name: "prod-space".to_owned(),
                    organization: ORGANIZATION_ID.to_owned(),
                    dns_target: Some("abc123.usa-e1.cloudhub.io".to_owned()),
                    internal_dns_target: Some("internal-abc123.usa-e1.cloudhub.io".to_owned()),
                    ..PrivateSpace::default()
                }],
                apis: vec![ApiInstance {
                    id: API_INSTANCE_ID,
                    environment: SANDBOX_ID.to_owned(),
                    asset: "orders-api".to_owned(),
                    name: "Orders API".to_owned(),
                    ..ApiInstance::default()
                }],
                assets: vec![Asset {
                    group: ORGANIZATION_ID.to_owned(),
                    asset: "orders-api".to_owned(),
                    version: "1.0.0".to_owned(),
                    name: "Orders API".to_owned(),
                    kind: "http-api".to_owned(),
                }],
                deployments: vec![
                    Deployment {
                        name: "orders".to_owned(),
                        environment: SANDBOX_ID.to_owned(),
                        // The ingress, which the test reaches by its address.
                        public_url: "https://127.0.0.1/orders".to_owned(),
                        autodiscovery: Some("api.id".to_owned()),
                        ..Deployment::default()
                    },
                    Deployment {
                        name: "orders".to_owned(),
                        environment: PRODUCTION_ID.to_owned(),
                        public_url: "https://orders-x1y2z3.abc123.usa-e1.cloudhub.io".to_owned(),
                        space: PRIVATE_SPACE_ID.to_owned(),
                        autodiscovery: Some("api.id".to_owned()),
                        ..Deployment::default()
                    },
                ],
                gateways: Vec::new(),
                switches: None,
            },
        }
    }

    pub(crate) fn apply(self, world: &mut World) -> Result<()> {
        world.cloudflare.apply(self.cloudflare);
        world
            .anypoint
            .apply(self.anypoint, &mut world.ids, &world.authority)
    }
}
