//! What acme.sh keeps in the domain conf for the next renewal, as its own deploy hooks do.

use common::acme_sh::{self, Conf};
use common::anypoint::api_instances::ApiInstance;
use common::anypoint::{self, Credentials};
use common::error::Result;
use common::secret::Secret;
use common::settings::{Found, Key, Origin, Settings};

use crate::credentials::{PASSWORD, USERNAME};
use crate::session::{API, Context, ENVIRONMENT};

/// Finds out before the first request whether the settings can be saved.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    settings
        .domain_conf_to_save()
        .map_or(Ok(()), acme_sh::check_writable)
}

/// Saves how to log in. `ANYPOINT_BEARER` is never saved.
pub(crate) fn login(context: &Context<'_>) -> Result<()> {
    save(context.settings, |conf| {
        text(context, conf, &anypoint::URL)?;
        text(context, conf, &anypoint::ORGANIZATION)?;
        if let Credentials::App { id, secret } = Credentials::general(context.settings)? {
            plain(conf, &anypoint::CLIENT_ID, &id);
            hidden(conf, &anypoint::CLIENT_SECRET, &secret);
        }
        Ok(())
    })
}

/// Saves which policy is meant, and its user and password.
pub(crate) fn policy(
    context: &Context<'_>,
    username: &Found,
    password: &Found<Secret>,
) -> Result<()> {
    save(context.settings, |conf| {
        text(context, conf, &API)?;
        text(context, conf, &ENVIRONMENT)?;
        plain(conf, &USERNAME, username);
        hidden(conf, &PASSWORD, password);
        Ok(())
    })
}

/// Gives a new password to the deploy hooks of this API in acme.sh's home, which would set the old one again at the next
/// renewal. Returns the domains.
pub(crate) fn rotated(
    settings: &Settings,
    api: &ApiInstance,
    password: &Secret,
) -> Result<Vec<String>> {
    let Some(home) = settings.home() else {
        return Ok(Vec::new());
    };
    let mut changed = Vec::new();
    for stored in home.list()? {
        let conf = Conf::load(&stored.conf())?;
        let names = [
            Some(api.id.to_string()),
            Some(api.asset.clone()),
            api.asset_name.clone(),
        ];
        let same_api = conf
            .value("SAVED_API_INSTANCE_ID")
            .is_some_and(|saved| names.contains(&Some(saved)));
        if same_api && conf.value("SAVED_BASIC_AUTH_PASSWORD").is_some() {
            acme_sh::update(&stored.conf(), |conf| {
                conf.set("SAVED_BASIC_AUTH_PASSWORD", password.expose());
            })?;
            changed.push(stored.domain);
        }
    }
    Ok(changed)
}

fn save(settings: &Settings, change: impl FnOnce(&mut Conf) -> Result<()>) -> Result<()> {
    let Some(path) = settings.domain_conf_to_save() else {
        return Ok(());
    };
    let mut outcome = Ok(());
    acme_sh::update(path, |conf| outcome = change(conf))?;
    outcome
}

fn text(context: &Context<'_>, conf: &mut Conf, key: &Key) -> Result<()> {
    if let Some(found) = context.settings.text(key, None)? {
        plain(conf, key, &found);
    }
    Ok(())
}

/// Only what the environment says is saved: saved values are there, and the TOML file stays.
fn plain(conf: &mut Conf, key: &Key, found: &Found) {
    if let Origin::Environment(name) = &found.origin
        && key.names.contains(&name.as_str())
    {
        conf.save_variable(name, &found.value);
    }
}

/// Of a secret that stands in a file the path is saved, never the value.
fn hidden(conf: &mut Conf, key: &Key, found: &Found<Secret>) {
    match &found.origin {
        Origin::Environment(name) if key.names.contains(&name.as_str()) => {
            conf.save_variable(name, found.value.expose());
        }
        Origin::File { named_by, path } => {
            let own = named_by
                .strip_suffix("_FILE")
                .is_some_and(|name| key.names.contains(&name));
            if !own {
                return;
            }
            // acme.sh calls from another folder next time.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            conf.save_variable(named_by, &path.display().to_string());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_secret_in_a_file_is_saved_as_its_path_and_replaces_a_saved_value() {
        let mut conf = Conf::parse("SAVED_BASIC_AUTH_PASSWORD='old'\n");
        let found = Found {
            value: Secret::new("canary-saved-value"),
            origin: Origin::File {
                named_by: "BASIC_AUTH_PASSWORD_FILE".to_owned(),
                path: PathBuf::from("/etc/svc.password"),
            },
        };
        hidden(&mut conf, &PASSWORD, &found);
        assert_eq!(
            conf.text(),
            "SAVED_BASIC_AUTH_PASSWORD_FILE='/etc/svc.password'\n"
        );
    }

    #[test]
    fn what_was_not_in_the_environment_is_not_saved() {
        let mut conf = Conf::default();
        let found = |origin| Found {
            value: "svc".to_owned(),
            origin,
        };
        plain(&mut conf, &USERNAME, &found(Origin::Flag("--username")));
        plain(
            &mut conf,
            &USERNAME,
            &found(Origin::Environment("OTHER".to_owned())),
        );
        assert_eq!(conf.text(), "");
        plain(
            &mut conf,
            &USERNAME,
            &found(Origin::Environment("BASIC_AUTH_USERNAME".to_owned())),
        );
        assert_eq!(conf.text(), "SAVED_BASIC_AUTH_USERNAME='svc'\n");
    }
}
