//! Whole-file replacement, reading with limits, and locks.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::system::{attributes, temporary};

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
/// A symlink is followed. Mode, owner, access control list and extended attributes of an existing file are kept; a new one
/// gets `new_mode`.
///
/// A file that is mounted by itself, as into a container, cannot be replaced and is written in place. While that is done,
/// a copy of the old content lies beside it where that is possible.
///
/// # Errors
///
/// The folder cannot be written, or what decides who may read the file cannot be kept; of a mounted file, it cannot be
/// written.
pub fn replace(path: &Path, content: &[u8], new_mode: u32) -> io::Result<()> {
    Replacement::prepare(path, content, New::Mode(new_mode))?.put()
}

/// Makes a file with this content in one step; one that is there is left alone.
///
/// # Errors
///
/// `AlreadyExists` where there is one, be it a dangling symlink; else the folder cannot be written.
pub fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let temporary = write_beside(path, content, New::Mode(mode))?;
    temporary.persist_noclobber(path).map_err(|err| err.error)?;
    sync_folder_of(path);
    Ok(())
}

/// What a file gets that is not there yet.
#[derive(Debug, Clone, Copy)]
pub enum New<'a> {
    /// This mode.
    Mode(u32),
    /// Whatever the file at this path has beside its content.
    Like(&'a Path),
}

/// A file whose new content is completely written, and is yet to be put in place: of several files that belong together
/// none is replaced before each is known to have room.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    how: How,
}

#[derive(Debug)]
enum How {
    Rename(NamedTempFile),
    InPlace(File, Vec<u8>),
}

impl Replacement {
    /// Writes the content beside `path`, as [`replace`] does.
    ///
    /// # Errors
    ///
    /// As [`replace`].
    pub fn prepare(path: &Path, content: &[u8], new: New<'_>) -> io::Result<Self> {
        let target = follow(path)?;
        let how = match write_beside(&target, content, new) {
            Err(err) if is_in_the_way(&err, &target) => in_place(&target, content)?,
            temporary => How::Rename(temporary?),
        };
        Ok(Self { target, how })
    }

    /// Puts the content in place.
    ///
    /// # Errors
    ///
    /// As [`replace`].
    pub fn put(self) -> io::Result<()> {
        let Self { target, how } = self;
        let temporary = match how {
            How::InPlace(file, content) => return write_in_place(file, &target, &content),
            How::Rename(temporary) => temporary,
        };
        match temporary.persist(&target) {
            Ok(_) => {
                sync_folder_of(&target);
                Ok(())
            }
            Err(err) if is_in_the_way(&err.error, &target) => {
                let content = fs::read(err.file.path())?;
                write_in_place(open_in_place(&target)?, &target, &content)
            }
            Err(err) => Err(err.error),
        }
    }
}

fn in_place(target: &Path, content: &[u8]) -> io::Result<How> {
    Ok(How::InPlace(open_in_place(target)?, content.to_owned()))
}

fn write_beside(target: &Path, content: &[u8], new: New<'_>) -> io::Result<NamedTempFile> {
    let mut temporary = temporary::in_folder(&folder_of(target))?;
    temporary.write_all(content)?;
    let file = temporary.as_file();
    match (File::open(target), new) {
        (Ok(old), _) => drop(attributes::keep(&old, file)?),
        (Err(err), New::Like(like)) if err.kind() == io::ErrorKind::NotFound => {
            drop(attributes::keep(&File::open(like)?, file)?);
        }
        (Err(err), New::Mode(mode)) if err.kind() == io::ErrorKind::NotFound => {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        (Err(err), _) => return Err(err),
    }
    file.sync_all()?;
    Ok(temporary)
}

/// Removes a file for good, also after a crash. One that is not there is no error.
///
/// # Errors
///
/// It is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => {
            sync_folder_of(path);
            removed
        }
    }
}

/// The rename itself lives in the folder. Where folders cannot be synced the file is whole all the same.
fn sync_folder_of(path: &Path) {
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}

/// Finds out whether [`replace`] would work, leaving nothing behind. Returned are the names of extended attributes that
/// would be lost, none of which decides who may read the file.
///
/// # Errors
///
/// As [`replace`].
pub fn check_replaceable(path: &Path) -> io::Result<Vec<String>> {
    let target = follow(path)?;
    let whole = temporary::in_folder(&folder_of(&target)).and_then(|temporary| {
        let Ok(old) = File::open(&target) else {
            return Ok(Vec::new());
        };
        if is_mounted(&target) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        attributes::keep(&old, temporary.as_file())
    });
    match whole {
        Err(err) if is_in_the_way(&err, &target) => open_in_place(&target).map(|_| Vec::new()),
        result => result,
    }
}

/// Whether replacing `target` failed because it is mounted by itself, rather than for want of room or the like. The
/// folder around it is often read-only then.
fn is_in_the_way(err: &io::Error, target: &Path) -> bool {
    match err.kind() {
        io::ErrorKind::ResourceBusy => true,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => is_mounted(target),
        _ => false,
    }
}

/// Removes what killed runs have left of [`replace`] beside `path`.
pub fn remove_left_overs_of(path: &Path) {
    if let Ok(target) = follow(path) {
        temporary::remove_left_overs(&folder_of(&target));
    }
}

/// Whether a file is mounted by itself: nothing can be renamed over it then.
#[cfg(target_os = "linux")]
fn is_mounted(file: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let mount = |path: &Path| {
        let stat = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
        // Before Linux 5.8 the kernel does not tell.
        (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)
    };
    matches!((mount(file), mount(&folder_of(file))), (Some(own), Some(around)) if own != around)
}

#[cfg(not(target_os = "linux"))]
fn is_mounted(_file: &Path) -> bool {
    false
}

fn open_in_place(target: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(target)
}

fn write_in_place(mut file: File, target: &Path, content: &[u8]) -> io::Result<()> {
    let mut old = Vec::new();
    file.read_to_end(&mut old)?;
    // Its name is not that of a temporary file, which a later run may remove.
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".before-");
    let copy = NamedTempFile::with_prefix_in(name, folder_of(target)).and_then(|mut copy| {
        copy.write_all(&old)?;
        copy.as_file().sync_all()?;
        Ok(copy)
    });
    let Err(err) = overwrite(&mut file, content) else {
        return Ok(());
    };
    if overwrite(&mut file, &old).is_err()
        && let Ok(copy) = copy
    {
        let (_, copy) = copy.keep()?;
        return Err(io::Error::new(
            err.kind(),
            format!("{err}; its old content is in {}", copy.display()),
        ));
    }
    Err(err)
}

fn overwrite(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
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

/// Holds the lock on a file, which is made if it is not there, until dropped. Waits for whoever has it, after `told` has
/// been called.
///
/// # Errors
///
/// The file cannot be made or opened, or its file system knows no locks.
pub fn lock_file(path: &Path, told: impl FnOnce()) -> io::Result<FileLock> {
    let file = open_to_lock(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            told();
            file.lock()?;
        }
        Err(TryLockError::Error(err)) => return Err(err),
    }
    Ok(FileLock(file))
}

/// As [`lock_file`], but does not wait: nothing if somebody has the lock.
///
/// # Errors
///
/// As [`lock_file`].
pub fn try_lock_file(path: &Path) -> io::Result<Option<FileLock>> {
    let file = open_to_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(FileLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(err)) => Err(err),
    }
}

fn open_to_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
}

/// A lock on a file, see [`lock_file`].
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held, not read: closing it ends the lock")] File);

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
    use std::os::unix::fs::MetadataExt;

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
    fn a_file_is_made_whole_and_one_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        create(&path, b"one", 0o640).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        let err = create(&path, b"two", 0o640).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        create(&link, b"two", 0o640).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
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

    #[test]
    fn a_file_is_written_in_place_whether_it_grows_or_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.conf");
        fs::write(&path, "something long").unwrap();
        let number = fs::metadata(&path).unwrap().ino();
        for content in ["short", "something even longer", ""] {
            let file = open_in_place(&path).unwrap();
            write_in_place(file, &path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().ino(), number);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_ordinary_file_is_not_taken_for_a_mounted_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.conf");
        fs::write(&path, "text").unwrap();
        assert!(!is_mounted(&path));
        check_replaceable(&path).unwrap();
        check_replaceable(&folder.path().join("new.conf")).unwrap();
        assert!(!is_mounted(&folder.path().join("new.conf")));
        check_replaceable(&folder.path().join("nowhere/new.conf")).unwrap_err();
    }
}
