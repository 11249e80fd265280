//! A small disk of this test's own, to be filled: in a mount namespace, where that can be had.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

/// Set in the test that has a mount namespace: a file that it makes.
const INSIDE: &str = "NIGHTS_NAMESPACE";

/// Whether mounting disturbs nobody.
pub(crate) fn is_inside() -> bool {
    let Some(sign) = std::env::var_os(INSIDE) else {
        return false;
    };
    fs::write(sign, "").unwrap();
    true
}

/// Runs this test once more in a mount namespace; false where there is none to be had.
///
/// # Panics
///
/// The test fails there.
pub(crate) fn ran_inside(test: &str) -> bool {
    let namespace = || {
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--mount");
        command
    };
    let probe = namespace()
        .args(["sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"])
        .output();
    if !probe.is_ok_and(|tried| tried.status.success()) {
        return false;
    }
    let dir = tempfile::tempdir().unwrap();
    let sign = dir.path().join("inside");
    // The name of a test has no crate in front.
    let name = test.split_once("::").unwrap().1;
    let status = namespace()
        .arg(std::env::current_exe().unwrap())
        .args(["--include-ignored", "--nocapture", "--exact", name])
        .env(INSIDE, &sign)
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed: see above");
    assert!(sign.exists(), "there is no test {name}");
    true
}

/// A mounted file system of a few megabytes.
pub(crate) struct Disk {
    ballast: PathBuf,
}

impl Disk {
    /// Moves folders below `root` onto a disk of their own.
    pub(crate) fn under(root: &Path, folders: &[&str]) -> Self {
        let script = "set -e; cd \"$1\"; shift; mkdir disk; mount -t tmpfs -o size=16m tmpfs disk
            for folder; do mkdir -p \"$folder\"; cp -a \"$folder\" disk/; mount --bind \"disk/$folder\" \"$folder\"; done";
        let done = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(root)
            .args(folders)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        Self {
            ballast: root.join("disk/ballast"),
        }
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(&self.ballast).unwrap();
        let block = [0; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    /// Makes room.
    pub(crate) fn empty(&self) {
        let _ = fs::remove_file(&self.ballast);
    }
}
