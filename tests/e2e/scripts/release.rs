//! `scripts/release.sh`, with a cargo that builds stand-ins.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{PROGRAMS, Place, RECORDER, Ran, lines, mode, on_path, scripts, text, write};

/// A machine with Rust, on which cargo writes what it was asked to release into the file `asked`.
fn machine() -> Place {
    let place = Place::new();
    let tools = place.path("tools");
    fs::create_dir(&tools).unwrap();
    for name in [
        "basename", "cat", "chmod", "cp", "dirname", "grep", "gzip", "head", "mkdir", "mktemp",
        "rm", "sed", "tar",
    ] {
        symlink(on_path(name), tools.join(name)).unwrap();
    }
    write(&place.path("recorder"), RECORDER, 0o755);
    let program = |name: &str, code: &str| {
        write(&tools.join(name), &format!("#!/bin/sh\n{code}\n"), 0o755);
    };
    program("rustc", "echo host: aarch64-unknown-linux-musl");
    program("sha256sum", "echo sum of \"$1\"");
    program(
        "cargo",
        &format!(
            "case $* in *--release*) kind=release; echo \"$RUSTFLAGS $*\" >>'{asked}' ;; *) kind=debug ;; esac\nwhile [ \"$1\" != --target-dir ]; do shift; done\n\
             case $kind in release) built=$2/$4/release ;; *) built=$2/debug ;; esac\nmkdir -p \"$built\"\n\
             for program in {programs}; do cp '{recorder}' \"$built/$program\"; done",
            asked = text(&place.path("asked")),
            recorder = text(&place.path("recorder")),
            programs = PROGRAMS.join(" "),
        ),
    );
    place
}

fn release(place: &Place, arguments: &[&str]) -> Ran {
    Ran::of(
        Command::new("/bin/sh")
            .args(["-c", "umask 077; exec /bin/sh \"$@\"", "sh"])
            .arg(scripts().join("release.sh"))
            .args(arguments)
            .current_dir(place.path(""))
            .env_clear()
            .env("PATH", place.path("tools"))
            .env("CARGO_TARGET_DIR", "target of mine")
            .env("HOME", place.path("user")),
    )
}

fn unpacked(place: &Place, archive: &str) -> PathBuf {
    let to = place.path("unpacked");
    fs::create_dir_all(&to).unwrap();
    let ran = Ran::of(Command::new("tar").args(["-xpzf", archive, "-C"]).arg(&to));
    ran.succeeds();
    let name = archive.rsplit_once('/').unwrap().1;
    to.join(name.strip_suffix(".tar.gz").unwrap())
}

#[test]
fn an_archive_is_all_that_an_installation_needs() {
    let place = machine();
    let ran = release(&place, &["--out", "dist/new"]).succeeds();

    let archive = ran.stdout.trim_end();
    assert!(
        archive.starts_with(text(&place.path("dist/new/anypoint-acme-hooks-"))),
        "{archive}"
    );
    assert!(
        archive.ends_with("-aarch64-unknown-linux-musl.tar.gz"),
        "{archive}"
    );
    assert_eq!(
        fs::read_to_string(format!("{archive}.sha256")).unwrap(),
        format!("sum of {}\n", archive.rsplit_once('/').unwrap().1)
    );
    let asked = lines(&place.path("asked"));
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].starts_with("-C target-feature=+crt-static build --release --locked "),
        "{asked:?}"
    );
    assert!(place.path("target of mine").is_dir());

    // Built under a strict umask, and yet for everybody.
    let root = unpacked(&place, archive);
    assert_eq!(mode(&root.join("scripts/install.sh")), 0o755);
    assert_eq!(mode(&root.join("scripts/deploy/cloudhub_v2")), 0o644);
    assert_eq!(mode(&root.join("manual/man1")), 0o755);
    assert_eq!(mode(&root.join("manual/man1/dns_cf.1")), 0o644);
    assert!(
        root.join("scripts/prometheus/anypoint-alerts.yml")
            .is_file()
    );
    let mut command = Command::new(root.join("scripts/vanity-api.sh"));
    let ran = place.run(command.arg("--help")).succeeds();
    assert!(ran.stdout.contains("--verify-connect"), "{ran:?}");
    let mut command = Command::new(root.join("scripts/install.sh"));
    command
        .args(["--home", text(&place.home), "--bin-dir", text(&place.bin())])
        .args(["--from", text(&root.join("bin"))]);
    place.run(&mut command).succeeds();
    for program in PROGRAMS {
        assert!(place.bin().join(program).is_file(), "{program}");
        let page = format!("share/man/man1/{program}.1");
        assert_eq!(mode(&place.path(&page)), 0o644, "{page}");
    }
}

#[test]
fn what_is_unpacked_by_root_belongs_to_root() {
    let place = machine();
    let ran = release(&place, &["--out", "dist"]).succeeds();
    let listed = Ran::of(
        Command::new("tar")
            .args(["--numeric-owner", "-tvzf"])
            .arg(ran.stdout.trim_end()),
    )
    .succeeds();
    for line in listed.stdout.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        // GNU tar writes 0/0; BSD tar, after the number of links, 0 and 0.
        assert!(
            fields[1] == "0/0" || fields[2..4] == ["0", "0"],
            "{listed:?}"
        );
    }
}

#[test]
fn a_target_can_be_named_and_needs_no_static_flag_elsewhere() {
    let place = machine();
    let ran = release(
        &place,
        &["--target", "x86_64-apple-darwin", "--out", "dist"],
    )
    .succeeds();
    assert!(
        ran.stdout.contains("-x86_64-apple-darwin.tar.gz"),
        "{ran:?}"
    );
    let asked = lines(&place.path("asked"));
    assert!(asked[0].starts_with(" build "), "{asked:?}");
}

#[test]
fn a_machine_without_rust_is_told_so() {
    let place = machine();
    fs::remove_file(place.path("tools/cargo")).unwrap();
    release(&place, &[]).ends_with(1, "cargo is missing");
    release(&place, &["--out"]).refused_with("--out needs a value");
}
