//! Domains as text: the form in which they are compared, and the names that follow from them.

use common::net::dns::name;

/// A domain in the form in which two of them are compared, and in which certificates hold it.
pub(crate) fn canonical(domain: &str) -> String {
    name::normal(domain)
}

/// Whether `pattern` is `host` itself, or a wildcard whose `*` stands for the host's first label. Both are canonical.
pub(crate) fn is_for(pattern: &str, host: &str) -> bool {
    pattern == host
        || pattern.strip_prefix("*.").is_some_and(|parent| {
            host.split_once('.')
                .is_some_and(|(_, above)| above == parent)
        })
}

/// The name of the TLS context for `domain`, as the original hook makes it.
pub(crate) fn context_name(domain: &str) -> String {
    canonical(domain)
        .chars()
        .map(|c| match c {
            '*' => 'x',
            c if c.is_ascii_alphanumeric() => c,
            // A dot as a rule; the platform takes nothing else that a domain or an address holds.
            _ => '-',
        })
        .collect()
}
