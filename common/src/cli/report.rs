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
    /// Checks only: one line for Nagios and others that run its plugins, with their exit codes 0 to 3
    Nagios,
    /// Checks only: metrics in the text format of Prometheus
    Prometheus,
}

impl Format {
    /// Whether only checks have it.
    pub(super) fn is_of_checks(self) -> bool {
        matches!(self, Self::Nagios | Self::Prometheus)
    }
}

/// A result that can be shown as text or as JSON.
pub trait Report: Serialize {
    /// The text form, without a final newline. Empty: nothing to show.
    fn text(&self) -> String;
}

/// Shows `result` as JSON, in which `hide` has hidden what is not to be shown.
pub(super) fn print_json(result: &impl Serialize, hide: impl FnOnce(&str) -> String) -> Result<()> {
    let json = serde_json::to_string_pretty(result)
        .map_err(|err| Error::config("the result does not fit into JSON").caused_by(err))?;
    print(&printable_json(&hide(&json)))
}

/// JSON escapes the control characters of ASCII alone.
fn printable_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() && c != '\n' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
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
