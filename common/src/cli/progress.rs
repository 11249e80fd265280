//! Something that is being waited for, shown on a terminal.

use std::time::{Duration, Instant};

use crate::log::{Log, printable, write_to_stderr};
use crate::secret;

/// A wait that is shown on a terminal. Dropping it wipes the line.
#[derive(Debug)]
pub struct Progress {
    what: String,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// Begins to wait for `what`. Nothing is shown where nobody would see it.
    pub fn new(log: &Log, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            since: Instant::now(),
            shown: log.shows_progress(),
        }
    }

    /// Redraws the line with the time that has passed, out of `limit`, and what was seen last.
    pub fn tick(&self, limit: Duration, seen: &str) {
        if self.shown {
            let line = format!(
                "{} … {} of {} s{}{seen}",
                self.what,
                self.since.elapsed().as_secs(),
                limit.as_secs(),
                if seen.is_empty() { "" } else { ": " },
            );
            write_to_stderr(&format!("\r\x1b[K{}", printable(&secret::mask(&line))));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            write_to_stderr("\r\x1b[K");
        }
    }
}
