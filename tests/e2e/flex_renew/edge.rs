//! A gateway on this host: a folder with a registration, credentials, a stand-in `flexctl`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::flex::registration::{Files, Registration};
use fixtures::{Bench, Finished, program};
use simulator::registration::{CLIENT_SECRET, Composed, Identity, Layout, compose, now};

pub(crate) const DAY: u64 = 24 * 60 * 60;
pub(crate) const SECRET: &str = "canary-flex-client-secret-5b1d";

pub(crate) struct Edge {
    pub(crate) bench: Bench,
    pub(crate) file: PathBuf,
}

impl Edge {
    /// A gateway whose certificate has so many days left, restarted by a command that does nothing.
    pub(crate) fn with_days(days: i64) -> Self {
        Self::with(days, Layout::Pem)
    }

    pub(crate) fn with(days: i64, layout: Layout) -> Self {
        let mut bench = Bench::demo();
        let log = bench_path(&bench, "flexctl.log");
        bench
            .unset("ANYPOINT_URL")
            .set("FLEXCTL", program("flexctl").to_str().unwrap())
            .set("FLEXCTL_LOG", log)
            .set("FLEX_CLIENT_ID", "flex-app")
            .set_secret("FLEX_CLIENT_SECRET", SECRET)
            // What a test has restarted is up, or down, at once.
            .set("FLEX_WATCH", "0s")
            .set("FLEX_RESTART_CMD", ":");
        let file = place(
            &mut bench,
            "flex/conf.d",
            &Identity::default(),
            layout,
            days,
        );
        Self { bench, file }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.bench.run("flex-renew", args)
    }

    /// Renews the registration, telling everything there is to tell.
    pub(crate) fn renew(&self, more: &[&str]) -> Finished {
        self.run(&[&["renew", self.file.to_str().unwrap(), "-vv"], more].concat())
    }

    pub(crate) fn installed(&self) -> Registration {
        read(&self.file)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap()
    }

    /// The folder for what is not the gateway's.
    pub(crate) fn state(&self) -> PathBuf {
        self.bench
            .home()
            .join("flex/.flex-renew/conf.d_registration.yaml")
    }

    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        entries(&self.state().join("backups"))
    }

    /// Calls of `flexctl registration renew` so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.bench.home().join("flexctl.log")).unwrap_or_default();
        log.lines()
            .filter(|line| line.starts_with("registration renew"))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn in_home(&self, name: &str) -> PathBuf {
        self.bench.home().join(name)
    }

    /// Puts a folder of fixtures in front of everything else on `PATH`.
    pub(crate) fn on_path(&mut self, fixtures: &str) {
        put_on_path(&mut self.bench, fixtures);
    }
}

pub(crate) fn put_on_path(bench: &mut Bench, fixtures: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/flex")
        .join(fixtures);
    let path = std::env::var("PATH").unwrap();
    bench.set("PATH", format!("{}:{path}", folder.display()));
}

pub(crate) fn bench_path(bench: &Bench, name: &str) -> String {
    bench.home().join(name).to_str().unwrap().to_owned()
}

/// Writes a registration into a folder of the bench; its key may never be shown.
pub(crate) fn place(
    bench: &mut Bench,
    folder: &str,
    identity: &Identity,
    layout: Layout,
    days: i64,
) -> PathBuf {
    let Composed {
        registration,
        certificate,
    } = compose(identity, layout, in_days(days)).unwrap();
    for line in key_lines(&registration) {
        bench.never_shown(line);
    }
    bench.never_shown(CLIENT_SECRET);
    if let Some(certificate) = certificate {
        let path = bench.write(&format!("{folder}/certificate.yaml"), certificate);
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let path = bench.write(&format!("{folder}/registration.yaml"), registration);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    path
}

pub(crate) fn in_days(days: i64) -> u64 {
    let end = i64::try_from(now() + DAY / 2).unwrap() + days * i64::try_from(DAY).unwrap();
    u64::try_from(end).unwrap()
}

/// Parts of a registration that hold its key.
fn key_lines(registration: &str) -> Vec<String> {
    let mut lines: Vec<&str> = registration.lines().map(str::trim).collect();
    if let Some(begin) = lines
        .iter()
        .position(|line| line.contains("BEGIN PRIVATE KEY"))
    {
        lines = lines[begin + 1..]
            .iter()
            .copied()
            .take_while(|line| !line.starts_with("-----"))
            .collect();
    }
    lines
        .into_iter()
        .filter(|line| line.len() >= 60 && !line.contains(' '))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn read(path: &Path) -> Registration {
    Files::read(path).unwrap().parse("the file").unwrap()
}

pub(crate) fn days_left(registration: &Registration) -> i64 {
    (registration.expiry().as_second() - i64::try_from(now()).unwrap())
        / i64::try_from(DAY).unwrap()
}

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut all: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    entries(folder)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
