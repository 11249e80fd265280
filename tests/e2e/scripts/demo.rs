//! `scripts/demo.sh`.

use std::fs;
use std::process::Command;

use crate::fixture::{Place, Ran, bare_machine, scripts};

fn demonstrate_on(place: &Place, arguments: &[&str]) -> Ran {
    Ran::of(
        Command::new("/bin/sh")
            .arg(scripts().join("demo.sh"))
            .args(arguments)
            .env_clear()
            .env("PATH", place.path("tools"))
            .env("HOME", place.path("user")),
    )
}

#[test]
fn the_demonstration_installs_what_it_lacks_where_it_may() {
    let place = bare_machine("0");
    let ran = demonstrate_on(&place, &[]);
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert!(ran.stderr.contains("building"), "{ran:?}");
    let asked = fs::read_to_string(place.path("asked")).unwrap();
    assert!(
        asked.contains("install -y --no-install-recommends gcc libc6-dev openssl pebble curl git"),
        "{asked}"
    );
}

#[test]
fn the_demonstration_names_what_it_lacks_where_it_may_not_install() {
    let missing = "missing for the demonstration: cc openssl. To go on: apt-get install gcc libc6-dev openssl";
    let place = bare_machine("1000");
    demonstrate_on(&place, &["--direct"]).ends_with(1, missing);
    let place = bare_machine("0");
    demonstrate_on(&place, &["--no-install", "--direct"]).ends_with(1, missing);
    assert!(!place.path("asked").exists());

    fs::remove_file(place.path("tools/dpkg")).unwrap();
    demonstrate_on(&place, &[]).ends_with(1, "install it with the package manager of this system");
}

/// The README's first command. It builds with the caller's own cargo and target folder.
fn demonstrate(arguments: &[&str]) -> Ran {
    let mut command = Command::new(scripts().join("demo.sh"));
    command.arg("--no-install").args(arguments);
    for (name, _) in std::env::vars_os() {
        // What cargo sets for this test would make build scripts run again.
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    Ran::of(&mut command).succeeds()
}

mod needs_openssl {
    #[test]
    #[ignore = "needs openssl; with it: cargo test -p tests --test e2e_scripts -- --ignored needs_openssl"]
    fn the_demonstration_works_without_acme_sh_and_says_so() {
        let ran = super::demonstrate(&["--direct"]);
        assert!(ran.stdout.contains("WITHOUT acme.sh"), "{ran:?}");
        assert!(ran.stdout.contains("TLS context x-acme-example"), "{ran:?}");
    }
}

mod needs_acme_sh {
    mod needs_pebble {
        #[test]
        #[ignore = "needs acme.sh and pebble; with them: cargo test -p tests --test e2e_scripts -- --ignored needs_pebble"]
        fn the_demonstration_goes_the_whole_road_and_renews() {
            let ran = super::super::demonstrate(&[]);
            assert!(!ran.stdout.contains("WITHOUT acme.sh"), "{ran:?}");
            let told = [
                "== 1/10 ",
                "TLS context x-acme-example",
                "orders is exposed at https://orders.acme.example",
                "== 10/10 done in ",
                "    401\n",
                "    200\n",
                "--cron --force: a renewal",
            ];
            let mut rest = ran.stdout.as_str();
            for text in told {
                let Some((_, after)) = rest.split_once(text) else {
                    panic!("{text:?} does not come after the others: {ran:?}");
                };
                rest = after;
            }
        }
    }
}
