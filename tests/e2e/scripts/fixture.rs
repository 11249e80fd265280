//! A place to install into, and the stand-ins for the executables.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) const PROGRAMS: [&str; 5] = [
    "dns_cf",
    "cloudhub_v2",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];
pub(crate) const SHIMS: [&str; 4] = [
    "dnsapi/dns_cf",
    "deploy/cloudhub_v2",
    "deploy/flex_renew",
    "deploy/basic_auth_policy",
];

/// Writes its arguments and its environment into its own folder, and ends with the code in `code` there.
pub(crate) const RECORDER: &str = r#"#!/bin/sh
# Reads ANYPOINT_HOOKS_VOICE, as the real ones do.
if [ "$1" = --version ]; then exit 0; fi
if [ "$1" = write-manual ]; then mkdir -p "$2/man1"; echo page >"$2/man1/${0##*/}.1"; exit; fi
here=${0%/*}
for argument in "$@"; do printf '%s\n' "$argument"; done >"$here/arguments"
env >"$here/environment"
if [ -f "$here/code" ]; then exit "$(cat "$here/code")"; fi
"#;

/// A folder with an acme.sh home as acme.sh's own installation makes it, and the stand-ins.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) home: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with_home_named("acme")
    }

    pub(crate) fn with_home_named(name: &str) -> Self {
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

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(relative)
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// `scripts/install.sh` for this home, with an environment of its own.
    pub(crate) fn install(&self, arguments: &[&str]) -> Ran {
        self.install_under(&["sh"], arguments)
    }

    pub(crate) fn install_under(&self, shell: &[&str], arguments: &[&str]) -> Ran {
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

    pub(crate) fn run(&self, command: &mut Command) -> Ran {
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
            .env("CRONTAB", self.path("tools/crontab"))
            .env("SYSTEMCTL", self.path("tools/systemctl"))
            .env("SYSTEMD_UNITS", self.path("units"));
        Ran::of(command)
    }

    /// The installer run by a user who is not the superuser, who may write anywhere.
    pub(crate) fn install_as_somebody_else(&self, arguments: &[&str]) -> Ran {
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
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
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

    /// The files of a folder that may not be there, sorted.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.path(folder));
        let mut files: Vec<_> = folder
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    /// The installer for another home, with the same folder for executables.
    pub(crate) fn install_into(&self, home: &Path, arguments: &[&str]) -> Ran {
        let home = ["--home", text(home)];
        self.install(&[&home[..], arguments].concat())
    }

    /// Makes a `crontab` program that keeps the table in a file, and returns that file.
    pub(crate) fn with_crontab(&self, content: &str) -> PathBuf {
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
pub(crate) fn make_home(home: &Path) {
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
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
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
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn refused_with(self, reason: &str) -> Self {
        self.ends_with(2, reason)
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32, reason: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(reason), "{self:?}");
        self
    }
}

pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("scripts")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn write(path: &Path, content: &str, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A user id that owns nothing.
pub(crate) const NOBODY: u32 = 65534;

pub(crate) fn is_superuser() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

pub(crate) fn on_path(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&paths)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(String::from)
        .collect()
}

/// The certificate that `make_home` puts into a home, moved to another folder.
pub(crate) fn move_config(place: &Place, to: &str) -> PathBuf {
    let config = place.path(to);
    fs::create_dir_all(&config).unwrap();
    for name in ["account.conf", "example.com_ecc"] {
        fs::rename(place.home.join(name), config.join(name)).unwrap();
    }
    config
}

/// A machine without C compiler and openssl: a folder that is all of PATH, in which `apt-get` brings both. What it was
/// asked for goes into the file `asked`.
pub(crate) fn bare_machine(user: &str) -> Place {
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
