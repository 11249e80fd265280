//! What the platform knows of the gateways of an environment and of their replicas.

use common::anypoint::standalone::{Gateway, Replica};
use common::cli::Invocation;
use common::error::Result;
use common::system::workers::side_by_side;

use crate::platform::Environment;

/// How many gateways are asked about side by side: the platform answers each in about a tenth of a second.
const AT_ONCE: usize = 16;

/// Reads every gateway of an environment, or the one with this name or id, each with its replicas or why they cannot be
/// read.
pub(crate) fn of_environment(
    call: &Invocation,
    there: &Environment,
    only: Option<&str>,
) -> Result<Vec<(Gateway, Result<Vec<Replica>>)>> {
    let known = there.gateways(only)?;
    let progress = call.progress("asking about the replicas");
    let replicas = side_by_side(&known, AT_ONCE, |gateway| there.replicas(&gateway.id));
    drop(progress);
    Ok(known.into_iter().zip(replicas).collect())
}
