//! `cloudhub_v2` from end to end: the built program against the simulator.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::{Bench, Finished};
use serde_json::{Value, json};
use simulator::anypoint::tls_contexts::Switches;
use simulator::anypoint::{CreateAnswer, Patch, San};
use simulator::cloudflare::Record;
use simulator::faults::Action;
use simulator::pki::{self, Authority, Leaf, Validity};
use simulator::{Fault, SimConfig};

const DOMAIN: &str = "*.acme.example";
const CONTEXT: &str = "x-acme-example";
const LIST: &str = "/runtimefabric/api/organizations/*/privatespaces/*/tlsContexts";

/// An organization with a private space `prod`, an app that may manage it, and an authority that the hook trusts.
struct World {
    bench: Bench,
    organization: String,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        Self::with_scopes(&["manage:cloudhub_networking"])
    }

    fn with_scopes(scopes: &[&str]) -> Self {
        let mut bench = Bench::with(SimConfig::default());
        let (organization, id, secret, authority) = {
            let mut world = bench.sim.world();
            let world = &mut *world;
            let organization = world.anypoint.add_organization(&mut world.ids, "Acme");
            let (id, secret) = world
                .anypoint
                .add_app(&mut world.ids, &organization, scopes);
            let authority = world.authority.intermediate("Intermediate").unwrap();
            (organization, id, secret, authority)
        };
        bench
            .set("CH2_CLIENT_ID", id)
            .set_secret("CH2_CLIENT_SECRET", secret)
            .set("ORGANIZATION_ID", organization.clone())
            .set("CH2_PRIVATE_SPACE_ID", "prod");
        let mut made = Self {
            bench,
            organization,
            authority,
        };
        made.add_space("prod");
        made
    }

    fn add_space(&mut self, name: &str) -> String {
        let mut world = self.bench.sim.world();
        let world = &mut *world;
        world
            .anypoint
            .add_space(&mut world.ids, &world.authority, &self.organization, name)
            .unwrap()
    }

    fn space_id(&self, name: &str) -> String {
        self.bench
            .sim
            .world()
            .anypoint
            .space(name)
            .unwrap()
            .id
            .clone()
    }

    fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.bench.sim.world().anypoint.switches.tls_contexts);
    }

    fn leaf(&self, names: &[&str]) -> Leaf {
        self.authority.leaf(names, Validity::days(90)).unwrap()
    }

    /// Writes a certificate as acme.sh keeps it, and has every run watched for its key.
    fn store(&mut self, folder: &str, domain: &str, leaf: &Leaf) -> PathBuf {
        for line in leaf
            .key_pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
        {
            self.bench.never_shown(line);
        }
        self.bench
            .write(&format!("{folder}/{domain}.key"), &leaf.key_pem);
        self.bench
            .write(&format!("{folder}/{domain}.cer"), &leaf.cert_pem);
        // As acme.sh: an empty line first.
        self.bench
            .write(&format!("{folder}/ca.cer"), format!("\n{}", leaf.chain_pem));
        self.bench
            .write(&format!("{folder}/fullchain.cer"), leaf.fullchain_pem());
        self.bench.home().join(folder)
    }

    fn deploy_leaf(&mut self, domain: &str, leaf: &Leaf, more: &[&str]) -> Finished {
        let folder = self.store("cert", domain, leaf);
        self.deploy_from(&folder, domain, more)
    }

    fn deploy_from(&self, folder: &Path, domain: &str, more: &[&str]) -> Finished {
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

    fn deploy(&mut self) -> Finished {
        let leaf = self.leaf(&[DOMAIN, "acme.example"]);
        self.deploy_leaf(DOMAIN, &leaf, &[])
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.bench.run("cloudhub_v2", args)
    }

    /// Has the program believe that acme.sh calls, with this text in the domain conf.
    fn acme_calls(&mut self, conf: &str) -> PathBuf {
        let path = self.bench.write("cert/domain.conf", conf);
        self.bench
            .set("ANYPOINT_HOOKS_VOICE", "acme")
            .set("DEBUG", "3")
            .set("NO_TIMESTAMP", "1")
            .set("DOMAIN_CONF", path.to_str().unwrap());
        path
    }

    /// As cron does: nothing in the environment but what acme.sh itself hands over.
    fn forget_environment(&mut self) {
        for name in [
            "CH2_CLIENT_ID",
            "CH2_CLIENT_SECRET",
            "ORGANIZATION_ID",
            "CH2_PRIVATE_SPACE_ID",
            "ANYPOINT_URL",
        ] {
            self.bench.unset(name);
        }
    }

    fn context(&self, space: &str, name: &str) -> Option<Value> {
        let world = self.bench.sim.world();
        let space = world.anypoint.space(space)?;
        let context = space.contexts.iter().find(|context| context.name == name)?;
        let mut view = serde_json::to_value(context).unwrap();
        view["certificate"] = json!(context.material().certificate_pem);
        view["capath"] = json!(context.material().capath_pem);
        Some(view)
    }

    fn holds(&self, space: &str, name: &str, leaf: &Leaf) -> bool {
        self.context(space, name)
            .is_some_and(|context| context["certificate"] == json!(normal(&leaf.cert_pem)))
    }

    fn set_trust_store(&self, name: &str) {
        let mut world = self.bench.sim.world();
        let space = world.anypoint.space_mut("prod").unwrap();
        let context = space
            .contexts
            .iter_mut()
            .find(|context| context.name == name)
            .unwrap();
        context.trust_store =
            Some(json!({"type": "PEM", "fileName": "clients.pem", "expirationDate": "2031-01-01"}));
    }

    fn lines(&self) -> Vec<String> {
        let entries = self.bench.sim.requests();
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        entries
            .iter()
            .map(|entry| format!("{} {}", entry.method, last(&entry.path)))
            .collect()
    }

    fn writes(&self) -> usize {
        let entries = self.bench.sim.requests();
        entries
            .iter()
            .filter(|entry| entry.method != "GET" && !entry.path.contains("oauth2"))
            .count()
    }

    fn fault(&self, method: &str, path: &str, action: Action) {
        self.bench.sim.faults().add(Fault::on(method, path, action));
    }
}

/// PEM as one program writes it, whoever wrote it first.
fn normal(pem: &str) -> String {
    pem.replace("\r\n", "\n")
}

// --- Deploying --------------------------------------------------------------------------------------------------------

#[test]
fn a_deploy_is_read_back_and_takes_four_requests_on_one_connection() {
    let mut world = World::new();
    let id = world.space_id("prod");
    world.bench.set("CH2_PRIVATE_SPACE_ID", id);
    let leaf = world.leaf(&[DOMAIN, "acme.example"]);
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("created")
        .prints("known by its fingerprint");
    assert!(world.holds("prod", CONTEXT, &leaf));
    assert_eq!(
        world.lines(),
        [
            "POST token",
            "GET tlsContexts",
            "POST tlsContexts",
            "GET tlsContexts"
        ]
    );
    assert_eq!(world.bench.sim.stats().tls_connections, 1);
    assert_eq!(world.bench.sim.unexpected().len(), 0);
}

#[test]
fn a_second_run_with_the_same_certificate_writes_nothing_unless_forced() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    world.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    world.bench.sim.clear_log();
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("already deployed");
    assert_eq!(world.writes(), 0);
    world
        .deploy_leaf(DOMAIN, &leaf, &["--force"])
        .code(0)
        .prints("updated");
    assert_eq!(world.writes(), 1);
}

#[test]
fn a_renewed_certificate_replaces_the_old_one_although_it_expires_on_the_same_day() {
    let mut world = World::new();
    world.deploy().code(0);
    let renewed = world.leaf(&[DOMAIN, "acme.example"]);
    world
        .deploy_leaf(DOMAIN, &renewed, &[])
        .code(0)
        .prints("updated");
    assert!(world.holds("prod", CONTEXT, &renewed));
}

#[test]
fn every_kind_of_key_goes_out_as_pkcs8() {
    let mut world = World::new();
    world.switch(|switches| switches.traditional_keys = false);
    let rsa = pki::rsa_key(2048).unwrap();
    let rsa = world
        .authority
        .leaf_with_key(&[DOMAIN], Validity::days(90), &rsa)
        .unwrap();
    let p384 = pki::p384_key().unwrap();
    let p384 = world
        .authority
        .leaf_with_key(&[DOMAIN], Validity::days(90), &p384)
        .unwrap();
    for leaf in [world.leaf(&[DOMAIN]), rsa, p384] {
        let traditional = Leaf {
            key_pem: pki::traditional(&leaf.key_pem).unwrap(),
            ..leaf
        };
        world.deploy_leaf(DOMAIN, &traditional, &[]).code(0);
        assert!(world.holds("prod", CONTEXT, &traditional));
    }
}

#[test]
fn an_encrypted_key_is_opened_by_its_passphrase_only() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    let encrypted = Leaf {
        key_pem: pki::encrypted(&leaf.key_pem, "canary pass$'\"word").unwrap(),
        ..leaf
    };
    world
        .deploy_leaf(DOMAIN, &encrypted, &[])
        .code(2)
        .tells("CH2_KEY_PASSPHRASE_FILE");
    world
        .bench
        .set_secret("CH2_KEY_PASSPHRASE", "canary-wrong-one");
    world
        .deploy_leaf(DOMAIN, &encrypted, &[])
        .code(2)
        .tells("does not open");
    assert_eq!(world.lines().len(), 0);
    world
        .bench
        .set_secret("CH2_KEY_PASSPHRASE", "canary pass$'\"word");
    world.deploy_leaf(DOMAIN, &encrypted, &[]).code(0);
    assert!(world.holds("prod", CONTEXT, &encrypted));
}

#[test]
fn a_create_is_understood_however_it_is_answered() {
    for answer in [
        CreateAnswer::Body,
        CreateAnswer::Location,
        CreateAnswer::Empty,
    ] {
        let mut world = World::new();
        world.switch(|switches| {
            switches.create = answer;
            switches.single_read = false;
            switches.require_file_names = true;
            switches.require_ciphers = true;
        });
        world.deploy().code(0).prints("created");
    }
}

#[test]
fn a_create_whose_answer_is_lost_is_not_sent_twice() {
    let mut world = World::new();
    world.fault("POST", LIST, Action::LostAnswer);
    world.deploy().code(0).prints("created");
    assert_eq!(world.writes(), 1);
}

#[test]
fn a_create_that_had_no_effect_is_sent_again_after_a_look() {
    let mut world = World::new();
    world.fault("POST", LIST, Action::Reset);
    world.deploy().code(0).prints("created");
    assert_eq!(world.writes(), 2);
}

#[test]
fn a_write_that_cannot_be_read_back_ends_unproved() {
    let mut world = World::new();
    world.bench.sim.faults().add(
        Fault::on("GET", LIST, Action::Html { status: 200 })
            .after(1)
            .always(),
    );
    world
        .deploy()
        .code(7)
        .tells("could not be read back")
        .tells("HTML page");
}

#[test]
fn an_update_goes_by_put_where_there_is_no_patch() {
    for patch in [Patch::NotFound, Patch::NotAllowed] {
        let mut world = World::new();
        world.deploy().code(0);
        world.switch(|switches| switches.patch = patch);
        let renewed = world.leaf(&[DOMAIN]);
        world
            .deploy_leaf(DOMAIN, &renewed, &[])
            .code(0)
            .prints("updated");
        assert!(world.holds("prod", CONTEXT, &renewed));
    }
}

#[test]
fn an_update_that_is_only_accepted_is_waited_for() {
    let mut world = World::new();
    world.deploy().code(0);
    world.switch(|switches| switches.patch = Patch::Accepted);
    world.deploy().code(0).prints("updated");
}

#[test]
fn where_no_file_names_come_back_names_and_date_decide_and_that_is_said() {
    for san in [San::Names, San::Empty, San::Absent] {
        let mut world = World::new();
        world.switch(|switches| {
            switches.file_names = false;
            switches.san = san;
        });
        let leaf = world.leaf(&[DOMAIN, "acme.example"]);
        world
            .deploy_leaf(DOMAIN, &leaf, &[])
            .code(0)
            .prints("created")
            .prints("less certain");
        world.bench.sim.clear_log();
        world
            .deploy_leaf(DOMAIN, &leaf, &[])
            .code(0)
            .prints("already deployed")
            .prints("less certain");
        assert_eq!(world.writes(), 0);
        let longer = world
            .authority
            .leaf(&[DOMAIN, "acme.example"], Validity::days(91))
            .unwrap();
        world
            .deploy_leaf(DOMAIN, &longer, &[])
            .code(0)
            .prints("updated");
    }
}

#[test]
fn what_another_program_deployed_is_written_once_although_it_expires_on_the_same_day() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    world.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    {
        let mut sim = world.bench.sim.world();
        let space = sim.anypoint.space_mut("prod").unwrap();
        let context = space
            .contexts
            .iter_mut()
            .find(|context| context.name == CONTEXT)
            .unwrap();
        context.file_names = [Some("cert.pem".into()), None, None];
    }
    let other = world.leaf(&[DOMAIN]);
    world
        .deploy_leaf(DOMAIN, &other, &[])
        .code(0)
        .prints("updated");
    assert!(world.holds("prod", CONTEXT, &other));
    world
        .deploy_leaf(DOMAIN, &other, &[])
        .code(0)
        .prints("already deployed");
}

#[test]
fn a_ca_file_that_is_not_there_is_no_error() {
    let mut world = World::new();
    let root = world.bench.sim.world().authority.clone();
    let leaf = root.leaf(&[DOMAIN], Validity::days(90)).unwrap();
    let folder = world.store("cert", DOMAIN, &leaf);
    fs::remove_file(folder.join("ca.cer")).unwrap();
    fs::remove_file(folder.join("fullchain.cer")).unwrap();
    world.deploy_from(&folder, DOMAIN, &[]).code(0);
    assert_eq!(world.context("prod", CONTEXT).unwrap()["capath"], "");
}

#[test]
fn an_old_ca_file_gives_way_to_the_full_chain() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    let folder = world.store("cert", DOMAIN, &leaf);
    let stranger = Authority::root("Stranger").unwrap();
    world.bench.write("cert/ca.cer", stranger.pem());
    world.deploy_from(&folder, DOMAIN, &[]).code(0);
    assert_eq!(
        world.context("prod", CONTEXT).unwrap()["capath"],
        json!(normal(&leaf.chain_pem))
    );
}

// --- The right context ------------------------------------------------------------------------------------------------

#[test]
fn contexts_with_longer_names_are_never_taken_for_it() {
    let mut world = World::new();
    for name in ["x-acme-example-2", "ax-acme-example", "X-acme-example"] {
        let leaf = world.leaf(&["other.example"]);
        world
            .deploy_leaf("other.example", &leaf, &["--context-name", name])
            .code(0);
    }
    world.deploy().code(0).prints("created");
}

#[test]
fn a_context_of_another_domain_is_not_overwritten() {
    let mut world = World::new();
    let first = world.leaf(&["a.b.example"]);
    world.deploy_leaf("a.b.example", &first, &[]).code(0);
    let second = world.leaf(&["a-b.example"]);
    world
        .deploy_leaf("a-b.example", &second, &["--force"])
        .code(2)
        .tells("belongs to a.b.example")
        .tells("a-b.example")
        .tells("CH2_TLS_CONTEXT_NAME");
    assert!(world.holds("prod", "a-b-example", &first));
    world.bench.set("CH2_TLS_CONTEXT_NAME", "the second");
    world.deploy_leaf("a-b.example", &second, &[]).code(0);
}

#[test]
fn a_context_that_tells_no_domain_is_ours_only_by_our_file_names() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    let list = |file: &str, key: &str| {
        Action::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: json!([{"id": "1", "name": CONTEXT, "type": "custom", "keyStore": {"fileName": file, "keyFileName": key}}])
            .to_string(),
    }
    };
    let ours = format!("{}.cer", "0a".repeat(30));
    for (file, key) in [
        ("cert.pem", "_wildcard.acme.example.key"),
        (&ours, "x.acme.example.key"),
    ] {
        world.fault("GET", LIST, list(file, key));
        world
            .deploy_leaf(DOMAIN, &leaf, &[])
            .code(2)
            .tells("tells no domain");
    }
    assert_eq!(world.writes(), 0);
    world.fault("GET", LIST, list(&ours, "_wildcard.acme.example.key"));
    world.deploy_leaf(DOMAIN, &leaf, &[]);
    assert!(world.writes() > 0);
}

#[test]
fn the_default_context_is_left_alone() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    world
        .deploy_leaf(DOMAIN, &leaf, &["--context-name", "default"])
        .code(2)
        .tells("default TLS context");
    assert_eq!(world.writes(), 0);
}

#[test]
fn a_second_context_for_the_domain_is_warned_of() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    world
        .deploy_leaf(DOMAIN, &leaf, &["--context-name", "by hand"])
        .code(0);
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .tells("CH2_TLS_CONTEXT_NAME=\"by hand\"");
}

#[test]
fn an_eleventh_context_is_not_tried() {
    let mut world = World::new();
    for number in 0..10 {
        let domain = format!("d{number}.example");
        let leaf = world.leaf(&[&domain]);
        world.deploy_leaf(&domain, &leaf, &[]).code(0);
    }
    world.bench.sim.clear_log();
    world
        .deploy()
        .code(5)
        .tells("10 are there already")
        .tells("cloudhub_v2 remove");
    assert_eq!(world.writes(), 0);
}

// --- Client authentication and ciphers ------------------------------------------------------------------------------------

fn truststore(world: &mut World) {
    let path = world
        .bench
        .write("clients.pem", Authority::root("Clients").unwrap().pem());
    world.bench.set("CH2_TRUSTSTORE", path.to_str().unwrap());
}

#[test]
fn an_update_leaves_the_trust_store_alone() {
    let mut world = World::new();
    world.deploy().code(0);
    world.set_trust_store(CONTEXT);
    world.deploy().code(0);
    assert_eq!(
        world.context("prod", CONTEXT).unwrap()["trustStore"]["fileName"],
        "clients.pem"
    );
}

#[test]
fn a_trust_store_that_an_update_drops_is_reported_loudly_or_sent_again() {
    let mut world = World::new();
    world.switch(|switches| switches.update_keeps_trust_store = false);
    world.deploy().code(0);
    world.set_trust_store(CONTEXT);
    world
        .deploy()
        .code(7)
        .tells("THE TRUST STORE IS GONE")
        .tells("CH2_TRUSTSTORE");

    world.set_trust_store(CONTEXT);
    truststore(&mut world);
    world.deploy().code(0);
    assert!(!world.context("prod", CONTEXT).unwrap()["trustStore"].is_null());
}

#[test]
fn a_trust_store_that_was_lost_comes_back_with_the_next_run() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN]);
    world.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    truststore(&mut world);
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("updated");
    assert!(!world.context("prod", CONTEXT).unwrap()["trustStore"].is_null());
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("already deployed");
}

#[test]
fn without_the_trust_store_nothing_is_replaced_as_a_whole() {
    let mut world = World::new();
    world.switch(|switches| {
        switches.update_keeps_trust_store = false;
        switches.patch = Patch::NotAllowed;
    });
    let first = world.leaf(&[DOMAIN]);
    world.deploy_leaf(DOMAIN, &first, &[]).code(0);
    let second = world.leaf(&[DOMAIN]);
    world.deploy_leaf(DOMAIN, &second, &[]).code(0);
    world.set_trust_store(CONTEXT);
    let third = world.leaf(&[DOMAIN]);
    world
        .deploy_leaf(DOMAIN, &third, &[])
        .code(2)
        .tells("Nothing was changed")
        .tells("CH2_TRUSTSTORE");
    assert!(world.holds("prod", CONTEXT, &second));

    truststore(&mut world);
    world.deploy_leaf(DOMAIN, &third, &[]).code(0);
    assert!(world.holds("prod", CONTEXT, &third));
    assert!(!world.context("prod", CONTEXT).unwrap()["trustStore"].is_null());
}

#[test]
fn ciphers_stay_as_they_are_unless_others_are_chosen() {
    let mut world = World::new();
    world.switch(|switches| {
        switches.dead_ciphers = true;
        switches.update_keeps_ciphers = false;
    });
    world.deploy().code(0);
    {
        let mut sim = world.bench.sim.world();
        let space = sim.anypoint.space_mut("prod").unwrap();
        let context = space
            .contexts
            .iter_mut()
            .find(|context| context.name == CONTEXT)
            .unwrap();
        context.ciphers.insert("aes256Sha256".into(), true);
    }
    world.deploy().code(0);
    assert_eq!(
        world.context("prod", CONTEXT).unwrap()["ciphers"]["aes256Sha256"],
        true
    );

    world
        .bench
        .set("CH2_CIPHERS", "tlsAes256GcmSha384, ecdheRsaAes256GcmSha384");
    world.deploy().code(0);
    let ciphers = world.context("prod", CONTEXT).unwrap()["ciphers"].clone();
    let on: Vec<&String> = ciphers
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, on)| **on == true)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(on, ["ecdheRsaAes256GcmSha384", "tlsAes256GcmSha384"]);
    world.bench.set("CH2_CIPHERS", "rc4");
    world
        .deploy()
        .code(2)
        .tells("\"rc4\" is no cipher")
        .tells("tlsAes256GcmSha384");
}

// --- Wrong input --------------------------------------------------------------------------------------------------------------

#[test]
fn what_is_wrong_with_a_certificate_is_found_before_the_first_request() {
    let mut world = World::new();
    let valid = |days| Validity::days(days);
    let hours = {
        let mut validity = Validity::days(1);
        validity.not_after -= 3600;
        validity
    };
    let many: Vec<String> = (0..90)
        .map(|n| format!("host-number-{n:03}.department.acme.example"))
        .collect();
    let many: Vec<&str> = std::iter::once(DOMAIN)
        .chain(many.iter().map(String::as_str))
        .collect();
    let mut deep = world.authority.clone();
    for number in 0..60 {
        deep = deep
            .intermediate(&format!("Intermediate {number}"))
            .unwrap();
    }
    let good = world.leaf(&[DOMAIN]);
    let other = world.leaf(&[DOMAIN]);
    let cases: Vec<(Leaf, &str)> = vec![
        (
            world
                .authority
                .leaf(&[DOMAIN], Validity::expired())
                .unwrap(),
            "expired on",
        ),
        (
            world
                .authority
                .leaf(&[DOMAIN], Validity::not_yet())
                .unwrap(),
            "is not valid before",
        ),
        (
            world.authority.leaf(&[DOMAIN], hours).unwrap(),
            "less than a day",
        ),
        (
            world.leaf(&["acme.example"]),
            "is not for *.acme.example, but for acme.example",
        ),
        (
            Leaf {
                key_pem: other.key_pem.clone(),
                ..good.clone()
            },
            "does not belong to the certificate",
        ),
        (
            Leaf {
                cert_pem: "hello".into(),
                ..good.clone()
            },
            "no PEM certificate",
        ),
        (
            Leaf {
                key_pem: "hello".into(),
                ..good.clone()
            },
            "no PEM private key",
        ),
        (
            Leaf {
                cert_pem: good.cert_pem[..300].to_owned(),
                ..good.clone()
            },
            "is damaged",
        ),
        (
            Leaf {
                chain_pem: Authority::root("Stranger").unwrap().pem().to_owned(),
                ..good.clone()
            },
            "did not issue",
        ),
        (
            world.authority.leaf(&many, valid(90)).unwrap(),
            "the platform takes 4096",
        ),
        (
            deep.leaf(&[DOMAIN], valid(90)).unwrap(),
            "the platform takes 28672",
        ),
    ];
    for (leaf, told) in cases {
        world.deploy_leaf(DOMAIN, &leaf, &[]).code(2).tells(told);
    }
    let folder = world.store("cert", DOMAIN, &good);
    fs::remove_file(folder.join(format!("{DOMAIN}.key"))).unwrap();
    world
        .deploy_from(&folder, DOMAIN, &[])
        .code(4)
        .tells("the private key")
        .tells("does not exist");
    world.run(&["deploy", DOMAIN]).code(2);
    assert_eq!(world.lines().len(), 0);
}

#[test]
fn missing_settings_are_named_before_the_first_request() {
    for (name, told) in [
        ("CH2_CLIENT_SECRET", "CH2_CLIENT_SECRET is missing"),
        (
            "CH2_PRIVATE_SPACE_ID",
            "CH2_PRIVATE_SPACE_ID or --private-space",
        ),
        ("ORGANIZATION_ID", "ORGANIZATION_ID"),
    ] {
        let mut world = World::new();
        world.bench.unset(name);
        world.deploy().code(2).tells(told);
        assert_eq!(world.lines().len(), 0);
    }
    let mut world = World::new();
    world
        .bench
        .unset("CH2_CLIENT_ID")
        .unset("CH2_CLIENT_SECRET");
    world
        .deploy()
        .code(2)
        .tells("CH2_CLIENT_ID and CH2_CLIENT_SECRET are not set");
    world
        .bench
        .set("CH2_TLS_CONTEXT_NAME", "*.acme")
        .set("ANYPOINT_BEARER", "canary-bearer");
    world
        .deploy()
        .code(2)
        .tells("cannot be the name of a TLS context");
}

#[test]
fn refused_credentials_are_told_from_a_missing_scope() {
    let mut world = World::new();
    world
        .bench
        .set_secret("CH2_CLIENT_SECRET", "canary-wrong-secret-77");
    world
        .deploy()
        .code(3)
        .tells("401")
        .tells("CH2_CLIENT_SECRET")
        .tells("ANYPOINT_URL");

    let mut world = World::with_scopes(&["read:cloudhub_networking"]);
    world
        .deploy()
        .code(3)
        .tells("403")
        .tells("\"CloudHub Network Administrator\" (manage:cloudhub_networking)")
        .tells("\"Manage Private Spaces\" (manage:private_spaces)")
        .tells("\"Cloudhub Organization Admin\" (admin:cloudhub)");
}

#[test]
fn an_unknown_private_space_or_organization_is_told_with_those_that_are_there() {
    let mut world = World::new();
    world.bench.set("CH2_PRIVATE_SPACE_ID", "staging");
    world
        .deploy()
        .code(4)
        .tells("no private space \"staging\"")
        .tells("It has \"prod\"");
    world.bench.set(
        "CH2_PRIVATE_SPACE_ID",
        "05000000-0000-4000-8000-00000000ffff",
    );
    world.deploy().code(4).tells("It has \"prod\"");
    world
        .bench
        .set("CH2_PRIVATE_SPACE_ID", "prod")
        .set("ORGANIZATION_ID", "Umbrella");
    world.deploy().code(4).tells("no organization \"Umbrella\"");
    assert_eq!(world.writes(), 0);
}

#[test]
fn names_of_organization_and_private_space_are_as_good_as_ids() {
    let mut world = World::new();
    world
        .bench
        .unset("ORGANIZATION_ID")
        .set("ANYPOINT_ORG", "Acme");
    world.bench.sim.world().anypoint.switches.spaces_page_size = Some(1);
    world.add_space("second");
    world.bench.set("CH2_PRIVATE_SPACE_ID", "second");
    world.deploy().code(0);
    assert!(world.context("second", CONTEXT).is_some());
}

#[test]
fn each_refusal_of_the_platform_says_what_to_do() {
    for (status, code, told) in [
        (400, 5, "EC P-256"),
        (409, 5, "cloudhub_v2 list"),
        (415, 5, "JSON"),
        (422, 5, "EC P-256"),
        (503, 6, "try again later"),
    ] {
        let mut world = World::new();
        world
            .bench
            .sim
            .faults()
            .add(Fault::on("POST", LIST, Action::Empty { status }).always());
        world.deploy().code(code).tells(told);
    }
    let mut world = World::new();
    let wait = Action::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), "0".into())],
        body: String::new(),
    };
    world
        .bench
        .sim
        .faults()
        .add(Fault::on("GET", LIST, wait).times(2));
    world.deploy().code(0);
}

// --- What acme.sh keeps -------------------------------------------------------------------------------------------------------

#[test]
fn settings_are_saved_as_the_original_hook_saves_them_and_read_back_by_cron() {
    let mut world = World::new();
    let conf = world.acme_calls("Le_Domain='*.acme.example'\nCH2_CLIENT_ID='old'\n");
    world.deploy().code(0);
    let saved = fs::read_to_string(&conf).unwrap();
    for name in [
        "CH2_CLIENT_ID",
        "CH2_CLIENT_SECRET",
        "ORGANIZATION_ID",
        "CH2_PRIVATE_SPACE_ID",
        "ANYPOINT_URL",
    ] {
        assert!(
            saved.contains(&format!("SAVED_{name}='")),
            "{name}:\n{saved}"
        );
        assert!(!saved.contains(&format!("\n{name}=")), "{name}:\n{saved}");
    }
    assert!(saved.starts_with("Le_Domain='*.acme.example'\n"));
    assert!(!saved.contains("SAVED_CH2_TLS_CONTEXT_NAME"));

    world.forget_environment();
    world.deploy().code(0).prints("updated");
    assert_eq!(fs::read_to_string(&conf).unwrap(), saved);
}

#[test]
fn odd_characters_in_a_secret_survive() {
    let mut world = World::new();
    let odd = r#"can'ary "$HOME" `id` \n \1 & |"#;
    world.bench.sim.world().anypoint.apps[0].client_secret = odd.to_owned();
    world.bench.set_secret("CH2_CLIENT_SECRET", odd);
    let conf = world.acme_calls("");
    world.deploy().code(0);
    assert!(!fs::read_to_string(&conf).unwrap().contains("can'ary"));
    world.forget_environment();
    world.deploy().code(0);
}

#[test]
fn of_a_secret_in_a_file_the_path_is_saved() {
    let mut world = World::new();
    let secret = world.bench.sim.world().anypoint.apps[0]
        .client_secret
        .clone();
    world.bench.write("secret", format!("{secret}\n"));
    world
        .bench
        .unset("CH2_CLIENT_SECRET")
        .set("CH2_CLIENT_SECRET_FILE", "secret");
    let conf = world.acme_calls("SAVED_CH2_CLIENT_SECRET='old'\n");
    world.deploy().code(0);
    let saved = fs::read_to_string(&conf).unwrap();
    let path = world.bench.home().join("secret");
    assert!(
        saved.contains(&format!(
            "SAVED_CH2_CLIENT_SECRET_FILE='{}'",
            path.display()
        )),
        "{saved}"
    );
    assert!(
        !saved.contains(&secret) && !saved.contains("SAVED_CH2_CLIENT_SECRET='"),
        "{saved}"
    );
    world.forget_environment();
    world.bench.unset("CH2_CLIENT_SECRET_FILE");
    world.deploy().code(0);
}

#[test]
fn refused_credentials_are_not_saved_but_accepted_ones_are_even_if_the_rest_fails() {
    let mut world = World::new();
    let conf = world.acme_calls("");
    world.bench.set("CH2_PRIVATE_SPACE_ID", "nowhere");
    world.deploy().code(4);
    assert!(
        fs::read_to_string(&conf)
            .unwrap()
            .contains("SAVED_CH2_CLIENT_SECRET=")
    );

    let mut world = World::new();
    let conf = world.acme_calls("");
    world
        .bench
        .set_secret("CH2_CLIENT_SECRET", "canary-refused-0001");
    world.deploy().code(3);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "");
}

#[test]
fn a_ready_token_is_used_but_never_saved() {
    let mut world = World::new();
    world.deploy().code(0);
    let token = world
        .bench
        .sim
        .world()
        .anypoint
        .bearers
        .keys()
        .next()
        .unwrap()
        .clone();
    world
        .bench
        .unset("CH2_CLIENT_ID")
        .unset("CH2_CLIENT_SECRET")
        .set_secret("ANYPOINT_BEARER", token.clone());
    let conf = world.acme_calls("");
    world.deploy().code(0);
    let saved = fs::read_to_string(&conf).unwrap();
    assert!(
        !saved.contains(&token) && !saved.contains("BEARER"),
        "{saved}"
    );
    assert!(saved.contains("SAVED_CH2_PRIVATE_SPACE_ID='prod'"));
}

#[test]
fn a_conf_file_that_cannot_be_written_is_found_before_the_first_request() {
    let mut world = World::new();
    world.acme_calls("");
    world.bench.set("DOMAIN_CONF", "/proc/nowhere/domain.conf");
    world
        .deploy()
        .code(2)
        .tells("/proc/nowhere/domain.conf cannot be written");
    assert_eq!(world.lines().len(), 0);
}

#[test]
fn a_plain_call_saves_nothing() {
    let mut world = World::new();
    let conf = world.acme_calls("");
    world.bench.unset("ANYPOINT_HOOKS_VOICE");
    world.deploy().code(0);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "");
}

// --- Several targets -------------------------------------------------------------------------------------------------------------

#[test]
fn every_target_is_tried_and_a_second_run_touches_only_what_is_missing() {
    let mut world = World::new();
    for name in ["b", "c"] {
        world.add_space(name);
    }
    world.bench.set("CH2_PRIVATE_SPACE_ID", "prod, nowhere ,c");
    let leaf = world.leaf(&[DOMAIN]);
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(4)
        .prints("prod: ")
        .prints("c: ")
        .tells("no private space \"nowhere\"")
        .tells("1 of 3 failed");
    world.bench.set("CH2_PRIVATE_SPACE_ID", "prod,b,c");
    world.bench.sim.clear_log();
    world
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("b: *.acme.example in TLS context x-acme-example: created");
    assert_eq!(world.writes(), 1);
    let tokens = world
        .lines()
        .iter()
        .filter(|line| *line == "POST token")
        .count();
    assert_eq!(tokens, 1);
}

#[test]
fn refused_credentials_are_tried_once_for_all_targets() {
    let mut world = World::new();
    world.add_space("b");
    world
        .bench
        .set("CH2_PRIVATE_SPACE_ID", "prod,b")
        .set_secret("CH2_CLIENT_SECRET", "canary-wrong-secret-78");
    world.deploy().code(3).tells("2 of 2 failed");
    assert_eq!(world.lines().len(), 1);
}

#[test]
fn targets_of_the_toml_file_have_their_own_account_and_domains_and_are_not_saved() {
    let mut world = World::new();
    world.add_space("second");
    let (id, secret) = {
        let mut sim = world.bench.sim.world();
        let sim = &mut *sim;
        sim.anypoint
            .add_app(&mut sim.ids, &world.organization, &["admin:cloudhub"])
    };
    world.bench.never_shown(secret.clone());
    world.bench.write("second.secret", format!("{secret}\n"));
    let toml = format!(
        "[[cloudhub_v2.target]]\nname = \"one\"\nprivate_space = \"prod\"\ndomains = [\"*.other.example\"]\n\
         [[cloudhub_v2.target]]\nname = \"two\"\nprivate_space = [\"second\"]\norganization = \"{}\"\n\
         client_id = \"{id}\"\nclient_secret_file = \"second.secret\"\ntls_context_name = \"wild card\"\n\
         domains = [\"*.acme.example\"]\n",
        world.organization
    );
    let toml = world.bench.write("hooks.toml", toml);
    world
        .bench
        .set("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap());
    world.forget_environment();
    let url = world.bench.sim.url().to_owned();
    world.bench.set("ANYPOINT_URL", url);
    let conf = world.acme_calls("");
    world.deploy().code(0).prints("two: ");
    assert!(world.context("second", "wild card").is_some());
    assert!(world.context("prod", CONTEXT).is_none());
    let saved = fs::read_to_string(conf).unwrap();
    assert!(
        !saved.contains("CH2_") && !saved.contains("ORGANIZATION"),
        "{saved}"
    );

    let leaf = world.leaf(&["else.example"]);
    world
        .deploy_leaf("else.example", &leaf, &[])
        .code(2)
        .tells("takes else.example");
    // In the environment, targets beat those of the file.
    world.bench.set("CH2_PRIVATE_SPACE_ID", "prod");
    world.deploy().code(2).tells("no credentials");
}

#[test]
fn requests_are_paced_to_what_the_platform_takes() {
    let mut world = World::new();
    let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.add_space(name);
    }
    world.bench.set("CH2_PRIVATE_SPACE_ID", names.join(","));
    world.deploy().code(0);
    let refused = world
        .bench
        .sim
        .requests()
        .iter()
        .filter(|entry| entry.status == Some(429))
        .count();
    assert_eq!(refused, 0);
    assert!(world.bench.sim.requests().len() > 15);
}

// --- Proof ---------------------------------------------------------------------------------------------------------------------------

#[test]
fn verify_proves_what_the_ingress_serves() {
    let mut world = World::new();
    let ingress = world.bench.sim.ingress_addr().to_string();
    let leaf = world.leaf(&[DOMAIN]);
    let folder = world.store("cert", DOMAIN, &leaf);
    let file = folder.join(format!("{DOMAIN}.cer"));
    let file = file.to_str().unwrap();
    let verify = ["verify", DOMAIN, "--connect", &ingress, "--timeout", "1s"];
    world
        .run(&[&verify[..], &["--cert", file]].concat())
        .code(7)
        .tells("another certificate")
        .tells("--timeout");
    world
        .run(&verify)
        .code(4)
        .tells("no TLS context of the targets is for");
    world.deploy_from(&folder, DOMAIN, &[]).code(0);
    world
        .run(&[&verify[..], &["--cert", file]].concat())
        .code(0)
        .prints("chain trusted");
    world
        .run(&verify)
        .code(0)
        .prints("cloudhub-v2-verify.acme.example");
    let proof = world
        .run(&[&verify[..], &["--output", "json"]].concat())
        .json();
    assert_eq!(proof["fingerprint"].as_str().unwrap().len(), 64);
}

#[test]
fn verify_waits_until_the_ingress_has_taken_it_up() {
    let mut world = World::new();
    world.deploy().code(0);
    world.switch(|switches| switches.update_delay_ms = 1500);
    let ingress = world.bench.sim.ingress_addr().to_string();
    let leaf = world.leaf(&[DOMAIN]);
    world
        .deploy_leaf(
            DOMAIN,
            &leaf,
            &["--verify", "--connect", &ingress, "--timeout", "20s"],
        )
        .code(0)
        .tells("chain trusted");
}

#[test]
fn a_certificate_that_clients_would_refuse_is_not_proved() {
    let mut world = World::new();
    let stranger = Authority::root("Stranger").unwrap();
    let leaf = stranger
        .leaf(&["shop.acme.example"], Validity::days(90))
        .unwrap();
    let ingress = world.bench.sim.ingress_addr().to_string();
    world
        .deploy_leaf(
            "shop.acme.example",
            &leaf,
            &["--verify", "--connect", &ingress, "--timeout", "0s"],
        )
        .code(7)
        .tells("clients would refuse it")
        .tells("CA_BUNDLE");
    world.bench.set("CH2_VERIFY", "1");
    world
        .deploy_leaf(
            "shop.acme.example",
            &leaf,
            &["--connect", "127.0.0.1:1", "--timeout", "0s"],
        )
        .code(7)
        .prints("already deployed")
        .tells("refused");
}

// --- Healing -------------------------------------------------------------------------------------------------------------------------

/// A certificate in an acme.sh home, with the settings saved that the environment of the world holds.
fn keep(world: &mut World, name: &str, leaf: &Leaf, hooks: &str) {
    let domain = name.trim_end_matches("_ecc");
    world.store(&format!("acme/{name}"), domain, leaf);
    let sim = world.bench.sim.world();
    let app = &sim.anypoint.apps[0];
    let conf = format!(
        "Le_Domain='{domain}'\nLe_DeployHook='{hooks}'\nSAVED_CH2_CLIENT_ID='{}'\nSAVED_CH2_CLIENT_SECRET='{}'\n\
         SAVED_ORGANIZATION_ID='{}'\nSAVED_CH2_PRIVATE_SPACE_ID='prod'\nSAVED_ANYPOINT_URL='{}'\n",
        app.client_id,
        app.client_secret,
        world.organization,
        world.bench.sim.url()
    );
    drop(sim);
    world
        .bench
        .write(&format!("acme/{name}/{domain}.conf"), conf);
}

#[test]
fn reconcile_deploys_what_differs_and_leaves_the_rest_alone() {
    let mut world = World::new();
    for (name, hooks) in [
        ("*.acme.example_ecc", "cloudhub_v2,"),
        ("shop.acme.example", "nginx,cloudhub_v2,"),
        ("no.example", "nginx,"),
    ] {
        let leaf = world.leaf(&[name.trim_end_matches("_ecc")]);
        keep(&mut world, name, &leaf, hooks);
    }
    world.forget_environment();
    world
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(10)
        .prints("would be deployed");
    assert_eq!(world.writes(), 0);
    world
        .bench
        .sim
        .faults()
        .add(Fault::on("*", "/runtimefabric/*", Action::Html { status: 502 }).always());
    world
        .run(&["reconcile", "--home", "acme", "--deadline", "1s"])
        .code(6)
        .tells("2 of 2 failed");
    world.bench.sim.faults().clear();
    world.bench.sim.clear_log();
    let run = world.run(&["reconcile", "--home", "acme"]);
    run.code(0)
        .prints("*.acme.example in prod: deployed")
        .prints("shop.acme.example in prod: deployed");
    assert_eq!(run.stderr, "");
    let tokens = world
        .lines()
        .iter()
        .filter(|line| *line == "POST token")
        .count();
    assert_eq!((world.writes(), tokens), (2, 1));
    world.bench.sim.clear_log();
    world
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .prints("already deployed");
    world
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(0);
    assert_eq!(world.writes(), 0);
}

#[test]
fn of_two_certificates_for_one_domain_reconcile_takes_the_younger_one() {
    let mut world = World::new();
    let mut earlier = Validity::days(60);
    earlier.not_before -= 30 * 24 * 3600;
    let old = world
        .authority
        .leaf(&["shop.acme.example"], earlier)
        .unwrap();
    let new = world.leaf(&["shop.acme.example"]);
    keep(&mut world, "shop.acme.example", &old, "cloudhub_v2,");
    keep(&mut world, "shop.acme.example_ecc", &new, "cloudhub_v2,");
    for _ in 0..2 {
        world
            .run(&["reconcile", "--home", "acme"])
            .code(0)
            .prints("left out");
        assert!(world.holds("prod", "shop-acme-example", &new));
    }
}

#[test]
fn one_broken_certificate_does_not_keep_reconcile_from_the_others() {
    let mut world = World::new();
    let good = world.leaf(&["shop.acme.example"]);
    let broken = Leaf {
        cert_pem: "hello".into(),
        ..good.clone()
    };
    keep(&mut world, "shop.acme.example", &good, "cloudhub_v2,");
    keep(&mut world, "broken.example", &broken, "cloudhub_v2,");
    world
        .run(&["reconcile", "--home", "acme"])
        .code(2)
        .prints("shop.acme.example in prod: deployed")
        .tells("broken.example")
        .tells("1 of 2 failed");
    world.run(&["reconcile", "--home", "nowhere"]).code(4);
}

// --- Looking ----------------------------------------------------------------------------------------------------------------------------

#[test]
fn spaces_list_and_status_show_what_is_there() {
    let mut world = World::new();
    let leaf = world.leaf(&[DOMAIN, "acme.example"]);
    keep(&mut world, "*.acme.example_ecc", &leaf, "cloudhub_v2,");
    world.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    let id = world.space_id("prod");
    world
        .run(&["spaces"])
        .code(0)
        .prints("prod")
        .prints(&id)
        .prints("us-east-1")
        .prints("usa-e1.cloudhub.io");
    world
        .run(&["list"])
        .code(0)
        .prints("default")
        .prints(CONTEXT)
        .prints("*.acme.example, acme.example")
        .prints("  90  ");
    world
        .run(&["status", DOMAIN, "--home", "acme"])
        .code(0)
        .prints("x-acme-example in prod: current");
    world.deploy().code(0);
    let json = world
        .run(&["status", DOMAIN, "--home", "acme", "--output", "json"])
        .json();
    assert_eq!(
        json["contexts"][0]["local"],
        "differs: it holds another certificate"
    );
    assert_eq!(json["contexts"][0]["days_left"], 90);
    world
        .run(&["status", "shop.example"])
        .code(0)
        .tells("no TLS context of the targets is for shop.example");
}

#[test]
fn check_tells_what_is_due_missing_or_expired() {
    let mut world = World::new();
    world.run(&["check"]).code(0);
    world.run(&["check", DOMAIN]).code(10).prints("MISSING");
    world.deploy().code(0);
    world.run(&["check", DOMAIN]).code(0).prints("ok");
    world
        .run(&["check", "--within", "91d"])
        .code(10)
        .prints("DUE");
    let expired = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: json!([{"id": "1", "name": "n", "type": "custom",
            "keyStore": {"cn": DOMAIN, "expirationDate": "2020-01-01"}}])
        .to_string(),
    };
    world.fault("GET", LIST, expired);
    world.run(&["check"]).code(11).prints("EXPIRED");
}

#[test]
fn credentials_are_shown_to_other_control_planes_only_from_a_published_one() {
    let world = World::new();
    world
        .run(&["check", "--planes"])
        .code(2)
        .tells("none of the published control planes");
    assert_eq!(world.lines().len(), 0);
}

#[test]
fn remove_wants_a_yes_and_leaves_what_is_not_of_the_domain() {
    let mut world = World::with_scopes(&[
        "manage:cloudhub_networking",
        "view:environment",
        "read:applications",
    ]);
    world.deploy().code(0);
    world.run(&["remove", DOMAIN]).code(2).tells("--yes");
    world
        .run(&["remove", "x.acme.example", "--yes"])
        .code(2)
        .tells("belongs to");
    world
        .run(&["remove", "default", "--yes", "--context-name", "default"])
        .code(2)
        .tells("default TLS context");
    assert!(world.context("prod", CONTEXT).is_some());
    for status in [200, 204] {
        world.switch(|switches| switches.delete_status = status);
        world
            .run(&["remove", DOMAIN, "--yes"])
            .code(0)
            .prints("removed");
        assert!(world.context("prod", CONTEXT).is_none());
        world
            .run(&["remove", DOMAIN, "--yes"])
            .code(0)
            .prints("nothing to do");
        world.deploy().code(0);
    }
}

#[test]
fn remove_refuses_while_an_application_uses_the_context() {
    let mut world = World::with_scopes(&[
        "manage:cloudhub_networking",
        "view:environment",
        "read:applications",
    ]);
    world.deploy().code(0);
    let space = world.space_id("prod");
    let answer = |body: Value| Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_string(),
    };
    let all = "/amc/application-manager/api/v2/organizations/*/environments/*/deployments";
    world.bench.sim.faults().add(
        Fault::on(
            "GET",
            &format!("{all}/*"),
            answer(json!({"id": "d1", "name": "orders", "status": "APPLIED",
            "target": {"targetId": space, "deploymentSettings": {"http": {"inbound":
                {"publicUrl": "https://shop.acme.example/orders"}}}}})),
        )
        .always(),
    );
    world.bench.sim.faults().add(
        Fault::on(
            "GET",
            all,
            answer(json!({"total": 1, "items": [{"id": "d1", "name": "orders",
            "target": {"targetId": space}}]})),
        )
        .always(),
    );
    world
        .run(&["remove", DOMAIN, "--yes"])
        .code(2)
        .tells("is in use: orders")
        .tells("https://shop.acme.example/orders");
    assert!(world.context("prod", CONTEXT).is_some());
}

// --- DNS ---------------------------------------------------------------------------------------------------------------------------------

#[test]
fn dns_tells_the_record_that_has_to_exist_and_what_is_there() {
    let world = World::new();
    let resolver = world.bench.sim.dns_addr().to_string();
    let target = world
        .bench
        .sim
        .world()
        .anypoint
        .space("prod")
        .unwrap()
        .dns_target
        .clone()
        .unwrap();
    world.bench.sim.world().cloudflare.add_zone("acme.example");
    let dns = ["dns", "shop.acme.example", "--resolver", &resolver];
    let check = [&dns[..], &["--check"]].concat();
    world
        .run(&dns)
        .code(0)
        .prints(&format!("shop.acme.example CNAME {target}"))
        .prints("MISSING")
        .prints(&format!("dns_cf cname set 'shop.acme.example' {target}"));
    world.run(&check).code(10);
    let point_to = |content: &str| {
        let mut sim = world.bench.sim.world();
        let zone = sim.cloudflare.zone_mut("acme.example").unwrap();
        zone.records.clear();
        zone.records
            .push(Record::new("CNAME", "shop.acme.example", content));
    };
    point_to("elsewhere.acme.example");
    world.run(&check).code(10).prints("POINTS ELSEWHERE");
    point_to(&target);
    world.run(&check).code(0).prints("as it has to be");
}

#[test]
fn dns_without_an_answer_is_no_failure_unless_checked() {
    let world = World::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = silent.local_addr().unwrap().to_string();
    world
        .run(&["dns", DOMAIN, "--resolver", &resolver])
        .code(0)
        .prints("NOT KNOWN");
    world
        .run(&["dns", DOMAIN, "--resolver", &resolver, "--check"])
        .code(6)
        .tells("--resolver");
}

#[test]
fn no_request_of_the_hook_is_one_that_the_platform_does_not_know() {
    let mut world = World::with_scopes(&["manage:cloudhub_networking"]);
    world.deploy().code(0);
    world.deploy().code(0);
    world.run(&["spaces"]).code(0);
    world.run(&["dns", DOMAIN, "--resolver", "127.0.0.1:1"]);
    assert_eq!(world.bench.sim.unexpected().len(), 0);
}
