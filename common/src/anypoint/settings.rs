//! The settings that the Anypoint programs share. A program whose own variables come first, or whose flags have other
//! names, has entries of its own instead.

use super::DEFAULT_URL;
use crate::error::{Error, Result};
use crate::settings::{Setting, Settings, Sourced};

/// Address of the control plane.
pub static URL: Setting = Setting::address(
    &["ANYPOINT_URL", "ANYPOINT_HOST"],
    "address of the control plane",
)
.flag("--url", "URL")
.toml(&["anypoint.url"])
.default(DEFAULT_URL)
.saved();

/// Organization or business group, name or id.
pub static ORGANIZATION: Setting = Setting::text(
    &["ORGANIZATION_ID", "ANYPOINT_ORG"],
    "organization or business group, by name or id",
)
.flag("--organization", "ORG")
.toml(&["anypoint.organization"])
.saved();

/// A ready token. Never saved.
pub static BEARER: Setting = Setting::secret(
    &["ANYPOINT_BEARER"],
    "access token to use instead of a connected app; never saved",
);

/// Client id of the connected app, where a program has no variable of its own for it.
pub static CLIENT_ID: Setting =
    Setting::text(&["ANYPOINT_CLIENT_ID"], "client id of the connected app")
        .toml(&["anypoint.client_id"])
        .saved();

/// Its secret.
pub static CLIENT_SECRET: Setting =
    Setting::secret(&["ANYPOINT_CLIENT_SECRET"], "secret of the connected app")
        .toml(&["anypoint.client_secret"])
        .partner(&CLIENT_ID)
        .saved();

/// The organization that is set.
///
/// # Errors
///
/// None is set, or a source of settings cannot be read.
pub fn organization(settings: &Settings) -> Result<Sourced> {
    settings.text(&ORGANIZATION)?.ok_or_else(|| {
        Error::config("no organization is given").advise(format!(
            "Set {} to the id or the name of the organization or business group; the id stands in the address of \
             Access Management's page of the business group.",
            ORGANIZATION.how_to_give()
        ))
    })
}
