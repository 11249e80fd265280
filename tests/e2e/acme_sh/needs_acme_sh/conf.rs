//! What acme.sh's own functions write is read, and what is saved is read by them.

use fixtures::AcmeSh;
use simulator::seed;

use crate::fixture::{CHALLENGE, CONTEXT, DOMAIN, Fixture, ODD_SECRETS, read, stock_values, ways};

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn a_secret_saved_by_cloudhub_v2_is_read_by_acme_sh_and_by_the_next_run() {
    let fixture = Fixture::new();
    fixture.put_certificate(DOMAIN);
    for secret in ODD_SECRETS {
        let id = fixture.app_with(secret);
        let done = fixture.deploy(&fixture.cloudhub_as(&id, secret), DOMAIN, &[]);
        done.code(0).never_shows(secret);
        for (name, value) in fixture.for_cloudhub(&id, secret) {
            assert_eq!(fixture.deploy_conf(DOMAIN, name), value);
        }

        fixture.sim.clear_log();
        fixture.deploy(&fixture.authority(), DOMAIN, &[]).code(0);
        let login = &fixture.sim.requests()[0];
        assert_eq!(login.json()["client_secret"], *secret);
    }
    assert_eq!(fixture.deployed(CONTEXT), Some(fixture.issued(DOMAIN)));
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn values_saved_by_acme_sh_for_the_original_shell_hook_are_taken_as_they_are() {
    let plain = [ODD_SECRETS[0], ODD_SECRETS[2], ODD_SECRETS[4]];
    let fixture = Fixture::new();
    for secret in plain {
        check_original_conf(&fixture, secret, "");
    }
    for secret in ODD_SECRETS {
        check_original_conf(&fixture, secret, "base64");
    }
}

fn check_original_conf(fixture: &Fixture, secret: &str, form: &str) {
    fixture.put_certificate(DOMAIN);
    let id = fixture.app_with(secret);
    for (key, value) in fixture.for_cloudhub(&id, secret) {
        fixture.in_domain(DOMAIN, &["_savedeployconf", key, &value, form]);
    }
    let before = read(&fixture.acme.domain_conf(DOMAIN));
    fixture.deploy(&fixture.authority(), DOMAIN, &[]).code(0);
    assert_eq!(
        fixture.deployed(CONTEXT),
        Some(fixture.issued(DOMAIN)),
        "{secret}"
    );
    let after = read(&fixture.acme.domain_conf(DOMAIN));
    assert_eq!(after, format!("{before}Le_DeployHook='cloudhub_v2,'\n"));
}

mod needs_bash {
    use super::*;

    #[test]
    #[ignore = "needs acme.sh and bash: run scripts/test.sh"]
    fn a_plain_backslash_saved_by_acme_sh_is_taken_as_it_is() {
        let fixture = Fixture::with(AcmeSh::install().under(&["bash"]));
        check_original_conf(&fixture, ODD_SECRETS[3], "");
    }
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn what_the_stock_hook_has_saved_works_for_dns_cf_without_any_environment_and_back() {
    for way in 0..3 {
        let fixture = Fixture::new();
        fixture.back_to_the_stock_hook();
        let environment = ways(&fixture)[way].clone();
        fixture.dns_hook(&environment, "add", "one").code(0);
        let saved = stock_values(&fixture);

        fixture.forward_to_the_program();
        let addresses = fixture.addresses();
        for (function, value) in [("rm", "one"), ("add", "two"), ("rm", "two")] {
            fixture.dns_hook(&addresses, function, value).code(0);
        }
        assert_eq!(fixture.challenges(), 0);
        assert_eq!(stock_values(&fixture), saved);

        fixture.back_to_the_stock_hook();
        fixture.dns_hook(&addresses, "add", "three").code(0);
        assert_eq!(fixture.sim.world().cloudflare.txt(CHALLENGE), ["three"]);
        fixture.dns_hook(&addresses, "rm", "three").code(0);
        assert_eq!(fixture.challenges(), 0);
        assert_eq!(stock_values(&fixture), saved);
    }
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn dns_cf_saves_what_the_stock_hook_would_have_saved() {
    for way in 0..3 {
        let [stock, own] = [true, false].map(|stock| {
            let fixture = Fixture::new();
            if stock {
                fixture.back_to_the_stock_hook();
            }
            let environment = ways(&fixture)[way].clone();
            fixture.dns_hook(&environment, "add", "one").code(0);
            stock_values(&fixture)
        });
        assert_eq!(own, stock);
    }
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn an_upgrade_of_acme_sh_leaves_the_hooks_in_place() {
    let fixture = Fixture::new();
    let shim = fixture.acme.home().join("dnsapi/dns_cf");
    let before = read(&shim);
    fixture.acme.upgrade().code(0);
    assert_eq!(read(&shim), before);
    let added = fixture.dns_hook(&fixture.token(), "add", "one");
    added.code(0).prints("created in zone acme.example");
}

#[test]
#[ignore = "needs acme.sh: run scripts/test.sh"]
fn a_token_in_acme_shs_base64_form_is_understood() {
    let fixture = Fixture::new();
    let save = ["_saveaccountconf_mutable", "CF_Token", seed::CF_TOKEN, "1"];
    fixture.acme.call(&[], save).code(0);
    let conf = read(&fixture.acme.account_conf());
    assert!(
        conf.contains("SAVED_CF_Token='__ACME_BASE64__START_"),
        "{conf}"
    );
    fixture.dns_hook(&fixture.addresses(), "add", "one").code(0);
    assert_eq!(fixture.sim.world().cloudflare.txt(CHALLENGE).len(), 1);
    assert_eq!(fixture.account_conf("CF_Token"), seed::CF_TOKEN);
}
