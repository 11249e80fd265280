//! One certificate on its way into the TLS context of one target.

use std::time::Duration;

use common::anypoint::tls_contexts::{
    Ciphers, ContextId, NewTrustStore, PemTrustStore, TlsContext, UpdateBy, Updated, limits,
};
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::system::fingerprints::Match;
use common::system::polling::{self, Look, Pauses};
use serde::Serialize;

use crate::compare::{self, Certainty, Comparison, Difference};
use crate::cure;
use crate::lock;
use crate::material::Material;
use crate::memory::Memory;
use crate::target::{ResolvedTarget, Target, TrustStoreFile};

/// How long a write may take until the platform shows it.
const READ_BACK: Duration = Duration::from_secs(30);

/// Before a write is repeated that has had no effect, as a look has shown. The looks take their time as well.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How to go about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mode {
    /// Write even what is deployed already.
    pub(crate) force: bool,
    /// Do not believe that a certificate is deployed where only names and date say so.
    pub(crate) doubt: bool,
}

/// A target that has the certificate.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    pub(crate) context: String,
    pub(crate) action: Action,
    pub(crate) certainty: Certainty,
}

/// What had to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Created,
    Updated,
    AlreadyDeployed,
}

/// Brings the certificate to one target.
pub(crate) fn deploy(
    call: &Invocation,
    target: &Target,
    material: &Material,
    mode: Mode,
) -> Result<Deployed> {
    let resolved = target.resolve()?;
    WriteJob::new(call, target, &resolved, material).run(mode)
}

/// Compares the certificate with what one target has, and changes nothing.
pub(crate) fn look(call: &Invocation, target: &Target, material: &Material) -> Result<Comparison> {
    let resolved = target.resolve()?;
    let job = WriteJob::new(call, target, &resolved, material);
    let contexts = target.contexts(&resolved)?;
    Ok(match job.find(&contexts)? {
        Some(context) => job.compare(context),
        None => {
            job.check_room(&contexts)?;
            Comparison::Different(Difference::NoContext)
        }
    })
}

/// An update of a context that is there.
struct Update {
    id: ContextId,
    ciphers: Ciphers,
    /// How the context compared before, without asking who gave its file names.
    before: Comparison,
}

/// Why a look was not what was waited for, and the context that it showed.
type Seen = (Difference, Option<TlsContext>);

/// One certificate on its way into one context.
struct WriteJob<'a> {
    call: Invocation,
    target: &'a Target,
    resolved: &'a ResolvedTarget,
    name: String,
    /// What distinguishes the context from all others, on whatever control plane.
    address: String,
    memory: Memory,
    material: &'a Material,
}

impl<'a> WriteJob<'a> {
    fn new(
        call: &Invocation,
        target: &'a Target,
        resolved: &'a ResolvedTarget,
        material: &'a Material,
    ) -> Self {
        let name = target.context_for(&material.domain);
        let (host, space) = (resolved.client.host(), &resolved.space);
        let address = format!("{host}/{}/{space}/{name}", resolved.organization);
        Self {
            call: call.about(&target.name),
            name,
            memory: Memory::of(call, address.clone()),
            address,
            target,
            resolved,
            material,
        }
    }
}

impl WriteJob<'_> {
    fn run(&self, mode: Mode) -> Result<Deployed> {
        let _lock = lock::hold(&self.call, &self.address);
        let contexts = self.target.contexts(self.resolved)?;
        let Some(existing) = self.find(&contexts)? else {
            self.check_room(&contexts)?;
            self.warn_of_rivals(&contexts);
            return self.create();
        };
        if !mode.force
            && let Comparison::Same(certainty) = self.compare(existing)
            && !(mode.doubt && certainty == Certainty::NamesAndDate)
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
        compare::check_may_write(context, &self.material.domain)?;
        Ok(Some(context))
    }

    /// Whether the context is as it is wanted.
    fn compare(&self, context: &TlsContext) -> Comparison {
        let by_names = self.compare_by_names(context);
        // A name that somebody else gave shows that names do come back: writing once makes it certain from then on, or
        // shows that the platform changes them.
        let doubt = match by_names {
            Comparison::Same(_) if compare::has_foreign_name(context) => Difference::NotOurs,
            Comparison::Different(Difference::NoChain) => Difference::NoChain,
            sure => return sure,
        };
        let identity = &self.material.identity;
        match self.memory.compare(context, identity) {
            Match::Same => Comparison::Same(Certainty::Remembered),
            Match::Different => Comparison::Different(Difference::OtherCertificate),
            Match::Unknown => Comparison::Different(doubt),
        }
    }

    /// As [`WriteJob::compare`], without asking who gave the names.
    fn compare_by_names(&self, context: &TlsContext) -> Comparison {
        if self.target.trust_store.is_some() && context.trust_store.is_none() {
            return Comparison::Different(Difference::NoTrustStore);
        }
        if let (Some(wanted), Some(there)) = (&self.target.ciphers, &context.ciphers)
            && wanted != there
        {
            return Comparison::Different(Difference::OtherCiphers);
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
            self.call.log.warn(format!(
                "TLS context {:?} is for {} too, and which of the two will be served is not documented. To replace \
                 its certificate instead, set CH2_TLS_CONTEXT_NAME={:?}",
                rival.name, self.material.domain, rival.name
            ));
        }
    }

    fn create(&self) -> Result<Deployed> {
        let ciphers = self.target.ciphers.clone().unwrap_or_default();
        self.call
            .log
            .debug(format!("creating TLS context {}", self.name));
        let mut pauses = PAUSES.into_iter();
        loop {
            let created = self.with_trust_store(self.target.trust_store.as_ref(), |store| {
                let body = self.material.body(&self.name, &ciphers, store);
                let resolved = self.resolved;
                resolved
                    .client
                    .create_tls_context(&resolved.organization, &resolved.space, &body)
                    .map_err(cure::of)
            });
            let err = match created {
                Ok(()) => break,
                Err(err) if err.effect_unknown() || err.status() == Some(409) => err,
                Err(err) => return Err(err),
            };
            let contexts = self.look_after(&err)?;
            match self.find(&contexts)? {
                Some(there) if self.compare_by_names(there).is_same() => break,
                Some(there) => return self.update(there),
                None if err.effect_unknown() && self.pause(pauses.next()) => {}
                None => return Err(err),
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
        let id = existing.id()?;
        self.call
            .log
            .debug(format!("updating TLS context {}", self.name));
        if !compare::belongs(existing, &self.material.domain) {
            self.call.log.warn(format!(
                "TLS context {} tells no domain: taken over for {}, since it has exactly the name that the shell hook \
                 cloudhub_v2.sh gives",
                self.name, self.material.domain
            ));
        }
        // A trust store that is there stays only if nothing is said about it.
        let missing = self
            .target
            .trust_store
            .as_ref()
            .filter(|_| existing.trust_store.is_none());
        let update = Update {
            id,
            ciphers,
            before: self.compare_by_names(existing),
        };
        if self.write(&update, missing, UpdateBy::Patch)? == Updated::NoRoute {
            self.put(existing, &update)?;
        }
        let (after, certainty) = self.read_back()?;
        if existing.trust_store.is_some() && after.trust_store.is_none() {
            self.restore_trust_store(update)?;
        }
        Ok(self.deployed(Action::Updated, certainty))
    }

    /// The update where the platform knows no `PATCH`. It replaces everything, so the trust store has to go along.
    fn put(&self, existing: &TlsContext, update: &Update) -> Result<()> {
        let store = self.target.trust_store.as_ref();
        if existing.trust_store.is_some() && store.is_none() {
            return Err(Error::config(format!(
                "TLS context {} authenticates clients, and the platform replaces it as a whole: without the trust \
                 store, client authentication would end",
                self.name
            ))
            .advise(
                "Nothing was changed. Set CH2_TRUSTSTORE to a PEM file of the authorities that issue the client \
                 certificates, and run it again.",
            ));
        }
        match self.write(update, store, UpdateBy::Put)? {
            Updated::Accepted => Ok(()),
            Updated::NoRoute => Err(Error::new(
                Kind::Refused,
                format!(
                    "{} takes neither PATCH nor PUT for TLS context {}",
                    self.resolved.client.host(),
                    self.name
                ),
            )
            .advise(
                "If somebody has just removed the context, run it again; otherwise check ANYPOINT_URL.",
            )),
        }
    }

    /// Sends an update until it has taken effect, or surely has not.
    fn write(
        &self,
        update: &Update,
        store: Option<&TrustStoreFile>,
        by: UpdateBy,
    ) -> Result<Updated> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let written = self.with_trust_store(store, |store| {
                let body = self.material.body(&self.name, &update.ciphers, store);
                let ResolvedTarget {
                    client,
                    organization,
                    space,
                } = self.resolved;
                client
                    .update_tls_context(organization, space, &update.id, &body, by)
                    .map_err(cure::of)
            });
            let err = match written {
                Err(err) if err.effect_unknown() => err,
                other => return other,
            };
            let contexts = self.look_after(&err)?;
            let there = self.find(&contexts)?;
            let now = there.map(|there| self.compare_by_names(there));
            let tells = !matches!(update.before, Comparison::Same(_))
                || update.before == Comparison::Same(Certainty::Fingerprint);
            if tells && now.is_some_and(|now| now.is_same()) {
                return Ok(Updated::Accepted);
            }
            if !self.pause(pauses.next()) {
                return Err(if tells { err } else { self.unknown(&err) });
            }
        }
    }

    /// Waits before the next attempt, if there is to be one and there is time for it. Whether there is.
    fn pause(&self, pause: Option<Duration>) -> bool {
        let left = self.resolved.client.http().left();
        let Some(pause) = pause.filter(|pause| *pause < left) else {
            return false;
        };
        self.call.clock.sleep(pause);
        true
    }

    /// Client authentication must never be switched off silently.
    fn restore_trust_store(&self, update: Update) -> Result<()> {
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
        self.call.log.warn(format!(
            "the update of TLS context {} dropped the trust store: sending it again from CH2_TRUSTSTORE",
            self.name
        ));
        let update = Update {
            before: Comparison::Different(Difference::NoTrustStore),
            ..update
        };
        if self
            .write(&update, Some(store), UpdateBy::Patch)
            .map_err(|err| lost(Some(err)))?
            == Updated::NoRoute
        {
            self.write(&update, Some(store), UpdateBy::Put)
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
                // The first refusal is the one to report: it is about whatever is wrong in both.
                send(Some(NewTrustStore::Object(pem))).map_err(|_| err)
            }
            other => other,
        }
    }

    /// Looks for the effect of a write that was not answered.
    fn look_after(&self, err: &Error) -> Result<Vec<TlsContext>> {
        self.call
            .log
            .debug(format!("{err}: checking whether it took effect"));
        self.target
            .contexts(self.resolved)
            .map_err(|look| self.unknown(err).caused_by(look))
    }

    /// The error for a write that may have had its effect.
    fn unknown(&self, err: &Error) -> Error {
        Error::new(
            Kind::Unproved,
            format!(
                "whether TLS context {} was written is not known: {err}",
                self.name
            ),
        )
        .advise("Run it again: it checks first, and does what is missing.")
    }

    /// Waits until the platform shows what was written.
    fn read_back(&self) -> Result<(TlsContext, Certainty)> {
        let progress = self
            .call
            .progress(format!("{}: reading back {}", self.target.name, self.name));
        let last = polling::poll(
            self.call.clock.as_ref(),
            READ_BACK,
            Pauses::doubling(Duration::from_millis(250), Duration::from_secs(2)),
            || self.look_back(),
            |(seen, _)| progress.tick(READ_BACK, &seen.to_string()),
        )?;
        match last {
            Look::Done(written) => Ok(written),
            // Nothing but the file name of the chain has not come back.
            Look::NotYet((Difference::NoChain, Some(context))) => Ok(self.learn(context, Certainty::Fingerprint)),
            Look::NotYet((seen, _)) => Err(Error::new(
                Kind::Unproved,
                format!(
                    "TLS context {} was written, but after {} s the platform does not show it: {seen}",
                    self.name,
                    READ_BACK.as_secs()
                ),
            )
            .advise(
                "Check with `cloudhub_v2 status DOMAIN` in a few minutes, or run it again: it writes only what is \
                 missing.",
            )),
        }
    }

    /// Takes note that the platform does not give file names back as they were sent.
    fn learn(&self, context: TlsContext, certainty: Certainty) -> (TlsContext, Certainty) {
        let identity = &self.material.identity;
        let known = self.memory.compare(&context, identity);
        let remembered = self.memory.remember(&context, identity);
        // It has been said once if something was remembered before.
        if known == Match::Unknown {
            let name = context.key_store.file_name.as_deref().unwrap_or("none");
            self.call.log.warn(format!(
                "the platform does not give file names back as they were sent ({name:?} for {:?}): from now on, names, \
                 dates and what this machine has written tell whether TLS context {} is current",
                identity.names.certificate, self.name
            ));
        }
        match remembered {
            Ok(true) => {}
            Ok(false) => self.call.log.warn(
                "it cannot be remembered, and each run will write it again: set HOME or XDG_STATE_HOME",
            ),
            Err(err) => self.call.log.warn(format!(
                "it cannot be remembered, and each run will write it again: {err}"
            )),
        }
        (context, certainty)
    }

    fn look_back(&self) -> Result<Look<(TlsContext, Certainty), Seen>> {
        let contexts = self.target.contexts(self.resolved).map_err(|err| {
            Error::new(
                Kind::Unproved,
                format!(
                    "TLS context {} was written, but could not be read back",
                    self.name
                ),
            )
            .advise("Run it again: it checks first, and does what is missing.")
            .caused_by(err)
        })?;
        let written = contexts
            .into_iter()
            .find(|context| context.name == self.name);
        Ok(match written {
            None => Look::NotYet((Difference::NotListed, None)),
            Some(context) => match compare::compare(&context, &self.material.identity) {
                Comparison::Same(_) if compare::has_foreign_name(&context) => {
                    Look::Done(self.learn(context, Certainty::NamesAndDate))
                }
                Comparison::Same(certainty) => Look::Done((context, certainty)),
                Comparison::Different(why) => Look::NotYet((why, Some(context))),
            },
        })
    }
}
