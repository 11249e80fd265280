//! What requests are authorized by: chosen from the settings, and checked for slips before anything is sent.

use common::cloudflare;
use common::error::{Error, Result};
use common::secret::Secret;
use common::settings::{Settings, Sourced};

use crate::listed::{self, ListedAccount};
use crate::settings::{EMAIL, KEY, TOKEN};

/// Credentials and where they came from.
#[derive(Debug)]
pub(crate) enum Credentials {
    Token(Sourced<Secret>),
    Key {
        email: Sourced,
        key: Sourced<Secret>,
    },
}

impl Credentials {
    /// The nearest source decides; a token beats key and e-mail address of the same source, and half of a pair.
    pub(crate) fn load(settings: &Settings) -> Result<Self> {
        let chosen = match settings.nearest(&[&TOKEN, &KEY]) {
            Some(0) => token(settings)?,
            Some(_) if settings.text(&EMAIL)?.is_none() => match token(settings)? {
                Some(token) => Some(token),
                None => pair(settings)?,
            },
            Some(_) => pair(settings)?,
            None => None,
        };
        match chosen {
            Some(credentials) => Ok(credentials),
            None => Err(missing(settings)?),
        }
    }

    /// Whether any are set, be they right or wrong.
    pub(crate) fn are_set(settings: &Settings) -> bool {
        settings.nearest(&[&TOKEN, &KEY]).is_some()
    }

    /// Those of an account of the TOML file.
    pub(crate) fn of_listed(account: &ListedAccount<'_>, settings: &Settings) -> Result<Self> {
        match (
            account.token(settings)?,
            account.key(settings)?,
            account.email(),
        ) {
            (Some(token), None, None) => checked_token(token).map(Credentials::Token),
            (None, Some(key), Some(email)) => Ok(Credentials::Key {
                email: checked_email(unquoted(email))?,
                key: checked_key(key)?,
            }),
            _ => Err(Error::config(format!(
                "{} goes with either a token or a key and its e-mail address",
                account.at("zones")
            ))
            .advise(
                "Give that account token_file or token_env; or email, with key_file or key_env.",
            )),
        }
    }

    /// What they are and where they came from.
    pub(crate) fn label(&self) -> String {
        match self {
            Credentials::Token(token) => format!("API token from {}", token.origin),
            Credentials::Key { email, key } => format!(
                "global API key from {} with the e-mail address from {}",
                key.origin, email.origin
            ),
        }
    }

    /// Where the token or the key comes from.
    pub(crate) fn origin(&self) -> String {
        match self {
            Credentials::Token(token) => token.origin.to_string(),
            Credentials::Key { key, .. } => key.origin.to_string(),
        }
    }

    /// Whether an API token is used, and not the global key.
    pub(crate) fn are_token(&self) -> bool {
        matches!(self, Credentials::Token(_))
    }

    /// The same for the client of the API.
    pub(crate) fn for_client(&self) -> cloudflare::Credentials {
        match self {
            Credentials::Token(token) => cloudflare::Credentials::Token(token.value.clone()),
            Credentials::Key { email, key } => cloudflare::Credentials::Key {
                email: email.value.clone(),
                key: key.value.clone(),
            },
        }
    }
}

fn token(settings: &Settings) -> Result<Option<Credentials>> {
    let token = settings.secret(&TOKEN)?;
    Ok(token
        .map(checked_token)
        .transpose()?
        .map(Credentials::Token))
}

fn pair(settings: &Settings) -> Result<Option<Credentials>> {
    let Some((email, key)) = settings.pair(&EMAIL, &KEY)? else {
        return Ok(None);
    };
    Ok(Some(Credentials::Key {
        email: checked_email(unquoted(email))?,
        key: checked_key(key)?,
    }))
}

fn missing(settings: &Settings) -> Result<Error> {
    let what = match settings.text(&EMAIL)? {
        Some(email) => format!("CF_Key is missing, while {} is given", email.origin),
        None => "no Cloudflare credentials: CF_Token is missing".to_owned(),
    };
    let sources = if settings.home().is_none() && !settings.env().acme_is_calling() {
        " To use those that acme.sh has saved, give --home."
    } else {
        ""
    };
    let zones = listed::all_zones(settings)?;
    if !zones.is_empty() {
        return Ok(Error::config(format!(
            "{what}, and no account of the configuration file is meant"
        ))
        .advise(format!(
            "The accounts there are used for what lies in {}. Add the zone to one of them, or set CF_Token.",
            zones.join(", ")
        )));
    }
    Ok(Error::config(what).advise(format!(
        "Set CF_Token to an API token with Zone / Zone / Read and Zone / DNS / Edit (or CF_Token_FILE to the path of \
         a file that holds it), or CF_Key and CF_Email to the global API key and the address you log in with.{sources}"
    )))
}

/// acme.sh's own hook drops quotation marks within values, and people have saved some.
pub(crate) fn unquoted(found: Sourced) -> Sourced {
    Sourced {
        value: found.value.replace('"', ""),
        origin: found.origin,
    }
}

fn checked_email(found: Sourced) -> Result<Sourced> {
    let whole = found.value.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !found.value.contains(char::is_whitespace)
    });
    if whole {
        Ok(found)
    } else {
        Err(Error::config(format!(
            "{}: {:?} is not an e-mail address",
            found.origin, found.value
        ))
        .advise("Set CF_Email to the address you log in to Cloudflare with."))
    }
}

pub(crate) fn checked_token(found: Sourced<Secret>) -> Result<Sourced<Secret>> {
    let found = checked_form(found, "an API token")?;
    let value = found.value.expose();
    if is_global_key(value) {
        return Err(Error::config(format!(
            "{} contains a global API key, not an API token",
            found.origin
        ))
        .advise(
            "Put it into CF_Key and set CF_Email, or, better, create an API token for CF_Token.",
        ));
    }
    Ok(found)
}

fn checked_key(found: Sourced<Secret>) -> Result<Sourced<Secret>> {
    let found = checked_form(found, "a global API key")?;
    let value = found.value.expose();
    let classic_token = value.len() == 40 && !value.starts_with("cfk_");
    if classic_token || value.starts_with("cfut_") || value.starts_with("cfat_") {
        return Err(Error::config(format!(
            "{} contains an API token, not the global API key",
            found.origin
        ))
        .advise("Put it into CF_Token, and unset CF_Key and CF_Email."));
    }
    Ok(found)
}

/// Finds what is pasted along by mistake, which Cloudflare would refuse with 6003 and 6111.
fn checked_form(found: Sourced<Secret>, what: &str) -> Result<Sourced<Secret>> {
    let bare = found.value.expose().replace('"', "");
    let wrong = if bare
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("bearer ")
    {
        Some("begins with `Bearer`")
    } else if bare.contains(char::is_whitespace) {
        Some("contains a space or line break")
    } else if bare.is_empty() {
        Some("is empty")
    } else if bare.contains(['\'', '`', '“', '”', '‘', '’']) {
        Some("contains quotation marks")
    } else if !bare.bytes().all(|b| b.is_ascii_graphic()) {
        Some("contains a character that no such credential has")
    } else {
        None
    };
    match wrong {
        Some(wrong) => Err(
            Error::config(format!("{} {wrong}", found.origin)).advise(format!(
                "Give {what} alone, exactly as Cloudflare showed it."
            )),
        ),
        None => Ok(Sourced {
            value: Secret::new(bare),
            origin: found.origin,
        }),
    }
}

/// 37 hexadecimal digits of old, `cfk_` today.
fn is_global_key(value: &str) -> bool {
    value.starts_with("cfk_") || (value.len() == 37 && value.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use common::settings::Flags;
    use common::system::environment::Env;

    use super::*;
    use crate::settings::SETTINGS;

    const CLASSIC_TOKEN: &str = "abcdefghij_ABCDEFGHIJ-0123456789_abcdef0";
    const CLASSIC_KEY: &str = "0123456789abcdef0123456789abcdef01234";

    fn credentials(pairs: &[(&str, &str)]) -> Result<Credentials> {
        let env = Env::from_pairs(pairs.iter().copied());
        Credentials::load(&Settings::load(&SETTINGS, &env, Flags::default())?)
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        credentials(pairs).unwrap_err().to_string()
    }

    #[test]
    fn tokens_and_keys_are_told_apart_by_their_form() {
        let email = ("CF_Email", "a@example.com");
        for token in [CLASSIC_TOKEN, "cfut_0123456789", "cfat_0123456789"] {
            assert!(credentials(&[("CF_Token", token)]).unwrap().are_token());
            assert!(
                error(&[("CF_Key", token), email]).contains("contains an API token"),
                "{token}"
            );
        }
        for key in [CLASSIC_KEY, "cfk_0123456789"] {
            assert!(!credentials(&[("CF_Key", key), email]).unwrap().are_token());
            assert!(
                error(&[("CF_Token", key)]).contains("contains a global API key"),
                "{key}"
            );
        }
    }

    #[test]
    fn the_label_names_the_source_and_never_the_value() {
        let key = credentials(&[("CF_Key", CLASSIC_KEY), ("CF_Email", "a@example.com")]).unwrap();
        assert_eq!(
            key.label(),
            "global API key from CF_Key (environment) with the e-mail address from CF_Email (environment)"
        );
    }
}
