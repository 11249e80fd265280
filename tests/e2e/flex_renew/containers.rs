//! A gateway in a container: real Podman, with an image made from nothing but the stand-in `flexctl`; and the real
//! command of Docker, talking to Podman.

use std::fs;

use fixtures::program;

use crate::edge::{Edge, days_left};
use crate::log::{CONNECTED, GAVE_UP, STARTED};

/// A gateway in a container of a stand-in for Podman.
fn edge() -> Edge {
    let mut edge = Edge::with_days(10);
    edge.on_path("podman");
    let conf = edge.file.parent().unwrap().to_str().unwrap().to_owned();
    let log = edge.in_home("podman.log");
    edge.bench
        .unset("FLEXCTL")
        .unset("FLEX_RESTART_CMD")
        .set("FLEX_RUNTIME", "podman")
        .set("PODMAN_CONF", conf)
        .set("PODMAN_LOG", log.to_str().unwrap())
        .set("PODMAN_FLEXCTL", program("flexctl").to_str().unwrap());
    edge
}

fn podman(edge: &Edge, command: &str) -> Vec<String> {
    let log = fs::read_to_string(edge.in_home("podman.log")).unwrap();
    log.lines()
        .filter(|line| line.starts_with(command))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_newest_image_is_fetched_where_that_is_asked_for() {
    let edge = edge();
    edge.renew(&[])
        .code(0)
        .prints("; flexctl 1.8.2")
        .tells("flexctl of the image mirror.example/flex-gateway:1.8.2");
    assert!(podman(&edge, "pull").is_empty());
    edge.renew(&["--force", "--pull"])
        .code(0)
        .tells("flexctl of the image mirror.example/flex-gateway:latest");
    assert_eq!(
        podman(&edge, "pull"),
        ["pull --quiet mirror.example/flex-gateway:latest"]
    );
    edge.renew(&["--force", "--pull", "--image", "own:7"])
        .code(0)
        .tells("flexctl of the image own:7");
    assert_eq!(podman(&edge, "pull")[1], "pull --quiet own:7");
    assert_eq!(days_left(&edge.installed()), 365);
}

#[test]
fn an_image_that_cannot_be_fetched_is_no_reason_to_let_a_registration_expire() {
    let mut edge = edge();
    edge.bench.set("PODMAN_FAILS", "pull").set("FLEX_PULL", "1");
    edge.renew(&[])
        .code(0)
        .tells("mirror.example/flex-gateway:latest cannot be fetched")
        .tells("pull does not work today")
        .tells("flexctl of the image mirror.example/flex-gateway:1.8.2");
}

#[test]
fn flexctl_in_a_container_knows_the_proxy_and_the_authorities_of_this_host() {
    let mut edge = edge();
    let instead = edge.bench.write("own.pem", "the only ones");
    edge.bench
        .set("SSL_CERT_FILE", instead.to_str().unwrap())
        .set("NO_PROXY", "localhost")
        .never_shown("canary-of-the-proxy")
        .set(
            "HTTPS_PROXY",
            "http://ada:canary-of-the-proxy@proxy.example:3128",
        );
    edge.renew(&[]).code(0);
    let run = &podman(&edge, "run --rm --name")[0];
    for argument in [
        "--env HTTPS_PROXY ",
        "--env NO_PROXY ",
        "--env SSL_CERT_FILE=/registration/ca-only/all.pem ",
        "--env SSL_CERT_DIR=/registration/ca:/etc/ssl/certs:/etc/pki/tls/certs ",
    ] {
        assert!(run.contains(argument), "{argument} is not in {run}");
    }
    assert!(!run.contains("canary-of-the-proxy"), "{run}");
    let seen = fs::read_to_string(edge.in_home("podman.log.seen")).unwrap();
    assert!(seen.contains("the only ones"), "{seen}");
    assert!(seen.contains("-----BEGIN CERTIFICATE-----"), "{seen}");
    assert!(seen.contains("proxy.example:3128"), "{seen}");
}

#[test]
fn the_log_of_a_container_since_its_start_is_read() {
    let mut edge = edge();
    let log = edge
        .bench
        .write("container.log", [STARTED, CONNECTED].concat());
    edge.bench.set("PODMAN_LOGS", log.to_str().unwrap());
    edge.renew(&[])
        .code(0)
        .prints("; the gateway's log shows that it is connected");
    assert_eq!(
        podman(&edge, "logs")[0],
        "logs --tail 1000 --since 2026-11-25T10:00:00.5Z edge"
    );
    let before = edge.bytes();
    fs::write(log, [STARTED, GAVE_UP].concat()).unwrap();
    edge.renew(&["--force"])
        .code(5)
        .tells("Max retries reached for token authorization");
    assert_eq!(edge.bytes(), before);
}

#[test]
fn every_container_of_flexctl_has_the_name_by_which_a_later_run_removes_it() {
    let edge = edge();
    edge.renew(&[]).code(0);
    let runs = podman(&edge, "run");
    // One renews, one says which version did.
    assert_eq!(runs.len(), 2, "{runs:?}");
    for run in runs {
        assert!(run.contains("--name flex-renew-work-"), "{run}");
    }
}

pub(crate) mod needs_podman {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use fixtures::{Finished, program, wait_until};
    use rustix::process::{Pid, Signal, kill_process};
    use simulator::registration::Layout;

    use crate::edge::{Edge, days_left, names};

    const CONF: &str = "/usr/local/share/mulesoft/flex-gateway/conf.d";

    pub(crate) struct Gateway {
        pub(crate) edge: Edge,
        image: String,
        pub(crate) name: String,
        /// Every image made, since one that is made anew loses its name.
        made: RefCell<Vec<String>>,
    }

    impl Gateway {
        /// A gateway's container that runs, with its configuration on this host.
        fn with_days(days: i64) -> Self {
            Self::started_with(days, &[])
        }

        /// One that is due and needs no time to stop.
        pub(crate) fn stopped_at_once() -> Self {
            Self::started_with(10, &["--stop-timeout", "0"])
        }

        fn started_with(days: i64, options: &[&str]) -> Self {
            let mut edge = Edge::with(days, Layout::Pem);
            let conf = edge.bench.write("containers.conf", conf());
            let unique = edge.bench.home().file_name().unwrap().to_str().unwrap();
            let unique: String = unique
                .to_lowercase()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
            let (image, name) = (
                format!("localhost/flex-{unique}:1"),
                format!("edge-{unique}"),
            );
            edge.bench
                .unset("FLEXCTL")
                .unset("FLEXCTL_LOG")
                .unset("FLEX_RESTART_CMD")
                // The engine needs a moment to notice that a container has ended.
                .set("FLEX_WATCH", "3s")
                .set("CONTAINERS_CONF", conf.to_str().unwrap());
            let gateway = Self {
                edge,
                image,
                name,
                made: RefCell::default(),
            };
            gateway.import("");
            gateway.start(options);
            gateway
        }

        fn podman(&self, args: &[&str]) -> String {
            let output = Command::new("podman")
                .args(args)
                .env("CONTAINERS_CONF", self.edge.in_home("containers.conf"))
                .output()
                .unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(
                output.status.success(),
                "podman {args:?}: {}",
                text(&output.stderr)
            );
            text(&output.stdout)
        }

        /// Makes the image anew, its programs with this fault.
        fn import(&self, fault: &str) {
            let root = self.edge.in_home("image");
            let flexctl = program("flexctl");
            copy(&flexctl, &root.join("usr/bin/flexctl"));
            for library in libraries(&flexctl) {
                copy(&library, &root.join(library.strip_prefix("/").unwrap()));
            }
            fs::create_dir_all(root.join("tmp")).unwrap();
            let archive = self.edge.in_home("image.tar");
            let packed = Command::new("tar")
                .arg("-C")
                .arg(&root)
                .arg("-cf")
                .arg(&archive)
                .arg(".")
                .status();
            assert!(packed.unwrap().success());
            let fault = format!("ENV FLEXCTL_FAULT={fault}");
            let id = self.podman(&[
                "import",
                "--quiet",
                "--change",
                "ENV PATH=/usr/bin",
                "--change",
                &fault,
                archive.to_str().unwrap(),
                &self.image,
            ]);
            self.made.borrow_mut().push(id.trim().to_owned());
        }

        fn start(&self, options: &[&str]) {
            let volume = format!("{}:{CONF}", self.edge.file.parent().unwrap().display());
            let run = ["run", "--detach", "--name", &self.name, "-v", &volume];
            self.podman(&[&run, options, &[&self.image, "flexctl", "gateway"]].concat());
        }

        /// Whether the engine can run a command in the gateway's container. Where this system is itself in a chroot, the
        /// command sees the files outside of it.
        fn can_be_entered(&self) -> bool {
            let entered = Command::new("podman")
                .args(["exec", &self.name, "flexctl", "version"])
                .env("CONTAINERS_CONF", self.edge.in_home("containers.conf"))
                .output();
            entered.unwrap().status.success()
        }

        /// The containers made from this gateway's image, which no other test uses.
        pub(crate) fn containers(&self) -> String {
            let ancestor = format!("ancestor={}", self.image);
            self.podman(&[
                "ps",
                "--all",
                "--filter",
                &ancestor,
                "--format",
                "{{.Names}}",
            ])
        }

        pub(crate) fn status(&self) -> String {
            let status = self.podman(&[
                "container",
                "inspect",
                "--format",
                "{{.State.Status}}",
                &self.name,
            ]);
            status.trim().to_owned()
        }

        fn started(&self) -> String {
            self.podman(&[
                "container",
                "inspect",
                "--format",
                "{{.State.StartedAt}}",
                &self.name,
            ])
        }
    }

    impl Drop for Gateway {
        fn drop(&mut self) {
            let made = self.made.borrow();
            let images = made.iter().map(|image| ["rmi", "--force", image]);
            for args in std::iter::once(["rm", "--force", &self.name]).chain(images) {
                let conf = self.edge.in_home("containers.conf");
                let _ = Command::new("podman")
                    .args(args)
                    .env("CONTAINERS_CONF", conf)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }

    /// Where this process may not raise its limits, a container must not get others than it has.
    fn conf() -> String {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let hard = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().rev().nth(1).unwrap().to_owned()
        };
        let files = hard("Max open files");
        format!(
            "[containers]\ndefault_ulimits = [\"nofile={files}:{files}\", \"nproc=1024:1024\"]\n[engine]\nruntime = \"runc\"\n"
        )
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }

    /// What a program is linked with, by `ldd`.
    fn libraries(program: &Path) -> BTreeSet<PathBuf> {
        let output = Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace()
            .filter(|word| word.starts_with('/'))
            .map(PathBuf::from)
            .collect()
    }

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn a_container_is_found_renewed_from_its_own_image_and_restarted() {
        let gateway = Gateway::with_days(10);
        let edge = &gateway.edge;
        let (before, started) = (fs::metadata(&edge.file).unwrap(), gateway.started());
        let run = edge.renew(&[]);
        run.code(0)
            .tells("runtime podman: a container mounts the registration")
            .tells(&format!("flexctl of the image {}", gateway.image))
            .tells(if gateway.can_be_entered() {
                "flexctl registration inspect reports the same expiry"
            } else {
                "flexctl registration inspect could not be asked: podman exec"
            })
            .prints(&format!("restarted {} (podman)", gateway.name));
        assert_eq!(days_left(&edge.installed()), 365);
        let after = fs::metadata(&edge.file).unwrap();
        assert_eq!(
            (after.uid(), after.gid(), after.mode()),
            (before.uid(), before.gid(), before.mode())
        );
        assert_ne!(gateway.started(), started);
        assert_eq!(names(&edge.state()), ["backups"]);
        assert_eq!(gateway.containers().trim(), gateway.name);
        // Without a file, the running container says where it is.
        edge.run(&["check", "--runtime", "podman"])
            .prints(edge.file.to_str().unwrap());
    }

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn a_container_of_flexctl_that_hangs_is_removed() {
        let gateway = Gateway::with_days(10);
        gateway.import("hang");
        let before = gateway.edge.bytes();
        let image = gateway.image.clone();
        gateway
            .edge
            .renew(&[
                "--runtime",
                "podman",
                "--image",
                &image,
                "--flexctl-timeout",
                "3s",
            ])
            .code(6)
            .tells("did not finish within 3s");
        assert_eq!(gateway.edge.bytes(), before);
        assert_eq!(gateway.containers().trim(), gateway.name);
    }

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn a_gateway_that_ends_after_the_restart_gets_the_old_registration_back() {
        let gateway = Gateway::with_days(10);
        let before = gateway.edge.bytes();
        // The gateway of this name has no such command, so it ends at once.
        gateway.podman(&["rm", "--force", &gateway.name]);
        let volume = format!("{}:{CONF}", gateway.edge.file.parent().unwrap().display());
        gateway.podman(&[
            "create",
            "--name",
            &gateway.name,
            "-v",
            &volume,
            &gateway.image,
            "flexctl",
            "version",
        ]);
        gateway
            .edge
            .renew(&["--restart", &gateway.name])
            .code(5)
            .tells("is not running")
            .tells("which is in place again");
        assert_eq!(gateway.edge.bytes(), before);
        gateway
            .edge
            .renew(&[])
            .code(5)
            .tells("was putting the old registration back");
    }

    /// A renewal that is in the middle of its restart: the stand-in for a gateway ignores the signal to stop, so there is
    /// time until it is killed.
    fn restarting(gateway: &Gateway) -> Child {
        let child = gateway
            .edge
            .bench
            .command("flex-renew", ["renew", gateway.edge.file.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("the container is being stopped", || {
            gateway.status() == "stopping"
        });
        child
    }

    fn kill(pid: u32, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn a_signal_in_the_middle_of_the_restart_does_not_leave_the_gateway_down() {
        for signal in [Signal::TERM, Signal::INT] {
            let gateway = Gateway::with_days(10);
            let child = restarting(&gateway);
            kill(child.id(), signal);
            let run = Finished::from(child.wait_with_output().unwrap());
            run.code(7).tells("stopped by a signal after the restart");
            assert_eq!(gateway.status(), "running");
            assert_eq!(days_left(&gateway.edge.installed()), 365);
            assert_eq!(names(&gateway.edge.state()), ["backups"]);
        }
    }

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn a_gateway_that_a_killed_restart_left_down_is_started_by_the_next_run() {
        let gateway = Gateway::with_days(10);
        let edge = &gateway.edge;
        let mut child = restarting(&gateway);
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let children = fs::read_to_string(children).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        for podman in children.split_whitespace() {
            kill(podman.parse().unwrap(), Signal::KILL);
        }
        assert_ne!(gateway.status(), "running");
        let file = edge.file.to_str().unwrap();
        edge.run(&["check", file]).code(10).prints("UNFINISHED");
        edge.renew(&[])
            .code(0)
            .tells("an earlier run was interrupted")
            .prints(&format!("restarted {} (podman)", gateway.name));
        assert_eq!(gateway.status(), "running");
        edge.run(&["check", file]).code(0);
    }

    #[test]
    #[ignore = "needs podman: cargo test -p tests --test e2e_flex_renew needs_podman -- --ignored"]
    fn the_only_container_counts_although_it_is_stopped() {
        let gateway = Gateway::with_days(10);
        gateway.podman(&["stop", "--time", "0", &gateway.name]);
        gateway.edge.renew(&[]).code(0);
        assert_eq!(gateway.status(), "running");
    }

    mod needs_docker {
        use std::os::unix::net::UnixStream;
        use std::path::Path;
        use std::process::{Child, Command, Stdio};

        use fixtures::wait_until;

        use super::Gateway;
        use crate::edge::days_left;

        #[test]
        #[ignore = "needs docker and podman: cargo test -p tests --test e2e_flex_renew needs_docker -- --ignored"]
        fn the_command_of_docker_does_the_same() {
            let mut gateway = Gateway::with_days(10);
            let socket = gateway.edge.in_home("podman.sock");
            let address = format!("unix://{}", socket.display());
            let _service = Service::start(&gateway, &address, &socket);
            gateway.edge.bench.set("DOCKER_HOST", address);
            gateway
                .edge
                .renew(&["--runtime", "docker"])
                .code(0)
                .tells("runtime docker: as set")
                .prints(&format!("restarted {} (docker)", gateway.name));
            assert_eq!(days_left(&gateway.edge.installed()), 365);
        }

        struct Service(Child);

        impl Service {
            fn start(gateway: &Gateway, address: &str, socket: &Path) -> Self {
                let child = Command::new("podman")
                    .args(["system", "service", "--time=0", address])
                    .env("CONTAINERS_CONF", gateway.edge.in_home("containers.conf"))
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let service = Self(child);
                wait_until("podman answers", || UnixStream::connect(socket).is_ok());
                service
            }
        }

        impl Drop for Service {
            fn drop(&mut self) {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
        }
    }
}
