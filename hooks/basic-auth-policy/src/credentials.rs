//! User and password of the policy: where they come from, and which are refused.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use common::cli::{self, Invocation};
use common::error::{Error, Result};
use common::secret::Secret;
use common::settings::{self, Origin, Settings, Sourced};
use common::system::files;

use crate::args::PasswordArgs;
use crate::settings::{ALLOW_WEAK, PASSWORD, USERNAME, USERNAME_FILE};

/// Letters and digits of a generated password: more than 140 bits.
const GENERATED: usize = 24;

/// Shorter passwords are refused.
const SHORTEST: usize = 12;

/// A password longer than this is a mistake; gateways limit header lines to a few kilobytes.
const LONGEST: usize = 1024;

/// The user that is set or typed in, checked.
pub(crate) fn username(call: &Invocation) -> Result<Sourced> {
    let given = match username_if_set(&call.settings)? {
        Some(given) => given,
        None => Sourced {
            value: cli::ask("User name")?.ok_or_else(|| {
                Error::config("no user name is given").advise(format!(
                    "Set {} to the one user that the policy is to let in.",
                    USERNAME.how_to_give()
                ))
            })?,
            origin: Origin::Flag("the user name typed in"),
        },
    };
    check_username(&given.value).map_err(|why| {
        Error::config(format!("{}: {why}", given.origin))
            .advise("Choose a name of letters, digits and characters such as . _ - @.")
    })?;
    if !given.value.is_ascii() {
        call.log.warn(
            "the user name has characters beyond ASCII: programs differ in how they send them",
        );
    }
    Ok(given)
}

/// The user that is set, by name or in a file, whichever stands nearer.
pub(crate) fn username_if_set(settings: &Settings) -> Result<Option<Sourced>> {
    if settings.nearest(&[&USERNAME, &USERNAME_FILE]) != Some(1) {
        return settings.text(&USERNAME);
    }
    settings
        .text(&USERNAME_FILE)?
        .as_ref()
        .map(name_in)
        .transpose()
}

fn name_in(file: &Sourced) -> Result<Sourced> {
    let path = PathBuf::from(&file.value);
    let text = files::read_text("the file that BASIC_AUTH_USERNAME_FILE names,", &path, 4096)?;
    Ok(Sourced {
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
        Err("the user name has a colon, which Basic authentication cannot carry: it ends the name")
    } else if name.chars().any(char::is_control) {
        Err("the user name has a control character, which Basic authentication cannot carry")
    } else {
        Ok(())
    }
}

/// The password that is set or typed in; not yet checked.
pub(crate) fn password(call: &Invocation, args: &PasswordArgs) -> Result<Sourced<Secret>> {
    if let Some(given) = given(call, args)? {
        return Ok(given);
    }
    if let Some(set) = call.settings.secret(&PASSWORD)? {
        return Ok(set);
    }
    let typed = cli::ask_secret("Password")?.ok_or_else(no_password)?;
    Ok(Sourced {
        value: typed,
        origin: Origin::Flag("the password typed in"),
    })
}

/// The password that the command line points to.
pub(crate) fn given(call: &Invocation, args: &PasswordArgs) -> Result<Option<Sourced<Secret>>> {
    if let Some(path) = call.settings.flag(&PASSWORD) {
        return Ok(Some(Sourced {
            value: settings::secret_in("--password-file", Path::new(path))?,
            origin: Origin::Flag("--password-file"),
        }));
    }
    if !args.password_stdin {
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
    Ok(Some(Sourced {
        value: Secret::new(value),
        origin: Origin::Flag("--password-stdin"),
    }))
}

fn no_password() -> Error {
    Error::config("no password is given").advise(
        "Set BASIC_AUTH_PASSWORD, or BASIC_AUTH_PASSWORD_FILE to the path of a file that holds it; give \
         --password-file or --password-stdin; or have apply generate one with --generate-password.",
    )
}

/// Refuses a password that Basic authentication cannot carry, and one that is easy to guess unless that is allowed.
pub(crate) fn check_password(
    call: &Invocation,
    username: &str,
    password: &Sourced<Secret>,
) -> Result<()> {
    let origin = &password.origin;
    let text = password.value.expose();
    if let Some(why) = impossible(text) {
        return Err(Error::config(format!("{origin}: {why}")));
    }
    match weakness(username, text) {
        Some(why) if call.settings.switch(&ALLOW_WEAK)? => {
            call.log.warn(format!("{origin}: {why} (--allow-weak)"));
            Ok(())
        }
        Some(why) => Err(Error::config(format!("{origin}: {why}")).advise(
            "Have a password generated with --generate-password, or accept this one with --allow-weak.",
        )),
        None => Ok(()),
    }
}

fn impossible(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        Some("the password is empty")
    } else if password.chars().any(char::is_control) {
        Some("the password has a control character, which Basic authentication cannot carry")
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
        .map_err(|err| Error::config("no password can be generated").caused_by(err))
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
}
