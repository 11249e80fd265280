//! How a new password reaches the people who need it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use common::error::{Error, Kind, Result};
use common::log::Log;
use common::secret::Secret;
use common::settings;
use common::system::files;

/// Where a new password goes. It is on disk before the platform gets it, so that it cannot get lost.
#[derive(Debug)]
pub(crate) enum HandOver {
    /// To a file: staged beside it, and put in place at the end.
    File { path: PathBuf, staged: PathBuf },
    /// To standard output, as JSON.
    Json,
    /// Nobody needs it: it was given.
    NotNeeded,
}

/// The error for a new password that nobody would get.
pub(crate) fn nowhere() -> Error {
    Error::config("nobody would get the new password").advise(
        "Name a file for it with --password-out, or have it as JSON on standard output with --output json.",
    )
}

impl HandOver {
    /// Writes `password` beside `path`, readable by its owner alone.
    pub(crate) fn to_file(path: &Path, password: &Secret) -> Result<Self> {
        let staged = staged(path);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(files::PRIVATE)
            .open(&staged)
            .and_then(|file| write(file, password));
        match written {
            Ok(()) => Ok(Self::File {
                path: path.to_owned(),
                staged,
            }),
            Err(err) => Err(Error::config(format!(
                "the new password cannot be written to {}",
                staged.display()
            ))
            .caused_by(err)
            .advise("Check the folder that --password-out names, and its permissions.")),
        }
    }

    /// Takes up the password that an interrupted run has left beside `path`, if there is one.
    pub(crate) fn resume(path: &Path, log: &Log) -> Result<Option<(Self, Secret)>> {
        let staged = staged(path);
        if !staged.exists() {
            return Ok(None);
        }
        let password = settings::secret_in("--password-out", &staged)?;
        log.warn(format!(
            "{} was left by an interrupted run: its password is used",
            staged.display()
        ));
        let path = path.to_owned();
        Ok(Some((Self::File { path, staged }, password)))
    }

    /// The change was made: puts the file in its place.
    pub(crate) fn finish(&self) -> Result<()> {
        let Self::File { path, staged } = self else {
            return Ok(());
        };
        fs::rename(staged, path).map_err(|err| {
            Error::config(format!(
                "the new password stays in {}: it cannot be moved to {}",
                staged.display(),
                path.display()
            ))
            .caused_by(err)
            .advise("Move it by hand: it is in force.")
        })
    }

    /// The change failed with `err`: removes the file, unless the platform may have made the change all the same.
    pub(crate) fn give_up(&self, err: &Error, log: &Log) {
        let Self::File { staged, .. } = self else {
            return;
        };
        if err.effect_unknown() || err.kind() == Kind::Unproved {
            log.warn(format!(
                "the new password may be in force: it stays in {}, and the next run uses it",
                staged.display()
            ));
        } else if let Err(err) = fs::remove_file(staged) {
            log.warn(format!("{} cannot be removed: {err}", staged.display()));
        }
    }

    /// The file, when the password goes to one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            _ => None,
        }
    }
}

fn staged(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn write(mut file: File, password: &Secret) -> io::Result<()> {
    file.write_all(password.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// The password in a file that was handed over before.
pub(crate) fn handed_over(path: &Path) -> Result<Option<Secret>> {
    if !path.exists() {
        return Ok(None);
    }
    settings::secret_in("--password-out", path).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_on_disk_before_it_is_in_force_and_gone_when_nothing_happened() {
        let folder = std::env::temp_dir().join(format!("basic-auth-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("svc.password");
        let secret = Secret::new("canary-hand-over");
        let refused = Error::new(Kind::Refused, "no");
        HandOver::to_file(&path, &secret)
            .unwrap()
            .give_up(&refused, &Log::quiet());
        assert!(!staged(&path).exists());
        let over = HandOver::to_file(&path, &secret).unwrap();
        over.give_up(&Error::new(Kind::Unproved, "perhaps"), &Log::quiet());
        assert!(
            HandOver::to_file(&path, &secret).is_err(),
            "one run at a time"
        );
        over.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "canary-hand-over\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
