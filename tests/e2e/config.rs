//! The command `config` of every program: what is in force, and where it comes from.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use fixtures::Bench;
use serde_json::Value;

/// Each program that has a secret of its own.
const SECRETS: [(&str, &str); 4] = [
    ("dns_cf", "CF_Token"),
    ("cloudhub_v2", "CH2_CLIENT_SECRET"),
    ("flex-renew", "FLEX_CLIENT_SECRET"),
    ("basic-auth-policy", "BASIC_AUTH_PASSWORD"),
];

const PROGRAMS: [&str; 5] = [
    "dns_cf",
    "cloudhub_v2",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];

fn row<'a>(settings: &'a Value, name: &str) -> &'a Value {
    settings["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not listed"))
}

#[test]
fn a_secret_is_shown_as_a_mark_and_its_length() {
    for (program, secret) in SECRETS {
        let mut bench = Bench::demo();
        bench.set_secret(secret, "canary-of-config-91");
        bench
            .run(program, ["config"])
            .code(0)
            .prints("*** (19 characters)");
        let json = bench.run(program, ["config", "--output", "json"]);
        let row = row(&json.code(0).json(), secret).clone();
        assert_eq!(row["secret_length"], 19, "{program}");
        assert_eq!(
            row["origin"],
            format!("{secret} (environment)"),
            "{program}"
        );
        assert_eq!(row.get("value"), None, "{program}");
    }
}

#[test]
fn a_value_comes_with_its_origin() {
    for program in PROGRAMS {
        let mut bench = Bench::demo();
        let toml = bench.write(
            "hooks.toml",
            "[network]\nconnect_timeout = \"7s\"\nrequest_timeout = \"8s\"\n",
        );
        bench
            .set("ANYPOINT_HOOKS_CONFIG", toml.to_str().unwrap())
            .set("ANYPOINT_HOOKS_REQUEST_TIMEOUT", "9s")
            .unset("ANYPOINT_HOOKS_DEADLINE");
        bench.write(".acme.sh/account.conf", "HTTPS_INSECURE='1'\n");
        let args = [
            "config",
            "--deadline",
            "11s",
            "--home",
            ".acme.sh",
            "--output",
            "json",
        ];
        let shown = bench.run(program, args).code(0).json();
        let in_force = |name| {
            let row = row(&shown, name);
            (
                row["value"].as_str().map(str::to_owned),
                row["origin"].as_str().unwrap().to_owned(),
            )
        };
        let (value, origin) = in_force("ANYPOINT_HOOKS_CONNECT_TIMEOUT");
        assert_eq!(value.as_deref(), Some("7s"), "{program}");
        assert!(
            origin.starts_with("network.connect_timeout in "),
            "{origin}"
        );
        let (value, origin) = in_force("ANYPOINT_HOOKS_REQUEST_TIMEOUT");
        assert_eq!(value.as_deref(), Some("9s"), "{program}");
        assert_eq!(origin, "ANYPOINT_HOOKS_REQUEST_TIMEOUT (environment)");
        let (value, origin) = in_force("ANYPOINT_HOOKS_DEADLINE");
        assert_eq!(
            (value.as_deref(), origin.as_str()),
            (Some("11s"), "--deadline")
        );
        let (value, origin) = in_force("HTTPS_INSECURE");
        assert_eq!(value.as_deref(), Some("1"), "{program}");
        assert!(origin.starts_with("HTTPS_INSECURE (saved in "), "{origin}");
        let (value, origin) = in_force("CA_PATH");
        assert_eq!((value, origin.as_str()), (None, "not set"), "{program}");
    }
}

#[test]
fn only_what_somebody_has_set_is_shown_on_request() {
    for program in PROGRAMS {
        let mut bench = Bench::demo();
        bench.unset("ANYPOINT_HOOKS_DEADLINE");
        let shown = bench.run(program, ["config", "--set"]);
        shown.code(0).prints("CA_BUNDLE");
        assert!(!shown.stdout.contains("ANYPOINT_HOOKS_DEADLINE"), "{shown}");
        assert!(!shown.stdout.contains("not set"), "{shown}");
    }
}

#[test]
fn nothing_is_needed_to_see_what_is_missing() {
    for (program, secret) in SECRETS {
        let bench = Bench::demo();
        let shown = bench
            .run(program, ["config", "--output", "json"])
            .code(0)
            .json();
        assert_eq!(row(&shown, secret)["origin"], "not set", "{program}");
        assert!(bench.sim.requests().is_empty(), "{program}");
    }
}
