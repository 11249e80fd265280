//! What is saved in the conf files of acme.sh, and read back.

use std::fs::{self, File};
use std::thread;

use crate::fixture::{
    NAME, ZONE, add, as_hook, bench, dns_cf, domain_conf, lines, read, records_in, rm, txt, zone_id,
};

#[test]
fn a_token_is_saved_in_the_account_conf_as_the_stock_hook_saves_it() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    bench.set_secret("CF_Token", &token);
    let conf = as_hook(&mut bench);
    fs::write(&conf, "UPGRADE_HASH='0'\nCF_Token='old'\n").unwrap();
    add(&bench, NAME, "v").code(0);
    let api = bench.sim.cloudflare_url();
    assert_eq!(
        read(&conf),
        format!("UPGRADE_HASH='0'\nSAVED_CF_Token='{token}'\nSAVED_CF_Api='{api}'\n")
    );
    assert!(!domain_conf(&conf).exists());
    // A renewal has nothing but what was saved.
    bench.unset("CF_Token").unset("CF_Api");
    rm(&bench, NAME, "v").code(0);
    add(&bench, NAME, "w").code(0);
    assert_eq!(txt(&bench, NAME), ["w"]);
}

#[test]
fn with_a_zone_id_everything_is_saved_plainly_in_the_domain_conf() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let (id, account) = {
        let world = bench.sim.world();
        let zone = world.cloudflare.zone(ZONE).unwrap();
        (zone.id.clone(), zone.account.id.clone())
    };
    bench.set_secret("CF_Token", &token);
    let conf = as_hook(&mut bench);
    bench.set("CF_Zone_ID", &id).set("CF_Account_ID", &account);
    fs::write(domain_conf(&conf), "Le_Domain='acme.example'\n").unwrap();
    add(&bench, NAME, "v").code(0);
    assert_eq!(
        read(&domain_conf(&conf)),
        format!(
            "Le_Domain='acme.example'\nCF_Token='{token}'\nCF_Account_ID='{account}'\nCF_Zone_ID='{id}'\n"
        )
    );
    assert!(!read(&conf).contains(&token));
}

#[test]
fn a_key_is_saved_with_its_address_and_the_tokens_values_go() {
    let mut bench = bench();
    let key = bench.sim.world().cloudflare.add_key("admin@acme.example");
    let conf = as_hook(&mut bench);
    fs::write(
        &conf,
        "SAVED_CF_Token='old'\nSAVED_CF_Account_ID=''\nSAVED_CF_Zone_ID=''\nCF_Token='old'\n",
    )
    .unwrap();
    bench
        .unset("CF_Token")
        .set("CF_Email", "admin@acme.example")
        .set_secret("CF_Key", &key);
    // The key is in the environment, which comes before anything saved.
    add(&bench, NAME, "v").code(0);
    let text = read(&conf);
    let saved = format!("SAVED_CF_Key='{key}'\nSAVED_CF_Email='admin@acme.example'\n");
    assert!(text.contains(&saved), "{text}");
    assert!(!text.contains("Token"), "{text}");
    bench.unset("CF_Key").unset("CF_Email");
    rm(&bench, NAME, "v").code(0);
}

#[test]
fn a_token_beats_key_and_address_of_the_same_source() {
    let mut bench = bench();
    bench
        .set("CF_Email", "admin@acme.example")
        .set_secret("CF_Key", "0123456789abcdef0123456789abcdef01234");
    add(&bench, NAME, "v").code(0);
    assert!(
        bench
            .sim
            .requests()
            .iter()
            .all(|entry| entry.header("x-auth-key").is_none())
    );
}

#[test]
fn half_of_a_pair_does_not_hide_a_saved_token() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, NAME, "v").code(0);
    bench
        .unset("CF_Token")
        .set_secret("CF_Key", "0123456789abcdef0123456789abcdef01234");
    rm(&bench, NAME, "v").code(0);
    assert!(read(&conf).contains("SAVED_CF_Token="));
}

#[test]
fn a_plain_call_uses_what_acme_sh_saved_for_the_certificate() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let id = zone_id(&bench, ZONE);
    let conf = format!("CF_Token='{token}'\nCF_Account_ID=''\nCF_Zone_ID='{id}'\n");
    bench.write("acme/*.acme.example_ecc/*.acme.example.conf", conf);
    bench.unset("CF_Token").never_shown(&token);
    dns_cf(&bench, &["check", ZONE]).code(2);
    dns_cf(&bench, &["check", ZONE, "--home", "acme"])
        .code(0)
        .prints("CF_Token (saved in");
    dns_cf(&bench, &["add", NAME, "v", "--home", "acme"]).code(0);
    assert!(
        lines(&bench)
            .iter()
            .all(|line| !line.starts_with("GET zones?")),
        "{:?}",
        lines(&bench)
    );
}

#[test]
fn refused_credentials_do_not_replace_good_ones() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    fs::write(&conf, "SAVED_CF_Token='good'\n").unwrap();
    bench.set_secret("CF_Token", "canarytoken_canarytoken_canarytoken_ca03");
    add(&bench, NAME, "v").code(3);
    assert_eq!(read(&conf), "SAVED_CF_Token='good'\n");
}

#[test]
fn accepted_credentials_are_saved_even_if_the_rest_fails() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, "_acme-challenge.other.example", "v").code(4);
    assert!(read(&conf).contains("SAVED_CF_Token="));
}

#[test]
fn of_a_secret_in_a_file_the_path_is_saved_and_never_the_value() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let conf = as_hook(&mut bench);
    bench.write("my token", format!("{token}\n"));
    bench
        .unset("CF_Token")
        .never_shown(&token)
        .set("CF_Token_FILE", "my token");
    add(&bench, NAME, "v").code(0);
    let text = read(&conf);
    assert!(
        !text.contains(&token) && text.contains("SAVED_CF_Token_FILE="),
        "{text}"
    );
    bench.unset("CF_Token_FILE");
    rm(&bench, NAME, "v").code(0);
    assert_eq!(records_in(&bench, ZONE), 0);
}

#[test]
fn a_conf_file_that_cannot_be_written_is_found_before_the_first_request() {
    let mut bench = bench();
    as_hook(&mut bench);
    bench.set("ACCOUNT_CONF_PATH", "/nowhere/account.conf");
    add(&bench, NAME, "v")
        .code(2)
        .tells("/nowhere/account.conf cannot be written");
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn what_is_saved_already_is_not_written_again() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, NAME, "v").code(0);
    let before = fs::metadata(&conf).unwrap().modified().unwrap();
    add(&bench, NAME, "w").code(0);
    bench.unset("CF_Token");
    add(&bench, NAME, "x").code(0);
    assert_eq!(fs::metadata(&conf).unwrap().modified().unwrap(), before);
}

#[test]
fn runs_side_by_side_leave_a_whole_conf_file() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    fs::write(&conf, "UPGRADE_HASH='0'\n").unwrap();
    let bench = &bench;
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                add(bench, NAME, &format!("v{number}"))
                    .code(0)
                    .never_shows("error");
            });
        }
    });
    let text = read(&conf);
    assert!(
        text.starts_with("UPGRADE_HASH='0'\nSAVED_CF_Token='"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3, "{text}");
    assert_eq!(fs::read_dir(conf.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn values_of_the_configuration_file_stay_there() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let conf = as_hook(&mut bench);
    bench.write("token", &token);
    let toml = bench.write(
        "hooks.toml",
        "[dns_cf]\ntoken_file = \"token\"\nttl = 600\n",
    );
    bench
        .unset("CF_Token")
        .set("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap());
    add(&bench, NAME, "v").code(0);
    assert_eq!(
        bench.sim.world().cloudflare.zone(ZONE).unwrap().records[0].ttl,
        600
    );
    assert!(!read(&conf).contains("CF_Token"), "{}", read(&conf));
}

#[test]
fn a_new_token_for_a_certificate_with_its_own_goes_into_its_own_conf() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let conf = as_hook(&mut bench);
    let account = "SAVED_CF_Token='canary-of-the-account'\n";
    fs::write(&conf, account).unwrap();
    fs::write(domain_conf(&conf), "SAVED_CF_Token='canary-old'\n").unwrap();
    bench.set_secret("CF_Token", &token).set("CF_TTL", "600");
    add(&bench, NAME, "v").code(0);
    assert_eq!(read(&conf), account);
    let api = bench.sim.cloudflare_url();
    assert_eq!(
        read(&domain_conf(&conf)),
        format!("CF_Token='{token}'\nCF_Api='{api}'\nCF_TTL='600'\n")
    );
}

#[test]
fn a_key_replaces_the_token_in_a_certificates_own_conf_and_no_other() {
    let mut bench = bench();
    let key = bench.sim.world().cloudflare.add_key("admin@acme.example");
    let conf = as_hook(&mut bench);
    let account = "SAVED_CF_Token='canary-of-the-account'\n";
    fs::write(&conf, account).unwrap();
    fs::write(domain_conf(&conf), "SAVED_CF_Token='canary-old'\n").unwrap();
    bench
        .unset("CF_Token")
        .set("CF_Email", "admin@acme.example")
        .set_secret("CF_Key", &key);
    add(&bench, NAME, "v").code(0);
    assert_eq!(read(&conf), account);
    let api = bench.sim.cloudflare_url();
    assert_eq!(
        read(&domain_conf(&conf)),
        format!("CF_Key='{key}'\nCF_Email='admin@acme.example'\nCF_Api='{api}'\n")
    );
    bench.unset("CF_Key").unset("CF_Email").unset("CF_Api");
    rm(&bench, NAME, "v").code(0);
}

#[test]
fn a_zone_id_with_a_key_is_kept_for_its_certificate_alone() {
    let mut bench = bench();
    let key = bench.sim.world().cloudflare.add_key("admin@acme.example");
    let id = zone_id(&bench, ZONE);
    let conf = as_hook(&mut bench);
    bench
        .unset("CF_Token")
        .set("CF_Email", "admin@acme.example")
        .set_secret("CF_Key", &key)
        .set("CF_Zone_ID", &id);
    add(&bench, NAME, "v").code(0);
    assert_eq!(read(&domain_conf(&conf)), format!("CF_Zone_ID='{id}'\n"));
    let text = read(&conf);
    assert!(
        text.contains(&format!("SAVED_CF_Key='{key}'")) && !text.contains(&id),
        "{text}"
    );
}

#[test]
fn the_name_of_the_configuration_file_is_saved_and_found_again() {
    let mut bench = bench();
    let token = bench.sim.world().cloudflare.add_token();
    let conf = as_hook(&mut bench);
    bench.write("token", &token);
    let toml = bench.write("hooks.toml", "[dns_cf]\ntoken_file = \"token\"\n");
    let toml = toml.to_str().unwrap();
    bench
        .unset("CF_Token")
        .never_shown(&token)
        .set("ANYPOINT_HOOKS_CONFIG", toml);
    add(&bench, NAME, "v").code(0);
    let line = format!("SAVED_ANYPOINT_HOOKS_CONFIG='{toml}'\n");
    assert!(read(&conf).contains(&line), "{}", read(&conf));
    assert!(!domain_conf(&conf).exists());
    bench.unset("ANYPOINT_HOOKS_CONFIG").unset("CF_Api");
    rm(&bench, NAME, "v").code(0);
}

#[test]
fn that_servers_are_not_verified_holds_for_a_plain_call_too() {
    let mut bench = bench();
    bench.unset("CA_BUNDLE");
    bench.write("acme/account.conf", "USER_AGENT='x'\n");
    let add = ["add", NAME, "v", "--home", "acme"];
    dns_cf(&bench, &add).code(6).tells("certificate");
    bench.write("acme/account.conf", "HTTPS_INSECURE='1'\n");
    dns_cf(&bench, &add).code(0).tells("HTTPS_INSECURE");
}

#[test]
fn a_plain_call_saves_nothing() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    bench.unset("ANYPOINT_HOOKS_VOICE");
    add(&bench, NAME, "v").code(0);
    assert!(!conf.exists());
}

#[test]
fn what_killed_runs_have_left_is_removed_by_one_that_saves_nothing() {
    let mut bench = bench();
    let conf = as_hook(&mut bench);
    add(&bench, NAME, "v").code(0);
    let saved = read(&conf);
    let folder = conf.parent().unwrap();
    let (left, alive) = (
        folder.join(".anypoint-hooks-killed"),
        folder.join(".anypoint-hooks-alive"),
    );
    fs::write(&left, &saved).unwrap();
    let held = File::create(&alive).unwrap();
    held.lock().unwrap();
    add(&bench, NAME, "v").code(0);
    assert!(!left.exists() && alive.exists());
    drop(held);
    add(&bench, NAME, "v").code(0);
    assert!(!alive.exists());
    assert_eq!(read(&conf), saved);
}
