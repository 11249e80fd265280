//! The files that user name and password are handed over in, and their forms.
//!
//! Whatever else stands in such a file belongs to somebody else and stays.

use std::fs::{self, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::secret::Secret;
use common::settings::{Setting, Sourced};
use common::system::files;
use reqwest::Url;
use serde_json::{Value, json};

use crate::settings::{
    ENV_OUT, NETRC_MACHINE, NETRC_OUT, PASSWORD, PASSWORD_OUT, POSTMAN_OUT, USERNAME,
};

/// Files of environments and logins are small.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A file that user name and password go to.
#[derive(Debug, Clone)]
pub(crate) struct HandOverFile {
    form: Form,
    pub(crate) path: PathBuf,
    /// The flag or key that names it.
    named_by: String,
}

#[derive(Debug, Clone)]
enum Form {
    /// The password alone.
    Password,
    /// Variables, as shells and many tools read them.
    Dotenv,
    /// An environment as Postman exports it.
    Postman,
    /// Logins by host, as curl reads them.
    Netrc { machine: String },
}

impl HandOverFile {
    /// The files that are set. `urls` are the addresses of the API, as far as they are known.
    ///
    /// # Errors
    ///
    /// Configuration: the host is not known that an entry of a `.netrc` file is for.
    pub(crate) fn all(call: &Invocation, urls: &[String]) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        let mut add = |setting: &Setting, form: &dyn Fn() -> Result<Form>| -> Result<()> {
            if let Some(Sourced { value, origin }) = call.settings.path(setting)? {
                all.push(Self {
                    form: form()?,
                    path: value,
                    named_by: origin.to_string(),
                });
            }
            Ok(())
        };
        add(&PASSWORD_OUT, &|| Ok(Form::Password))?;
        add(&ENV_OUT, &|| Ok(Form::Dotenv))?;
        add(&POSTMAN_OUT, &|| Ok(Form::Postman))?;
        add(&NETRC_OUT, &|| {
            let machine = machine(call, urls)?;
            Ok(Form::Netrc { machine })
        })?;
        Ok(all)
    }

    /// The password that is in the file already.
    pub(crate) fn password(&self) -> Result<Option<Secret>> {
        let Some(text) = self.read()? else {
            return Ok(None);
        };
        let found = match &self.form {
            Form::Password => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Form::Dotenv => dotenv::value(&text, PASSWORD.name()),
            Form::Postman => postman::value(&self.environment(&text)?, "password"),
            Form::Netrc { machine } => netrc::password(&text, machine),
        };
        match found {
            Some(empty) if empty.is_empty() && matches!(self.form, Form::Password) => {
                Err(Error::config(format!(
                    "{}: {} is empty",
                    self.named_by,
                    self.path.display()
                )))
            }
            found => Ok(found.filter(|found| !found.is_empty()).map(Secret::new)),
        }
    }

    /// Finds out whether the file can be written.
    ///
    /// # Errors
    ///
    /// Configuration: it cannot, or is not of its form.
    pub(crate) fn check(&self) -> Result<()> {
        let err = match fs::metadata(&self.path) {
            Ok(meta) if meta.is_dir() => "it is a folder".to_owned(),
            Ok(meta) if !meta.is_file() => "it is not an ordinary file".to_owned(),
            _ => match files::check_replaceable(&self.path) {
                // That what is there is of the form is part of the question.
                Ok(_) => return self.content("", &Secret::new("")).map(drop),
                Err(err) => err.to_string(),
            },
        };
        Err(Error::config(format!(
            "{} {}: the new password cannot be written there: {err}",
            self.named_by,
            self.path.display()
        ))
        .advise("Check the path and the rights on its folder. Nothing was changed."))
    }

    /// Writes user name and password, unless they are there already.
    pub(crate) fn write(&self, username: &str, password: &Secret) -> Result<()> {
        let content = self.content(username, password)?;
        if self.read()?.as_ref() == Some(&content) {
            return Ok(());
        }
        self.replace(&content).map_err(|err| {
            Error::config(format!(
                "the new password is in force and cannot be written to {}",
                self.path.display()
            ))
            .caused_by(err)
            .advise("Run this again once the file can be written: that hands it over.")
        })
    }

    /// Whether every user of this machine can read it.
    pub(crate) fn is_readable_by_all(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|meta| meta.mode() & 0o007 != 0)
    }

    fn replace(&self, content: &str) -> io::Result<()> {
        // The mode of a file for the password alone was chosen for it; the others may never have held a secret.
        if !matches!(self.form, Form::Password) && self.path.exists() {
            fs::set_permissions(&self.path, Permissions::from_mode(files::PRIVATE))?;
        }
        files::replace(&self.path, content.as_bytes(), files::PRIVATE)
    }

    fn content(&self, username: &str, password: &Secret) -> Result<String> {
        let password = password.expose();
        if matches!(self.form, Form::Password) {
            return Ok(format!("{password}\n"));
        }
        let old = self.read()?;
        let text = old.as_deref().unwrap_or_default();
        Ok(match &self.form {
            Form::Password => format!("{password}\n"),
            Form::Dotenv => {
                let text = dotenv::with(text, USERNAME.name(), username);
                dotenv::with(&text, PASSWORD.name(), password)
            }
            Form::Postman => {
                let mut environment = match &old {
                    Some(text) => self.environment(text)?,
                    None => postman::new(),
                };
                postman::set(&mut environment, "username", username, "default");
                postman::set(&mut environment, "password", password, "secret");
                format!("{environment:#}\n")
            }
            Form::Netrc { machine } => netrc::with(text, machine, username, password),
        })
    }

    fn environment(&self, text: &str) -> Result<Value> {
        serde_json::from_str(text)
            .ok()
            .filter(|environment: &Value| environment["values"].is_array())
            .ok_or_else(|| {
                Error::config(format!(
                    "{}: {} is not an environment as Postman exports it",
                    self.named_by,
                    self.path.display()
                ))
                .advise(
                    "Export it in Postman > Environments, or name a file that is not there yet.",
                )
            })
    }

    fn read(&self) -> Result<Option<String>> {
        match files::read_text("the hand-over file", &self.path, LARGEST) {
            Ok(text) => Ok(Some(text)),
            Err(err) if err.kind() == Kind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }
}

/// The host that a login is for: the one that is set, or that of the first address.
fn machine(call: &Invocation, urls: &[String]) -> Result<String> {
    if let Some(set) = call.settings.text(&NETRC_MACHINE)? {
        return Ok(set.value);
    }
    urls.first()
        .and_then(|url| Url::parse(url).ok()?.host_str().map(str::to_owned))
        .ok_or_else(|| {
            Error::config("an entry of a .netrc file is for a host, and none is given").advise(
                format!(
                    "Set {} to the host of the API, for example api.example.com.",
                    NETRC_MACHINE.how_to_give()
                ),
            )
        })
}

/// Lines `NAME=value`.
mod dotenv {
    /// The value of a variable.
    pub(super) fn value(text: &str, name: &str) -> Option<String> {
        let raw = text.lines().rev().find_map(|line| assigned(line, name))?;
        Some(unquoted(raw.trim()))
    }

    /// `text` with a variable set to `value`, where it stands or at the end.
    pub(super) fn with(text: &str, name: &str, value: &str) -> String {
        let line = format!("{name}={}", quoted(value));
        let mut found = false;
        let mut lines: Vec<String> = text
            .lines()
            .map(|old| match assigned(old, name) {
                Some(_) => {
                    found = true;
                    let export = old.trim_start().starts_with("export ");
                    format!("{}{line}", if export { "export " } else { "" })
                }
                None => old.to_owned(),
            })
            .collect();
        if !found {
            lines.push(line);
        }
        lines.join("\n") + "\n"
    }

    fn assigned<'l>(line: &'l str, name: &str) -> Option<&'l str> {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name)?.trim_start().strip_prefix('=')
    }

    fn quoted(value: &str) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
        if value.chars().all(is_plain) {
            return value.to_owned();
        }
        if !value.contains('\'') {
            return format!("'{value}'");
        }
        let mut quoted = String::from("\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '$' | '`') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted + "\""
    }

    fn unquoted(raw: &str) -> String {
        if let Some(inner) = raw
            .strip_prefix('\'')
            .and_then(|raw| raw.strip_suffix('\''))
        {
            return inner.to_owned();
        }
        let Some(inner) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) else {
            return raw.to_owned();
        };
        let mut value = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            value.push(if c == '\\' {
                chars.next().unwrap_or(c)
            } else {
                c
            });
        }
        value
    }
}

/// An environment as Postman exports it: `{ "name", "values": [ { "key", "value", "type", "enabled" } ] }`.
mod postman {
    use super::{Value, json};

    pub(super) fn new() -> Value {
        json!({ "name": "basic-auth-policy", "values": [], "_postman_variable_scope": "environment" })
    }

    pub(super) fn value(environment: &Value, key: &str) -> Option<String> {
        let values = environment["values"].as_array()?;
        let found = values.iter().find(|value| value["key"] == key)?;
        found["value"].as_str().map(str::to_owned)
    }

    pub(super) fn set(environment: &mut Value, key: &str, value: &str, kind: &str) {
        let Some(values) = environment["values"].as_array_mut() else {
            return;
        };
        match values.iter_mut().find(|value| value["key"] == key) {
            Some(found) => found["value"] = value.into(),
            None => {
                values.push(json!({ "key": key, "value": value, "type": kind, "enabled": true }));
            }
        }
    }
}

/// Logins by host: `machine HOST login NAME password SECRET`, in any layout.
mod netrc {
    use super::Range;

    struct Token {
        at: Range<usize>,
        text: String,
    }

    /// What stands for one host: where its entry ends, and its values.
    #[derive(Default)]
    struct Found {
        end: usize,
        login: Option<Range<usize>>,
        password: Option<(Range<usize>, String)>,
    }

    pub(super) fn password(text: &str, machine: &str) -> Option<String> {
        find(&tokens(text), machine)?.password.map(|(_, text)| text)
    }

    pub(super) fn with(text: &str, machine: &str, login: &str, password: &str) -> String {
        let (login, password) = (quoted(login), quoted(password));
        let all = tokens(text);
        let mut new = text.to_owned();
        let Some(found) = find(&all, machine) else {
            let entry = format!("machine {machine}\n\tlogin {login}\n\tpassword {password}\n");
            // What stands behind the entry for all other hosts is never looked at.
            let default = all.iter().find(|token| token.text == "default");
            let at = default.map_or(new.len(), |token| token.at.start);
            let is_at_line_start = at == 0 || new[..at].ends_with('\n');
            new.insert_str(
                at,
                &format!("{}{entry}", if is_at_line_start { "" } else { "\n" }),
            );
            return new;
        };
        // From the back, so that what is in front keeps its place.
        let mut changes = vec![
            (found.login.unwrap_or(found.end..found.end), "login", login),
            (
                found.password.map_or(found.end..found.end, |(at, _)| at),
                "password",
                password,
            ),
        ];
        changes.sort_by_key(|(at, ..)| at.start);
        for (at, word, value) in changes.into_iter().rev() {
            let value = if at.is_empty() {
                format!("\n\t{word} {value}")
            } else {
                value
            };
            new.replace_range(at, &value);
        }
        new
    }

    fn find(tokens: &[Token], machine: &str) -> Option<Found> {
        let start = tokens
            .windows(2)
            .position(|pair| pair[0].text == "machine" && pair[1].text == machine)?;
        let mut found = Found {
            end: tokens[start + 1].at.end,
            ..Found::default()
        };
        let mut rest = tokens[start + 2..].iter();
        while let Some(token) = rest.next() {
            if matches!(token.text.as_str(), "machine" | "default" | "macdef") {
                break;
            }
            let Some(value) = rest.next() else { break };
            match token.text.as_str() {
                "login" => found.login = Some(value.at.clone()),
                "password" => found.password = Some((value.at.clone(), value.text.clone())),
                _ => {}
            }
            found.end = value.at.end;
        }
        Some(found)
    }

    /// The words, without comments and the bodies of macros.
    fn tokens(text: &str) -> Vec<Token> {
        let mut all: Vec<Token> = Vec::new();
        let mut in_macro = false;
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            if in_macro {
                in_macro = !line.trim().is_empty();
            } else if !line.trim_start().starts_with('#') {
                words(line, offset, &mut all);
                in_macro = all
                    .iter()
                    .rev()
                    .nth(1)
                    .is_some_and(|token| token.text == "macdef");
            }
            offset += line.len();
        }
        all
    }

    fn words(line: &str, offset: usize, all: &mut Vec<Token>) {
        let mut chars = line.char_indices().peekable();
        while let Some((start, c)) = chars.next() {
            if c.is_whitespace() {
                continue;
            }
            let is_quoted = c == '"';
            let mut text = if is_quoted {
                String::new()
            } else {
                c.to_string()
            };
            let mut end = start + c.len_utf8();
            while let Some((at, c)) = chars.next_if(|(_, c)| is_quoted || !c.is_whitespace()) {
                end = at + c.len_utf8();
                match c {
                    '"' if is_quoted => break,
                    '\\' if is_quoted => {
                        if let Some((at, escaped)) = chars.next() {
                            end = at + escaped.len_utf8();
                            text.push(escaped);
                        }
                    }
                    c => text.push(c),
                }
            }
            all.push(Token {
                at: offset + start..offset + end,
                text,
            });
        }
    }

    /// curl reads quotation marks, and backslashes within them.
    fn quoted(value: &str) -> String {
        let is_plain = !value.is_empty()
            && !value.starts_with('#')
            && !value.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\');
        if is_plain {
            return value.to_owned();
        }
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The password that the first of `files` holds which is there already.
pub(crate) fn handed_over(files: &[HandOverFile]) -> Result<Option<Secret>> {
    for file in files {
        if let Some(password) = file.password()? {
            return Ok(Some(password));
        }
    }
    Ok(None)
}

/// How the files are called in messages.
pub(crate) fn shown(files: &[HandOverFile]) -> Option<String> {
    let paths: Vec<String> = files
        .iter()
        .map(|file| file.path.display().to_string())
        .collect();
    (!paths.is_empty()).then(|| paths.join(", "))
}

/// The path that stands for all of them: of the first.
pub(crate) fn first(files: &[HandOverFile]) -> Option<&Path> {
    files.first().map(|file| file.path.as_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: [&str; 5] = ["plain-1", "two words", "it's", "a\"b\\c$d`e", "#hash'\""];

    #[test]
    fn a_variable_is_set_where_it_stands_and_other_lines_stay() {
        let old = "# mine\nexport BASIC_AUTH_PASSWORD=old\nOTHER='x y'\n";
        let new = dotenv::with(old, "BASIC_AUTH_PASSWORD", "new");
        assert_eq!(new, "# mine\nexport BASIC_AUTH_PASSWORD=new\nOTHER='x y'\n");
        assert_eq!(dotenv::with("", "A", "1"), "A=1\n");
        assert_eq!(dotenv::with("AB=1", "A", "2"), "AB=1\nA=2\n");
        for value in NASTY {
            let text = dotenv::with("", "A", value);
            assert_eq!(dotenv::value(&text, "A").as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn a_login_is_changed_in_its_own_entry_and_no_other() {
        let old = "machine a.example login me password one\nmachine b.example\n  login me\n  password two\n\
                   macdef init\nmachine b.example\n\ndefault login anonymous password guest\n";
        let new = netrc::with(old, "b.example", "svc", "new");
        assert_eq!(
            new,
            "machine a.example login me password one\nmachine b.example\n  login svc\n  password new\n\
             macdef init\nmachine b.example\n\ndefault login anonymous password guest\n"
        );
        let new = netrc::with(old, "c.example", "svc", "new");
        let at = new
            .find("machine c.example\n\tlogin svc\n\tpassword new\n")
            .unwrap();
        assert!(at < new.find("default").unwrap());
        assert_eq!(
            netrc::with("machine x\n", "x", "u", "p"),
            "machine x\n\tlogin u\n\tpassword p\n"
        );
        assert_eq!(
            netrc::with("machine y", "x", "u", "p"),
            "machine y\nmachine x\n\tlogin u\n\tpassword p\n"
        );
        for value in NASTY {
            let text = netrc::with(old, "b.example", value, value);
            assert_eq!(
                netrc::password(&text, "b.example").as_deref(),
                Some(value),
                "{text}"
            );
            assert_eq!(netrc::password(&text, "a.example").as_deref(), Some("one"));
        }
    }

    #[test]
    fn values_of_an_environment_are_created_or_updated_and_others_stay() {
        let mut environment = json!({ "id": "e", "values": [
            { "key": "baseUrl", "value": "https://api.example.com", "enabled": false },
            { "key": "password", "value": "old", "type": "secret", "enabled": true },
        ] });
        postman::set(&mut environment, "username", "svc", "default");
        postman::set(&mut environment, "password", "new", "secret");
        assert_eq!(environment["values"][0]["enabled"], false);
        assert_eq!(environment["values"][1]["value"], "new");
        assert_eq!(environment["values"][2]["key"], "username");
        assert_eq!(
            postman::value(&environment, "password").as_deref(),
            Some("new")
        );
    }
}
