//! Proving that an address is answered by an application, and not by the ingress itself.

use std::net::SocketAddr;
use std::time::Duration;

use common::anypoint::endpoints::Address;
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::net::http::{Http, Repeat, Reply};
use common::system::polling::{Look, Pauses, poll};
use serde::Serialize;

/// What was answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answered {
    /// Which address of the ingress.
    at: SocketAddr,
    pub(crate) status: u16,
}

/// Looks until every address of the ingress hands requests for `address` to an application.
pub(crate) fn prove(
    call: &Invocation,
    address: &Address,
    at: &[SocketAddr],
    limit: Duration,
) -> Result<Vec<Answered>> {
    let mut clients = Vec::new();
    for one in at {
        let ip = one.ip().to_string();
        let base = format!("https://{}", address.host);
        let made = call.http_for_each_address(&base, Some((&ip, one.port())))?;
        clients.extend(made.into_iter().map(|(_, http)| (*one, http)));
    }
    let progress = call.progress(format!("waiting for {address} to be answered"));
    let look = || -> Result<_> {
        let mut answered = Vec::new();
        for (at, http) in &clients {
            match ask(http, address) {
                Ok(status) => answered.push(Answered { at: *at, status }),
                Err(why) => return Ok(Look::NotYet(format!("{at}: {why}"))),
            }
        }
        Ok(Look::Done(answered))
    };
    let pauses = Pauses::doubling(Duration::from_millis(500), Duration::from_secs(5));
    let last = poll(call.clock.as_ref(), limit, pauses, look, |why| {
        progress.tick(limit, why);
        call.log.debug(format!("{address}: {why}"));
    })?;
    match last {
        Look::Done(answered) => Ok(answered),
        Look::NotYet(why) => Err(Error::new(
            Kind::Unproved,
            format!(
                "{address}: no proof after {} s that the application answers: {why}",
                limit.as_secs()
            ),
        )
        .advise(
            "The ingress may need longer: run it again with a longer --timeout. If it stays so, look in Runtime Manager \
             whether the application runs and which endpoints it has.",
        )),
    }
}

/// The status with which an application answers; else what was seen instead.
fn ask(http: &Http, address: &Address) -> std::result::Result<u16, String> {
    let path = match address.path.as_str() {
        "" => "/",
        path => path,
    };
    let reply = http
        .for_target()
        .get(path)
        .repeat(Repeat::Never)
        .send()
        .map_err(|err| err.to_string())?;
    if is_of_ingress(&reply) {
        return Err(format!(
            "the ingress itself answers with {}, no application",
            reply.status()
        ));
    }
    Ok(reply.status())
}

/// Whether it is a page of the ingress's own. It is nginx, whose pages name it, or the default backend of its controller for
/// Kubernetes. Sources: CloudHub 2.0's network architecture in the vendor's documentation;
/// <https://kubernetes.github.io/ingress-nginx/user-guide/default-backend/>
fn is_of_ingress(reply: &Reply) -> bool {
    let body = String::from_utf8_lossy(reply.body());
    matches!(reply.status(), 404 | 502..=504)
        && (body.contains("<center>nginx")
            || body.trim_start().starts_with("default backend - 404"))
}
