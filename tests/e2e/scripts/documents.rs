//! Man pages and completions, which the installer takes from an archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Place, Ran, mode, scripts, text, write};

/// What stands in each of them.
const OURS: &str = "# Part of anypoint-acme-hooks\n";

/// An archive as it is unpacked, with documents of two programs.
struct Archive {
    place: Place,
}

impl Archive {
    fn new() -> Self {
        let place = Place::new();
        let copied = Command::new("cp")
            .arg("-R")
            .arg(scripts())
            .arg(place.path("archive-scripts"))
            .status()
            .unwrap();
        assert!(copied.success());
        fs::create_dir(place.path("archive")).unwrap();
        fs::rename(place.path("archive-scripts"), place.path("archive/scripts")).unwrap();
        let archive = Self { place };
        for document in [
            "man1/dns_cf.1",
            "man1/dns_cf-add.1",
            "man1/cloudhub_v2.1",
            "bash/dns_cf.bash",
            "zsh/_dns_cf",
            "fish/dns_cf.fish",
        ] {
            archive.document(document);
        }
        archive
    }

    fn document(&self, name: &str) {
        let file = self.place.path("archive/manual").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        write(&file, &format!("{name}\n{OURS}"), 0o600);
    }

    fn install(&self, arguments: &[&str]) -> Ran {
        let place = &self.place;
        let mut command = Command::new("sh");
        command
            .arg(place.path("archive/scripts/install.sh"))
            .args(["--home", text(&place.home)])
            .args(["--bin-dir", text(&place.bin())])
            .args(["--from", text(&place.path("built"))])
            .args(arguments);
        place.run(&mut command)
    }

    fn installed(&self) -> Vec<PathBuf> {
        let share = self.place.path("share");
        let mut all = Vec::new();
        collect(&share, &share, &mut all);
        all.sort();
        all
    }
}

fn collect(root: &Path, folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, all);
        } else {
            all.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
}

fn paths<const N: usize>(names: [&str; N]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn pages_and_completions_go_beside_the_executables_and_leave_with_them() {
    let archive = Archive::new();
    let ran = archive.install(&["--dry-run"]).succeeds();
    assert!(ran.stdout.contains("would install man pages"), "{ran:?}");
    assert!(archive.installed().is_empty());

    archive.install(&[]).succeeds();
    let expected = paths([
        "bash-completion/completions/dns_cf",
        "fish/vendor_completions.d/dns_cf.fish",
        "man/man1/cloudhub_v2.1",
        "man/man1/dns_cf-add.1",
        "man/man1/dns_cf.1",
        "zsh/site-functions/_dns_cf",
    ]);
    assert_eq!(archive.installed(), expected);
    let page = archive.place.path("share/man/man1/dns_cf.1");
    assert_eq!(mode(&page), 0o644);

    archive.install(&["--uninstall", "dns_cf"]).succeeds();
    assert_eq!(archive.installed(), paths(["man/man1/cloudhub_v2.1"]));
    archive.install(&["--uninstall"]).succeeds();
    assert!(archive.installed().is_empty());
}

#[test]
fn a_page_of_a_command_that_is_gone_goes_and_what_is_not_ours_stays() {
    let archive = Archive::new();
    let foreign = archive
        .place
        .path("share/fish/vendor_completions.d/dns_cf.fish");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    write(&foreign, "somebody else's\n", 0o644);
    let ran = archive.install(&[]).succeeds();
    assert!(
        ran.stderr.contains("dns_cf.fish: it was not installed"),
        "{ran:?}"
    );

    fs::remove_file(archive.place.path("archive/manual/man1/dns_cf-add.1")).unwrap();
    archive.document("man1/dns_cf-sweep.1");
    archive.install(&[]).succeeds();
    let pages: Vec<PathBuf> = archive
        .installed()
        .into_iter()
        .filter(|path| path.starts_with("man"))
        .collect();
    assert_eq!(
        pages,
        paths([
            "man/man1/cloudhub_v2.1",
            "man/man1/dns_cf-sweep.1",
            "man/man1/dns_cf.1"
        ])
    );

    archive.install(&["--uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "somebody else's\n");
}

#[test]
fn executables_in_a_folder_of_another_name_come_without_pages() {
    let archive = Archive::new();
    let other = archive.place.path("programs");
    archive
        .install(&["--bin-dir", text(&other), "dns_cf"])
        .succeeds();
    assert!(archive.installed().is_empty());
}
