//! `cloudhub_v2 reconcile`.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use fixtures::wait_until;
use simulator::Fault;
use simulator::faults::Action;
use simulator::pki::{Leaf, Validity};

use crate::fixture::{Fixture, LIST, keep, keep_with};

#[test]
fn reconcile_deploys_what_differs_and_leaves_the_rest_alone() {
    let mut fixture = Fixture::new();
    for (name, hooks) in [
        ("*.acme.example_ecc", "cloudhub_v2,"),
        ("shop.acme.example", "nginx,cloudhub_v2,"),
        ("no.example", "nginx,"),
    ] {
        let leaf = fixture.leaf(&[name.trim_end_matches("_ecc")]);
        keep(&mut fixture, name, &leaf, hooks);
    }
    fixture.forget_environment();
    fixture
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(10)
        .prints("would be deployed");
    assert_eq!(fixture.writes(), 0);
    fixture
        .bench
        .fault(Fault::on("*", "/runtimefabric/*", Action::Html { status: 502 }).always());
    fixture
        .run(&["reconcile", "--home", "acme", "--deadline", "1s"])
        .code(6)
        .tells("2 of 2 failed");
    fixture.bench.sim.faults().clear();
    fixture.bench.sim.clear_log();
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0)
        .prints("*.acme.example in prod: deployed")
        .prints("shop.acme.example in prod: deployed");
    assert_eq!(run.stderr, "");
    let tokens = fixture
        .lines()
        .iter()
        .filter(|line| *line == "POST token")
        .count();
    assert_eq!((fixture.writes(), tokens), (2, 1));
    fixture.bench.sim.clear_log();
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .prints("already deployed");
    fixture
        .run(&["reconcile", "--home", "acme", "--dry-run"])
        .code(0);
    assert_eq!(fixture.writes(), 0);
}

#[test]
fn reconcile_ends_with_one_line_that_counts() {
    let mut fixture = Fixture::new();
    let names = ["a.example", "b.example", "c.example"];
    for name in names {
        let leaf = fixture.leaf(&[name]);
        keep(&mut fixture, name, &leaf, "cloudhub_v2,");
    }
    fixture.forget_environment();
    let run = |more: &[&str], code: u8| {
        let args = ["reconcile", "--home", "acme"];
        let run = fixture.run(&[&args[..], more].concat());
        let stdout = run.code(code.into()).stdout.trim_end().to_owned();
        let last = stdout.lines().next_back().unwrap_or_default().to_owned();
        (stdout, last)
    };
    let (_, last) = run(&["--dry-run"], 10);
    assert_eq!(last, "3 certificates, 3 to be deployed");
    assert_eq!(run(&["a.example"], 0).1, "1 certificate, 1 deployed now");
    assert_eq!(run(&[], 0).1, "3 certificates, 2 deployed now");
    assert_eq!(run(&[], 0).1, "3 certificates, all current");
    assert_eq!(run(&["C.example"], 0).1, "1 certificate, current");
    let (quiet, last) = run(&["--quiet"], 0);
    assert_eq!(last, "c.example in prod: already deployed", "{quiet}");
    let (json, _) = run(&["--output", "json"], 0);
    assert!(
        json.contains("\"summary\": \"3 certificates, all current\""),
        "{json}"
    );

    fixture
        .bench
        .write("acme/c.example/c.example.cer", "no certificate");
    let failing = fixture.run(&["reconcile", "--home", "acme"]);
    failing.code(2).prints("3 certificates, 1 failed");
    fixture
        .run(&["reconcile", "d.example", "--home", "acme"])
        .code(4)
        .tells("no certificate for d.example in acme names the deploy hook cloudhub_v2")
        .tells("--deploy-hook");
    // What is not asked for stops nothing.
    fixture
        .run(&["reconcile", "a.example", "--home", "acme"])
        .code(0);
}

#[test]
fn of_two_certificates_for_one_domain_reconcile_takes_the_newer_one() {
    let mut fixture = Fixture::new();
    let mut earlier = Validity::days(60);
    earlier.not_before -= 30 * 24 * 3600;
    let old = fixture
        .authority
        .leaf(&["shop.acme.example"], earlier)
        .unwrap();
    let new = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &old, "cloudhub_v2,");
    keep(&mut fixture, "shop.acme.example_ecc", &new, "cloudhub_v2,");
    for _ in 0..2 {
        fixture
            .run(&["reconcile", "--home", "acme"])
            .code(0)
            .prints("left out");
        assert!(fixture.holds("prod", "shop-acme-example", &new));
    }
    // Everybody who compares with the home takes the same one.
    fixture
        .run(&["status", "shop.acme.example", "--home", "acme"])
        .code(0)
        .prints("shop-acme-example in prod: current");
    let ingress = fixture.bench.sim.ingress_addr().to_string();
    let verify = ["verify", "shop.acme.example", "--home", "acme"];
    fixture
        .run(&[&verify[..], &["--connect", &ingress, "--timeout", "0s"]].concat())
        .code(0);
    fixture
        .run(&["check", "shop.acme.example", "--home", "acme"])
        .code(0);
}

#[test]
fn of_two_certificates_for_one_domain_each_keeps_the_space_that_is_its_own() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("ec");
    let mut earlier = Validity::days(60);
    earlier.not_before -= 30 * 24 * 3600;
    let domain = "shop.acme.example";
    let rsa = fixture.authority.leaf(&[domain], earlier).unwrap();
    let ec = fixture.leaf(&[domain]);
    keep(&mut fixture, domain, &rsa, "cloudhub_v2,");
    keep(&mut fixture, "shop.acme.example_ecc", &ec, "cloudhub_v2,");
    let conf = "acme/shop.acme.example_ecc/shop.acme.example.conf";
    let saved = fs::read_to_string(fixture.bench.home().join(conf)).unwrap();
    let both = saved.replace("ID='prod'", "ID='ec,prod'");
    let own = saved.replace("ID='prod'", "ID='ec'");
    fixture.bench.write(conf, own);
    fixture.run(&["reconcile", "--home", "acme"]).code(0);
    assert!(fixture.holds("prod", "shop-acme-example", &rsa));
    assert!(fixture.holds("ec", "shop-acme-example", &ec));

    // A space is the same by whatever it is named.
    let by_id = both.replace("prod", &fixture.space_id("prod"));
    for both in [both, by_id] {
        fixture.bench.write(conf, both);
        fixture
            .run(&["reconcile", "--home", "acme"])
            .code(0)
            .prints("shop.acme.example in prod: left out");
        assert!(fixture.holds("prod", "shop-acme-example", &ec));
    }
}

#[test]
fn status_and_verify_mean_the_certificate_that_reconcile_deploys() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("ec");
    let mut earlier = Validity::days(60);
    earlier.not_before -= 30 * 24 * 3600;
    let domain = "shop.acme.example";
    let rsa = fixture.authority.leaf(&[domain], earlier).unwrap();
    let ec = fixture.leaf(&[domain]);
    keep(&mut fixture, domain, &rsa, "cloudhub_v2,");
    keep(&mut fixture, "shop.acme.example_ecc", &ec, "cloudhub_v2,");
    fixture.forget_environment();
    fixture.run(&["reconcile", "--home", "acme"]).code(0);
    fixture
        .run(&["status", domain, "--home", "acme"])
        .code(0)
        .prints("shop-acme-example in prod: current");
    let ingress = fixture.bench.sim.ingress_addr().to_string();
    fixture
        .run(&["verify", domain, "--home", "acme", "--connect", &ingress])
        .code(0)
        .prints("serves the certificate");

    // Each with a space of its own.
    let conf = "acme/shop.acme.example_ecc/shop.acme.example.conf";
    let saved = fs::read_to_string(fixture.bench.home().join(conf)).unwrap();
    fixture
        .bench
        .write(conf, saved.replace("ID='prod'", "ID='ec'"));
    fixture.run(&["reconcile", "--home", "acme"]).code(0);
    fixture
        .run(&["status", domain, "--home", "acme"])
        .code(0)
        .prints("shop-acme-example in prod: current")
        .prints("shop-acme-example in ec: current");
}

#[test]
fn one_broken_certificate_does_not_keep_reconcile_from_the_others() {
    let mut fixture = Fixture::new();
    let good = fixture.leaf(&["shop.acme.example"]);
    let broken = Leaf {
        cert_pem: "hello".into(),
        ..good.clone()
    };
    keep(&mut fixture, "shop.acme.example", &good, "cloudhub_v2,");
    keep(&mut fixture, "broken.example", &broken, "cloudhub_v2,");
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(2)
        .prints("shop.acme.example in prod: deployed")
        .tells("broken.example")
        .tells("1 of 2 failed");
    fixture.run(&["reconcile", "--home", "nowhere"]).code(4);
}

/// How often standard error says that a variable has no effect.
fn warnings(stderr: &str, variable: &str) -> usize {
    let warning = format!("{variable} is set in the environment and has no effect");
    stderr.matches(&warning).count()
}

#[test]
fn each_certificate_goes_where_its_own_saved_values_say_whatever_is_exported() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("exported");
    let names = ["shop.acme.example", "api.acme.example"];
    let leaves = names.map(|name| {
        let leaf = fixture.leaf(&[name]);
        keep(&mut fixture, name, &leaf, "cloudhub_v2,");
        leaf
    });
    let exported = [
        ("CH2_PRIVATE_SPACE_ID", "exported"),
        ("ORGANIZATION_ID", "Another"),
        ("ANYPOINT_URL", "https://127.0.0.1:1"),
        ("CH2_CLIENT_ID", "another"),
        ("CH2_CLIENT_SECRET", "canary-exported-1"),
        ("ANYPOINT_CLIENT_ID", "another"),
        ("ANYPOINT_CLIENT_SECRET", "canary-exported-2"),
        ("ANYPOINT_BEARER", "canary-exported-3"),
        ("CH2_TLS_CONTEXT_NAME", "exported"),
        ("CH2_CIPHERS", "aes256GcmSha384"),
    ];
    for (name, value) in exported {
        if value.starts_with("canary") {
            fixture.bench.set_secret(name, value);
        } else {
            fixture.bench.set(name, value);
        }
    }
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0);
    for (name, leaf) in names.iter().zip(&leaves) {
        let context = name.replace('.', "-");
        assert!(fixture.holds("prod", &context, leaf), "{name}\n{run}");
        run.prints(&format!("{name} in prod: deployed"));
    }
    let contexts = |fixture: &Fixture, space: &str| {
        let world = fixture.bench.sim.world();
        let contexts = &world.anypoint.space(space).unwrap().contexts;
        contexts.iter().filter(|one| one.name != "default").count()
    };
    assert_eq!(contexts(&fixture, "prod"), 2);
    assert_eq!(contexts(&fixture, "exported"), 0);
    for (variable, _) in exported {
        assert_eq!(warnings(&run.stderr, variable), 1, "{variable}\n{run}");
    }

    // A flag is meant for this very call.
    let flagged = ["reconcile", "--home", "acme", "--private-space", "exported"];
    let run = fixture.run(&flagged);
    assert_eq!(
        run.code(0).stderr.matches("CH2_PRIVATE_SPACE_ID").count(),
        0
    );
    assert_eq!(contexts(&fixture, "exported"), 2);
}

#[test]
fn the_environment_counts_for_a_certificate_that_nothing_was_saved_for() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.acme.example"]);
    let conf = "Le_Domain='shop.acme.example'\nLe_DeployHook='cloudhub_v2,'\n";
    keep_with(&mut fixture, "shop.acme.example", &leaf, conf);
    fixture.bench.set("CH2_TLS_CONTEXT_NAME", "chosen");
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    assert_eq!(run.code(0).stderr, "");
    assert!(fixture.holds("prod", "chosen", &leaf));
}

#[test]
fn targets_of_the_toml_file_are_not_left_for_what_is_exported_either() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("listed");
    fixture.bench.add_space("exported");
    let leaf = fixture.leaf(&["shop.acme.example"]);
    let conf = "Le_Domain='shop.acme.example'\nLe_DeployHook='cloudhub_v2,'\n";
    keep_with(&mut fixture, "shop.acme.example", &leaf, conf);
    let toml = "[[cloudhub_v2.target]]\nprivate_space = \"listed\"\n";
    fixture.bench.write("acme/anypoint-hooks.toml", toml);
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "exported");
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0).prints("shop.acme.example in listed: deployed");
    assert_eq!(warnings(&run.stderr, "CH2_PRIVATE_SPACE_ID"), 1, "{run}");
    assert!(fixture.context("exported", "shop-acme-example").is_none());
}

#[test]
fn an_exported_toml_file_leads_no_certificate_away_from_its_saved_space() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("listed");
    let leaf = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &leaf, "cloudhub_v2,");
    let toml = "[[cloudhub_v2.target]]\nprivate_space = \"listed\"\n";
    let toml = fixture.bench.write("hooks.toml", toml);
    fixture.forget_environment();
    fixture
        .bench
        .set("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap());
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0).prints("shop.acme.example in prod: deployed");
    assert_eq!(warnings(&run.stderr, "ANYPOINT_HOOKS_CONFIG"), 1, "{run}");
    assert!(fixture.context("listed", "shop-acme-example").is_none());
}

#[test]
fn a_conf_that_cannot_be_read_stops_no_other() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &leaf, "cloudhub_v2,");
    fixture.bench.write(
        "acme/latin.example/latin.example.conf",
        b"Le_Alt='caf\xe9'\n",
    );
    let folder = fixture.bench.home().join("acme/loop.example_ecc");
    fs::create_dir(&folder).unwrap();
    // As root there is no file without the right to read it.
    symlink("loop.example.conf", folder.join("loop.example.conf")).unwrap();
    fixture.forget_environment();
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(2)
        .prints("shop.acme.example in prod: deployed")
        .tells("latin.example.conf is not text")
        .tells("loop.example.conf cannot be read")
        .tells("2 of 3 failed");
    assert!(fixture.holds("prod", "shop-acme-example", &leaf));
}

#[test]
fn a_hook_and_reconcile_at_the_same_moment_write_once() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &leaf, "cloudhub_v2,");
    let folder = fixture.bench.home().join("acme/shop.acme.example");
    // The hook has seen that there is no context, but does not get on.
    fixture.fault("GET", LIST, Action::Delay { ms: 2000 });
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let hook = fixture
        .bench
        .command(
            "cloudhub_v2",
            [
                "deploy",
                "shop.acme.example",
                &file("shop.acme.example.key"),
                &file("shop.acme.example.cer"),
                &file("ca.cer"),
            ],
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the hook has listed the contexts", || {
        fixture.lines().contains(&"GET tlsContexts".to_owned())
    });
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .prints("already deployed");
    let hook = hook.wait_with_output().unwrap();
    assert!(hook.status.success());
    assert!(String::from_utf8_lossy(&hook.stdout).contains("created"));
    assert_eq!(fixture.writes(), 1);
}

#[test]
fn the_configuration_home_of_acme_sh_is_honored_by_flag_and_variable() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &leaf, "cloudhub_v2,");
    fixture.forget_environment();
    fs::create_dir(fixture.bench.home().join("program")).unwrap();
    let homes = ["--home", "program", "--config-home", "acme"];
    fixture
        .run(&[&["reconcile", "--dry-run"][..], &homes].concat())
        .code(10)
        .prints("shop.acme.example in prod: would be deployed");
    for config in [&homes[..], &homes[2..]] {
        fixture
            .run(&[&["list"][..], config].concat())
            .code(2)
            .tells("no credentials");
        let about_one = ["status", "check"];
        for command in about_one {
            fixture
                .run(&[&[command, "shop.acme.example"][..], config].concat())
                .code(if command == "check" { 10 } else { 0 });
        }
    }
    fixture.bench.set("LE_WORKING_DIR", "program");
    fixture.bench.set("LE_CONFIG_HOME", "acme");
    fixture
        .run(&["reconcile"])
        .code(0)
        .prints("shop.acme.example in prod: deployed");
    fixture
        .run(&["status", "shop.acme.example"])
        .code(0)
        .prints("shop-acme-example in prod: current");
}

#[test]
fn a_walk_that_finds_nothing_to_do_says_so() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &leaf, "nginx,");
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .tells("no certificate in acme names the deploy hook cloudhub_v2: nothing to do");
    let quiet = fixture.run(&["reconcile", "--home", "acme", "-q"]);
    assert_eq!(quiet.code(0).stderr, "");
}

#[test]
fn the_network_settings_of_the_account_conf_hold_for_reconcile_too() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&["shop.acme.example"]);
    keep(&mut fixture, "shop.acme.example", &leaf, "cloudhub_v2,");
    fixture.forget_environment();
    fixture.bench.unset("CA_BUNDLE");
    fixture
        .run(&["reconcile", "--home", "acme", "--deadline", "1s"])
        .code(6);
    fixture
        .bench
        .write("acme/account.conf", "HTTPS_INSECURE='1'\n");
    fixture
        .run(&["reconcile", "--home", "acme"])
        .code(0)
        .prints("shop.acme.example in prod: deployed");
}

#[test]
fn a_toml_file_named_in_a_deploy_is_found_by_reconcile_from_cron() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("listed");
    let leaf = fixture.leaf(&["shop.acme.example"]);
    let conf = "Le_Domain='shop.acme.example'\nLe_DeployHook='cloudhub_v2,'\n";
    keep_with(&mut fixture, "shop.acme.example", &leaf, conf);
    let own_account = fixture.own_account();
    let target = format!("[[cloudhub_v2.target]]\nprivate_space = \"listed\"\n{own_account}");
    fixture.bench.write("hooks.toml", target);
    fixture.forget_environment();
    fixture.bench.set("ANYPOINT_HOOKS_CONFIG", "hooks.toml");
    let folder = fixture.bench.home().join("acme/shop.acme.example");
    let conf = folder.join("shop.acme.example.conf");
    fixture.acme_calls_with(&conf);
    fixture
        .deploy_from(&folder, "shop.acme.example", &[])
        .code(0)
        .prints("listed: ");
    let saved = fs::read_to_string(&conf).unwrap();
    let absolute = fixture.bench.home().join("hooks.toml");
    assert!(
        saved.contains(&format!(
            "SAVED_ANYPOINT_HOOKS_CONFIG='{}'",
            absolute.display()
        )),
        "{saved}"
    );

    let renewed = fixture.leaf(&["shop.acme.example"]);
    fixture.store("acme/shop.acme.example", "shop.acme.example", &renewed);
    for name in [
        "ANYPOINT_HOOKS_CONFIG",
        "ANYPOINT_HOOKS_VOICE",
        "DOMAIN_CONF",
    ] {
        fixture.bench.unset(name);
    }
    let run = fixture.run(&["reconcile", "--home", "acme"]);
    run.code(0).prints("shop.acme.example in listed: deployed");
    assert_eq!(run.stderr, "");
    assert!(fixture.holds("listed", "shop-acme-example", &renewed));
}
