//! Severities in the terms of the page.

use common::cli::monitoring::Severity;

/// A severity in the terms of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tone {
    pub(super) severity: Severity,
    /// Its class, its anchor and the name of its control.
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
}

/// In the order of the page.
pub(super) const TONES: [Tone; 4] = [
    Tone {
        severity: Severity::Critical,
        word: "critical",
        name: "Critical",
        meaning: "expired, open, or not served",
    },
    Tone {
        severity: Severity::Warning,
        word: "warning",
        name: "Warning",
        meaning: "due, missing, different, or unfinished",
    },
    Tone {
        severity: Severity::Unknown,
        word: "unknown",
        name: "Unknown",
        meaning: "could not be found out",
    },
    Tone {
        severity: Severity::Ok,
        word: "ok",
        name: "OK",
        meaning: "nothing to do",
    },
];
