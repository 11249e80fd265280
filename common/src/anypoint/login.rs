//! Logging in: client credentials of a connected app, or a ready token.

use serde::{Deserialize, Serialize};

use super::said;
use super::settings::{BEARER, CLIENT_ID, CLIENT_SECRET};
use crate::error::{Error, Kind, Result};
use crate::net::http::{Http, Repeat};
use crate::secret::Secret;
use crate::settings::{Origin, Setting, Settings, Sourced};

/// What a program logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A connected app that acts on its own behalf.
    App {
        /// Its client id.
        id: Sourced,
        /// Its client secret.
        secret: Sourced<Secret>,
    },
    /// A token that somebody else has fetched.
    Bearer(Sourced<Secret>),
}

impl Credentials {
    /// The credentials that are set: those of the program's own variables `id` and `secret` (which list the general
    /// ones last), or `ANYPOINT_BEARER`. What stands in the environment beats what was saved; there, own variables beat
    /// the bearer, and that beats the general ones. For one certificate of many, a saved pair beats the bearer.
    ///
    /// # Errors
    ///
    /// None are set, or only half of them.
    pub fn from_settings(settings: &Settings, id: &Setting, secret: &Setting) -> Result<Self> {
        let bearer = settings.secret(&BEARER)?;
        let pair = match settings.pair(id, secret) {
            Err(_) if bearer.is_some() => None,
            pair => pair?,
        };
        match (pair, bearer) {
            (Some((id, secret)), Some(bearer)) => {
                if is_own_and_near(&id.origin)
                    || settings.is_of_entry(&id.origin)
                    || !settings.is_near(&bearer.origin)
                {
                    Ok(Self::App { id, secret })
                } else {
                    Ok(Self::Bearer(bearer))
                }
            }
            (Some((id, secret)), None) => Ok(Self::App { id, secret }),
            (None, Some(bearer)) => Ok(Self::Bearer(bearer)),
            (None, None) => Err(Error::config(format!(
                "no credentials: {} and {} are not set",
                id.variables.first().unwrap_or(&"ANYPOINT_CLIENT_ID"),
                secret.variables.first().unwrap_or(&"ANYPOINT_CLIENT_SECRET"),
            ))
            .advise(
                "Create a connected app that acts on its own behalf in Access Management > Connected Apps and set \
                 both; ANYPOINT_CLIENT_ID and ANYPOINT_CLIENT_SECRET, or ANYPOINT_BEARER, are understood too. A \
                 secret can also stand in a file: append _FILE to the variable.",
            )),
        }
    }

    /// The general credentials, `ANYPOINT_*` alone.
    ///
    /// # Errors
    ///
    /// As [`Credentials::from_settings`].
    pub fn general(settings: &Settings) -> Result<Self> {
        Self::from_settings(settings, &CLIENT_ID, &CLIENT_SECRET)
    }

    /// Whether both log in as the same app with the same secret, wherever they were found.
    pub fn are_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::App { id, secret }, Self::App { id: to, secret: by }) => {
                (&id.value, &secret.value) == (&to.value, &by.value)
            }
            (Self::Bearer(one), Self::Bearer(two)) => one.value == two.value,
            _ => false,
        }
    }

    /// Whether another token can be had when one has expired.
    pub(super) fn can_renew(&self) -> bool {
        matches!(self, Self::App { .. })
    }
}

fn is_own_and_near(origin: &Origin) -> bool {
    match origin {
        Origin::Flag(_) => true,
        Origin::Environment(name) => !name.starts_with("ANYPOINT_"),
        _ => false,
    }
}

/// Fetches a token for a user: `POST /accounts/login`.
///
/// # Errors
///
/// Credentials: refused, or the user has multi-factor authentication, which asks for a browser. Unreachable: no usable
/// answer.
pub fn user_token(http: &Http, name: &str, password: &Secret) -> Result<Secret> {
    #[derive(Serialize)]
    struct Body<'a> {
        username: &'a str,
        password: &'a str,
    }
    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
    }
    let reply = http
        .post("/accounts/login")
        .json(&Body {
            username: name,
            password: password.expose(),
        })
        .repeat(Repeat::Freely)
        .send()?;
    if !reply.is_success() {
        let err = reply.error(said(&reply));
        return Err(match reply.status() {
            302 | 400 | 401 | 403 | 418 => err.as_kind(Kind::Credentials),
            _ => err,
        });
    }
    reply
        .json::<Answer>()?
        .access_token
        .map(Secret::new)
        .ok_or_else(|| {
            Error::new(
                Kind::Credentials,
                "the platform asks the user for a second factor",
            )
        })
}

/// Fetches a token.
///
/// `POST /accounts/api/v2/oauth2/token`, a JSON body without a Basic header, as the official command line tool does.
///
/// # Errors
///
/// Credentials: refused. Unreachable: no token in the answer.
pub fn token(http: &Http, credentials: &Credentials) -> Result<Secret> {
    #[derive(Serialize)]
    struct Body<'a> {
        client_id: &'a str,
        client_secret: &'a str,
        grant_type: &'a str,
    }
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
    }
    let (id, secret) = match credentials {
        Credentials::Bearer(token) => return Ok(token.value.clone()),
        Credentials::App { id, secret } => (id, secret),
    };
    let reply = http
        .post("/accounts/api/v2/oauth2/token")
        .json(&Body {
            client_id: &id.value,
            client_secret: secret.value.expose(),
            grant_type: "client_credentials",
        })
        .repeat(Repeat::Freely)
        .send()?;
    if !reply.is_success() {
        let err = reply.error(said(&reply));
        // A malformed client id is answered with 400 by some versions; the cause is the same.
        let refused = matches!(reply.status(), 400 | 401 | 403);
        return Err(if refused {
            err.as_kind(Kind::Credentials).advise(format!(
                "Check {} and {}: the connected app must exist on this control plane ({}, ANYPOINT_URL), be enabled, \
                 and act on its own behalf (client credentials).",
                id.origin,
                secret.origin,
                http.base().host_str().unwrap_or_default()
            ))
        } else {
            err
        });
    }
    Ok(Secret::new(reply.json::<Answer>()?.access_token))
}
