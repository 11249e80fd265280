//! The result of a command, in the form that the user asked for.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::error::{Error, Result};

/// The form of a result on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON document
    Json,
}

/// A result that can be shown as text or as JSON.
pub trait Report: Serialize {
    /// The text form, without a final newline. Empty: nothing to show.
    fn text(&self) -> String;
}

/// Writes `text` and a newline to standard output as it is, masked nowhere: for results that *are* the output, as a
/// password that is handed over once.
///
/// # Errors
///
/// Standard output cannot be written. A reader that has gone away is no error.
pub fn print(text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::config("standard output cannot be written").caused_by(err))
        }
        _ => Ok(()),
    }
}
