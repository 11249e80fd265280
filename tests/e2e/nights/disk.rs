//! A small disk of this test's own, to be filled: in a mount namespace, where that can be had.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

/// Set in the test that has a mount namespace.
const INSIDE: &str = "NIGHTS_NAMESPACE";

/// Whether mounting disturbs nobody.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this test once more in a mount namespace, and shows what it prints; false where there is none to be had.
///
/// # Panics
///
/// The test fails there.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
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
    // The name of a test has no crate in front.
    let name = test.split_once("::").unwrap().1;
    let run = namespace()
        .arg(std::env::current_exe().unwrap())
        .args(["--include-ignored", "--nocapture", "--exact", name])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let [out, err] = [run.stdout, run.stderr].map(|text| String::from_utf8(text).unwrap());
    println!("{out}");
    assert!(run.status.success(), "{err}");
    assert!(out.contains("1 passed"), "{name} is no test");
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
