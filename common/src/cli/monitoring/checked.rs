//! The findings of a check, and their JSON form, which `common/schema/check.schema.json` writes down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cli::Outcome;
use crate::log;

/// The version of the JSON form. It changes when a field changes its meaning or goes, not when one comes.
pub const SCHEMA_VERSION: u32 = 1;

/// What a check has found.
///
/// In JSON, a field without a value is left out, and timestamps are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// The program whose check it is.
    pub program: String,
    /// Its version.
    pub version: String,
    /// When it began.
    pub checked_at: Timestamp,
    /// The gravest of all items; [`Severity::Ok`] where there are none.
    pub state: Severity,
    /// Everything that was looked at, and what could not be.
    pub items: Vec<Item>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The program that found it, where it was asked by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// What it is called among others of its kind and place.
    pub name: String,
    /// Where it is: at least those keys of [`Kind::places`] that are known.
    #[serde(default)]
    pub at: BTreeMap<String, String>,
    /// How it is.
    pub state: State,
    /// How grave that is.
    pub severity: Severity,
    /// From when it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Until when it is valid. Where the platform tells only a day, it is the first second of that day in UTC: it is
    /// not known to be valid for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// When the next automatic renewal is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_due: Option<Timestamp>,
    /// When its renewal is tried next without being asked, by `anypoint-estate` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// Whole hours from then until `not_after`: how long the renewal may go on failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_hours: Option<i64>,
    /// Whole days until `not_after`, negative once it has passed. Where the platform tells only a day, the days until
    /// that one: 0 on the day itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// What renews it without being asked, such as `acme.sh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_by: Option<String>,
    /// What speaks for the state, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A TLS context of a private space. Its name is that of the context.
    TlsContext,
    /// What an ingress serves. Its name is that of the TLS context.
    ServedCertificate,
    /// What acme.sh has, and when it means to renew it. Its name is the main domain.
    Certificate,
    /// The registration of a Flex Gateway. Its name is that of the gateway here.
    Registration,
    /// A replica of a Flex Gateway, as it reports itself to the platform. Its name is that of the
    /// gateway, a slash and its own.
    Replica,
    /// An instance of an API. Its name is that of its asset; where it has a label, followed by a slash and that.
    Api,
    /// A token of a DNS provider. Its name is the setting that it comes from.
    ApiToken,
    /// A DNS zone, and what the credentials may do there. Its name is the domain of the zone.
    Zone,
    /// Something that was begun and not finished. Its name is what it was begun for.
    UnfinishedWork,
    /// Something that could not be asked. Its name is what was meant to be asked.
    Platform,
    /// What is to be run regularly. Its name is the command.
    Run,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::TlsContext,
        Self::ServedCertificate,
        Self::Certificate,
        Self::Registration,
        Self::Replica,
        Self::Api,
        Self::ApiToken,
        Self::Zone,
        Self::UnfinishedWork,
        Self::Platform,
        Self::Run,
    ];

    /// The word for it, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::TlsContext => "tls_context",
            Self::ServedCertificate => "served_certificate",
            Self::Certificate => "certificate",
            Self::Registration => "registration",
            Self::Replica => "replica",
            Self::Api => "api",
            Self::ApiToken => "api_token",
            Self::Zone => "zone",
            Self::UnfinishedWork => "unfinished_work",
            Self::Platform => "platform",
            Self::Run => "run",
        }
    }

    /// The keys of [`Item::at`] that tell one item of this kind from another of the same name. Others may stand beside
    /// them. In metrics, these are the labels, beside `name`.
    pub fn places(self) -> &'static [&'static str] {
        match self {
            Self::TlsContext => &["organization", "private_space"],
            Self::ServedCertificate => &["organization", "private_space", "host"],
            Self::Certificate => &["home", "key_type"],
            Self::Registration => &["organization", "environment", "gateway"],
            Self::Replica => &["organization", "environment", "gateway"],
            Self::Api => &["organization", "environment", "api_instance"],
            Self::ApiToken => &["account"],
            Self::Zone => &["account", "zone"],
            Self::UnfinishedWork => &["target"],
            Self::Platform | Self::Run => &["host"],
        }
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// To be renewed now, or a renewal that was planned has not happened.
    Due,
    /// Not there, or a permission that is not granted.
    Missing,
    /// Not what it was meant to be.
    Differs,
    /// Begun, and not finished.
    Unfinished,
    /// No longer valid.
    Expired,
    /// Reachable without the credentials that it should ask for.
    Open,
    /// Another certificate is served, or none.
    NotServed,
    /// It could not be found out.
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Due,
        Self::Missing,
        Self::Differs,
        Self::Unfinished,
        Self::Expired,
        Self::Open,
        Self::NotServed,
        Self::Unknown,
    ];

    /// How grave it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::Ok => Severity::Ok,
            Self::Due | Self::Missing | Self::Differs | Self::Unfinished => Severity::Warning,
            Self::Expired | Self::Open | Self::NotServed => Severity::Critical,
            Self::Unknown => Severity::Unknown,
        }
    }

    /// How a run ends that finds it.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Ok | Self::Unknown => Outcome::Done,
            Self::Unfinished => Outcome::Unfinished,
            Self::Due | Self::Missing | Self::Differs | Self::Open | Self::NotServed => {
                Outcome::Due
            }
            Self::Expired => Outcome::Expired,
        }
    }

    /// The word for it, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Due => "due",
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::Unfinished => "unfinished",
            Self::Expired => "expired",
            Self::Open => "open",
            Self::NotServed => "not_served",
            Self::Unknown => "unknown",
        }
    }
}

/// How grave something is, as monitoring systems call it.
///
/// The order is that in which several are summed up: what is known to be wrong outweighs what is not known, and that
/// outweighs what is well. It is that of `max_state_alt` of the Monitoring Plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing to do.
    Ok,
    /// It could not be found out.
    Unknown,
    /// Something is to be done before it is too late.
    Warning,
    /// It is too late, or open.
    Critical,
}

impl Severity {
    /// The exit code of a plugin for monitoring.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The word for it, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Checked {
    /// The findings of a program's check that began at `checked_at`.
    pub fn new(program: &str, checked_at: Timestamp, items: Vec<Item>) -> Self {
        let state = items.iter().map(|item| item.severity).max();
        Self {
            schema_version: SCHEMA_VERSION,
            program: program.to_owned(),
            // All programs and this crate are of one version.
            version: env!("CARGO_PKG_VERSION").to_owned(),
            checked_at,
            state: state.unwrap_or(Severity::Ok),
            items,
        }
    }
}

impl Item {
    /// Something that is in `state`, with nothing else known of it.
    pub fn new(kind: Kind, name: impl Into<String>, state: State) -> Self {
        Self {
            program: None,
            kind,
            name: name.into(),
            at: BTreeMap::new(),
            state,
            severity: state.severity(),
            not_before: None,
            not_after: None,
            renewal_due: None,
            next_try: None,
            slack_hours: None,
            days_left: None,
            renewed_by: None,
            detail: None,
            advice: None,
        }
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, key: &str, value: impl Into<String>) -> Self {
        self.at.insert(key.to_owned(), value.into());
        self
    }

    /// Says by an error why it is in its state.
    #[must_use]
    pub fn because(mut self, err: &anyhow::Error) -> Self {
        self.detail = Some(log::sentence(err));
        self.advice = log::advice(err).map(str::to_owned);
        self
    }

    /// Says until when it is valid, and so how many whole days are left.
    #[must_use]
    pub fn until(mut self, not_after: Timestamp, now: Timestamp) -> Self {
        self.not_after = Some(not_after);
        self.days_left = Some(
            not_after
                .duration_since(now)
                .as_secs()
                .div_euclid(24 * 60 * 60),
        );
        self
    }
}
