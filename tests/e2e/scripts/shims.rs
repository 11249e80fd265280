//! The shims, and the installer, under each shell that acme.sh runs in.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixture::{PROGRAMS, Place, Ran, SHIMS, lines, scripts, text};
use crate::systemd::Systemd;

/// How acme.sh calls a hook, cut to what a shim can notice: state in variables that are not exported, `_err`, and
/// a subshell that sources the file. `$1` is the shim, the rest the call.
const CALLER: &str = r#"
_err() { printf '%s\n' "$*" >&2; return 1; }
ACCOUNT_CONF_PATH='/etc/acme sh/account.conf'
LOG_LEVEL=
DEBUG=2
CF_Token='it'\''s a "token" with $HOME \n and `id`'
CH2_CLIENT_SECRET='__ACME_BASE64__START_c2VjcmV0__ACME_BASE64__END_'
FLEX_PASSWORD=p
BASIC_AUTH_PASSWORD=p
UNRELATED=not-for-children
shim=$1
shift
options_before=$-
options_after=
status=
set >"$RECORDS/set-before"
. "$shim" || exit 90
"$@"
status=$?
options_after=$-
set >"$RECORDS/set-after"
env >"$RECORDS/environment-after"
if [ "$options_before" != "$options_after" ]; then exit 91; fi
exit $status
"#;

struct Shims {
    place: Place,
    shell: Vec<&'static str>,
}

impl Shims {
    fn under(shell: &[&'static str]) -> Self {
        let place = Place::new();
        place.install(&[]).succeeds();
        fs::write(place.path("caller"), CALLER).unwrap();
        Self {
            place,
            shell: shell.to_vec(),
        }
    }

    fn call(&self, shim: &str, call: &[&str]) -> Ran {
        let mut command = Command::new(self.shell[0]);
        command
            .args(&self.shell[1..])
            .arg(self.place.path("caller"))
            .arg(self.place.home.join(shim))
            .args(call)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("RECORDS", self.place.path(""))
            .env("_SCRIPT_HOME", &self.place.home)
            .env("LE_WORKING_DIR", &self.place.home);
        Ran::of(&mut command)
    }

    fn recorded_arguments(&self) -> Vec<String> {
        lines(&self.place.bin().join("arguments"))
    }

    fn recorded_environment(&self) -> BTreeSet<String> {
        lines(&self.place.bin().join("environment"))
            .into_iter()
            .collect()
    }
}

/// The names of the variables in the output of `set`.
fn variable_names(file: &Path) -> BTreeSet<String> {
    lines(file)
        .iter()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.to_owned()))
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect()
}

fn a_shim_hands_over_arguments_as_they_are(shell: &[&'static str]) {
    let shims = Shims::under(shell);
    let name = "_acme-challenge.example.com";

    shims
        .call(
            "dnsapi/dns_cf",
            &["dns_cf_add", name, "-begins-with-a-dash"],
        )
        .succeeds();
    assert_eq!(
        shims.recorded_arguments(),
        ["add", "--", name, "-begins-with-a-dash"]
    );

    shims
        .call("dnsapi/dns_cf", &["dns_cf_rm", name, "--"])
        .succeeds();
    assert_eq!(shims.recorded_arguments(), ["rm", "--", name, "--"]);

    let files = [
        "*.example.com",
        "/a b/*.key",
        "/a b/*.cer",
        "/a b/ca.cer",
        "/a b/fullchain.cer",
        "",
    ];
    shims
        .call(
            "deploy/cloudhub_v2",
            &[&["cloudhub_v2_deploy"], &files[..]].concat(),
        )
        .succeeds();
    assert_eq!(
        shims.recorded_arguments(),
        [&["deploy", "--"], &files[..]].concat()
    );

    shims
        .call(
            "deploy/flex_renew",
            &[&["flex_renew_deploy"], &files[..]].concat(),
        )
        .succeeds();
    assert_eq!(shims.recorded_arguments(), ["run"]);

    shims
        .call(
            "deploy/basic_auth_policy",
            &[&["basic_auth_policy_deploy"], &files[..]].concat(),
        )
        .succeeds();
    assert_eq!(shims.recorded_arguments(), ["apply"]);
}

fn a_shim_hands_over_shell_variables_of_acme_sh(shell: &[&'static str]) {
    let shims = Shims::under(shell);

    shims
        .call("dnsapi/dns_cf", &["dns_cf_add", "a.example.com", "v"])
        .succeeds();
    let seen = shims.recorded_environment();
    for line in [
        "ANYPOINT_HOOKS_VOICE=acme",
        "ACCOUNT_CONF_PATH=/etc/acme sh/account.conf",
        "DEBUG=2",
        "LOG_LEVEL=",
        r#"CF_Token=it's a "token" with $HOME \n and `id`"#,
    ] {
        assert!(seen.contains(line), "{line} is not in {seen:?}");
    }
    for name in [
        "CF_Key",
        "LOG_FILE",
        "HTTPS_INSECURE",
        "UNRELATED",
        "CH2_CLIENT_SECRET",
    ] {
        assert!(
            !seen
                .iter()
                .any(|line| line.starts_with(&format!("{name}="))),
            "{name} is in {seen:?}"
        );
    }

    shims
        .call("deploy/cloudhub_v2", &["cloudhub_v2_deploy", "example.com"])
        .succeeds();
    let seen = shims.recorded_environment();
    assert!(
        seen.contains("CH2_CLIENT_SECRET=__ACME_BASE64__START_c2VjcmV0__ACME_BASE64__END_"),
        "{seen:?}"
    );
    assert!(
        !seen.iter().any(|line| line.starts_with("CF_Token=")),
        "{seen:?}"
    );
}

fn a_shim_leaves_nothing_in_acme_sh(shell: &[&'static str]) {
    let shims = Shims::under(shell);
    for shim in SHIMS {
        let name = Path::new(shim).file_name().unwrap().to_str().unwrap();
        let function = if name == "dns_cf" {
            "dns_cf_rm".to_owned()
        } else {
            format!("{name}_deploy")
        };
        // Status 91 would mean changed shell options.
        shims
            .call(shim, &[&function, "example.com", "v"])
            .succeeds();

        let exported = lines(&shims.place.path("environment-after"));
        for leaked in [
            "ANYPOINT_HOOKS_VOICE=",
            "CF_Token=",
            "FLEX_PASSWORD=",
            "ACCOUNT_CONF_PATH=",
        ] {
            assert!(
                !exported.iter().any(|line| line.starts_with(leaked)),
                "{shim}: {leaked} in {exported:?}"
            );
        }
        let before = variable_names(&shims.place.path("set-before"));
        let after = variable_names(&shims.place.path("set-after"));
        assert!(before.contains("UNRELATED"), "{before:?}");
        let new: Vec<_> = after
            .difference(&before)
            .filter(|name| !["_", "dns_cf_info"].contains(&name.as_str()))
            .collect();
        assert!(new.is_empty(), "{shim}: {new:?}");
    }
}

fn the_installer_works(shell: &[&'static str]) {
    let place = Place::with_home_named("it's-acme");
    let table = place.with_crontab("0 0 * * * true\n");
    let before = place.snapshot();
    place.install_under(shell, &["--cron"]).succeeds();
    assert_ne!(place.snapshot(), before);
    assert_eq!(lines(&table).len(), 2);
    place.install_under(shell, &["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
    assert_eq!(lines(&table), ["0 0 * * * true"]);
    place
        .install_under(shell, &["--frob"])
        .refused_with("unknown option");
}

fn the_installer_makes_units(shell: &[&'static str]) {
    let systemd = Systemd::of_user(0);
    let install = |arguments: &[&str]| systemd.place.install_under(shell, arguments);
    install(&["--systemd", "--flex"]).succeeds();
    assert_eq!(systemd.files().len(), 4);
    let ran = install(&["--systemd", "--flex"]).succeeds();
    assert!(!ran.stdout.contains("systemd: "), "{ran:?}");
    install(&["--uninstall"]).succeeds();
    assert!(systemd.files().is_empty());
}

fn a_shim_fails_as_its_executable_does(shell: &[&'static str]) {
    let shims = Shims::under(shell);
    fs::write(shims.place.bin().join("code"), "3").unwrap();
    assert_eq!(
        shims
            .call("dnsapi/dns_cf", &["dns_cf_add", "a.example.com", "v"])
            .code,
        Some(3)
    );
    assert_eq!(
        shims
            .call(
                "deploy/cloudhub_v2",
                &["cloudhub_v2_deploy", "a.example.com"]
            )
            .code,
        Some(3)
    );
}

fn a_shim_without_executable_says_what_to_do(shell: &[&'static str]) {
    let shims = Shims::under(shell);
    fs::remove_dir_all(shims.place.bin()).unwrap();
    for (shim, function) in [
        ("dnsapi/dns_cf", "dns_cf_add"),
        ("deploy/flex_renew", "flex_renew_deploy"),
    ] {
        let ran = shims.call(shim, &[function, "a.example.com", "v"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.stderr
                .contains("executable not found. Run scripts/install.sh"),
            "{ran:?}"
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

macro_rules! under_shell {
    ($module:ident, $needed:literal, $($shell:literal),+) => {
        mod $module {
            under_shell!(@test $needed, [$($shell),+],
                a_shim_hands_over_arguments_as_they_are,
                a_shim_hands_over_shell_variables_of_acme_sh,
                a_shim_leaves_nothing_in_acme_sh,
                the_installer_works,
                the_installer_makes_units,
                a_shim_fails_as_its_executable_does,
                a_shim_without_executable_says_what_to_do);
        }
    };
    (@test $needed:literal, $shell:tt, $($rule:ident),+) => {
        $(
            #[test]
            #[ignore = concat!("needs ", $needed, "; with it: cargo test -p tests --test e2e_scripts -- --ignored ", $needed)]
            fn $rule() {
                super::$rule(&$shell);
            }
        )+
    };
}

under_shell!(needs_dash, "dash", "dash");
under_shell!(needs_bash, "bash", "bash");
under_shell!(needs_busybox, "busybox", "busybox", "ash");
under_shell!(needs_mksh, "mksh", "mksh");
under_shell!(needs_ksh93, "ksh93", "ksh93");
under_shell!(needs_yash, "yash", "yash");
under_shell!(needs_zsh, "zsh", "zsh", "--emulate", "sh");

mod sh {
    #[test]
    fn a_shim_hands_over_arguments_as_they_are() {
        super::a_shim_hands_over_arguments_as_they_are(&["sh"]);
    }

    #[test]
    fn a_shim_hands_over_shell_variables_of_acme_sh() {
        super::a_shim_hands_over_shell_variables_of_acme_sh(&["sh"]);
    }

    #[test]
    fn a_shim_leaves_nothing_in_acme_sh() {
        super::a_shim_leaves_nothing_in_acme_sh(&["sh"]);
    }
}

#[test]
fn a_shim_finds_its_executable_on_path_when_no_place_was_written_down() {
    let shims = Shims::under(&["sh"]);
    fs::remove_file(shims.place.home.join("dnsapi/dns_cf.path")).unwrap();
    let mut command = Command::new("sh");
    command
        .arg(shims.place.path("caller"))
        .arg(shims.place.home.join("dnsapi/dns_cf"))
        .args(["dns_cf_add", "a.example.com", "v"])
        .env(
            "PATH",
            format!(
                "{}:{}",
                text(&shims.place.bin()),
                std::env::var("PATH").unwrap()
            ),
        )
        .env("RECORDS", shims.place.path(""))
        .env("_SCRIPT_HOME", &shims.place.home)
        .env("LE_WORKING_DIR", &shims.place.home);
    Ran::of(&mut command).succeeds();
    assert_eq!(
        shims.recorded_arguments(),
        ["add", "--", "a.example.com", "v"]
    );
}

#[test]
fn a_shim_in_the_home_of_a_packaged_acme_sh_finds_its_executable() {
    let shims = Shims::under(&["sh"]);
    let mut command = Command::new("sh");
    command
        .arg(shims.place.path("caller"))
        .arg(shims.place.home.join("deploy/cloudhub_v2"))
        .args(["cloudhub_v2_deploy", "example.com"])
        .env("RECORDS", shims.place.path(""))
        .env("_SCRIPT_HOME", "/usr/share/acme.sh")
        .env("LE_WORKING_DIR", &shims.place.home);
    Ran::of(&mut command).succeeds();
    assert_eq!(shims.recorded_arguments(), ["deploy", "--", "example.com"]);
}

#[test]
fn the_shims_differ_in_names_and_variables_only() {
    let bodies: BTreeSet<String> = PROGRAMS
        .into_iter()
        .zip(SHIMS)
        .map(|(program, shim)| {
            let content = fs::read_to_string(scripts().join(shim)).unwrap();
            let (category, name) = shim.split_once('/').unwrap();
            let (_, body) = content.split_once("# A subshell").unwrap();
            let (head, rest) = body.split_once("# settings: begin").unwrap();
            let (_, tail) = rest.split_once("# settings: end").unwrap();
            format!("{head}{tail}")
                .replace(program, "P")
                .replace(name, "P")
                .replace(category, "C")
        })
        .collect();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
}
