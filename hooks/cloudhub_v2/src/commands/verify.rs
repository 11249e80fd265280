//! `verify`: proves that the ingress serves a domain's certificate.

use std::path::Path;

use common::anypoint::tls_contexts::TlsContext;
use common::cert::Certificate;
use common::cli::{Invocation, Outcome};
use common::error::{Error, Result};
use common::system::files;

use crate::args::VerifyArgs;
use crate::compare;
use crate::proof::{Expected, Probe};
use crate::target::Target;
use crate::targets;

/// The largest certificate file.
const LARGEST: u64 = 1024 * 1024;

pub(crate) fn run(call: &Invocation, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let call = &call.for_domain(&args.domain)?;
    let probe = Probe::new(call, &args.connect, &args.domain)?;
    let expected = match local(call, args)? {
        Some(certificate) => Expected::Whole(Box::new(certificate)),
        None => Expected::Deployed(Box::new(deployed(call, &args.domain)?)),
    };
    call.result(&probe.prove(call, &expected)?)?;
    Ok(Outcome::Done)
}

/// The certificate on this machine: the file that was named, else the one in acme.sh's home.
fn local(call: &Invocation, args: &VerifyArgs) -> Result<Option<Certificate>> {
    match &args.cert {
        Some(path) => read_leaf(path).map(Some),
        None => match call
            .settings
            .home()
            .and_then(|home| home.find(&args.domain))
        {
            Some(stored) => read_leaf(&stored.certificate()).map(Some),
            None => Ok(None),
        },
    }
}

/// The first certificate of a file.
fn read_leaf(path: &Path) -> Result<Certificate> {
    let text = files::read_text("the certificate", path, LARGEST)?;
    let mut all = Certificate::parse_all(&text)
        .map_err(|err| Error::config(format!("the certificate {}: {err}", path.display())))?;
    Ok(all.remove(0))
}

/// What the first target that has the domain reports about it.
fn deployed(call: &Invocation, domain: &str) -> Result<TlsContext> {
    for target in &targets::load(call, Some(domain))? {
        if let Some(context) = context_of(target, domain)? {
            return Ok(context);
        }
    }
    Err(Error::not_found(format!("no TLS context of the targets is for {domain}")).advise(
        "Deploy it first; or name the certificate to compare with using --cert, or acme.sh's home with --home.",
    ))
}

fn context_of(target: &Target, domain: &str) -> Result<Option<TlsContext>> {
    let resolved = target.resolve()?;
    let name = target.context_for(domain);
    Ok(target
        .contexts(&resolved)?
        .into_iter()
        .filter(|context| compare::belongs(context, domain))
        .max_by_key(|context| context.name == name))
}
