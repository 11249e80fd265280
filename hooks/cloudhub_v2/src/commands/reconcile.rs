//! `reconcile`: deploys whatever differs from acme.sh's certificates.
//!
//! acme.sh up to 3.1.4 does not call a deploy hook again that failed after a renewal, and no version looks whether what was
//! deployed is still there.

use std::collections::BTreeSet;

use anyhow::Context as _;
use common::acme_sh::{Conf, Stored};
use common::cert::Certificate;
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Result};
use common::system::workers;
use serde::Serialize;

use crate::account::Logins;
use crate::args::ReconcileArgs;
use crate::compare::Comparison;
use crate::domain::canonical;
use crate::expiry;
use crate::failures;
use crate::material::{Files, Material};
use crate::proof::Probe;
use crate::settings::{self, VERIFY};
use crate::target::Target;
use crate::targets;
use crate::walk::{self, HOOK, Walked};
use crate::write::{self, Action, Deployed, Mode};

pub(crate) fn run(call: &Invocation, args: &ReconcileArgs) -> anyhow::Result<Outcome> {
    let call = call.with_settings(call.settings.with_usual_home()?);
    let mut run = Run {
        workers: settings::workers(&call.settings)?,
        call: &call,
        overruled: BTreeSet::new(),
        certificates: 0,
        due: 0,
        rows: Vec::new(),
        failures: Vec::new(),
    };
    let jobs = run.prepare(args.domain.as_deref())?;
    run.work(&jobs, args.dry_run);
    run.conclude(args.dry_run)
}

/// A certificate that acme.sh deploys with this hook.
struct Job {
    /// With the settings of this certificate.
    call: Invocation,
    material: Material,
    targets: Vec<Target>,
    /// How to prove that it is served, where that is asked for.
    probe: Option<Probe>,
}

impl Job {
    fn leaf(&self) -> &Certificate {
        &self.material.identity.leaf
    }

    /// Gives up the TLS contexts that `newer` goes into as well.
    fn leave_to(&mut self, newer: &Job) -> Vec<Row> {
        let domain = &self.material.domain;
        if *domain != newer.material.domain {
            return Vec::new();
        }
        let is_left = |target: &mut Target| {
            newer
                .targets
                .iter()
                .any(|other| other.is_same_context(target, domain))
        };
        let left: Vec<Target> = self.targets.extract_if(.., is_left).collect();
        let detail = format!(
            "the {} certificate: a newer one with another key type goes into the same TLS context",
            self.material.identity.leaf.algorithm()
        );
        left.into_iter()
            .map(|target| Row {
                domain: domain.clone(),
                target: Some(target.name),
                outcome: RowOutcome::LeftOut,
                detail: Some(detail.clone()),
                served: false,
            })
            .collect()
    }
}

#[derive(Debug, Serialize)]
struct Summary {
    dry_run: bool,
    certificates: Vec<Row>,
    /// How they stand altogether, unless nobody wants to read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    outcome: RowOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Whether its ingress was seen to serve it, where that was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    served: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum RowOutcome {
    AlreadyDeployed,
    Deployed,
    WouldDeploy,
    LeftOut,
    Failed,
}

impl Report for Summary {
    /// Failures are reported as errors.
    fn text(&self) -> String {
        let lines = self.certificates.iter().filter_map(|row| {
            let what = match row.outcome {
                RowOutcome::AlreadyDeployed => "already deployed",
                RowOutcome::Deployed => "deployed",
                RowOutcome::WouldDeploy => "would be deployed",
                RowOutcome::LeftOut => "left out",
                RowOutcome::Failed => return None,
            };
            let at = row
                .target
                .as_ref()
                .map_or(String::new(), |name| format!(" in {name}"));
            let detail = row
                .detail
                .as_ref()
                .map_or(String::new(), |text| format!(" ({text})"));
            let served = if row.served { ", and served" } else { "" };
            Some(format!("{}{at}: {what}{served}{detail}", row.domain))
        });
        lines
            .chain(self.summary.clone())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

struct Run<'a> {
    call: &'a Invocation,
    workers: usize,
    /// Variables of the environment that a warning has named.
    overruled: BTreeSet<&'static str>,
    /// How many certificates name the hook.
    certificates: usize,
    /// Those that acme.sh should have renewed by now.
    due: usize,
    rows: Vec<Row>,
    failures: Vec<anyhow::Error>,
}

impl Run<'_> {
    /// Reads every certificate that names the hook. One that cannot be read is a failure, but stops no other.
    fn prepare(&mut self, only: Option<&str>) -> Result<Vec<Job>> {
        let home = self.call.settings.home().ok_or_else(|| {
            Error::config("no acme.sh home is given")
                .advise("Name it with --home or LE_WORKING_DIR.")
        })?;
        let mut logins = Logins::default();
        let mut jobs: Vec<Job> = Vec::new();
        let mut named = 0;
        for Walked {
            stored,
            domain,
            conf,
        } in walk::certificates(home)?
        {
            if only.is_some_and(|only| canonical(only) != canonical(&domain)) {
                continue;
            }
            named += 1;
            let job = conf
                .map_err(anyhow::Error::new)
                .and_then(|conf| self.job(&stored, &domain, &conf, &mut logins));
            match job {
                Ok(job) => self.add(job, &mut jobs),
                Err(err) => self.fail(&domain, None, err.context(domain.clone())),
            }
        }
        self.certificates = named;
        if named == 0 {
            if let Some(only) = only {
                return Err(Error::not_found(format!(
                    "no certificate for {only} in {} names the deploy hook {HOOK}",
                    home.certificates.display()
                ))
                .advise(format!("acme.sh --deploy -d '{only}' --deploy-hook {HOOK} deploys it and names the hook.")));
            }
            self.call.log.info(format!(
                "no certificate in {} names the deploy hook {HOOK}: nothing to do",
                home.certificates.display()
            ));
        }
        Ok(jobs)
    }

    fn job(
        &mut self,
        stored: &Stored,
        domain: &str,
        conf: &Conf,
        logins: &mut Logins,
    ) -> anyhow::Result<Job> {
        let call = self
            .call
            .with_settings(self.call.settings.for_certificate(stored)?);
        self.warn_of_overruled(&call)?;
        let files = Files::from(stored);
        let material = Material::load(&call, domain, &files)?;
        if let Some(why) = expiry::due(conf, &material.identity.leaf, call.clock.now()) {
            self.due += 1;
            call.log.warn(format!(
                "{domain} has to be renewed: {why}. `acme.sh --renew -d {domain}` tells what keeps it from that."
            ));
        }
        let targets = targets::load_with(logins, &call, Some(domain))?;
        let probe = if call.settings.switch(&VERIFY)? {
            Some(Probe::new(&call, domain)?)
        } else {
            None
        };
        Ok(Job {
            call,
            material,
            targets,
            probe,
        })
    }

    /// One environment cannot be right for all certificates, so what was saved for each comes first.
    fn warn_of_overruled(&mut self, call: &Invocation) -> Result<()> {
        for variable in targets::overruled_variables(&call.settings)? {
            if self.overruled.insert(variable) {
                call.log.warn(format!(
                    "{variable} is set in the environment and has no effect here: each certificate is deployed as its own \
                     saved settings say"
                ));
            }
        }
        Ok(())
    }

    /// Of two certificates for one domain, RSA and EC, the newer one counts where both go into the same TLS context.
    fn add(&mut self, mut job: Job, jobs: &mut Vec<Job>) {
        for other in jobs.iter_mut() {
            let (older, newer): (&mut Job, &Job) = if job.leaf().supersedes(other.leaf()) {
                (other, &job)
            } else {
                (&mut job, other)
            };
            self.rows.extend(older.leave_to(newer));
        }
        jobs.push(job);
        jobs.retain(|job| !job.targets.is_empty());
    }

    fn work(&mut self, jobs: &[Job], dry_run: bool) {
        let pairs: Vec<(usize, &Job, &Target)> = jobs
            .iter()
            .enumerate()
            .flat_map(|(at, job)| job.targets.iter().map(move |target| (at, job, target)))
            .collect();
        let outcomes = workers::side_by_side(&pairs, self.workers, |(_, job, target)| {
            let done = if dry_run {
                write::look(&job.call, target, &job.material).map(Step::Seen)
            } else {
                write::deploy(&job.call, target, &job.material, Mode::default()).map(Step::Done)
            };
            done.with_context(|| {
                format!("{} in private space {}", job.material.domain, target.name)
            })
        });
        // The rows of each certificate, and the targets that have it now.
        let mut deployed: Vec<(Vec<usize>, Vec<Target>)> =
            jobs.iter().map(|_| Default::default()).collect();
        for ((at, job, target), outcome) in pairs.iter().zip(outcomes) {
            let domain = &job.material.domain;
            match outcome {
                Ok(step) => {
                    let (outcome, detail) = step.outcome();
                    if !dry_run {
                        deployed[*at].0.push(self.rows.len());
                        deployed[*at].1.push(Target::clone(target));
                    }
                    self.rows.push(Row {
                        domain: domain.clone(),
                        target: Some(target.name.clone()),
                        outcome,
                        detail,
                        served: false,
                    });
                }
                Err(err) => self.fail(domain, Some(&target.name), err),
            }
        }
        self.prove(jobs, &deployed);
    }

    /// Also what was not written now: an ingress may have lost it, or never have taken it up.
    fn prove(&mut self, jobs: &[Job], deployed: &[(Vec<usize>, Vec<Target>)]) {
        let due: Vec<(&Job, &Probe, &Vec<usize>, &Vec<Target>)> = jobs
            .iter()
            .zip(deployed)
            .filter(|(_, (rows, _))| !rows.is_empty())
            .filter_map(|(job, (rows, targets))| Some((job, job.probe.as_ref()?, rows, targets)))
            .collect();
        let outcomes = workers::side_by_side(&due, self.workers, |(job, probe, _, targets)| {
            probe.prove_everywhere(&job.call, targets, &job.material.identity.leaf)
        });
        for ((job, _, rows, _), outcome) in due.iter().zip(outcomes) {
            let domain = &job.material.domain;
            let proofs = outcome.unwrap_or_else(|err| vec![Err(anyhow::Error::new(err))]);
            let each = proofs.len() == rows.len();
            for (at, proof) in proofs.into_iter().enumerate() {
                match proof {
                    Ok(proof) => {
                        self.call.log.debug(proof.to_string());
                        if each {
                            self.rows[rows[at]].served = true;
                        }
                    }
                    Err(err) => self.fail(domain, None, err.context(domain.clone())),
                }
            }
        }
    }

    fn fail(&mut self, domain: &str, target: Option<&str>, err: anyhow::Error) {
        self.rows.push(Row {
            domain: domain.to_owned(),
            target: target.map(str::to_owned),
            outcome: RowOutcome::Failed,
            detail: Some(format!("{err:#}")),
            served: false,
        });
        self.failures.push(err);
    }

    /// Such as "12 certificates, all current". Each is counted once, by the worst that is known of it.
    fn summary(&self) -> String {
        let of = |outcome: RowOutcome| -> BTreeSet<&str> {
            let rows = self.rows.iter().filter(|row| row.outcome == outcome);
            rows.map(|row| row.domain.as_str()).collect()
        };
        let failed = of(RowOutcome::Failed);
        let pending = of(RowOutcome::WouldDeploy).difference(&failed).count();
        let deployed = of(RowOutcome::Deployed).difference(&failed).count();
        let parts = [
            (failed.len(), "failed"),
            (pending, "to be deployed"),
            (deployed, "deployed now"),
            (self.due, "to be renewed"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let certificates = match self.certificates {
            1 => "1 certificate".to_owned(),
            count => format!("{count} certificates"),
        };
        let rest = match (&parts[..], self.certificates) {
            ([], 1) => "current".to_owned(),
            ([], _) => "all current".to_owned(),
            _ => parts.join(", "),
        };
        format!("{certificates}, {rest}")
    }

    fn conclude(mut self, dry_run: bool) -> anyhow::Result<Outcome> {
        let due = self
            .rows
            .iter()
            .any(|row| row.outcome == RowOutcome::WouldDeploy);
        let all = self.rows.len();
        let is_wanted = self.certificates > 0 && !self.call.log.is_quiet();
        let summary = is_wanted.then(|| self.summary());
        self.call.result(&Summary {
            dry_run,
            certificates: std::mem::take(&mut self.rows),
            summary,
        })?;
        failures::conclude(
            self.failures,
            all,
            "The next run does what is missing.",
            &self.call.log,
        )?;
        Ok(if due { Outcome::Due } else { Outcome::Done })
    }
}

enum Step {
    Done(Deployed),
    Seen(Comparison),
}

impl Step {
    fn outcome(self) -> (RowOutcome, Option<String>) {
        match self {
            Self::Done(deployed) if deployed.action != Action::AlreadyDeployed => {
                (RowOutcome::Deployed, None)
            }
            Self::Done(_) | Self::Seen(Comparison::Same(_)) => (RowOutcome::AlreadyDeployed, None),
            Self::Seen(Comparison::Different(why)) => {
                (RowOutcome::WouldDeploy, Some(why.to_string()))
            }
        }
    }
}
