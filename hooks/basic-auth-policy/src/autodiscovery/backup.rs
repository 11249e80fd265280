//! What an application was like before a change of ours and after it, so that `--undo` takes back that and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::anypoint::deployments::Deployment;
use common::error::{Error, Result};
use common::system::files;
use common::system::fingerprints::{Fingerprints, private_folder};
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::properties::{Changes, Properties};

/// A file of properties is small.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What the names of the files begin with.
const PREFIX: &str = "autodiscover-";

/// A change of ours.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub(crate) before: State,
    pub(crate) after: State,
    /// Set until the change, or taking it back, has come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<Begun>,
}

/// What was begun: enough to say how it is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) application: String,
    pub(crate) organization: String,
    pub(crate) environment: String,
    pub(crate) api_instance: u64,
    /// Whether a change was being taken back.
    pub(crate) undo: bool,
}

/// What an application is like. Protected values are not part of it: the platform never returns them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) properties: Properties,
    pub(crate) secure_names: BTreeSet<String>,
    pub(crate) version: Option<String>,
}

impl State {
    /// What `application` is like.
    pub(crate) fn of(application: &Deployment) -> Self {
        Self {
            properties: application.properties.clone(),
            secure_names: application.secure_names.clone(),
            version: application.version().map(str::to_owned),
        }
    }

    /// What it is like after `changes`.
    pub(crate) fn after(&self, changes: &Changes) -> Self {
        let (properties, secure_names) = match &changes.properties {
            Some(properties) => (properties, &changes.secure_names),
            None => (&self.properties, &self.secure_names),
        };
        Self {
            properties: properties.clone(),
            secure_names: secure_names.clone(),
            version: changes.version.clone().or_else(|| self.version.clone()),
        }
    }
}

impl Backup {
    /// A change that begins.
    pub(crate) fn new(before: State, after: State) -> Self {
        Self {
            before,
            after,
            unfinished: None,
        }
    }

    /// Writes it down, beside the memory of the program, as begun by `connection`.
    pub(crate) fn begin(
        &mut self,
        memory: &Fingerprints,
        of: &Deployment,
        connection: &Connection<'_>,
    ) -> Result<()> {
        let at = &connection.session.at;
        self.unfinished = Some(Begun {
            application: of.name.clone(),
            organization: at.organization.to_string(),
            environment: at.environment.to_string(),
            api_instance: connection.api.id.0,
            undo: connection.args.undo,
        });
        self.write(&path(memory, of))
    }

    /// Notes that what was begun with the application has come to its end.
    pub(crate) fn end(memory: &Fingerprints, of: &Deployment) -> Result<()> {
        let path = path(memory, of);
        if !path.exists() {
            return Ok(());
        }
        let mut backup = Self::at(&path)?;
        if backup.unfinished.take().is_none() {
            return Ok(());
        }
        backup.write(&path)
    }

    /// What was begun and has not come to its end, with the files that say so, in the folder of the program's memory. A
    /// file that cannot be read says nothing.
    pub(crate) fn unfinished(folder: &Path) -> Vec<(PathBuf, Begun)> {
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut all: Vec<(PathBuf, Begun)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                if !entry.file_name().to_str()?.starts_with(PREFIX) {
                    return None;
                }
                let path = entry.path();
                let begun = Self::at(&path).ok()?.unfinished?;
                Some((path, begun))
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|err| Error::config("the properties do not fit into JSON").caused_by(err))?;
        private_folder(&files::folder_of(path))
            .and_then(|()| files::replace(path, text.as_bytes(), files::PRIVATE))
            .map_err(|err| {
                Error::config(format!("{} cannot be written", path.display()))
                    .caused_by(err)
                    .advise("The previous properties are kept there for --undo.")
            })
    }

    /// Reads what was written down last.
    pub(crate) fn read(memory: Option<&Fingerprints>, of: &Deployment) -> Result<Self> {
        let memory = memory.ok_or_else(|| {
            Error::config(
                "nothing is known of the previous properties: neither XDG_STATE_HOME nor HOME is set",
            )
        })?;
        Self::at(&path(memory, of))
    }

    fn at(path: &Path) -> Result<Self> {
        let text = files::read_text("the record of the previous properties,", path, LARGEST)?;
        serde_json::from_str(&text).map_err(|_| {
            Error::config(format!("{} is damaged", path.display()))
                .advise("Restore the properties in Runtime Manager.")
        })
    }

    /// Removes the record once it has been restored.
    pub(crate) fn remove(memory: &Fingerprints, of: &Deployment) -> Result<()> {
        let path = path(memory, of);
        fs::remove_file(&path).map_err(|err| {
            Error::config(format!("{} cannot be removed", path.display())).caused_by(err)
        })
    }
}

fn path(memory: &Fingerprints, of: &Deployment) -> PathBuf {
    let id: String = of
        .id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    files::folder_of(memory.path()).join(format!("{PREFIX}{id}.json"))
}
