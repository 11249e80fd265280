//! A private space, an app that may manage it, and certificates to deploy to it.

use std::path::{Path, PathBuf};

use fixtures::{Bench, Finished, key_lines, store};
use serde_json::{Value, json};
use simulator::Fault;
use simulator::anypoint::TlsContext;
use simulator::anypoint::tls_contexts::Switches;
use simulator::faults::Action;
use simulator::pki::{Authority, Leaf, Validity};

pub(crate) const DOMAIN: &str = "*.acme.example";
pub(crate) const CONTEXT: &str = "x-acme-example";
pub(crate) const LIST: &str = "/runtimefabric/api/organizations/*/privatespaces/*/tlsContexts";

/// What the original hook saves.
pub(crate) const SAVED: [&str; 5] = [
    "CH2_CLIENT_ID",
    "CH2_CLIENT_SECRET",
    "ORGANIZATION_ID",
    "CH2_PRIVATE_SPACE_ID",
    "ANYPOINT_URL",
];

/// An organization with a private space `prod`, an app that may manage it, and an authority that the hook trusts.
pub(crate) struct Fixture {
    pub(crate) bench: Bench,
    pub(crate) organization: String,
    pub(crate) authority: Authority,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_scopes(&["manage:cloudhub_networking"])
    }

    pub(crate) fn with_scopes(scopes: &[&str]) -> Self {
        let bench = Bench::with_private_space(scopes);
        let (organization, authority) = {
            let world = bench.sim.world();
            let authority = world.authority.intermediate("Intermediate").unwrap();
            (world.anypoint.organizations[0].id.clone(), authority)
        };
        Self {
            bench,
            organization,
            authority,
        }
    }

    pub(crate) fn space_id(&self, name: &str) -> String {
        self.bench
            .sim
            .world()
            .anypoint
            .space(name)
            .unwrap()
            .id
            .clone()
    }

    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.bench.sim.world().anypoint.switches.tls_contexts);
    }

    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.authority.leaf(names, Validity::days(90)).unwrap()
    }

    /// Writes a certificate as acme.sh keeps it, and has every run watched for its key.
    pub(crate) fn store(&mut self, folder: &str, domain: &str, leaf: &Leaf) -> PathBuf {
        for line in key_lines(&leaf.key_pem) {
            self.bench.never_shown(line);
        }
        let folder = self.bench.home().join(folder);
        store(&folder, domain, leaf);
        folder
    }

    pub(crate) fn deploy_leaf(&mut self, domain: &str, leaf: &Leaf, more: &[&str]) -> Finished {
        let folder = self.store("cert", domain, leaf);
        self.deploy_from(&folder, domain, more)
    }

    pub(crate) fn deploy_from(&self, folder: &Path, domain: &str, more: &[&str]) -> Finished {
        let file = |name: String| folder.join(name).to_str().unwrap().to_owned();
        let args = [
            "deploy".to_owned(),
            domain.to_owned(),
            file(format!("{domain}.key")),
            file(format!("{domain}.cer")),
            file("ca.cer".to_owned()),
            file("fullchain.cer".to_owned()),
            file(format!("{domain}.pfx")),
            "-vv".to_owned(),
        ];
        let more = more.iter().map(ToString::to_string);
        self.bench.run("cloudhub_v2", args.into_iter().chain(more))
    }

    pub(crate) fn deploy(&mut self) -> Finished {
        let leaf = self.leaf(&[DOMAIN, "acme.example"]);
        self.deploy_leaf(DOMAIN, &leaf, &[])
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.bench.run("cloudhub_v2", args)
    }

    /// Has the program believe that acme.sh calls, with this text in the domain conf.
    pub(crate) fn acme_calls(&mut self, conf: &str) -> PathBuf {
        let path = self.bench.write("cert/domain.conf", conf);
        self.acme_calls_with(&path);
        path
    }

    /// As [`Fixture::acme_calls`], with a domain conf that is there.
    pub(crate) fn acme_calls_with(&mut self, conf: &Path) {
        self.bench
            .called_by_acme_sh(conf)
            .set("NO_TIMESTAMP", "1")
            .set("DEBUG", "3");
    }

    /// Lines of a TOML target that give it everything of its own but the private space.
    pub(crate) fn own_account(&mut self) -> String {
        let (id, secret) = {
            let mut world = self.bench.sim.world();
            let world = &mut *world;
            world
                .anypoint
                .add_app(&mut world.ids, &self.organization, &["admin:cloudhub"])
        };
        self.bench.never_shown(secret.clone());
        self.bench.write("own.secret", format!("{secret}\n"));
        format!(
            "url = \"{}\"\norganization = \"{}\"\nclient_id = \"{id}\"\nclient_secret_file = \"own.secret\"\n",
            self.bench.sim.url(),
            self.organization
        )
    }

    /// As cron does: nothing in the environment but what acme.sh itself hands over.
    pub(crate) fn forget_environment(&mut self) {
        for name in SAVED {
            self.bench.unset(name);
        }
    }

    pub(crate) fn context(&self, space: &str, name: &str) -> Option<Value> {
        let world = self.bench.sim.world();
        let space = world.anypoint.space(space)?;
        let context = space.contexts.iter().find(|context| context.name == name)?;
        let mut view = serde_json::to_value(context).unwrap();
        view["certificate"] = json!(context.material().certificate_pem);
        view["capath"] = json!(context.material().capath_pem);
        Some(view)
    }

    pub(crate) fn holds(&self, space: &str, name: &str, leaf: &Leaf) -> bool {
        self.context(space, name)
            .is_some_and(|context| context["certificate"] == json!(normal(&leaf.cert_pem)))
    }

    /// Changes the TLS context `name` of the private space `prod` behind the program's back.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut TlsContext)) {
        let mut world = self.bench.sim.world();
        let space = world.anypoint.space_mut("prod").unwrap();
        let mut contexts = space.contexts.iter_mut();
        change(contexts.find(|context| context.name == name).unwrap());
    }

    pub(crate) fn set_trust_store(&self, name: &str) {
        let store =
            json!({"type": "PEM", "fileName": "clients.pem", "expirationDate": "2031-01-01"});
        self.change(name, |context| context.trust_store = Some(store));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let entries = self.bench.sim.requests();
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        entries
            .iter()
            .map(|entry| format!("{} {}", entry.method, last(&entry.path)))
            .collect()
    }

    pub(crate) fn writes(&self) -> usize {
        let entries = self.bench.sim.requests();
        entries
            .iter()
            .filter(|entry| entry.method != "GET" && !entry.path.contains("oauth2"))
            .count()
    }

    pub(crate) fn fault(&self, method: &str, path: &str, action: Action) {
        self.bench.fault(Fault::on(method, path, action));
    }
}

/// PEM as one program writes it, whoever wrote it first.
pub(crate) fn normal(pem: &str) -> String {
    pem.replace("\r\n", "\n")
}

/// A certificate in an acme.sh home, with the settings saved that the environment of the fixture holds.
pub(crate) fn keep(fixture: &mut Fixture, name: &str, leaf: &Leaf, hooks: &str) {
    let domain = name.trim_end_matches("_ecc");
    let sim = fixture.bench.sim.world();
    let app = &sim.anypoint.apps[0];
    let conf = format!(
        "Le_Domain='{domain}'\nLe_DeployHook='{hooks}'\nSAVED_CH2_CLIENT_ID='{}'\nSAVED_CH2_CLIENT_SECRET='{}'\n\
         SAVED_ORGANIZATION_ID='{}'\nSAVED_CH2_PRIVATE_SPACE_ID='prod'\nSAVED_ANYPOINT_URL='{}'\n",
        app.client_id,
        app.client_secret,
        fixture.organization,
        fixture.bench.sim.url()
    );
    drop(sim);
    keep_with(fixture, name, leaf, &conf);
}

/// A certificate in an acme.sh home with this domain conf.
pub(crate) fn keep_with(fixture: &mut Fixture, name: &str, leaf: &Leaf, conf: &str) {
    let domain = name.trim_end_matches("_ecc");
    fixture.store(&format!("acme/{name}"), domain, leaf);
    fixture
        .bench
        .write(&format!("acme/{name}/{domain}.conf"), conf);
}
