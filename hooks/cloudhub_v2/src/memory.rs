//! What this machine wrote last to a TLS context, for platforms that do not give file names back as they were sent.

use common::anypoint::tls_contexts::TlsContext;
use common::cli::Invocation;
use common::error::Result;
use common::log::Log;
use common::system::fingerprints::{Fingerprints, Match};

use crate::material::Identity;

/// The memory of one TLS context.
#[derive(Debug)]
pub(crate) struct Memory {
    store: Option<Fingerprints>,
    context: String,
    log: Log,
}

impl Memory {
    /// The memory of the TLS context that `context` describes.
    pub(crate) fn of(call: &Invocation, context: String) -> Self {
        Self {
            store: Fingerprints::of(call.env(), call.settings.registry().program),
            context,
            log: call.log.clone(),
        }
    }

    /// How `identity` compares with what was written last. A memory that cannot be read is none.
    pub(crate) fn compare(&self, context: &TlsContext, identity: &Identity) -> Match {
        let Some(store) = &self.store else {
            return Match::Unknown;
        };
        store
            .compare(&self.context, &written(identity), Some(&shown(context)))
            .unwrap_or_else(|err| {
                self.log.warn(err.to_string());
                Match::Unknown
            })
    }

    /// Remembers that `identity` was written, and that `context` is what the platform shows since. Whether it could.
    pub(crate) fn remember(&self, context: &TlsContext, identity: &Identity) -> Result<bool> {
        let Some(store) = &self.store else {
            return Ok(false);
        };
        store.remember(&self.context, &written(identity), Some(&shown(context)))?;
        Ok(true)
    }
}

/// What distinguishes the certificate and its chain from all others.
fn written(identity: &Identity) -> [&str; 2] {
    let names = &identity.names;
    [
        &names.certificate,
        names.ca_path.as_deref().unwrap_or_default(),
    ]
}

/// What the platform shows of a certificate. It changes when somebody else uploads another one.
fn shown(context: &TlsContext) -> String {
    let store = &context.key_store;
    let fields = [
        &context.listed_id,
        &store.cn,
        &store.expiration_date,
        &store.file_name,
        &store.key_file_name,
        &store.ca_path_file_name,
    ];
    let texts = fields.map(|field| field.as_deref().unwrap_or_default());
    texts.join("\n")
}
