//! The small host with acme.sh and the programs, and the world that it talks to.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::flex::registration::{Files, Registration};
use fixtures::{AcmeSh, Finished, Pebble, program};
use jiff::Timestamp;
use simulator::acme::Trouble;
use simulator::anypoint::FlexGateway;
use simulator::cloudflare::{Status, Token};
use simulator::faults::Action;
use simulator::pki::Validity;
use simulator::registration::{Identity, Layout, compose, now};
use simulator::seed::{API_INSTANCE_ID, CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, PRODUCTION_ID};
use simulator::{Fault, Seed, Sim, SimConfig};

use crate::disk::{self, Disk};
use crate::fault::{App, Kind};
use crate::night::Life;
use crate::program::{Job, Program, Schedule, ZONE_CHECK};

pub(crate) const HOST: &str = "orders.acme.example";
const DOMAIN: &str = "*.acme.example";
const CONTEXT: &str = "x-acme-example";
const PASSWORD: &str = "canary-of-the-policy-7d1e";
/// What is on the disk that fills up.
const ON_DISK: [&str; 4] = ["acme", "user", "edge", "tmp"];
const DAY: u64 = 24 * 60 * 60;

const ANYPOINT: [&str; 7] = [
    "/accounts/*",
    "/runtimefabric/*",
    "/apimanager/*",
    "/exchange/*",
    "/graph/*",
    "/amc/*",
    "/standalone/*",
];

type Environment = Vec<(&'static str, String)>;

/// The host and the world.
pub(crate) struct Machine {
    pub(crate) sim: Sim,
    acme: AcmeSh,
    _pebble: Pebble,
    disk: Option<Disk>,
    token: String,
    flex: (String, String),
    policy: (String, String),
    space: String,
    registration_days: u64,
}

impl Machine {
    /// With everything set up as the README has it, once by hand.
    pub(crate) fn new(life: &Life) -> Self {
        let sim = Sim::start(SimConfig {
            seed: Seed::demo(),
            ..SimConfig::default()
        })
        .unwrap();
        let pebble = Pebble::start(&sim);
        let server = sim.front(pebble.address()).unwrap();
        let token = sim.world().cloudflare.tokens[0].value.clone();
        let (flex, policy) = prepare(&sim, life);
        let mut acme = AcmeSh::without_hooks();
        let mut programs = vec!["dns_cf", "cloudhub_v2", "flex-renew", "basic-auth-policy"];
        if life.schedule == Schedule::Estate {
            programs.push("anypoint-estate");
        }
        acme.installer(&programs).code(0);
        for secret in [CLIENT_SECRET, &token, &flex.1, &policy.1, PASSWORD] {
            acme.never_shown(secret);
        }
        let mut machine = Self {
            sim,
            acme,
            _pebble: pebble,
            disk: None,
            token,
            flex,
            policy,
            space: "prod-space".to_owned(),
            registration_days: life.registration_days,
        };
        machine.put_registration();
        if disk::is_inside() {
            machine.disk = Some(Disk::under(&machine.acme.folder(), &ON_DISK));
        }
        fs::create_dir_all(machine.acme.folder().join("tmp")).unwrap();
        machine.configure(life);
        machine.set_up(life, &server);
        machine
    }

    pub(crate) fn can_fill_disk(&self) -> bool {
        self.disk.is_some()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.sim.world().clock.now()
    }

    /// An hour passes.
    pub(crate) fn pass_hour(&mut self) {
        self.sim.advance(Duration::from_secs(60 * 60));
        let ahead = self.sim.world().clock.ahead();
        self.acme.put_ahead(ahead);
    }

    /// Runs a line of the crontab.
    pub(crate) fn run(&self, job: &Job) -> Finished {
        let mut environment = self.with(Environment::new());
        match job.program {
            Program::AcmeSh => self.acme.run(&environment, job.arguments),
            own => {
                // Instead of the system's store, which takes longer to read than everything else that a quiet night does.
                environment.push(("SSL_CERT_FILE", text(self.sim.ca_pem_path())));
                self.acme
                    .run_program(own.name(), &environment, job.arguments)
            }
        }
    }

    /// Cron gives nothing; the folder for temporary files is this test's own, to be looked at.
    fn with(&self, mut more: Environment) -> Environment {
        more.push(("TMPDIR", text(&self.acme.folder().join("tmp"))));
        more
    }

    fn put_registration(&self) {
        let identity = Identity {
            platform: self.sim.url().to_owned(),
            ..Identity::default()
        };
        let end = now() + 40 * DAY;
        let composed = compose(&identity, Layout::Pem, end).unwrap();
        let file = self.registration_file();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, composed.registration).unwrap();
    }

    fn registration_file(&self) -> PathBuf {
        self.acme.folder().join("edge/conf.d/registration.yaml")
    }

    /// The TOML file, the files of secrets, and a `flexctl` that asks the simulated platform who may renew.
    fn configure(&self, life: &Life) {
        let folder = self.acme.folder();
        let path = |name: &str| text(&folder.join(name));
        fs::write(
            self.acme.home().join("anypoint-hooks.toml"),
            format!(
                r#"
                [anypoint]
                url = "{url}"
                organization = "{ORGANIZATION_ID}"

                [flex]
                flexctl = "{flexctl}"
                client_id = "{flex}"
                client_secret_file = "{flex_secret}"
                watch = "0s"

                [[flex.gateway]]
                name = "edge"
                file = "{registration}"
                runtime = "linux"
                restart_cmd = ":"

                [[basic_auth_policy.api]]
                api_instance = {API_INSTANCE_ID}
                environment = "Sandbox"
                client_id = "{policy}"
                client_secret_file = "{policy_secret}"
                username = "svc"
                password_file = "{password}"

                [cloudhub_v2]
                verify_connect = "{ingress}"

                [estate]
                every = "{every}h"
                textfile = "{textfile}"
                notify_cmd = "tr -d '\\n' >>'{mailbox}'; echo >>'{mailbox}'"
                "#,
                url = self.sim.url(),
                flexctl = path("flexctl"),
                flex = self.flex.0,
                flex_secret = path("flex.secret"),
                registration = text(&self.registration_file()),
                policy = self.policy.0,
                policy_secret = path("policy.secret"),
                password = path("password"),
                ingress = self.sim.ingress_addr(),
                every = life.every,
                textfile = text(&self.textfile()),
                mailbox = text(&self.mailbox()),
            ),
        )
        .unwrap();
        fs::write(path("flex.secret"), &self.flex.1).unwrap();
        fs::write(path("policy.secret"), &self.policy.1).unwrap();
        fs::write(path("password"), PASSWORD).unwrap();
        let stand_in = format!(
            "#!/bin/sh\n. '{}'\ncase $* in\n*renew*)\n  case \"$* \" in\n  *\"--client-secret=$good \"*) ;;\n  *)\n    echo \
             '[flexctl][error] login failed: HTTP/1.1 401 Unauthorized' >&2\n    exit 1\n    ;;\n  esac\n  ;;\nesac\nexec \
             '{}' \"$@\"\n",
            path("flexctl.env"),
            program("flexctl").display()
        );
        fs::write(path("flexctl"), stand_in).unwrap();
        fs::set_permissions(path("flexctl"), fs::Permissions::from_mode(0o755)).unwrap();
        self.instruct_flexctl(&[]);
    }

    fn instruct_flexctl(&self, active: &[Kind]) {
        let fault = active.iter().find_map(|kind| match kind {
            Kind::AnypointDown | Kind::AnypointLimited => Some("unreachable"),
            Kind::Flexctl(fault) => Some(fault),
            _ => None,
        });
        let content = format!(
            "good='{}'\nexport FLEXCTL_FAULT='{}' FLEXCTL_DAYS='{}'\n",
            self.secret_in_force(&self.flex.0),
            fault.unwrap_or_default(),
            self.registration_days,
        );
        fs::write(self.acme.folder().join("flexctl.env"), content).unwrap();
    }

    fn client_id(&self, app: App) -> &str {
        match app {
            App::Cloudhub => CLIENT_ID,
            App::Flex => &self.flex.0,
            App::Policy => &self.policy.0,
        }
    }

    /// The secret that the platform takes from this app.
    fn secret_in_force(&self, client_id: &str) -> String {
        let world = self.sim.world();
        let mut apps = world.anypoint.apps.iter();
        let app = apps.find(|app| app.client_id == client_id);
        app.unwrap().client_secret.clone()
    }

    fn set_up(&self, life: &Life, server: &str) {
        if !life.renewal_info {
            let conf = self.acme.account_conf();
            let before = fs::read_to_string(&conf).unwrap_or_default();
            fs::write(conf, format!("{before}NO_ARI='1'\n")).unwrap();
        }
        let issue = [
            &[
                "--issue",
                "--dns",
                "dns_cf",
                "--dnssleep",
                "1",
                "--server",
                server,
            ][..],
            &["-d", DOMAIN, "-d", "acme.example"],
            life.renew,
        ]
        .concat();
        let environment = self.with(vec![
            ("CA_BUNDLE", text(self.sim.ca_pem_path())),
            ("CF_Api", self.sim.cloudflare_url()),
            ("CF_Token", self.token.clone()),
        ]);
        self.acme.run(&environment, issue).code(0);
        self.deploy(vec![
            ("CH2_CLIENT_ID", CLIENT_ID.to_owned()),
            ("CH2_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("ORGANIZATION_ID", ORGANIZATION_ID.to_owned()),
            ("CH2_PRIVATE_SPACE_ID", self.space.clone()),
            ("ANYPOINT_URL", self.sim.url().to_owned()),
        ])
        .code(0);
        let apply = self.with(Environment::new());
        self.acme
            .run_program("basic-auth-policy", &apply, ["apply"])
            .code(0);
        if life.schedule == Schedule::Estate {
            let night = life.schedule.night();
            let estate = night.iter().find(|job| job.program == Program::Estate);
            self.run(estate.unwrap()).code(0);
        }
    }

    fn deploy(&self, environment: Environment) -> Finished {
        let arguments = ["--deploy", "-d", DOMAIN, "--deploy-hook", "cloudhub_v2"];
        self.acme.run(&self.with(environment), arguments)
    }

    // --- What goes wrong -------------------------------------------------------------------------------------------

    /// What lasts, as long as it is among these.
    pub(crate) fn suffer(&self, active: &[Kind]) {
        self.sim.faults().clear();
        let mut trouble = None;
        for kind in active {
            match kind {
                Kind::CloudflareDown => self.refuse(&["/client/v4/*"], 503, &maintenance()),
                Kind::CloudflareLimited => self.refuse(&["/client/v4/*"], 429, &throttled()),
                Kind::AnypointDown => self.refuse(&ANYPOINT, 503, &maintenance()),
                Kind::AnypointLimited => {
                    self.refuse(&ANYPOINT, 429, "{\"message\":\"Too many requests\"}");
                }
                Kind::AcmeDown => trouble = Some(Trouble::Unavailable),
                Kind::AcmeLimited => {
                    let later = self.now() + Duration::from_secs(DAY);
                    trouble = trouble.or(Some(Trouble::RateLimited(later)));
                }
                _ => {}
            }
        }
        self.sim.world().acme.trouble = trouble;
        self.instruct_flexctl(active);
        if let Some(disk) = &self.disk {
            if active.contains(&Kind::DiskFull) {
                disk.fill();
            } else {
                disk.empty();
            }
        }
    }

    /// A pause longer than a run may take, so that nothing here waits for it.
    fn refuse(&self, paths: &[&str], status: u16, body: &str) {
        for path in paths {
            let action = Action::Answer {
                status,
                headers: vec![("Retry-After".to_owned(), "3600".to_owned())],
                body: body.to_owned(),
            };
            self.sim.faults().add(Fault::on("*", path, action).always());
        }
    }

    /// What happens in one moment.
    pub(crate) fn begin(&self, kind: Kind) {
        let mut world = self.sim.world();
        let world = &mut *world;
        match kind {
            Kind::TokenRevoked => {
                for token in &mut world.cloudflare.tokens {
                    token.status = Status::Disabled;
                }
            }
            Kind::SecretExpired(app) => {
                let id = self.client_id(app);
                let apps = &mut world.anypoint.apps;
                let app = apps.iter_mut().find(|app| app.client_id == id);
                app.unwrap().client_secret = world.ids.hex();
                world.anypoint.bearers.clear();
            }
            Kind::ContextDeleted => {
                let contexts = &mut world.anypoint.spaces[0].contexts;
                contexts.retain(|context| context.name != CONTEXT);
            }
            Kind::CertificateReplaced => {
                let first = u64::try_from(world.clock.now().as_second()).unwrap();
                let validity = Validity {
                    not_before: first,
                    not_after: first + 30 * DAY,
                };
                let leaf = world
                    .authority
                    .leaf(&[DOMAIN, "acme.example"], validity)
                    .unwrap();
                let contexts = &mut world.anypoint.spaces[0].contexts;
                // It may have been deleted just before.
                if let Some(ours) = contexts.iter_mut().find(|known| known.name == CONTEXT) {
                    ours.replace_by_hand(&leaf).unwrap();
                }
            }
            Kind::PolicyOff => world.anypoint.switch_policies_off(API_INSTANCE_ID),
            Kind::SpaceRenamed => {
                let name = format!("prod-{}", &world.ids.hex()[..6]);
                world.anypoint.spaces[0].name = name;
            }
            _ => {}
        }
    }

    /// What a human does about it, once told; false if that does not work yet.
    pub(crate) fn mend(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::TokenRevoked => {
                let value = self.sim.world().cloudflare.insert_token(Token::default());
                self.acme.never_shown(value.clone());
                self.token = value;
                let environment = self.with(vec![("CF_Token", self.token.clone())]);
                let renew = ["--renew", "--force", "-d", DOMAIN];
                // Where it cannot be saved, the next night would not have it: whoever mends it looks.
                self.acme.run(&environment, renew).code == Some(0) && self.accepts_token()
            }
            Kind::SecretExpired(app) => {
                let secret = self.secret_in_force(self.client_id(app));
                self.acme.never_shown(secret.clone());
                let folder = self.acme.folder();
                match app {
                    App::Cloudhub => {
                        return self.deploy(vec![("CH2_CLIENT_SECRET", secret)]).code == Some(0);
                    }
                    App::Flex => fs::write(folder.join("flex.secret"), secret).unwrap(),
                    App::Policy => fs::write(folder.join("policy.secret"), secret).unwrap(),
                }
                true
            }
            Kind::SpaceRenamed => {
                self.space = self.sim.world().anypoint.spaces[0].name.clone();
                let environment = vec![("CH2_PRIVATE_SPACE_ID", self.space.clone())];
                self.deploy(environment).code == Some(0)
            }
            _ => true,
        }
    }

    fn accepts_token(&self) -> bool {
        self.run(&ZONE_CHECK).code == Some(0)
    }

    // --- What can be seen ------------------------------------------------------------------------------------------

    /// What the ingress serves for the vanity host, if it has a certificate for it: DER.
    pub(crate) fn served(&self) -> Option<Vec<u8>> {
        let world = self.sim.world();
        let now = world.clock.now();
        let served = world.anypoint.certificate(HOST, None, now)?;
        Some(served.cert[0].to_vec())
    }

    /// Where people read what they are told: not on the disk that fills up.
    pub(crate) fn mailbox(&self) -> PathBuf {
        self.acme.folder().join("mailbox")
    }

    fn textfile(&self) -> PathBuf {
        self.acme.folder().join("user/anypoint.prom")
    }

    /// A value of the metrics that the last run wrote for Prometheus, of `anypoint-estate` itself.
    fn metric(&self, name: &str) -> Option<i64> {
        let metrics = fs::read_to_string(self.textfile()).unwrap();
        let own =
            |line: &&str| line.starts_with(name) && line.contains("program=\"anypoint-estate\"");
        let line = metrics.lines().find(own)?;
        let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds")]
        Some(value as i64)
    }

    /// Asserts that the metrics are those of the run that has just ended.
    pub(crate) fn shows_in_textfile(&self, hour: u64, run: &Finished) {
        let age = |name| self.metric(name).map(|at| self.now().as_second() - at);
        let ran = age("anypoint_last_run_timestamp_seconds").unwrap();
        assert!((-60..3600).contains(&ran), "hour {hour}: {ran}");
        assert_eq!(
            self.metric("anypoint_last_exit_code"),
            run.code.map(i64::from),
            "hour {hour}"
        );
    }

    /// Asserts that whoever looks before the first run since the machine was off sees that none has succeeded for long.
    pub(crate) fn shows_that_no_run_succeeded(&self, hour: u64) {
        let look = Job {
            program: Program::Estate,
            arguments: &["check", "--output", "json"],
        };
        let found = self.run(&look);
        let checked: serde_json::Value = serde_json::from_str(&found.stdout)
            .unwrap_or_else(|err| panic!("hour {hour}: {err}: {found}"));
        let items = checked["items"].as_array().unwrap();
        let run = items
            .iter()
            .find(|item| item["kind"] == "run" && item["name"] == "anypoint-estate run");
        let said = run
            .and_then(|run| run["detail"].as_str())
            .unwrap_or_default();
        assert!(
            said.starts_with("no run has succeeded since"),
            "hour {hour}: {found}"
        );
        let last = self.metric("anypoint_last_success_timestamp_seconds");
        let silent = last.map(|at| self.now().as_second() - at);
        assert!(
            silent.is_none_or(|seconds| seconds > 6 * 24 * 60 * 60),
            "hour {hour}: {silent:?}"
        );
    }

    /// When acme.sh renews the certificate that it has.
    pub(crate) fn planned_renewal(&self) -> Timestamp {
        let conf = fs::read_to_string(self.acme.domain_conf(DOMAIN)).unwrap();
        let seconds = conf
            .lines()
            .find_map(|line| line.strip_prefix("Le_NextRenewTime='")?.strip_suffix('\''));
        Timestamp::from_second(seconds.unwrap().parse().unwrap()).unwrap()
    }

    /// The registration's file, as it is.
    pub(crate) fn registration(&self) -> Vec<u8> {
        fs::read(self.registration_file()).unwrap()
    }

    /// The end of its certificate, which has its key beside it.
    pub(crate) fn registration_end(&self) -> Timestamp {
        let files = Files::read(&self.registration_file()).unwrap();
        let registration: Registration = files.parse("the registration").unwrap();
        assert!(registration.has_key);
        registration.expiry()
    }

    /// The status for a request without credentials, and for one with the right ones.
    pub(crate) fn answers(&self) -> [u16; 2] {
        let right = BASE64_STANDARD.encode(format!("svc:{PASSWORD}"));
        let right = format!("Basic {right}");
        [None, Some(right.as_str())].map(|given| self.sim.status_of(HOST, "/orders", given))
    }

    /// Challenges in the zones.
    pub(crate) fn challenges(&self) -> Vec<String> {
        let world = self.sim.world();
        let records = world.cloudflare.zones.iter().flat_map(|zone| &zone.records);
        let left = records.filter(|record| record.kind == "TXT");
        left.map(|record| record.name.clone()).collect()
    }

    /// The TLS contexts of the private space, without its own.
    pub(crate) fn contexts(&self) -> Vec<String> {
        let world = self.sim.world();
        let contexts = world.anypoint.spaces[0].contexts.iter();
        let custom = contexts.filter(|context| context.kind == "custom");
        custom.map(|context| context.name.clone()).collect()
    }

    /// What lies in the folder for temporary files.
    pub(crate) fn temporary(&self) -> Vec<PathBuf> {
        let mut found = BTreeMap::new();
        sizes(&self.acme.folder().join("tmp"), &mut found);
        found.into_keys().collect()
    }

    /// Where registrations of before are kept, the last three.
    pub(crate) fn backups(&self) -> PathBuf {
        self.acme
            .folder()
            .join("edge/.flex-renew/conf.d_registration.yaml/backups")
    }

    /// Every file of the host with its size.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        for folder in ON_DISK {
            sizes(&self.acme.folder().join(folder), &mut found);
        }
        found
    }
}

/// Apps with secrets of their own, a gateway, and an application that tracks its API; returns the apps.
fn prepare(sim: &Sim, life: &Life) -> ((String, String), (String, String)) {
    let url = sim.url().to_owned();
    let mut world = sim.world();
    let world = &mut *world;
    world.acme.lifetime = Duration::from_secs(life.lifetime);
    world.acme.common_name = life.common_name;
    let flex = ["read:servers", "manage:servers", "read:organization"];
    let policy = [
        "view:environment",
        "manage:api_policies",
        "manage:api_configuration",
        "view:exchange",
    ];
    let [flex, policy] = [&flex[..], &policy[..]].map(|scopes| {
        world
            .anypoint
            .add_app(&mut world.ids, ORGANIZATION_ID, scopes)
    });
    let identity = Identity::default();
    world.anypoint.gateways.push(FlexGateway {
        id: identity.agent,
        name: identity.name,
        organization: ORGANIZATION_ID.to_owned(),
        environment: PRODUCTION_ID.to_owned(),
        ..FlexGateway::default()
    });
    let sandbox = world.anypoint.organizations[0].environments[0].clone();
    let application = &mut world.anypoint.deployments[0];
    application.expose_at(&format!("https://{HOST}/orders"));
    application.desired.properties = [
        ("api.id", API_INSTANCE_ID.to_string()),
        ("anypoint.platform.client_id", sandbox.client_id),
        ("anypoint.platform.base_uri", url),
        ("anypoint.platform.gatekeeper", "flexible".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    application.desired.secure = [(
        "anypoint.platform.client_secret".to_owned(),
        sandbox.client_secret,
    )]
    .into();
    application.running = application.desired.clone();
    (flex, policy)
}

fn maintenance() -> String {
    "<html><head><title>503</title></head><body>Service Unavailable</body></html>".to_owned()
}

fn throttled() -> String {
    r#"{"success":false,"errors":[{"code":10429,"message":"More than 1200 requests per 300 seconds reached."}],"messages":[],"result":null}"#
        .to_owned()
}

fn sizes(folder: &Path, found: &mut BTreeMap<PathBuf, u64>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let kind = entry.metadata().unwrap();
        if kind.is_dir() {
            sizes(&entry.path(), found);
        } else {
            found.insert(entry.path(), kind.len());
        }
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
