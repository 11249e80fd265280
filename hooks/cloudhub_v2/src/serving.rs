//! What the ingresses serve, as `check --served` sees it: one handshake for each TLS context, without waiting.

use common::anypoint::private_spaces::PrivateSpace;
use common::cli::Invocation;
use common::cli::monitoring::{Item, Kind, State};
use common::error::{Error, Kind as ErrorKind, Result};
use common::net::tls::Judge;
use common::system::workers;
use jiff::Timestamp;

use crate::checked_context::{Certificate, CheckedContext};
use crate::proof::{self, Endpoint, Expected, Probe, Seen};
use crate::spaces::Space;

/// Looks at what is served for every TLS context that is there and names a domain. Also returned is why some of it could
/// not be found out.
pub(crate) fn look(
    call: &Invocation,
    contexts: &[CheckedContext<'_>],
    workers: usize,
    now: Timestamp,
) -> Result<(Vec<Item>, Vec<anyhow::Error>)> {
    let judge = proof::judge(call)?;
    let mut jobs = Vec::new();
    for checked in contexts {
        if let Some(job) = Job::of(call, &judge, checked)? {
            jobs.push(job);
        }
    }
    let ingresses = ingresses(&jobs, workers);
    let seen = workers::side_by_side(&jobs, workers, |job| {
        let ingress = ingresses
            .iter()
            .find(|(space, _)| std::ptr::eq(*space, job.checked.space));
        job.look(ingress.map(|(_, found)| found))
    });
    let mut items = Vec::new();
    let mut failed = Vec::new();
    for (job, (endpoint, seen)) in jobs.iter().zip(seen) {
        if let Seen::Unknown(why) = &seen {
            failed.push(job.failure(why).into());
        }
        items.push(job.item(endpoint.as_ref(), seen, now));
    }
    Ok((items, failed))
}

/// The private spaces whose ingresses have to be known, each asked once.
fn ingresses<'a>(jobs: &[Job<'a>], workers: usize) -> Vec<(&'a Space<'a>, Result<PrivateSpace>)> {
    let mut spaces: Vec<&Space<'a>> = Vec::new();
    for job in jobs.iter().filter(|job| job.probe.named().is_none()) {
        let space = job.checked.space;
        if !spaces.iter().any(|known| std::ptr::eq(*known, space)) {
            spaces.push(space);
        }
    }
    let found = workers::side_by_side(&spaces, workers, |space| space.target.private_space());
    spaces.into_iter().zip(found).collect()
}

struct Job<'a> {
    checked: &'a CheckedContext<'a>,
    call: &'a Invocation,
    probe: Probe,
    expected: Expected,
}

impl<'a> Job<'a> {
    fn of(
        call: &'a Invocation,
        judge: &Judge,
        checked: &'a CheckedContext<'a>,
    ) -> Result<Option<Self>> {
        let Some(context) = &checked.context else {
            return Ok(None);
        };
        let certificate = checked.certificate;
        let call = certificate.map_or(call, |certificate| &certificate.call);
        let domain = certificate.map(|certificate| &certificate.domain);
        let Some(domain) = domain.or(checked.domains.first()) else {
            return Ok(None);
        };
        let local = certificate.and_then(Certificate::local);
        // Whether the ingress follows is asked here, and not whether what it should serve is the latest.
        let expected = match local.filter(|_| checked.health.is_local) {
            Some(local) => Expected::Whole(Box::new(local.identity.leaf.clone())),
            None => Expected::Deployed(vec![context.clone()]),
        };
        Ok(Some(Self {
            checked,
            call,
            probe: Probe::by(judge.clone(), call, domain)?,
            expected,
        }))
    }

    fn look(&self, space: Option<&Result<PrivateSpace>>) -> (Option<Endpoint>, Seen) {
        let target = self.checked.space.target;
        let endpoint = match (self.probe.named(), space) {
            (Some(named), _) => named.clone(),
            (None, Some(Ok(space))) => match self
                .probe
                .ingress(&target.name, space.network.dns_target.as_deref())
            {
                Ok(endpoint) => endpoint,
                Err(err) => return (None, Seen::Unknown(err.to_string())),
            },
            (None, Some(Err(err))) => return (None, Seen::Unknown(err.to_string())),
            (None, None) => return (None, Seen::Unknown("no ingress is known".to_owned())),
        };
        let seen = self.probe.look_once(self.call, &endpoint, &self.expected);
        (Some(endpoint), seen)
    }

    fn failure(&self, why: &str) -> Error {
        let CheckedContext { name, space, .. } = self.checked;
        Error::new(
            ErrorKind::Unreachable,
            format!(
                "what is served for {name} in {} could not be seen: {why}",
                space.target.name
            ),
        )
        .advise(ADVICE_UNKNOWN)
    }

    fn item(&self, endpoint: Option<&Endpoint>, seen: Seen, now: Timestamp) -> Item {
        let state = match seen {
            Seen::Served(_) => State::Ok,
            Seen::NotServed(_) => State::NotServed,
            Seen::Unknown(_) => State::Unknown,
        };
        let space = self.checked.space;
        let mut item = Item::new(Kind::ServedCertificate, &self.checked.name, state)
            .at("organization", space.organization().to_string())
            .at("private_space", &space.target.name)
            .at("server_name", self.probe.server_name());
        if let Some(endpoint) = endpoint {
            item = item.at("host", &endpoint.host);
        }
        match seen {
            Seen::Served(mut proof) => {
                // It stands in the item already.
                proof.target = None;
                item = item.until(proof.valid_until, now);
                item.not_before = Some(proof.valid_from);
                item.detail = Some(proof.to_string());
            }
            Seen::NotServed(why) => {
                item.detail = Some(why);
                item.advice = Some(ADVICE_NOT_SERVED.to_owned());
            }
            Seen::Unknown(why) => {
                item.detail = Some(why);
                item.advice = Some(ADVICE_UNKNOWN.to_owned());
            }
        }
        item
    }
}

const ADVICE_NOT_SERVED: &str = "An ingress needs minutes after a deployment. If it stays so, `cloudhub_v2 list` shows \
                                 whether another TLS context is for the same domain.";

const ADVICE_UNKNOWN: &str =
    "Check where this host can reach the ingress, or name it with --connect HOST:PORT.";
