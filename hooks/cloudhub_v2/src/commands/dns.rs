//! `dns`: shows the DNS record that leads a domain to a private space.

use std::net::IpAddr;

use anyhow::Context as _;
use common::cli::{Invocation, Outcome, Report};
use common::error::{self, Error, Result};
use common::net::dns::Resolver;
use serde::Serialize;

use crate::args::DnsArgs;
use crate::domain::canonical;
use crate::target::Target;
use crate::{settings, targets};

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

pub(crate) fn run(call: &Invocation, args: &DnsArgs) -> anyhow::Result<Outcome> {
    let call = &call.for_domain(&args.domain)?;
    let targets = targets::load(call, Some(&args.domain))?;
    let resolver = call.resolver(&settings::resolvers(&call.settings)?)?;
    let domain = canonical(&args.domain);
    let now = Now::ask(&resolver, &domain);
    let mut rows = Vec::new();
    for target in &targets {
        let space = || format!("private space {}", target.name);
        rows.push(row(target, &domain, &now, &resolver).with_context(space)?);
    }
    let states: Vec<State> = rows.iter().map(|row| row.state).collect();
    call.result(&Advice {
        domain,
        targets: rows,
    })?;
    if !args.check || states.contains(&State::Ok) {
        // One record leads to one private space: it is enough that it leads to some target.
        return Ok(Outcome::Done);
    }
    if states.contains(&State::Unknown) {
        return Err(
            Error::new(error::Kind::Unreachable, "DNS gave no answer in time")
                .advise("Try again later, or name another name server with --resolver.")
                .into(),
        );
    }
    Ok(Outcome::Due)
}

fn row(target: &Target, domain: &str, now: &Now, resolver: &Resolver) -> Result<Row> {
    let space = target.private_space()?;
    let dns_target = space.network.dns_target.ok_or_else(|| {
        Error::not_found(format!("the platform does not report the DNS target of {}", space.name))
            .advise(
                "Runtime Manager > Private Spaces > the space > Network shows it as \"DNS target\"; point the domain there \
                 with `dns_cf cname set DOMAIN TARGET`.",
            )
    })?;
    let (state, answer) = now.compare(&dns_target, resolver);
    Ok(Row {
        target: target.name.clone(),
        command: format!("dns_cf cname set '{domain}' {dns_target}"),
        dns_target,
        state,
        answer,
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
