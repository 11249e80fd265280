//! What the programs are handed: the settings of this call, and of the secrets their own alone.

use crate::estate::{Estate, PROGRAMS, text};

#[test]
fn each_program_gets_its_own_secrets_and_no_other() {
    let mut estate = Estate::new();
    let secrets: [(&str, &[&str]); 8] = [
        ("CF_Key", &["dns_cf"]),
        ("CF_Token", &["dns_cf"]),
        ("CH2_CLIENT_SECRET", &["cloudhub_v2"]),
        ("CH2_KEY_PASSPHRASE", &["cloudhub_v2"]),
        ("FLEX_CLIENT_SECRET", &["flex-renew"]),
        ("FLEX_PASSWORD", &["flex-renew"]),
        ("BASIC_AUTH_PASSWORD", &["basic-auth-policy"]),
        (
            "ANYPOINT_CLIENT_SECRET",
            &["cloudhub_v2", "flex-renew", "basic-auth-policy"],
        ),
    ];
    for (name, _) in secrets {
        estate.bench.set_secret(name, format!("canary-of-{name}"));
    }
    // Variables that the configuration file names.
    let named: [(&str, &[&str]); 4] = [
        ("OF_A_TARGET", &["cloudhub_v2"]),
        ("OF_A_GATEWAY", &["flex-renew"]),
        ("OF_AN_API", &["basic-auth-policy"]),
        ("OF_CLOUDFLARE", &["dns_cf"]),
    ];
    for (name, _) in named {
        estate.bench.set_secret(name, format!("canary-of-{name}"));
    }
    estate
        .bench
        .set_secret("SAVED_CF_Token", "canary-of-acme-sh");
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        "[dns_cf]\ntoken_env = \"OF_CLOUDFLARE\"\n\
         [[cloudhub_v2.target]]\nprivate_space = \"p\"\nclient_id = \"c\"\nclient_secret_env = \"OF_A_TARGET\"\n\
         [[flex.gateway]]\nname = \"g\"\nclient_secret_env = \"OF_A_GATEWAY\"\n\
         [[basic_auth_policy.api]]\napi_instance = \"1\"\npassword_env = \"OF_AN_API\"\n\
         [estate]\nnotify_cmd = \"env >bin/notify.env; cat >/dev/null\"\n",
    );
    estate.finds(
        "dns_cf",
        &[crate::estate::wrong("zone", "acme.example", "missing")],
    );
    estate.run(["run", "-v", "-v"]).code(10);

    for program in PROGRAMS {
        let environment = estate.environment(program);
        for (name, owners) in secrets.iter().chain(&named) {
            let line = format!("{name}=canary-of-{name}");
            assert_eq!(
                environment.lines().any(|found| found == line),
                owners.contains(&program),
                "{program}: {name}"
            );
        }
        assert!(!environment.contains("canary-of-acme-sh"), "{program}");
    }
    assert!(!estate.environment("notify").contains("canary"));
    assert!(!estate.calls().join("\n").contains("canary"));
    let state = std::fs::read_to_string(estate.state_file()).unwrap();
    assert!(!state.contains("canary"), "{state}");
}

#[test]
fn what_this_call_is_given_of_the_settings_of_all_is_handed_on() {
    let estate = Estate::new();
    let config = estate.bench.write("hooks.toml", "");
    let config = text(&config);
    estate
        .run([
            "check",
            "--config",
            config,
            "--home",
            ".acme.sh",
            "--insecure",
            "--deadline",
            "7s",
        ])
        .code(0);
    let expected =
        format!("--config {config} --home .acme.sh --insecure --deadline 7s --quiet --output=json");
    for (call, words) in estate.calls().iter().zip([
        "basic-auth-policy check --all",
        "cloudhub_v2 check --served",
        "dns_cf check",
        "flex-renew check --replicas",
    ]) {
        assert_eq!(*call, format!("{words} {expected}"));
    }
    estate
        .run(["check", "--only", "dns_cf", "-v", "-v"])
        .code(0);
    let home = estate.bench.home().join(".acme.sh");
    assert_eq!(
        estate.calls(),
        [format!(
            "dns_cf check --home {} --verbose --verbose --output=json",
            text(&home)
        )]
    );
}

/// A secret that has expired is to be told at once, not when a registration is due months later.
#[test]
fn the_credentials_for_flexctl_are_looked_at_where_every_gateway_has_some() {
    let mut estate = Estate::new();
    let checked = |estate: &Estate, config: &str| {
        estate
            .bench
            .write(".config/anypoint-hooks/config.toml", config);
        estate.run(["check", "--only", "flex-renew"]).code(0);
        let calls = estate.calls();
        let [call] = &calls[..] else {
            panic!("{calls:?}")
        };
        assert!(call.contains("--replicas"), "{call}");
        call.contains("--credentials")
    };
    let own = "[[flex.gateway]]\nname = \"a\"\nclient_id = \"app\"\n";
    let of_user = "[[flex.gateway]]\nname = \"b\"\nusername = \"me\"\n";
    let without = "[[flex.gateway]]\nname = \"c\"\n";
    assert!(!checked(&estate, ""));
    assert!(!checked(&estate, without));
    assert!(checked(&estate, &format!("{own}{of_user}")));
    assert!(!checked(&estate, &format!("{own}{without}")));
    let of_all = format!("[flex]\nclient_id = \"app\"\n{own}{without}");
    assert!(checked(&estate, &of_all));
    estate.bench.set("FLEX_USERNAME", "me");
    assert!(checked(&estate, without));
    estate.bench.unset("ANYPOINT_ENV");
    estate.run(["check", "--only", "flex-renew"]).code(0);
    assert!(estate.calls()[0].starts_with("flex-renew check --credentials --"));
}

#[test]
fn what_a_program_tells_is_passed_on_as_it_is_and_does_nothing_to_a_terminal() {
    let estate = Estate::new();
    estate.tells(
        "dns_cf",
        "check",
        "dns_cf: warning: look at \u{1b}[2Jthis\n",
    );
    let finished = estate.run(["check"]);
    finished
        .code(0)
        .tells("dns_cf: warning: look at \\u{1b}[2Jthis\n");
    estate.tells(
        "dns_cf",
        "check",
        "dns_cf: warning: https://user:pass-canary@acme.example/\n",
    );
    estate.run(["check"]).code(0).never_shows("pass-canary");
}

#[test]
fn what_cannot_be_asked_from_here_is_not_asked() {
    let mut estate = Estate::new();
    estate.bench.unset("ANYPOINT_ENV");
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        "[estate]\nserved = false\n",
    );
    estate
        .run(["check", "--only", "cloudhub_v2,flex-renew"])
        .code(0);
    let calls = estate.calls();
    assert!(
        calls[0].starts_with("cloudhub_v2 check --home"),
        "{calls:?}"
    );
    assert!(calls[1].starts_with("flex-renew check --home"), "{calls:?}");
}

#[test]
fn a_program_that_changes_something_tells_as_much_as_this_one_is_to_tell() {
    let estate = Estate::new();
    for (flags, expected) in [
        (&[][..], ""),
        (&["-q"], " --quiet"),
        (&["-v"], " --verbose"),
    ] {
        estate
            .run([&["run", "--only", "flex-renew"], flags].concat())
            .code(0);
        let home = estate.bench.home().join(".acme.sh");
        let step = format!("flex-renew run --home {}{expected}", text(&home));
        assert!(estate.calls().contains(&step), "{step}");
    }
}
