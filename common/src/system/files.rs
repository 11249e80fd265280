//! Whole-file replacement, reading with limits, and locks.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The mode of a file that may hold a secret.
pub const PRIVATE: u32 = 0o600;

/// Reads a text file of at most `limit` bytes. `what` names it in errors, as "the certificate".
///
/// # Errors
///
/// Not found when there is no such file; else configuration: unreadable, too large, not UTF-8, or not a file.
pub fn read_text(what: &str, path: &Path, limit: u64) -> Result<String> {
    let bytes = read(what, path, limit)?;
    String::from_utf8(bytes)
        .map_err(|_| Error::config(format!("{what} {} is not text", path.display())))
}

/// Reads a file of at most `limit` bytes. `what` names it in errors.
///
/// # Errors
///
/// As [`read_text`], whatever the bytes are.
pub fn read(what: &str, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    let file = File::open(path).map_err(|err| unreadable(what, path, err))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::config(format!("{what} {shown} is a folder")));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|err| unreadable(what, path, err))?;
    if bytes.len() as u64 > limit {
        return Err(Error::config(format!(
            "{what} {shown} is larger than {limit} bytes"
        )));
    }
    Ok(bytes)
}

fn unreadable(what: &str, path: &Path, err: io::Error) -> Error {
    let shown = path.display();
    match err.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("{what} {shown} does not exist"))
            .advise("Check the path; from cron, write it in full."),
        io::ErrorKind::PermissionDenied => Error::config(format!("{what} {shown} may not be read"))
            .caused_by(err)
            .advise("Run as the user who owns the file, or grant that user the right to read it."),
        _ => Error::config(format!("{what} {shown} cannot be read")).caused_by(err),
    }
}

/// Replaces the whole content of `path` in one step: a reader sees the old file or the new one, also after a crash.
///
/// A symlink is followed. Mode and owner of an existing file are kept; a new one gets `new_mode`.
///
/// # Errors
///
/// The folder cannot be written, or the owner of the file cannot be kept.
pub fn replace(path: &Path, content: &[u8], new_mode: u32) -> io::Result<()> {
    let target = follow(path)?;
    let folder = folder_of(&target);
    let mut temporary = NamedTempFile::with_prefix_in(".anypoint-hooks-", &folder)?;
    temporary.write_all(content)?;
    let file = temporary.as_file();
    match fs::metadata(&target) {
        Ok(old) => {
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                fchown(file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            file.set_permissions(Permissions::from_mode(new_mode))?;
        }
        Err(err) => return Err(err),
    }
    file.sync_all()?;
    temporary.persist(&target)?;
    // The rename itself lives in the folder. Where folders cannot be synced the file is whole all the same.
    let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Finds out whether [`replace`] would work, leaving nothing behind.
///
/// # Errors
///
/// As [`replace`].
pub fn check_replaceable(path: &Path) -> io::Result<()> {
    let target = follow(path)?;
    let temporary = NamedTempFile::with_prefix_in(".anypoint-hooks-", folder_of(&target))?;
    if let Ok(old) = fs::metadata(&target) {
        let new = temporary.as_file().metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(temporary.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
    }
    Ok(())
}

/// Holds the lock on a folder until dropped. Waits for whoever has it.
///
/// The folder itself is locked, so that no lock file is left behind.
///
/// # Errors
///
/// The folder cannot be opened, or its file system knows no locks.
pub fn lock_folder(folder: &Path) -> io::Result<FolderLock> {
    let file = File::open(folder)?;
    file.lock()?;
    Ok(FolderLock(file))
}

/// A lock on a folder, see [`lock_folder`].
#[derive(Debug)]
pub struct FolderLock(
    #[expect(dead_code, reason = "held, not read: closing it ends the lock")] File,
);

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The file that a path means in the end. A dangling symlink means the file it points to.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    // As deep as Linux itself follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_new_one_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.conf");
        replace(&path, b"one", PRIVATE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two", PRIVATE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_symlink_stays_a_symlink() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real.conf");
        let link = folder.path().join("link.conf");
        std::os::unix::fs::symlink("real.conf", &link).unwrap();
        replace(&link, b"text", PRIVATE).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"text");
    }

    #[test]
    fn a_missing_file_is_not_found_and_a_large_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(
            read("the key", &path, 10).unwrap_err().kind(),
            Kind::NotFound
        );
        fs::write(&path, "12345678901").unwrap();
        let err = read("the key", &path, 10).unwrap_err();
        assert_eq!(err.kind(), Kind::Config);
        assert!(err.to_string().contains("larger than 10 bytes"), "{err}");
    }
}
