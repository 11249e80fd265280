//! A secret on its way into force: in a private file before anybody is told to use it, so that no crash loses it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::system::files::{self, PRIVATE};

/// A secret is a line of text.
const LARGEST: u64 = 64 * 1024;

/// A file that holds a secret until it has arrived everywhere. It is locked while a run works with it.
#[derive(Debug)]
pub struct PendingSecret {
    path: PathBuf,
    file: File,
}

impl PendingSecret {
    /// What an interrupted run has left at `path`. A file that was not written to its end is nothing: its secret was
    /// never used.
    ///
    /// # Errors
    ///
    /// Configuration: it cannot be read, another run works with it, or it is not a private file of this user, so that
    /// somebody else may have put it there.
    pub fn find(path: &Path) -> Result<Option<(Self, Secret)>> {
        let Some(mut pending) = Self::open(path, false)? else {
            return Ok(None);
        };
        let secret = pending.secret()?;
        Ok(secret.map(|secret| (pending, secret)))
    }

    /// Whether a secret is kept at `path`, also while a run works with it. What cannot be read may be one.
    pub fn is_kept(path: &Path) -> bool {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(path);
        match opened {
            Ok(file) => Self {
                path: path.to_owned(),
                file,
            }
            .secret()
            .map_or(true, |secret| secret.is_some()),
            Err(err) => err.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Puts `secret` on disk at `path`.
    ///
    /// # Errors
    ///
    /// As [`PendingSecret::find`], or it cannot be written, or it holds a secret already.
    pub fn keep(path: &Path, secret: &Secret) -> Result<Self> {
        let mut pending = Self::open(path, true)?.ok_or_else(|| busy(path))?;
        if pending.secret()?.is_some() {
            return Err(busy(path));
        }
        pending
            .write(secret)
            .map_err(|err| unusable(path).caused_by(err))?;
        Ok(pending)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The secret has arrived, or was never used.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    fn open(path: &Path, create: bool) -> Result<Option<Self>> {
        loop {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(create)
                .mode(PRIVATE)
                // A link planted here must not lead anywhere, and a named pipe must not hold us up.
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
                .open(path);
            let file = match opened {
                Ok(file) => file,
                Err(err) if err.kind() == io::ErrorKind::NotFound && !create => return Ok(None),
                Err(err) => return Err(unusable(path).caused_by(err)),
            };
            // Where the file system knows no locks, the rest still holds.
            if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
                return Err(busy(path));
            }
            let meta = file
                .metadata()
                .map_err(|err| unusable(path).caused_by(err))?;
            // Whoever had the lock before has removed it meanwhile.
            if meta.nlink() == 0 {
                continue;
            }
            let own = meta.uid() == rustix::process::geteuid().as_raw();
            if !meta.is_file() || !own || meta.mode() & 0o077 != 0 || meta.nlink() > 1 {
                return Err(Error::config(format!(
                    "{} was not left by a run of this user: it is not a file that only this user can read, so its \
                     content is not used",
                    path.display()
                ))
                .advise("Find out who put it there, and move it away."));
            }
            return Ok(Some(Self {
                path: path.to_owned(),
                file,
            }));
        }
    }

    fn secret(&mut self) -> Result<Option<Secret>> {
        let mut text = String::new();
        (&self.file)
            .take(LARGEST)
            .read_to_string(&mut text)
            .map_err(|err| unusable(&self.path).caused_by(err))?;
        Ok(text
            .strip_suffix('\n')
            .filter(|secret| !secret.is_empty())
            .map(Secret::new))
    }

    fn write(&mut self, secret: &Secret) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file
            .write_all(format!("{}\n", secret.expose()).as_bytes())?;
        self.file.sync_all()?;
        // Where folders cannot be synced, only a power failure could lose it.
        let _ = File::open(files::folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

fn unusable(path: &Path) -> Error {
    Error::config(format!(
        "{}, where a new secret is kept until it has arrived, cannot be used",
        path.display()
    ))
}

fn busy(path: &Path) -> Error {
    Error::config(format!(
        "another run is at work on the same secret: it holds {}",
        path.display()
    ))
    .advise("Wait until it has ended, then run this again.")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(path: &Path) -> Option<String> {
        let found = PendingSecret::find(path).unwrap();
        found.map(|(_, secret)| secret.expose().to_owned())
    }

    #[test]
    fn a_secret_is_found_again_until_it_is_removed_and_by_one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending");
        assert_eq!(kept(&path), None);
        assert!(!PendingSecret::is_kept(&path));
        let secret = Secret::new("canary-pending");
        let pending = PendingSecret::keep(&path, &secret).unwrap();
        assert!(PendingSecret::is_kept(&path));
        let err = PendingSecret::find(&path).unwrap_err().to_string();
        assert!(err.contains("another run"), "{err}");
        drop(pending);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, PRIVATE);
        assert!(PendingSecret::keep(&path, &Secret::new("other")).is_err());
        assert_eq!(kept(&path).as_deref(), Some("canary-pending"));
        let (pending, _) = PendingSecret::find(&path).unwrap().unwrap();
        pending.remove().unwrap();
        assert_eq!(kept(&path), None);
    }

    #[test]
    fn what_was_not_written_to_its_end_was_never_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending");
        for torn in ["", "canary-torn", "\n"] {
            fs::write(&path, torn).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(PRIVATE)).unwrap();
            assert_eq!(kept(&path), None);
            assert!(!PendingSecret::is_kept(&path));
        }
        PendingSecret::keep(&path, &Secret::new("canary-whole")).unwrap();
        assert_eq!(kept(&path).as_deref(), Some("canary-whole"));
    }

    #[test]
    fn what_others_can_have_planted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending");
        let refused = || PendingSecret::find(&path).is_err();
        fs::write(&path, "planted\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refused(), "others could read it");
        fs::set_permissions(&path, fs::Permissions::from_mode(PRIVATE)).unwrap();
        fs::hard_link(&path, folder.path().join("second")).unwrap();
        assert!(refused(), "it has another name");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("second", &path).unwrap();
        assert!(refused(), "it is a link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(refused(), "it is a folder");
    }
}
