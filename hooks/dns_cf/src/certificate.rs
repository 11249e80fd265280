//! The certificate that a name belongs to.

use common::cli::Invocation;
use common::error::Result;

/// The same call with what acme.sh has saved for the certificate that `name` is about.
pub(crate) fn call_about(call: &Invocation, name: &str) -> Result<Invocation> {
    let name = name.trim_end_matches('.');
    let bare = name.strip_prefix("_acme-challenge.").unwrap_or(name);
    let bare = bare.strip_prefix("*.").unwrap_or(bare);
    let wildcard = format!("*.{bare}");
    let home = call.settings.home();
    let is_kept = |domain: &str| home.is_some_and(|home| home.find(domain).is_some());
    let domain = if !is_kept(bare) && is_kept(&wildcard) {
        wildcard.as_str()
    } else {
        bare
    };
    call.for_domain(domain)
}
