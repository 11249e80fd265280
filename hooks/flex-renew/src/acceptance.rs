//! Whether the platform accepts the credentials that `flexctl` will need, before the day it needs them.

use common::anypoint::{Credentials, login};
use common::cli::Invocation;
use common::error::{Kind, Result};
use common::flex::flexctl::Login;
use common::flex::registration::Registration;
use common::settings::{Origin, Sourced};

use crate::gateway::Gateway;
use crate::platform::{self, Environment};

/// Logs in as `flexctl` would, and reads the gateway. Whether it may be renewed shows only when it is.
///
/// # Errors
///
/// Credentials: refused, or the scope to read gateways is missing. Else the platform cannot be asked.
pub(crate) fn check(
    call: &Invocation,
    gateway: &Gateway,
    registration: &Registration,
) -> Result<()> {
    let credentials = match gateway.login(&call.settings)? {
        Login::App { id, secret } => Credentials::App {
            id: by(id, "FLEX_CLIENT_ID"),
            secret: by(secret, "FLEX_CLIENT_SECRET"),
        },
        Login::User { name, password } => {
            let http = call.http(&platform::address(&call.settings, Some(registration))?)?;
            let token = login::user_token(&http, &name, &password).map_err(|err| {
                if err.kind() == Kind::Credentials && err.advice().is_none() {
                    err.advise(
                        "Check FLEX_USERNAME and FLEX_PASSWORD: the user must belong to this control plane, and have no \
                         multi-factor authentication.",
                    )
                } else {
                    err
                }
            })?;
            Credentials::Bearer(by(token, "FLEX_USERNAME"))
        }
    };
    let there = Environment::of(call, Some(registration), credentials)?;
    let Some(id) = &registration.gateway else {
        return there.gateways(None).map(drop);
    };
    match there.gateway(id) {
        // Gateways in Local Mode are not listed, and this is about the credentials.
        Err(err) if err.kind() == Kind::NotFound => Ok(()),
        read => read.map(drop),
    }
}

fn by<T>(value: T, name: &'static str) -> Sourced<T> {
    Sourced {
        value,
        origin: Origin::Flag(name),
    }
}
