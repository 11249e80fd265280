//! The file of metrics that Prometheus' node exporter reads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::checked::Checked;
use super::prometheus::{self, Run};
use crate::error::{Error, Kind, Result};
use crate::log::Log;
use crate::system::files;

/// The node exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// No file of metrics is larger.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A file that can be replaced.
#[derive(Debug)]
pub(in crate::cli) struct Textfile(PathBuf);

impl Textfile {
    /// Finds out whether the file can be replaced, before anything else is done.
    pub(in crate::cli) fn prepare(path: &Path) -> Result<Self> {
        match fs::metadata(path) {
            // A device would be replaced by a file.
            Ok(there) if !there.is_file() => {
                return Err(Error::config(format!(
                    "--textfile {} is not a file",
                    path.display()
                )));
            }
            _ => {}
        }
        files::check_replaceable(path).map_err(|err| unwritable(path, err))?;
        Ok(Self(path.to_owned()))
    }

    /// Replaces the file in one step, and tells in `run` when the last success was.
    pub(super) fn write(&self, checked: &Checked, run: &mut Run, log: &Log) -> Result<()> {
        let Self(path) = self;
        if run.last_success.is_none() {
            let before = self.last_success(&checked.program, log);
            run.last_success = before.or(Some(Timestamp::UNIX_EPOCH));
        }
        let text = prometheus::text(checked, run);
        files::replace(path, text.as_bytes(), MODE).map_err(|err| unwritable(path, err))
    }

    /// What the last run has written. A file that cannot be read is no reason not to report this run.
    fn last_success(&self, program: &str, log: &Log) -> Option<Timestamp> {
        match files::read_text("the file of metrics", &self.0, LARGEST) {
            Ok(text) => prometheus::last_success(&text, program),
            Err(err) if err.kind() == Kind::NotFound => None,
            Err(err) => {
                log.warn(format!("the time of the last success is lost: {err}"));
                None
            }
        }
    }
}

fn unwritable(path: &Path, err: io::Error) -> Error {
    Error::config(format!("--textfile {} cannot be written", path.display()))
        .caused_by(err)
        .advise("Its folder has to exist, and this user has to be allowed to write there.")
}
