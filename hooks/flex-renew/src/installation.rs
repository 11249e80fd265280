//! Where a registration is installed: a file of this host with its owner and mode, or a Secret.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::flex::registration::{FILE_NAME, Files, Registration};
use common::log::Log;
use common::system::environment::Env;
use common::system::files;

use crate::cluster::Cluster;
use crate::gateway::{Gateway, Location};
use crate::state;

/// A registration in its place.
#[derive(Debug)]
pub(crate) enum Installation {
    /// A file, by its path without symbolic links.
    Host(PathBuf),
    /// A Secret.
    Cluster(Box<Cluster>),
}

impl Installation {
    /// The installation of a gateway's registration, which has to be there.
    pub(crate) fn of(gateway: &Gateway) -> Result<Self> {
        let file = match &gateway.location {
            Location::Cluster(coordinates) => {
                return Ok(Installation::Cluster(Box::new(Cluster::find(coordinates)?)));
            }
            Location::File(file) => file,
        };
        match file.canonicalize() {
            Ok(path) => Ok(Installation::Host(path)),
            // The ordinary reader says best why not.
            Err(_) => {
                files::read("the registration", file, 1).map(|_| Installation::Host(file.clone()))
            }
        }
    }

    /// Reads what is installed.
    pub(crate) fn read(&self) -> Result<Files> {
        match self {
            Installation::Host(path) => Files::read(path),
            Installation::Cluster(cluster) => cluster.read().map(|stored| stored.files),
        }
    }

    /// Reads what the installed registration says.
    pub(crate) fn registration(&self) -> Result<Registration> {
        self.read()?.parse(&self.name())
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Installation::Host(path) => path.display().to_string(),
            Installation::Cluster(cluster) => cluster.name(),
        }
    }

    /// The folder for its backups.
    pub(crate) fn state_folder(&self, gateway: &Gateway, env: &Env) -> Result<PathBuf> {
        let chosen = gateway.state_dir.as_deref();
        match self {
            Installation::Host(path) => state::folder_for_file(path, chosen),
            Installation::Cluster(cluster) => {
                state::folder_for_cluster(&cluster.name(), chosen, env)
            }
        }
    }

    /// Checks before anything is changed whether a new registration could be installed, and how.
    pub(crate) fn prepare(&mut self, log: &Log) -> Result<()> {
        match self {
            Installation::Host(path) => {
                let folder = files::folder_of(path);
                // Held for moments only: another gateway's registration may be in the same folder. Where there are no
                // locks, that is so rare that it may go wrong.
                let _lock = files::lock_folder(&folder);
                clean(&folder, log);
                files::check_replaceable(path).map_err(|err| {
                    Error::config(format!("{} cannot be replaced", path.display()))
                        .caused_by(err)
                        .advise(
                            "Run as root, or as the owner of the file with the right to write its folder. Nothing was \
                             changed.",
                        )
                })
            }
            Installation::Cluster(cluster) => {
                let stored = cluster.read()?;
                cluster.settle(&stored, log)
            }
        }
    }

    /// Puts a registration in place, each file in one step, mode and owner kept.
    pub(crate) fn install(&self, new: &Files, work: &Path) -> Result<()> {
        match self {
            Installation::Host(path) => {
                let _lock = files::lock_folder(&files::folder_of(path));
                for (name, bytes) in &new.others {
                    put(&files::folder_of(path).join(name), bytes, path)?;
                }
                put(path, &new.registration, path)
            }
            Installation::Cluster(cluster) => cluster.install(new, work),
        }
    }
}

/// A file that is new gets mode and owner of the registration: the gateway has to read it, too.
fn put(path: &Path, bytes: &[u8], like: &Path) -> Result<()> {
    let failed = |err: std::io::Error| {
        Error::config(format!("{} cannot be replaced", path.display()))
            .caused_by(err)
            .advise(format!(
                "The registration that was there is unchanged. The new {FILE_NAME} is kept, and the next run installs it \
                 without asking the platform again."
            ))
    };
    let is_new = !path.exists();
    files::replace(path, bytes, files::PRIVATE).map_err(failed)?;
    if is_new && path != like {
        let old = fs::metadata(like).map_err(failed)?;
        std::os::unix::fs::chown(path, Some(old.uid()), Some(old.gid())).map_err(failed)?;
        fs::set_permissions(path, old.permissions()).map_err(failed)?;
    }
    Ok(())
}

fn clean(folder: &Path, log: &Log) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(|entry| entry.ok()) {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(files::TEMPORARY)
        {
            log.debug(format!(
                "removing {}, left by a run that was killed",
                entry.path().display()
            ));
            let _ = fs::remove_file(entry.path());
        }
    }
}
