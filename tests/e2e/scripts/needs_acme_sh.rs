//! The installer beside the real acme.sh.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{Place, Ran, SHIMS, text};

fn acme_sh() -> PathBuf {
    std::env::var_os("ACME_SH").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".acme.sh/acme.sh"),
        PathBuf::from,
    )
}

/// acme.sh's own installation, which an upgrade repeats over an existing one.
fn install_acme_sh(place: &Place) {
    let source = acme_sh().canonicalize().unwrap();
    place
        .run(
            Command::new("sh")
                .current_dir(source.parent().unwrap())
                .args(["./acme.sh", "--install", "--home", text(&place.home)])
                .args(["--nocron", "--noprofile"]),
        )
        .succeeds();
}

fn found_by_acme_sh(place: &Place, category: &str, name: &str) -> String {
    let mut command = Command::new("sh");
    command
        .arg(place.home.join("acme.sh"))
        .args(["_findHook", "example.com", category, name])
        .env("LE_WORKING_DIR", &place.home)
        .env("_SCRIPT_HOME", &place.home);
    Ran::of(&mut command).succeeds().stdout
}

#[test]
#[ignore = "needs acme.sh; with it: ACME_SH=… cargo test -p tests --test e2e_scripts -- --ignored acme_sh"]
fn acme_sh_finds_the_shims_before_its_own_hooks_even_after_an_upgrade() {
    let place = Place::new();
    install_acme_sh(&place);
    let before = place.snapshot();
    place.install(&[]).succeeds();
    let installed = place.snapshot();

    install_acme_sh(&place);

    assert_eq!(place.snapshot(), installed);
    for shim in SHIMS {
        let (category, name) = shim.split_once('/').unwrap();
        assert_eq!(
            found_by_acme_sh(&place, category, name),
            text(&place.home.join(shim))
        );
    }
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
    assert_eq!(
        found_by_acme_sh(&place, "dnsapi", "dns_cf"),
        text(&place.home.join("dnsapi/dns_cf.sh"))
    );
}

#[test]
#[ignore = "needs acme.sh; with it: ACME_SH=… cargo test -p tests --test e2e_scripts -- --ignored acme_sh"]
fn the_config_home_that_acme_sh_was_installed_with_is_found() {
    let place = Place::new();
    let table = place.with_crontab("");
    let config = place.path("config");
    fs::create_dir(place.path("user")).unwrap();
    let source = acme_sh().canonicalize().unwrap();
    place
        .run(
            Command::new("sh")
                .current_dir(source.parent().unwrap())
                .args(["./acme.sh", "--install", "--home", text(&place.home)])
                .args(["--config-home", text(&config), "--nocron"]),
        )
        .succeeds();

    place.install(&["--cron"]).succeeds();

    let line = fs::read_to_string(&table).unwrap();
    assert!(
        line.contains(&format!(" --config-home '{}' ", text(&config))),
        "{line}"
    );
}
