//! Putting a certificate into TLS contexts.

use std::time::Duration;

use anyhow::Context as _;
use common::anypoint::tls_contexts::{
    Ciphers, ContextId, NewTrustStore, PemTrustStore, TlsContext, UpdateBy, Updated, limits,
};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::settings::Settings;
use common::system::clock;
use common::system::environment::Env;
use common::system::workers;
use serde::Serialize;

use crate::args::{Args, DeployArgs};
use crate::compare::{self, Certainty, Comparison};
use crate::cure;
use crate::failures;
use crate::material::{Files, Material};
use crate::saved;
use crate::targets::{self, KEY_PASSPHRASE, Place, Target, TrustStoreFile, VERIFY};
use crate::verify::{Expected, Probe};

/// How long a write may take until the platform shows it.
const READ_BACK: Duration = Duration::from_secs(30);

/// Pauses between two looks; the last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// How to go about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// Write even what is deployed already.
    pub(crate) force: bool,
    /// Do not believe that a certificate is deployed where only names and date say so.
    pub(crate) doubt: bool,
}

pub(crate) fn run(
    args: &Args,
    deploy: &DeployArgs,
    env: &Env,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, Some(&deploy.domain))?;
    let files = Files {
        key: deploy.keyfile.clone(),
        certificate: deploy.certfile.clone(),
        ca: deploy.cafile.clone(),
        fullchain: deploy.fullchain.clone(),
    };
    let passphrase = settings.secret(&KEY_PASSPHRASE)?;
    let now = clock::system().now();
    let material = Material::load(&deploy.domain, &files, passphrase.as_ref(), now)?;
    let targets = targets::load(&settings, &args.target, Some(&deploy.domain), out)?;
    let workers = targets::workers(&settings, &args.target)?;
    let probe = if settings.switch(&VERIFY, deploy.verify)? {
        Some(Probe::new(&settings, &deploy.connect, &deploy.domain)?)
    } else {
        None
    };
    saved::check(&settings)?;

    let mode = Mode {
        force: deploy.force,
        // Forced on the day of the last renewal, the new certificate may expire on the very date of the old one.
        doubt: env.acme_is_calling() && env.get("FORCE").is_some(),
    };
    save_once_accepted(&settings, args, &targets)?;
    let deployed = to_all(&targets, &material, mode, workers, out);
    conclude(&material, deployed, out)?;
    if let Some(probe) = probe {
        let expected = Expected::Whole(Box::new(material.identity.leaf.clone()));
        let proof = probe.prove(&expected, out)?;
        out.info(proof.text());
    }
    Ok(Outcome::Done)
}

/// Saves the settings as soon as the platform has accepted the credentials, whatever comes after.
fn save_once_accepted(settings: &Settings, args: &Args, targets: &[Target]) -> Result<()> {
    let accepted = targets
        .iter()
        .map(|target| &target.account)
        .find(|account| account.is_shared())
        .is_some_and(|account| account.log_in().is_ok());
    if accepted {
        saved::save(settings, &args.target)
    } else {
        Ok(())
    }
}

/// What became of one target.
#[derive(Debug)]
pub(crate) struct Attempt {
    target: String,
    outcome: anyhow::Result<Deployed>,
}

/// A target that has the certificate.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    context: String,
    action: Action,
    certainty: Certainty,
}

impl Deployed {
    /// Whether something was written.
    pub(crate) fn is_new(&self) -> bool {
        self.action != Action::AlreadyDeployed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Created,
    Updated,
    AlreadyDeployed,
}

fn to_all(
    targets: &[Target],
    material: &Material,
    mode: Mode,
    workers: usize,
    out: &Output,
) -> Vec<Attempt> {
    workers::side_by_side(targets, workers, |target| Attempt {
        target: target.name.clone(),
        outcome: to_one(target, material, mode, out)
            .with_context(|| format!("private space {}", target.name)),
    })
}

fn conclude(material: &Material, attempts: Vec<Attempt>, out: &Output) -> anyhow::Result<()> {
    out.result(&Summary::new(material, &attempts))?;
    let all = attempts.len();
    let failed = attempts
        .into_iter()
        .filter_map(|attempt| attempt.outcome.err())
        .collect();
    failures::conclude(failed, all, AGAIN, out)
}

/// What to do when some targets failed.
const AGAIN: &str =
    "Once the reasons are removed, run it again: only what is missing will be done.";

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
    /// One line for each target that has the certificate; the others are told as errors.
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

/// Brings the certificate to one target.
pub(crate) fn to_one(
    target: &Target,
    material: &Material,
    mode: Mode,
    out: &Output,
) -> Result<Deployed> {
    let place = target.place()?;
    Job::new(target, &place, material, mode, out).run()
}

/// Compares the certificate with what one target has, and changes nothing.
pub(crate) fn look(
    target: &Target,
    material: &Material,
    mode: Mode,
    out: &Output,
) -> Result<Comparison> {
    let place = target.place()?;
    let job = Job::new(target, &place, material, mode, out);
    let contexts = target.contexts(&place)?;
    Ok(match job.find(&contexts)? {
        Some(context) => job.compare(context),
        None => {
            job.check_room(&contexts)?;
            Comparison::Different("there is no TLS context for it".to_owned())
        }
    })
}

/// The name of the context for `domain`: as the original hook makes it, unless another is set.
pub(crate) fn context_name(target: &Target, domain: &str) -> String {
    target.context_name.clone().unwrap_or_else(|| {
        compare::canonical(domain)
            .chars()
            .map(|c| match c {
                '*' => 'x',
                c if c.is_ascii_alphanumeric() => c,
                // A dot as a rule; the platform takes nothing else that a domain or an address holds.
                _ => '-',
            })
            .collect()
    })
}

/// One certificate on its way into one context.
struct Job<'a> {
    target: &'a Target,
    place: &'a Place,
    name: String,
    material: &'a Material,
    mode: Mode,
    out: &'a Output,
}

impl<'a> Job<'a> {
    fn new(
        target: &'a Target,
        place: &'a Place,
        material: &'a Material,
        mode: Mode,
        out: &'a Output,
    ) -> Self {
        Self {
            name: context_name(target, &material.domain),
            target,
            place,
            material,
            mode,
            out,
        }
    }
}

impl Job<'_> {
    fn run(&self) -> Result<Deployed> {
        let contexts = self.target.contexts(self.place)?;
        let Some(existing) = self.find(&contexts)? else {
            self.check_room(&contexts)?;
            self.warn_of_rivals(&contexts);
            return self.create();
        };
        if !self.mode.force
            && let Comparison::Same(certainty) = self.compare(existing)
            && !(self.mode.doubt && certainty == Certainty::NamesAndDate)
        {
            return Ok(self.deployed(Action::AlreadyDeployed, certainty));
        }
        self.update(existing)
    }

    fn deployed(&self, action: Action, certainty: Certainty) -> Deployed {
        Deployed {
            context: self.name.clone(),
            action,
            certainty,
        }
    }

    /// The context of this name, if there is one and it may be written to.
    fn find<'c>(&self, contexts: &'c [TlsContext]) -> Result<Option<&'c TlsContext>> {
        let Some(context) = contexts.iter().find(|context| context.name == self.name) else {
            return Ok(None);
        };
        if context.is_default() {
            return Err(Error::config(format!(
                "{:?} is the private space's default TLS context, which the platform manages itself",
                self.name
            ))
            .advise("Set CH2_TLS_CONTEXT_NAME to another name."));
        }
        compare::check_belongs(context, &self.material.domain)?;
        Ok(Some(context))
    }

    /// Whether the context is as it is wanted.
    fn compare(&self, context: &TlsContext) -> Comparison {
        if self.target.trust_store.is_some() && context.trust_store.is_none() {
            return Comparison::Different("there is no trust store".to_owned());
        }
        if let (Some(wanted), Some(there)) = (&self.target.ciphers, &context.ciphers)
            && wanted != there
        {
            return Comparison::Different("other ciphers are set".to_owned());
        }
        // A name that somebody else gave shows that names do come back: writing once makes it certain from then on.
        if compare::has_foreign_name(context) {
            return Comparison::Different("it was not written by this program".to_owned());
        }
        compare::compare(context, &self.material.identity)
    }

    fn check_room(&self, contexts: &[TlsContext]) -> Result<()> {
        let own = contexts
            .iter()
            .filter(|context| !context.is_default())
            .count();
        if own < limits::CONTEXTS {
            return Ok(());
        }
        Err(Error::new(
            Kind::Refused,
            format!(
                "there is no room for TLS context {}: {own} are there already",
                self.name
            ),
        )
        .advise(cure::full()))
    }

    /// Which of two contexts for one domain is served is not documented.
    fn warn_of_rivals(&self, contexts: &[TlsContext]) {
        let rivals = contexts.iter().filter(|context| {
            !context.is_default() && compare::names_domain(context, &self.material.domain)
        });
        for rival in rivals {
            self.out.warn(format!(
                "{}: TLS context {:?} is for {} too, and which of the two will be served is not known. To replace \
                 its certificate instead, set CH2_TLS_CONTEXT_NAME={:?}",
                self.target.name, rival.name, self.material.domain, rival.name
            ));
        }
    }

    fn create(&self) -> Result<Deployed> {
        let ciphers = self.target.ciphers.clone().unwrap_or_default();
        self.out.debug(format!(
            "{}: creating TLS context {}",
            self.target.name, self.name
        ));
        // A second attempt only after a look has shown that the first one had no effect.
        for last in [false, true] {
            let created = self.with_trust_store(self.target.trust_store.as_ref(), |store| {
                let body = self.material.body(&self.name, &ciphers, store);
                let place = self.place;
                place
                    .client
                    .create_tls_context(&place.organization, &place.space, &body)
                    .map_err(cure::of)
            });
            let err = match created {
                Ok(()) => break,
                Err(err) if err.effect_unknown() || err.status() == Some(409) => err,
                Err(err) => return Err(err),
            };
            let contexts = self.look_after(&err)?;
            match self.find(&contexts)? {
                Some(there) if self.compare(there).is_same() => break,
                Some(there) => return self.update(there),
                None if last || !err.effect_unknown() => return Err(err),
                None => {}
            }
        }
        let (_, certainty) = self.read_back()?;
        Ok(self.deployed(Action::Created, certainty))
    }

    fn update(&self, existing: &TlsContext) -> Result<Deployed> {
        let ciphers = self
            .target
            .ciphers
            .clone()
            .or_else(|| existing.ciphers.clone())
            .unwrap_or_default();
        let id = ContextId::new(&existing.id);
        self.out.debug(format!(
            "{}: updating TLS context {}",
            self.target.name, self.name
        ));
        // A trust store that is there stays only if nothing is said about it.
        let missing = self
            .target
            .trust_store
            .as_ref()
            .filter(|_| existing.trust_store.is_none());
        if self.write(&id, &ciphers, missing, UpdateBy::Patch)? == Updated::NoRoute {
            self.put(existing, &id, &ciphers)?;
        }
        let (after, certainty) = self.read_back()?;
        if existing.trust_store.is_some() && after.trust_store.is_none() {
            self.restore_trust_store(&id, &ciphers)?;
        }
        Ok(self.deployed(Action::Updated, certainty))
    }

    /// The update where the platform knows no `PATCH`. It replaces everything, so the trust store has to go along.
    fn put(&self, existing: &TlsContext, id: &ContextId, ciphers: &Ciphers) -> Result<()> {
        let store = self.target.trust_store.as_ref();
        if existing.trust_store.is_some() && store.is_none() {
            return Err(Error::config(format!(
                "TLS context {} authenticates clients, and the platform replaces it as a whole: without the trust \
                 store that would end",
                self.name
            ))
            .advise(
                "Nothing was changed. Set CH2_TRUSTSTORE to a PEM file of the authorities that issue the client \
                 certificates, and run it again.",
            ));
        }
        match self.write(id, ciphers, store, UpdateBy::Put)? {
            Updated::Accepted => Ok(()),
            Updated::NoRoute => Err(Error::new(
                Kind::Refused,
                format!(
                    "{} takes neither PATCH nor PUT for TLS context {}",
                    self.place.client.host(),
                    self.name
                ),
            )
            .advise(
                "If somebody has just removed the context, run it again; else check ANYPOINT_URL.",
            )),
        }
    }

    fn write(
        &self,
        id: &ContextId,
        ciphers: &Ciphers,
        store: Option<&TrustStoreFile>,
        by: UpdateBy,
    ) -> Result<Updated> {
        let written = self.with_trust_store(store, |store| {
            let body = self.material.body(&self.name, ciphers, store);
            let Place {
                client,
                organization,
                space,
            } = self.place;
            client
                .update_tls_context(organization, space, id, &body, by)
                .map_err(cure::of)
        });
        match written {
            Err(err) if err.effect_unknown() => {
                let contexts = self.look_after(&err)?;
                match self.find(&contexts)? {
                    Some(there) if self.compare(there).is_same() => Ok(Updated::Accepted),
                    _ => Err(err),
                }
            }
            other => other,
        }
    }

    /// Client authentication must never be switched off silently.
    fn restore_trust_store(&self, id: &ContextId, ciphers: &Ciphers) -> Result<()> {
        let lost = |err: Option<Error>| {
            let error = Error::new(
                Kind::Unproved,
                format!(
                    "THE TRUST STORE IS GONE: TLS context {} has the new certificate, but no longer authenticates \
                     clients",
                    self.name
                ),
            )
            .advise(
                "Set CH2_TRUSTSTORE to a PEM file of the authorities that issue the client certificates, and run it \
                 again; or upload the trust store in Runtime Manager > Private Spaces > Domains & TLS.",
            );
            match err {
                Some(err) => error.caused_by(err),
                None => error,
            }
        };
        let store = self.target.trust_store.as_ref().ok_or_else(|| lost(None))?;
        self.out.warn(format!(
            "{}: the update of TLS context {} dropped the trust store: sending it again from CH2_TRUSTSTORE",
            self.target.name, self.name
        ));
        if self
            .write(id, ciphers, Some(store), UpdateBy::Patch)
            .map_err(|err| lost(Some(err)))?
            == Updated::NoRoute
        {
            self.write(id, ciphers, Some(store), UpdateBy::Put)
                .map_err(|err| lost(Some(err)))?;
        }
        let (after, _) = self.read_back()?;
        if after.trust_store.is_some() {
            Ok(())
        } else {
            Err(lost(None))
        }
    }

    /// Sends with a trust store in the one published form, and if that is refused in the other.
    fn with_trust_store<T>(
        &self,
        store: Option<&TrustStoreFile>,
        send: impl Fn(Option<NewTrustStore<'_>>) -> Result<T>,
    ) -> Result<T> {
        let Some(store) = store else {
            return send(None);
        };
        let pem = PemTrustStore {
            source: "PEM",
            pem: &store.pem,
            file_name: &store.file_name,
        };
        match send(Some(NewTrustStore::List([pem]))) {
            Err(err) if matches!(err.status(), Some(400 | 422)) && !err.effect_unknown() => {
                // The first refusal is the one to tell: it is about whatever is wrong in both.
                send(Some(NewTrustStore::Object(pem))).map_err(|_| err)
            }
            other => other,
        }
    }

    /// Looks what became of a write that was not answered.
    fn look_after(&self, err: &Error) -> Result<Vec<TlsContext>> {
        self.out.debug(format!(
            "{}: {err}: looking whether it took effect",
            self.target.name
        ));
        self.target.contexts(self.place).map_err(|look| {
            Error::new(
                Kind::Unproved,
                format!(
                    "whether TLS context {} was written is not known: {err}",
                    self.name
                ),
            )
            .advise("Run it again: it looks first, and does what is missing.")
            .caused_by(look)
        })
    }

    /// Waits until the platform shows what was written.
    fn read_back(&self) -> Result<(TlsContext, Certainty)> {
        let clock = self.place.client.http().clock().clone();
        let progress = self
            .out
            .progress(format!("{}: reading back {}", self.target.name, self.name));
        let start = clock.elapsed();
        let mut pauses = PAUSES.iter();
        let mut pause = PAUSES[0];
        loop {
            let contexts = self.target.contexts(self.place).map_err(|err| {
                Error::new(
                    Kind::Unproved,
                    format!(
                        "TLS context {} was written, but could not be read back",
                        self.name
                    ),
                )
                .advise("Run it again: it looks first, and does what is missing.")
                .caused_by(err)
            })?;
            let seen = match contexts
                .into_iter()
                .find(|context| context.name == self.name)
            {
                None => "it is not in the list".to_owned(),
                Some(context) => match compare::compare(&context, &self.material.identity) {
                    Comparison::Same(certainty) => return Ok((context, certainty)),
                    Comparison::Different(why) => why,
                },
            };
            if clock.elapsed().saturating_sub(start) >= READ_BACK {
                return Err(Error::new(
                    Kind::Unproved,
                    format!(
                        "TLS context {} was written, but after {} s the platform does not show it: {seen}",
                        self.name,
                        READ_BACK.as_secs()
                    ),
                )
                .advise(
                    "Look with `cloudhub_v2 status DOMAIN` in a few minutes, or run it again: it writes only what is \
                     missing.",
                ));
            }
            progress.tick(READ_BACK, &seen);
            pause = pauses.next().copied().unwrap_or(pause);
            clock.sleep(pause);
        }
    }
}
