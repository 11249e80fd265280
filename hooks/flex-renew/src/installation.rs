//! Where a registration is installed: a file of this host with its owner and mode, or a Secret.

use std::path::{Path, PathBuf};

use common::error::{Error, Kind, Result};
use common::flex::registration::{FILE_NAME, Files, LARGEST, Registration};
use common::log::Log;
use common::system::environment::Env;
use common::system::files::{self, New, Replacement};
use common::system::temporary;

use crate::cluster::Cluster;
use crate::gateway::{Gateway, Location};
use crate::state::{self, Work};

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
                return Ok(Installation::Cluster(Box::new(Cluster::find(
                    coordinates,
                    gateway.rollout_timeout,
                )?)));
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

    /// Reads what is installed, and whatever else has the name of a file of `set`.
    pub(crate) fn read_with(&self, set: &Files) -> Result<Files> {
        let mut there = self.read()?;
        if let Installation::Host(path) = self {
            for (name, _) in &set.others {
                let beside = files::folder_of(path).join(name);
                if !there.others.iter().any(|(known, _)| known == name) && beside.is_file() {
                    let bytes = files::read("the registration", &beside, LARGEST)?;
                    there.others.push((name.clone(), bytes));
                }
            }
            there.others.sort();
        }
        Ok(there)
    }

    /// Checks whether exactly these files are installed.
    pub(crate) fn check(&self, set: &Files) -> Result<()> {
        if self.read_with(set)? == *set {
            return Ok(());
        }
        Err(Error::new(
            Kind::Unproved,
            format!("{} is not what was installed", self.name()),
        ))
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

    /// Whether a renewal of it was begun and has not ended.
    pub(crate) fn is_unfinished(&self, gateway: &Gateway, env: &Env) -> bool {
        self.state_folder(gateway, env)
            .is_ok_and(|folder| state::is_unfinished(&folder))
    }

    /// Checks before anything is changed whether a new registration could be installed, and how. `rolls_out` is whether
    /// the deployment is to be restarted.
    pub(crate) fn prepare(&mut self, rolls_out: bool, log: &Log) -> Result<()> {
        match self {
            Installation::Host(path) => {
                let folder = files::folder_of(path);
                // Held for moments only: another gateway's registration may be in the same folder. Where there are no
                // locks, that is so rare that it may go wrong.
                let _lock = files::lock_folder(&folder);
                clean(&folder, log);
                let others = Files::read(path)?.others;
                let beside = others.iter().map(|(name, _)| folder.join(name));
                for file in std::iter::once(path.clone()).chain(beside) {
                    check_replaceable(&file, log)?;
                }
                Ok(())
            }
            Installation::Cluster(cluster) => {
                let stored = cluster.read()?;
                cluster.settle(&stored, rolls_out, log)
            }
        }
    }

    /// Puts a registration in place of another one, of which nothing is left then; all else about the files is kept.
    ///
    /// Only what is in `known` may be overwritten. If something else is there, nothing is done, and that is returned.
    pub(crate) fn install(
        &self,
        set: &Files,
        instead_of: &Files,
        known: &[&Files],
        work: &Work,
    ) -> Result<Option<Files>> {
        let gone = |(name, _): &&(String, Vec<u8>)| !set.others.iter().any(|(new, _)| new == name);
        let gone = instead_of.others.iter().filter(gone);
        match self {
            Installation::Host(path) => {
                let folder = files::folder_of(path);
                let _lock = files::lock_folder(&folder);
                let ready = prepare_all(path, set)?;
                // As late as can be, so that hardly anybody can come in between.
                let there = self.read_with(set)?;
                if !is_made_of(&there, known) {
                    return Ok(Some(there));
                }
                for (path, replacement) in ready {
                    replacement.put().map_err(|err| unreplaced(&path, err))?;
                }
                for (name, _) in gone {
                    let path = folder.join(name);
                    files::remove(&path).map_err(|err| unreplaced(&path, err))?;
                }
            }
            Installation::Cluster(cluster) => {
                let stored = cluster.read()?;
                if !is_made_of(&stored.files, known) {
                    return Ok(Some(stored.files));
                }
                let gone: Vec<&str> = gone.map(|(name, _)| name.as_str()).collect();
                cluster.install(set, &gone, &stored, work)?;
            }
        }
        Ok(None)
    }
}

/// Whether each file is one that some set of `known` has: a renewal that was killed leaves files of two.
pub(crate) fn is_made_of(there: &Files, known: &[&Files]) -> bool {
    let is_known = |of: &dyn Fn(&Files) -> bool| known.iter().any(|set| of(set));
    is_known(&|set| set.registration == there.registration)
        && there
            .others
            .iter()
            .all(|other| is_known(&|set| set.others.contains(other)))
}

fn check_replaceable(file: &Path, log: &Log) -> Result<()> {
    let lost = files::check_replaceable(file).map_err(|err| {
        Error::config(format!("{} cannot be replaced", file.display()))
            .caused_by(err)
            .advise(
                "Run as root, or as the owner of the file with the right to write its folder. Nothing was changed.",
            )
    })?;
    if !lost.is_empty() {
        log.warn(format!(
            "the new {} will be without these extended attributes, which this user cannot set: {}",
            file.display(),
            lost.join(", ")
        ));
    }
    Ok(())
}

/// A file that is new is readable for whoever may read the registration: the gateway has to read it, too.
fn prepare_all(path: &Path, set: &Files) -> Result<Vec<(PathBuf, Replacement)>> {
    let folder = files::folder_of(path);
    let others = set
        .others
        .iter()
        .map(|(name, bytes)| (folder.join(name), bytes));
    others
        .chain([(path.to_owned(), &set.registration)])
        .map(|(file, bytes)| {
            let replacement = Replacement::prepare(&file, bytes, New::Like(path))
                .map_err(|err| unreplaced(&file, err))?;
            Ok((file, replacement))
        })
        .collect()
}

fn unreplaced(path: &Path, err: std::io::Error) -> Error {
    Error::config(format!("{} cannot be replaced", path.display()))
        .caused_by(err)
        .advise(format!(
            "The new {FILE_NAME} is kept, and the next run installs it without asking the platform again."
        ))
}

fn clean(folder: &Path, log: &Log) {
    for left in temporary::remove_left_overs(folder) {
        log.debug(format!(
            "removed {}, left by a run that was killed",
            left.display()
        ));
    }
}
