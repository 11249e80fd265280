//! What the platform reports: whether replicas run with the new certificate, and the state of an environment.

use std::fmt;
use std::time::Duration;

use common::anypoint::directory::{EnvironmentId, OrganizationId};
use common::anypoint::standalone::{Gateway as Known, Replica};
use common::anypoint::{self, Client, Credentials};
use common::duration;
use common::error::{Error, Kind, Result};
use common::flex::registration::Registration;
use common::log::{Output, Report};
use common::net::http::Http;
use common::settings::{Found, Key, Origin, Settings};
use common::system::clock::SharedClock;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{PlatformArgs, StatusArgs};
use crate::gateway::Gateway;
use crate::renew::{World, day};

/// The environment, name or id.
pub(crate) const ENVIRONMENT: Key =
    Key::new(&["ANYPOINT_ENV"], &["anypoint.environment"]).flag("--environment");

/// Replicas connect within seconds to minutes.
const POLL: Duration = Duration::from_secs(5);

/// That the replicas run with the new certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Proof {
    /// How many replicas are connected.
    pub(crate) replicas: usize,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replicas {
            1 => f.write_str("1 replica reports the new certificate"),
            n => write!(f, "{n} replicas report the new certificate"),
        }
    }
}

/// Waits until every connected replica reports the new certificate. `None` where there are no credentials to ask with,
/// or the registration does not say which gateway it is.
pub(crate) fn of_replicas(
    gateway: &Gateway,
    flags: &PlatformArgs,
    world: &World<'_>,
    registration: &Registration,
) -> Result<Option<Proof>> {
    let Some(credentials) = credentials(world.settings)? else {
        world
            .out
            .debug("the platform is not asked: ANYPOINT_CLIENT_ID and ANYPOINT_BEARER are not set");
        return Ok(None);
    };
    let Some(id) = &registration.gateway else {
        world.out.warn(
            "the platform is not asked: the registration does not name its gateway (agentId)",
        );
        return Ok(None);
    };
    wait(gateway, flags, world, registration, id, credentials)
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
    gateway: &Gateway,
    flags: &PlatformArgs,
    world: &World<'_>,
    registration: &Registration,
    id: &str,
    credentials: Credentials,
) -> Result<Proof> {
    let there = Environment::of(flags, world, Some(registration), credentials)?;
    let wanted = registration.expiry().as_second();
    let progress = world.out.progress("waiting for the replicas");
    let end = world.clock.elapsed() + gateway.timeout;
    loop {
        let replicas = there.replicas(id)?;
        let connected: Vec<&Replica> = replicas
            .iter()
            .filter(|replica| replica.is_connected())
            .collect();
        let current = |replica: &&&Replica| {
            replica
                .certificate_expiration_date
                .is_some_and(|date| date.as_second() >= wanted)
        };
        let new = connected.iter().filter(current).count();
        if new == connected.len() && new > 0 {
            return Ok(Proof { replicas: new });
        }
        let seen = format!("{new} of {} connected replicas report it", connected.len());
        progress.tick(gateway.timeout, &seen);
        if world.clock.elapsed() >= end {
            return Err(Error::new(
                Kind::Unproved,
                format!(
                    "after {} {seen}",
                    duration::show(gateway.timeout)
                ),
            )
            .advise(
                "The new file stays. See that it has reached every host of the gateway and that each replica was \
                 restarted; flex-renew status shows what the platform knows. Gateways in Local Mode report nothing.",
            ));
        }
        world
            .clock
            .sleep(POLL.min(end.saturating_sub(world.clock.elapsed())));
    }
}

/// The general credentials: those for `flexctl` are never used here.
fn credentials(settings: &Settings) -> Result<Option<Credentials>> {
    let any = settings.text(&anypoint::CLIENT_ID, None)?.is_some()
        || settings.secret(&anypoint::CLIENT_SECRET)?.is_some()
        || settings.secret(&anypoint::BEARER)?.is_some();
    if any {
        Credentials::general(settings).map(Some)
    } else {
        Ok(None)
    }
}

/// An environment of the platform.
struct Environment {
    client: Client,
    organization: OrganizationId,
    environment: EnvironmentId,
}

impl Environment {
    /// What flags and settings say, else what the registration says.
    fn of(
        flags: &PlatformArgs,
        world: &World<'_>,
        registration: Option<&Registration>,
        credentials: Credentials,
    ) -> Result<Self> {
        let settings = world.settings;
        let own = |field: fn(&Registration) -> &Option<String>| {
            registration
                .and_then(|registration| field(registration).clone())
                .map(|value| Found {
                    value,
                    origin: Origin::Flag("the registration"),
                })
        };
        let url = match (
            settings.text(&anypoint::URL, flags.url.as_deref())?,
            own(|r| &r.platform),
        ) {
            (None, Some(own)) if is_published(&own.value) => own.value,
            _ => anypoint::url(settings, flags.url.as_deref())?,
        };
        let http = http(&url, settings, &world.clock, &world.out)?;
        let client = Client::new(http, credentials);
        let organization = match (&flags.organization, own(|r| &r.organization)) {
            (None, Some(own)) => own,
            (flag, _) => anypoint::organization(settings, flag.as_deref())?,
        };
        let environment = match (&flags.environment, own(|r| &r.environment)) {
            (None, Some(own)) => own,
            (flag, _) => settings
                .text(&ENVIRONMENT, flag.as_deref())?
                .ok_or_else(|| {
                    Error::config("no environment is given").advise(format!(
                        "Set {} to its name or id.",
                        ENVIRONMENT.how_to_give()
                    ))
                })?,
        };
        let organization = client.organization(&organization)?;
        let environment = client.environment(&organization, &environment)?;
        Ok(Self {
            client,
            organization,
            environment,
        })
    }

    fn replicas(&self, id: &str) -> Result<Vec<Replica>> {
        self.client
            .for_target()
            .replicas(&self.organization, &self.environment, id)
    }

    fn gateways(&self, wanted: Option<&str>) -> Result<Vec<Known>> {
        let mut all = self
            .client
            .gateways(&self.organization, &self.environment)?;
        let Some(wanted) = wanted else {
            return Ok(all);
        };
        all.retain(|known| known.id == wanted || known.name == wanted);
        if all.is_empty() {
            return Err(Error::not_found(format!(
                "there is no gateway {wanted:?} in environment {}",
                self.environment
            ))
            .advise("flex-renew status without --gateway shows all. Gateways in Local Mode are not listed."));
        }
        Ok(all)
    }
}

/// Credentials go to no other address than a published one merely because a registration names it.
fn is_published(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .unwrap_or_default()
        .trim_end_matches('/');
    anypoint::PLANES.iter().any(|(_, known)| *known == host)
}

fn http(url: &str, settings: &Settings, clock: &SharedClock, out: &Output) -> Result<Http> {
    Http::new("flex-renew", url, &settings.network()?, clock.clone(), out)
}

/// What the platform reports about an environment.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    gateways: Vec<GatewayStatus>,
}

#[derive(Debug, Serialize)]
struct GatewayStatus {
    id: String,
    name: String,
    status: String,
    /// The earliest end among connected replicas.
    expires: Option<Timestamp>,
    days_left: Option<i64>,
    replicas: Vec<ReplicaStatus>,
}

#[derive(Debug, Serialize)]
struct ReplicaStatus {
    name: String,
    status: String,
    version: Option<String>,
    expires: Option<Timestamp>,
}

/// Asks the platform about one gateway or all of an environment.
pub(crate) fn status(args: &StatusArgs, world: &World<'_>) -> Result<Status> {
    let credentials = Credentials::general(world.settings)?;
    let there = Environment::of(&args.platform, world, None, credentials)?;
    let now = world.clock.now();
    let gateways = there
        .gateways(args.gateway.as_deref())?
        .into_iter()
        .map(|known| {
            let replicas = there.replicas(&known.id)?;
            Ok(GatewayStatus::new(known, replicas, now))
        })
        .collect::<Result<_>>()?;
    Ok(Status { gateways })
}

impl GatewayStatus {
    fn new(known: Known, replicas: Vec<Replica>, now: Timestamp) -> Self {
        let expires = replicas
            .iter()
            .filter(|replica| replica.is_connected())
            .filter_map(|replica| replica.certificate_expiration_date)
            .min();
        Self {
            id: known.id,
            name: known.name,
            status: known.status,
            expires,
            days_left: expires.map(|expires| expires.duration_since(now).as_hours().div_euclid(24)),
            replicas: replicas
                .into_iter()
                .map(|replica| ReplicaStatus {
                    name: replica.name.unwrap_or_default(),
                    status: replica.status,
                    version: replica.gateway_version,
                    expires: replica.certificate_expiration_date,
                })
                .collect(),
        }
    }
}

impl Report for Status {
    fn text(&self) -> String {
        if self.gateways.is_empty() {
            return "no gateways in this environment".to_owned();
        }
        let expiry = |expires: Option<Timestamp>| {
            expires.map_or_else(
                || "no certificate reported".to_owned(),
                |date| format!("valid until {}", day(date)),
            )
        };
        let mut lines = Vec::new();
        for gateway in &self.gateways {
            let left = gateway
                .days_left
                .map_or_else(String::new, |days| format!(" ({days} days left)"));
            lines.push(format!(
                "{}  {}  {}{left}  {}",
                gateway.name,
                gateway.status,
                expiry(gateway.expires),
                gateway.id
            ));
            for replica in &gateway.replicas {
                lines.push(format!(
                    "  {}  {}  {}  {}",
                    replica.name,
                    replica.status,
                    replica.version.as_deref().unwrap_or("-"),
                    expiry(replica.expires)
                ));
            }
        }
        lines.join("\n")
    }
}
