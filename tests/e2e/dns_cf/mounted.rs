//! Conf files that cannot be replaced, such as a single file mounted into a container.

mod needs_unshare {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use fixtures::{Bench, Finished, program};

    use crate::fixture::{NAME, as_hook, bench, lines, read};

    /// Runs `dns_cf add` in a mount namespace where `mount` has run; afterwards `after` holds what `file` had.
    fn add_with(bench: &Bench, mount: &str, file: &Path) -> Finished {
        let script = format!(
            "set -e\n{mount}\ncode=0\n\"$@\" || code=$?\ncp \"{}\" after\nls -A acme > names\nexit $code\n",
            file.display()
        );
        let script = bench.write("mounted.sh", script);
        let mut unshared = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshared.args(["--user", "--map-root-user"]);
        }
        unshared
            .args(["--mount", "/bin/sh", script.to_str().unwrap()])
            .arg(program("dns_cf"))
            .args(["add", NAME, "value"])
            .current_dir(bench.home())
            .env_clear();
        let command = bench.command("dns_cf", [""; 0]);
        for (name, value) in command.get_envs() {
            unshared.env(name, value.unwrap_or_default());
        }
        Finished::from(unshared.output().unwrap())
    }

    /// A file to be mounted over the account conf.
    fn with_mounted_conf() -> (Bench, PathBuf, PathBuf) {
        let mut bench = bench();
        let conf = as_hook(&mut bench);
        fs::write(&conf, "").unwrap();
        let outside = bench.write("outside.conf", "UPGRADE_HASH='0'\n");
        (bench, conf, outside)
    }

    #[test]
    #[ignore = "needs unshare: run scripts/test.sh"]
    fn a_conf_file_that_is_mounted_by_itself_is_written_in_place() {
        let (bench, conf, outside) = with_mounted_conf();
        let mount = format!("mount --bind outside.conf \"{}\"", conf.display());
        add_with(&bench, &mount, &conf).code(0);
        let saved = read(&outside);
        assert!(
            saved.starts_with("UPGRADE_HASH='0'\n") && saved.contains("SAVED_CF_Token='"),
            "{saved}"
        );
        assert_eq!(saved, read(&bench.home().join("after")));
        // No copy and no temporary file is left.
        assert_eq!(read(&bench.home().join("names")), "account.conf\n");
    }

    #[test]
    #[ignore = "needs unshare: run scripts/test.sh"]
    fn a_conf_file_that_is_mounted_read_only_is_found_out_before_the_first_request() {
        let (bench, conf, outside) = with_mounted_conf();
        let mount = format!(
            "mount --bind outside.conf \"{0}\"\nmount -o remount,bind,ro \"{0}\"",
            conf.display()
        );
        add_with(&bench, &mount, &conf)
            .code(2)
            .tells("account.conf");
        assert_eq!(bench.sim.requests().len(), 0, "{:?}", lines(&bench));
        assert_eq!(read(&outside), "UPGRADE_HASH='0'\n");
    }

    #[test]
    #[ignore = "needs unshare: run scripts/test.sh"]
    fn a_conf_file_in_a_read_only_folder_is_written_in_place_without_a_copy() {
        let (bench, conf, outside) = with_mounted_conf();
        let mount = format!(
            "mount --bind acme acme\nmount --bind outside.conf \"{}\"\nmount -o remount,bind,ro acme",
            conf.display()
        );
        add_with(&bench, &mount, &conf).code(0);
        assert!(read(&outside).contains("SAVED_CF_Token='"));
    }
    #[test]
    #[ignore = "needs unshare: run scripts/test.sh"]
    fn a_token_that_does_not_fit_on_the_disk_is_said_to_be_missing_at_the_next_renewal() {
        let mut bench = bench();
        let conf = as_hook(&mut bench);
        let mount = format!(
            "mount -t tmpfs -o size=16k tmpfs acme\necho \"SAVED_CF_Token='old'\" > \"{}\"\n\
             cat /dev/zero > acme/ballast 2> /dev/null || :",
            conf.display()
        );
        add_with(&bench, &mount, &conf)
            .code(0)
            .tells("CF_Token could not be saved, and the next renewal will go by what was saved before")
            .tells("account.conf cannot be written")
            .tells("Free space on the disk")
            .tells("repeat the call with CF_Token set again");
        assert_eq!(read(&bench.home().join("after")), "SAVED_CF_Token='old'\n");
        assert_eq!(read(&bench.home().join("names")), "account.conf\nballast\n");
    }
}
