//! What is remembered from run to run: when the last one was, how it ended, and of what people were told.
//!
//! `${XDG_STATE_HOME:-~/.local/state}/anypoint-hooks/estate.json`, readable by the owner alone, without secrets. It holds an
//! entry for each pair of an acme.sh home and a configuration file, and of each only what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::cert::sha256_hex;
use common::cli::Invocation;
use common::cli::monitoring::{Kind, State};
use common::error::{Error, Kind as ErrorKind, Result};
use common::system::files::{self, FileLock};
use common::system::fingerprints::{private_folder, state_folder};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// Room for tens of thousands of alarms.
const LARGEST: u64 = 32 * 1024 * 1024;

/// An estate that was not looked at for so long is forgotten.
const LONGEST_UNUSED: SignedDuration = SignedDuration::from_hours(180 * 24);

/// What a run leaves out is remembered for so long, in case it is left out by this one run alone.
const LONGEST_LEFT_OUT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Digits of a hash that distinguish the estates of one user.
const DIGITS: usize = 32;

/// What is remembered of one estate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// When the last run ended.
    pub(crate) last_run: Option<Timestamp>,
    /// When the last one ended in which every step and every check worked.
    pub(crate) last_success: Option<Timestamp>,
    /// When the first one was: until something has succeeded, time is counted from then.
    pub(crate) first_run: Option<Timestamp>,
    pub(crate) last_exit_code: Option<u8>,
    /// The steps that failed when they were tried last, by their commands.
    #[serde(default)]
    pub(crate) failed_steps: BTreeMap<String, FailedStep>,
    /// What was wrong when people were told of it last, or would have been.
    #[serde(default)]
    pub(crate) alarms: Vec<Alarm>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedStep {
    /// When it was tried last.
    pub(crate) at: Timestamp,
    pub(crate) exit_code: u8,
    pub(crate) detail: String,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    pub(crate) state: State,
    /// When it was first seen in this state.
    pub(crate) since: Timestamp,
    /// When people were last told.
    pub(crate) told: Timestamp,
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) program: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) at: BTreeMap<String, String>,
}

/// Whether something of this moment, which the run at `now` leaves out, is still to be remembered.
pub(crate) fn is_kept(moment: Timestamp, now: Timestamp) -> bool {
    now.duration_since(moment) < LONGEST_LEFT_OUT
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(default)]
    estates: BTreeMap<String, Memory>,
}

/// The file, and which entry of it this call is about.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    estate: String,
}

/// One run's turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Whether no run was here before.
    is_first: bool,
    _lock: FileLock,
}

/// What becomes of a file that cannot be used.
const ANEW: &str =
    "it is made anew: what is wrong is told once more, and when a run last succeeded is not known";

/// What became of the file.
enum Loaded {
    There(File),
    Absent,
    Damaged(Error),
}

impl Store {
    /// The file of this user; none where the environment names no home.
    pub(crate) fn of(call: &Invocation) -> Option<Self> {
        let home = call.settings.home().map(|home| home.config.as_path());
        let config = call.settings.file().map(|file| file.path.as_path());
        let shown = |path: Option<&Path>| path.map_or_else(String::new, absolute);
        Some(Self {
            path: state_folder(call.env())?.join("estate.json"),
            estate: format!("home {} config {}", shown(home), shown(config)),
        })
    }

    /// Has this estate for one run at a time; nothing if another run has it.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub(crate) fn turn(&self) -> Result<Option<Turn>> {
        let folder = files::folder_of(&self.path).join("locks");
        let name = format!("estate-{}", &sha256_hex(self.estate.as_bytes())[..DIGITS]);
        let path = folder.join(name);
        let is_first = !path.exists();
        let lock = || -> io::Result<Option<FileLock>> {
            private_folder(&folder)?;
            files::try_lock_file(&path)
        };
        let lock = lock().map_err(|err| self.unwritable(err))?;
        Ok(lock.map(|lock| Turn {
            is_first,
            _lock: lock,
        }))
    }

    /// What is remembered, without a word about a file that cannot be used: see [`Store::load`].
    pub(crate) fn peek(&self) -> Memory {
        match self.read() {
            Loaded::There(mut file) => file.estates.remove(&self.estate).unwrap_or_default(),
            Loaded::Absent | Loaded::Damaged(_) => Memory::default(),
        }
    }

    /// What is remembered. A file that is damaged, or was lost, is a warning: it is written anew when the run ends.
    pub(crate) fn load(&self, call: &Invocation, turn: &Turn) -> Memory {
        match self.read() {
            Loaded::There(mut file) => {
                return file.estates.remove(&self.estate).unwrap_or_default();
            }
            Loaded::Absent if turn.is_first => {}
            Loaded::Absent => call.log.warn(format!(
                "the state file {} is gone; {ANEW}",
                self.path.display()
            )),
            Loaded::Damaged(err) => call.log.warn(format!("{err}; {ANEW}")),
        }
        Memory::default()
    }

    /// Writes down what is to be remembered.
    ///
    /// # Errors
    ///
    /// Configuration: the file cannot be written.
    pub(crate) fn save(&self, memory: Memory, now: Timestamp) -> Result<()> {
        let folder = files::folder_of(&self.path);
        let unwritable = |err: io::Error| self.unwritable(err);
        private_folder(&folder).map_err(unwritable)?;
        let _lock = files::lock_folder(&folder).map_err(unwritable)?;
        let mut file = match self.read() {
            Loaded::There(file) => file,
            Loaded::Absent | Loaded::Damaged(_) => File::default(),
        };
        file.version = VERSION;
        file.estates.insert(self.estate.clone(), memory);
        file.estates.retain(|_, memory| {
            memory
                .last_run
                .is_some_and(|last| now.duration_since(last) < LONGEST_UNUSED)
        });
        let text = serde_json::to_string_pretty(&file)
            .map_err(|err| Error::config("the state does not fit into JSON").caused_by(err))?;
        files::replace(&self.path, text.as_bytes(), files::PRIVATE).map_err(unwritable)?;
        // One that was there may have had other rights.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(files::PRIVATE))
            .map_err(unwritable)
    }

    fn read(&self) -> Loaded {
        let text = match files::read_text("the state file", &self.path, LARGEST) {
            Ok(text) => text,
            Err(err) if err.kind() == ErrorKind::NotFound => return Loaded::Absent,
            Err(err) => return Loaded::Damaged(err),
        };
        match serde_json::from_str::<File>(&text) {
            Ok(file) if file.version == VERSION => Loaded::There(file),
            _ => Loaded::Damaged(Error::config(format!(
                "the state file {} is damaged",
                self.path.display()
            ))),
        }
    }

    fn unwritable(&self, err: io::Error) -> Error {
        Error::config(format!(
            "the state file {} cannot be written",
            self.path.display()
        ))
        .caused_by(err)
        .advise("Check the rights on its folder, or name another one with XDG_STATE_HOME.")
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}
