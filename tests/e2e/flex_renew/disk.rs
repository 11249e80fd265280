//! A full disk, and a registration that is mounted by itself: in a mount namespace of their own.

mod needs_unshare {
    use std::path::Path;

    use fixtures::{Finished, program};

    use crate::edge::{Edge, days_left, is_root, read};

    /// Renews a registration on a file system with `room` free kilobytes; afterwards the registration is in `after`.
    fn renew_with_room(edge: &Edge, room: u32) -> Finished {
        let script = format!(
            "set -e\n\
             mkdir -p small\n\
             mount -t tmpfs -o size=256k tmpfs small\n\
             mkdir small/conf.d after\n\
             cp flex/conf.d/registration.yaml small/conf.d/\n\
             head -c {} /dev/zero > small/ballast 2>/dev/null || true\n\
             code=0\n\
             \"$PROGRAM\" renew small/conf.d/registration.yaml -vv || code=$?\n\
             cp small/conf.d/registration.yaml after/\n\
             ls -A small/conf.d > names\n\
             rm small/ballast\n\
             \"$PROGRAM\" renew small/conf.d/registration.yaml -q >&2\n\
             cp small/conf.d/registration.yaml after/then.yaml\n\
             exit $code\n",
            (256 - room) * 1024
        );
        in_own_namespace(edge, &script)
    }

    /// Runs a script that may mount what it likes.
    fn in_own_namespace(edge: &Edge, script: &str) -> Finished {
        let script = edge.bench.write("script.sh", script);
        let mut command = edge.bench.command("flex-renew", [""; 0]);
        let mut unshared = std::process::Command::new("unshare");
        if !is_root() {
            unshared.args(["--user", "--map-root-user"]);
        }
        unshared
            .args(["--mount", "/bin/sh", script.to_str().unwrap()])
            .current_dir(edge.bench.home());
        unshared.env_clear().env("PROGRAM", program("flex-renew"));
        for (name, value) in command.env_remove("nothing").get_envs() {
            unshared.env(name, value.unwrap_or_default());
        }
        Finished::from(unshared.output().unwrap())
    }

    #[test]
    #[ignore = "needs unshare: cargo test -p tests --test e2e_flex_renew needs_unshare -- --ignored"]
    fn a_full_disk_leaves_the_old_registration_whole_and_says_so() {
        let mut codes = Vec::new();
        for room in [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 64] {
            let edge = Edge::with_days(10);
            let run = renew_with_room(&edge, room);
            let after = edge.in_home("after");
            let there = std::fs::read(after.join("registration.yaml"))
                .unwrap_or_else(|err| panic!("{err}: {run}"));
            let names = std::fs::read_to_string(edge.in_home("names")).unwrap();
            assert_eq!(names.trim(), "registration.yaml", "{room}: {run}");
            match run.code {
                Some(0) => assert_eq!(
                    days_left(&read(&after.join("registration.yaml"))),
                    365,
                    "{room}: {run}"
                ),
                Some(2 | 5 | 7) => {
                    assert_eq!(there, edge.bytes(), "{room}: {run}");
                    assert!(
                        run.stderr.contains("No space left on device")
                            || run.stderr.contains("os error 28"),
                        "{room}: {run}"
                    );
                }
                _ => panic!("{room}: {run}"),
            }
            assert_eq!(
                days_left(&read(Path::new(&after.join("then.yaml")))),
                365,
                "{room}: {run}"
            );
            codes.push(run.code);
        }
        assert!(
            codes.first() != Some(&Some(0)) && codes.last() == Some(&Some(0)),
            "{codes:?}"
        );
    }

    #[test]
    #[ignore = "needs unshare: cargo test -p tests --test e2e_flex_renew needs_unshare -- --ignored"]
    fn a_registration_that_is_mounted_by_itself_is_written_in_place_and_goes_back() {
        for (restart, code, days) in [(":", 0, 365), ("false", 5, 10)] {
            let mut edge = Edge::with_days(10);
            edge.bench.set("FLEX_RESTART_CMD", restart);
            let file = edge.file.to_str().unwrap();
            let script = format!(
                "set -e\ntouch mounted\ncp {file} mounted\nmount --bind mounted {file}\n\
                 exec \"$PROGRAM\" renew {file} -vv\n"
            );
            let run = in_own_namespace(&edge, &script);
            run.code(code);
            assert_eq!(days_left(&read(&edge.in_home("mounted"))), days, "{run}");
            assert_eq!(edge.calls().len(), 1);
        }
    }

    #[test]
    #[ignore = "needs unshare: cargo test -p tests --test e2e_flex_renew needs_unshare -- --ignored"]
    fn one_that_cannot_be_written_either_is_found_before_flexctl_is_asked() {
        let edge = Edge::with_days(10);
        let file = edge.file.to_str().unwrap();
        let script = format!(
            "set -e\ncp {file} mounted\nmount --bind mounted {file}\nmount -o remount,ro,bind {file}\n\
             exec \"$PROGRAM\" renew {file} -vv\n"
        );
        in_own_namespace(&edge, &script)
            .code(2)
            .tells("cannot be replaced")
            .tells("Nothing was changed");
        assert!(edge.calls().is_empty());
    }
}
