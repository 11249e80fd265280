//! What acme.sh's domain conf keeps for the next renewal, as the function `_savedeployconf` of acme.sh keeps it.

use std::path::Path;

use common::acme_sh;
use common::anypoint;
use common::error::Result;
use common::settings::{Found, Key, Origin, Settings};

use crate::args::TargetArgs;
use crate::targets::{
    CIPHER_LIST, CLIENT_ID, CLIENT_SECRET, CONTEXT_NAME, KEY_PASSPHRASE, PRIVATE_SPACE, TRUSTSTORE,
    VERIFY,
};

/// Finds out whether [`save`] would work.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    settings
        .domain_conf_to_save()
        .map_or(Ok(()), acme_sh::check_writable)
}

/// Saves what flags and environment say. What came from elsewhere stays where it is.
pub(crate) fn save(settings: &Settings, flags: &TargetArgs) -> Result<()> {
    let Some(path) = settings.domain_conf_to_save() else {
        return Ok(());
    };
    let chosen = chosen(settings, flags)?;
    acme_sh::update(path, |conf| {
        for (name, value) in &chosen {
            conf.save_variable(name, value);
        }
    })
}

/// Variables and values that the user chose in this very call.
fn chosen(settings: &Settings, flags: &TargetArgs) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    if let Ok(Some((id, secret))) = settings.pair(&CLIENT_ID, &CLIENT_SECRET, None)
        && settings.is_chosen(&CLIENT_ID, &id.origin)
    {
        all.push((own_name(&CLIENT_ID), id.value));
        let secret_origin = secret.origin.clone();
        all.extend(secret_to_save(
            settings,
            &CLIENT_SECRET,
            &secret_origin,
            secret.value.expose(),
        ));
    }
    for (key, flag) in [
        (&anypoint::ORGANIZATION, flags.organization.as_deref()),
        (&PRIVATE_SPACE, flags.private_space.as_deref()),
        (&CONTEXT_NAME, flags.context_name.as_deref()),
        (&CIPHER_LIST, None),
        (&VERIFY, None),
    ] {
        if let Some(found) = chosen_text(settings, key, flag)? {
            all.push((own_name(key), found.value));
        }
    }
    if let Some(found) = chosen_text(settings, &anypoint::URL, flags.url.as_deref())? {
        // The original hook wants a whole address.
        let url = if found.value.contains("://") {
            found.value
        } else {
            format!("https://{}", found.value)
        };
        all.push((own_name(&anypoint::URL), url));
    }
    if let Some(found) = chosen_text(settings, &TRUSTSTORE, None)? {
        all.push((own_name(&TRUSTSTORE), absolute(Path::new(&found.value))));
    }
    if let Some(found) = settings.secret(&KEY_PASSPHRASE)? {
        let origin = found.origin.clone();
        all.extend(secret_to_save(
            settings,
            &KEY_PASSPHRASE,
            &origin,
            found.value.expose(),
        ));
    }
    Ok(all)
}

fn chosen_text(settings: &Settings, key: &Key, flag: Option<&str>) -> Result<Option<Found>> {
    Ok(settings
        .text(key, flag)?
        .filter(|found| settings.is_chosen(key, &found.origin)))
}

/// The value itself, or the path of the file that holds it.
fn secret_to_save(
    settings: &Settings,
    key: &Key,
    origin: &Origin,
    value: &str,
) -> Option<(String, String)> {
    if !settings.is_chosen(key, origin) {
        return None;
    }
    let name = own_name(key);
    Some(match origin {
        Origin::File { path, .. } => (format!("{name}_FILE"), absolute(path)),
        _ => (name, value.to_owned()),
    })
}

/// The program's own variable, which the original hook reads too.
fn own_name(key: &Key) -> String {
    key.names.first().copied().unwrap_or_default().to_owned()
}

/// cron starts elsewhere.
fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .to_string_lossy()
        .into_owned()
}
