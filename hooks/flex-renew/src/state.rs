//! The folder of a registration for what must not lie where the gateway looks: backups, work in progress, and a new
//! registration that is not completely installed yet.
//!
//! | entry | content |
//! |---|---|
//! | `work-*` | one renewal: `in` for `flexctl` to read, `new` for it to write; what a killed run left is removed |
//! | `pending` | an accepted registration, from before it is installed until the gateway has been restarted with it |
//! | `backups/NUMBER_TIME` | a registration that was replaced; file names end in `.old`, which no gateway loads |
//! | `rejected` | what `flexctl` wrote last that was not accepted |

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use common::error::{Error, Kind, Result};
use common::flex::registration::{FILE_NAME, Files, LARGEST};
use common::log::Log;
use common::system::environment::Env;
use common::system::files::{self, FolderLock};
use common::system::hold::Hold;
use common::system::process::user;
use jiff::Timestamp;
use tempfile::TempDir;

const FOLDER: &str = ".flex-renew";
const WORK: &str = "work-";
const PENDING: &str = "pending";
const BACKUPS: &str = "backups";
const REJECTED: &str = "rejected";
const OLD: &str = ".old";
/// In the folder of a renewal: locked as long as its `flexctl` runs.
const LOCK: &str = "lock";
/// In the folder of a renewal: where `flexctl` writes.
pub(crate) const NEW: &str = "new";

/// A folder that is locked against other runs until it is dropped; the kernel releases the lock of a killed run.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    /// The folders of renewals that were killed; they are gone, but containers of theirs may still run.
    pub(crate) left: Vec<PathBuf>,
    _lock: FolderLock,
}

/// Where the state of the registration at `file` is, which has no symbolic link in it.
///
/// Gateways load every `.yaml` below their configuration folder, so it is beside that folder.
pub(crate) fn folder_for_file(file: &Path, state_dir: Option<&Path>) -> Result<PathBuf> {
    let Some(state_dir) = state_dir else {
        let base = outside(file);
        let rest = file.strip_prefix(&base).unwrap_or(file);
        return Ok(base.join(FOLDER).join(flat(rest)));
    };
    let conf = files::folder_of(file);
    let chosen = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    let loaded = outside_marker(file).unwrap_or(conf);
    if chosen.starts_with(&loaded) {
        return Err(Error::config(format!(
            "--state-dir {} is inside {}, from which the gateway loads every .yaml",
            state_dir.display(),
            loaded.display()
        ))
        .advise("Choose a folder outside of it."));
    }
    Ok(chosen.join(flat(file)))
}

/// Where the state of a registration in a cluster is.
pub(crate) fn folder_for_cluster(
    name: &str,
    state_dir: Option<&Path>,
    env: &Env,
) -> Result<PathBuf> {
    let base = match state_dir {
        Some(folder) => folder.to_owned(),
        None if is_root() => PathBuf::from("/var/lib/flex-renew"),
        None => env
            .get("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(env.get("HOME")?).join(".local/state")))
            .map(|folder| folder.join("flex-renew"))
            .ok_or_else(|| {
                Error::config("there is no folder for backups: HOME is not set")
                    .advise("Give --state-dir.")
            })?,
    };
    // No name of a file's folder has two underscores in a row.
    let mut folder = OsString::from("cluster__");
    folder.push(flat(Path::new(name)));
    Ok(base.join(folder))
}

fn is_root() -> bool {
    user().0 == 0
}

/// The folder beside everything that a gateway may load: outside of the outermost `conf.d`, else of the file's folder.
fn outside(file: &Path) -> PathBuf {
    let loaded = outside_marker(file).unwrap_or_else(|| files::folder_of(file));
    loaded.parent().map_or(loaded.clone(), Path::to_owned)
}

fn outside_marker(file: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .filter(|folder| folder.file_name().is_some_and(|name| name == "conf.d"))
        .last()
        .map(Path::to_owned)
}

/// The path as one name. What joins its parts stands in none of them as it is, so no two paths have the same name.
fn flat(path: &Path) -> OsString {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(escaped(name)),
        _ => None,
    });
    OsString::from_vec(parts.collect::<Vec<_>>().join(&b'_'))
}

fn escaped(name: &OsStr) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in name.as_bytes() {
        match byte {
            b'_' | b'%' | b':' => escaped.extend(format!("%{byte:02X}").bytes()),
            other => escaped.push(*other),
        }
    }
    escaped
}

/// Whether a renewal in `folder` was interrupted before its end.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    folder.join(PENDING).exists()
}

impl State {
    /// Makes the folder if needed, waits until no other run holds it, and removes what killed runs left there.
    /// `limit` is how long `flexctl` may take, also one that such a run left behind.
    pub(crate) fn open(folder: &Path, limit: Duration, log: &Log) -> Result<Self> {
        make(folder).map_err(|err| {
            Error::config(format!(
                "the folder {} for backups cannot be created",
                folder.display()
            ))
            .caused_by(err)
            .advise("Run as a user who may write there, or choose another place with --state-dir.")
        })?;
        own(folder)?;
        let lock = files::lock_folder(folder).map_err(|err| {
            Error::config(format!("{} cannot be locked", folder.display())).caused_by(err)
        })?;
        let mut state = Self {
            folder: folder.to_owned(),
            left: Vec::new(),
            _lock: lock,
        };
        for left in state.entries(WORK) {
            log.debug(format!(
                "{} was left by a run that was killed",
                left.display()
            ));
            let lock = left.join(LOCK);
            let was_running =
                Hold::wait_for_end(&lock, limit).map_err(|err| still_running(&lock, err))?;
            if was_running {
                log.info("flexctl of a run that was killed was still running, and has ended now");
            }
            if let Some(kept) = state.keep_rejected(&left.join(NEW)) {
                log.warn(format!(
                    "what flexctl wrote in a run that was killed is kept in {}",
                    kept.display()
                ));
            }
            if let Err(err) = fs::remove_dir_all(&left) {
                log.warn(format!("{} cannot be removed: {err}", left.display()));
            }
            state.left.push(left);
        }
        Ok(state)
    }

    /// A new empty folder for one renewal, which is removed when it is dropped.
    pub(crate) fn work(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(WORK)
            .tempdir_in(&self.folder)
            .map_err(|err| self.unwritable(err))
    }

    /// What shows later runs that `flexctl` is still at work in `work`.
    pub(crate) fn hold(&self, work: &TempDir) -> Result<Hold> {
        Hold::new(&work.path().join(LOCK)).map_err(|err| self.unwritable(err))
    }

    /// Keeps an accepted registration until it is completely installed. From here on a run that is killed is finished by
    /// the next one, since nobody knows whether the platform still takes the old certificate.
    pub(crate) fn stage(&self, new: &Files) -> Result<()> {
        self.put(PENDING, new, "")
            .map_err(|err| self.unwritable(err))
    }

    /// What is waiting to be completely installed.
    pub(crate) fn staged(&self) -> Result<Option<Files>> {
        let folder = self.folder.join(PENDING);
        if folder.is_dir() {
            read(&folder, "").map(Some)
        } else {
            Ok(None)
        }
    }

    /// Forgets what was staged.
    pub(crate) fn clear_staged(&self) -> Result<()> {
        // Renamed first: a half-removed set must not look like a whole one.
        let gone = self.folder.join(format!("{WORK}done"));
        fs::rename(self.folder.join(PENDING), &gone)
            .and_then(|()| fs::remove_dir_all(&gone))
            .or_else(|err| match err.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(err),
            })
            .map_err(|err| self.unwritable(err))
    }

    /// Keeps a copy of `old`, unless the last copy is the same; returns its folder.
    pub(crate) fn back_up(&self, old: &Files, now: Timestamp) -> Result<PathBuf> {
        if let Some((folder, last)) = self.last_backup()
            && last == *old
        {
            return Ok(folder);
        }
        let backups = self.folder.join(BACKUPS);
        // Counted, since a clock that was wrong once would put a later one first.
        let number = self
            .backups()
            .last()
            .map_or(0, |last| number_of(last))
            .saturating_add(1);
        let name = format!("{number:06}_{}", now.strftime("%Y-%m-%dT%H%M%SZ"));
        make(&backups)
            .and_then(|()| self.put(&format!("{BACKUPS}/{name}"), old, OLD))
            .map_err(|err| self.unwritable(err))?;
        Ok(backups.join(name))
    }

    /// The last backup and its folder.
    pub(crate) fn last_backup(&self) -> Option<(PathBuf, Files)> {
        let folder = self.backups().pop()?;
        let files = read(&folder, OLD).ok()?;
        Some((folder, files))
    }

    /// Removes all but the last `keep` backups.
    pub(crate) fn prune(&self, keep: usize, log: &Log) {
        let backups = self.backups();
        for folder in &backups[..backups.len().saturating_sub(keep)] {
            if let Err(err) = fs::remove_dir_all(folder) {
                log.warn(format!("{} cannot be removed: {err}", folder.display()));
            }
        }
    }

    /// Keeps what `flexctl` wrote although it was not accepted: it may be the only certificate that the platform takes.
    /// `None` if it wrote nothing.
    pub(crate) fn keep_rejected(&self, written: &Path) -> Option<PathBuf> {
        let any = fs::read_dir(written)
            .ok()?
            .filter_map(io::Result::ok)
            .any(|entry| {
                entry
                    .metadata()
                    .is_ok_and(|meta| meta.is_file() && meta.len() > 0)
            });
        if !any {
            return None;
        }
        let kept = self.folder.join(REJECTED);
        let _ = fs::remove_dir_all(&kept);
        fs::rename(written, &kept).ok().map(|()| kept)
    }

    fn backups(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(self.folder.join(BACKUPS))
            .map(|entries| {
                entries
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .collect()
            })
            .unwrap_or_default();
        all.sort_by_key(|folder| number_of(folder));
        all
    }

    fn entries(&self, prefix: &str) -> Vec<PathBuf> {
        fs::read_dir(&self.folder)
            .map(|entries| {
                entries
                    .filter_map(|entry| entry.ok())
                    .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                    .map(|entry| entry.path())
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Writes a set of files so that it is there completely or not at all, also after a power failure.
    fn put(&self, name: &str, set: &Files, suffix: &str) -> io::Result<()> {
        let work = tempfile::Builder::new()
            .prefix(WORK)
            .tempdir_in(&self.folder)?;
        write(work.path(), set, suffix)?;
        for entry in fs::read_dir(work.path())? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync(work.path());
        let target = self.folder.join(name);
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        fs::rename(work.path(), &target)?;
        sync(&files::folder_of(&target));
        Ok(())
    }

    fn unwritable(&self, err: io::Error) -> Error {
        Error::config(format!("{} cannot be written", self.folder.display()))
            .caused_by(err)
            .advise("Nothing was installed. Free up space or grant the right to write, or choose another place with --state-dir.")
    }
}

/// The how manieth backup is in this folder; 0 for one that is none of ours.
fn number_of(folder: &Path) -> u64 {
    folder
        .file_name()
        .and_then(|name| name.to_str()?.split_once('_')?.0.parse().ok())
        .unwrap_or_default()
}

/// Two that renew one registration at a time would each get a certificate, and the platform may take only one of them.
fn still_running(lock: &Path, err: io::Error) -> Error {
    Error::new(
        Kind::Unreachable,
        "flexctl of a run that was killed may still be running, and cannot be ended",
    )
    .caused_by(err)
    .advise(format!(
        "Find it with lsof {} and end it, then run flex-renew again. Nothing was changed.",
        lock.display()
    ))
}

/// Writes the files of a registration into a folder of ours, not yet safe from a power failure.
pub(crate) fn write(folder: &Path, set: &Files, suffix: &str) -> io::Result<()> {
    let one = |name: &str, bytes: &[u8]| -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(files::PRIVATE)
            .open(folder.join(format!("{name}{suffix}")))?;
        file.write_all(bytes)
    };
    one(FILE_NAME, &set.registration)?;
    for (name, bytes) in &set.others {
        one(name, bytes)?;
    }
    Ok(())
}

/// Reads the files of a registration in a folder of ours, or of `flexctl`'s.
pub(crate) fn read(folder: &Path, suffix: &str) -> Result<Files> {
    let main = folder.join(format!("{FILE_NAME}{suffix}"));
    let mut set = Files {
        registration: files::read("the registration", &main, LARGEST)?,
        others: Vec::new(),
    };
    let broken = |err: io::Error| {
        Error::config(format!("{} cannot be read", folder.display())).caused_by(err)
    };
    for entry in fs::read_dir(folder).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.strip_suffix(suffix).unwrap_or(&name);
        // A link could lead anywhere, and a hidden file is a leftover.
        let plain = entry.file_type().map_err(broken)?.is_file() && !name.starts_with('.');
        if name != FILE_NAME && plain {
            let bytes = files::read("the registration", &entry.path(), LARGEST)?;
            set.others.push((name.to_owned(), bytes));
        }
    }
    set.others.sort();
    set.hide();
    Ok(set)
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A folder that somebody else made could lead our files elsewhere.
fn own(folder: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(folder);
    let ours =
        meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == user().0 && meta.mode() & 0o022 == 0);
    if ours {
        return Ok(());
    }
    Err(Error::config(format!(
        "{} is not a folder that belongs to this user alone",
        folder.display()
    ))
    .advise("Always run flex-renew as the same user, or choose another place with --state-dir."))
}

/// Where folders cannot be synced, their entries are as safe as that file system makes them.
fn sync(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Files {
        Files {
            registration: text.into(),
            others: vec![("certificate.yaml".into(), b"c".to_vec())],
        }
    }

    #[test]
    fn the_state_is_never_where_a_gateway_loads_files() {
        let of =
            |file: &str, dir: Option<&str>| folder_for_file(Path::new(file), dir.map(Path::new));
        assert_eq!(
            of(
                "/usr/local/share/mulesoft/flex-gateway/conf.d/registration.yaml",
                None
            )
            .unwrap(),
            Path::new(
                "/usr/local/share/mulesoft/flex-gateway/.flex-renew/conf.d_registration.yaml"
            )
        );
        assert_eq!(
            of("/a/conf.d/custom/registration.yaml", None).unwrap(),
            Path::new("/a/.flex-renew/conf.d_custom_registration.yaml")
        );
        assert_eq!(
            of("/srv/edge/registration.yaml", None).unwrap(),
            Path::new("/srv/.flex-renew/edge_registration.yaml")
        );
        assert_eq!(
            of("/a/conf.d/registration.yaml", Some("/var/lib/x")).unwrap(),
            Path::new("/var/lib/x/a_conf.d_registration.yaml")
        );
        assert!(of("/a/conf.d/custom/registration.yaml", Some("/a/conf.d/old")).is_err());
    }

    #[test]
    fn no_two_paths_share_a_folder() {
        let of = |file: &str| folder_for_file(Path::new(file), Some(Path::new("/s"))).unwrap();
        let files = [
            "/a/b_c/r.yaml",
            "/a_b/c/r.yaml",
            "/a/b/c/r.yaml",
            "/a_b_c/r.yaml",
            "/a/b%5Fc/r.yaml",
            "/a:b/c/r.yaml",
            "/kubernetes/a/b/c",
        ];
        let mut folders: Vec<PathBuf> = files.iter().map(|file| of(file)).collect();
        let env = Env::from_pairs::<&str, &str>([]);
        let cluster = |name| folder_for_cluster(name, Some(Path::new("/s")), &env).unwrap();
        folders.extend(["kubernetes/a/b/c", "kubernetes/a/b_c/d"].map(cluster));
        folders.sort();
        folders.dedup();
        assert_eq!(folders.len(), files.len() + 2);
    }

    #[test]
    fn the_last_backup_is_the_one_made_last_whatever_the_clock_said() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Duration::ZERO, &Log::quiet()).unwrap();
        for (text, time) in [
            ("1", "2026-11-22T06:45:00Z"),
            ("2", "1970-01-01T00:00:01Z"),
            ("3", "2026-01-01T00:00:00Z"),
        ] {
            state.back_up(&set(text), time.parse().unwrap()).unwrap();
            assert_eq!(state.last_backup().unwrap().1, set(text));
        }
        state.prune(1, &Log::quiet());
        assert_eq!(state.last_backup().unwrap().1, set("3"));
    }

    #[test]
    fn backups_are_kept_once_each_and_only_as_many_as_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Duration::ZERO, &Log::quiet()).unwrap();
        let now: Timestamp = "2026-11-22T06:45:00Z".parse().unwrap();
        for text in ["1", "2", "2", "3", "4"] {
            state.back_up(&set(text), now).unwrap();
        }
        assert_eq!(state.backups().len(), 4);
        state.prune(2, &Log::quiet());
        assert_eq!(state.backups().len(), 2);
        assert_eq!(state.last_backup().unwrap().1, set("4"));
        let file = state.backups()[0].join("registration.yaml.old");
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_it_staged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let state = State::open(&path, Duration::ZERO, &Log::quiet()).unwrap();
        assert!(state.left.is_empty());
        let left = state.work().unwrap().keep();
        state.stage(&set("new")).unwrap();
        drop(state);
        let state = State::open(&path, Duration::ZERO, &Log::quiet()).unwrap();
        assert!(state.left == [left.clone()] && !left.exists());
        assert_eq!(state.staged().unwrap(), Some(set("new")));
        state.clear_staged().unwrap();
        state.clear_staged().unwrap();
        assert_eq!(state.staged().unwrap(), None);
        assert!(!is_unfinished(&path));
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::os::unix::fs::symlink(folder.path(), &path).unwrap();
        assert!(State::open(&path, Duration::ZERO, &Log::quiet()).is_err());
    }
}
