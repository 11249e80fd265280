//! What a check has found so far.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::checked::{Checked, Item};
use super::textfile::Textfile;

/// Where a check leaves what it finds, until the run ends.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Findings {
    found: Arc<Mutex<Option<Found>>>,
    leaves_textfile: Arc<AtomicBool>,
    textfile: Arc<Mutex<Option<Textfile>>>,
}

/// What was found, and how it is told to people.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) checked_at: Timestamp,
    pub(super) items: Vec<Item>,
    pub(super) text: String,
}

impl Findings {
    /// Adds what a part of the check has found, as of `checked_at`.
    pub(in crate::cli) fn add(&self, checked_at: Timestamp, items: Vec<Item>, text: &str) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.get_or_insert_with(|| Found {
            checked_at,
            items: Vec::new(),
            text: String::new(),
        });
        found.items.extend(items);
        if !found.text.is_empty() && !text.is_empty() {
            found.text.push('\n');
        }
        found.text.push_str(text);
    }

    /// Has the metrics written into this file, unless the command line names another.
    pub(in crate::cli) fn write_textfile(&self, textfile: Textfile) {
        *self.textfile.lock().unwrap_or_else(PoisonError::into_inner) = Some(textfile);
    }

    pub(super) fn take_textfile(&self) -> Option<Textfile> {
        let mut textfile = self.textfile.lock().unwrap_or_else(PoisonError::into_inner);
        textfile.take()
    }

    /// Has the file of metrics stay as it is.
    pub(in crate::cli) fn leave_textfile(&self) {
        self.leaves_textfile.store(true, Ordering::SeqCst);
    }

    pub(super) fn leaves_textfile(&self) -> bool {
        self.leaves_textfile.load(Ordering::SeqCst)
    }

    /// Everything; `None` where the check has failed before it found anything out.
    pub(super) fn take(&self) -> Option<Found> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.take()
    }
}

impl Found {
    /// The same as one document.
    pub(super) fn checked(self, program: &str) -> Checked {
        Checked::new(program, self.checked_at, self.items)
    }
}
