//! Questions to somebody at a terminal.

use std::io::{self, BufRead, IsTerminal};

use crate::error::{Error, Result};
use crate::log::{printable, write_to_stderr};
use crate::secret::Secret;

/// Asks a question that takes yes or no.
///
/// # Errors
///
/// There is no terminal to ask on: the caller has to give `--yes`.
pub fn confirm(question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(
            Error::config(format!("{question} There is no terminal to ask on"))
                .advise("Give --yes to do it without asking."),
        );
    }
    write_to_stderr(&format!("{} [y/N] ", printable(question)));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|err| Error::config("the answer cannot be read").caused_by(err))?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// Asks for a line of text; `None` where there is no terminal to ask on.
///
/// # Errors
///
/// The terminal cannot be read.
pub fn ask(question: &str) -> Result<Option<String>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    write_to_stderr(&format!("{question}: "));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|err| Error::config("the answer cannot be read").caused_by(err))?;
    Ok(Some(answer.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Asks for a secret without showing it; `None` where there is no terminal to ask on.
///
/// # Errors
///
/// The terminal cannot be read.
pub fn ask_secret(question: &str) -> Result<Option<Secret>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    rpassword::prompt_password(format!("{question}: "))
        .map(|answer| Some(Secret::new(answer)))
        .map_err(|err| {
            Error::config(format!("{question} cannot be read from the terminal")).caused_by(err)
        })
}
