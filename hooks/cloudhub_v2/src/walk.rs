//! The certificates in acme.sh's home that are deployed with this hook, and which of several counts.

use common::acme_sh::{Conf, Home, Stored};
use common::cli::Invocation;
use common::error::Result;
use jiff::Timestamp;

use crate::domain::{canonical, is_for};
use crate::expiry;
use crate::material::{Files, Identity};

/// The name by which acme.sh knows the hook.
pub(crate) const HOOK: &str = "cloudhub_v2";

/// A certificate that names the hook, or whose conf file cannot be read: it may be one of them.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) stored: Stored,
    /// The main name as given with `-d`.
    pub(crate) domain: String,
    pub(crate) conf: Result<Conf>,
}

/// What acme.sh has for a domain.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) identity: Identity,
    /// When acme.sh means to renew it.
    pub(crate) planned_renewal: Option<Timestamp>,
    /// When it was to be renewed and was not.
    pub(crate) missed_renewal: Option<Timestamp>,
}

/// Every certificate in the home that names the hook.
pub(crate) fn certificates(home: &Home) -> Result<Vec<Walked>> {
    let walked = home.list()?.into_iter().filter_map(|stored| {
        let conf = match Conf::load(&stored.conf()) {
            Ok(conf) if !conf.names_hook(HOOK) => return None,
            conf => conf,
        };
        let named = conf.as_ref().ok().and_then(|conf| conf.value("Le_Domain"));
        Some(Walked {
            domain: named.unwrap_or_else(|| stored.domain.clone()),
            stored,
            conf,
        })
    });
    Ok(walked.collect())
}

impl Walked {
    fn covers(&self, host: &str) -> bool {
        let others = self
            .conf
            .as_ref()
            .ok()
            .and_then(|conf| conf.value("Le_Alt"));
        let others = others.unwrap_or_default();
        std::iter::once(self.domain.as_str())
            .chain(others.split(','))
            .any(|name| is_for(&canonical(name), host))
    }
}

/// The same call with what acme.sh has saved for the certificate that `host` is served with: that of this very name, else
/// one that covers it.
pub(crate) fn call_for_host(call: &Invocation, host: &str) -> Result<Invocation> {
    let home = call.settings.home();
    let Some(home) = home.filter(|home| home.find(host).is_none()) else {
        return call.for_domain(host);
    };
    let host = canonical(host);
    // Where there is no home, nothing is saved.
    let walked = certificates(home).unwrap_or_default();
    match walked.iter().find(|walked| walked.covers(&host)) {
        Some(Walked { stored, .. }) => Ok(call.with_settings(call.settings.for_stored(stored)?)),
        None => Ok(call.clone()),
    }
}

impl Local {
    pub(crate) fn read(domain: &str, stored: &Stored, conf: &Conf, now: Timestamp) -> Result<Self> {
        Ok(Self {
            identity: Identity::read(domain, &Files::from(stored), now)?,
            planned_renewal: expiry::planned_renewal(conf),
            missed_renewal: expiry::missed_renewal(conf, now),
        })
    }
}

/// What the home has for `domain`. Of two certificates, RSA and EC, the one that counts where both go into one TLS context.
pub(crate) fn youngest(
    home: &Home,
    domain: &str,
    now: Timestamp,
) -> Result<Option<(Stored, Local)>> {
    let Some(stored) = home.find(domain) else {
        return Ok(None);
    };
    let conf = Conf::load(&stored.conf())?;
    let local = Local::read(domain, &stored, &conf, now)?;
    Ok(Some((stored, local)))
}
