//! A TLS context as `check` sees it, next to what acme.sh has for it, and how that is shown.

use common::anypoint::tls_contexts::TlsContext;
use common::cli::monitoring::{Item, Kind, State};
use common::cli::{Invocation, table};
use jiff::Timestamp;

use crate::expiry::{self, Expiry, Within};
use crate::health::{self, Health};
use crate::spaces::Space;
use crate::walk::Local;

/// What renews the certificates in a home.
const ACME_SH: &str = "acme.sh";

/// A certificate that has to be deployed.
pub(crate) struct Certificate {
    pub(crate) domain: String,
    /// What acme.sh has, if its home is known.
    pub(crate) local: Option<Kept>,
    /// The invocation with the certificate's own saved settings.
    pub(crate) call: Invocation,
}

/// What acme.sh has, and where.
pub(crate) struct Kept {
    pub(crate) local: Local,
    pub(crate) home: String,
    /// As acme.sh tells two certificates for one domain apart.
    pub(crate) key_type: &'static str,
}

impl Certificate {
    pub(crate) fn local(&self) -> Option<&Local> {
        self.local.as_ref().map(|kept| &kept.local)
    }

    /// What there is to report of acme.sh's own certificate.
    pub(crate) fn item(&self, now: Timestamp, within: Within) -> Option<Item> {
        let Kept {
            local,
            home,
            key_type,
        } = self.local.as_ref()?;
        let health = health::of_local(local, now, within);
        let leaf = &local.identity.leaf;
        let mut item = Item::new(Kind::Certificate, &self.domain, health.state.into())
            .at("home", home)
            .at("key_type", *key_type)
            .until(leaf.not_after, now);
        item.not_before = Some(leaf.not_before);
        item.renewal_due = local.planned_renewal;
        item.renewed_by = Some(ACME_SH.to_owned());
        item.detail = health.detail();
        if item.state != State::Ok {
            item.advice = Some(RENEW.to_owned());
        }
        Some(item)
    }
}

const RENEW: &str = "Look at acme.sh's log, and run `acme.sh --cron` to see why it is not renewed.";

/// A TLS context of a private space, or one that is meant to be there.
pub(crate) struct CheckedContext<'a> {
    pub(crate) space: &'a Space<'a>,
    pub(crate) name: String,
    pub(crate) domains: Vec<String>,
    pub(crate) context: Option<TlsContext>,
    /// What is meant to be in it.
    pub(crate) certificate: Option<&'a Certificate>,
    pub(crate) health: Health,
}

impl CheckedContext<'_> {
    pub(crate) fn item(&self, now: Timestamp) -> Item {
        let mut item = Item::new(Kind::TlsContext, &self.name, self.health.state.into())
            .at("organization", self.space.organization().to_string())
            .at("private_space", &self.space.target.name)
            .at("private_space_id", self.space.id().to_string())
            .at("domains", self.domains.join(", "));
        let local = self.certificate.and_then(Certificate::local);
        if let Some(local) = local.filter(|_| self.health.is_local) {
            let leaf = &local.identity.leaf;
            item.not_before = Some(leaf.not_before);
            item = item.until(leaf.not_after, now);
        } else if let Some(context) = &self.context {
            let expiry = Expiry::of(context, expiry::date_of(now));
            item.not_after = expiry.at_least;
            item.days_left = expiry.days_left;
        }
        if let Some(local) = local {
            item.renewal_due = local.planned_renewal;
            item.renewed_by = Some(ACME_SH.to_owned());
        }
        item.detail = self.health.detail();
        item.advice = self.advice();
        item
    }

    fn advice(&self) -> Option<String> {
        let certificate = self.certificate;
        let is_kept = certificate.is_some_and(|certificate| certificate.local.is_some());
        let advice = match (self.health.state, certificate) {
            (health::State::Ok, _) => return None,
            (health::State::Missing | health::State::Differs, Some(certificate)) => {
                let domain = &certificate.domain;
                if is_kept {
                    format!("`cloudhub_v2 reconcile '{domain}'` deploys it.")
                } else {
                    format!(
                        "`acme.sh --deploy -d '{domain}' --deploy-hook cloudhub_v2` deploys it."
                    )
                }
            }
            _ if is_kept => RENEW.to_owned(),
            _ => "acme.sh does not have it here: whoever deployed it has to renew it.".to_owned(),
        };
        Some(advice)
    }
}

/// The text form: a table of the TLS contexts, and what is to be said beside it.
pub(crate) fn text(items: &[Item], is_whole: bool) -> String {
    let contexts: Vec<&Item> = of_kind(items, Kind::TlsContext).collect();
    let mut lines = Vec::new();
    if !contexts.is_empty() || is_whole {
        let head = [
            "STATE", "TARGET", "CONTEXT", "EXPIRES", "DAYS", "RENEWAL", "DOMAINS",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        let dash = || "-".to_owned();
        let day = |time: Timestamp| expiry::date_of(time).to_string();
        rows.extend(contexts.iter().map(|item| {
            [
                shown(item.state),
                place(item, "private_space").to_owned(),
                item.name.clone(),
                item.not_after.map_or_else(dash, day),
                item.days_left.map_or_else(dash, |days| days.to_string()),
                item.renewal_due.map_or_else(dash, day),
                place(item, "domains").to_owned(),
            ]
        }));
        lines.push(table(&rows));
    }
    for item in contexts {
        if let Some(detail) = &item.detail {
            lines.push(format!("{}: {detail}", in_space(item)));
        }
    }
    for item in of_kind(items, Kind::ServedCertificate) {
        let detail = item.detail.as_deref().unwrap_or_default();
        let state = match item.state {
            State::Ok => "served".to_owned(),
            state => shown(state),
        };
        lines.push(format!("{}: {state}: {detail}", in_space(item)));
    }
    for item in of_kind(items, Kind::Certificate) {
        let detail = item.detail.as_deref().unwrap_or_default();
        // What is late is said of the TLS contexts that it goes to.
        let is_said = || lines.iter().any(|line| line.ends_with(detail));
        if item.state != State::Ok && (detail.is_empty() || !is_said()) {
            lines.push(format!(
                "acme.sh's certificate for {}: {} {detail}",
                item.name,
                shown(item.state)
            ));
        }
    }
    lines.join("\n")
}

fn of_kind(items: &[Item], kind: Kind) -> impl Iterator<Item = &Item> {
    items.iter().filter(move |item| item.kind == kind)
}

fn in_space(item: &Item) -> String {
    format!("{} in {}", item.name, place(item, "private_space"))
}

fn place<'a>(item: &'a Item, key: &str) -> &'a str {
    item.at.get(key).map_or("", String::as_str)
}

/// What is not well stands out.
fn shown(state: State) -> String {
    match state {
        State::Ok => "ok".to_owned(),
        state => state.word().replace('_', " ").to_uppercase(),
    }
}
