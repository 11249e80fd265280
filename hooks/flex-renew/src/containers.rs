//! Docker and Podman, whose command lines are alike where they are used here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::error::{Error, Kind, Result};
use common::flex::flexctl::Flexctl;
use common::flex::registration::FILE_NAME;
use common::system::files;
use common::system::hold::Hold;
use common::system::process::{self, Program, user};
use jiff::Timestamp;
use serde::Deserialize;

use crate::runtime::{CONF_FOLDER, Runtime};

/// Where a renewal's folder is inside the container, as in the documented call.
pub(crate) const WORK: &str = "/registration";

/// A container that was told to stop and has not been seen to have ended.
const STOPPING: &str = "stopping";

/// Limit on a question to the engine.
const LIMIT: Duration = Duration::from_secs(30);

/// Limit on fetching an image.
const PULL_LIMIT: Duration = Duration::from_secs(5 * 60);

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Docker,
    Podman,
}

/// A container that has the registration's folder, or the registration, from this host.
#[derive(Debug, Clone)]
pub(crate) struct Mounted {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) running: bool,
    folder: PathBuf,
    is_file: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(default)]
    name: String,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    state: State,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    image: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    running: bool,
    status: String,
    started_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
    #[serde(default)]
    destination: String,
}

impl Engine {
    /// Those that are looked for, in this order.
    pub(crate) const ALL: [Engine; 2] = [Engine::Docker, Engine::Podman];

    /// The engine of a runtime; none where it runs no containers of this host.
    pub(crate) fn of(runtime: Runtime) -> Option<Self> {
        match runtime {
            Runtime::Docker => Some(Engine::Docker),
            Runtime::Podman => Some(Engine::Podman),
            Runtime::Linux | Runtime::Kubernetes => None,
        }
    }

    pub(crate) fn runtime(self) -> Runtime {
        match self {
            Engine::Docker => Runtime::Docker,
            Engine::Podman => Runtime::Podman,
        }
    }

    pub(crate) fn program(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Podman => "podman",
        }
    }

    pub(crate) fn default_image(self) -> &'static str {
        match self {
            Engine::Docker => "mulesoft/flex-gateway",
            Engine::Podman => "docker.io/mulesoft/flex-gateway",
        }
    }

    pub(crate) fn exists(self) -> bool {
        process::exists(self.program())
    }

    /// Whether the engine works: Docker needs its daemon.
    pub(crate) fn answers(self) -> bool {
        self.ids().is_ok()
    }

    /// The registrations of this host that containers have mounted where a gateway reads.
    pub(crate) fn registrations(self) -> Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = self
            .mounted()?
            .into_iter()
            .map(|container| {
                if container.is_file {
                    container.folder
                } else {
                    container.folder.join(FILE_NAME)
                }
            })
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The containers that have the registration at `file`.
    pub(crate) fn mounting(self, file: &Path) -> Result<Vec<Mounted>> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (file, folder) = (real(file), real(&files::folder_of(file)));
        let mut all = self.mounted()?;
        all.retain(|container| {
            let there = real(&container.folder);
            if container.is_file {
                there == file
            } else {
                there == folder
            }
        });
        Ok(all)
    }

    fn mounted(self) -> Result<Vec<Mounted>> {
        let containers = self.inspect(&self.ids()?)?;
        Ok(containers
            .into_iter()
            .flat_map(|container| {
                let Container {
                    name,
                    config,
                    state,
                    mounts,
                } = container;
                mounts.into_iter().filter_map(move |mount| {
                    let is_file =
                        Path::new(&mount.destination) == Path::new(CONF_FOLDER).join(FILE_NAME);
                    (is_file || Path::new(&mount.destination) == Path::new(CONF_FOLDER)).then(
                        || Mounted {
                            name: name.trim_start_matches('/').to_owned(),
                            image: config.image.clone(),
                            running: state.running,
                            folder: PathBuf::from(mount.source),
                            is_file,
                        },
                    )
                })
            })
            .collect())
    }

    fn ids(self) -> Result<Vec<String>> {
        let listed = self
            .ask(["ps", "--all", "--quiet", "--no-trunc"])
            .succeed()
            .map_err(|err| {
                err.advise(format!(
                    "Check that this user may use {} and that it is running.",
                    self.program()
                ))
            })?;
        Ok(listed
            .stdout
            .split_whitespace()
            .map(str::to_owned)
            .collect())
    }

    fn inspect(self, names: &[String]) -> Result<Vec<Container>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        // One that is gone by now makes the command fail, and the others are in its answer all the same.
        let answer = self.ask(["container", "inspect"]).args(names).run()?;
        serde_json::from_str(&answer.stdout).map_err(|_| {
            Error::new(
                Kind::Refused,
                format!(
                    "{} container inspect: {}",
                    self.program(),
                    answer.last_words()
                ),
            )
        })
    }

    /// The arguments of a container that runs `flexctl` on the folder `work` and is gone afterwards.
    /// `network` is what it has to know of the network.
    pub(crate) fn run_flexctl(
        self,
        name: &str,
        work: &Path,
        network: Vec<OsString>,
        image: &str,
    ) -> Vec<OsString> {
        let (uid, gid) = user();
        let mut volume = work.as_os_str().to_owned();
        volume.push(format!(":{WORK}"));
        if Path::new("/sys/fs/selinux/enforce").exists() {
            volume.push(":Z");
        }
        let mut args: Vec<OsString> = ["run", "--rm", "--name", name, "--entrypoint", "flexctl"]
            .map(OsString::from)
            .into();
        if self == Engine::Podman && uid != 0 {
            // Without root, Podman would give files of the container to a subordinate user.
            args.push("--userns=keep-id".into());
        }
        args.extend(network);
        args.extend([
            "-u".into(),
            format!("{uid}:{gid}").into(),
            "-v".into(),
            volume,
            // Where flexctl writes should it overlook where it is to.
            "--workdir".into(),
            WORK.into(),
            image.into(),
        ]);
        args
    }

    /// The arguments of a container that only asks `flexctl` something. It has a name so that it can be removed should the
    /// call not finish.
    pub(crate) fn ask_flexctl(self, name: &str, image: &str) -> Vec<OsString> {
        [
            "run",
            "--rm",
            "--name",
            name,
            "--entrypoint",
            "flexctl",
            image,
        ]
        .map(OsString::from)
        .into()
    }

    /// Fetches an image.
    pub(crate) fn pull(self, image: &str) -> Result<()> {
        self.ask(["pull", "--quiet", image])
            .limit(PULL_LIMIT)
            .succeed()
            .map(drop)
    }

    /// The name of the container that belongs to the renewal in the folder `work`.
    pub(crate) fn container_name(work: &Path) -> String {
        let unique = work
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        format!("flex-renew-{unique}")
    }

    /// Removes a container, running or not; one that is not there is no error.
    pub(crate) fn remove(self, name: &str) {
        let _ = self.ask(["rm", "--force", name]).run();
    }

    /// Restarts containers; one that is stopped is started.
    pub(crate) fn restart(self, names: &[String], limit: Duration, hold: &Hold) -> Result<()> {
        let run = |verb: &str, names: &[String]| {
            Program::new(self.program())
                .arg(verb)
                .args(names)
                .limit(limit)
                .holding(Some(hold))
                .to_its_end()
                .succeed()
                .map(drop)
        };
        // A restart that was cut off leaves Podman's container so, and no other restart is accepted then.
        let stopping: Vec<String> = self
            .inspect(names)?
            .into_iter()
            .filter(|container| container.state.status == STOPPING)
            .map(|container| container.name.trim_start_matches('/').to_owned())
            .collect();
        if !stopping.is_empty() {
            run("stop", &stopping)?;
        }
        run("restart", names)
    }

    /// When each container was started, all of them running.
    pub(crate) fn started(self, names: &[String]) -> Result<Vec<String>> {
        let containers = self.inspect(names)?;
        if let Some(down) = containers.iter().find(|container| !container.state.running) {
            return Err(Error::new(
                Kind::Refused,
                format!("{} is not running", down.name.trim_start_matches('/')),
            ));
        }
        Ok(containers
            .into_iter()
            .map(|container| container.state.started_at)
            .collect())
    }

    /// What a container has written since it was started, at most so many lines.
    pub(crate) fn log(self, name: &str, lines: &str, limit: Duration) -> Result<String> {
        let started = self
            .inspect(&[name.to_owned()])?
            .into_iter()
            .next()
            .map(|container| container.state.started_at)
            .unwrap_or_default();
        self.ask(["logs", "--tail", lines, "--since", &started, name])
            .limit(limit)
            .succeed()
            .map(|log| log.all())
    }

    /// When the certificate expires according to `flexctl` in a gateway's own container.
    pub(crate) fn inspect_inside(self, name: &str) -> Result<Timestamp> {
        Flexctl {
            program: self.program().into(),
            before: vec!["exec".into(), name.into(), "flexctl".into()],
            limit: LIMIT,
            hold: None,
            folder: None,
        }
        .inspect(None)
    }

    fn ask<const N: usize>(self, args: [&str; N]) -> Program {
        Program::new(self.program()).args(args).limit(LIMIT)
    }
}

/// The latest image of the repository that `image` is from. One that is named by its id has none.
pub(crate) fn latest_of(image: &str) -> String {
    let without_digest = image.split_once('@').map_or(image, |(name, _)| name);
    let is_id = image.starts_with("sha256:")
        || image.len() >= 12 && image.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return image.to_owned();
    }
    // A colon before the last slash is that of a port.
    let name_begins = without_digest.rfind('/').map_or(0, |slash| slash + 1);
    let repository = match without_digest[name_begins..].find(':') {
        Some(colon) => &without_digest[..name_begins + colon],
        None => without_digest,
    };
    format!("{repository}:latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_image_is_of_the_same_repository() {
        for (image, latest) in [
            ("mulesoft/flex-gateway", "mulesoft/flex-gateway:latest"),
            (
                "mulesoft/flex-gateway:1.8.2",
                "mulesoft/flex-gateway:latest",
            ),
            (
                "mirror.example:5000/flex",
                "mirror.example:5000/flex:latest",
            ),
            (
                "mirror.example:5000/flex:1@sha256:0a1b",
                "mirror.example:5000/flex:latest",
            ),
            ("sha256:0a1b", "sha256:0a1b"),
            ("0123456789ab", "0123456789ab"),
        ] {
            assert_eq!(latest_of(image), latest);
        }
    }
}
