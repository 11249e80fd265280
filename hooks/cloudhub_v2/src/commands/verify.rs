//! `verify`: proves that the ingress serves a domain's certificate.

use std::path::Path;

use anyhow::Context as _;
use common::anypoint::tls_contexts::TlsContext;
use common::cert::Certificate;
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Result};
use common::system::{files, workers};
use serde::Serialize;

use crate::args::VerifyArgs;
use crate::proof::{Expected, Probe, Proof};
use crate::target::Target;
use crate::{compare, failures, settings, targets, walk};

/// The largest certificate file.
const LARGEST: u64 = 1024 * 1024;

pub(crate) fn run(call: &Invocation, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let domain = &args.domain;
    let call = &call.for_domain(domain)?;
    let probe = Probe::new(call, domain)?;
    let local = local(call, args)?;
    let is_needless = local.is_some() && (probe.named().is_some() || !targets::are_given(call)?);
    let targets = if is_needless {
        Vec::new()
    } else {
        targets::load(call, Some(domain))?
    };
    let expected = |target: &Target| match &local {
        Some(certificate) => Ok(Expected::Whole(Box::new(certificate.clone()))),
        None => deployed(target, domain).map(|context| Expected::Deployed(vec![context])),
    };
    let (proofs, failed) = match local.as_ref().filter(|_| targets.is_empty()) {
        Some(certificate) => {
            let expected = Expected::Whole(Box::new(certificate.clone()));
            (vec![probe.prove_one(call, &expected)?], Vec::new())
        }
        None if probe.named().is_some() => {
            // What is served at one place is what one of the targets has.
            let expected = first(targets.iter().map(expected))?;
            (vec![probe.prove_one(call, &expected)?], Vec::new())
        }
        None => {
            let workers = settings::workers(&call.settings)?;
            failures::sort(workers::side_by_side(&targets, workers, |target| {
                let proof = expected(target)
                    .and_then(|expected| probe.prove_target(call, target, &expected));
                proof.with_context(|| format!("private space {}", target.name))
            }))
        }
    };
    let all = proofs.len() + failed.len();
    if !proofs.is_empty() {
        call.result(&Proved { proofs })?;
    }
    failures::conclude(failed, all, "The others serve it.", &call.log)?;
    Ok(Outcome::Done)
}

#[derive(Debug, Serialize)]
struct Proved {
    proofs: Vec<Proof>,
}

impl Report for Proved {
    fn text(&self) -> String {
        let lines: Vec<String> = self.proofs.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

/// The first that is there, else why the last one is not.
fn first<T>(all: impl Iterator<Item = Result<T>>) -> Result<T> {
    let mut last = None;
    for one in all {
        match one {
            Ok(one) => return Ok(one),
            Err(err) => last = Some(err),
        }
    }
    Err(last.unwrap_or_else(|| Error::config("no private space is given")))
}

/// The certificate on this machine: the file that was named, else the one in acme.sh's home.
fn local(call: &Invocation, args: &VerifyArgs) -> Result<Option<Certificate>> {
    match &args.cert {
        Some(path) => read_leaf(path).map(Some),
        None => {
            let Some(home) = call.settings.home() else {
                return Ok(None);
            };
            let youngest = walk::youngest(home, &args.domain, call.clock.now())?;
            Ok(youngest.map(|(_, local)| local.identity.leaf))
        }
    }
}

/// The first certificate of a file.
fn read_leaf(path: &Path) -> Result<Certificate> {
    let text = files::read_text("the certificate", path, LARGEST)?;
    let mut all = Certificate::parse_all(&text)
        .map_err(|err| Error::config(format!("the certificate {}: {err}", path.display())))?;
    Ok(all.remove(0))
}

/// What the target reports about the domain's certificate.
fn deployed(target: &Target, domain: &str) -> Result<TlsContext> {
    let resolved = target.resolve()?;
    let name = target.context_for(domain);
    target
        .contexts(&resolved)?
        .into_iter()
        .filter(|context| compare::belongs(context, domain))
        .max_by_key(|context| context.name == name)
        .ok_or_else(|| {
            Error::not_found(format!("no TLS context of the targets is for {domain}")).advise(
                "Deploy it first; or name the certificate to compare with using --cert, or acme.sh's home with --home.",
            )
        })
}
