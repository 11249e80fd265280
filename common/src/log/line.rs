//! One line of the log: how grave it is, its colors, and how it gets to a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

/// How grave a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    /// What to do about the error told before.
    Advice,
    Warning,
    Info,
    /// 1: steps, 2: requests.
    Debug(u8),
}

pub(super) const RED: &str = "\x1b[1;31m";
pub(super) const CYAN: &str = "\x1b[1;36m";
pub(super) const YELLOW: &str = "\x1b[1;33m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// Nobody is left to be told when standard error is gone, so a failure to write there is let go.
pub(crate) fn write_to_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// A text as it may reach a terminal: control characters, which remote systems can put into names and messages, are
/// spelled out. Line breaks and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    let rules = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(rules) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::new();
    for c in text.chars() {
        if rules(c) {
            spelled.extend(c.escape_default());
        } else {
            spelled.push(c);
        }
    }
    Cow::Owned(spelled)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}31m\r\u{7f}é\n\tb"),
            "a\\u{1b}[2J\\u{9b}31m\\r\\u{7f}é\n\tb"
        );
    }
}
