//! Whether registrations are due, by exit code; if asked for, whether replicas run with one that is not.

use std::time::Duration;

use common::anypoint::Credentials;
use common::cli::monitoring::{Item, State};
use common::cli::{Invocation, Outcome};
use common::error::{Error, Kind, Result};
use common::log::sentence;
use jiff::Timestamp;

use crate::acceptance;
use crate::args::CheckArgs;
use crate::dates::day;
use crate::due::Due;
use crate::findings::{self, Installed, Judge};
use crate::gateway::{self, Gateway};
use crate::gateway_log;
use crate::installation::Installation;
use crate::platform::Environment;
use crate::replicas;
use crate::settings::WITHIN;
use crate::several::{Failures, failed_line};

/// Checks by its exit code, and in one line for each. One that cannot be read stops no other.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let now = call.clock.now();
    let gateways = match gateway::named(&call.settings, &(&args.look).into()) {
        // Replicas can be asked about from anywhere.
        Err(err) if args.replicas && err.kind() == Kind::NotFound => Vec::new(),
        named => named?,
    };
    let mut check = Check {
        now,
        items: Vec::new(),
        lines: Vec::new(),
        failed: Vec::new(),
    };
    let mut installed = Vec::new();
    for gateway in &gateways {
        match read(call, gateway, now) {
            Ok(one) => {
                check.registration(call, &one, args.credentials);
                installed.push(one);
            }
            Err(err) => {
                let err = err.into();
                check.items.push(findings::unknown(gateway, &err));
                check.fail(&gateway.name, err);
            }
        }
    }
    let mut asked = gateways.len();
    let mut platform = None;
    if args.replicas {
        match check.replicas(call, &installed) {
            Ok(known) => asked += known,
            Err(err) => {
                let err = err.into();
                check.items.push(findings::unknown_environment(call, &err));
                platform = Some(err);
            }
        }
    }
    check.conclude(call, asked, platform)
}

/// What has been found out so far.
struct Check {
    now: Timestamp,
    items: Vec<Item>,
    lines: Vec<String>,
    /// By the gateway that it is about.
    failed: Vec<(String, anyhow::Error)>,
}

fn read<'a>(call: &Invocation, gateway: &'a Gateway, now: Timestamp) -> Result<Installed<'a>> {
    let installation = Installation::of(gateway)?;
    let is_unfinished = installation.is_unfinished(gateway, call.env());
    let read = installation.registration().and_then(|registration| {
        registration.check_key(&installation.name())?;
        Ok(registration)
    });
    let registration = match read {
        // Half of one and half of another, it may be.
        Err(_) if is_unfinished => None,
        read => Some(read?),
    };
    let renewal_due = registration.as_ref().map(|registration| {
        let certificate = &registration.certificate;
        let is_outdated = Due::of(certificate, gateway.within, now) != Due::Yes
            && Due::of_version_1(certificate, now) == Due::Yes
            && gateway_log::asks_for_renewal(call, gateway, &installation);
        let within = if is_outdated {
            Duration::MAX
        } else {
            gateway.within
        };
        Due::moment(certificate, within)
    });
    Ok(Installed {
        gateway,
        registration,
        place: installation.name(),
        is_unfinished,
        renewal_due,
    })
}

impl Check {
    fn registration(&mut self, call: &Invocation, one: &Installed<'_>, credentials: bool) {
        let name = &one.gateway.name;
        self.items.extend(one.items(self.now));
        // Where it cannot be read, it does not say where they are to be accepted either.
        let accepted = match (&one.registration, credentials) {
            (Some(registration), true) => Some(acceptance::check(call, one.gateway, registration)),
            _ => None,
        };
        match accepted {
            Some(Err(err)) => {
                let err = err.into();
                self.items.push(findings::credentials(call, one, &err));
                self.fail(name, err);
            }
            accepted => self.lines.push(line(one, accepted.is_some(), self.now)),
        }
    }

    /// Asks the platform about every gateway of the environment, and returns how many there are.
    fn replicas(&mut self, call: &Invocation, installed: &[Installed<'_>]) -> Result<usize> {
        let there = Environment::of(call, None, Credentials::general(&call.settings)?)?;
        let judge = Judge {
            there: &there,
            installed,
            within: call.settings.duration(&WITHIN)?,
            now: self.now,
        };
        let known = replicas::of_environment(call, &there, None)?;
        let count = known.len();
        for (known, replicas) in known {
            match replicas {
                Ok(replicas) => {
                    let items = judge.replicas(&known, &replicas);
                    self.lines.extend(items.iter().map(replica_line));
                    if let Some(silent) = items.iter().find(|item| item.state == State::Unknown) {
                        self.failed.push((known.name, silence(silent).into()));
                    }
                    self.items.extend(items);
                }
                Err(err) => {
                    let err = err.into();
                    self.items
                        .push(findings::unknown_replicas(call, &known, &err));
                    self.fail(&known.name, err);
                }
            }
        }
        Ok(count)
    }

    fn fail(&mut self, gateway: &str, err: anyhow::Error) {
        self.lines.push(failed_line(gateway, &sentence(&err)));
        self.failed.push((gateway.to_owned(), err));
    }

    /// `asked` is how many gateways were asked about, `platform` why those of the environment were not.
    fn conclude(
        mut self,
        call: &Invocation,
        asked: usize,
        platform: Option<anyhow::Error>,
    ) -> anyhow::Result<Outcome> {
        // The error of the only one says everything.
        if asked == 1 && !self.failed.is_empty() {
            self.lines.clear();
        }
        let outcome = call.found(self.now, self.items, &self.lines.join("\n"));
        let mut failures = Failures::of(asked);
        for (gateway, err) in self.failed {
            failures.remember(&gateway, err);
        }
        match (failures.conclude(call, outcome), platform) {
            (Err(err), Some(platform)) => {
                call.log.failure(&platform);
                Err(err)
            }
            (Ok(_), Some(platform)) => Err(platform),
            (concluded, None) => concluded,
        }
    }
}

/// A replica that is connected with nobody knows what.
fn silence(item: &Item) -> Error {
    Error::new(
        Kind::Unproved,
        format!("replica {} reports no certificate", item.name),
    )
    .advise("Check the registration itself, on the host of the gateway.")
}

/// The line for people about a registration.
fn line(one: &Installed<'_>, is_accepted: bool, now: Timestamp) -> String {
    let items = one.items(now);
    let state = items.iter().map(|item| item.state);
    let registration = items.iter().find(|item| item.not_after.is_some());
    let (word, then) = match registration.map(|item| item.state) {
        Some(State::Expired) => ("EXPIRED", ""),
        _ if state.into_iter().any(|state| state == State::Unfinished) => (
            "UNFINISHED",
            "a renewal was begun and not finished; flex-renew renew finishes it",
        ),
        Some(State::Due) => ("DUE", ""),
        _ => ("OK", ""),
    };
    let validity = registration.map_or_else(String::new, validity);
    let credentials = if is_accepted {
        "credentials accepted"
    } else {
        ""
    };
    let said: Vec<&str> = [then, &validity, credentials]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    format!("{word} {}: {}", one.gateway.name, said.join("; "))
}

/// The line for people about a replica.
fn replica_line(item: &Item) -> String {
    let word = item.state.word().to_uppercase();
    let parts = [validity(item), item.detail.clone().unwrap_or_default()];
    let said: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    format!("{word} {}: {}", item.name, said.join("; "))
}

fn validity(item: &Item) -> String {
    match (item.not_after, item.days_left) {
        (Some(expires), Some(days)) if days >= 0 => {
            format!("{days} days left, valid until {}", day(expires))
        }
        (Some(expires), _) => format!("was valid until {}", day(expires)),
        (None, _) => String::new(),
    }
}
