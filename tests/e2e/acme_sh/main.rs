//! The main job with real software: acme.sh issues from pebble through `dns_cf`, `cloudhub_v2` deploys, renewals run by
//! themselves; and values go between acme.sh's own functions, its stock hook and the programs, both ways.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::fs;
use std::path::Path;

use common::cert::Certificate;
use fixtures::AcmeSh;
use fixtures::Finished;
use simulator::anypoint::{ConnectedApp, Grant};
use simulator::pki::Validity;
use simulator::{Seed, Sim, SimConfig, seed};

const DOMAIN: &str = "*.acme.example";
const CONTEXT: &str = "x-acme-example";
const CHALLENGE: &str = "_acme-challenge.acme.example";

/// Hard to write down in shell, each in its own way. A challenge for `echo`, `sed`, `eval` and single quotes.
const ODD_SECRETS: [&str; 6] = [
    r#"with "double" quotes"#,
    "with 'single' quotes",
    "with $HOME and `date`",
    r"back\slash\n\1",
    "a&b|c;d#e*",
    "__ACME_BASE64__START_ ü",
];

type Environment = Vec<(&'static str, String)>;

/// A simulated world, and an acme.sh with the hooks.
struct Stage {
    sim: Sim,
    acme: AcmeSh,
}

impl Stage {
    fn new() -> Self {
        Self::with(AcmeSh::install())
    }

    fn with(mut acme: AcmeSh) -> Self {
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

    /// Where the world is; the real Cloudflare would need none of it.
    fn world(&self) -> Environment {
        let mut all = self.authority();
        all.push(("CF_Api", self.sim.cloudflare_url()));
        all
    }

    /// The one thing that acme.sh saves only when it issues: whom to trust.
    fn authority(&self) -> Environment {
        vec![("CA_BUNDLE", text(self.sim.ca_pem_path()))]
    }

    fn with_world(&self, more: Environment) -> Environment {
        let mut all = self.world();
        all.extend(more);
        all
    }

    fn token(&self) -> Environment {
        self.with_world(vec![("CF_Token", seed::CF_TOKEN.to_owned())])
    }

    fn cloudhub(&self) -> Environment {
        self.cloudhub_as(seed::CLIENT_ID, seed::CLIENT_SECRET)
    }

    fn cloudhub_as(&self, id: &str, secret: &str) -> Environment {
        self.with_world(self.for_cloudhub(id, secret))
    }

    /// The five values that the original shell hook saves.
    fn for_cloudhub(&self, id: &str, secret: &str) -> Environment {
        vec![
            ("CH2_CLIENT_ID", id.to_owned()),
            ("CH2_CLIENT_SECRET", secret.to_owned()),
            ("ORGANIZATION_ID", seed::ORGANIZATION_ID.to_owned()),
            ("CH2_PRIVATE_SPACE_ID", seed::PRIVATE_SPACE_ID.to_owned()),
            ("ANYPOINT_URL", self.sim.url().to_owned()),
        ]
    }

    /// A connected app with this secret; returns its id.
    fn app_with(&self, secret: &str) -> String {
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

    /// The SHA-256 of the leaf that the TLS context carries.
    fn deployed(&self, context: &str) -> Option<String> {
        let world = self.sim.world();
        let contexts = &world.anypoint.spaces[0].contexts;
        let found = contexts.iter().find(|known| known.name == context)?;
        Some(fingerprint(&found.material().certificate_pem))
    }

    /// The SHA-256 of the leaf that acme.sh holds.
    fn issued(&self, domain: &str) -> String {
        let file = self.acme.file(domain, &format!("{domain}.cer"));
        fingerprint(&fs::read_to_string(file).unwrap())
    }

    /// TXT records in all zones.
    fn challenges(&self) -> usize {
        let world = self.sim.world();
        let records = world.cloudflare.zones.iter().flat_map(|zone| &zone.records);
        records.filter(|record| record.kind == "TXT").count()
    }

    /// How many requests of this kind were made so far.
    fn requests(&self, method: &str) -> usize {
        let all = self.sim.requests();
        all.iter().filter(|entry| entry.method == method).count()
    }

    /// Puts a certificate where acme.sh would have, with the conf that its own functions write.
    fn put_certificate(&self, domain: &str) {
        let authority = self.sim.world().authority.intermediate("CA").unwrap();
        let leaf = authority.leaf(&[domain], Validity::default()).unwrap();
        let folder = self.acme.home().join(format!("{domain}_ecc"));
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in [
            (format!("{domain}.cer"), leaf.cert_pem.clone()),
            (format!("{domain}.key"), leaf.key_pem.clone()),
            ("ca.cer".to_owned(), leaf.chain_pem.clone()),
            ("fullchain.cer".to_owned(), leaf.fullchain_pem()),
        ] {
            fs::write(folder.join(name), content).unwrap();
        }
        let _ = fs::remove_file(self.acme.domain_conf(domain));
        for (key, value) in [("Le_Domain", domain), ("Le_Keylength", "ec-256")] {
            self.in_domain(domain, &["_savedomainconf", key, value]);
        }
    }

    /// Calls a function of acme.sh that works on a domain conf, and returns what it prints.
    fn in_domain(&self, domain: &str, function: &[&str]) -> String {
        let conf = text(&self.acme.domain_conf(domain));
        let called = self.acme.call(&[("DOMAIN_CONF", conf)], function);
        called.code(0);
        called.stdout
    }

    /// What acme.sh's `_getdeployconf` makes of a saved value.
    fn deploy_conf(&self, domain: &str, key: &str) -> String {
        let script = format!(r#"_getdeployconf {key}; printf %s "${key}""#);
        self.in_domain(domain, &["eval", &script])
    }

    /// What acme.sh's `_readaccountconf_mutable` makes of a saved value.
    fn account_conf(&self, key: &str) -> String {
        let called = self.acme.call(&[], ["_readaccountconf_mutable", key]);
        called.code(0);
        called.stdout
    }

    /// Has acme.sh do what a renewal does: read the domain conf, find the hook `dns_cf`, source it, call a function.
    fn dns_hook(&self, environment: &Environment, function: &str, value: &str) -> Finished {
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

    fn deploy(&self, environment: &Environment, domain: &str, more: &[&str]) -> Finished {
        let arguments = ["--deploy", "-d", domain, "--deploy-hook", "cloudhub_v2"];
        self.acme
            .run(environment, arguments.iter().chain(more).copied())
    }

    /// From now on acme.sh finds its stock hook only, which is made to ask the simulator.
    fn back_to_the_stock_hook(&self) {
        let done = self.acme.installer(&["--uninstall", "dns_cf"]);
        done.code(0);
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

    fn forward_to_the_program(&self) {
        self.acme.installer(&["dns_cf"]).code(0);
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn fingerprint(pem: &str) -> String {
    Certificate::parse_all(pem).unwrap()[0].fingerprint()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The three ways to give credentials to the stock hook, and what acme.sh's functions then tell of them.
fn ways(stage: &Stage) -> [Environment; 3] {
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
    .map(|way| stage.with_world(way))
}

/// Every value of the stock hook, as acme.sh's own functions read it from either conf file.
fn stock_values(stage: &Stage) -> String {
    let script = r#"for key in CF_Token CF_Account_ID CF_Zone_ID CF_Key CF_Email; do
        printf '%s: %s, %s\n' $key "$(_readaccountconf_mutable $key)" "$(_readdomainconf $key)"
        done"#;
    stage.in_domain("acme.example", &["eval", script])
}

/// What acme.sh's own functions write is read, and what is saved is read by them.
mod needs_acme_sh {
    use super::*;

    #[test]
    #[ignore = "needs acme.sh: run scripts/test.sh"]
    fn a_secret_saved_by_cloudhub_v2_is_read_by_acme_sh_and_by_the_next_run() {
        let stage = Stage::new();
        stage.put_certificate(DOMAIN);
        for secret in ODD_SECRETS {
            let id = stage.app_with(secret);
            let done = stage.deploy(&stage.cloudhub_as(&id, secret), DOMAIN, &[]);
            done.code(0).never_shows(secret);
            for (name, value) in stage.for_cloudhub(&id, secret) {
                assert_eq!(stage.deploy_conf(DOMAIN, name), value);
            }

            stage.sim.clear_log();
            stage.deploy(&stage.authority(), DOMAIN, &[]).code(0);
            let login = &stage.sim.requests()[0];
            assert_eq!(login.json()["client_secret"], *secret);
        }
        assert_eq!(stage.deployed(CONTEXT), Some(stage.issued(DOMAIN)));
    }

    #[test]
    #[ignore = "needs acme.sh: run scripts/test.sh"]
    fn values_saved_by_acme_sh_for_the_original_shell_hook_are_taken_as_they_are() {
        let plain = [ODD_SECRETS[0], ODD_SECRETS[2], ODD_SECRETS[4]];
        let stage = Stage::new();
        for secret in plain {
            check_original_conf(&stage, secret, "");
        }
        for secret in ODD_SECRETS {
            check_original_conf(&stage, secret, "base64");
        }
    }

    fn check_original_conf(stage: &Stage, secret: &str, form: &str) {
        stage.put_certificate(DOMAIN);
        let id = stage.app_with(secret);
        for (key, value) in stage.for_cloudhub(&id, secret) {
            stage.in_domain(DOMAIN, &["_savedeployconf", key, &value, form]);
        }
        let before = read(&stage.acme.domain_conf(DOMAIN));
        stage.deploy(&stage.authority(), DOMAIN, &[]).code(0);
        assert_eq!(
            stage.deployed(CONTEXT),
            Some(stage.issued(DOMAIN)),
            "{secret}"
        );
        let after = read(&stage.acme.domain_conf(DOMAIN));
        assert_eq!(after, format!("{before}Le_DeployHook='cloudhub_v2,'\n"));
    }

    mod needs_bash {
        use super::*;

        #[test]
        #[ignore = "needs acme.sh and bash: run scripts/test.sh"]
        fn a_plain_backslash_saved_by_acme_sh_is_taken_as_it_is() {
            let stage = Stage::with(AcmeSh::install().under(&["bash"]));
            check_original_conf(&stage, ODD_SECRETS[3], "");
        }
    }

    #[test]
    #[ignore = "needs acme.sh: run scripts/test.sh"]
    fn what_the_stock_hook_has_saved_works_for_dns_cf_without_any_environment_and_back() {
        for way in 0..3 {
            let stage = Stage::new();
            stage.back_to_the_stock_hook();
            let environment = ways(&stage)[way].clone();
            stage.dns_hook(&environment, "add", "one").code(0);
            let saved = stock_values(&stage);

            stage.forward_to_the_program();
            let world = stage.world();
            for (function, value) in [("rm", "one"), ("add", "two"), ("rm", "two")] {
                stage.dns_hook(&world, function, value).code(0);
            }
            assert_eq!(stage.challenges(), 0);
            assert_eq!(stock_values(&stage), saved);

            stage.back_to_the_stock_hook();
            stage.dns_hook(&world, "add", "three").code(0);
            assert_eq!(stage.sim.world().cloudflare.txt(CHALLENGE), ["three"]);
            stage.dns_hook(&world, "rm", "three").code(0);
            assert_eq!(stage.challenges(), 0);
            assert_eq!(stock_values(&stage), saved);
        }
    }

    #[test]
    #[ignore = "needs acme.sh: run scripts/test.sh"]
    fn dns_cf_saves_what_the_stock_hook_would_have_saved() {
        for way in 0..3 {
            let [stock, own] = [true, false].map(|stock| {
                let stage = Stage::new();
                if stock {
                    stage.back_to_the_stock_hook();
                }
                let environment = ways(&stage)[way].clone();
                stage.dns_hook(&environment, "add", "one").code(0);
                stock_values(&stage)
            });
            assert_eq!(own, stock);
        }
    }

    #[test]
    #[ignore = "needs acme.sh: run scripts/test.sh"]
    fn an_upgrade_of_acme_sh_leaves_the_hooks_in_place() {
        let stage = Stage::new();
        let shim = stage.acme.home().join("dnsapi/dns_cf");
        let before = read(&shim);
        stage.acme.upgrade().code(0);
        assert_eq!(read(&shim), before);
        let added = stage.dns_hook(&stage.token(), "add", "one");
        added.code(0).prints("created in zone acme.example");
    }

    #[test]
    #[ignore = "needs acme.sh: run scripts/test.sh"]
    fn a_token_in_acme_shs_base64_form_is_understood() {
        let stage = Stage::new();
        let save = ["_saveaccountconf_mutable", "CF_Token", seed::CF_TOKEN, "1"];
        stage.acme.call(&[], save).code(0);
        let conf = read(&stage.acme.account_conf());
        assert!(
            conf.contains("SAVED_CF_Token='__ACME_BASE64__START_"),
            "{conf}"
        );
        stage.dns_hook(&stage.world(), "add", "one").code(0);
        assert_eq!(stage.sim.world().cloudflare.txt(CHALLENGE).len(), 1);
        assert_eq!(stage.account_conf("CF_Token"), seed::CF_TOKEN);
    }

    mod needs_pebble {
        use super::*;
        use fixtures::Pebble;
        use simulator::cloudflare::{Reach, Token};
        use simulator::faults::{Action, Fault};

        /// A stage with an ACME server.
        struct Show {
            stage: Stage,
            pebble: Pebble,
        }

        impl Show {
            fn new() -> Self {
                Self::with(AcmeSh::install())
            }

            fn with(acme: AcmeSh) -> Self {
                let stage = Stage::with(acme);
                let pebble = Pebble::start(&stage.sim);
                Self { stage, pebble }
            }

            fn issue(&self, environment: &Environment, names: &[&str], more: &[&str]) -> Finished {
                self.stage
                    .acme
                    .run(environment, self.issue_arguments(names, more))
            }

            fn issue_arguments<'a>(&'a self, names: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
                let mut arguments = vec!["--issue", "--dns", "dns_cf", "--dnssleep", "1"];
                arguments.extend(["--server", self.pebble.directory()]);
                for name in names {
                    arguments.extend(["-d", *name]);
                }
                arguments.extend(more);
                arguments
            }

            fn renew(&self, domain: &str) -> Finished {
                let arguments = ["--renew", "--force", "-d", domain];
                self.stage.acme.run(&[], arguments)
            }

            /// As the line in the crontab does it, with everything due.
            fn cron(&self) -> Finished {
                self.stage.acme.run(&[], ["--cron", "--force"])
            }

            /// The certificate that acme.sh holds is the one that the context carries, and no challenge is left.
            #[track_caller]
            fn is_in_order(&self) {
                let Self { stage, .. } = self;
                assert_eq!(stage.deployed(CONTEXT), Some(stage.issued(DOMAIN)));
                assert_eq!(stage.challenges(), 0);
                assert!(stage.sim.unexpected().is_empty());
            }
        }

        fn first_and_later_certificates(show: &Show, key: &[&str]) {
            let Show { stage, .. } = show;
            let issued = show.issue(&stage.token(), &[DOMAIN, "acme.example"], key);
            assert_eq!(issued.code(0).stderr, "");
            let posts = |path: &str| {
                let all = stage.sim.requests();
                let of_path = all.iter().filter(|entry| entry.path.contains(path));
                of_path.filter(|entry| entry.method == "POST").count()
            };
            assert_eq!(posts("/dns_records"), 2, "apex and wildcard");
            let deployed = stage.deploy(&stage.cloudhub(), DOMAIN, &[]);
            assert_eq!(deployed.code(0).stderr, "");
            show.is_in_order();

            let first = stage.issued(DOMAIN);
            let renewed = show.renew(DOMAIN);
            assert_eq!(renewed.code(0).stderr, "");
            show.is_in_order();
            assert_ne!(stage.issued(DOMAIN), first);

            let remove = ["--remove", "-d", DOMAIN];
            stage.acme.run(&[], remove).code(0);
            stage.sim.clear_log();
            show.cron().code(0);
            assert_eq!(stage.sim.requests().len(), 0, "nothing is left to renew");
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn an_ecc_certificate_is_issued_deployed_and_renewed_with_nothing_in_the_environment() {
            let show = Show::new();
            first_and_later_certificates(&show, &["--keylength", "ec-256"]);
            let key = read(&show.stage.acme.file(DOMAIN, &format!("{DOMAIN}.key")));
            assert!(key.contains("BEGIN EC PRIVATE KEY"));
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn an_rsa_certificate_is_issued_deployed_and_renewed_with_nothing_in_the_environment() {
            let show = Show::new();
            first_and_later_certificates(&show, &["--keylength", "2048"]);
            let key = read(&show.stage.acme.file(DOMAIN, &format!("{DOMAIN}.key")));
            assert!(key.contains("BEGIN RSA PRIVATE KEY"));
        }

        fn under(shell: &[&'static str]) {
            let show = Show::with(AcmeSh::install().under(shell));
            let Show { stage, .. } = &show;
            let issued = show.issue(&stage.token(), &[DOMAIN], &[]);
            assert_eq!(issued.code(0).stderr, "");
            let deployed = stage.deploy(&stage.cloudhub(), DOMAIN, &[]);
            assert_eq!(deployed.code(0).stderr, "");
            let first = stage.issued(DOMAIN);
            let renewed = show.cron();
            assert_eq!(renewed.code(0).stderr, "");
            assert_ne!(stage.issued(DOMAIN), first);
            show.is_in_order();
        }

        mod needs_dash {
            #[test]
            #[ignore = "needs acme.sh, pebble and dash: run scripts/test.sh"]
            fn dash_issues_deploys_and_renews() {
                super::under(&["dash"]);
            }
        }

        mod needs_bash {
            #[test]
            #[ignore = "needs acme.sh, pebble and bash: run scripts/test.sh"]
            fn bash_issues_deploys_and_renews() {
                super::under(&["bash"]);
            }
        }

        mod needs_busybox {
            #[test]
            #[ignore = "needs acme.sh, pebble and busybox: run scripts/test.sh"]
            fn busybox_ash_issues_deploys_and_renews() {
                super::under(&["busybox", "ash"]);
            }
        }

        mod needs_mksh {
            #[test]
            #[ignore = "needs acme.sh, pebble and mksh: run scripts/test.sh"]
            fn mksh_issues_deploys_and_renews() {
                super::under(&["mksh"]);
            }
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn the_first_cron_renewal_after_switching_from_both_shell_hooks_needs_nothing_set() {
            let show = Show::new();
            let Show { stage, .. } = &show;
            stage.back_to_the_stock_hook();
            show.issue(&stage.token(), &[DOMAIN], &[]).code(0);
            let first = stage.issued(DOMAIN);
            for (key, value) in stage.for_cloudhub(seed::CLIENT_ID, seed::CLIENT_SECRET) {
                stage.in_domain(DOMAIN, &["_savedeployconf", key, &value]);
            }
            stage.in_domain(
                DOMAIN,
                &["_savedomainconf", "Le_DeployHook", "cloudhub_v2,"],
            );
            // With the real Cloudflare there is nothing to be said.
            let address = stage.sim.cloudflare_url();
            let save = ["_saveaccountconf_mutable", "CF_Api", &address];
            stage.acme.call(&[], save).code(0);

            stage.forward_to_the_program();
            let renewed = show.cron();
            assert_eq!(renewed.code(0).stderr, "");
            renewed.prints("TXT record _acme-challenge.acme.example created");
            assert_ne!(stage.issued(DOMAIN), first);
            show.is_in_order();

            stage.back_to_the_stock_hook();
            let second = stage.issued(DOMAIN);
            show.cron().code(0);
            assert_ne!(stage.issued(DOMAIN), second);
            show.is_in_order();
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn a_deployment_that_failed_under_cron_is_told_and_made_up_for_by_reconcile() {
            let show = Show::new();
            let Show { stage, .. } = &show;
            show.issue(&stage.token(), &[DOMAIN], &[]).code(0);
            stage.deploy(&stage.cloudhub(), DOMAIN, &[]).code(0);
            let body = r#"{"message": "maintenance until noon"}"#.to_owned();
            let maintenance = Action::Answer {
                status: 400,
                headers: Vec::new(),
                body,
            };
            let write = Fault::on("PATCH", "/runtimefabric/*", maintenance);
            stage.sim.faults().add(write.always());
            show.cron().code(1).tells("maintenance until noon");
            assert_ne!(stage.deployed(CONTEXT), Some(stage.issued(DOMAIN)));

            stage.sim.faults().clear();
            let reconciled = stage.acme.run_program("cloudhub_v2", &[], ["reconcile"]);
            assert_eq!(reconciled.code(0).stderr, "");
            show.is_in_order();
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn with_a_zone_id_the_domain_conf_alone_is_enough_for_a_renewal() {
            let show = Show::new();
            let Show { stage, .. } = &show;
            // It may not look for the zone: without the id nothing would work.
            let token = stage.sim.world().cloudflare.insert_token(Token {
                zone_read: Reach::None,
                ..Token::default()
            });
            let environment = stage.with_world(vec![
                ("CF_Token", token.clone()),
                ("CF_Zone_ID", seed::CF_ZONE_ID.to_owned()),
            ]);
            show.issue(&environment, &["acme.example"], &[]).code(0);
            let conf = read(&stage.acme.domain_conf("acme.example"));
            assert!(conf.contains(&format!("\nCF_Token='{token}'\n")), "{conf}");
            assert!(!read(&stage.acme.account_conf()).contains(&token));
            let first = stage.issued("acme.example");
            assert_eq!(show.renew("acme.example").code(0).stderr, "");
            assert_ne!(stage.issued("acme.example"), first);
            assert_eq!(stage.challenges(), 0);
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn key_and_email_are_enough_for_a_renewal() {
            let show = Show::new();
            let Show { stage, .. } = &show;
            let [_, _, key_and_email] = ways(stage);
            show.issue(&key_and_email, &["acme.example"], &[]).code(0);
            let first = stage.issued("acme.example");
            assert_eq!(show.renew("acme.example").code(0).stderr, "");
            assert_ne!(stage.issued("acme.example"), first);
            assert_eq!(stage.challenges(), 0);
        }

        /// A certificate for a name in a zone that the token may not touch, by way of an alias in one that it may.
        fn by_way_of(target: &str, option: [&str; 2]) {
            let show = Show::new();
            let Show { stage, .. } = &show;
            let token = {
                let cloudflare = &mut stage.sim.world().cloudflare;
                cloudflare.add_zone("locked.example");
                cloudflare.add_record("locked.example", "CNAME", "_acme-challenge.www", target);
                let reach = Reach::Only(vec!["acme.example".to_owned()]);
                cloudflare.insert_token(Token {
                    zone_read: reach.clone(),
                    dns_read: reach.clone(),
                    dns_edit: reach,
                    ..Token::default()
                })
            };
            let environment = stage.with_world(vec![("CF_Token", token)]);
            let issued = show.issue(&environment, &["www.locked.example"], &option);
            issued
                .code(0)
                .prints(&format!("TXT record {target} created in zone acme.example"));
            assert_eq!(stage.challenges(), 0);
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn a_challenge_alias_is_answered_in_its_own_zone() {
            by_way_of(
                "_acme-challenge.acme.example",
                ["--challenge-alias", "acme.example"],
            );
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn a_domain_alias_is_answered_at_exactly_that_name() {
            by_way_of(
                "proof-of-www.acme.example",
                ["--domain-alias", "proof-of-www.acme.example"],
            );
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn without_credentials_acme_sh_fails_and_shows_what_to_do() {
            let show = Show::new();
            let Show { stage, .. } = &show;
            let issued = show.issue(&stage.world(), &["acme.example"], &[]);
            issued.code(1).tells("CF_Token is missing");
            issued.tells("Error adding TXT record to domain");
            assert!(!read(&stage.acme.account_conf()).contains("CF_"));
            assert!(stage.sim.requests().is_empty());

            stage.put_certificate(DOMAIN);
            let deployed = stage.deploy(&stage.world(), DOMAIN, &[]);
            deployed.code(1).tells("CH2_CLIENT_ID");
            assert!(!read(&stage.acme.domain_conf(DOMAIN)).contains("SAVED_"));
            assert!(stage.sim.requests().is_empty());
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn refused_credentials_fail_and_leave_the_good_ones_saved() {
            let refused = "refused-token-0000000000000000000000000";
            let mut acme = AcmeSh::install();
            acme.never_shown(refused);
            let show = Show::with(acme);
            let Show { stage, .. } = &show;
            let names = ["acme.example"];
            show.issue(&stage.token(), &names, &[]).code(0);
            let saved = stock_values(stage);
            let log = stage.acme.folder().join("acme.sh.log");
            let loud = ["--force", "--debug", "3", "--log", log.to_str().unwrap()];
            let environment = stage.with_world(vec![("CF_Token", refused.to_owned())]);
            let issued = show.issue(&environment, &names, &loud);
            issued.code(1).tells("CF_Token (environment)");
            assert_eq!(stock_values(stage), saved);
            assert_eq!(stage.challenges(), 0);

            stage.put_certificate(DOMAIN);
            stage.deploy(&stage.cloudhub(), DOMAIN, &[]).code(0);
            let good = stage.deployed(CONTEXT);
            stage.put_certificate(DOMAIN);
            let conf = stage.acme.domain_conf(DOMAIN);
            let environment = stage.cloudhub_as(seed::CLIENT_ID, refused);
            let deployed = stage.deploy(&environment, DOMAIN, &loud[1..]);
            deployed.code(1).tells("CH2_CLIENT_SECRET (environment)");
            assert!(!read(&conf).contains(refused));
            let log = read(&log);
            assert!(log.contains("CH2_CLIENT_SECRET (environment)"));
            assert!(!log.contains(refused));
            assert_eq!(stage.deployed(CONTEXT), good);
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn nothing_secret_is_shown_or_logged_at_the_highest_debug_level() {
            let show = Show::new();
            let Show { stage, .. } = &show;
            let log = stage.acme.folder().join("acme.sh.log");
            let loud = ["--debug", "3", "--log", log.to_str().unwrap()];
            let issued = show.issue(&stage.token(), &["acme.example"], &loud);
            issued.code(0);
            let deployed = stage.deploy(&stage.cloudhub(), "acme.example", &loud);
            deployed.code(0);
            let arguments = ["--renew", "--force", "-d", "acme.example"];
            let renewed = stage.acme.run(&[], arguments.iter().chain(&loud).copied());
            renewed.code(0);
            let log = read(&log);
            let detail = "credentials: API token from CF_Token (environment)";
            issued.tells(detail);
            deployed.tells("/accounts/api/v2/oauth2/token");
            assert!(log.contains(detail) && log.contains("/accounts/api/v2/oauth2/token"));

            let world = stage.sim.world();
            let mut secrets: Vec<String> = world.anypoint.bearers.keys().cloned().collect();
            assert!(!secrets.is_empty());
            let key = read(&stage.acme.file("acme.example", "acme.example.key"));
            secrets.extend(
                key.lines()
                    .filter(|line| !line.contains("-----"))
                    .map(str::to_owned),
            );
            secrets.extend([seed::CF_TOKEN, seed::CLIENT_SECRET].map(str::to_owned));
            for secret in &secrets {
                for run in [&issued, &deployed, &renewed] {
                    run.never_shows(secret);
                }
                assert!(!log.contains(secret.as_str()), "{secret:?} is logged");
            }
        }

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn machines_that_issue_side_by_side_in_one_zone_leave_each_others_challenges_alone() {
            let show = Show::new();
            {
                let cloudflare = &mut show.stage.sim.world().cloudflare;
                cloudflare.add_record("acme.example", "TXT", CHALLENGE, "of another machine");
            }
            // Two of them at the very same record name. A home each: acme.sh keeps the headers of answers in one file.
            let names = [DOMAIN, "acme.example", "www.acme.example"];
            let machines = names.map(|name| (name, AcmeSh::install()));
            let environment = show.stage.token();
            std::thread::scope(|scope| {
                for (name, acme) in &machines {
                    let (show, environment) = (&show, &environment);
                    scope.spawn(move || {
                        let issued = acme.run(environment, show.issue_arguments(&[*name], &[]));
                        issued.code(0);
                    });
                }
            });
            let left = show.stage.sim.world().cloudflare.txt(CHALLENGE);
            assert_eq!(left, ["of another machine"]);
            assert_eq!(show.stage.challenges(), 1);
            assert_eq!(show.stage.requests("POST"), names.len());
        }
    }
}
