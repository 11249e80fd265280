//! What a check has found about registrations and replicas, and the commands that mend it.

use std::time::Duration;

use common::anypoint::standalone::{Gateway as Known, Replica};
use common::cli::Invocation;
use common::cli::exit::kind_of;
use common::cli::monitoring::{Item, Kind, State};
use common::error;
use common::flex::registration::Registration;
use common::net::http::base_url;
use jiff::{SignedDuration, Timestamp};

use crate::gateway::Gateway;
use crate::platform::{self, Environment};
use crate::settings::{ENVIRONMENT, ORGANIZATION};

/// What renews a registration.
const PROGRAM: &str = "flex-renew";

/// A registration of this host or of one of its clusters, as a check has read it.
#[derive(Debug)]
pub(crate) struct Installed<'a> {
    pub(crate) gateway: &'a Gateway,
    /// None where it cannot be read, in the middle of a renewal.
    pub(crate) registration: Option<Registration>,
    /// Where it is.
    pub(crate) place: String,
    /// Whether a renewal of it was begun and has not ended.
    pub(crate) is_unfinished: bool,
    /// When the next call of `run` renews it.
    pub(crate) renewal_due: Option<Timestamp>,
}

impl Installed<'_> {
    /// How it is, without regard to what was begun.
    fn state(&self, now: Timestamp) -> Option<State> {
        let registration = self.registration.as_ref()?;
        Some(if now > registration.expiry() {
            State::Expired
        } else if self.renewal_due.is_some_and(|moment| now >= moment) {
            State::Due
        } else {
            State::Ok
        })
    }

    /// Whether a renewal is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.state(now) == Some(State::Due)
    }

    /// One finding about the registration, and one about what was begun.
    pub(crate) fn items(&self, now: Timestamp) -> Vec<Item> {
        let mut items = Vec::new();
        if let (Some(registration), Some(state)) = (&self.registration, self.state(now)) {
            let mut item = Item::new(Kind::Registration, &self.gateway.name, state)
                .until(registration.expiry(), now)
                .at("registration", &self.place);
            for (key, value) in [
                ("organization", &registration.organization),
                ("environment", &registration.environment),
                ("gateway", &registration.gateway),
            ] {
                if let Some(value) = value {
                    item = item.at(key, value);
                }
            }
            item.not_before = Some(registration.certificate.not_before);
            item.renewal_due = self.renewal_due;
            item.renewed_by = Some(PROGRAM.to_owned());
            item.advice = (state != State::Ok).then(|| self.renew());
            items.push(item);
        }
        if self.is_unfinished {
            let mut item = Item::new(Kind::UnfinishedWork, &self.gateway.name, State::Unfinished)
                .at("target", &self.place);
            item.detail = Some("a renewal was begun and not finished".to_owned());
            item.advice = Some(self.renew());
            items.push(item);
        }
        items
    }

    fn renew(&self) -> String {
        format!("{PROGRAM} renew {}", self.gateway.on_the_command_line())
    }

    /// Whether it is the registration of the gateway with this id.
    fn is_of(&self, id: &str) -> bool {
        let registration = self.registration.as_ref();
        registration.is_some_and(|registration| registration.gateway.as_deref() == Some(id))
    }
}

/// A registration that nothing is known of.
pub(crate) fn unknown(gateway: &Gateway, err: &anyhow::Error) -> Item {
    let item = Item::new(Kind::Registration, &gateway.name, State::Unknown)
        .at("registration", gateway.place_in_words());
    item.because(err)
}

/// Credentials for `flexctl` that the platform has not accepted.
pub(crate) fn credentials(call: &Invocation, one: &Installed<'_>, err: &anyhow::Error) -> Item {
    let state = match kind_of(err) {
        Some(error::Kind::Credentials) => State::Missing,
        _ => State::Unknown,
    };
    let name = format!("credentials for flexctl of {}", one.gateway.name);
    let item = Item::new(Kind::Platform, name, state);
    at_host(call, one.registration.as_ref(), item).because(err)
}

/// An environment that nothing is known of.
pub(crate) fn unknown_environment(call: &Invocation, err: &anyhow::Error) -> Item {
    let set = |setting| {
        let found = call.settings.text(setting).ok().flatten();
        found.map(|found| found.value)
    };
    let environment = set(&ENVIRONMENT);
    let name = match &environment {
        Some(environment) => format!("replicas in {environment}"),
        None => "replicas".to_owned(),
    };
    let mut item = Item::new(Kind::Platform, name, State::Unknown);
    for (key, value) in [
        ("organization", set(&ORGANIZATION)),
        ("environment", environment),
    ] {
        if let Some(value) = value {
            item = item.at(key, value);
        }
    }
    at_host(call, None, item).because(err)
}

/// A gateway whose replicas could not be read.
pub(crate) fn unknown_replicas(call: &Invocation, known: &Known, err: &anyhow::Error) -> Item {
    let item = Item::new(
        Kind::Platform,
        format!("replicas of {}", known.name),
        State::Unknown,
    )
    .at("gateway", &known.id);
    at_host(call, None, item).because(err)
}

/// Says which control plane is asked.
fn at_host(call: &Invocation, registration: Option<&Registration>, item: Item) -> Item {
    let url = platform::address(&call.settings, registration).ok();
    match url.and_then(|url| base_url(&url).ok()?.host_str().map(str::to_owned)) {
        Some(host) => item.at("host", host),
        None => item,
    }
}

/// What is needed to judge replicas.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) there: &'a Environment,
    pub(crate) installed: &'a [Installed<'a>],
    /// When a replica is due whose registration is somewhere else.
    pub(crate) within: Duration,
    pub(crate) now: Timestamp,
}

/// What a replica is judged by.
struct Circumstances<'a> {
    /// The registration of its gateway, where it is installed here.
    installed: Option<&'a Installed<'a>>,
    is_connected: bool,
    /// Whether anybody depends on it.
    counts: bool,
}

impl Judge<'_> {
    /// One finding for each replica.
    ///
    /// One that is not connected stays listed for days after a restart. So it counts only if none of its gateway is
    /// connected, and then the one whose certificate ends last: with an expired one a gateway cannot connect.
    pub(crate) fn replicas(&self, known: &Known, replicas: &[Replica]) -> Vec<Item> {
        let is_one_connected = replicas.iter().any(Replica::is_connected);
        let latest = replicas
            .iter()
            .filter_map(|replica| replica.certificate_expiration_date)
            .max();
        let installed = self.installed.iter().find(|one| one.is_of(&known.id));
        let judged = replicas.iter().map(|replica| {
            let is_last = !is_one_connected && replica.certificate_expiration_date == latest;
            let circumstances = Circumstances {
                installed,
                is_connected: replica.is_connected(),
                counts: replica.is_connected() || is_last,
            };
            self.replica(known, replica, &circumstances)
        });
        judged.collect()
    }

    fn replica(&self, known: &Known, replica: &Replica, of: &Circumstances<'_>) -> Item {
        let expires = replica.certificate_expiration_date;
        let is_older = expires.is_some_and(|expires| of.is_older(expires));
        let state = match expires {
            None if of.is_connected => State::Unknown,
            Some(expires) if of.counts => self.state(expires, is_older, of),
            _ => State::Ok,
        };
        let name = replica.name.as_deref().filter(|name| !name.is_empty());
        let name = format!("{}/{}", known.name, name.unwrap_or("unnamed"));
        let mut item = Item::new(Kind::Replica, name, state)
            .at("organization", self.there.organization.as_str())
            .at("environment", self.there.environment.as_str())
            .at("gateway", &known.id);
        if let Some(expires) = expires {
            item = item.until(expires, self.now);
        }
        if let Some(installed) = of.installed.filter(|_| of.is_connected && !is_older) {
            item.renewal_due = installed.renewal_due;
            item.renewed_by = Some(PROGRAM.to_owned());
        }
        let mut detail = Vec::new();
        if !of.is_connected {
            detail.push(match replica.status.as_str() {
                "" => "not connected",
                status => status,
            });
        }
        if state == State::Unknown {
            detail.push("it reports no certificate");
        }
        if is_older && state != State::Ok {
            detail.push("it runs with an older registration than the one installed here");
        }
        item.detail = (!detail.is_empty()).then(|| detail.join("; "));
        item.advice = match (state, of.installed) {
            (State::Ok | State::Unknown, _) => None,
            _ if is_older => Some("Restart the gateway.".to_owned()),
            (_, Some(installed)) => Some(installed.renew()),
            (_, None) => Some(format!("{PROGRAM} run, where its registration is")),
        };
        item
    }

    fn state(&self, expires: Timestamp, is_older: bool, of: &Circumstances<'_>) -> State {
        let is_due = || match of.installed {
            Some(same) => same.is_due(self.now),
            None => SignedDuration::try_from(self.within)
                .is_ok_and(|within| expires.duration_since(self.now) <= within),
        };
        if self.now > expires {
            State::Expired
        } else if !of.is_connected {
            State::Ok
        } else if is_older {
            State::Differs
        } else if is_due() {
            State::Due
        } else {
            State::Ok
        }
    }
}

impl Circumstances<'_> {
    /// Whether a certificate that ends then is that of an earlier registration.
    fn is_older(&self, expires: Timestamp) -> bool {
        let installed = self.installed.and_then(|one| one.registration.as_ref());
        installed
            .is_some_and(|registration| registration.expiry().as_second() > expires.as_second())
    }
}
