//! The simulated systems, and an acme.sh with the hooks installed that talk to them.

use std::fs;
use std::path::Path;

use common::cert::Certificate;
use fixtures::{AcmeSh, Finished, store};
use simulator::anypoint::{ConnectedApp, Grant};
use simulator::pki::Validity;
use simulator::{Seed, Sim, SimConfig, seed};

pub(crate) const DOMAIN: &str = "*.acme.example";
pub(crate) const CONTEXT: &str = "x-acme-example";
pub(crate) const CHALLENGE: &str = "_acme-challenge.acme.example";

/// Hard to write down in shell, each in its own way. A challenge for `echo`, `sed`, `eval` and single quotes.
pub(crate) const ODD_SECRETS: [&str; 6] = [
    r#"with "double" quotes"#,
    "with 'single' quotes",
    "with $HOME and `date`",
    r"back\slash\n\1",
    "a&b|c;d#e*",
    "__ACME_BASE64__START_ ü",
];

pub(crate) type Environment = Vec<(&'static str, String)>;

/// The simulated systems, and an acme.sh with the hooks.
pub(crate) struct Fixture {
    pub(crate) sim: Sim,
    pub(crate) acme: AcmeSh,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(AcmeSh::install())
    }

    pub(crate) fn with(mut acme: AcmeSh) -> Self {
        let sim = Sim::start(SimConfig {
            seed: Seed::demo(),
            ..SimConfig::default()
        })
        .unwrap();
        for secret in [seed::CF_TOKEN, seed::CF_KEY, seed::CLIENT_SECRET] {
            acme.never_shown(secret);
        }
        Self { sim, acme }
    }

    /// Where the simulated systems are; the real ones would need none of it.
    pub(crate) fn addresses(&self) -> Environment {
        let mut all = self.authority();
        all.push(("CF_Api", self.sim.cloudflare_url()));
        all
    }

    /// The one thing that acme.sh saves only when it issues: whom to trust.
    pub(crate) fn authority(&self) -> Environment {
        vec![("CA_BUNDLE", text(self.sim.ca_pem_path()))]
    }

    pub(crate) fn with_addresses(&self, more: Environment) -> Environment {
        let mut all = self.addresses();
        all.extend(more);
        all
    }

    pub(crate) fn token(&self) -> Environment {
        self.with_addresses(vec![("CF_Token", seed::CF_TOKEN.to_owned())])
    }

    pub(crate) fn cloudhub(&self) -> Environment {
        self.cloudhub_as(seed::CLIENT_ID, seed::CLIENT_SECRET)
    }

    pub(crate) fn cloudhub_as(&self, id: &str, secret: &str) -> Environment {
        self.with_addresses(self.for_cloudhub(id, secret))
    }

    /// The five values that the original shell hook saves.
    pub(crate) fn for_cloudhub(&self, id: &str, secret: &str) -> Environment {
        vec![
            ("CH2_CLIENT_ID", id.to_owned()),
            ("CH2_CLIENT_SECRET", secret.to_owned()),
            ("ORGANIZATION_ID", seed::ORGANIZATION_ID.to_owned()),
            ("CH2_PRIVATE_SPACE_ID", seed::PRIVATE_SPACE_ID.to_owned()),
            ("ANYPOINT_URL", self.sim.url().to_owned()),
        ]
    }

    /// A connected app with this secret; returns its id.
    pub(crate) fn app_with(&self, secret: &str) -> String {
        let mut world = self.sim.world();
        let client_id = world.ids.hex();
        world.anypoint.apps.push(ConnectedApp {
            client_id: client_id.clone(),
            client_secret: secret.to_owned(),
            name: "odd".to_owned(),
            organization: seed::ORGANIZATION_ID.to_owned(),
            scopes: vec![Grant::of("manage:cloudhub_networking")],
        });
        client_id
    }

    /// Another private space beside the one that is there; returns its id.
    pub(crate) fn add_space(&self, name: &str) -> String {
        let mut world = self.sim.world();
        let world = &mut *world;
        world
            .anypoint
            .add_space(
                &mut world.ids,
                &world.authority,
                seed::ORGANIZATION_ID,
                name,
            )
            .unwrap()
    }

    /// As if nothing had been deployed.
    pub(crate) fn forget_deployments(&self) {
        for space in &mut self.sim.world().anypoint.spaces {
            space.contexts.clear();
        }
    }

    /// The SHA-256 of the leaf that the TLS context carries.
    pub(crate) fn deployed(&self, context: &str) -> Option<String> {
        let world = self.sim.world();
        let contexts = &world.anypoint.spaces[0].contexts;
        let found = contexts.iter().find(|known| known.name == context)?;
        Some(fingerprint(&found.material().certificate_pem))
    }

    /// The SHA-256 of the leaf that acme.sh holds.
    pub(crate) fn issued(&self, domain: &str) -> String {
        let file = self.acme.file(domain, &format!("{domain}.cer"));
        fingerprint(&fs::read_to_string(file).unwrap())
    }

    /// TXT records in all zones.
    pub(crate) fn challenges(&self) -> usize {
        let world = self.sim.world();
        let records = world.cloudflare.zones.iter().flat_map(|zone| &zone.records);
        records.filter(|record| record.kind == "TXT").count()
    }

    /// How many requests of this kind were made so far.
    pub(crate) fn requests(&self, method: &str) -> usize {
        let all = self.sim.requests();
        all.iter().filter(|entry| entry.method == method).count()
    }

    /// Puts a certificate where acme.sh would have, with the conf that its own functions write.
    pub(crate) fn put_certificate(&self, domain: &str) {
        let authority = self.sim.world().authority.intermediate("CA").unwrap();
        let leaf = authority.leaf(&[domain], Validity::default()).unwrap();
        let folder = self.acme.home().join(format!("{domain}_ecc"));
        store(&folder, domain, &leaf);
        let _ = fs::remove_file(self.acme.domain_conf(domain));
        for (key, value) in [("Le_Domain", domain), ("Le_Keylength", "ec-256")] {
            self.in_domain(domain, &["_savedomainconf", key, value]);
        }
    }

    /// Calls a function of acme.sh that works on a domain conf, and returns what it prints.
    pub(crate) fn in_domain(&self, domain: &str, function: &[&str]) -> String {
        let conf = text(&self.acme.domain_conf(domain));
        let called = self.acme.call(&[("DOMAIN_CONF", conf)], function);
        called.code(0);
        called.stdout
    }

    /// What acme.sh's `_getdeployconf` makes of a saved value.
    pub(crate) fn deploy_conf(&self, domain: &str, key: &str) -> String {
        let script = format!(r#"_getdeployconf {key}; printf %s "${key}""#);
        self.in_domain(domain, &["eval", &script])
    }

    /// What acme.sh's `_readaccountconf_mutable` makes of a saved value.
    pub(crate) fn account_conf(&self, key: &str) -> String {
        let called = self.acme.call(&[], ["_readaccountconf_mutable", key]);
        called.code(0);
        called.stdout
    }

    /// Has acme.sh do what a renewal does: read the domain conf, find the hook `dns_cf`, source it, call a function.
    pub(crate) fn dns_hook(
        &self,
        environment: &Environment,
        function: &str,
        value: &str,
    ) -> Finished {
        let script = format!(
            r#"unset ACCOUNT_CONF_PATH; _initpath acme.example ec-256; mkdir -p "$DOMAIN_PATH"
            if [ -f "$DOMAIN_CONF" ]; then . "$DOMAIN_CONF"; fi
            . "$(_findHook acme.example dnsapi dns_cf)"; dns_cf_{function} {CHALLENGE} {value}"#
        );
        let called = self.acme.call(environment, ["eval", &script]);
        for secret in [seed::CF_TOKEN, seed::CF_KEY] {
            called.never_shows(secret);
        }
        called
    }

    pub(crate) fn deploy(
        &self,
        environment: &Environment,
        domain: &str,
        more: &[&str],
    ) -> Finished {
        let arguments = ["--deploy", "-d", domain, "--deploy-hook", "cloudhub_v2"];
        self.acme
            .run(environment, arguments.iter().chain(more).copied())
    }

    /// From now on acme.sh finds its stock hook only, which is made to ask the simulator.
    pub(crate) fn back_to_the_stock_hook(&self) {
        let done = self.acme.installer(&["--uninstall", "dns_cf"]);
        done.code(0);
        self.let_the_stock_hook_ask_the_simulator();
    }

    pub(crate) fn let_the_stock_hook_ask_the_simulator(&self) {
        let hook = self.acme.home().join("dnsapi/dns_cf.sh");
        let source = fs::read_to_string(&hook).unwrap();
        let changed = source.replace(
            "CF_Api=\"https://api.cloudflare.com/client/v4\"",
            &format!("CF_Api=\"{}\"", self.sim.cloudflare_url()),
        );
        assert!(
            changed.contains(self.sim.url()),
            "the stock hook has changed"
        );
        fs::write(&hook, changed).unwrap();
    }

    pub(crate) fn forward_to_the_program(&self) {
        self.acme.installer(&["dns_cf"]).code(0);
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(crate) fn fingerprint(pem: &str) -> String {
    Certificate::parse_all(pem).unwrap()[0].fingerprint()
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The three ways to give credentials to the stock hook, and what acme.sh's functions then tell of them.
pub(crate) fn ways(fixture: &Fixture) -> [Environment; 3] {
    let text = str::to_owned;
    [
        vec![
            ("CF_Token", text(seed::CF_TOKEN)),
            ("CF_Account_ID", text(seed::CF_ACCOUNT_ID)),
        ],
        vec![
            ("CF_Token", text(seed::CF_TOKEN)),
            ("CF_Zone_ID", text(seed::CF_ZONE_ID)),
        ],
        vec![
            ("CF_Email", text(seed::CF_EMAIL)),
            ("CF_Key", text(seed::CF_KEY)),
        ],
    ]
    .map(|way| fixture.with_addresses(way))
}

/// Every value of the stock hook, as acme.sh's own functions read it from either conf file.
pub(crate) fn stock_values(fixture: &Fixture) -> String {
    let script = r#"for key in CF_Token CF_Account_ID CF_Zone_ID CF_Key CF_Email; do
        printf '%s: %s, %s\n' $key "$(_readaccountconf_mutable $key)" "$(_readdomainconf $key)"
        done"#;
    fixture.in_domain("acme.example", &["eval", script])
}
