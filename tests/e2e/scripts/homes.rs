//! Which home of acme.sh is meant, and who shares what with it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use crate::fixture::{NOBODY, PROGRAMS, Place, SHIMS, is_superuser, make_home, text};

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
fn a_home_whose_records_acme_sh_could_not_remove_is_refused() {
    for name in ["acme home", "acme,home", "acme\thome"] {
        let place = Place::with_home_named(name);
        let before = place.snapshot();
        for arguments in [&[][..], &["--dry-run"]] {
            place
                .install(arguments)
                .refused_with("with a blank or a comma in its path");
        }
        assert_eq!(place.snapshot(), before);
        assert!(!place.bin().exists());
    }
}

#[test]
fn a_home_that_was_moved_to_such_a_path_can_still_be_uninstalled_from() {
    let mut place = Place::new();
    let before = place.snapshot().len();
    place.install(&[]).succeeds();
    let moved = place.path("acme home");
    fs::rename(&place.home, &moved).unwrap();
    place.home = moved;
    place.install(&["--uninstall"]).succeeds();
    assert_eq!(place.snapshot().len(), before);
}

#[test]
fn an_acme_sh_beside_which_hooks_cannot_work_is_refused() {
    let place = Place::new();
    let packaged = place.path("share acme");
    fs::create_dir_all(&packaged).unwrap();
    for name in ["acme.sh", "dnsapi", "deploy"] {
        fs::rename(place.home.join(name), packaged.join(name)).unwrap();
    }
    symlink(packaged.join("acme.sh"), place.home.join("acme.sh")).unwrap();
    place.install(&[]).refused_with(text(&packaged));
}

#[test]
fn uninstalling_from_one_home_keeps_the_executables_that_another_uses() {
    let place = Place::new();
    let other = place.path("other");
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
