//! User and password of the policy: where they come from, which are refused, and how a new password is handed over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::log::Output;
use common::secret::Secret;
use common::settings::{self, Found, Key, Origin, Settings};
use common::system::files;

use crate::session::Context;

/// The user.
pub(crate) const USERNAME: Key =
    Key::new(&["BASIC_AUTH_USERNAME"], &["basic_auth_policy.username"]).flag("--username");

/// File that holds the user name.
const USERNAME_FILE: Key = Key::new(&["BASIC_AUTH_USERNAME_FILE"], &[]);

/// The password.
pub(crate) const PASSWORD: Key =
    Key::new(&["BASIC_AUTH_PASSWORD"], &["basic_auth_policy.password"]);

/// Accepting a weak password for good, for unattended runs.
const ALLOW_WEAK: Key = Key::new(&[], &["basic_auth_policy.allow_weak"]);

/// Letters and digits of a generated password: more than 140 bits.
const GENERATED: usize = 24;

/// Shorter passwords are refused.
const SHORTEST: usize = 12;

/// A password longer than this is a mistake; gateways limit header lines to a few kilobytes.
const LONGEST: usize = 1024;

/// The user that is set, checked.
pub(crate) fn username(context: &Context<'_>, flag: Option<&str>) -> Result<Found> {
    let found = match context.settings.text(&USERNAME, flag)? {
        Some(found) => found,
        None => match context.settings.text(&USERNAME_FILE, None)? {
            Some(file) => name_in(&file)?,
            None => Found {
                value: context.out.ask("User name")?.ok_or_else(|| {
                    Error::config("no user name is given").advise(format!(
                        "Set {} to the one user that the policy shall let in.",
                        USERNAME.how_to_give()
                    ))
                })?,
                origin: Origin::Flag("the user name typed in"),
            },
        },
    };
    check_username(&found.value).map_err(|why| {
        Error::config(format!("{}: {why}", found.origin))
            .advise("Choose a name of letters, digits and characters such as . _ - @.")
    })?;
    if !found.value.is_ascii() {
        context.out.warn(
            "the user name holds characters beyond ASCII: programs differ in how they send them",
        );
    }
    Ok(found)
}

fn name_in(file: &Found) -> Result<Found> {
    let path = PathBuf::from(&file.value);
    let text = files::read_text("the file that BASIC_AUTH_USERNAME_FILE names,", &path, 4096)?;
    Ok(Found {
        value: text.trim_end_matches(['\r', '\n']).to_owned(),
        origin: Origin::File {
            named_by: "BASIC_AUTH_USERNAME_FILE".to_owned(),
            path,
        },
    })
}

/// Why Basic authentication cannot carry a user name.
fn check_username(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("the user name is empty")
    } else if name.contains(':') {
        Err(
            "the user name holds a colon, which Basic authentication cannot carry: it ends the name",
        )
    } else if name.chars().any(char::is_control) {
        Err("the user name holds a control character, which Basic authentication cannot carry")
    } else {
        Ok(())
    }
}

/// The password that is set or typed in; not yet checked.
pub(crate) fn password(
    context: &Context<'_>,
    file: Option<&Path>,
    stdin: bool,
) -> Result<Option<Found<Secret>>> {
    if let Some(found) = given(file, stdin)? {
        return Ok(Some(found));
    }
    if let Some(found) = context.settings.secret(&PASSWORD)? {
        return Ok(Some(found));
    }
    Ok(context.out.ask_secret("Password")?.map(|value| Found {
        value,
        origin: Origin::Flag("the password typed in"),
    }))
}

/// The password that the command line points to.
pub(crate) fn given(file: Option<&Path>, stdin: bool) -> Result<Option<Found<Secret>>> {
    if let Some(path) = file {
        return Ok(Some(Found {
            value: settings::secret_in("--password-file", path)?,
            origin: Origin::Flag("--password-file"),
        }));
    }
    if !stdin {
        return Ok(None);
    }
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|err| Error::config("standard input cannot be read as text").caused_by(err))?;
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(Error::config("--password-stdin: standard input is empty"));
    }
    Ok(Some(Found {
        value: Secret::new(value),
        origin: Origin::Flag("--password-stdin"),
    }))
}

/// The error for a password that is nowhere.
pub(crate) fn no_password() -> Error {
    Error::config("no password is given").advise(
        "Set BASIC_AUTH_PASSWORD, or BASIC_AUTH_PASSWORD_FILE to the path of a file that holds it; give \
         --password-file or --password-stdin; or have one made with --generate-password.",
    )
}

/// Refuses a password that Basic authentication cannot carry, and one that is easy to guess unless that is allowed.
pub(crate) fn check_password(
    context: &Context<'_>,
    username: &str,
    password: &Found<Secret>,
    allow_weak: bool,
) -> Result<()> {
    let origin = &password.origin;
    let text = password.value.expose();
    if let Some(why) = impossible(text) {
        return Err(Error::config(format!("{origin}: {why}")));
    }
    let allow_weak = context.settings.switch(&ALLOW_WEAK, allow_weak)?;
    match weakness(username, text) {
        Some(why) if allow_weak => {
            context.out.warn(format!("{origin}: {why} (--allow-weak)"));
            Ok(())
        }
        Some(why) => Err(Error::config(format!("{origin}: {why}")).advise(
            "Have a password made with --generate-password, or accept this one with --allow-weak.",
        )),
        None => Ok(()),
    }
}

fn impossible(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        Some("the password is empty")
    } else if password.chars().any(char::is_control) {
        Some("the password holds a control character, which Basic authentication cannot carry")
    } else if password.len() > LONGEST {
        Some("the password is longer than 1024 bytes")
    } else {
        None
    }
}

fn weakness(username: &str, password: &str) -> Option<&'static str> {
    let is = |text: &str| password.eq_ignore_ascii_case(text);
    if username.eq_ignore_ascii_case("foo") && is("bar") {
        Some("these are the user and password of the tutorial, which everybody knows")
    } else if is(username) {
        Some("the password is the user name")
    } else if password.chars().count() < SHORTEST {
        Some("the password has fewer than 12 characters")
    } else {
        None
    }
}

/// A password of 24 characters from the system's generator.
pub(crate) fn generated() -> Result<Secret> {
    Secret::generate(GENERATED)
        .map_err(|err| Error::config("no password can be made").caused_by(err))
}

/// Where a new password goes. It is on disk before the platform hears of it, so that it cannot get lost.
#[derive(Debug)]
pub(crate) enum HandOver {
    /// To a file: staged beside it, and put in place at the end.
    File { path: PathBuf, staged: PathBuf },
    /// To standard output, as JSON.
    Json,
    /// Nobody needs it: it was given.
    NotNeeded,
}

/// The error for a new password that nobody would get.
pub(crate) fn nowhere_to_hand_over() -> Error {
    Error::config("nobody would get the new password").advise(
        "Name a file for it with --password-out, or have it as JSON on standard output with --output json.",
    )
}

impl HandOver {
    /// Writes `password` beside `path`, readable by the owner alone.
    pub(crate) fn to_file(path: &Path, password: &Secret) -> Result<Self> {
        let staged = staged(path);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(files::PRIVATE)
            .open(&staged)
            .and_then(|file| write(file, password));
        match written {
            Ok(()) => Ok(Self::File {
                path: path.to_owned(),
                staged,
            }),
            Err(err) => Err(Error::config(format!(
                "the new password cannot be written to {}",
                staged.display()
            ))
            .caused_by(err)
            .advise("Check the folder that --password-out names, and the rights on it.")),
        }
    }

    /// Takes up the password that an interrupted run has left beside `path`, if there is one.
    pub(crate) fn resume(path: &Path, out: &Output) -> Result<Option<(Self, Secret)>> {
        let staged = staged(path);
        if !staged.exists() {
            return Ok(None);
        }
        let password = settings::secret_in("--password-out", &staged)?;
        out.warn(format!(
            "{} was left by an interrupted run: its password is used",
            staged.display()
        ));
        let path = path.to_owned();
        Ok(Some((Self::File { path, staged }, password)))
    }

    /// The change was made: puts the file in its place.
    pub(crate) fn finish(&self) -> Result<()> {
        let Self::File { path, staged } = self else {
            return Ok(());
        };
        fs::rename(staged, path).map_err(|err| {
            Error::config(format!(
                "the new password stays in {}: it cannot be moved to {}",
                staged.display(),
                path.display()
            ))
            .caused_by(err)
            .advise("Move it by hand: it is in force.")
        })
    }

    /// The change failed: removes the file, unless the platform may have made the change all the same.
    pub(crate) fn give_up(&self, effect_unknown: bool, out: &Output) {
        let Self::File { staged, .. } = self else {
            return;
        };
        if effect_unknown {
            out.warn(format!(
                "the new password may be in force: it stays in {}, and is used by the next run",
                staged.display()
            ));
        } else if let Err(err) = fs::remove_file(staged) {
            out.warn(format!("{} cannot be removed: {err}", staged.display()));
        }
    }

    /// The file, when the password goes to one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            _ => None,
        }
    }
}

fn staged(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn write(mut file: File, password: &Secret) -> io::Result<()> {
    file.write_all(password.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// The password that stands in a file that was handed over before.
pub(crate) fn handed_over(path: &Path) -> Result<Option<Found<Secret>>> {
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(Found {
        value: settings::secret_in("--password-out", path)?,
        origin: Origin::Flag("--password-out"),
    }))
}

/// The password that is set, which before a rotation is the one in force.
pub(crate) fn old_password(settings: &Settings) -> Result<Option<Secret>> {
    Ok(settings.secret(&PASSWORD)?.map(|found| found.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_that_basic_authentication_cannot_carry_is_refused() {
        assert!(check_username("a:b").unwrap_err().contains("colon"));
        assert!(check_username("a\u{7}").unwrap_err().contains("control"));
        assert!(check_username("").is_err());
        assert!(check_username("svc@acme.example").is_ok());
    }

    #[test]
    fn a_password_that_is_easy_to_guess_is_named_as_such() {
        assert!(weakness("Foo", "bar").unwrap().contains("tutorial"));
        assert!(
            weakness("service-account", "Service-Account")
                .unwrap()
                .contains("user name")
        );
        assert!(weakness("svc", "elevenchars").unwrap().contains("12"));
        assert_eq!(weakness("svc", "twelve chars"), None);
        assert_eq!(weakness("svc", "zwölf Zeichen"), None);
    }

    #[test]
    fn control_characters_and_monsters_are_impossible() {
        assert!(impossible("a\tb").is_some());
        assert!(impossible("").is_some());
        assert!(impossible(&"x".repeat(1025)).is_some());
        assert!(impossible("colon: is fine here").is_none());
    }

    #[test]
    fn a_password_is_on_disk_before_it_is_in_force_and_gone_when_nothing_happened() {
        let folder = std::env::temp_dir().join(format!("basic-auth-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("svc.password");
        let secret = Secret::new("canary-hand-over");
        HandOver::to_file(&path, &secret)
            .unwrap()
            .give_up(false, &Output::quiet());
        assert!(!staged(&path).exists());
        let over = HandOver::to_file(&path, &secret).unwrap();
        assert!(
            HandOver::to_file(&path, &secret).is_err(),
            "one run at a time"
        );
        over.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "canary-hand-over\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
