//! Going back to a registration that was replaced.

use std::fs;

use simulator::registration::Layout;

use crate::edge::{Edge, days_left, names};

fn restore(edge: &Edge, more: &[&str]) -> fixtures::Finished {
    edge.run(&[&["restore", edge.file.to_str().unwrap(), "-vv"], more].concat())
}

#[test]
fn the_registration_before_the_last_renewal_comes_back_and_that_can_be_undone() {
    let mut edge = Edge::with_days(10);
    let before = edge.bytes();
    edge.renew(&[]).code(0);
    let renewed = edge.bytes();
    edge.bench
        .set("FLEX_RESTART_CMD", "cp flex/conf.d/registration.yaml seen");
    restore(&edge, &[])
        .code(0)
        .prints("restored from ")
        .prints("; restarted by the restart command")
        .tells("it is due: the next run of flex-renew renews it");
    assert_eq!(edge.bytes(), before);
    assert_eq!(fs::read(edge.in_home("seen")).unwrap(), before);
    assert_eq!(names(&edge.state()), ["backups"]);
    let json = restore(&edge, &["--output", "json"]).code(0).json();
    assert_eq!(edge.bytes(), renewed);
    assert!(
        json["restored"]
            .as_str()
            .unwrap()
            .contains("/backups/000002_")
    );
    assert_eq!(edge.calls().len(), 1);
}

#[test]
fn a_backup_can_be_named_and_a_broken_registration_is_replaced_by_the_last_one_that_works() {
    let edge = Edge::with(10, Layout::Pem);
    let first = edge.bytes();
    edge.renew(&["--force"]).code(0);
    let second = edge.bytes();
    edge.renew(&["--force"]).code(0);
    let all: Vec<String> = names(&edge.state().join("backups"));
    restore(&edge, &["--backup", "nobody"])
        .code(4)
        .tells("there is no backup nobody")
        .tells(&all[0])
        .tells(&all[1]);
    restore(&edge, &["--backup", "../backups"]).code(4);
    restore(&edge, &["--backup", &all[0]]).code(0);
    assert_eq!(edge.bytes(), first);
    fs::write(&edge.file, "").unwrap();
    fs::remove_dir_all(edge.backups().last().unwrap()).unwrap();
    restore(&edge, &[]).code(0);
    assert_eq!(edge.bytes(), second);
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn a_restored_registration_that_the_gateway_does_not_start_with_is_taken_back() {
    let mut edge = Edge::with_days(10);
    restore(&edge, &[])
        .code(4)
        .tells("No registration has been replaced here yet");
    edge.renew(&[]).code(0);
    let renewed = edge.bytes();
    edge.bench
        .set("FLEX_RESTART_CMD", "test -e once || { touch once; false; }");
    restore(&edge, &[]).code(5);
    assert_eq!(edge.bytes(), renewed);
    edge.bench.set("FLEX_RESTART_CMD", "kill -9 $PPID");
    assert_eq!(restore(&edge, &[]).code, None);
    edge.bench.set("FLEX_RESTART_CMD", ":");
    restore(&edge, &[]).code(2).tells("Finish it first");
    edge.renew(&[]).code(0);
    restore(&edge, &[]).code(0);
    assert_eq!(edge.bytes(), renewed);
}
