//! What a TLS context holds, compared with a certificate, as far as the platform reports.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use common::anypoint::tls_contexts::TlsContext;
use common::error::{Error, Result};
use serde::Serialize;

use crate::domain::{canonical, context_name};
use crate::material::{Identity, is_our_file_name, key_file_name};

/// Whether a context holds a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same(Certainty),
    Different(Difference),
}

/// What about a context is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    NoContext,
    /// The context that was just written is not shown yet.
    NotListed,
    NoTrustStore,
    OtherCiphers,
    /// The platform gives a file name back that this program did not make.
    NotOurs,
    OtherCertificate,
    OtherChain,
    /// The certificate is there without the chain that belongs to it.
    NoChain,
    Subject(String),
    Names(Vec<String>),
    Expiry(String),
    /// The platform reports neither fingerprint nor expiry.
    Unknowable,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContext => f.write_str("there is no TLS context for it"),
            Self::NotListed => f.write_str("it is not in the list"),
            Self::NoTrustStore => f.write_str("there is no trust store"),
            Self::OtherCiphers => f.write_str("other ciphers are set"),
            Self::NotOurs => f.write_str("it was not written by this program"),
            Self::OtherCertificate => f.write_str("it holds another certificate"),
            Self::OtherChain => f.write_str("it holds another chain"),
            Self::NoChain => f.write_str("it was deployed without its chain"),
            Self::Subject(cn) => write!(f, "its subject is {cn}"),
            Self::Names(names) => write!(f, "its names are {}", names.join(", ")),
            Self::Expiry(date) => write!(f, "it expires on {date}"),
            Self::Unknowable => f.write_str("the platform reports neither fingerprint nor expiry"),
        }
    }
}

/// How it is known that a context holds a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Certainty {
    /// By the fingerprint in its file name.
    Fingerprint,
    /// The platform does not give file names back as they were sent, and what it shows is what it showed after this
    /// certificate was written from here.
    Remembered,
    /// By subject, names and expiry date: the platform gave no file name of ours back.
    NamesAndDate,
}

impl Certainty {
    pub(crate) fn how_known(self) -> &'static str {
        match self {
            Self::Fingerprint => "identified by its fingerprint",
            Self::Remembered => {
                "identified by what was written last from this machine, and has not changed since"
            }
            Self::NamesAndDate => {
                "identified by names and expiry date only, which is less certain (--force writes it)"
            }
        }
    }
}

impl Comparison {
    pub(crate) fn is_same(&self) -> bool {
        matches!(self, Self::Same(_))
    }
}

/// Compares everything that the platform reports about a certificate.
pub(crate) fn compare(context: &TlsContext, identity: &Identity) -> Comparison {
    let store = &context.key_store;
    let known = store
        .file_name
        .as_deref()
        .filter(|name| is_our_file_name(name));
    if known.is_some_and(|name| name != identity.names.certificate) {
        return Comparison::Different(Difference::OtherCertificate);
    }
    match (&store.ca_path_file_name, &identity.names.ca_path) {
        (Some(there), Some(wanted)) if is_our_file_name(there) && there != wanted => {
            return Comparison::Different(Difference::OtherChain);
        }
        // Where no file names come back at all, that of the chain says nothing either.
        (None, Some(_)) if known.is_some() => {
            return Comparison::Different(Difference::NoChain);
        }
        _ => {}
    }
    if let Some(cn) = store.cn.as_deref().filter(|cn| !cn.is_empty())
        && let Some(wanted) = &identity.leaf.common_name
        && canonical(cn) != canonical(wanted)
    {
        return Comparison::Different(Difference::Subject(cn.to_owned()));
    }
    if !store.san.is_empty() && !same_names(&store.san, identity) {
        return Comparison::Different(Difference::Names(store.san.clone()));
    }
    let certainty = match known {
        Some(_) => Certainty::Fingerprint,
        None => Certainty::NamesAndDate,
    };
    match store.expiration_date.as_deref().map(date) {
        Some(there) if !is_expiry(there, identity, certainty) => {
            Comparison::Different(Difference::Expiry(there.to_owned()))
        }
        // Without a date nothing distinguishes a certificate from its predecessor.
        None if certainty == Certainty::NamesAndDate => {
            Comparison::Different(Difference::Unknowable)
        }
        _ => Comparison::Same(certainty),
    }
}

/// Whether the platform gives a file name back that this program did not make.
pub(crate) fn has_foreign_name(context: &TlsContext) -> bool {
    let name = context.key_store.file_name.as_deref();
    name.is_some_and(|name| !name.is_empty() && !is_our_file_name(name))
}

/// The day of a date, which may have a time behind it.
pub(crate) fn date(text: &str) -> &str {
    text.get(..10).unwrap_or(text)
}

/// The time zone of the platform's date is not documented: where the fingerprint is known, a day more or less is none.
fn is_expiry(there: &str, identity: &Identity, certainty: Certainty) -> bool {
    if there == identity.expiration_date() {
        return true;
    }
    certainty == Certainty::Fingerprint
        && there.parse::<jiff::civil::Date>().is_ok_and(|there| {
            let wanted = identity
                .leaf
                .not_after
                .to_zoned_datetime(jiff::tz::TimeZone::UTC)
                .date();
            [wanted.tomorrow(), wanted.yesterday()]
                .into_iter()
                .flatten()
                .any(|day| day == there)
        })
}

/// Whether both lists say the same host names. The common name may or may not be among them, and addresses neither.
fn same_names(there: &[String], identity: &Identity) -> bool {
    let common = identity.leaf.common_name.as_deref().map(canonical);
    let hosts = |names: &[String]| {
        let names = names.iter().map(|name| canonical(name));
        names
            .filter(|name| Some(name) != common.as_ref() && name.parse::<IpAddr>().is_err())
            .collect::<BTreeSet<String>>()
    };
    hosts(there) == hosts(&identity.leaf.dns_names)
}

/// Whether a context says that it is for `domain`.
pub(crate) fn names_domain(context: &TlsContext, domain: &str) -> bool {
    context
        .domains()
        .iter()
        .any(|name| canonical(name) == canonical(domain))
}

/// Whether a context that names no domain at all was written by this program for `domain`.
fn carries_our_mark(context: &TlsContext, domain: &str) -> bool {
    let store = &context.key_store;
    store.file_name.as_deref().is_some_and(is_our_file_name)
        && store
            .key_file_name
            .as_deref()
            .is_none_or(|name| name == key_file_name(domain))
}

/// Whether a context is for `domain`: it says so, or where it says nothing, it carries our mark.
pub(crate) fn belongs(context: &TlsContext, domain: &str) -> bool {
    names_domain(context, domain)
        || context.domains().is_empty() && carries_our_mark(context, domain)
}

/// Whether a context that tells no domain may be taken over for `domain`: it has exactly the name that the original shell
/// hook gave it, and this program has not written it for another domain.
pub(crate) fn is_adoptable(context: &TlsContext, domain: &str) -> bool {
    let store = &context.key_store;
    let file_name = store.file_name.as_deref();
    context.name == context_name(domain)
        && context.domains().is_empty()
        && !file_name.is_some_and(is_our_file_name)
}

/// Whose a context is that is not the domain's in question, as a sentence about it.
pub(crate) fn whose(context: &TlsContext) -> String {
    let domains = context.domains();
    if !domains.is_empty() {
        return format!("belongs to {}", domains.join(", "));
    }
    let store = &context.key_store;
    match store.key_file_name.as_deref().filter(|_| {
        let name = store.file_name.as_deref();
        name.is_some_and(is_our_file_name)
    }) {
        Some(key) => format!("names no domain, and was written with the key {key}"),
        None => "names no domain, and was not written by this program".to_owned(),
    }
}

/// Refuses a context that is somebody else's: two domains can lead to one name, such as `a.b.com` and `a-b.com`.
pub(crate) fn check_may_write(context: &TlsContext, domain: &str) -> Result<()> {
    if belongs(context, domain) || is_adoptable(context, domain) {
        return Ok(());
    }
    Err(Error::config(format!(
        "TLS context {:?} {}; it is not overwritten with the certificate of {domain}",
        context.name,
        whose(context)
    ))
    .advise(format!(
        "Set CH2_TLS_CONTEXT_NAME to another name for {domain}; or, if the context is not needed, remove it first."
    )))
}
