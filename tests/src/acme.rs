//! The real ACME software: `pebble` as the server, `acme.sh` in a home of its own as the client.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command as AssertCommand;
use tempfile::TempDir;

use crate::Sim;
use crate::harness::{Finished, program};
use crate::pki::Validity;

/// No test waits longer for acme.sh.
const LIMIT: Duration = Duration::from_secs(240);

/// A started server listens within this time, however busy the machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running `pebble`, which asks the simulator's name server; stops when dropped.
#[derive(Debug)]
pub struct Pebble {
    server: Child,
    directory: String,
    _dir: TempDir,
}

impl Pebble {
    /// Starts one on a free port of 127.0.0.1, with a certificate that the simulator's authority has signed.
    ///
    /// # Panics
    ///
    /// There is no `pebble`, or it does not start.
    pub fn start(sim: &Sim) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let leaf = sim
            .world()
            .authority
            .leaf(&["127.0.0.1", "localhost"], Validity::days(2))
            .expect("a certificate can be made");
        fs::write(dir.path().join("cert.pem"), leaf.cert_pem).expect("a file can be written");
        fs::write(dir.path().join("key.pem"), leaf.key_pem).expect("a file can be written");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let port = free_port();
            let mut server = serve(dir.path(), port, sim.dns_addr());
            if is_listening(&mut server, port, deadline) {
                return Self {
                    server,
                    directory: format!("https://127.0.0.1:{port}/dir"),
                    _dir: dir,
                };
            }
            let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            // Another program may have taken the port meanwhile: then the next one is tried.
            assert!(Instant::now() < deadline, "pebble does not start: {log}");
        }
    }

    /// Address of the ACME directory: acme.sh's `--server`.
    pub fn directory(&self) -> &str {
        &self.directory
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// pebble wants to be told its port.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("there is a free port")
        .port()
}

fn serve(dir: &Path, port: u16, dns: SocketAddr) -> Child {
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{port}"),
        "certificate": dir.join("cert.pem"),
        "privateKey": dir.join("key.pem"),
        "httpPort": 5002,
        "tlsPort": 5001,
    }});
    fs::write(dir.join("config.json"), config.to_string()).expect("a file can be written");
    let log = File::create(dir.join("log")).expect("a file can be written");
    Command::new("pebble")
        .arg("-config")
        .arg(dir.join("config.json"))
        .args(["-dnsserver", &dns.to_string()])
        // It would wait at random, refuse good nonces, and skip challenges at a renewal.
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .env("PEBBLE_AUTHZREUSE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log)
        .spawn()
        .expect("pebble can be run")
}

fn is_listening(server: &mut Child, port: u16, deadline: Instant) -> bool {
    while Instant::now() < deadline {
        if server.try_wait().expect("a child can be asked").is_some() {
            return false;
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = server.kill();
    let _ = server.wait();
    false
}

/// An acme.sh in a home of its own, with the shims and programs of this workspace installed into it.
///
/// Its waits are cut short: what polls every two seconds, polls at once.
#[derive(Debug)]
pub struct AcmeSh {
    dir: TempDir,
    home: PathBuf,
    path: String,
    shell: Vec<&'static str>,
    canaries: Vec<String>,
}

impl AcmeSh {
    /// The home as `acme.sh --install` leaves it, then `scripts/install.sh` run over it.
    ///
    /// # Panics
    ///
    /// There is no acme.sh, or installing fails.
    pub fn install() -> Self {
        let acme = Self::without_hooks();
        acme.installer(&["dns_cf", "cloudhub_v2"]).code(0);
        acme
    }

    /// The home without anything of this workspace.
    ///
    /// # Panics
    ///
    /// There is no acme.sh.
    pub fn without_hooks() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let root = dir.path().canonicalize().expect("the folder is there");
        let home = root.join("acme");
        let source = original();
        let source_home = source.parent().expect("a file has a folder");
        for folder in ["dnsapi", "deploy", "notify"] {
            copy_folder(&source_home.join(folder), &home.join(folder));
        }
        copy(&source, &home.join("acme.sh"));
        let tools = root.join("tools");
        fs::create_dir(&tools).expect("a folder can be made");
        hurry(&tools.join("sleep"));
        fs::create_dir(root.join("user")).expect("a folder can be made");
        let path = format!(
            "{}:{}",
            tools.display(),
            env::var("PATH").unwrap_or_default()
        );
        Self {
            dir,
            home,
            path,
            shell: vec!["sh"],
            canaries: Vec::new(),
        }
    }

    /// Has another shell than `sh` run acme.sh, as `["busybox", "ash"]`.
    #[must_use]
    pub fn under(mut self, shell: &[&'static str]) -> Self {
        self.shell = shell.to_vec();
        self
    }

    /// Has every run checked for a text that must not be shown.
    pub fn never_shown(&mut self, text: impl Into<String>) -> &mut Self {
        self.canaries.push(text.into());
        self
    }

    /// `LE_WORKING_DIR`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A folder for a test's own files, outside of the home.
    pub fn folder(&self) -> PathBuf {
        self.home
            .parent()
            .expect("the home lies in a folder")
            .to_owned()
    }

    /// A file of the certificate `domain`, as `fullchain.cer`, be it in the RSA or the ECC folder.
    pub fn file(&self, domain: &str, name: &str) -> PathBuf {
        let rsa = self.home.join(domain);
        let folder = if rsa.is_dir() {
            rsa
        } else {
            self.home.join(format!("{domain}_ecc"))
        };
        folder.join(name)
    }

    /// The domain conf of `domain`.
    pub fn domain_conf(&self, domain: &str) -> PathBuf {
        self.file(domain, &format!("{domain}.conf"))
    }

    /// The account conf.
    pub fn account_conf(&self) -> PathBuf {
        self.home.join("account.conf")
    }

    /// `acme.sh --install` over the home that is there, as an upgrade does it, without the internet.
    ///
    /// # Panics
    ///
    /// It cannot be run.
    pub fn upgrade(&self) -> Finished {
        let source = original();
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg("cd \"$1\" && shift && exec sh ./acme.sh \"$@\"")
            .arg("sh")
            .arg(source.parent().expect("a file has a folder"))
            .args(["--install", "--nocron", "--noprofile", "--home"])
            .arg(&self.home);
        let nowhere = "http://127.0.0.1:1".to_owned();
        self.finish(command, &[("https_proxy", nowhere)])
    }

    /// `scripts/install.sh` for this home, with the programs just built.
    ///
    /// # Panics
    ///
    /// It cannot be run.
    pub fn installer(&self, arguments: &[&str]) -> Finished {
        let built = program("");
        let mut command = Command::new("sh");
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../scripts/install.sh"
            ))
            .arg("--home")
            .arg(&self.home)
            .arg("--bin-dir")
            .arg(self.folder().join("bin"))
            .arg("--from")
            .arg(built)
            .args(arguments);
        self.finish(command, &[])
    }

    /// Runs acme.sh with nothing in its environment but `HOME`, `PATH` and what is given.
    ///
    /// # Panics
    ///
    /// It cannot be run, or a text shows that must not.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        environment: &[(&str, String)],
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        let mut command = self.shell_command();
        command.args(arguments).arg("--home").arg(&self.home);
        self.check(self.finish(command, environment))
    }

    /// Runs an installed program as cron does, with nothing in its environment but `HOME`, `PATH` and what is given.
    ///
    /// # Panics
    ///
    /// It cannot be run, or a text shows that must not.
    pub fn run_program<A: AsRef<OsStr>>(
        &self,
        name: &str,
        environment: &[(&str, String)],
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        let mut command = Command::new(self.folder().join("bin").join(name));
        command.args(arguments).arg("--home").arg(&self.home);
        self.check(self.finish(command, environment))
    }

    /// Calls one of acme.sh's own functions, as `_readaccountconf_mutable CF_Token`, which may well show a secret.
    ///
    /// # Panics
    ///
    /// It cannot be run.
    pub fn call<A: AsRef<OsStr>>(
        &self,
        environment: &[(&str, String)],
        function: impl IntoIterator<Item = A>,
    ) -> Finished {
        let mut command = self.shell_command();
        command.args(function);
        let mut all = vec![
            ("LE_WORKING_DIR", text(&self.home)),
            ("ACCOUNT_CONF_PATH", text(&self.account_conf())),
        ];
        all.extend_from_slice(environment);
        self.finish(command, &all)
    }

    fn shell_command(&self) -> Command {
        let mut command = Command::new(self.shell[0]);
        command
            .args(&self.shell[1..])
            .arg(self.home.join("acme.sh"));
        command
    }

    fn check(&self, finished: Finished) -> Finished {
        for canary in &self.canaries {
            finished.never_shows(canary);
        }
        finished
    }

    fn finish(&self, mut command: Command, environment: &[(&str, String)]) -> Finished {
        command
            .env_clear()
            .env("HOME", self.folder().join("user"))
            .env("PATH", &self.path)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path());
        let output = AssertCommand::from_std(command)
            .timeout(LIMIT)
            .output()
            .expect("the command can be run");
        Finished::from(output)
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("test paths are text").to_owned()
}

/// `$ACME_SH`, else on `PATH`, else in its usual home, as its real path.
fn original() -> PathBuf {
    let on_path = env::var_os("PATH")
        .into_iter()
        .flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let candidates = env::var_os("ACME_SH")
        .map(PathBuf::from)
        .into_iter()
        .chain(on_path.map(|folder| folder.join("acme.sh")))
        .chain(env::var_os("HOME").map(|home| PathBuf::from(home).join(".acme.sh/acme.sh")));
    candidates
        .filter(|file| file.is_file())
        .find_map(|file| file.canonicalize().ok())
        .expect("there is an acme.sh: set ACME_SH to one")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("acme.sh has its hooks beside it") {
        let entry = entry.expect("a folder can be read");
        // Only what acme.sh ships: this machine's own installation may hold more.
        if entry.path().extension() == Some(OsStr::new("sh")) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).expect("a file can be copied");
}

/// A `sleep` that returns soon: acme.sh rounds every wait up to whole seconds.
fn hurry(path: &Path) {
    let real = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("sleep"))
        .find(|file| file.is_file())
        .expect("there is a sleep");
    fs::write(path, format!("#!/bin/sh\nexec '{}' 0.1\n", real.display()))
        .expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
}
