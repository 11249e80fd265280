//! The simulated systems with an application in a private space, and what the road makes of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use fixtures::{AcmeSh, Finished, Pebble};
use simulator::anypoint::api_manager::{ApiInstance, BASIC};
use simulator::anypoint::{ConnectedApp, Deployment, Grant};
use simulator::cloudflare::{Record, Token};
use simulator::{Entry, Seed, Sim, SimConfig, seed};

pub(crate) const HOST: &str = "orders.acme.example";
const OLD: &str = "https://orders-x1y2z3.abc123.usa-e1.cloudhub.io";
const APP: &str = "orders";
const PROGRAMS: [&str; 3] = ["dns_cf", "cloudhub_v2", "basic-auth-policy"];
const CF_TOKEN: &str = "canary-cloudflare-token-000000000000001x";
const CLIENT_SECRET: &str = "canary-client-secret-77d2";
const PLATFORM_SECRET: &str = "canary-platform-secret-4c1b";

/// The simulated systems, an acme.sh with the hooks, and what an administrator has exported.
pub(crate) struct Road {
    pub(crate) sim: Sim,
    pub(crate) acme: AcmeSh,
    pebble: Option<Pebble>,
    environment: Vec<(&'static str, String)>,
}

impl Road {
    /// With an ACME server, and another shell than `sh` for the script.
    pub(crate) fn under(shell: &[&'static str]) -> Self {
        let mut road = Self::without_acme_server(AcmeSh::without_hooks().under(shell));
        let pebble = Pebble::start(&road.sim);
        let trusted = road.acme.folder().join("trusted.pem");
        let simulator = fs::read_to_string(road.sim.ca_pem_path()).unwrap();
        fs::write(&trusted, simulator + &pebble.root_pem()).unwrap();
        road.set("CA_BUNDLE", trusted.to_str().unwrap());
        road.pebble = Some(pebble);
        road
    }

    pub(crate) fn new() -> Self {
        Self::under(&["sh"])
    }

    pub(crate) fn without_acme_server(mut acme: AcmeSh) -> Self {
        acme.installer(&PROGRAMS).code(0);
        let sim = Sim::start(SimConfig {
            seed: Seed::demo(),
            ..SimConfig::default()
        })
        .unwrap();
        {
            let mut world = sim.world();
            let world = &mut *world;
            world.cloudflare.insert_token(Token {
                value: CF_TOKEN.to_owned(),
                ..Token::default()
            });
            let anypoint = &mut world.anypoint;
            CLIENT_SECRET.clone_into(&mut anypoint.apps[0].client_secret);
            for environment in &mut anypoint.organizations[0].environments {
                PLATFORM_SECRET.clone_into(&mut environment.client_secret);
            }
            anypoint.deployments.clear();
            let application = Deployment {
                name: APP.to_owned(),
                environment: seed::PRODUCTION_ID.to_owned(),
                public_url: OLD.to_owned(),
                space: seed::PRIVATE_SPACE_ID.to_owned(),
                autodiscovery: Some("api.id".to_owned()),
                ..Deployment::default()
            };
            anypoint.add_deployment(&mut world.ids, application);
        }
        for secret in [CF_TOKEN, CLIENT_SECRET, PLATFORM_SECRET] {
            acme.never_shown(secret);
        }
        let text = str::to_owned;
        let environment = vec![
            ("CF_Api", sim.cloudflare_url()),
            ("CF_Token", text(CF_TOKEN)),
            ("ANYPOINT_URL", sim.url().to_owned()),
            ("ORGANIZATION_ID", text(seed::ORGANIZATION_ID)),
            ("ANYPOINT_CLIENT_ID", text(seed::CLIENT_ID)),
            ("ANYPOINT_CLIENT_SECRET", text(CLIENT_SECRET)),
            ("CA_BUNDLE", text(sim.ca_pem_path().to_str().unwrap())),
            ("CH2_VERIFY_RESOLVER", sim.dns_addr().to_string()),
            // No test passes or fails by the speed of the machine.
            ("ANYPOINT_HOOKS_DEADLINE", text("100s")),
        ];
        Self {
            sim,
            acme,
            pebble: None,
            environment,
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
    }

    /// The script with everything that it needs, and then `more`. DNS leads to port 443, which is not the simulator's.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let ingress = self.sim.ingress_addr().to_string();
        self.plain_command(&[&["--verify-connect", &ingress], more].concat())
    }

    /// The same where the ingress is looked for in DNS.
    pub(crate) fn plain_command(&self, more: &[&str]) -> Command {
        let mut arguments: Vec<&str> = options().concat();
        arguments.push("--yes");
        arguments.extend(more);
        if let Some(pebble) = &self.pebble {
            arguments.extend(["--", "--server", pebble.directory(), "--dnssleep", "1"]);
        }
        self.acme
            .script("vanity-api.sh", &self.environment, arguments)
    }

    pub(crate) fn run(&self, more: &[&str]) -> Finished {
        self.finish(self.command(more))
    }

    pub(crate) fn finish(&self, mut command: Command) -> Finished {
        let finished = Finished::from(command.output().unwrap());
        for secret in self.secrets() {
            finished.never_shows(&secret);
        }
        let unexpected = self.sim.unexpected();
        assert!(unexpected.is_empty(), "{unexpected:?}\n{finished}");
        finished
    }

    /// What no run may show.
    fn secrets(&self) -> Vec<String> {
        let bearers = self.sim.world().anypoint.bearers.keys().cloned().collect();
        let canaries = [CF_TOKEN, CLIENT_SECRET, PLATFORM_SECRET].map(str::to_owned);
        let all: [Vec<String>; 3] = [
            bearers,
            canaries.into(),
            self.password().into_iter().collect(),
        ];
        all.concat()
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.acme.folder().join("orders.password")
    }

    pub(crate) fn password(&self) -> Option<String> {
        let text = fs::read_to_string(self.password_file()).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// Has the connected app have these scopes from now on, and no others.
    pub(crate) fn scopes(&self, change: impl FnOnce(&mut ConnectedApp)) {
        change(&mut self.sim.world().anypoint.apps[0]);
    }

    /// Takes the scopes that end so from the connected app, and gives it others.
    pub(crate) fn replace_scope(&self, scope: &str, others: &[&str]) {
        self.scopes(|app| {
            app.scopes.retain(|grant| !grant.scope.ends_with(scope));
            app.scopes
                .extend(others.iter().map(|other| Grant::of(other)));
        });
    }

    /// Requests that changed something or were meant to.
    pub(crate) fn writes(&self) -> Vec<String> {
        // By deleting a record that cannot exist, dns_cf finds out whether it may write.
        let impossible = format!("/{}", "f".repeat(32));
        let is_write = |entry: &Entry| {
            entry.method != "GET"
                && !entry.path.ends_with(&impossible)
                && !entry.path.ends_with("/oauth2/token")
                && !entry.path.ends_with("/graphql")
        };
        let entries = self.sim.requests();
        let writes = entries.iter().filter(|entry| is_write(entry));
        writes.map(Entry::line).collect()
    }

    /// Everything that this script makes is there once, and nothing is in between.
    #[track_caller]
    pub(crate) fn is_complete(&self) {
        let world = self.sim.world();
        let space = &world.anypoint.spaces[0];
        let contexts: Vec<&str> = space.contexts.iter().map(|one| one.name.as_str()).collect();
        // The first is the platform's own.
        assert_eq!(contexts, ["default", "x-acme-example"]);

        let zones = &world.cloudflare.zones;
        let records = zones.iter().flat_map(|zone| &zone.records);
        let aliases: Vec<&Record> = records.filter(|record| record.kind == "CNAME").collect();
        assert_eq!(aliases.len(), 1);
        assert_eq!(aliases[0].name, HOST);
        assert_eq!(Some(&aliases[0].content), space.dns_target.as_ref());

        let in_production = |instance: &&ApiInstance| instance.environment == seed::PRODUCTION_ID;
        let instances = &world.anypoint.api_manager.instances;
        let apis: Vec<&ApiInstance> = instances.iter().filter(in_production).collect();
        assert_eq!(apis.len(), 1, "{apis:?}");
        let assets = &world.anypoint.exchange.assets;
        assert_eq!(assets.len(), 1, "{assets:?}");

        let policies = &apis[0].policies;
        assert_eq!(policies.len(), 1, "{policies:?}");
        assert_eq!(policies[0].asset, BASIC);
        assert_eq!(policies[0].configuration["username"], "svc");
        assert_eq!(
            policies[0].configuration["password"].as_str(),
            self.password().as_deref()
        );
        let mode = fs::metadata(self.password_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        let application = world.anypoint.deployment(APP).unwrap();
        let urls = application.routed.iter().map(|endpoint| &endpoint.url);
        assert_eq!(urls.collect::<Vec<_>>(), [OLD, &format!("https://{HOST}")]);
        let api = &application.running.properties["api.id"];
        assert_eq!(*api, apis[0].id.to_string());
        drop(world);
        self.nothing_is_left_over();
    }

    /// Neither in the state folder nor in the temporary one.
    fn nothing_is_left_over(&self) {
        let state = self.acme.folder().join("user/.local/state/anypoint-hooks");
        let names = fs::read_dir(state).unwrap().map(|entry| {
            let name = entry.unwrap().file_name();
            name.into_string().unwrap()
        });
        let pending: Vec<String> = names.filter(|name| name.contains("password-")).collect();
        assert!(pending.is_empty(), "{pending:?}");
    }
}

/// The options that have to be given, each with its value.
pub(crate) fn options() -> [Vec<&'static str>; 8] {
    [
        vec!["--domain", "*.acme.example", "--domain", "acme.example"],
        vec!["--host", HOST],
        vec!["--space", "prod-space"],
        vec!["--app", APP],
        vec!["--api", "Orders API"],
        vec!["--environment", "Production"],
        vec!["--username", "svc"],
        vec!["--password-out", "orders.password"],
    ]
}
