//! A certificate is deployed once, proved, and not again.

use std::fs;

use serde_json::json;
use simulator::Fault;
use simulator::anypoint::{CreateAnswer, Patch, San};
use simulator::faults::Action;
use simulator::pki::{self, Authority, Leaf, Validity};

use crate::fixture::{CONTEXT, DOMAIN, Fixture, LIST, normal};

#[test]
fn a_deploy_is_read_back_and_takes_four_requests_on_one_connection() {
    let mut fixture = Fixture::new();
    let id = fixture.space_id("prod");
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", id);
    let leaf = fixture.leaf(&[DOMAIN, "acme.example"]);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("created")
        .prints("identified by its fingerprint");
    assert!(fixture.holds("prod", CONTEXT, &leaf));
    assert_eq!(
        fixture.lines(),
        [
            "POST token",
            "GET tlsContexts",
            "POST tlsContexts",
            "GET tlsContexts"
        ]
    );
    assert_eq!(fixture.bench.sim.stats().tls_connections, 1);
    assert_eq!(fixture.bench.sim.unexpected().len(), 0);
}

#[test]
fn a_second_run_with_the_same_certificate_writes_nothing_unless_forced() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    fixture.bench.sim.clear_log();
    fixture
        .deploy_leaf(DOMAIN, &leaf, &[])
        .code(0)
        .prints("already deployed");
    assert_eq!(fixture.writes(), 0);
    fixture
        .deploy_leaf(DOMAIN, &leaf, &["--force"])
        .code(0)
        .prints("updated");
    assert_eq!(fixture.writes(), 1);
}

#[test]
fn a_renewed_certificate_replaces_the_old_one_although_it_expires_on_the_same_day() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    let renewed = fixture.leaf(&[DOMAIN, "acme.example"]);
    fixture
        .deploy_leaf(DOMAIN, &renewed, &[])
        .code(0)
        .prints("updated");
    assert!(fixture.holds("prod", CONTEXT, &renewed));
}

#[test]
fn every_kind_of_key_goes_out_as_pkcs8() {
    let mut fixture = Fixture::new();
    fixture.switch(|switches| switches.traditional_keys = false);
    let rsa = pki::rsa_key(2048).unwrap();
    let rsa = fixture
        .authority
        .leaf_with_key(&[DOMAIN], Validity::days(90), &rsa)
        .unwrap();
    let p384 = pki::p384_key().unwrap();
    let p384 = fixture
        .authority
        .leaf_with_key(&[DOMAIN], Validity::days(90), &p384)
        .unwrap();
    for leaf in [fixture.leaf(&[DOMAIN]), rsa, p384] {
        let traditional = Leaf {
            key_pem: pki::traditional(&leaf.key_pem).unwrap(),
            ..leaf
        };
        fixture.deploy_leaf(DOMAIN, &traditional, &[]).code(0);
        assert!(fixture.holds("prod", CONTEXT, &traditional));
    }
}

#[test]
fn a_key_that_is_encrypted_in_a_way_of_old_is_refused_and_what_it_says_of_that_is_shown() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    let body: String = leaf
        .key_pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .map(|line| format!("{line}\n"))
        .collect();
    let old = Leaf {
        key_pem: format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
             DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n{body}-----END RSA PRIVATE KEY-----\n"
        ),
        ..leaf
    };
    fixture
        .deploy_leaf(DOMAIN, &old, &[])
        .code(2)
        .tells("(Proc-Type: 4,ENCRYPTED)");
}

#[test]
fn an_encrypted_key_is_opened_by_its_passphrase_only() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    let encrypted = Leaf {
        key_pem: pki::encrypted(&leaf.key_pem, "canary pass$'\"word").unwrap(),
        ..leaf
    };
    fixture
        .deploy_leaf(DOMAIN, &encrypted, &[])
        .code(2)
        .tells("CH2_KEY_PASSPHRASE_FILE");
    fixture
        .bench
        .set_secret("CH2_KEY_PASSPHRASE", "canary-wrong-one");
    fixture
        .deploy_leaf(DOMAIN, &encrypted, &[])
        .code(2)
        .tells("does not open");
    assert_eq!(fixture.lines().len(), 0);
    fixture
        .bench
        .set_secret("CH2_KEY_PASSPHRASE", "canary pass$'\"word");
    fixture.deploy_leaf(DOMAIN, &encrypted, &[]).code(0);
    assert!(fixture.holds("prod", CONTEXT, &encrypted));

    fixture
        .bench
        .set_secret("MY_PASSPHRASE", "canary pass$'\"word")
        .set("ANYPOINT_HOOKS_CONFIG", "hooks.toml")
        .unset("CH2_KEY_PASSPHRASE");
    fixture.bench.write("passphrase", "canary pass$'\"word\n");
    for line in [
        "key_passphrase_env = \"MY_PASSPHRASE\"",
        "key_passphrase_file = \"passphrase\"",
    ] {
        fixture
            .bench
            .write("hooks.toml", format!("[cloudhub_v2]\n{line}\n"));
        fixture
            .deploy_leaf(DOMAIN, &encrypted, &["--force"])
            .code(0)
            .prints("updated");
    }
}

#[test]
fn a_create_is_understood_however_it_is_answered() {
    for answer in [
        CreateAnswer::Body,
        CreateAnswer::Location,
        CreateAnswer::Empty,
    ] {
        let mut fixture = Fixture::new();
        fixture.switch(|switches| {
            switches.create = answer;
            switches.single_read = false;
            switches.require_file_names = true;
            switches.require_ciphers = true;
        });
        fixture.deploy().code(0).prints("created");
    }
}

#[test]
fn a_create_whose_answer_is_lost_is_not_sent_twice() {
    let mut fixture = Fixture::new();
    fixture.fault("POST", LIST, Action::LostAnswer);
    fixture.deploy().code(0).prints("created");
    assert_eq!(fixture.writes(), 1);
}

#[test]
fn a_create_that_had_no_effect_is_sent_again_after_a_look() {
    let mut fixture = Fixture::new();
    fixture.fault("POST", LIST, Action::Reset);
    fixture.deploy().code(0).prints("created");
    assert_eq!(fixture.writes(), 2);
}

#[test]
fn a_write_that_cannot_be_read_back_ends_unproved() {
    let mut fixture = Fixture::new();
    fixture.bench.fault(
        Fault::on("GET", LIST, Action::Html { status: 200 })
            .after(1)
            .always(),
    );
    fixture
        .deploy()
        .code(7)
        .tells("could not be read back")
        .tells("HTML page");
}

#[test]
fn a_write_that_took_effect_is_no_failure_whatever_a_gateway_answers() {
    for status in [500, 502, 504] {
        let mut fixture = Fixture::new();
        let gateway = Action::Gateway { status };
        fixture.fault("POST", LIST, gateway.clone());
        fixture.deploy().code(0).prints("created");
        assert_eq!(fixture.writes(), 1, "{status}");
        fixture.bench.sim.clear_log();
        fixture.fault("PATCH", &format!("{LIST}/*"), gateway.clone());
        fixture.deploy().code(0).prints("updated");
        assert_eq!(fixture.writes(), 1, "{status}");

        // By PUT, where there is no PATCH.
        fixture.switch(|switches| switches.patch = Patch::NotAllowed);
        fixture.bench.sim.clear_log();
        fixture.fault("PUT", &format!("{LIST}/*"), gateway);
        fixture.deploy().code(0).prints("updated");
        assert_eq!(fixture.writes(), 2, "{status}");
    }
}

#[test]
fn an_update_that_had_no_effect_is_sent_again_after_a_look() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    let id = fixture.context("prod", CONTEXT).unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    fixture.bench.sim.clear_log();
    let path = format!("{LIST}/*");
    fixture.fault("PATCH", &path, Action::Html { status: 504 });
    let renewed = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &renewed, &[])
        .code(0)
        .prints("updated");
    assert!(fixture.holds("prod", CONTEXT, &renewed));
    assert_eq!(
        fixture.lines()[2..],
        [
            "GET tlsContexts",
            &format!("PATCH {id}"),
            "GET tlsContexts",
            &format!("PATCH {id}"),
            "GET tlsContexts"
        ]
    );
}

#[test]
fn an_update_whose_effect_cannot_be_told_is_called_neither_done_nor_failed() {
    let mut fixture = Fixture::new();
    // Nothing but names and date, which are those of the certificate before.
    fixture.switch(|switches| switches.file_names = false);
    fixture.deploy().code(0);
    fixture.bench.set("ANYPOINT_HOOKS_DEADLINE", "3s");
    let path = format!("{LIST}/*");
    fixture
        .bench
        .fault(Fault::on("PATCH", &path, Action::Gateway { status: 504 }).always());
    let renewed = fixture.leaf(&[DOMAIN, "acme.example"]);
    fixture
        .deploy_leaf(DOMAIN, &renewed, &["--force"])
        .code(7)
        .tells("is not known")
        .tells("504");
}

#[test]
fn where_the_platform_changes_file_names_a_certificate_is_written_once() {
    let mut fixture = Fixture::new();
    fixture.switch(|switches| switches.changed_file_names = true);
    let leaf = fixture.leaf(&[DOMAIN]);
    let said = "does not give file names back as they were sent (\"upload.pem\"";
    fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(0).tells(said);
    for _ in 0..2 {
        fixture.bench.sim.clear_log();
        let run = fixture.deploy_leaf(DOMAIN, &leaf, &[]);
        run.code(0)
            .prints("already deployed")
            .prints("what was written last from this machine")
            .never_shows(said);
        assert_eq!(fixture.writes(), 0);
    }

    // On the same day as before, so that names and date do not distinguish it.
    let renewed = fixture.leaf(&[DOMAIN]);
    let run = fixture.deploy_leaf(DOMAIN, &renewed, &[]);
    run.code(0).prints("updated").never_shows(said);
    assert!(fixture.holds("prod", CONTEXT, &renewed));

    // What somebody else uploads is seen.
    let foreign = fixture
        .authority
        .leaf(&[DOMAIN], Validity::days(80))
        .unwrap();
    fixture.bench.set("XDG_STATE_HOME", "/dev/null/state");
    fixture
        .deploy_leaf(DOMAIN, &foreign, &[])
        .code(0)
        .tells("cannot be remembered");
    fixture.bench.unset("XDG_STATE_HOME");
    fixture
        .deploy_leaf(DOMAIN, &renewed, &[])
        .code(0)
        .prints("updated");
    assert!(fixture.holds("prod", CONTEXT, &renewed));
}

#[test]
fn an_update_goes_by_put_where_there_is_no_patch() {
    for patch in [Patch::NotFound, Patch::NotAllowed] {
        let mut fixture = Fixture::new();
        fixture.deploy().code(0);
        fixture.switch(|switches| switches.patch = patch);
        let renewed = fixture.leaf(&[DOMAIN]);
        fixture
            .deploy_leaf(DOMAIN, &renewed, &[])
            .code(0)
            .prints("updated");
        assert!(fixture.holds("prod", CONTEXT, &renewed));
    }
}

#[test]
fn an_update_that_is_only_accepted_is_waited_for() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    fixture.switch(|switches| switches.patch = Patch::Accepted);
    fixture.deploy().code(0).prints("updated");
}

#[test]
fn where_no_file_names_come_back_names_and_date_decide_and_that_is_said() {
    for san in [San::Names, San::Empty, San::Absent] {
        let mut fixture = Fixture::new();
        fixture.switch(|switches| {
            switches.file_names = false;
            switches.san = san;
        });
        let leaf = fixture.leaf(&[DOMAIN, "acme.example"]);
        fixture
            .deploy_leaf(DOMAIN, &leaf, &[])
            .code(0)
            .prints("created")
            .prints("less certain");
        fixture.bench.sim.clear_log();
        fixture
            .deploy_leaf(DOMAIN, &leaf, &[])
            .code(0)
            .prints("already deployed")
            .prints("less certain");
        assert_eq!(fixture.writes(), 0);
        let longer = fixture
            .authority
            .leaf(&[DOMAIN, "acme.example"], Validity::days(91))
            .unwrap();
        fixture
            .deploy_leaf(DOMAIN, &longer, &[])
            .code(0)
            .prints("updated");
    }
}

#[test]
fn what_another_program_deployed_is_written_once_although_it_expires_on_the_same_day() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    fixture.deploy_leaf(DOMAIN, &leaf, &[]).code(0);
    fixture.change(CONTEXT, |context| {
        context.file_names = [Some("cert.pem".into()), None, None];
    });
    let other = fixture.leaf(&[DOMAIN]);
    fixture
        .deploy_leaf(DOMAIN, &other, &[])
        .code(0)
        .prints("updated");
    assert!(fixture.holds("prod", CONTEXT, &other));
    fixture
        .deploy_leaf(DOMAIN, &other, &[])
        .code(0)
        .prints("already deployed");
}

#[test]
fn a_ca_file_that_is_not_there_is_no_error() {
    let mut fixture = Fixture::new();
    let root = fixture.bench.sim.world().authority.clone();
    let leaf = root.leaf(&[DOMAIN], Validity::days(90)).unwrap();
    let folder = fixture.store("cert", DOMAIN, &leaf);
    fs::remove_file(folder.join("ca.cer")).unwrap();
    fs::remove_file(folder.join("fullchain.cer")).unwrap();
    fixture.deploy_from(&folder, DOMAIN, &[]).code(0);
    assert_eq!(fixture.context("prod", CONTEXT).unwrap()["capath"], "");
}

#[test]
fn an_old_ca_file_gives_way_to_the_full_chain() {
    let mut fixture = Fixture::new();
    let leaf = fixture.leaf(&[DOMAIN]);
    let folder = fixture.store("cert", DOMAIN, &leaf);
    let stranger = Authority::root("Stranger").unwrap();
    fixture.bench.write("cert/ca.cer", stranger.pem());
    fixture.deploy_from(&folder, DOMAIN, &[]).code(0);
    assert_eq!(
        fixture.context("prod", CONTEXT).unwrap()["capath"],
        json!(normal(&leaf.chain_pem))
    );
}

#[test]
fn no_request_of_the_hook_is_one_that_the_platform_does_not_know() {
    let mut fixture = Fixture::with_scopes(&["manage:cloudhub_networking"]);
    fixture.deploy().code(0);
    fixture.deploy().code(0);
    fixture.run(&["spaces"]).code(0);
    fixture.run(&["dns", DOMAIN, "--resolver", "127.0.0.1:1"]);
    assert_eq!(fixture.bench.sim.unexpected().len(), 0);
}
