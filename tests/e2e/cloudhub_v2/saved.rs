//! What is saved in the domain conf of acme.sh, and read back by cron.

use std::fs;

use crate::fixture::{Fixture, SAVED};

#[test]
fn settings_are_saved_as_the_original_hook_saves_them_and_read_back_by_cron() {
    let mut fixture = Fixture::new();
    let conf = fixture.acme_calls("Le_Domain='*.acme.example'\nCH2_CLIENT_ID='old'\n");
    fixture.deploy().code(0);
    let saved = fs::read_to_string(&conf).unwrap();
    for name in SAVED {
        assert!(
            saved.contains(&format!("SAVED_{name}='")),
            "{name}:\n{saved}"
        );
        assert!(!saved.contains(&format!("\n{name}=")), "{name}:\n{saved}");
    }
    assert!(saved.starts_with("Le_Domain='*.acme.example'\n"));
    assert!(!saved.contains("SAVED_CH2_TLS_CONTEXT_NAME"));

    fixture.forget_environment();
    fixture.deploy().code(0).prints("updated");
    assert_eq!(fs::read_to_string(&conf).unwrap(), saved);
}

#[test]
fn odd_characters_in_a_secret_survive() {
    let mut fixture = Fixture::new();
    let odd = r#"can'ary "$HOME" `id` \n \1 & |"#;
    fixture.bench.sim.world().anypoint.apps[0].client_secret = odd.to_owned();
    fixture.bench.set_secret("CH2_CLIENT_SECRET", odd);
    let conf = fixture.acme_calls("");
    fixture.deploy().code(0);
    assert!(!fs::read_to_string(&conf).unwrap().contains("can'ary"));
    fixture.forget_environment();
    fixture.deploy().code(0);
}

#[test]
fn of_a_secret_in_a_file_the_path_is_saved() {
    let mut fixture = Fixture::new();
    let secret = fixture.bench.sim.world().anypoint.apps[0]
        .client_secret
        .clone();
    fixture.bench.write("secret", format!("{secret}\n"));
    fixture
        .bench
        .unset("CH2_CLIENT_SECRET")
        .set("CH2_CLIENT_SECRET_FILE", "secret");
    let conf = fixture.acme_calls("SAVED_CH2_CLIENT_SECRET='old'\n");
    fixture.deploy().code(0);
    let saved = fs::read_to_string(&conf).unwrap();
    let path = fixture.bench.home().join("secret");
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
    fixture.forget_environment();
    fixture.bench.unset("CH2_CLIENT_SECRET_FILE");
    fixture.deploy().code(0);
}

#[test]
fn refused_credentials_are_not_saved_but_accepted_ones_are_even_if_the_rest_fails() {
    let mut fixture = Fixture::new();
    let conf = fixture.acme_calls("");
    fixture.bench.set("CH2_PRIVATE_SPACE_ID", "nowhere");
    fixture.deploy().code(4);
    assert!(
        fs::read_to_string(&conf)
            .unwrap()
            .contains("SAVED_CH2_CLIENT_SECRET=")
    );

    let mut fixture = Fixture::new();
    let conf = fixture.acme_calls("");
    fixture
        .bench
        .set_secret("CH2_CLIENT_SECRET", "canary-refused-0001");
    fixture.deploy().code(3);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "");
}

#[test]
fn a_ready_token_is_used_but_never_saved() {
    let mut fixture = Fixture::new();
    fixture.deploy().code(0);
    let token = fixture.bench.bearer();
    fixture
        .bench
        .unset("CH2_CLIENT_ID")
        .unset("CH2_CLIENT_SECRET")
        .set_secret("ANYPOINT_BEARER", token.clone());
    let conf = fixture.acme_calls("");
    fixture.deploy().code(0);
    let saved = fs::read_to_string(&conf).unwrap();
    assert!(
        !saved.contains(&token) && !saved.contains("BEARER"),
        "{saved}"
    );
    assert!(saved.contains("SAVED_CH2_PRIVATE_SPACE_ID='prod'"));
}

#[test]
fn a_conf_file_that_cannot_be_written_is_found_before_the_first_request() {
    let mut fixture = Fixture::new();
    fixture.acme_calls("");
    fixture
        .bench
        .set("DOMAIN_CONF", "/proc/nowhere/domain.conf");
    fixture
        .deploy()
        .code(2)
        .tells("/proc/nowhere/domain.conf cannot be written");
    assert_eq!(fixture.lines().len(), 0);
}

#[test]
fn a_plain_call_saves_nothing() {
    let mut fixture = Fixture::new();
    let conf = fixture.acme_calls("");
    fixture.bench.unset("ANYPOINT_HOOKS_VOICE");
    fixture.deploy().code(0);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "");
}
