//! How a new password reaches the people who need it.

use std::path::PathBuf;

use common::anypoint::api_instances::ApiInstance;
use common::cli::{Format, Invocation};
use common::error::{Error, Result};
use common::log::Log;
use common::secret::Secret;
use common::system::files;
use common::system::fingerprints::{Fingerprints, private_folder};
use common::system::pending::PendingSecret;

use crate::hand_over_file::{self, HandOverFile};
use crate::memory;
use crate::session::Session;
use crate::settings::ApiEntry;
use crate::unfinished;

/// Where a new password is to go, checked before the first request.
#[derive(Debug)]
pub(crate) struct Destinations {
    files: Vec<HandOverFile>,
    to_stdout: bool,
    /// The folder of what has not arrived yet.
    state: Option<PathBuf>,
}

/// A new password on its way. One that was generated is on disk before the platform gets it, so that it cannot get lost.
#[derive(Debug)]
pub(crate) struct HandOver {
    files: Vec<HandOverFile>,
    to_stdout: bool,
    pending: Option<PendingSecret>,
    /// An interrupted run has left it: it may be in force.
    pub(crate) resumed: bool,
    log: Log,
}

impl Destinations {
    /// Where a generated password goes: to `files`, or else to standard output as JSON.
    ///
    /// # Errors
    ///
    /// Configuration: nobody would get it, it could get lost on its way, or the file cannot be replaced.
    pub(crate) fn of_generated(call: &Invocation, files: Vec<HandOverFile>) -> Result<Self> {
        let to_stdout = files.is_empty();
        if to_stdout && call.settings.entry::<ApiEntry>()?.is_some() {
            // The result of many is printed at the end, long after the first password is in force.
            return Err(Error::config("nobody would get the new password").advise(
                "Name a file for it in the entry with password_out, env_out, postman_out or netrc_out.",
            ));
        }
        if to_stdout && call.format != Format::Json {
            return Err(
                Error::config("nobody would get the new password").advise(
                    "Name a file for it with --password-out, --env-out, --postman-out or --netrc-out, or have it as JSON on \
                     standard output with --output json.",
                ),
            );
        }
        let state = Fingerprints::of(call.env(), memory::PROGRAM)
            .map(|fingerprints| files::folder_of(fingerprints.path()));
        if to_stdout && state.is_none() {
            return Err(Error::config(
                "the new password could get lost: neither XDG_STATE_HOME nor HOME is set, so there is no place to keep \
                 it until it has been printed",
            )
            .advise("Set HOME, or name a file for the password with --password-out."));
        }
        Self {
            to_stdout,
            state,
            ..Self::of_given(files)?
        }
        .checked()
    }

    /// Where a password goes that the user has given, who has it anyway.
    ///
    /// # Errors
    ///
    /// Configuration: the file cannot be replaced.
    pub(crate) fn of_given(files: Vec<HandOverFile>) -> Result<Self> {
        Self {
            files,
            to_stdout: false,
            state: None,
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        self.files.iter().try_for_each(HandOverFile::check)?;
        Ok(self)
    }

    /// The password that an interrupted run has left for `api`, if there is one.
    pub(crate) fn resume(
        &self,
        session: &Session,
        api: &ApiInstance,
        log: &Log,
    ) -> Result<Option<(HandOver, Secret)>> {
        let Some(path) = self.pending(session, api) else {
            return Ok(None);
        };
        let Some((pending, password)) = PendingSecret::find(&path)? else {
            return Ok(None);
        };
        log.warn(format!(
            "{} was left by an interrupted run: its password is used",
            path.display()
        ));
        let mut over = self.deliver_only(log);
        over.pending = Some(pending);
        over.resumed = true;
        Ok(Some((over, password)))
    }

    /// Puts a generated password on disk, before it is told to the platform.
    pub(crate) fn keep(
        &self,
        session: &Session,
        api: &ApiInstance,
        password: &Secret,
        log: &Log,
    ) -> Result<HandOver> {
        let Some(path) = self.pending(session, api) else {
            return Ok(self.deliver_only(log));
        };
        private_folder(&files::folder_of(&path)).map_err(|err| {
            Error::config(format!(
                "{} cannot be made",
                files::folder_of(&path).display()
            ))
            .caused_by(err)
            .advise("A new password is kept there until it has arrived; name another folder with XDG_STATE_HOME.")
        })?;
        let pending = PendingSecret::keep(&path, password)?;
        log.info(format!(
            "the new password is in {} until it has been handed over",
            path.display()
        ));
        let mut over = self.deliver_only(log);
        over.pending = Some(pending);
        Ok(over)
    }

    /// The hand-over of a password that is somewhere else already.
    pub(crate) fn deliver_only(&self, log: &Log) -> HandOver {
        HandOver {
            files: self.files.clone(),
            to_stdout: self.to_stdout,
            pending: None,
            resumed: false,
            log: log.clone(),
        }
    }

    /// In the state folder, which only this user can enter, whatever the destination is: the next run finds it even if
    /// it is for another one. Without a state folder, beside the destination.
    fn pending(&self, session: &Session, api: &ApiInstance) -> Option<PathBuf> {
        if let Some(state) = &self.state {
            return Some(unfinished::password_file(state, &session.at, api.id));
        }
        if self.to_stdout {
            return None;
        }
        hand_over_file::first(&self.files).map(unfinished::password_file_beside)
    }
}

impl HandOver {
    /// The password is in force: puts it where it was asked for, everywhere if one of the files cannot be written.
    ///
    /// # Errors
    ///
    /// Configuration: it cannot be written there, and stays where it is.
    pub(crate) fn deliver(&mut self, username: &str, password: &Secret) -> Result<()> {
        let written: Vec<Result<()>> = self
            .files
            .iter()
            .map(|file| file.write(username, password))
            .collect();
        written.into_iter().collect::<Result<()>>()?;
        for file in self.files.iter().filter(|file| file.is_readable_by_all()) {
            self.log.warn(format!(
                "{} keeps its mode, and every user of this machine can read it",
                file.path.display()
            ));
        }
        if !self.to_stdout {
            self.arrived();
        }
        Ok(())
    }

    /// The password has been printed.
    pub(crate) fn printed(&mut self) {
        self.arrived();
    }

    fn arrived(&mut self) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let path = pending.path().to_owned();
        if let Err(err) = pending.remove() {
            self.log.warn(format!(
                "{} cannot be removed, and still holds the password: {err}",
                path.display()
            ));
        }
    }

    /// The write failed. Removes what was kept, unless the password may be in force all the same.
    pub(crate) fn give_up(&mut self, may_be_in_force: bool) {
        if !may_be_in_force && !self.resumed {
            self.arrived();
        }
    }

    /// Whether the password is to be part of the result.
    pub(crate) fn is_printed(&self) -> bool {
        self.to_stdout
    }

    /// The files that the password goes to.
    pub(crate) fn file(&self) -> Option<String> {
        hand_over_file::shown(&self.files)
    }
}

impl Drop for HandOver {
    /// Whatever ended the run, its last word is where the password is.
    fn drop(&mut self) {
        if let Some(pending) = &self.pending {
            self.log.warn(format!(
                "the new password may be in force: it stays in {}, and the next run uses it",
                pending.path().display()
            ));
        }
    }
}
