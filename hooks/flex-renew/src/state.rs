//! The folder of a registration for what must not lie where the gateway looks: backups, work in progress, and a new
//! registration that is not completely installed yet.
//!
//! | entry | content |
//! |---|---|
//! | `work-*` | one renewal: `in` for `flexctl` to read, `new` for it to write; what a killed run left is removed |
//! | `pending` | a renewal that has begun, from before the new registration is installed until the gateway has been restarted with it |
//! | `undo` | the same, once the registration of before is to come back; until the gateway has been restarted with that |
//! | `backups/NUMBER_TIME` | a registration that was replaced; file names end in `.old`, which no gateway loads |
//! | `extra/NUMBER_TIME` | files of `flexctl` that are no part of a registration as it is known |
//! | `rejected` | what `flexctl` wrote last that was not accepted |

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use common::error::{Error, Kind, Result};
use common::flex::registration::{FILE_NAME, Files, LARGEST, SPLIT_NAME};
use common::log::Log;
use common::system::environment::Env;
use common::system::files::{self, FolderLock};
use common::system::hold::Hold;
use common::system::process::user;
use jiff::Timestamp;
use tempfile::TempDir;

const FOLDER: &str = ".flex-renew";
const WORK: &str = "work-";
const DONE: &str = "work-done";
const PENDING: &str = "pending";
const UNDO: &str = "undo";
const BEFORE: &str = "before";
const CONTAINERS: &str = "containers";
const BACKUPS: &str = "backups";
const EXTRA: &str = "extra";
const REJECTED: &str = "rejected";
const OLD: &str = ".old";
/// In the folder of a renewal: locked as long as its `flexctl` runs, or what restarts the gateway.
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
    [PENDING, UNDO]
        .iter()
        .any(|name| folder.join(name).exists())
}

/// A renewal that has begun: what is needed to finish it, or to undo it, whatever state it was left in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The accepted registration.
    pub(crate) new: Files,
    /// The files of before, among them all that `new` has others of.
    pub(crate) before: Files,
    /// The containers that ran, and are to run in the end.
    pub(crate) containers: Vec<String>,
}

/// Where a renewal that has begun is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// With the new registration.
    Forward,
    /// With that of before.
    Back,
}

/// A folder that is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Work {
    folder: TempDir,
    /// For programs that must not be at work twice at a time: it shows later runs that one still is.
    pub(crate) hold: Hold,
}

impl Work {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Direction {
    fn folder(self) -> &'static str {
        match self {
            Direction::Forward => PENDING,
            Direction::Back => UNDO,
        }
    }
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
                log.info("a program of a run that was killed was still running, and has ended now");
            }
            gather(&left);
            if !left.ends_with(DONE)
                && let Some(kept) = state.keep_rejected(&left.join(NEW))
            {
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

    /// A new empty folder for one piece of work.
    pub(crate) fn work(&self) -> Result<Work> {
        let unwritable = |err| self.unwritable(err);
        let folder = self.temporary().map_err(unwritable)?;
        let hold = Hold::new(&folder.path().join(LOCK)).map_err(unwritable)?;
        Ok(Work { folder, hold })
    }

    fn temporary(&self) -> io::Result<TempDir> {
        tempfile::Builder::new()
            .prefix(WORK)
            .tempdir_in(&self.folder)
    }

    /// Writes down that a renewal begins. From here on a run that is killed is finished by the next one, since nobody
    /// knows whether the platform still takes the old certificate.
    pub(crate) fn begin(&self, begun: &Begun) -> Result<()> {
        self.put(PENDING, |folder| {
            for (name, set, suffix) in [(NEW, &begun.new, ""), (BEFORE, &begun.before, OLD)] {
                let folder = folder.join(name);
                DirBuilder::new().mode(0o700).create(&folder)?;
                write(&folder, set, suffix)?;
            }
            fs::write(folder.join(CONTAINERS), begun.containers.join("\n"))
        })
        .map_err(|err| self.unwritable(err))
    }

    /// The renewal that has begun and not ended.
    pub(crate) fn begun(&self) -> Result<Option<(Direction, Begun)>> {
        for direction in [Direction::Back, Direction::Forward] {
            let folder = self.folder.join(direction.folder());
            if folder.is_dir() {
                let containers = fs::read_to_string(folder.join(CONTAINERS)).unwrap_or_default();
                let begun = Begun {
                    new: read(&folder.join(NEW), "")?,
                    before: read(&folder.join(BEFORE), OLD)?,
                    containers: containers.lines().map(str::to_owned).collect(),
                };
                return Ok(Some((direction, begun)));
            }
        }
        Ok(None)
    }

    /// Writes down that the registration of before is to come back.
    pub(crate) fn turn_back(&self) -> Result<()> {
        fs::rename(self.folder.join(PENDING), self.folder.join(UNDO))
            .map_err(|err| self.unwritable(err))?;
        sync(&self.folder);
        Ok(())
    }

    /// Writes down that the renewal has ended, one way or the other.
    pub(crate) fn end(&self) -> Result<()> {
        for name in [PENDING, UNDO] {
            // Renamed first: a half-removed set must not look like a whole one.
            let gone = self.folder.join(DONE);
            fs::rename(self.folder.join(name), &gone)
                .and_then(|()| fs::remove_dir_all(&gone))
                .or_else(|err| match err.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(err),
                })
                .map_err(|err| self.unwritable(err))?;
        }
        Ok(())
    }

    /// Keeps a copy of `old`, unless the last copy is the same; returns its folder.
    pub(crate) fn back_up(&self, old: &Files, now: Timestamp) -> Result<PathBuf> {
        if let Some((folder, last)) = self.last_backup()
            && last == *old
        {
            return Ok(folder);
        }
        let name = self.next(BACKUPS, now);
        make(&self.folder.join(BACKUPS))
            .and_then(|()| self.put(&name, |folder| write(folder, old, OLD)))
            .map_err(|err| self.unwritable(err))?;
        Ok(self.folder.join(name))
    }

    /// A name for what is kept of this moment. Counted, since a clock that was wrong once would put a later one first.
    fn next(&self, kind: &str, now: Timestamp) -> String {
        let number = self
            .kept(kind)
            .last()
            .map_or(0, |last| number_of(last))
            .saturating_add(1);
        let stamp = now.strftime("%Y-%m-%dT%H%M%SZ");
        format!("{kind}/{number:06}_{stamp}")
    }

    /// The folders of all backups, the last one last.
    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        self.kept(BACKUPS)
    }

    /// The last backup and its folder.
    fn last_backup(&self) -> Option<(PathBuf, Files)> {
        let folder = self.backups().pop()?;
        let files = read_backup(&folder).ok()?;
        Some((folder, files))
    }

    /// Takes whatever is no part of a registration out of the folder that `flexctl` wrote, and keeps it: the names, and
    /// where they are now. A gateway would load a `.yaml` that nobody knows.
    pub(crate) fn keep_extra(
        &self,
        written: &Path,
        now: Timestamp,
    ) -> Result<Option<(Vec<String>, PathBuf)>> {
        let unwritable = |err| self.unwritable(err);
        let mut extra = Vec::new();
        for entry in fs::read_dir(written).map_err(unwritable)? {
            let name = entry.map_err(unwritable)?.file_name();
            if name != FILE_NAME && name != SPLIT_NAME {
                extra.push(name);
            }
        }
        if extra.is_empty() {
            return Ok(None);
        }
        let kept = self.folder.join(self.next(EXTRA, now));
        make(&kept).map_err(unwritable)?;
        for name in &extra {
            fs::rename(written.join(name), kept.join(name)).map_err(unwritable)?;
        }
        let mut names: Vec<String> = extra
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(Some((names, kept)))
    }

    /// Removes all but the last `keep` backups.
    pub(crate) fn prune(&self, keep: usize, log: &Log) {
        for kind in [BACKUPS, EXTRA] {
            let all = self.kept(kind);
            for folder in &all[..all.len().saturating_sub(keep)] {
                if let Err(err) = fs::remove_dir_all(folder) {
                    log.warn(format!("{} cannot be removed: {err}", folder.display()));
                }
            }
        }
    }

    /// Keeps a registration that was accepted and is not installed.
    pub(crate) fn reject(&self, new: &Files) -> Option<PathBuf> {
        let work = self.temporary().ok()?;
        write(work.path(), new, "").ok()?;
        // What becomes of the folder is settled: there is nothing left to remove.
        self.keep_rejected(&work.keep())
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

    fn kept(&self, kind: &str) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(self.folder.join(kind))
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

    /// Makes a folder so that all that is filled into it is there, or nothing, also after a power failure.
    fn put(&self, name: &str, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let work = self.temporary()?;
        fill(work.path())?;
        sync_all(work.path())?;
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

/// The how manieth of its kind is in this folder; 0 for one that is none of ours.
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
        "a program of a run that was killed may still be running, and cannot be ended",
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

/// Reads the registration in the folder of a backup.
pub(crate) fn read_backup(folder: &Path) -> Result<Files> {
    read(folder, OLD)
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

fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync(folder);
    Ok(())
}

/// Moves what `flexctl` wrote into the folder that it ran in, `work`, to where it should have written.
pub(crate) fn gather(work: &Path) -> bool {
    let new = work.join(NEW);
    let (true, Ok(entries)) = (new.is_dir(), fs::read_dir(work)) else {
        return false;
    };
    let mut moved = false;
    for entry in entries.filter_map(io::Result::ok) {
        let target = new.join(entry.file_name());
        let is_written = entry.file_type().is_ok_and(|kind| kind.is_file())
            && entry.file_name() != LOCK
            && !target.exists();
        moved |= is_written && fs::rename(entry.path(), target).is_ok();
    }
    moved
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
        assert_eq!(state.kept(BACKUPS).len(), 4);
        state.prune(2, &Log::quiet());
        assert_eq!(state.kept(BACKUPS).len(), 2);
        assert_eq!(state.last_backup().unwrap().1, set("4"));
        let file = state.kept(BACKUPS)[0].join("registration.yaml.old");
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_it_had_begun_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let open = || State::open(&path, Duration::ZERO, &Log::quiet()).unwrap();
        let state = open();
        assert!(state.left.is_empty() && !is_unfinished(&path));
        let left = state.temporary().unwrap().keep();
        let begun = Begun {
            new: set("new"),
            before: set("old"),
            containers: vec!["edge-1".into(), "edge-2".into()],
        };
        state.begin(&begun).unwrap();
        drop(state);
        let state = open();
        assert!(state.left == [left.clone()] && !left.exists() && is_unfinished(&path));
        let found = state.begun().unwrap();
        assert_eq!(found, Some((Direction::Forward, begun.clone())));
        state.turn_back().unwrap();
        assert_eq!(state.begun().unwrap(), Some((Direction::Back, begun)));
        state.end().unwrap();
        state.end().unwrap();
        assert_eq!(state.begun().unwrap(), None);
        assert!(!is_unfinished(&path));
    }

    #[test]
    fn what_flexctl_wrote_where_it_stood_is_found_and_what_nobody_knows_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let state = State::open(&path, Duration::ZERO, &Log::quiet()).unwrap();
        let work = state.work().unwrap();
        let new = work.path().join(NEW);
        fs::create_dir(&new).unwrap();
        assert!(!gather(work.path()));
        for name in [FILE_NAME, "metrics.yaml"] {
            fs::write(work.path().join(name), "text").unwrap();
        }
        assert!(gather(work.path()) && work.path().join(LOCK).exists());
        let now: Timestamp = "2026-11-22T06:45:00Z".parse().unwrap();
        let (names, kept) = state.keep_extra(&new, now).unwrap().unwrap();
        assert_eq!(names, ["metrics.yaml"]);
        assert!(kept.join("metrics.yaml").exists() && !new.join("metrics.yaml").exists());
        assert!(state.keep_extra(&new, now).unwrap().is_none() && new.join(FILE_NAME).exists());
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::os::unix::fs::symlink(folder.path(), &path).unwrap();
        assert!(State::open(&path, Duration::ZERO, &Log::quiet()).is_err());
    }
}
