//! acme.sh's conf files, in its own on-disk format.
//!
//! Source of the format: acme.sh 3.1.4, functions `_setopt`, `_save_conf`, `_read_conf`, `_clear_conf`. acme.sh
//! *executes* these files, so a value with any unusual character is written in acme.sh's base64 form.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::{Error, Result};
use crate::system::files;

const BASE64_START: &str = "__ACME_BASE64__START_";
const BASE64_END: &str = "__ACME_BASE64__END_";

/// A conf file is a few kilobytes; a larger one is not a conf file.
const LARGEST: u64 = 1024 * 1024;

/// The text of a conf file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conf {
    text: String,
}

impl Conf {
    /// A conf file's text as it stands on disk.
    pub fn parse(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The file at `path`; an empty one where there is none.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        match files::read_text("acme.sh's conf file", path, LARGEST) {
            Ok(text) => Ok(Self { text }),
            Err(err) if err.kind() == crate::error::Kind::NotFound => Ok(Self::default()),
            Err(err) => Err(err),
        }
    }

    /// The decoded value of `key`. As for acme.sh, the last line wins and an empty value is none.
    pub fn value(&self, key: &str) -> Option<String> {
        self.text
            .lines()
            .filter_map(|line| assignment(line, key))
            .next_back()
            .map(|raw| decode(&unquote(raw)))
            .filter(|value| !value.is_empty())
    }

    /// The value that was saved for a variable, under `SAVED_` or its plain name.
    pub fn saved(&self, name: &str) -> Option<String> {
        self.value(&format!("SAVED_{name}"))
            .or_else(|| self.value(name))
    }

    /// Whether acme.sh deploys the certificate of this domain conf with `hook`.
    pub fn names_hook(&self, hook: &str) -> bool {
        self.value("Le_DeployHook")
            .is_some_and(|list| list.split(',').any(|name| name.trim() == hook))
    }

    /// Whether a line assigns `key`, be it an empty value.
    pub fn has(&self, key: &str) -> bool {
        self.text
            .lines()
            .any(|line| assignment(line, key).is_some())
    }

    /// Sets `key`, in place where a line of it stands, else at the end.
    pub fn set(&mut self, key: &str, value: &str) {
        self.set_line(key, &format!("{key}='{}'", encode(value)));
    }

    /// Removes every line that assigns `key`.
    pub fn clear(&mut self, key: &str) {
        self.rewrite(|line| (assignment(line, key).is_none()).then(|| line.to_owned()));
    }

    /// Saves a variable as acme.sh's `_savedeployconf` does: under `SAVED_`, and no longer under its plain name. A value
    /// and the path of a file that holds it (`NAME_FILE`) replace each other.
    pub fn save_variable(&mut self, name: &str, value: &str) {
        self.clear_all_but(name, &format!("SAVED_{name}"));
        self.set(&format!("SAVED_{name}"), value);
    }

    /// Sets a variable as acme.sh's `_savedomainconf` does: under its plain name, in the place of every other form.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.clear_all_but(name, name);
        self.set(name, value);
    }

    /// Removes every form of a variable.
    pub fn clear_variable(&mut self, name: &str) {
        self.clear_all_but(name, "");
    }

    fn clear_all_but(&mut self, name: &str, kept: &str) {
        let base = name.strip_suffix("_FILE").unwrap_or(name);
        for form in [
            base.to_owned(),
            format!("{base}_FILE"),
            format!("SAVED_{base}"),
            format!("SAVED_{base}_FILE"),
        ] {
            if form != kept {
                self.clear(&form);
            }
        }
    }

    /// The text to write to disk.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn set_line(&mut self, key: &str, new: &str) {
        if self.has(key) {
            self.rewrite(|line| {
                Some(if assignment(line, key).is_some() {
                    new.to_owned()
                } else {
                    line.to_owned()
                })
            });
        } else {
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            self.text.push_str(new);
            self.text.push('\n');
        }
    }

    fn rewrite(&mut self, change: impl Fn(&str) -> Option<String>) {
        self.text = self
            .text
            .split_inclusive('\n')
            .filter_map(|line| {
                let (body, end) = match line.strip_suffix('\n') {
                    Some(body) => (body, "\n"),
                    None => (line, ""),
                };
                change(body).map(|changed| changed + end)
            })
            .collect();
    }
}

/// Changes the conf file at `path` under a lock, in one step. Nothing is written when nothing changes.
///
/// # Errors
///
/// Configuration: the file cannot be read or written.
pub fn update(path: &Path, change: impl FnOnce(&mut Conf)) -> Result<()> {
    let unwritable = |err: io::Error| unwritable(path, err);
    let _lock = files::lock_folder(&files::folder_of(path)).map_err(unwritable)?;
    let mut conf = Conf::load(path)?;
    let before = conf.clone();
    change(&mut conf);
    if conf != before {
        files::replace(path, conf.text().as_bytes(), files::PRIVATE).map_err(unwritable)?;
    }
    Ok(())
}

/// Finds out whether [`update`] would work.
///
/// # Errors
///
/// Configuration: the file cannot be written.
pub fn check_writable(path: &Path) -> Result<()> {
    files::check_replaceable(path)
        .map(drop)
        .map_err(|err| unwritable(path, err))
}

fn unwritable(path: &Path, err: io::Error) -> Error {
    Error::config(format!(
        "acme.sh's conf file {} cannot be written",
        path.display()
    ))
    .caused_by(err)
    .advise(
        "Settings are saved there for the next renewal. Run as the user who installed acme.sh, and check the \
         rights on the file and its folder and that the disk is not full.",
    )
}

/// Decodes acme.sh's base64 form. Anything else is returned as it is.
pub fn decode(value: &str) -> String {
    value
        .strip_prefix(BASE64_START)
        .and_then(|rest| rest.strip_suffix(BASE64_END))
        .and_then(|coded| BASE64_STANDARD.decode(coded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| value.to_owned())
}

fn encode(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!(
            "{BASE64_START}{}{BASE64_END}",
            BASE64_STANDARD.encode(value)
        )
    }
}

/// The right-hand side of a line that assigns `key`, as it stands there.
fn assignment<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?
        .trim_start_matches(' ')
        .strip_prefix('=')
}

/// What a shell makes of the right-hand side of a simple assignment, without executing anything.
fn unquote(raw: &str) -> String {
    let mut value = String::new();
    let mut chars = raw.trim_end().chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => value.extend(chars.by_ref().take_while(|&c| c != '\'')),
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => match chars.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => value.push(escaped),
                            Some(other) => value.extend(['\\', other]),
                            None => value.push('\\'),
                        },
                        other => value.push(other),
                    }
                }
            }
            '\\' => value.extend(chars.next()),
            // A word ends here: a comment or another command follows.
            ' ' | '\t' | ';' | '&' | '|' => break,
            other => value.push(other),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_value_survives_a_round_trip() {
        for value in [
            "plain",
            "it's",
            "a$b`c",
            r"back\slash",
            "a\nb",
            "ü",
            "x y",
            "#",
            "-",
        ] {
            let mut conf = Conf::default();
            conf.set("SAVED_X", value);
            assert_eq!(conf.value("SAVED_X").as_deref(), Some(value));
            assert_eq!(conf.text().lines().count(), 1);
        }
    }

    #[test]
    fn only_unusual_values_are_coded() {
        let mut conf = Conf::default();
        conf.set("SAVED_CF_Token", "abc-DEF_123");
        conf.set("SAVED_P", "it's");
        assert_eq!(
            conf.text(),
            "SAVED_CF_Token='abc-DEF_123'\nSAVED_P='__ACME_BASE64__START_aXQncw==__ACME_BASE64__END_'\n"
        );
    }

    #[test]
    fn unrelated_lines_stay_as_they_are() {
        let mut conf = Conf::parse("#LOG_FILE=\"x\"\n\nUSER_PATH='/bin:/usr/bin'\nA='1'\nAB='2'");
        conf.set("A", "3");
        conf.set("C", "4");
        conf.clear("AB");
        assert_eq!(
            conf.text(),
            "#LOG_FILE=\"x\"\n\nUSER_PATH='/bin:/usr/bin'\nA='3'\nC='4'\n"
        );
    }

    #[test]
    fn the_last_line_wins_and_an_empty_value_is_none() {
        let conf = Conf::parse("A='1'\nA ='2'\nB=''\n");
        assert_eq!(conf.value("A").as_deref(), Some("2"));
        assert_eq!(conf.value("B"), None);
        assert!(conf.has("B"));
    }

    #[test]
    fn hand_written_lines_are_read_as_a_shell_would() {
        let conf = Conf::parse("A=\"x \\\"y\\\" z\"\nB=plain # comment\nC='a'\"'\"'b'\n");
        assert_eq!(conf.value("A").as_deref(), Some("x \"y\" z"));
        assert_eq!(conf.value("B").as_deref(), Some("plain"));
        assert_eq!(conf.value("C").as_deref(), Some("a'b"));
    }

    #[test]
    fn an_update_that_changes_nothing_leaves_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.conf");
        update(&path, |conf| conf.set("A", "1")).unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        update(&path, |conf| conf.set("A", "1")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    }
}
