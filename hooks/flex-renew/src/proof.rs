//! Whether the platform confirms that replicas run with the new certificate.

use std::fmt;
use std::time::Duration;

use common::anypoint::Credentials;
use common::anypoint::standalone::Replica;
use common::cli::Invocation;
use common::duration;
use common::error::{Error, Kind, Result};
use common::flex::registration::Registration;
use common::system::polling::{Look, Pauses, poll};
use serde::Serialize;

use crate::platform::{Environment, has_credentials};

/// Replicas connect within seconds to minutes.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// That the replicas run with the new certificate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Proof {
    /// How many replicas are connected.
    replicas: usize,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replicas {
            1 => f.write_str("1 replica reports the new certificate"),
            n => write!(f, "{n} replicas report the new certificate"),
        }
    }
}

/// Checks before anything is changed whether what is needed to ask the platform is complete, if some of it is given.
pub(crate) fn check_settings(call: &Invocation) -> Result<()> {
    if has_credentials(&call.settings)? {
        Credentials::general(&call.settings)?;
    }
    Ok(())
}

/// Waits until every connected replica reports the new certificate. `None` where there are no credentials to ask with,
/// or the registration does not say which gateway it is.
pub(crate) fn of_replicas(
    call: &Invocation,
    registration: &Registration,
    limit: Duration,
) -> Result<Option<Proof>> {
    if !has_credentials(&call.settings)? {
        call.log
            .debug("the platform is not asked: ANYPOINT_CLIENT_ID and ANYPOINT_BEARER are not set");
        return Ok(None);
    }
    let credentials = Credentials::general(&call.settings)?;
    let Some(id) = &registration.gateway else {
        call.log.warn(
            "the platform is not asked: the registration does not name its gateway (agentId)",
        );
        return Ok(None);
    };
    wait(call, registration, id, credentials, limit)
        .map(Some)
        .map_err(|err| {
            let advice = err.advice().map(str::to_owned);
            let unproved = Error::new(
                Kind::Unproved,
                "the new registration is installed, but the platform does not prove it",
            )
            .caused_by(err);
            unproved.advise(advice.unwrap_or_else(|| {
                "The new file stays. Look at flex-renew status and at the gateway's log.".to_owned()
            }))
        })
}

fn wait(
    call: &Invocation,
    registration: &Registration,
    id: &str,
    credentials: Credentials,
    limit: Duration,
) -> Result<Proof> {
    let there = Environment::of(call, Some(registration), credentials)?;
    let expiry = registration.expiry().as_second();
    let progress = call.progress("waiting for the replicas");
    let look = || -> Result<_> {
        let replicas = there.replicas(id)?;
        let connected: Vec<&Replica> = replicas
            .iter()
            .filter(|replica| replica.is_connected())
            .collect();
        let current = |replica: &&&Replica| {
            replica
                .certificate_expiration_date
                .is_some_and(|date| date.as_second() >= expiry)
        };
        let new = connected.iter().filter(current).count();
        Ok(if new == connected.len() && new > 0 {
            Look::Done(Proof { replicas: new })
        } else {
            Look::NotYet(format!(
                "{new} of {} connected replicas report it",
                connected.len()
            ))
        })
    };
    let last = poll(
        call.clock.as_ref(),
        limit,
        Pauses::of(BETWEEN_LOOKS),
        look,
        |seen| progress.tick(limit, seen),
    )?;
    match last {
        Look::Done(proof) => Ok(proof),
        Look::NotYet(seen) => Err(Error::new(
            Kind::Unproved,
            format!("after {} {seen}", duration::show(limit)),
        )
        .advise(
            "The new file stays. See that it has reached every host of the gateway and that each replica was \
             restarted; flex-renew status shows what the platform knows. Gateways in Local Mode report nothing.",
        )),
    }
}
