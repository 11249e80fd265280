//! The shell side: the shims as acme.sh sources them, and the installer that places them.
//!
//! The executables are stand-ins that record how they were called; what the real ones do is tested elsewhere.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const PROGRAMS: [&str; 4] = ["dns_cf", "cloudhub_v2", "flex-renew", "basic-auth-policy"];
const SHIMS: [&str; 4] = [
    "dnsapi/dns_cf",
    "deploy/cloudhub_v2",
    "deploy/flex_renew",
    "deploy/basic_auth_policy",
];

/// Writes its arguments and its environment into its own folder, and ends with the code in `code` there.
const RECORDER: &str = r#"#!/bin/sh
# Reads ANYPOINT_HOOKS_VOICE, as the real ones do.
if [ "$1" = --version ]; then exit 0; fi
here=${0%/*}
for argument in "$@"; do printf '%s\n' "$argument"; done >"$here/arguments"
env >"$here/environment"
if [ -f "$here/code" ]; then exit "$(cat "$here/code")"; fi
"#;

/// A folder with an acme.sh home as acme.sh's own installation makes it, and the stand-ins.
struct Place {
    dir: TempDir,
    home: PathBuf,
}

impl Place {
    fn new() -> Self {
        Self::with_home_named("acme")
    }

    fn with_home_named(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let home = root.join(name);
        make_home(&home);
        let built = root.join("built");
        fs::create_dir(&built).unwrap();
        for program in PROGRAMS {
            write(&built.join(program), RECORDER, 0o755);
        }
        Self { dir, home }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(relative)
    }

    fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// `scripts/install.sh` for this home, with an environment of its own.
    fn install(&self, arguments: &[&str]) -> Ran {
        self.install_under(&["sh"], arguments)
    }

    fn install_under(&self, shell: &[&str], arguments: &[&str]) -> Ran {
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .arg(scripts().join("install.sh"))
            .args(["--home", text(&self.home)])
            .args(["--bin-dir", text(&self.bin())])
            .args(["--from", text(&self.path("built"))])
            .args(arguments);
        self.run(&mut command)
    }

    fn run(&self, command: &mut Command) -> Ran {
        let path = format!(
            "{}:{}",
            text(&self.path("tools")),
            std::env::var("PATH").unwrap()
        );
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("user"))
            // Some shells prefer a crontab of their own to one on PATH: the real table would be changed.
            .env("CRONTAB", self.path("tools/crontab"));
        Ran::of(command)
    }

    /// The installer run by a user who is not the superuser, who may write anywhere.
    fn install_as_somebody_else(&self, arguments: &[&str]) -> Ran {
        // From where that user can read it.
        let copy = self.path("scripts");
        let copied = Command::new("cp")
            .arg("-R")
            .arg(scripts())
            .arg(&copy)
            .status()
            .unwrap();
        assert!(copied.success());
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(if is_superuser() { "setpriv" } else { "env" });
        if is_superuser() {
            command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
            command.arg("--clear-groups");
        }
        command
            .arg("sh")
            .arg(copy.join("install.sh"))
            .args(["--home", text(&self.home), "--bin-dir", text(&self.bin())])
            .args(["--from", text(&self.path("built"))])
            .args(arguments);
        self.run(&mut command)
    }

    /// Every file of the home with its mode and content.
    fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.home.clone()];
        while let Some(folder) = folders.pop() {
            let mode = fs::metadata(&folder).unwrap().permissions().mode();
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let mode = fs::metadata(&path).unwrap().permissions().mode();
                    files.insert(path.clone(), (mode, fs::read(&path).unwrap()));
                }
            }
            files.insert(folder, (mode, Vec::new()));
        }
        files
    }

    /// The installer for another home, with the same folder for executables.
    fn install_into(&self, home: &Path, arguments: &[&str]) -> Ran {
        let home = ["--home", text(home)];
        self.install(&[&home[..], arguments].concat())
    }

    /// Makes a `crontab` program that keeps the table in a file, and returns that file.
    fn with_crontab(&self, content: &str) -> PathBuf {
        fs::create_dir_all(self.path("tools")).unwrap();
        let table = self.path("crontab");
        let program = format!(
            "#!/bin/sh\ncase $1 in\n-l) cat '{table}' 2>/dev/null || {{ echo no crontab for user >&2; exit 1; }} ;;\n\
             -) cat >'{table}.new' && mv '{table}.new' '{table}' ;;\nesac\n",
            table = text(&table)
        );
        write(&self.path("tools/crontab"), &program, 0o755);
        if !content.is_empty() {
            fs::write(&table, content).unwrap();
        }
        table
    }
}

/// What acme.sh's own installation makes, and a certificate that cloudhub_v2 deploys.
fn make_home(home: &Path) {
    for folder in ["dnsapi", "deploy", "notify", "example.com_ecc"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    write(&home.join("acme.sh"), "#!/usr/bin/env sh\n", 0o755);
    write(&home.join("account.conf"), "UPGRADE_HASH='0'\n", 0o600);
    write(&home.join("dnsapi/dns_cf.sh"), "# the stock hook\n", 0o755);
    write(&home.join("deploy/vault.sh"), "# another hook\n", 0o755);
    write(
        &home.join("example.com_ecc/example.com.conf"),
        "Le_Domain='example.com'\nLe_DeployHook='vault,cloudhub_v2,'\n",
        0o600,
    );
}

/// What a finished command left.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    #[track_caller]
    fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    fn refused_with(self, reason: &str) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.stderr.contains(reason), "{self:?}");
        self
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("scripts")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(path: &Path, content: &str, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A user id that owns nothing.
const NOBODY: u32 = 65534;

fn is_superuser() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

fn on_path(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&paths)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

// --- The shims, under each shell that acme.sh runs in ------------------------------------------------------------

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

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(String::from)
        .collect()
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
    let place = Place::with_home_named("it's acme");
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

/// The README's table of settings: who uses them, and their names.
fn documented_settings() -> Vec<(String, Vec<String>)> {
    let readme = fs::read_to_string(scripts().parent().unwrap().join("README.md")).unwrap();
    let (_, table) = readme.split_once("| used by | variables |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    table
        .lines()
        .skip(2)
        .map(|row| {
            let (user, variables) = row.trim_matches(['|', ' ']).split_once('|').unwrap();
            let names = variables.split('`').skip(1).step_by(2);
            let names = names
                .filter(|name| !name.contains([':', '/']))
                .map(String::from);
            (user.trim().replace('`', ""), names.collect())
        })
        .collect()
}

#[test]
fn a_shim_hands_over_every_documented_setting() {
    // Shared with other software, which sees them only if they are exported.
    let exported_by_the_user = ["SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"];
    let secrets = ["Token", "Key", "SECRET", "PASSWORD", "PASSPHRASE", "BEARER"];
    let settings = documented_settings();
    assert_eq!(settings.len(), 6, "{settings:?}");
    for (program, shim) in PROGRAMS.into_iter().zip(SHIMS) {
        let content = fs::read_to_string(scripts().join(shim)).unwrap();
        let handed_over: BTreeSet<&str> = content.split([' ', ';', '\n']).collect();
        for (user, names) in &settings {
            let used = match user.as_str() {
                "all Anypoint programs" => program != "dns_cf",
                "network, all" => true,
                user => user == program,
            };
            for name in names
                .iter()
                .filter(|name| used && !exported_by_the_user.contains(&name.as_str()))
            {
                assert!(handed_over.contains(name.as_str()), "{shim}: {name}");
                if secrets.iter().any(|kind| name.ends_with(kind)) {
                    let file = format!("{name}_FILE");
                    assert!(handed_over.contains(file.as_str()), "{shim}: {file}");
                }
            }
        }
    }
}

// --- The installer ------------------------------------------------------------------------------------------------

#[test]
fn uninstalling_leaves_the_home_byte_for_byte_as_it_was() {
    let place = Place::new();
    let before = place.snapshot();
    place.install(&[]).succeeds();
    for file in SHIMS {
        // Readable, never executable: a shim on PATH would be taken for the program of its name.
        assert_eq!(mode(&place.home.join(file)), 0o644, "{file}");
    }
    for program in PROGRAMS {
        assert_eq!(mode(&place.bin().join(program)), 0o755, "{program}");
    }

    place.install(&["--uninstall"]).succeeds();

    assert_eq!(place.snapshot(), before);
    assert_eq!(fs::read_dir(place.bin()).unwrap().count(), 0);
}

#[test]
fn a_folder_for_executables_inside_the_home_goes_with_them() {
    let place = Place::new();
    let before = place.snapshot();
    let bin = place.home.join("bin");
    place.install(&["--bin-dir", text(&bin)]).succeeds();
    // The place was written down: --bin-dir is not needed again.
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
}

#[test]
fn installing_again_changes_nothing() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let once = place.snapshot();
    place.install(&[]).succeeds();
    assert_eq!(place.snapshot(), once);
}

#[test]
fn installing_again_updates_shims_and_executables_of_ours() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let shim = place.home.join("dnsapi/dns_cf");
    let current = fs::read_to_string(&shim).unwrap();
    fs::write(
        &shim,
        "#!/usr/bin/env sh\n# Part of anypoint-acme-hooks: an older one\n",
    )
    .unwrap();
    fs::write(
        place.bin().join("dns_cf"),
        "#!/bin/sh\n# an older one, ANYPOINT_HOOKS_VOICE\n",
    )
    .unwrap();

    place.install(&[]).succeeds();

    assert_eq!(fs::read_to_string(&shim).unwrap(), current);
    assert_eq!(
        fs::read_to_string(place.bin().join("dns_cf")).unwrap(),
        RECORDER
    );
}

#[test]
fn only_the_named_programs_are_installed() {
    let place = Place::new();
    place.install(&["dns_cf"]).succeeds();
    assert!(place.home.join("dnsapi/dns_cf").is_file());
    assert!(!place.home.join("deploy/cloudhub_v2").exists());
    assert!(!place.bin().join("cloudhub_v2").exists());
}

#[test]
fn a_foreign_file_with_the_name_of_a_shim_is_neither_replaced_nor_deleted() {
    let place = Place::new();
    write(
        &place.home.join("deploy/cloudhub_v2"),
        "cloudhub_v2_deploy() { :; }\n",
        0o644,
    );
    let before = place.snapshot();

    place
        .install(&[])
        .refused_with("was not installed by this script: move it out of the way");
    assert_eq!(place.snapshot(), before);
    assert!(!place.bin().exists());

    let ran = place.install(&["--uninstall"]).succeeds();
    assert!(
        ran.stdout.contains("it was not installed by this script"),
        "{ran:?}"
    );
    assert_eq!(place.snapshot(), before);
}

#[test]
fn a_foreign_program_with_the_name_of_an_executable_is_neither_replaced_nor_deleted() {
    let place = Place::new();
    fs::create_dir(place.bin()).unwrap();
    let foreign = place.bin().join("dns_cf");
    write(&foreign, "#!/bin/sh\necho mine\n", 0o755);
    let before = place.snapshot();

    place
        .install(&[])
        .refused_with("was not installed by this script");
    place.install(&["--uninstall"]).succeeds();

    assert_eq!(place.snapshot(), before);
    assert_eq!(
        fs::read_to_string(&foreign).unwrap(),
        "#!/bin/sh\necho mine\n"
    );
}

#[test]
fn an_original_shell_hook_stays_beside_the_shim() {
    let place = Place::new();
    write(
        &place.home.join("deploy/cloudhub_v2.sh"),
        "# the original\n",
        0o755,
    );
    let before = place.snapshot();
    place.install(&[]).succeeds();
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
}

#[test]
fn uninstalling_names_the_certificates_that_still_use_a_deploy_hook() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let ran = place.install(&["--uninstall"]).succeeds();
    assert!(
        ran.stderr
            .contains("example.com.conf still names the deploy hook cloudhub_v2"),
        "{ran:?}"
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}

#[test]
fn shims_go_beside_the_real_acme_sh_behind_a_symlink() {
    let place = Place::new();
    let packaged = place.path("share/acme");
    fs::create_dir_all(&packaged).unwrap();
    for name in ["acme.sh", "dnsapi", "deploy"] {
        fs::rename(place.home.join(name), packaged.join(name)).unwrap();
    }
    symlink("../share/acme/acme.sh", place.home.join("acme.sh")).unwrap();

    place.install(&[]).succeeds();

    for shim in SHIMS {
        assert!(packaged.join(shim).is_file(), "{shim}");
    }
    place.install(&["--uninstall"]).succeeds();
    assert!(!packaged.join("dnsapi/dns_cf").exists());
}

#[test]
fn an_acme_sh_on_path_serves_a_home_without_one() {
    let place = Place::new();
    let packaged = place.path("share/acme");
    fs::create_dir_all(&packaged).unwrap();
    for name in ["acme.sh", "dnsapi", "deploy"] {
        fs::rename(place.home.join(name), packaged.join(name)).unwrap();
    }
    fs::create_dir_all(place.path("tools")).unwrap();
    symlink(packaged.join("acme.sh"), place.path("tools/acme.sh")).unwrap();

    place.install(&[]).succeeds();

    assert!(packaged.join("dnsapi/dns_cf").is_file());
}

#[test]
fn a_home_that_cannot_be_written_is_refused_before_anything_changes() {
    let place = Place::new();
    for folder in ["dnsapi", "deploy", ""] {
        fs::set_permissions(place.home.join(folder), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let before = place.snapshot();

    place
        .install_as_somebody_else(&[])
        .refused_with("is not writable");

    assert_eq!(place.snapshot(), before);
    assert!(!place.bin().exists());
    for folder in ["dnsapi", "deploy", ""] {
        // Lets the temporary folder be deleted.
        fs::set_permissions(place.home.join(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_home_with_a_blank_works_and_is_warned_about() {
    let place = Place::with_home_named("acme home, it's");
    let before = place.snapshot();
    let ran = place.install(&[]).succeeds();
    assert!(ran.stderr.contains("a blank or a comma"), "{ran:?}");
    assert!(place.home.join("dnsapi/dns_cf").is_file());
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot(), before);
}

#[test]
fn executables_do_not_go_where_acme_sh_would_source_them() {
    let place = Place::new();
    for folder in ["", "dnsapi", "deploy", "notify", "example.com"] {
        let bin = place.home.join(folder);
        place
            .install(&["--bin-dir", text(&bin).trim_end_matches('/')])
            .refused_with("acme.sh looks for hooks in");
    }
}

#[test]
fn an_executable_that_does_not_run_here_is_not_installed() {
    let place = Place::new();
    let before = place.snapshot();
    write(
        &place.path("built/flex-renew"),
        "\u{7f}ELF for another machine",
        0o755,
    );
    place
        .install(&[])
        .refused_with("flex-renew does not run on this system");
    assert_eq!(place.snapshot(), before);
    fs::remove_file(place.path("built/flex-renew")).unwrap();
    place.install(&[]).refused_with("no flex-renew in");
}

#[test]
fn a_wrong_command_line_is_refused() {
    let place = Place::new();
    place
        .install(&["--frob"])
        .refused_with("unknown option or program '--frob'");
    place
        .install(&["--home"])
        .refused_with("--home needs a folder");
    place
        .install(&["--home", text(&place.path("nowhere"))])
        .refused_with("no acme.sh home at");
    place
        .install(&["--home", text(&place.path("built"))])
        .refused_with("no acme.sh in");
    place.install(&["--cron", "dns_cf"]).refused_with("--cron");
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    let before = place.snapshot();
    let ran = place.install(&["--dry-run"]).succeeds();
    for program in PROGRAMS {
        assert!(ran.stdout.contains(program), "{ran:?}");
    }
    assert_eq!(place.snapshot(), before);
    assert!(!place.bin().exists());
}

#[test]
fn nothing_temporary_stays_behind() {
    let place = Place::new();
    place.install(&[]).succeeds();
    let hidden: Vec<_> = place
        .snapshot()
        .into_keys()
        .chain(
            fs::read_dir(place.bin())
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        )
        // Who uses the executables of this folder is written down in it for good.
        .filter(|path| !path.ends_with(".anypoint-acme-hooks.homes"))
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn the_crontab_gets_one_line_an_hour_after_acme_sh_and_loses_exactly_that() {
    let place = Place::with_home_named("100% acme");
    let others = "# mine\n7 23 * * * \"/x\"/acme.sh --cron --home \"/x\" > /dev/null\n\n0 0 * * * true # anypoint-acme-hooks /elsewhere\n";
    let table = place.with_crontab(others);

    place.install(&["--cron"]).succeeds();
    let expected = format!(
        "7 0 * * * '{}' reconcile --home '{home}' >/dev/null # anypoint-acme-hooks {home}\n",
        text(&place.bin().join("cloudhub_v2")),
        home = text(&place.home).replace('%', r"\%"),
    );
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        format!("{others}{expected}")
    );

    place.install(&["--cron"]).succeeds();
    place.install(&[]).succeeds();
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        format!("{others}{expected}")
    );

    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), others);
}

#[test]
fn a_user_without_crontab_gets_one_and_others_are_left_alone() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&[]).succeeds();
    assert!(!table.exists());
    place.install(&["--cron"]).succeeds();
    assert_eq!(lines(&table).len(), 1);
}

#[test]
fn an_edited_crontab_line_stays_and_one_that_is_commented_out_is_not_revived() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let written = fs::read_to_string(&table).unwrap();
    for edited in [
        written.replace("17 4 * * *", "30 2 * * 1-5"),
        written.replace("17 4 * * *", "@daily"),
        written.replace("reconcile", "--verbose reconcile"),
        written.replace(">/dev/null", "| logger"),
        format!("# {written}"),
        format!("  #{written}"),
        format!("#{written}{}", written.replace("17 4", "0 3")),
    ] {
        assert_ne!(edited, written);
        fs::write(&table, &edited).unwrap();
        for arguments in [&[][..], &["--cron"]] {
            let ran = place.install(arguments).succeeds();
            assert_eq!(fs::read_to_string(&table).unwrap(), edited, "{ran:?}");
            let commented = edited.trim_start().starts_with('#');
            assert_eq!(
                ran.stdout.contains("left this line commented out: #"),
                commented,
                "{ran:?}"
            );
        }
    }
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), "");
}

#[test]
fn a_crontab_line_follows_its_executable_and_keeps_its_time() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let edited = fs::read_to_string(&table)
        .unwrap()
        .replace("17 4 * * *", "30  2 * * 1-5 nice");
    fs::write(&table, &edited).unwrap();

    let moved = place.path("elsewhere/bin");
    let ran = place
        .install(&["--bin-dir", text(&moved), "--dry-run"])
        .succeeds();
    assert!(ran.stdout.contains("crontab: would write 30"), "{ran:?}");
    assert_eq!(fs::read_to_string(&table).unwrap(), edited);
    place.install(&["--bin-dir", text(&moved)]).succeeds();

    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        edited.replace(text(&place.bin()), text(&moved))
    );
}

#[test]
fn blank_lines_of_a_crontab_survive() {
    let place = Place::new();
    let others = "\n# mine\n\n0 0 * * * true\n\n\n";
    let table = place.with_crontab(others);
    place.install(&["--cron"]).succeeds();
    assert!(fs::read_to_string(&table).unwrap().starts_with(others));
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), others);
}

#[test]
fn what_crontab_says_on_standard_error_does_not_get_into_the_table() {
    let place = Place::new();
    let table = place.with_crontab("0 0 * * * true\n");
    let program = fs::read_to_string(place.path("tools/crontab")).unwrap();
    let chatty = program.replace(
        "case $1",
        "echo \"listing the crontab of user\" >&2\ncase $1",
    );
    write(&place.path("tools/crontab"), &chatty, 0o755);

    place.install(&["--cron"]).succeeds();

    let lines = lines(&table);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "0 0 * * * true");
    assert!(lines[1].contains(" reconcile --home "), "{lines:?}");
}

#[test]
fn the_crontab_program_is_found_on_path() {
    for name in ["crontab", "fcrontab"] {
        let place = Place::new();
        let table = place.with_crontab("");
        fs::rename(place.path("tools/crontab"), place.path("tools").join(name)).unwrap();
        for tool in [
            "awk", "basename", "cat", "chmod", "dirname", "grep", "id", "mkdir", "mv", "rm", "sed",
            "tr",
        ] {
            symlink(on_path(tool), place.path("tools").join(tool)).unwrap();
        }
        Ran::of(
            Command::new("/bin/sh")
                .arg(scripts().join("install.sh"))
                .args(["--home", text(&place.home), "--bin-dir", text(&place.bin())])
                .args(["--from", text(&place.path("built")), "--cron"])
                .env_clear()
                .env("PATH", place.path("tools"))
                .env("HOME", place.path("user")),
        )
        .succeeds();
        assert_eq!(lines(&table).len(), 1, "{name}");
    }
}

/// The certificate that `make_home` puts into a home, moved to another folder.
fn move_config(place: &Place, to: &str) -> PathBuf {
    let config = place.path(to);
    fs::create_dir_all(&config).unwrap();
    for name in ["account.conf", "example.com_ecc"] {
        fs::rename(place.home.join(name), config.join(name)).unwrap();
    }
    config
}

#[test]
fn a_config_home_of_its_own_is_in_the_crontab_line() {
    let place = Place::new();
    let config = move_config(&place, "config 50%");
    let table = place.with_crontab("");
    let expected = format!(
        "17 4 * * * '{}' reconcile --home '{home}' --config-home '{}' >/dev/null # anypoint-acme-hooks {home}\n",
        text(&place.bin().join("cloudhub_v2")),
        text(&config).replace('%', r"\%"),
        home = text(&place.home),
    );
    place
        .install(&["--cron", "--config-home", text(&config)])
        .succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);

    let ran = place
        .install(&["--uninstall", "--config-home", text(&config)])
        .succeeds();
    assert!(
        ran.stderr
            .contains("config 50%/example.com_ecc/example.com.conf still names the deploy hook"),
        "{ran:?}"
    );
    assert_eq!(fs::read_to_string(&table).unwrap(), "");

    // As acme.sh's own installation writes it down.
    fs::write(
        place.home.join("acme.sh.env"),
        format!(
            "export LE_WORKING_DIR=\"{}\"\nexport LE_CONFIG_HOME=\"{}\"\n",
            text(&place.home),
            text(&config)
        ),
    )
    .unwrap();
    place.install(&["--cron"]).succeeds();
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);
}

#[test]
fn a_crontab_line_without_the_config_home_gets_it() {
    let place = Place::new();
    let table = place.with_crontab("");
    place.install(&["--cron"]).succeeds();
    let before = fs::read_to_string(&table).unwrap();
    let config = move_config(&place, "config");
    place.install(&["--config-home", text(&config)]).succeeds();
    assert_eq!(
        fs::read_to_string(&table).unwrap(),
        before.replace(
            " >/dev/null",
            &format!(" --config-home '{}' >/dev/null", text(&config))
        )
    );
}

#[test]
fn the_config_home_of_the_environment_counts_and_has_to_exist() {
    let place = Place::new();
    let config = move_config(&place, "config");
    let table = place.with_crontab("");
    let install = |config: &Path| {
        // `env` sets what the installer's cleared environment lacks.
        let setting = format!("LE_CONFIG_HOME={}", text(config));
        place.install_under(&["env", &setting, "sh"], &["--cron"])
    };
    install(&place.path("nowhere")).refused_with("no folder at");
    assert!(!table.exists());
    install(&config).succeeds();
    let line = fs::read_to_string(&table).unwrap();
    assert!(
        line.contains(&format!(" --config-home '{}' ", text(&config))),
        "{line}"
    );
}

#[test]
fn uninstalling_from_one_home_keeps_the_executables_that_another_uses() {
    let place = Place::new();
    let other = place.path("other home");
    make_home(&other);
    place.install(&[]).succeeds();
    let one_installed = place.snapshot();
    place
        .install_into(&other, &["dns_cf", "cloudhub_v2"])
        .succeeds();

    let ran = place
        .install_into(&other, &["--uninstall", "--dry-run"])
        .succeeds();
    assert!(
        !ran.stdout
            .contains(&format!("would remove {}", text(&place.bin()))),
        "{ran:?}"
    );
    let ran = place.install_into(&other, &["--uninstall"]).succeeds();

    assert!(!other.join("dnsapi/dns_cf").exists());
    let kept = format!(
        "kept {}: {} uses it",
        text(&place.bin().join("dns_cf")),
        text(&place.home)
    );
    assert!(ran.stdout.contains(&kept), "{ran:?}");
    assert_eq!(place.snapshot(), one_installed);
    for program in PROGRAMS {
        assert!(place.bin().join(program).is_file(), "{program}");
    }

    place.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_dir(place.bin()).unwrap().count(), 0);
}

#[test]
fn a_home_that_cannot_be_looked_into_keeps_its_executables() {
    let place = Place::new();
    let private = place.path("private");
    make_home(&private.join("acme"));
    place.install_into(&private.join("acme"), &[]).succeeds();
    place.install(&[]).succeeds();
    if is_superuser() {
        for path in place.snapshot().into_keys().chain([place.bin()]) {
            chown(path, Some(NOBODY), None).unwrap();
        }
    }
    fs::set_permissions(&private, fs::Permissions::from_mode(0o000)).unwrap();

    let ran = place.install_as_somebody_else(&["--uninstall"]);

    fs::set_permissions(&private, fs::Permissions::from_mode(0o755)).unwrap();
    ran.succeeds();
    for (program, shim) in PROGRAMS.into_iter().zip(SHIMS) {
        assert!(!place.home.join(shim).exists(), "{shim}");
        assert!(place.bin().join(program).is_file(), "{program}");
    }
}

#[test]
fn a_home_that_is_gone_keeps_no_executable() {
    let place = Place::new();
    let other = place.path("other");
    make_home(&other);
    place.install_into(&other, &[]).succeeds();
    place.install(&[]).succeeds();
    fs::remove_dir_all(&other).unwrap();
    place.install(&["--uninstall"]).succeeds();
    for program in PROGRAMS {
        assert!(!place.bin().join(program).exists(), "{program}");
    }
}

#[test]
fn uninstalling_from_one_home_keeps_the_shims_that_another_shares() {
    let place = Place::new();
    let other = place.path("other");
    make_home(&other);
    let packaged = place.path("share/acme");
    fs::create_dir_all(&packaged).unwrap();
    for name in ["acme.sh", "dnsapi", "deploy"] {
        fs::rename(place.home.join(name), packaged.join(name)).unwrap();
    }
    for home in [&place.home, &other] {
        let _ = fs::remove_file(home.join("acme.sh"));
        symlink(packaged.join("acme.sh"), home.join("acme.sh")).unwrap();
        place.install_into(home, &[]).succeeds();
    }

    place.install_into(&other, &["--uninstall"]).succeeds();
    for (program, shim) in PROGRAMS.into_iter().zip(SHIMS) {
        assert!(packaged.join(shim).is_file(), "{shim}");
        assert!(place.bin().join(program).is_file(), "{program}");
    }

    place.install(&["--uninstall"]).succeeds();
    assert!(!packaged.join("dnsapi/dns_cf").exists());
    assert!(!place.bin().join("dns_cf").exists());
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_overwritten() {
    let place = Place::new();
    place.with_crontab("");
    write(
        &place.path("tools/crontab"),
        "#!/bin/sh\necho 'you are not allowed' >&2\nexit 1\n",
        0o755,
    );
    let before = place.snapshot();
    place
        .install(&["--cron"])
        .refused_with("reading the crontab failed: you are not allowed");
    assert_eq!(place.snapshot(), before);
    let ran = place.install(&[]).succeeds();
    assert!(
        ran.stderr.contains("is not updated: you are not allowed"),
        "{ran:?}"
    );
}

// --- The other scripts ---------------------------------------------------------------------------------------------

#[test]
fn every_script_explains_itself_and_refuses_what_it_does_not_know() {
    let place = Place::new();
    for script in ["install.sh", "demo.sh", "test.sh", "bench.sh", "release.sh"] {
        let help = place
            .run(Command::new(scripts().join(script)).arg("--help"))
            .succeeds();
        assert!(
            help.stdout.contains(&format!("scripts/{script}")),
            "{help:?}"
        );
        place
            .run(Command::new(scripts().join(script)).arg("--frob"))
            .refused_with("--frob");
    }
}

/// A machine without C compiler and openssl: a folder that is all of PATH, in which `apt-get` brings both. What it was
/// asked for goes into the file `asked`.
fn bare_machine(user: &str) -> Place {
    let place = Place::new();
    let tools = place.path("tools");
    fs::create_dir(&tools).unwrap();
    for name in ["cat", "chmod", "dirname", "mktemp", "rm", "tr"] {
        symlink(on_path(name), tools.join(name)).unwrap();
    }
    let program = |name: &str, code: &str| {
        write(&tools.join(name), &format!("#!/bin/sh\n{code}\n"), 0o755);
    };
    program("id", &format!("echo {user}"));
    program("dpkg", "");
    program("cargo", "echo building >&2; exit 9");
    program(
        "apt-get",
        &format!(
            "echo \"$*\" >>'{asked}'\ncd '{tools}' && cat id >cc && cat id >openssl && chmod 755 cc openssl",
            asked = text(&place.path("asked")),
            tools = text(&tools)
        ),
    );
    place
}

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
    demonstrate_on(&place, &["--direct"]).refused_with(missing);
    let place = bare_machine("0");
    demonstrate_on(&place, &["--no-install", "--direct"]).refused_with(missing);
    assert!(!place.path("asked").exists());

    fs::remove_file(place.path("tools/dpkg")).unwrap();
    demonstrate_on(&place, &[]).refused_with("install it with the package manager of this system");
}

/// Runs `test.sh --quick` where `cargo` is a stand-in that fails at `failing`, and only standard tools are beside it.
/// Also returns what cargo was asked for.
fn check_quickly(failing: &str) -> (Ran, Vec<String>) {
    let place = bare_machine("0");
    let tools = place.path("tools");
    for name in ["awk", "date", "sed", "tee"] {
        symlink(on_path(name), tools.join(name)).unwrap();
    }
    let asked = place.path("cargo-asked");
    let cargo = format!(
        "#!/bin/sh\necho \"$*\" >>'{}'\ncase $* in *--version) exit ;; {failing}*) exit 1 ;; \
         test*) echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out' ;; esac\n",
        text(&asked)
    );
    write(&tools.join("cargo"), &cargo, 0o755);
    let ran = Ran::of(
        Command::new("/bin/sh")
            .arg(scripts().join("test.sh"))
            .arg("--quick")
            .env_clear()
            .env("PATH", &tools)
            .env("HOME", place.path("user")),
    );
    assert!(!place.path("asked").exists(), "packages were installed");
    (ran, lines(&asked))
}

#[test]
fn quick_checks_are_formatting_lints_and_unit_tests_and_name_what_was_left_out() {
    let (ran, asked) = check_quickly("nothing");
    let ran = ran.succeeds();
    assert!(
        ran.stdout.ends_with("5 passed, 0 failed, 3 skipped\n"),
        "{ran:?}"
    );
    let (_, not_run) = ran.stdout.split_once("NOT RUN:").unwrap();
    for what in ["shellcheck", "shfmt", "end-to-end tests"] {
        assert!(not_run.contains(what), "{what}: {not_run}");
    }
    for command in ["fmt --all --check", "clippy --workspace --all-targets"] {
        assert!(
            asked.iter().any(|line| line.starts_with(command)),
            "{asked:?}"
        );
    }
    let tests: Vec<_> = asked
        .iter()
        .filter(|line| line.starts_with("test"))
        .collect();
    assert_eq!(tests.len(), 1, "{asked:?}");
    assert!(tests[0].ends_with("--lib --bins"), "{asked:?}");
}

#[test]
fn a_check_that_fails_fails_the_run_and_is_named() {
    for (failing, named) in [
        ("fmt", "FAILED:\n  Formatting\n"),
        ("clippy", "FAILED:\n  Clippy\n"),
        ("test", "FAILED:\n  cargo test (see above)\n"),
    ] {
        let (ran, _) = check_quickly(failing);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains(named), "{ran:?}");
    }
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
    use super::{Command, Place, Ran, SHIMS, fs, text};
    use std::path::PathBuf;

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

    mod needs_pebble {
        #[test]
        #[ignore = "needs acme.sh and pebble; with them: cargo test -p tests --test e2e_scripts -- --ignored needs_pebble"]
        fn the_demonstration_issues_deploys_and_renews() {
            let ran = super::super::demonstrate(&[]);
            assert!(!ran.stdout.contains("WITHOUT acme.sh"), "{ran:?}");
            assert!(ran.stdout.contains("TLS context x-acme-example"), "{ran:?}");
        }
    }
}
