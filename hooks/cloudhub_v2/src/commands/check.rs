//! `check`: reports which certificates expire soon, are missing, differ or are not served, for monitoring.

use std::collections::BTreeMap;
use std::path::Path;

use common::acme_sh::Stored;
use common::anypoint::tls_contexts::TlsContext;
use common::cli::monitoring::{Item, Kind as What, State};
use common::cli::{Invocation, Outcome};
use common::error::{Error, Kind, Result};
use common::settings::Setting;
use common::system::workers;
use jiff::Timestamp;

use crate::account::Logins;
use crate::args::CheckArgs;
use crate::checked_context::{self, Certificate, CheckedContext, Kept};
use crate::expiry::Within;
use crate::settings::{VERIFY_CONNECT, VERIFY_RESOLVER, VERIFY_SERVER_NAME};
use crate::spaces::{self, Refused, Space};
use crate::target::Target;
use crate::walk::{self, HOOK, Local};
use crate::{compare, failures, health, planes, serving, settings, targets};

/// The default contexts are left out: the platform renews them by itself.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    if args.planes {
        return planes::run(call);
    }
    check_flags(call, args)?;
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
    let mut failed = std::mem::take(&mut check.failures);
    let mut unasked: Vec<Item> = failed.iter().map(|err| not_asked(err, None)).collect();
    for Refused { host, err } in refused {
        unasked.push(not_asked(&err, Some(&host)));
        failed.push(err);
    }
    let (mut contexts, mut read_well) = (Vec::new(), 0);
    for (space, read) in spaces.iter().zip(read) {
        match read {
            Ok(read) => {
                read_well += 1;
                contexts.extend(check.contexts(space, read));
            }
            Err(err) => {
                unasked.push(not_asked(&err, Some(space.target.account.host())));
                failed.push(err);
            }
        }
    }
    let (now, within) = (check.now, check.within);
    let mut items: Vec<Item> = contexts.iter().map(|checked| checked.item(now)).collect();
    let certificates = check.certificates.iter();
    items.extend(certificates.filter_map(|one| one.item(now, within)));
    items.extend(unasked);
    if args.served {
        let (served, unseen) = serving::look(&call, &contexts, workers, now)?;
        items.extend(served);
        failed.extend(unseen);
    }
    let text = checked_context::text(&items, failed.is_empty());
    let outcome = call.found(now, items, &text);
    let all = read_well + failed.len();
    failures::conclude(failed, all, "The others are shown.", &call.log)?;
    Ok(outcome)
}

/// What is said of a look at the ingresses has to apply to one.
fn check_flags(call: &Invocation, args: &CheckArgs) -> Result<()> {
    let given = |setting: &Setting| {
        let is_given = call.settings.flag(setting).is_some();
        setting.flag.map(|flag| flag.name).filter(|_| is_given)
    };
    let all = [&VERIFY_CONNECT, &VERIFY_SERVER_NAME, &VERIFY_RESOLVER];
    if let Some(flag) = all.into_iter().find_map(given).filter(|_| !args.served) {
        return Err(Error::config(format!(
            "{flag} says nothing without --served"
        )));
    }
    match given(&VERIFY_SERVER_NAME).filter(|_| args.domain.is_none()) {
        Some(flag) => Err(
            Error::config(format!("{flag} can be the name of one certificate only"))
                .advise("Give the DOMAIN whose certificate is meant."),
        ),
        None => Ok(()),
    }
}

/// What could not be asked, as a row of its own.
fn not_asked(err: &anyhow::Error, host: Option<&str>) -> Item {
    let item = Item::new(What::Platform, err.to_string(), State::Unknown).because(err);
    match host {
        Some(host) => item.at("host", host),
        None => item,
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

impl Check<'_> {
    fn prepare_one(&mut self, call: &Invocation, domain: &str) -> anyhow::Result<Invocation> {
        let call = call.for_domain(domain)?;
        let local = match call.settings.home() {
            Some(home) => walk::youngest(home, domain, self.now)?
                .map(|(stored, local)| kept(&home.certificates, &stored, local)),
            None => None,
        };
        let targets = targets::load(&call, Some(domain))?;
        self.targets = targets
            .into_iter()
            .map(|target| (Some(0), target))
            .collect();
        self.certificates.push(Certificate {
            domain: domain.to_owned(),
            local,
            call: call.clone(),
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
            if let Err(err) = self.add_walked(&with_home, &home.certificates, one, &mut logins) {
                self.failures.push(err.context(domain));
            }
        }
        if targets::are_given(&with_home)? {
            match targets::load_with(&mut logins, &with_home, None) {
                Ok(given) => self
                    .targets
                    .extend(given.into_iter().map(|target| (None, target))),
                Err(err) => self
                    .failures
                    .push(anyhow::Error::new(err).context("the private spaces that are set")),
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
        home: &Path,
        walked: walk::Walked,
        logins: &mut Logins,
    ) -> anyhow::Result<()> {
        let conf = walked.conf?;
        let call = call.with_settings(call.settings.for_certificate(&walked.stored)?);
        let local = Local::read(&walked.domain, &walked.stored, &conf, self.now)?;
        let targets = targets::load_with(logins, &call, Some(&walked.domain))?;
        let number = self.certificates.len();
        self.certificates.push(Certificate {
            local: Some(kept(home, &walked.stored, local)),
            domain: walked.domain,
            call,
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

    fn contexts<'b>(
        &'b self,
        space: &'b Space<'b>,
        contexts: Vec<TlsContext>,
    ) -> Vec<CheckedContext<'b>> {
        let expected_here = self.expected(space);
        let mut missing = Vec::new();
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
            missing.push(CheckedContext {
                space,
                name: name.clone(),
                domains: vec![domain.clone()],
                context: None,
                certificate: Some(certificate),
                health: health::missing(certificate.local(), why),
            });
        }
        let mut checked = Vec::new();
        for context in contexts.into_iter().filter(|one| !one.is_default()) {
            let expected = expected_here.get(&context.name).and_then(|all| last(all));
            let certificate = expected.filter(|one| compare::belongs(&context, &one.domain));
            let is_asked_for = self
                .domain
                .is_none_or(|domain| compare::belongs(&context, domain));
            if is_asked_for {
                let local = certificate.and_then(Certificate::local);
                checked.push(CheckedContext {
                    space,
                    name: context.name.clone(),
                    domains: context.domains().into_iter().map(str::to_owned).collect(),
                    health: health::judge(&context, local, self.now, self.within),
                    context: Some(context),
                    certificate,
                });
            }
        }
        checked.extend(missing);
        checked
    }
}

fn kept(home: &Path, stored: &Stored, local: Local) -> Kept {
    let folder = stored.folder.file_name().unwrap_or_default();
    Kept {
        local,
        home: home.display().to_string(),
        key_type: if folder.to_string_lossy().ends_with("_ecc") {
            "ecc"
        } else {
            "rsa"
        },
    }
}

/// Of two certificates that go into one context, the one that was issued last.
fn last<'a>(all: &[&'a Certificate]) -> Option<&'a Certificate> {
    let issued = |one: &&&Certificate| one.local().map(|local| local.identity.leaf.not_before);
    all.iter().max_by_key(issued).copied()
}
