//! Saving a rotated password for acme.sh's deploy hooks, which would set the old one again at the next renewal.

use common::acme_sh::{self, Conf, Stored};
use common::anypoint::api_instances::ApiInstance;
use common::anypoint::settings::organization;
use common::cli::Invocation;
use common::error::Result;
use common::log::sentence;
use common::net::http::base_url;
use common::secret::Secret;
use common::settings::Settings;

use crate::credentials;
use crate::session::{self, ApiSelector, Session};
use crate::settings::{PASSWORD, URL, USERNAME};

/// The policy whose password has changed, and what is in force now.
#[derive(Debug)]
pub(crate) struct Rotation<'a> {
    pub(crate) session: &'a Session,
    pub(crate) api: &'a ApiInstance,
    pub(crate) username: &'a str,
    pub(crate) password: &'a Secret,
}

/// What a conf file has to have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    Nothing,
    Password,
    Username,
    Both,
}

/// Saves the new password, and the user name where it has changed, in every conf file of acme.sh's home whose deploy hook
/// is for the same policy. A conf file that cannot be read or judged is left alone with a warning, and stops no other.
///
/// # Errors
///
/// The home cannot be read.
pub(crate) fn update(call: &Invocation, rotation: &Rotation<'_>) -> Result<()> {
    let Some(home) = call.settings.home() else {
        return Ok(());
    };
    for stored in home.list()? {
        let what = match rotation.save(&call.settings, &stored) {
            Ok(Stale::Nothing) => continue,
            Ok(Stale::Password) => "password",
            Ok(Stale::Username) => "user name",
            Ok(Stale::Both) => "user name and password",
            Err(err) => {
                call.log.warn(format!(
                    "{} was left alone: {}. If its deploy hook is for this policy, it sets the old password again at the \
                     next renewal",
                    stored.conf().display(),
                    sentence(&err.into())
                ));
                continue;
            }
        };
        call.log.info(format!(
            "saved the new {what} for the deploy hook of {}",
            stored.domain
        ));
    }
    Ok(())
}

impl Rotation<'_> {
    fn save(&self, settings: &Settings, stored: &Stored) -> Result<Stale> {
        let conf = Conf::load(&stored.conf())?;
        let password = conf.saved(PASSWORD.name());
        if password.is_none() && conf.saved(USERNAME.name()).is_none() {
            return Ok(Stale::Nothing);
        }
        let settings = settings.for_renewal(stored)?;
        let username = credentials::username_if_set(&settings)?;
        let stale = Stale::of(
            password.is_some_and(|saved| saved != self.password.expose()),
            username.is_some_and(|set| set.value != self.username),
        );
        if stale == Stale::Nothing || !self.is_of_this_policy(&settings)? {
            return Ok(Stale::Nothing);
        }
        acme_sh::update(&stored.conf(), |conf| {
            if matches!(stale, Stale::Password | Stale::Both) {
                conf.save_variable(PASSWORD.name(), self.password.expose());
            }
            if matches!(stale, Stale::Username | Stale::Both) {
                conf.save_variable(USERNAME.name(), self.username);
            }
        })?;
        Ok(stale)
    }

    /// Whether a renewal with these settings works on the policy that was rotated: the same instance, of the same
    /// environment and organization, on the same control plane. What needs a request comes last.
    fn is_of_this_policy(&self, settings: &Settings) -> Result<bool> {
        let Some(selector) = session::selected_api_if_set(settings)? else {
            return Ok(false);
        };
        let may_be_this = match &selector {
            ApiSelector::Id(id) => *id == self.api.id,
            ApiSelector::Name { name, .. } => session::is_called(self.api, name),
        };
        let plane = base_url(&settings.address(&URL)?)?;
        if !may_be_this || plane.origin() != self.session.client.http().base().origin() {
            return Ok(false);
        }
        let here = self.session.for_target();
        let organization = here.client.organization(&organization(settings)?)?;
        if organization != here.at.organization {
            return Ok(false);
        }
        let environment = session::environment(settings)?;
        if here.client.environment(&organization, &environment)? != here.at.environment {
            return Ok(false);
        }
        Ok(match selector {
            ApiSelector::Id(_) => true,
            ApiSelector::Name { .. } => here.api(&selector)?.id == self.api.id,
        })
    }
}

impl Stale {
    fn of(password: bool, username: bool) -> Self {
        match (password, username) {
            (false, false) => Self::Nothing,
            (true, false) => Self::Password,
            (false, true) => Self::Username,
            (true, true) => Self::Both,
        }
    }
}
