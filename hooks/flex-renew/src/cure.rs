//! What this program can do about a renewal that `flexctl` failed to make.

use std::time::Duration;

use common::duration;
use common::error::Error;
use common::flex::flexctl::{Failed, Failure};

/// The error, with the settings that help. `limit` is the time that `flexctl` had.
pub(crate) fn of(failed: Failed, limit: Duration) -> Error {
    let advice = match failed.failure {
        Failure::NotInstalled => {
            "Install flexctl, set FLEXCTL to its full path (cron has a short PATH), or choose another runtime with \
             --runtime: docker and podman run it from the gateway's image."
        }
        Failure::NotFinished => {
            let advice = format!(
                "Check that this host reaches the platform, a proxy included. The limit of {} is set by \
                 FLEXCTL_TIMEOUT.",
                duration::show(limit)
            );
            return failed.error.advise(advice);
        }
        Failure::TooOld => {
            "Use the newest one: update the package flex-gateway, or set FLEX_IMAGE to a newer image. That copy need be \
             neither registered nor running."
        }
        Failure::CannotUpdateUrls => {
            "This flexctl cannot update URLs: use the newest one, or leave the URLs as they are with --no-update-urls."
        }
        Failure::MultiFactor => {
            "The user has multi-factor authentication, which flexctl cannot answer. Use a connected app \
             (FLEX_CLIENT_ID, FLEX_CLIENT_SECRET), or a user without it."
        }
        Failure::CredentialsRefused => {
            "Check FLEX_CLIENT_ID and FLEX_CLIENT_SECRET, or FLEX_USERNAME and FLEX_PASSWORD: they must belong to the \
             control plane of the registration."
        }
        Failure::ScopeMissing
        | Failure::PlatformUnreachable
        | Failure::NothingWritten
        | Failure::Other => return failed.error,
    };
    failed.error.advise(advice)
}
