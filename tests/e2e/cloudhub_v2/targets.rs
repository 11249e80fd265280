//! Several private spaces, from the environment and the TOML file.

use std::fs;
use std::net::TcpListener;

use crate::fixture::{CONTEXT, DOMAIN, Fixture};

#[test]
fn every_target_is_tried_and_a_second_run_touches_only_what_is_missing() {
    let mut fixture = Fixture::new();
    for name in ["b", "c"] {
        fixture.bench.add_space(name);
    }
    fixture
        .bench
        .set("CH2_PRIVATE_SPACE_ID", "prod, nowhere ,c");
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(4)
        .prints("prod: ")
        .prints("c: ")
        .tells("no private space \"nowhere\"")
        .tells("1 of 3 failed");
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "prod,b,c");
    fixture.bench.sim.clear_log();
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("b: *.acme.example in TLS context x-acme-example: created");
    assert_eq!(fixture.writes(), 1);
    let tokens = fixture
        .lines()
        .iter()
        .filter(|line| *line == "POST token")
        .count();
    assert_eq!(tokens, 1);
}

#[test]
fn refused_credentials_are_tried_once_for_all_targets() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("b");
    fixture
        .bench
        .set("CH2_PRIVATE_SPACE_ID", "prod,b")
        .set_secret("CH2_CLIENT_SECRET", "canary-wrong-secret-78");
    fixture.deploy().code(3).tells("2 of 2 failed");
    assert_eq!(fixture.lines().len(), 1);
}

#[test]
fn targets_of_the_toml_file_have_their_own_account_and_domains_and_are_not_saved() {
    let mut fixture = Fixture::new();
    fixture.bench.add_space("second");
    let (id, secret) = {
        let mut sim = fixture.bench.sim.world();
        let sim = &mut *sim;
        sim.anypoint
            .add_app(&mut sim.ids, &fixture.organization, &["admin:cloudhub"])
    };
    fixture.bench.never_shown(secret.clone());
    fixture.bench.write("second.secret", format!("{secret}\n"));
    let toml = format!(
        "[[cloudhub_v2.target]]\nname = \"one\"\nprivate_space = \"prod\"\ndomains = [\"*.other.example\"]\n\
         [[cloudhub_v2.target]]\nname = \"two\"\nprivate_space = [\"second\"]\norganization = \"{}\"\n\
         client_id = \"{id}\"\nclient_secret_file = \"second.secret\"\ntls_context_name = \"wild card\"\n\
         domains = [\"*.acme.example\"]\n",
        fixture.organization
    );
    let toml = fixture.bench.write("hooks.toml", toml);
    fixture
        .bench
        .set("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap());
    fixture.forget_environment();
    let url = fixture.bench.sim.url().to_owned();
    fixture.bench.set("ANYPOINT_URL", url);
    let conf = fixture.acme_calls("");
    fixture.deploy().code(0).prints("two: ");
    assert!(fixture.context("second", "wild card").is_some());
    assert!(fixture.context("prod", CONTEXT).is_none());
    let saved = fs::read_to_string(conf).unwrap();
    assert!(
        !saved.contains("CH2_") && !saved.contains("ORGANIZATION"),
        "{saved}"
    );

    let leaf = fixture.leaf(&["else.example"]);
    fixture
        .deploy_leaf("else.example", &leaf, &[])
        .code(2)
        .tells("takes else.example");
    // In the environment, targets beat those of the file.
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "prod");
    fixture.deploy().code(2).tells("no credentials");
}

#[test]
fn eight_control_planes_that_hang_keep_no_other_target_from_its_time() {
    let mut fixture = Fixture::new();
    {
        let mut world = fixture.bench.sim.world();
        world.anypoint.switches.requests_per_second = None;
    }
    let healthy: Vec<String> = (0..42).map(|n| format!("healthy-{n:02}")).collect();
    for name in &healthy {
        fixture.bench.add_space(name);
    }
    // Connections are made, and nobody ever answers. As many as there are workers, and before all others.
    let silent: Vec<TcpListener> = (0..8)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let mut toml = "[cloudhub_v2]\nworkers = 8\nrate = 0\n".to_owned();
    for (number, listener) in silent.iter().enumerate() {
        toml += &format!(
            "[[cloudhub_v2.target]]\nname = \"silent-{number}\"\nprivate_space = \"prod\"\nurl = \"https://{}\"\n",
            listener.local_addr().unwrap()
        );
    }
    toml += &format!("[[cloudhub_v2.target]]\nprivate_space = {healthy:?}\n");
    fixture.bench.write("hooks.toml", toml);
    fixture
        .bench
        .set("ANYPOINT_HOOKS_CONFIG", "hooks.toml")
        .set("ANYPOINT_HOOKS_DEADLINE", "6s")
        .unset("CH2_PRIVATE_SPACE_ID");
    let leaf = fixture.leaf(&[DOMAIN]);
    let run = fixture.deploy_leaf(DOMAIN, &leaf, &[]);
    run.code(6).tells("8 of 50 failed");
    for name in &healthy {
        assert!(fixture.holds(name, CONTEXT, &leaf), "{name}\n{run}");
    }
    for number in 0..8 {
        run.tells(&format!("private space silent-{number}: 127.0.0.1"));
    }
}

#[test]
fn requests_are_paced_to_what_the_platform_takes() {
    let mut fixture = Fixture::new();
    let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    for name in &names {
        fixture.bench.add_space(name);
    }
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", names.join(","));
    fixture.deploy().code(0);
    let refused = fixture
        .bench
        .sim
        .requests()
        .iter()
        .filter(|entry| entry.status == Some(429))
        .count();
    assert_eq!(refused, 0);
    assert!(fixture.bench.sim.requests().len() > 15);
}

#[test]
fn a_flag_that_cannot_apply_to_the_targets_of_the_toml_file_is_an_error() {
    let mut fixture = Fixture::new();
    let own_account = fixture.own_account();
    let own = format!(
        "[[cloudhub_v2.target]]\nprivate_space = \"prod\"\ntls_context_name = \"own\"\n{own_account}"
    );
    fixture.bench.write("hooks.toml", own);
    fixture.bench.unset("CH2_PRIVATE_SPACE_ID");
    fixture.bench.set("ANYPOINT_HOOKS_CONFIG", "hooks.toml");
    let leaf = fixture.leaf(&[DOMAIN]);
    let (url, organization) = (
        fixture.bench.sim.url().to_owned(),
        fixture.organization.clone(),
    );
    let flags = [
        ["--context-name", "flagged"],
        ["--url", &url],
        ["--organization", &organization],
    ];
    for flag in flags {
        fixture
            .deploy_leaf(DOMAIN, &leaf, &flag)
            .code(2)
            .tells(&format!("{} cannot apply: cloudhub_v2.target[1].", flag[0]));
        fixture.run(&[&["list"][..], &flag].concat()).code(2);
    }
    assert_eq!(fixture.lines().len(), 0);

    // Then the targets of the file are not used.
    let by_flag = [&flags.concat()[..], &["--private-space", "prod"]].concat();
    fixture.deploy_leaf(DOMAIN, &leaf, &by_flag).code(0);
    assert!(fixture.holds("prod", "flagged", &leaf));

    // What a target leaves open is for flags to say.
    let open = "[[cloudhub_v2.target]]\nprivate_space = \"prod\"\n";
    fixture.bench.write("hooks.toml", open);
    let renewed = fixture.leaf(&[DOMAIN]);
    fixture.bench.unset("ORGANIZATION_ID").unset("ANYPOINT_URL");
    fixture
        .deploy_leaf(DOMAIN, &renewed, &flags.concat())
        .code(0);
    assert!(fixture.holds("prod", "flagged", &renewed));
}

#[test]
fn credentials_that_no_target_uses_are_not_saved() {
    let mut fixture = Fixture::new();
    let own_account = fixture.own_account();
    let own = format!("[[cloudhub_v2.target]]\nprivate_space = \"prod\"\n{own_account}");
    fixture.bench.write("hooks.toml", own);
    fixture.bench.unset("CH2_PRIVATE_SPACE_ID");
    fixture.bench.set("ANYPOINT_HOOKS_CONFIG", "hooks.toml");
    let conf = fixture.acme_calls("");
    fixture.deploy().code(0);
    let saved = fs::read_to_string(conf).unwrap();
    assert!(saved.contains("SAVED_ANYPOINT_HOOKS_CONFIG="), "{saved}");
    assert!(!saved.contains("CLIENT"), "{saved}");
}
