//! Deploying whatever differs from acme.sh's certificates.
//!
//! acme.sh calls a deploy hook once, after a renewal. Where that fails, nobody calls it again until the next one.

use std::path::PathBuf;

use anyhow::Context as _;
use common::acme_sh::{Conf, Stored};
use common::cli::exit::Outcome;
use common::error::{Error, Result};
use common::log::{Output, Report};
use common::settings::{Settings, SettingsArgs};
use common::system::clock;
use common::system::environment::Env;
use common::system::workers;
use serde::Serialize;

use crate::args::{Args, ConnectArgs, ReconcileArgs};
use crate::compare::Comparison;
use crate::deploy::{self, Deployed, Mode};
use crate::failures;
use crate::material::{Files, Material};
use crate::targets::{self, KEY_PASSPHRASE, Logins, Target, VERIFY};
use crate::verify::{Expected, Probe};

/// The name by which acme.sh knows the hook.
const HOOK: &str = "cloudhub_v2";

/// A certificate that acme.sh deploys with this hook.
struct Job {
    material: Material,
    targets: Vec<Target>,
    /// How to prove that it is served, where that is asked for.
    probe: Option<Probe>,
}

#[derive(Debug, Serialize)]
struct Summary {
    dry_run: bool,
    certificates: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    outcome: Told,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    AlreadyDeployed,
    Deployed,
    WouldDeploy,
    LeftOut,
    Failed,
}

impl Report for Summary {
    /// Failures are told as errors.
    fn text(&self) -> String {
        let lines = self.certificates.iter().filter_map(|row| {
            let what = match row.outcome {
                Told::AlreadyDeployed => "already deployed",
                Told::Deployed => "deployed",
                Told::WouldDeploy => "would be deployed",
                Told::LeftOut => "left out",
                Told::Failed => return None,
            };
            let place = row
                .target
                .as_ref()
                .map_or(String::new(), |name| format!(" in {name}"));
            let detail = row
                .detail
                .as_ref()
                .map_or(String::new(), |text| format!(" ({text})"));
            Some(format!("{}{place}: {what}{detail}", row.domain))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn run(
    args: &Args,
    reconcile: &ReconcileArgs,
    env: &Env,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &with_home(&args.settings, env), None)?;
    let workers = targets::workers(&settings, &args.target)?;
    let mut run = Run {
        args,
        connect: &reconcile.connect,
        out,
        workers,
        rows: Vec::new(),
        failures: Vec::new(),
    };
    let jobs = run.prepare(&settings)?;
    run.work(&jobs, reconcile.dry_run);
    run.conclude(reconcile.dry_run)
}

struct Run<'a> {
    args: &'a Args,
    connect: &'a ConnectArgs,
    out: &'a Output,
    workers: usize,
    rows: Vec<Row>,
    failures: Vec<anyhow::Error>,
}

impl Run<'_> {
    /// Reads every certificate that names the hook. What cannot be read is a failure, but stops no other.
    fn prepare(&mut self, settings: &Settings) -> Result<Vec<Job>> {
        let home = settings.home().ok_or_else(|| {
            Error::config("no acme.sh home is given")
                .advise("Name it with --home or LE_WORKING_DIR.")
        })?;
        let mut logins = Logins::default();
        let mut jobs: Vec<Job> = Vec::new();
        let mut named = 0;
        for stored in home.list()? {
            let conf = Conf::load(&stored.conf())?;
            if !names_hook(&conf) {
                continue;
            }
            named += 1;
            let domain = conf
                .value("Le_Domain")
                .unwrap_or_else(|| stored.domain.clone());
            match self.job(settings, &stored, &domain, &mut logins) {
                Ok(job) => self.add(job, &mut jobs),
                Err(err) => self.fail(&domain, None, err.context(domain.clone())),
            }
        }
        if named == 0 {
            self.out.debug(format!(
                "no certificate in {} names the deploy hook {HOOK}",
                home.certificates.display()
            ));
        }
        Ok(jobs)
    }

    fn job(
        &self,
        settings: &Settings,
        stored: &Stored,
        domain: &str,
        logins: &mut Logins,
    ) -> anyhow::Result<Job> {
        let settings = settings.for_domain_conf(&stored.conf())?;
        let files = Files::from(stored);
        let passphrase = settings.secret(&KEY_PASSPHRASE)?;
        let material = Material::load(domain, &files, passphrase.as_ref(), clock::system().now())?;
        let flags = &self.args.target;
        let targets = targets::load_with(logins, &settings, flags, Some(domain), self.out)?;
        let probe = if settings.switch(&VERIFY, false)? {
            Some(Probe::new(&settings, self.connect, domain)?)
        } else {
            None
        };
        Ok(Job {
            material,
            targets,
            probe,
        })
    }

    /// Of two certificates for one domain, RSA and EC, the younger one counts: both lead to the same TLS context.
    fn add(&mut self, job: Job, jobs: &mut Vec<Job>) {
        let twin = jobs.iter().position(|other| {
            other.material.domain == job.material.domain
                && deploy::context_name(&other.targets[0], &other.material.domain)
                    == deploy::context_name(&job.targets[0], &job.material.domain)
        });
        let Some(twin) = twin else {
            jobs.push(job);
            return;
        };
        let older = if jobs[twin].material.identity.leaf.not_before
            < job.material.identity.leaf.not_before
        {
            std::mem::replace(&mut jobs[twin], job)
        } else {
            job
        };
        self.rows.push(Row {
            domain: older.material.domain,
            target: None,
            outcome: Told::LeftOut,
            detail: Some(format!(
                "the {} certificate: a younger one with another kind of key goes into the same TLS context",
                older.material.identity.leaf.algorithm()
            )),
        });
    }

    fn work(&mut self, jobs: &[Job], dry_run: bool) {
        let pairs: Vec<(usize, &Job, &Target)> = jobs
            .iter()
            .enumerate()
            .flat_map(|(at, job)| job.targets.iter().map(move |target| (at, job, target)))
            .collect();
        let mode = Mode {
            force: false,
            doubt: false,
        };
        let outcomes = workers::side_by_side(&pairs, self.workers, |(_, job, target)| {
            let done = if dry_run {
                deploy::look(target, &job.material, mode, self.out).map(Step::Seen)
            } else {
                deploy::to_one(target, &job.material, mode, self.out).map(Step::Done)
            };
            done.with_context(|| {
                format!("{} in private space {}", job.material.domain, target.name)
            })
        });
        let mut written = vec![false; jobs.len()];
        for ((at, job, target), outcome) in pairs.iter().zip(outcomes) {
            let domain = &job.material.domain;
            match outcome {
                Ok(step) => {
                    let (outcome, detail) = step.told();
                    written[*at] |= outcome == Told::Deployed;
                    self.rows.push(Row {
                        domain: domain.clone(),
                        target: Some(target.name.clone()),
                        outcome,
                        detail,
                    });
                }
                Err(err) => self.fail(domain, Some(&target.name), err),
            }
        }
        for (job, _) in jobs.iter().zip(written).filter(|(_, written)| *written) {
            self.prove(job);
        }
    }

    fn prove(&mut self, job: &Job) {
        let Some(probe) = &job.probe else { return };
        let expected = Expected::Whole(Box::new(job.material.identity.leaf.clone()));
        let domain = &job.material.domain;
        match probe.prove(&expected, self.out) {
            Ok(proof) => self.out.info(proof.text()),
            Err(err) => self.fail(
                domain,
                None,
                anyhow::Error::new(err).context(domain.clone()),
            ),
        }
    }

    fn fail(&mut self, domain: &str, target: Option<&str>, err: anyhow::Error) {
        self.rows.push(Row {
            domain: domain.to_owned(),
            target: target.map(str::to_owned),
            outcome: Told::Failed,
            detail: Some(format!("{err:#}")),
        });
        self.failures.push(err);
    }

    fn conclude(mut self, dry_run: bool) -> anyhow::Result<Outcome> {
        let due = self.rows.iter().any(|row| row.outcome == Told::WouldDeploy);
        let all = self.rows.len();
        self.out.result(&Summary {
            dry_run,
            certificates: std::mem::take(&mut self.rows),
        })?;
        failures::conclude(
            self.failures,
            all,
            "The next run does what is missing.",
            self.out,
        )?;
        Ok(if due { Outcome::Due } else { Outcome::Done })
    }
}

enum Step {
    Done(Deployed),
    Seen(Comparison),
}

impl Step {
    fn told(self) -> (Told, Option<String>) {
        match self {
            Self::Done(deployed) if deployed.is_new() => (Told::Deployed, None),
            Self::Done(_) | Self::Seen(Comparison::Same(_)) => (Told::AlreadyDeployed, None),
            Self::Seen(Comparison::Different(why)) => (Told::WouldDeploy, Some(why)),
        }
    }
}

/// Whether acme.sh deploys this certificate with the hook.
fn names_hook(conf: &Conf) -> bool {
    conf.value("Le_DeployHook")
        .is_some_and(|list| list.split(',').any(|name| name.trim() == HOOK))
}

/// acme.sh's usual home, unless another is named.
fn with_home(args: &SettingsArgs, env: &Env) -> SettingsArgs {
    let mut args = args.clone();
    if args.home.is_none() && env.get("LE_WORKING_DIR").is_none() {
        args.home = env
            .get("HOME")
            .map(|home| PathBuf::from(home).join(".acme.sh"));
    }
    args
}
