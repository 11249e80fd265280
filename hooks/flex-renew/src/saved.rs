//! What acme.sh's domain conf keeps for the next run from cron, where the environment is empty.
//!
//! The names are those of `_savedeployconf` of acme.sh: `SAVED_` and the variable.

use common::acme_sh;
use common::anypoint;
use common::error::Result;
use common::settings::{Key, Origin, Settings};

use crate::gateway::{
    CLIENT_ID, CLIENT_SECRET, FILE, FLEXCTL, FLEXCTL_TIMEOUT, IMAGE, PASSWORD, RESTART_CMD,
    RUNTIME, USERNAME,
};
use crate::proof::ENVIRONMENT;

const TEXTS: [&Key; 12] = [
    &CLIENT_ID,
    &USERNAME,
    &FILE,
    &RUNTIME,
    &FLEXCTL,
    &FLEXCTL_TIMEOUT,
    &IMAGE,
    &RESTART_CMD,
    &anypoint::CLIENT_ID,
    &anypoint::URL,
    &anypoint::ORGANIZATION,
    &ENVIRONMENT,
];

const SECRETS: [&Key; 3] = [&CLIENT_SECRET, &PASSWORD, &anypoint::CLIENT_SECRET];

/// Finds out whether [`save`] would work.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    settings
        .domain_conf_to_save()
        .map_or(Ok(()), acme_sh::check_writable)
}

/// Saves what the environment says. Most runs renew nothing, so credentials are kept before the platform has seen them:
/// otherwise the run that needs them would have none.
pub(crate) fn save(settings: &Settings) -> Result<()> {
    let Some(path) = settings.domain_conf_to_save() else {
        return Ok(());
    };
    let mut chosen = Vec::new();
    for key in TEXTS {
        if let Some(found) = settings.text(key, None)?
            && settings.is_chosen(key, &found.origin)
            && let Origin::Environment(name) = found.origin
        {
            chosen.push((name, found.value));
        }
    }
    for key in SECRETS {
        let Some(found) = settings.secret(key)? else {
            continue;
        };
        if !settings.is_chosen(key, &found.origin) {
            continue;
        }
        match found.origin {
            Origin::Environment(name) => chosen.push((name, found.value.expose().to_owned())),
            // The path is kept, never what the file holds. cron starts elsewhere.
            Origin::File { named_by, path } => {
                let path = std::path::absolute(&path).unwrap_or(path);
                chosen.push((named_by, path.display().to_string()));
            }
            _ => {}
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    acme_sh::update(path, |conf| {
        for (name, value) in &chosen {
            conf.save_variable(name, value);
        }
    })
}
