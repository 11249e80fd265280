//! Runs the built programs in a folder of their own, with no environment but what a test sets.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use assert_cmd::Command as AssertCommand;
use tempfile::TempDir;

use crate::{Seed, Sim, SimConfig};

/// No test waits longer for a program.
const LIMIT: Duration = Duration::from_secs(120);

/// Where a program of this workspace was built.
///
/// Cargo builds no other package's programs for a test, so the first call builds all of them, in the profile of the test
/// itself; nothing is compiled again when they are current. `ANYPOINT_HOOKS_BIN_DIR` names a folder to take them from.
///
/// # Panics
///
/// They cannot be built.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| match env::var_os("ANYPOINT_HOOKS_BIN_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => build(),
        })
        .join(name)
}

fn build() -> PathBuf {
    // A test program lies in target/PROFILE/deps.
    let me = env::current_exe().expect("a running program has a path");
    let folder = me
        .ancestors()
        .nth(2)
        .expect("tests lie below the target folder")
        .to_owned();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--workspace", "--bins"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    // Build scripts that watch these would build ring and rustls anew each time.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().expect("cargo can be run");
    assert!(status.success(), "the programs cannot be built");
    folder
}

/// A simulator, and a folder and an environment to run programs in.
#[derive(Debug)]
pub struct Bench {
    /// The remote world.
    pub sim: Sim,
    home: TempDir,
    env: BTreeMap<String, String>,
    canaries: Vec<String>,
}

impl Bench {
    /// A world with the demonstration data.
    ///
    /// # Panics
    ///
    /// The simulator cannot be started.
    pub fn demo() -> Self {
        Self::with(SimConfig {
            seed: Seed::demo(),
            ..SimConfig::default()
        })
    }

    /// A world of its own.
    ///
    /// # Panics
    ///
    /// The simulator cannot be started.
    pub fn with(config: SimConfig) -> Self {
        let sim = Sim::start(config).expect("the simulator starts");
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let text = |path: &Path| path.to_str().expect("test paths are text").to_owned();
        let env = [
            ("HOME", text(home.path())),
            ("PATH", env::var("PATH").unwrap_or_default()),
            ("CA_BUNDLE", text(sim.ca_pem_path())),
            ("CF_Api", sim.cloudflare_url()),
            ("ANYPOINT_URL", sim.url().to_owned()),
            // A test that meets a dead end shall say so soon.
            ("ANYPOINT_HOOKS_DEADLINE", "10s".to_owned()),
        ];
        Self {
            sim,
            home,
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            canaries: Vec::new(),
        }
    }

    /// The folder that programs run in, which is also their `HOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sets a variable for the programs run from now on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a variable to a secret that no program may show, at whatever level.
    pub fn set_secret(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        let value = value.into();
        self.canaries.push(value.clone());
        self.set(name, value)
    }

    /// Has every run checked for a text that no program may show.
    pub fn never_shown(&mut self, text: impl Into<String>) -> &mut Self {
        self.canaries.push(text.into());
        self
    }

    /// Removes a variable for the programs run from now on.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.env.remove(name);
        self
    }

    /// Writes a file into the home and returns its path.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder can be made");
        }
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    /// Runs a program of this workspace to its end.
    ///
    /// # Panics
    ///
    /// It cannot be started, or it shows a secret.
    pub fn run<A: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = A>) -> Finished {
        self.run_with_input(name, args, "")
    }

    /// As [`Bench::run`], with something on standard input.
    ///
    /// # Panics
    ///
    /// As [`Bench::run`].
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Finished {
        let output = AssertCommand::from_std(self.command(name, args))
            .timeout(LIMIT)
            .write_stdin(input)
            .output()
            .expect("the program can be run");
        let finished = Finished::from(output);
        for canary in &self.canaries {
            finished.never_shows(canary);
        }
        finished
    }

    /// The program as a command that has not been started.
    pub fn command<A: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program(name));
        command
            .args(args)
            .env_clear()
            .envs(&self.env)
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Finished {
    /// Asserts the exit code.
    ///
    /// # Panics
    ///
    /// It is another.
    #[track_caller]
    pub fn code(&self, expected: i32) -> &Self {
        assert_eq!(self.code, Some(expected), "{self}");
        self
    }

    /// Asserts that standard error holds a text.
    ///
    /// # Panics
    ///
    /// It does not.
    #[track_caller]
    pub fn tells(&self, text: &str) -> &Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not told on standard error\n{self}"
        );
        self
    }

    /// Asserts that standard output holds a text.
    ///
    /// # Panics
    ///
    /// It does not.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        assert!(
            self.stdout.contains(text),
            "{text:?} is not on standard output\n{self}"
        );
        self
    }

    /// Asserts that a text shows nowhere.
    ///
    /// # Panics
    ///
    /// It does.
    #[track_caller]
    pub fn never_shows(&self, text: &str) -> &Self {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "{text:?} is shown\n{self}"
        );
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    ///
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(err) => panic!("standard output is no JSON: {err}\n{self}"),
        }
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code: {:?}\n--- standard output\n{}\n--- standard error\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}
