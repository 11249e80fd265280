//! What is on this host: registrations in the usual places, and where a gateway or `flexctl` runs.

use std::fmt;
use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::flex::registration::FILE_NAME;
use common::system::process;

use crate::containers::Engine;
use crate::runtime::{CONF_FOLDER, OTHER_CONF_FOLDER, Runtime};

/// The program where nobody names another.
pub(crate) const FLEXCTL: &str = "flexctl";

/// Why a runtime was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Set,
    FlexctlSet,
    Packaged,
    Mounted,
    FlexctlInstalled,
    OnlyEngine(Engine),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Set => f.write_str("as set"),
            Reason::FlexctlSet => f.write_str("FLEXCTL is set"),
            Reason::Packaged => f.write_str("the registration is where the package keeps it"),
            Reason::Mounted => f.write_str("a container mounts the registration"),
            Reason::FlexctlInstalled => f.write_str("flexctl is installed"),
            Reason::OnlyEngine(engine) => {
                write!(f, "flexctl is not installed, {} is", engine.runtime())
            }
        }
    }
}

/// The registrations in the usual places of a runtime, or of all.
pub(crate) fn registrations(runtime: Option<Runtime>) -> Result<Vec<PathBuf>> {
    let mut looked = Vec::new();
    if matches!(runtime, None | Some(Runtime::Linux)) {
        for folder in [CONF_FOLDER, OTHER_CONF_FOLDER] {
            let path = Path::new(folder).join(FILE_NAME);
            // One that is there but may not be read is for an error that says so.
            if path.symlink_metadata().is_ok() {
                return Ok(vec![path]);
            }
            looked.push(path.display().to_string());
        }
    }
    for engine in Engine::ALL {
        if runtime.is_some_and(|only| only != engine.runtime()) || !engine.exists() {
            continue;
        }
        looked.push(format!("the containers of {}", engine.runtime()));
        // Without a daemon there is nothing to find; only who asked for this runtime needs to know.
        let found = match engine.registrations() {
            Err(err) if runtime.is_some() => return Err(err),
            found => found.unwrap_or_default(),
        };
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(Error::not_found(format!(
        "there is no registration in the default places: {}",
        looked.join(", ")
    ))
    .advise(
        "Give the path of registration.yaml, or set FLEX_REGISTRATION_FILE; for a gateway in Kubernetes, \
         --runtime kubernetes.",
    ))
}

/// Where the gateway of the registration at `file` runs, and so its `flexctl`; without a file, where `flexctl` can run.
/// `flexctl` is the program that somebody named.
pub(crate) fn runtime(flexctl: Option<&str>, file: Option<&Path>) -> Result<(Runtime, Reason)> {
    if flexctl.is_some() {
        return Ok((Runtime::Linux, Reason::FlexctlSet));
    }
    let packaged = [CONF_FOLDER, OTHER_CONF_FOLDER]
        .iter()
        .any(|folder| file.is_some_and(|file| file.starts_with(folder)));
    let installed = process::exists(FLEXCTL);
    if packaged && installed {
        return Ok((Runtime::Linux, Reason::Packaged));
    }
    let engines = || Engine::ALL.into_iter().filter(|engine| engine.exists());
    if let Some(file) = file {
        let mounting = |engine: &Engine| engine.mounting(file).is_ok_and(|all| !all.is_empty());
        if let Some(engine) = engines().find(mounting) {
            return Ok((engine.runtime(), Reason::Mounted));
        }
    }
    if installed {
        return Ok((Runtime::Linux, Reason::FlexctlInstalled));
    }
    match engines().find(|engine| engine.answers()) {
        Some(engine) => Ok((engine.runtime(), Reason::OnlyEngine(engine))),
        None => Err(
            Error::not_found("there is neither flexctl nor a usable docker or podman on this host").advise(
                "Set FLEXCTL to the full path of flexctl (cron has a short PATH), or choose with --runtime \
                 (FLEX_RUNTIME).",
            ),
        ),
    }
}
