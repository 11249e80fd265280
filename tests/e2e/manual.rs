//! Man pages and completions.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::program;
use tempfile::TempDir;

const PROGRAMS: [&str; 5] = [
    "dns_cf",
    "cloudhub_v2",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];

fn written() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in PROGRAMS {
        let output = Command::new(program(name))
            .arg("write-manual")
            .arg(dir.path())
            .env_clear()
            .env("SOURCE_DATE_EPOCH", "1767225600")
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
    }
    dir
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

#[test]
fn every_command_has_a_page_with_everything_that_is_looked_up_in_one() {
    let dir = written();
    let pages = files(&dir.path().join("man1"));
    for name in [
        "dns_cf-cname-set",
        "cloudhub_v2-check",
        "flex-renew-run",
        "basic-auth-policy-rotate",
    ] {
        let page = dir.path().join(format!("man1/{name}.1"));
        assert!(pages.contains(&page), "{pages:?}");
    }
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.contains("2026-01-01"), "{}", page.display());
        for heading in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "ENVIRONMENT",
            "FILES",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert!(
                text.contains(&format!("\n.SH {heading}\n")),
                "{} has no {heading}",
                page.display()
            );
        }
    }
}

mod needs_mandoc {
    use super::{Command, files, written};

    #[test]
    #[ignore = "needs mandoc: cargo test -p tests --test e2e_manual -- --ignored needs_mandoc"]
    fn a_page_has_no_fault() {
        let dir = written();
        let output = Command::new("mandoc")
            .args(["-Tlint", "-Wwarning"])
            .args(files(&dir.path().join("man1")))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.is_empty(), "{told}");
    }
}

fn is_understood_by(shell: &str, option: &str) {
    let dir = written();
    let scripts = files(&dir.path().join(shell));
    assert_eq!(scripts.len(), PROGRAMS.len());
    for script in scripts {
        let output = Command::new(shell)
            .arg(option)
            .arg(&script)
            .output()
            .unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}: {output:?}",
            script.display()
        );
    }
}

mod needs_bash {
    use std::path::Path;

    use super::{Command, is_understood_by, written};

    #[test]
    #[ignore = "needs bash: cargo test -p tests --test e2e_manual -- --ignored needs_bash"]
    fn completions_are_understood() {
        is_understood_by("bash", "-n");
    }

    fn completed(script: &Path, words: &str) -> String {
        let ask = format!(
            "source '{}'; COMP_WORDS=({words} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _dns_cf dns_cf '' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &ask])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    #[ignore = "needs bash: cargo test -p tests --test e2e_manual -- --ignored needs_bash"]
    fn completions_offer_commands_and_the_flags_of_settings() {
        let dir = written();
        let script = dir.path().join("bash/dns_cf.bash");
        assert!(completed(&script, "dns_cf").contains("sweep"));
        let flags = completed(&script, "dns_cf add");
        assert!(
            flags.contains("--zone-id") && flags.contains("--wait"),
            "{flags}"
        );
    }
}

mod needs_zsh {
    use super::is_understood_by;

    #[test]
    #[ignore = "needs zsh: cargo test -p tests --test e2e_manual -- --ignored needs_zsh"]
    fn completions_are_understood() {
        is_understood_by("zsh", "-n");
    }
}

mod needs_fish {
    use super::is_understood_by;

    #[test]
    #[ignore = "needs fish: cargo test -p tests --test e2e_manual -- --ignored needs_fish"]
    fn completions_are_understood() {
        is_understood_by("fish", "--no-execute");
    }
}
