//! Files that are written beside another one, to be renamed over it, and what killed runs leave of them.
//!
//! They may hold secrets, so nobody should find them after the run that made them. Each is locked as long as that run
//! lives; where the lock is free, nobody will come for the file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// What the names of these files begin with.
const PREFIX: &str = ".anypoint-hooks-";

/// A new file in `folder`, which is removed when it is dropped. What killed runs have left there is removed, too.
pub(super) fn in_folder(folder: &Path) -> io::Result<NamedTempFile> {
    remove_left_overs(folder);
    loop {
        let temporary = NamedTempFile::with_prefix_in(PREFIX, folder)?;
        match temporary.as_file().try_lock() {
            // Somebody has found it before it was locked, and taken it for a left-over.
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if !is_at(temporary.as_file(), temporary.path()) => {}
            // On a file system without locks nobody gets the one that removing takes.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(temporary),
        }
    }
}

/// Removes what killed runs have left in `folder`, and nothing that a living one still works with. What
/// cannot be removed stays.
pub fn remove_left_overs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| remove_left_over(path).is_ok_and(|removed| removed))
        .collect()
}

fn remove_left_over(path: &Path) -> io::Result<bool> {
    // Neither a link nor a pipe that somebody has put there.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)?;
    let is_file = file.metadata()?.is_file();
    // It may have been renamed to its place by now.
    if !is_file || file.try_lock().is_err() || !is_at(&file, path) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_left_over_once_the_run_that_made_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let alive = in_folder(folder.path()).unwrap();
        let other = in_folder(folder.path()).unwrap();
        assert!(alive.path().exists(), "a second one removed the first");
        assert!(remove_left_overs(folder.path()).is_empty());
        let (file, path) = other.keep().unwrap();
        drop(file);
        assert_eq!(remove_left_overs(folder.path()), [path]);
        assert!(alive.path().exists());
    }

    #[test]
    fn what_is_no_file_of_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("account.conf");
        fs::write(&target, "text").unwrap();
        symlink(&target, folder.path().join(format!("{PREFIX}link"))).unwrap();
        fs::create_dir(folder.path().join(format!("{PREFIX}folder"))).unwrap();
        assert!(remove_left_overs(folder.path()).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(remove_left_overs(&folder.path().join("nowhere")).is_empty());
    }

    #[test]
    fn a_file_that_took_its_place_is_not_taken_for_the_one_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        fs::write(&path, "one").unwrap();
        let file = File::open(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::write(folder.path().join("two"), "two").unwrap();
        fs::rename(folder.path().join("two"), &path).unwrap();
        assert!(!is_at(&file, &path));
    }
}
