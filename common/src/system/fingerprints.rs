//! What a program remembers about secrets, and other things, that a platform does not give back: keyed hashes, in the
//! user's state folder.
//!
//! `${XDG_STATE_HOME:-~/.local/state}/anypoint-hooks/PROGRAM.json`, readable by the owner alone. The key is random and
//! stands in the same file, so that equal passwords of two machines or users do not look equal.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::system::environment::Env;
use crate::system::files;

/// Room for tens of thousands of entries.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The file of one program.
#[derive(Debug, Clone)]
pub struct Fingerprints {
    path: PathBuf,
}

/// How a secret compares with what was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The same, and the platform has seen no other change since.
    Same,
    /// Another one.
    Different,
    /// Nothing is known, or somebody else has changed the thing since.
    Unknown,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    key: String,
    #[serde(default)]
    entries: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
}

impl Fingerprints {
    /// The file of `program`; none where the environment names no home.
    pub fn of(env: &Env, program: &str) -> Option<Self> {
        Some(Self {
            path: state_folder(env)?.join(format!("{program}.json")),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Compares `secret` with what was remembered of `subject`, whose last change the platform describes as `seen`.
    ///
    /// # Errors
    ///
    /// Configuration: the file is there and cannot be used.
    pub fn compare(&self, subject: &str, secret: &[&str], seen: Option<&str>) -> Result<Match> {
        let Some(file) = self.load()? else {
            return Ok(Match::Unknown);
        };
        let Some(entry) = file.entries.get(subject) else {
            return Ok(Match::Unknown);
        };
        if hash(&file.key, subject, secret) != entry.hash {
            return Ok(Match::Different);
        }
        Ok(if entry.seen.as_deref() == seen {
            Match::Same
        } else {
            Match::Unknown
        })
    }

    /// Remembers that `secret` was written to `subject`.
    ///
    /// # Errors
    ///
    /// Configuration: the file cannot be written.
    pub fn remember(&self, subject: &str, secret: &[&str], seen: Option<&str>) -> Result<()> {
        self.update(|file| {
            let entry = Entry {
                hash: hash(&file.key, subject, secret),
                seen: seen.map(str::to_owned),
            };
            file.entries.insert(subject.to_owned(), entry);
        })
    }

    /// Notes that a change of our own, which left the secret alone, has moved `subject` from `before` to `after`.
    ///
    /// # Errors
    ///
    /// Configuration: the file cannot be written.
    pub fn follow(&self, subject: &str, before: Option<&str>, after: Option<&str>) -> Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        self.update(|file| {
            if let Some(entry) = file.entries.get_mut(subject)
                && entry.seen.as_deref() == before
            {
                entry.seen = after.map(str::to_owned);
            }
        })
    }

    /// Forgets `subject`.
    ///
    /// # Errors
    ///
    /// Configuration: the file cannot be written.
    pub fn forget(&self, subject: &str) -> Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        self.update(|file| {
            file.entries.remove(subject);
        })
    }

    fn load(&self) -> Result<Option<File>> {
        let text = match files::read_text("the state file", &self.path, LARGEST) {
            Ok(text) => text,
            Err(err) if err.kind() == Kind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        serde_json::from_str(&text).map(Some).map_err(|_| {
            Error::config(format!("the state file {} is damaged", self.path.display()))
                .advise("Remove it: passwords are then written to the platform once more.")
        })
    }

    fn update(&self, change: impl FnOnce(&mut File)) -> Result<()> {
        let unwritable = |err: io::Error| {
            Error::config(format!(
                "the state file {} cannot be written",
                self.path.display()
            ))
            .caused_by(err)
            .advise("Check the rights on its folder, or name another one with XDG_STATE_HOME.")
        };
        let folder = files::folder_of(&self.path);
        private_folder(&folder).map_err(unwritable)?;
        let _lock = files::lock_folder(&folder).map_err(unwritable)?;
        let mut file = match self.load()? {
            Some(file) => file,
            None => File {
                key: new_key()?,
                entries: BTreeMap::new(),
            },
        };
        change(&mut file);
        let text = serde_json::to_string_pretty(&file)
            .map_err(|err| Error::config("the state does not fit into JSON").caused_by(err))?;
        files::replace(&self.path, text.as_bytes(), files::PRIVATE).map_err(unwritable)?;
        // A file that was there with other rights holds hashes of passwords all the same.
        fs::set_permissions(
            &self.path,
            std::os::unix::fs::PermissionsExt::from_mode(files::PRIVATE),
        )
        .map_err(unwritable)
    }
}

/// The folder of what programs remember from run to run; none where the environment names no home.
pub fn state_folder(env: &Env) -> Option<PathBuf> {
    let state = env
        .get("XDG_STATE_HOME")
        .map(PathBuf::from)
        // The XDG specification: relative paths are to be ignored.
        .filter(|path| path.is_absolute())
        .or_else(|| {
            env.get("HOME")
                .map(|home| Path::new(home).join(".local/state"))
        })?;
    Some(state.join("anypoint-hooks"))
}

/// Makes a folder that only its owner can enter, and the folders above it. One that is there stays as it is.
///
/// # Errors
///
/// It cannot be made.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn new_key() -> Result<String> {
    let mut key = [0; 32];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| Error::config("the system's random number generator does not work"))?;
    Ok(BASE64_STANDARD.encode(key))
}

/// HMAC-SHA256 over subject and secret, each with its length in front so that no two splits look alike.
fn hash(key: &str, subject: &str, secret: &[&str]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
    for part in [subject].iter().chain(secret) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    BASE64_STANDARD.encode(context.sign())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn fingerprints(folder: &Path) -> Fingerprints {
        let env = Env::from_pairs([("XDG_STATE_HOME", folder.to_str().unwrap())]);
        Fingerprints::of(&env, "test").unwrap()
    }

    #[test]
    fn a_secret_is_recognised_until_somebody_else_changes_the_thing() {
        let folder = tempfile::tempdir().unwrap();
        let known = fingerprints(folder.path());
        let compare = |secret: &[&str], seen| known.compare("policy/1", secret, seen).unwrap();
        assert_eq!(compare(&["svc", "pw"], Some("t1")), Match::Unknown);
        known
            .remember("policy/1", &["svc", "pw"], Some("t1"))
            .unwrap();
        assert_eq!(compare(&["svc", "pw"], Some("t1")), Match::Same);
        assert_eq!(compare(&["svcp", "w"], Some("t1")), Match::Different);
        assert_eq!(compare(&["svc", "pw"], Some("t2")), Match::Unknown);
        known.follow("policy/1", Some("t0"), Some("t2")).unwrap();
        assert_eq!(compare(&["svc", "pw"], Some("t2")), Match::Unknown);
        known.follow("policy/1", Some("t1"), Some("t2")).unwrap();
        assert_eq!(compare(&["svc", "pw"], Some("t2")), Match::Same);
        known.forget("policy/1").unwrap();
        assert_eq!(compare(&["svc", "pw"], Some("t1")), Match::Unknown);
    }

    #[test]
    fn the_file_is_private_and_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let known = fingerprints(folder.path());
        known
            .remember("policy/1", &["canary-fingerprint"], None)
            .unwrap();
        let text = fs::read_to_string(known.path()).unwrap();
        assert!(!text.contains("canary"), "{text}");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(known.path()), 0o600);
        assert_eq!(mode(known.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn two_machines_remember_the_same_secret_differently() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let entry = |folder: &Path| {
            let known = fingerprints(folder);
            known.remember("policy/1", &["pw"], None).unwrap();
            known.load().unwrap().unwrap().entries["policy/1"]
                .hash
                .clone()
        };
        assert_ne!(entry(one.path()), entry(two.path()));
    }

    #[test]
    fn a_relative_state_home_is_ignored() {
        let env = Env::from_pairs([("XDG_STATE_HOME", "state"), ("HOME", "/home/ada")]);
        assert_eq!(
            Fingerprints::of(&env, "p").unwrap().path(),
            Path::new("/home/ada/.local/state/anypoint-hooks/p.json")
        );
        assert!(Fingerprints::of(&Env::default(), "p").is_none());
    }
}
