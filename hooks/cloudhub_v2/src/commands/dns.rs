//! `dns`: shows the DNS record that leads a domain to a private space.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;
use common::cli::{Invocation, Outcome, Report};
use common::error::{self, Error, Result};
use common::net::dns::Resolver;
use common::system::polling::{Look, Pauses, poll};
use common::system::signals::go_on;
use serde::Serialize;

use crate::args::DnsArgs;
use crate::domain::canonical;
use crate::settings::VERIFY_TIMEOUT;
use crate::target::Target;
use crate::{settings, targets, walk};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
struct Advice {
    domain: String,
    targets: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    /// What the record has to point to.
    dns_target: String,
    state: State,
    /// What DNS answers now.
    answer: String,
    /// The command that makes it so.
    command: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// The record is there.
    Ok,
    /// There is none.
    Missing,
    /// It points elsewhere.
    Different,
    /// DNS gave no answer.
    Unknown,
}

impl Report for Advice {
    fn text(&self) -> String {
        let rows = self.targets.iter().map(|row| {
            let state = match row.state {
                State::Ok => "correct",
                State::Missing => "MISSING",
                State::Different => "POINTS ELSEWHERE",
                State::Unknown => "UNKNOWN",
            };
            let mut text = format!(
                "{}: {} CNAME {}\n  DNS answers now: {} ({state})",
                row.target, self.domain, row.dns_target, row.answer
            );
            if row.state != State::Ok {
                text += &format!("\n  To fix it:       {}", row.command);
            }
            text
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}

/// Where records have to point to.
#[derive(Debug, Serialize)]
struct DnsTargets {
    dns_targets: Vec<String>,
}

impl Report for DnsTargets {
    /// The names alone, so that a script can take them.
    fn text(&self) -> String {
        self.dns_targets.join("\n")
    }
}

pub(crate) fn run(call: &Invocation, args: &DnsArgs) -> anyhow::Result<Outcome> {
    let call = &walk::call_for_host(call, &args.domain)?;
    let limit = call.settings.duration(&VERIFY_TIMEOUT)?;
    let resolver = call.resolver(&settings::resolvers(&call.settings)?)?;
    let mut wanted = Vec::new();
    for target in targets::load(call, Some(&args.domain))? {
        let space = || format!("private space {}", target.name);
        let dns_target = dns_target(&target).with_context(space)?;
        wanted.push((target.name, dns_target));
    }
    if args.dns_target {
        let dns_targets = wanted.into_iter().map(|(_, dns_target)| dns_target);
        call.result(&DnsTargets {
            dns_targets: dns_targets.collect(),
        })?;
        return Ok(Outcome::Done);
    }
    let domain = canonical(&args.domain);
    let advice = if args.wait {
        wait(call, limit, || Advice::ask(&resolver, &domain, &wanted))?
    } else {
        Advice::ask(&resolver, &domain, &wanted)
    };
    let outcome = advice.outcome(args, limit);
    call.result(&advice)?;
    outcome
}

/// Asks until DNS leads there, or the time is over.
fn wait(call: &Invocation, limit: Duration, ask: impl Fn() -> Advice) -> Result<Advice> {
    let progress = call.progress("waiting until DNS leads to the private space");
    let look = || -> Result<_> {
        go_on()?;
        let advice = ask();
        Ok(if advice.leads_there() {
            Look::Done(advice)
        } else {
            Look::NotYet(advice)
        })
    };
    let waiting = |advice: &Advice| {
        let seen = advice.targets.first().map_or("", |row| &row.answer);
        call.log.debug(format!("{}: {seen}", advice.domain));
        progress.tick(limit, seen);
    };
    match poll(call.clock.as_ref(), limit, Pauses::of(PAUSE), look, waiting)? {
        Look::Done(advice) | Look::NotYet(advice) => Ok(advice),
    }
}

impl Advice {
    fn ask(resolver: &Resolver, domain: &str, wanted: &[(String, String)]) -> Self {
        let now = Now::ask(resolver, domain);
        let targets = wanted.iter().map(|(target, dns_target)| {
            let (state, answer) = now.compare(dns_target, resolver);
            Row {
                target: target.clone(),
                command: format!("dns_cf cname set '{domain}' {dns_target}"),
                dns_target: dns_target.clone(),
                state,
                answer,
            }
        });
        Self {
            domain: domain.to_owned(),
            targets: targets.collect(),
        }
    }

    /// One record leads to one private space: it is enough that it leads to some target.
    fn leads_there(&self) -> bool {
        self.has(State::Ok)
    }

    fn has(&self, state: State) -> bool {
        self.targets.iter().any(|row| row.state == state)
    }

    fn outcome(&self, args: &DnsArgs, limit: Duration) -> anyhow::Result<Outcome> {
        if self.leads_there() || !(args.check || args.wait) {
            return Ok(Outcome::Done);
        }
        if self.has(State::Unknown) {
            return Err(
                Error::new(error::Kind::Unreachable, "DNS gave no answer in time")
                    .advise("Try again later, or name another name server with --resolver.")
                    .into(),
            );
        }
        if args.check {
            return Ok(Outcome::Due);
        }
        Err(Error::new(
            error::Kind::Unproved,
            format!(
                "DNS does not lead {} to the private space after {} s",
                self.domain,
                limit.as_secs()
            ),
        )
        .advise("Resolvers keep an old answer for as long as its TTL says: try again later, or with a longer --timeout.")
        .into())
    }
}

fn dns_target(target: &Target) -> Result<String> {
    let space = target.private_space()?;
    space.network.dns_target.ok_or_else(|| {
        Error::not_found(format!("the platform does not report the DNS target of {}", space.name))
            .advise(
                "Runtime Manager > Private Spaces > the space > Network shows it as \"DNS target\"; point the domain there \
                 with `dns_cf cname set DOMAIN TARGET`.",
            )
    })
}

/// What DNS answers for a domain.
#[derive(Debug, PartialEq, Eq)]
enum Now {
    Alias(String),
    Addresses(Vec<IpAddr>),
    Nothing,
    /// It gave no answer, and why.
    Silence(String),
}

impl Now {
    /// Asked once, whatever the number of targets: silence takes its time.
    fn ask(resolver: &Resolver, domain: &str) -> Self {
        match resolver.alias(domain) {
            Err(err) => return Self::Silence(err.to_string()),
            Ok(Some(alias)) => return Self::Alias(canonical(&alias)),
            Ok(None) => {}
        }
        // A zone's apex takes no CNAME: there, and behind a proxy, only addresses are seen.
        match resolver.addresses(domain) {
            Err(err) => Self::Silence(err.to_string()),
            Ok(addresses) if addresses.is_empty() => Self::Nothing,
            Ok(addresses) => Self::Addresses(addresses),
        }
    }

    fn compare(&self, wanted: &str, resolver: &Resolver) -> (State, String) {
        match self {
            Self::Alias(alias) if *alias == canonical(wanted) => {
                (State::Ok, format!("CNAME {alias}"))
            }
            Self::Alias(alias) => (State::Different, format!("CNAME {alias}")),
            Self::Nothing => (State::Missing, "no record".to_owned()),
            Self::Silence(why) => (State::Unknown, why.clone()),
            Self::Addresses(own) => {
                let shown: Vec<String> = own.iter().map(ToString::to_string).collect();
                let theirs = resolver.addresses(wanted).unwrap_or_default();
                if own.iter().all(|address| theirs.contains(address)) {
                    (State::Ok, format!("{}, as {wanted} does", shown.join(", ")))
                } else {
                    (State::Different, shown.join(", "))
                }
            }
        }
    }
}
