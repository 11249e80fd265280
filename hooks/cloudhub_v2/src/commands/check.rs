//! `check`: shows which certificates expire soon, are missing or differ, for monitoring.

use std::collections::BTreeMap;

use common::anypoint::tls_contexts::TlsContext;
use common::cli::{Invocation, Outcome, Report, table};
use common::duration;
use common::error::{Error, Kind};
use common::system::workers;
use jiff::Timestamp;
use serde::Serialize;

use crate::account::Logins;
use crate::args::CheckArgs;
use crate::expiry::{self, Expiry, Within};
use crate::health::{self, Health, State};
use crate::spaces::{self, Space};
use crate::target::Target;
use crate::walk::{self, HOOK, Local};
use crate::{compare, failures, planes, settings, targets};

/// The default contexts are left out: the platform renews them by itself.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    if args.planes {
        return planes::run(call);
    }
    let domain = args.domain.as_deref();
    let mut check = Check {
        now: call.clock.now(),
        within: Within(args.within),
        domain,
        certificates: Vec::new(),
        targets: Vec::new(),
        failures: Vec::new(),
    };
    let call = match domain {
        Some(domain) => check.prepare_one(call, domain)?,
        None => check.prepare_all(call)?,
    };
    let workers = settings::workers(&call.settings)?;
    let all: Vec<&Target> = check.targets.iter().map(|(_, target)| target).collect();
    let (spaces, refused) = spaces::distinct(&all, workers);
    let read = workers::side_by_side(&spaces, workers, |space| space.contexts());
    let mut rows = Vec::new();
    let mut failed = refused;
    for (space, contexts) in spaces.iter().zip(read) {
        match contexts {
            Ok(contexts) => rows.extend(check.rows(space, &contexts)),
            Err(err) => failed.push(err),
        }
    }
    let (read, mut failures) = (spaces.len(), check.failures);
    failures.extend(failed);
    let worst = rows.iter().map(|row| row.state).max();
    call.result(&Checked {
        within: args.within.map(duration::show),
        contexts: rows,
    })?;
    let all = read.max(1) + failures.len();
    failures::conclude(failures, all, "The others are shown.", &call.log)?;
    Ok(worst.unwrap_or(State::Ok).outcome())
}

#[derive(Debug, Serialize)]
struct Checked {
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<String>,
    contexts: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    name: String,
    domains: Vec<String>,
    expires: Option<String>,
    days_left: Option<i64>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Report for Checked {
    fn text(&self) -> String {
        let mut rows =
            vec![["STATE", "TARGET", "CONTEXT", "EXPIRES", "DAYS", "DOMAINS"].map(str::to_owned)];
        let dash = || "-".to_owned();
        rows.extend(self.contexts.iter().map(|row| {
            [
                row.state.word().to_owned(),
                row.target.clone(),
                row.name.clone(),
                row.expires.clone().unwrap_or_else(dash),
                row.days_left.map_or_else(dash, |days| days.to_string()),
                row.domains.join(", "),
            ]
        }));
        let mut text = table(&rows);
        for row in &self.contexts {
            if let Some(detail) = &row.detail {
                text += &format!("\n{} in {}: {detail}", row.name, row.target);
            }
        }
        text
    }
}

/// What is checked, and what goes wrong on the way.
struct Check<'a> {
    now: Timestamp,
    within: Within,
    /// The one domain that is asked about.
    domain: Option<&'a str>,
    certificates: Vec<Certificate>,
    /// Each with the number of its certificate, if it is one of acme.sh's.
    targets: Vec<(Option<usize>, Target)>,
    failures: Vec<anyhow::Error>,
}

/// A certificate that has to be deployed.
struct Certificate {
    domain: String,
    /// What acme.sh has, if its home is known.
    local: Option<Local>,
}

impl Check<'_> {
    fn prepare_one(&mut self, call: &Invocation, domain: &str) -> anyhow::Result<Invocation> {
        let call = call.for_domain(domain)?;
        let local = match call.settings.home() {
            Some(home) => walk::youngest(home, domain, self.now)?,
            None => None,
        };
        let targets = targets::load(&call, Some(domain))?;
        self.targets = targets
            .into_iter()
            .map(|target| (Some(0), target))
            .collect();
        self.certificates.push(Certificate {
            domain: domain.to_owned(),
            local: local.map(|(_, local)| local),
        });
        Ok(call)
    }

    /// Every certificate in acme.sh's home goes where its own saved settings say, beside the targets that are set.
    fn prepare_all(&mut self, call: &Invocation) -> anyhow::Result<Invocation> {
        let with_home = call.with_settings(call.settings.with_usual_home()?);
        let Some(home) = with_home.settings.home() else {
            self.add_given(call)?;
            return Ok(call.clone());
        };
        let walked = match walk::certificates(home) {
            Ok(walked) => walked,
            // The usual home need not be there; one that was named has to.
            Err(err) if err.kind() == Kind::NotFound && call.settings.home().is_none() => {
                self.add_given(call)?;
                return Ok(call.clone());
            }
            Err(err) => return Err(err.into()),
        };
        if walked.is_empty() && !targets::are_given(&with_home)? {
            return Err(Error::config(format!(
                "there is nothing to check: no certificate in {} names the deploy hook {HOOK}",
                home.certificates.display()
            ))
            .advise(
                "Name acme.sh's home with --home, or a private space with CH2_PRIVATE_SPACE_ID.",
            )
            .into());
        }
        let mut logins = Logins::default();
        for one in walked {
            let domain = one.domain.clone();
            if let Err(err) = self.add_walked(&with_home, one, &mut logins) {
                self.failures.push(err.context(domain));
            }
        }
        if targets::are_given(&with_home)? {
            match targets::load_with(&mut logins, &with_home, None) {
                Ok(given) => self
                    .targets
                    .extend(given.into_iter().map(|target| (None, target))),
                Err(err) => self.failures.push(err.into()),
            }
        }
        Ok(with_home)
    }

    fn add_given(&mut self, call: &Invocation) -> anyhow::Result<()> {
        let given = targets::load(call, None)?;
        self.targets
            .extend(given.into_iter().map(|target| (None, target)));
        Ok(())
    }

    fn add_walked(
        &mut self,
        call: &Invocation,
        walked: walk::Walked,
        logins: &mut Logins,
    ) -> anyhow::Result<()> {
        let conf = walked.conf?;
        let call = call.with_settings(call.settings.for_certificate(&walked.stored)?);
        let local = Local::read(&walked.domain, &walked.stored, &conf, self.now)?;
        let targets = targets::load_with(logins, &call, Some(&walked.domain))?;
        let number = self.certificates.len();
        self.certificates.push(Certificate {
            domain: walked.domain,
            local: Some(local),
        });
        self.targets
            .extend(targets.into_iter().map(|target| (Some(number), target)));
        Ok(())
    }

    /// The certificates that go into a private space, by the names of their contexts.
    fn expected(&self, space: &Space<'_>) -> BTreeMap<String, Vec<&Certificate>> {
        let mut expected: BTreeMap<String, Vec<&Certificate>> = BTreeMap::new();
        for at in &space.members {
            let (Some(number), target) = &self.targets[*at] else {
                continue;
            };
            let certificate = &self.certificates[*number];
            let name = target.context_for(&certificate.domain);
            let there = expected.entry(name).or_default();
            // A target may be set twice, by id and by name.
            if !there.iter().any(|known| std::ptr::eq(*known, certificate)) {
                there.push(certificate);
            }
        }
        expected
    }

    fn rows(&self, space: &Space<'_>, contexts: &[TlsContext]) -> Vec<Row> {
        let expected_here = self.expected(space);
        let mut rows = Vec::new();
        for context in contexts.iter().filter(|context| !context.is_default()) {
            let expected = expected_here.get(&context.name).and_then(|all| last(all));
            let expected = expected.filter(|one| compare::belongs(context, &one.domain));
            let is_asked_for = self
                .domain
                .is_none_or(|domain| compare::belongs(context, domain));
            if is_asked_for {
                let local = expected.and_then(|one| one.local.as_ref());
                let health = health::judge(context, local, self.now, self.within);
                rows.push(self.row(space, context, &health));
            }
        }
        for (name, all) in &expected_here {
            let Some(certificate) = last(all) else {
                continue;
            };
            let domain = &certificate.domain;
            let there = contexts.iter().find(|context| context.name == *name);
            let is_there = match self.domain {
                // Under whatever name: somebody may have made it by hand.
                Some(domain) => contexts.iter().any(|one| compare::belongs(one, domain)),
                None => there.is_some_and(|context| compare::belongs(context, domain)),
            };
            if is_there {
                continue;
            }
            let why =
                there.map(|_| "the TLS context of that name is for another domain".to_owned());
            let health = health::missing(certificate.local.as_ref(), why);
            rows.push(Row {
                target: space.target.name.clone(),
                name: name.clone(),
                domains: vec![domain.clone()],
                expires: None,
                days_left: None,
                state: health.state,
                detail: health.detail(),
            });
        }
        rows
    }

    fn row(&self, space: &Space<'_>, context: &TlsContext, health: &Health) -> Row {
        let expiry = Expiry::of(context, expiry::date_of(self.now));
        Row {
            target: space.target.name.clone(),
            name: context.name.clone(),
            domains: context.domains().into_iter().map(str::to_owned).collect(),
            expires: expiry.date,
            days_left: expiry.days_left,
            state: health.state,
            detail: health.detail(),
        }
    }
}

/// Of two certificates that go into one context, the one that was issued last.
fn last<'a>(all: &[&'a Certificate]) -> Option<&'a Certificate> {
    let issued = |one: &&&Certificate| {
        one.local
            .as_ref()
            .map(|local| local.identity.leaf.not_before)
    };
    all.iter().max_by_key(issued).copied()
}
