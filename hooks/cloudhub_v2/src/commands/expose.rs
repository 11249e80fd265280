//! `expose`: has an application answer under a host that a TLS context of its private space is for.

use common::anypoint::api_instances::Location;
use common::anypoint::deployments::{Deployment, Progress, Redeployment};
use common::anypoint::endpoints::Address;
use common::anypoint::redeployment::{Redeploying, failure};
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Kind, Result};
use common::log::Log;
use serde::Serialize;

use crate::answer::{self, Answered};
use crate::args::ExposeArgs;
use crate::exposure::{self, Home, Plan};
use crate::proof::{Expected, Probe, Proof};
use crate::settings::{self, PRIVATE_SPACE, REDEPLOY_TIMEOUT, VERIFY};
use crate::{targets, walk};

#[derive(Debug, Serialize)]
struct Exposed {
    application: String,
    deployment_id: String,
    url: String,
    changed: bool,
    dry_run: bool,
    /// All its public endpoints; on a dry run, those that it would have.
    endpoints: Vec<String>,
    /// Those that it has no longer.
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proved>,
}

#[derive(Debug, Serialize)]
struct Proved {
    certificate: Proof,
    answers: Vec<Answered>,
}

impl Report for Exposed {
    fn text(&self) -> String {
        let Self {
            application, url, ..
        } = self;
        let mut lines = vec![match (self.changed, self.dry_run) {
            (true, true) => format!("{application} would be exposed at {url}, and restart"),
            (true, false) => format!("{application} is exposed at {url}"),
            (false, _) => format!("{application} is already exposed at {url}"),
        }];
        lines.extend(self.removed.iter().map(|gone| {
            if self.dry_run {
                format!("  and at {gone} no longer")
            } else {
                format!("  at {gone} no longer")
            }
        }));
        if let Some(Proved {
            certificate,
            answers,
        }) = &self.proof
        {
            lines.push(certificate.to_string());
            let mut statuses: Vec<String> =
                answers.iter().map(|one| one.status.to_string()).collect();
            statuses.dedup();
            lines.push(format!("{url}: answers with {}", statuses.join(", ")));
        }
        lines.join("\n")
    }
}

pub(crate) fn run(call: &Invocation, args: &ExposeArgs) -> anyhow::Result<Outcome> {
    let address = exposure::requested(&args.host, args.path.as_deref())?;
    let call = &walk::call_for_host(call, &address.host)?;
    let environment = settings::environment(&call.settings)?;
    let probe = call
        .settings
        .switch(&VERIFY)?
        .then(|| Probe::for_host(call, &address.host))
        .transpose()?;
    let limit = call.settings.duration(&REDEPLOY_TIMEOUT)?;
    let account = targets::account(call)?;
    let organization = account.organization()?;
    let client = account.fresh();
    let at = Location {
        environment: client.environment(&organization, &environment)?,
        organization,
    };
    let run = Run {
        address: &address,
        only: args.only,
        before_deploy: args.before_deploy,
        log: &call.log,
        redeploying: Redeploying {
            call,
            client: &client,
            at: &at,
            limit,
        },
    };
    let application = exposure::find(&client, &at, &args.app)?;
    if let Some(spaces) = call.settings.flag(&PRIVATE_SPACE) {
        Home::of(&client, &at, &application)?.check_is_among(spaces, &application)?;
    }
    let (application, plan) = if args.dry_run {
        let plan = run.plan(&application);
        if plan.is_some() {
            run.check(&application)?;
        }
        (application, plan)
    } else {
        run.expose(application)?
    };
    let would_change = args.dry_run && plan.is_some();
    let proof = match &probe {
        Some(probe) if !would_change => Some(run.prove(probe, &application)?),
        _ => None,
    };
    let changed = plan.is_some();
    let (endpoints, removed) = match plan {
        Some(plan) => (plan.urls, plan.removed),
        None => (application.inbound.public_urls(), Vec::new()),
    };
    call.result(&Exposed {
        application: application.name,
        deployment_id: application.id,
        url: address.to_string(),
        changed,
        dry_run: args.dry_run,
        endpoints,
        removed,
        proof,
    })?;
    Ok(if would_change {
        Outcome::Due
    } else {
        Outcome::Done
    })
}

struct Run<'a> {
    address: &'a Address,
    only: bool,
    before_deploy: bool,
    log: &'a Log,
    redeploying: Redeploying<'a>,
}

impl Run<'_> {
    /// What has to change. What was wanted and did not come to run is tried again.
    fn plan(&self, application: &Deployment) -> Option<Plan> {
        let plan = exposure::plan(application, self.address, self.only);
        plan.or_else(|| {
            (application.progress() == Progress::Failed).then(|| Plan {
                urls: application.inbound.public_urls(),
                removed: Vec::new(),
            })
        })
    }

    /// Refuses what cannot work, before anything is changed.
    fn check(&self, application: &Deployment) -> Result<()> {
        let Redeploying { client, at, .. } = self.redeploying;
        // There may have been a wait before.
        let client = &client.for_target();
        exposure::check_runs(application)?;
        let home = Home::of(client, at, application)?;
        if !self.before_deploy {
            home.covering(client, self.log, &self.address.host)?;
        }
        home.check_free(client, self.log, application, self.address)
    }

    /// The application as it is at the end, and what was changed.
    fn expose(&self, application: Deployment) -> Result<(Deployment, Option<Plan>)> {
        let redeploying = self.redeploying;
        let mut before = redeploying.settled(application)?;
        let Some(mut plan) = self.plan(&before) else {
            return Ok((before, None));
        };
        self.check(&before)?;
        let clock = &redeploying.call.clock;
        let end = clock.elapsed() + redeploying.limit;
        loop {
            if before.progress() == Progress::Failed {
                self.log.warn(format!("{}; trying again", failure(&before)));
            }
            let inbound = before.inbound.with_public_urls(&plan.urls);
            let change = Redeployment {
                inbound: Some(&inbound),
                ..Redeployment::default()
            };
            match redeploying.begin(&before, change) {
                Err(err) if err.status() == Some(409) && clock.elapsed() < end => {
                    self.log.info(format!(
                        "another change of {} is being applied; waiting for the end of that",
                        before.name
                    ));
                    before = redeploying.settled_after_refusal(&before)?;
                    match self.plan(&before) {
                        Some(next) => plan = next,
                        None => return Ok((before, None)),
                    }
                }
                Err(err) => return Err(err),
                Ok(_) => break,
            }
        }
        let is_so = |now: &Deployment| exposure::plan(now, self.address, self.only).is_none();
        let running = redeploying.finished(&before, is_so).map_err(still_old)?;
        Ok((running, Some(plan)))
    }

    fn prove(&self, probe: &Probe, application: &Deployment) -> Result<Proved> {
        let Redeploying {
            call, client, at, ..
        } = self.redeploying;
        let client = &client.for_target();
        let home = Home::of(client, at, application)?;
        let contexts = home.covering(client, self.log, &self.address.host)?;
        let dns_target = home.space.network.dns_target.as_deref();
        let expected = Expected::Deployed(contexts);
        let certificate = probe.prove_ingress(call, &home.space.name, dns_target, &expected)?;
        let answers = answer::prove(call, self.address, certificate.addresses(), probe.timeout())?;
        Ok(Proved {
            certificate,
            answers,
        })
    }
}

fn still_old(err: Error) -> Error {
    match err.kind() {
        Kind::Refused => err.advise(
            "The version before it still runs, with the endpoints that it had. Look at the application's log in Runtime \
             Manager, and run expose again.",
        ),
        Kind::Unproved => err.advise(
            "Look at Runtime Manager, and run expose again, which waits for what is under way; --redeploy-timeout allows more \
             time.",
        ),
        _ => err,
    }
}
