//! What has begun comes to an end, forward or back, whatever happened in between; and what somebody else did meanwhile is
//! not lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fixtures::program;
use simulator::registration::{Composed, Identity, Layout, compose};
use simulator::seed::CLIENT_ID;

use crate::edge::{Edge, days_left, entries, in_days, names, read};

fn conf(edge: &Edge) -> Vec<(String, Vec<u8>)> {
    entries(edge.file.parent().unwrap())
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// Has `script` run after `flexctl` has renewed, before the program hears of it.
fn after_flexctl(edge: &mut Edge, script: &str) {
    let text = format!(
        "#!/bin/sh\n{} \"$@\" || exit\n[ \"$2\" = inspect ] && exit\n{script}\n",
        program("flexctl").display()
    );
    let wrapper = edge.bench.write("flexctl-and-more", text);
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    edge.bench.set("FLEXCTL", wrapper.to_str().unwrap());
}

/// A registration that somebody else may install.
fn other(edge: &Edge, identity: &Identity, days: i64) -> PathBuf {
    let Composed { registration, .. } = compose(identity, Layout::Pem, in_days(days)).unwrap();
    edge.bench.write("other/registration.yaml", registration)
}

#[test]
fn half_of_a_split_registration_is_finished_by_the_next_run() {
    for half in ["registration.yaml", "certificate.yaml"] {
        let mut edge = Edge::with(10, Layout::Split);
        edge.bench
            .set("FLEXCTL_LAYOUT", "split")
            .set("FLEX_RESTART_CMD", "kill -9 $PPID");
        let before = conf(&edge);
        assert_eq!(edge.renew(&[]).code, None);
        // As a run leaves it that is killed between the two.
        let (_, bytes) = before.iter().find(|(name, _)| name == half).unwrap();
        fs::write(edge.file.with_file_name(half), bytes).unwrap();

        edge.run(&["check", edge.file.to_str().unwrap()])
            .code(10)
            .prints("UNFINISHED");
        edge.bench.set("FLEX_RESTART_CMD", "touch restarted");
        edge.renew(&[])
            .code(0)
            .tells("an earlier run was interrupted");
        assert!(edge.in_home("restarted").exists());
        let installed = edge.installed();
        assert!(installed.has_key && installed.split);
        assert_eq!(days_left(&installed), 365);
        assert_eq!(edge.calls().len(), 1);
        assert_eq!(names(&edge.state()), ["backups"]);
    }
}

#[test]
fn going_back_restores_exactly_the_files_of_before() {
    for (before, renewed) in [(Layout::Pem, "split"), (Layout::Split, "split")] {
        let mut edge = Edge::with(10, before);
        edge.bench
            .set("FLEXCTL_LAYOUT", renewed)
            .set("FLEX_RESTART_CMD", "ls flex/conf.d >> seen; false");
        let files = conf(&edge);
        edge.renew(&[])
            .code(5)
            .tells("nor with the old one")
            .tells("The next run tries to restart it once more");
        assert_eq!(conf(&edge), files);
        let seen = fs::read_to_string(edge.in_home("seen")).unwrap();
        assert!(
            seen.starts_with("certificate.yaml\nregistration.yaml\n"),
            "{seen}"
        );
    }
}

#[test]
fn a_file_that_only_has_the_name_of_one_comes_back_too() {
    let mut edge = Edge::with_days(10);
    edge.bench
        .write("flex/conf.d/certificate.yaml", "kind: Something\n");
    let files = conf(&edge);
    edge.bench
        .set("FLEXCTL_LAYOUT", "split")
        .set("FLEX_RESTART_CMD", "false");
    edge.renew(&[]).code(5);
    assert_eq!(conf(&edge), files);
}

#[test]
fn going_back_that_was_interrupted_goes_on() {
    let mut edge = Edge::with_days(10);
    let files = conf(&edge);
    edge.bench.set("FLEXCTL_LAYOUT", "split").set(
        "FLEX_RESTART_CMD",
        "if [ -e once ]; then kill -9 $PPID; fi; touch once; false",
    );
    assert_eq!(edge.renew(&[]).code, None);
    assert!(names(&edge.state()).contains(&"undo".to_owned()));
    edge.bench.set("FLEX_RESTART_CMD", "touch back");
    edge.renew(&["--within", "1d"])
        .code(0)
        .tells("was putting the old registration back")
        .prints("not due");
    assert!(edge.in_home("back").exists());
    assert_eq!(conf(&edge), files);
    assert_eq!(edge.calls().len(), 1);
}

#[test]
fn what_flexctl_writes_beside_the_registration_is_kept_and_not_installed() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_FAULT", "extra");
    edge.renew(&[])
        .code(0)
        .tells("flexctl wrote more than a registration")
        .tells("metrics.yaml");
    assert_eq!(days_left(&edge.installed()), 365);
    assert_eq!(names(edge.file.parent().unwrap()), ["registration.yaml"]);
    let extra = entries(&edge.state().join("extra"));
    assert_eq!(names(&extra[0]), ["metrics.yaml"]);
    edge.renew(&["--force"]).code(0);
}

#[test]
fn flexctl_that_writes_where_it_stands_is_found_out() {
    let mut edge = Edge::with_days(10);
    edge.bench.set("FLEXCTL_FAULT", "here");
    edge.renew(&[])
        .code(0)
        .tells("flexctl wrote into the folder that it ran in");
    assert_eq!(days_left(&edge.installed()), 365);
    assert_eq!(names(&edge.state()), ["backups"]);
}

#[test]
fn a_registration_that_somebody_else_installed_meanwhile_is_kept() {
    let mut edge = Edge::with_days(10);
    let theirs = other(&edge, &Identity::default(), 100);
    let script = format!("cp {} {}", theirs.display(), edge.file.display());
    after_flexctl(&mut edge, &script);
    edge.renew(&[])
        .code(0)
        .tells("was changed by somebody else meanwhile; a copy of that is kept in");
    assert_eq!(days_left(&edge.installed()), 365);
    let copies: Vec<Vec<u8>> = edge
        .backups()
        .iter()
        .map(|folder| fs::read(folder.join("registration.yaml.old")).unwrap())
        .collect();
    assert!(copies.contains(&fs::read(theirs).unwrap()));
}

#[test]
fn a_newer_registration_or_another_gateways_stays_and_what_flexctl_wrote_is_kept() {
    let another = Identity {
        agent: "2f0c6f3e-0000-4000-8000-0000000000ee".to_owned(),
        ..Identity::default()
    };
    for (identity, days) in [(Identity::default(), 900), (another, 20)] {
        let mut edge = Edge::with_days(10);
        let theirs = other(&edge, &identity, days);
        let script = format!("cp {} {}", theirs.display(), edge.file.display());
        after_flexctl(&mut edge, &script);
        edge.bench.set("FLEX_RESTART_CMD", "touch restarted");
        edge.renew(&[])
            .code(5)
            .tells("somebody else has installed a registration")
            .tells("is kept in");
        assert_eq!(edge.bytes(), fs::read(theirs).unwrap());
        assert!(!edge.in_home("restarted").exists());
        let kept = read(&edge.state().join("rejected/registration.yaml"));
        assert_eq!(days_left(&kept), 365);
        edge.run(&["check", edge.file.to_str().unwrap(), "--within", "1d"])
            .code(0);
    }
}

#[test]
fn half_of_the_platforms_credentials_is_found_before_flexctl_is_asked() {
    let mut edge = Edge::with_days(10);
    edge.bench
        .set_secret("ANYPOINT_CLIENT_SECRET", "canary-without-an-id");
    edge.renew(&[])
        .code(2)
        .tells("ANYPOINT_CLIENT_ID is missing");
    assert!(edge.calls().is_empty());
    // Nothing is asked there without a restart.
    edge.renew(&["--no-restart"]).code(0);
}

#[test]
fn status_shows_what_has_begun() {
    let mut edge = Edge::with_days(10);
    let url = edge.bench.sim.url().to_owned();
    edge.bench
        .set("FLEX_REGISTRATION_FILE", edge.file.to_str().unwrap())
        .set("FLEX_RESTART_CMD", "kill -9 $PPID");
    assert_eq!(edge.renew(&[]).code, None);
    edge.bench
        .set("ANYPOINT_URL", url)
        .set("ANYPOINT_CLIENT_ID", CLIENT_ID)
        .set_secret("ANYPOINT_CLIENT_SECRET", simulator::seed::CLIENT_SECRET)
        .set("ANYPOINT_ORG", simulator::seed::ORGANIZATION_ID)
        .set("ANYPOINT_ENV", simulator::seed::PRODUCTION_ID);
    let status = edge.run(&["status"]);
    status.code(10).prints("UNFINISHED");
    let json = edge.run(&["status", "--output", "json"]).json();
    assert_eq!(json["unfinished"][0], edge.file.to_str().unwrap());
}

/// The access control list and the attribute of a test.
#[cfg(target_os = "linux")]
mod attributes {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    use rustix::fs::{XattrFlags, fgetxattr, setxattr};

    use super::Edge;
    use crate::edge::days_left;

    const LIST: &str = "system.posix_acl_access";

    /// The owner may write, user 4242 read, the group nothing: in the kernel's form.
    fn list() -> Vec<u8> {
        let anybody = u32::MAX;
        let entries: [(u16, u16, u32); 5] = [
            (1, 6, anybody),
            (2, 4, 4242),
            (4, 0, anybody),
            (16, 4, anybody),
            (32, 0, anybody),
        ];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    fn kept(file: &Path) -> (Vec<u8>, Vec<u8>, u32) {
        let file = File::open(file).unwrap();
        let value = |name: &str| {
            let mut buffer = vec![0; 4096];
            let length = fgetxattr(&file, name, &mut buffer[..]).unwrap_or_default();
            buffer[..length].to_vec()
        };
        (
            value(LIST),
            value("user.tag"),
            file.metadata().unwrap().mode() & 0o777,
        )
    }

    #[test]
    fn access_control_list_and_attributes_are_kept_forward_and_back() {
        for (restart, days) in [(":", 365), ("false", 10)] {
            let mut edge = Edge::with_days(10);
            std::fs::set_permissions(&edge.file, Permissions::from_mode(0o600)).unwrap();
            setxattr(&edge.file, LIST, &list(), XattrFlags::empty()).unwrap();
            setxattr(&edge.file, "user.tag", b"edge", XattrFlags::empty()).unwrap();
            let before = kept(&edge.file);
            assert_eq!(before, (list(), b"edge".to_vec(), 0o640));
            edge.bench
                .set("FLEX_RESTART_CMD", restart)
                .set("FLEXCTL_LAYOUT", "split");
            edge.renew(&[]);
            assert_eq!(days_left(&edge.installed()), days);
            assert_eq!(kept(&edge.file), before, "{restart}");
            let certificate = edge.file.with_file_name("certificate.yaml");
            if days == 365 {
                assert_eq!(kept(&certificate), before);
            } else {
                assert!(!certificate.exists());
            }
        }
    }
}
