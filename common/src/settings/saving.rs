//! Keeping what the user gave in a call for the next renewal, in acme.sh's conf files.

use std::path::{Path, PathBuf};

use super::{ConfFile, Kind, Origin, Setting, Settings, general};
use crate::acme_sh::{self, Conf};
use crate::error::{Error, Result};

/// Values to be saved in one conf file.
///
/// Saved is what the user gave in this call, by flag or environment. A value that a conf file already holds stays where
/// it is, is copied to no other file, and is never cleared; what stands in the TOML file stays there.
#[derive(Debug, Default)]
pub struct Saving {
    path: PathBuf,
    edits: Vec<Edit>,
    /// The variables whose lines will differ.
    changed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Edit {
    /// Saves a variable under `SAVED_`, as acme.sh's `_savedeployconf` and `_saveaccountconf_mutable` do.
    Save(String, String),
    /// Sets a plain name, as acme.sh's `_savedomainconf` does.
    Set(String, String),
    /// Forgets every form of a variable.
    Clear(String),
}

impl Edit {
    fn variable(&self) -> &str {
        match self {
            Edit::Save(name, _) | Edit::Set(name, _) | Edit::Clear(name) => name,
        }
    }

    fn apply(&self, conf: &mut Conf) {
        match self {
            Edit::Save(name, value) => conf.save_variable(name, value),
            Edit::Set(name, value) => conf.set_variable(name, value),
            Edit::Clear(name) => conf.clear_variable(name),
        }
    }
}

impl Settings {
    /// What is to be saved of everything that the program saves.
    ///
    /// # Errors
    ///
    /// Configuration: the conf file has to be changed and cannot be written.
    pub fn saving(&self) -> Result<Saving> {
        let saved: Vec<&Setting> = self
            .registry()
            .settings()
            .filter(|setting| setting.saved)
            .collect();
        self.saving_of(self.registry().saves_to, &saved, &[])
    }

    /// What is to be saved of `settings` in one of acme.sh's conf files; nothing unless acme.sh is calling and something
    /// would change. Where one of them is to be saved, those of `replaced` are forgotten there. The conf file of a
    /// certificate takes plain names from a program that saves to the account's otherwise, as stock DNS hooks do. The name
    /// of the TOML file goes along into the file that the program saves to.
    ///
    /// # Errors
    ///
    /// Configuration: the conf file has to be changed and cannot be written.
    pub fn saving_of(
        &self,
        which: ConfFile,
        settings: &[&Setting],
        replaced: &[&Setting],
    ) -> Result<Saving> {
        let Some(path) = self.conf_to_save(which) else {
            return Ok(Saving::default());
        };
        let mut chosen = Vec::new();
        for setting in settings {
            chosen.extend(self.chosen(setting)?);
        }
        let names_config = settings
            .iter()
            .any(|setting| setting.variables == general::CONFIG.variables);
        if which == self.registry().saves_to && !names_config {
            chosen.extend(self.chosen(&general::CONFIG)?);
        }
        let plain = which == ConfFile::Domain && self.registry().saves_to == ConfFile::Account;
        let mut edits: Vec<Edit> = Vec::new();
        if !chosen.is_empty() {
            let forgotten = replaced.iter().flat_map(|setting| setting.variables);
            edits.extend(forgotten.map(|name| Edit::Clear((*name).to_owned())));
        }
        edits.extend(chosen.into_iter().map(|(name, value)| match value {
            None => Edit::Clear(name),
            Some(value) if plain => Edit::Set(name, value),
            Some(value) => Edit::Save(name, value),
        }));
        let mut conf = Conf::load(path)?;
        let mut changed = Vec::new();
        for edit in &edits {
            let before = conf.clone();
            edit.apply(&mut conf);
            if conf != before {
                changed.push(edit.variable().to_owned());
            }
        }
        if changed.is_empty() {
            return Ok(Saving::default());
        }
        acme_sh::check_writable(path)?;
        Ok(Saving {
            path: path.to_owned(),
            edits,
            changed,
        })
    }

    /// The variable and the value to save for a setting that the user gave in this call. The default is saved as none.
    fn chosen(&self, setting: &Setting) -> Result<Option<(String, Option<String>)>> {
        let own = setting.name().to_owned();
        if setting.kind == Kind::Secret {
            let found = match setting.partner {
                // Of half a pair nothing is in force. The program has said so, or uses something else.
                Some(partner) => self
                    .pair(partner, setting)
                    .ok()
                    .flatten()
                    .map(|pair| pair.1),
                None => self.secret(setting)?,
            };
            return Ok(found
                .filter(|found| self.is_chosen(setting, &found.origin))
                .map(|found| match &found.origin {
                    Origin::File { path, .. } => (format!("{own}_FILE"), Some(absolute(path))),
                    _ => (own, Some(found.value.expose().to_owned())),
                }));
        }
        let secret = self.registry().settings().find(|other| {
            other
                .partner
                .is_some_and(|partner| partner.variables == setting.variables)
        });
        let found = match secret {
            Some(secret) => self.pair(setting, secret).ok().flatten().map(|pair| pair.0),
            None => self.text(setting)?,
        };
        Ok(found
            .filter(|found| self.is_chosen(setting, &found.origin))
            .map(|found| {
                let value = match setting.kind {
                    Kind::File => absolute(Path::new(&found.value)),
                    // The original shell hook wants a whole address.
                    Kind::Address if !found.value.contains("://") => {
                        format!("https://{}", found.value)
                    }
                    _ => found.value,
                };
                (
                    own,
                    (setting.default != Some(value.as_str())).then_some(value),
                )
            }))
    }
}

impl Saving {
    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The conf file that will be changed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves.
    ///
    /// # Errors
    ///
    /// Configuration: the conf file cannot be written. The error says what the next renewal lacks.
    pub fn finish(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        acme_sh::update(&self.path, |conf| {
            self.edits.iter().for_each(|edit| edit.apply(conf));
        })
        .map_err(|err| {
            let changed = self.changed.join(", ");
            Error::new(
                err.kind(),
                format!("{changed} could not be saved, and the next renewal will go by what was saved before"),
            )
            .caused_by(err)
            .advise(format!(
                "Free space on the disk, or correct the rights on the file and its folder, then repeat the call with {changed} set \
                 again."
            ))
        })
    }
}

/// cron starts in another folder.
fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .to_string_lossy()
        .into_owned()
}
