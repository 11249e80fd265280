//! Reading back what was written.

use std::time::Duration;

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::Policy;
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::system::polling::{Look, Pauses, poll};
use common::system::signals;

use crate::session::Session;

/// After a write the platform is read back for at most this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Reads the policies of `api` until `is_there` finds in them what was written; nothing if that never shows.
///
/// # Errors
///
/// Unproved: the policies cannot be read. That of `is_there`.
pub(crate) fn read_back<T>(
    call: &Invocation,
    session: &Session,
    api: &ApiInstance,
    is_there: impl Fn(Vec<Policy>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let pauses = Pauses::doubling(Duration::from_secs(1), LIMIT);
    let look = || -> Result<Look<Option<T>, ()>> {
        let policies = session.policies(api).map_err(|err| {
            Error::new(
                Kind::Unproved,
                "the policy was written and cannot be read back",
            )
            .caused_by(err)
        })?;
        Ok(match is_there(policies)? {
            None if !signals::interrupted() => Look::NotYet(()),
            found => Look::Done(found),
        })
    };
    match poll(call.clock.as_ref(), LIMIT, pauses, look, |()| {})? {
        Look::Done(found) => Ok(found),
        Look::NotYet(()) => Ok(None),
    }
}
