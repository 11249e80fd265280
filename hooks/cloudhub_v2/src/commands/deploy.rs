//! `deploy`: puts a certificate into every target.

use anyhow::Context as _;
use common::cli::{Invocation, Outcome, Report};
use common::error::Result;
use common::settings::{Saving, Setting};
use common::system::workers;
use serde::Serialize;

use crate::args::DeployArgs;
use crate::caller::{self, HandedOver};
use crate::compare::Certainty;
use crate::failures;
use crate::material::{Files, Material};
use crate::proof::Probe;
use crate::settings::{self, CLIENT_ID, CLIENT_SECRET, VERIFY};
use crate::target::Target;
use crate::targets;
use crate::write::{self, Action, Deployed, Mode};

pub(crate) fn run(call: &Invocation, args: &DeployArgs) -> anyhow::Result<Outcome> {
    let HandedOver { domain, files } = certificate(call, args)?;
    let call = &call.for_domain(&domain)?;
    let material = Material::load(call, &domain, &files)?;
    let targets = targets::load(call, Some(&domain))?;
    let workers = settings::workers(&call.settings)?;
    let probe = if call.settings.switch(&VERIFY)? {
        Some(Probe::new(call, &domain)?)
    } else {
        None
    };
    let saving = saving(call, &targets)?;

    let mode = Mode {
        force: args.force,
        // Forced on the day of the last renewal, the new certificate may expire on the very date of the old one.
        doubt: call.env().acme_is_calling() && call.env().get("FORCE").is_some(),
    };
    save_once_accepted(&saving, &targets)?;
    let attempts = workers::side_by_side(&targets, workers, |target| Attempt {
        target: target.name.clone(),
        outcome: write::deploy(call, target, &material, mode)
            .with_context(|| format!("private space {}", target.name)),
    });
    conclude(call, &material, attempts)?;
    if let Some(probe) = probe {
        let proofs = probe.prove_everywhere(call, &targets, &material.identity.leaf)?;
        let all = proofs.len();
        let (proofs, failed) = failures::sort(proofs);
        for proof in proofs {
            call.log.info(proof.to_string());
        }
        failures::conclude(failed, all, "The others serve it.", &call.log)?;
    }
    Ok(Outcome::Done)
}

/// The certificate that the arguments name, else the one that a caller hands over in another way.
fn certificate(call: &Invocation, args: &DeployArgs) -> Result<HandedOver> {
    let (Some(domain), Some(key), Some(certificate)) =
        (&args.domain, &args.keyfile, &args.certfile)
    else {
        return caller::handed_over(call.env());
    };
    Ok(HandedOver {
        domain: domain.clone(),
        files: Files {
            key: key.clone(),
            certificate: certificate.clone(),
            ca: args.cafile.clone(),
            fullchain: args.fullchain.clone(),
            named: !call.env().acme_is_calling(),
        },
    })
}

/// What is to be saved. Credentials that no target uses are not: whether the platform accepts them is not seen.
fn saving(call: &Invocation, targets: &[Target]) -> Result<Saving> {
    if targets.iter().any(|target| target.account.is_shared()) {
        return call.settings.saving();
    }
    let registry = call.settings.registry();
    let is_credential = |setting: &Setting| {
        [&CLIENT_ID, &CLIENT_SECRET]
            .iter()
            .any(|credential| credential.name() == setting.name())
    };
    let saved: Vec<&Setting> = registry
        .settings()
        .filter(|setting| setting.saved && !is_credential(setting))
        .collect();
    call.settings.saving_of(registry.saves_to, &saved, &[])
}

/// Saves as soon as the platform has accepted the credentials, whatever comes after.
fn save_once_accepted(saving: &Saving, targets: &[Target]) -> Result<()> {
    if saving.is_empty() {
        return Ok(());
    }
    let (shared, own): (Vec<&Target>, Vec<&Target>) = targets
        .iter()
        .partition(|target| target.account.is_shared());
    let deciding = if shared.is_empty() { own } else { shared };
    if deciding
        .iter()
        .any(|target| target.account.log_in().is_ok())
    {
        saving.finish()?;
    }
    Ok(())
}

/// What became of one target.
#[derive(Debug)]
struct Attempt {
    target: String,
    outcome: anyhow::Result<Deployed>,
}

fn conclude(call: &Invocation, material: &Material, attempts: Vec<Attempt>) -> anyhow::Result<()> {
    call.result(&Summary::new(material, &attempts))?;
    let all = attempts.len();
    let failed = attempts
        .into_iter()
        .filter_map(|attempt| attempt.outcome.err())
        .collect();
    failures::conclude(failed, all, AGAIN, &call.log)
}

/// What to do when some targets failed.
const AGAIN: &str = "Fix the causes and run it again: it does only what is missing.";

#[derive(Debug, Serialize)]
struct Summary {
    domain: String,
    /// SHA-256.
    fingerprint: String,
    valid_until: String,
    targets: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known_by: Option<Certainty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Summary {
    fn new(material: &Material, attempts: &[Attempt]) -> Self {
        let row = |attempt: &Attempt| match &attempt.outcome {
            Ok(deployed) => Row {
                target: attempt.target.clone(),
                context: Some(deployed.context.clone()),
                action: Some(deployed.action),
                known_by: Some(deployed.certainty),
                error: None,
            },
            Err(err) => Row {
                target: attempt.target.clone(),
                context: None,
                action: None,
                known_by: None,
                error: Some(format!("{err:#}")),
            },
        };
        Self {
            domain: material.domain.clone(),
            fingerprint: material.identity.leaf.fingerprint(),
            valid_until: material.identity.leaf.not_after.to_string(),
            targets: attempts.iter().map(row).collect(),
        }
    }
}

impl Report for Summary {
    /// One line for each target that has the certificate; the others are reported as errors.
    fn text(&self) -> String {
        let lines = self.targets.iter().filter_map(|row| {
            let action = match row.action? {
                Action::Created => "created",
                Action::Updated => "updated",
                Action::AlreadyDeployed => "already deployed",
            };
            Some(format!(
                "{}: {} in TLS context {}: {action}, valid until {}, {}",
                row.target,
                self.domain,
                row.context.as_deref()?,
                self.valid_until,
                row.known_by?.how_known(),
            ))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
