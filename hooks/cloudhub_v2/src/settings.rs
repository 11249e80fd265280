//! Every setting: variables, flags, keys of the TOML file, what is secret and what is saved.

use common::anypoint::settings::{BEARER, ORGANIZATION, URL};
use common::error::{Error, Result};
use common::net::dns::{self, ServerAddress};
use common::settings::file::OneOrMany;
use common::settings::{ConfFile, List, Registry, Setting, Settings, Sourced, fits};
use serde::Deserialize;

/// All of them.
pub(crate) static SETTINGS: Registry = Registry {
    program: "cloudhub_v2",
    own: &[
        &PRIVATE_SPACE,
        &ORGANIZATION,
        &ENVIRONMENT,
        &URL,
        &CONTEXT_NAME,
        &CLIENT_ID,
        &CLIENT_SECRET,
        &BEARER,
        &KEY_PASSPHRASE,
        &TRUSTSTORE,
        &CIPHERS,
        &VERIFY,
        &VERIFY_CONNECT,
        &VERIFY_SERVER_NAME,
        &VERIFY_RESOLVER,
        &VERIFY_TIMEOUT,
        &REDEPLOY_TIMEOUT,
        &STRICT,
        &WORKERS,
        &RATE,
    ],
    lists: &[List {
        name: "cloudhub_v2.target",
        check: fits::<Lists>,
        keys: &[
            &TARGET_NAME,
            &URL,
            &ORGANIZATION,
            &PRIVATE_SPACE,
            &CLIENT_ID,
            &CLIENT_SECRET,
            &CONTEXT_NAME,
            &TRUSTSTORE,
            &CIPHERS,
            &DOMAINS,
        ],
    }],
    saves_to: ConfFile::Domain,
};

pub(crate) static PRIVATE_SPACE: Setting = Setting::list(
    &["CH2_PRIVATE_SPACE_ID"],
    "private spaces, by id or name, separated by commas",
)
.flag("--private-space", "SPACES")
.toml(&["cloudhub_v2.private_space"])
.saved();

pub(crate) static ENVIRONMENT: Setting = Setting::text(
    &["CH2_ENVIRONMENT_ID", "ANYPOINT_ENV"],
    "environment of the application, by name or id",
)
.flag("--environment", "ENV")
.only_for(&["expose"])
.toml(&["cloudhub_v2.environment", "anypoint.environment"])
.optional();

pub(crate) static CONTEXT_NAME: Setting = Setting::text(
    &["CH2_TLS_CONTEXT_NAME"],
    "name of the TLS context, instead of the domain with `-` for `.` and `x` for `*`",
)
.flag("--context-name", "NAME")
.toml(&["cloudhub_v2.tls_context_name"])
.optional()
.saved();

pub(crate) static CLIENT_ID: Setting = Setting::text(
    &["CH2_CLIENT_ID", "ANYPOINT_CLIENT_ID"],
    "client id of the connected app",
)
.toml(&["cloudhub_v2.client_id", "anypoint.client_id"])
.saved();

pub(crate) static CLIENT_SECRET: Setting = Setting::secret(
    &["CH2_CLIENT_SECRET", "ANYPOINT_CLIENT_SECRET"],
    "secret of the connected app",
)
.toml(&["cloudhub_v2.client_secret", "anypoint.client_secret"])
.partner(&CLIENT_ID)
.saved();

pub(crate) static KEY_PASSPHRASE: Setting = Setting::secret(
    &["CH2_KEY_PASSPHRASE"],
    "passphrase of an encrypted private key",
)
.toml(&["cloudhub_v2.key_passphrase"])
.saved();

pub(crate) static TRUSTSTORE: Setting = Setting::file(
    &["CH2_TRUSTSTORE"],
    "PEM file of the authorities that issue client certificates",
)
.toml(&["cloudhub_v2.truststore"])
.optional()
.saved();

pub(crate) static CIPHERS: Setting = Setting::list(
    &["CH2_CIPHERS"],
    "ciphers to enable, all others being disabled; left as they are if not set",
)
.toml(&["cloudhub_v2.ciphers"])
.optional()
.saved();

pub(crate) static VERIFY: Setting = Setting::switch(
    &["CH2_VERIFY"],
    "prove by a handshake with the ingress that the certificate is served, and that an application that was exposed answers",
)
.flag("--verify", "")
.only_for(&["deploy", "expose"])
.toml(&["cloudhub_v2.verify"])
.saved();

/// The commands that look at what is served.
const LOOKING: &[&str] = &["check", "deploy", "expose", "reconcile", "verify"];

pub(crate) static VERIFY_CONNECT: Setting = Setting::text(
    &["CH2_VERIFY_CONNECT"],
    "host, or host and port, where the certificate is looked for, instead of the targets' own ingresses",
)
.flag("--connect", "HOST[:PORT]")
.only_for(LOOKING)
.heading("Proof")
.toml(&["cloudhub_v2.verify_connect"])
.optional()
.saved();

pub(crate) static VERIFY_SERVER_NAME: Setting = Setting::text(
    &["CH2_VERIFY_SERVER_NAME"],
    "server name to ask for, instead of the domain; for a wildcard, any name that it covers",
)
.flag("--server-name", "NAME")
.only_for(&["check", "deploy", "reconcile", "verify"])
.heading("Proof")
.toml(&["cloudhub_v2.verify_server_name"])
.optional()
.saved();

pub(crate) static VERIFY_RESOLVER: Setting = Setting::list(
    &["CH2_VERIFY_RESOLVER"],
    "name servers to look up addresses with, instead of the system's: addresses, or DNS over HTTPS as \
     https://HOST/dns-query",
)
.flag("--resolver", "ADDRESS")
.only_for(&["check", "deploy", "dns", "expose", "reconcile", "verify"])
.heading("Proof")
.toml(&["cloudhub_v2.verify_resolver"])
.optional()
.saved();

pub(crate) static VERIFY_TIMEOUT: Setting = Setting::duration(
    &["CH2_VERIFY_TIMEOUT"],
    "how long to wait for an ingress to serve the certificate, and for DNS to lead there",
)
.flag("--timeout", "TIME")
.only_for(&["deploy", "dns", "expose", "reconcile", "verify"])
.heading("Proof")
.toml(&["cloudhub_v2.verify_timeout"])
.default("5m")
.saved();

/// A rolling update of several replicas takes minutes.
pub(crate) static REDEPLOY_TIMEOUT: Setting = Setting::duration(
    &["CH2_REDEPLOY_TIMEOUT"],
    "how long to wait for an application to run with another endpoint",
)
.flag("--redeploy-timeout", "TIME")
.only_for(&["expose"])
.toml(&["cloudhub_v2.redeploy_timeout"])
.default("10m");

pub(crate) static STRICT: Setting = Setting::switch(
    &["CH2_STRICT"],
    "refuse a certificate whose chain does not lead to a root that is trusted here, instead of a warning",
)
.flag("--strict", "")
.only_for(&["deploy", "reconcile"])
.toml(&["cloudhub_v2.strict"])
.saved();

pub(crate) static WORKERS: Setting =
    Setting::number(&[], "how many targets to work on in parallel")
        .flag("--workers", "N")
        .toml(&["cloudhub_v2.workers"])
        .default("8");

/// The default is what the platform takes from one address.
pub(crate) static RATE: Setting = Setting::number(
    &[],
    "requests per second to one control plane, 0 for no limit",
)
.flag("--rate", "N")
.toml(&["cloudhub_v2.rate"])
.default("15");

/// The name servers that are named; none for the system's.
pub(crate) fn resolvers(settings: &Settings) -> Result<Vec<ServerAddress>> {
    let parse = |text: &str| -> std::result::Result<Vec<_>, String> {
        let entries = text.split([',', ' ']).filter(|entry| !entry.is_empty());
        entries.map(dns::server).collect()
    };
    Ok(settings
        .parsed(&VERIFY_RESOLVER, parse)?
        .map_or_else(Vec::new, |found| found.value))
}

/// The environment that is set.
pub(crate) fn environment(settings: &Settings) -> Result<Sourced> {
    settings.text(&ENVIRONMENT)?.ok_or_else(|| {
        Error::config("no environment is given").advise(format!(
            "Set {} to the name or the id of the application's environment, for example Production.",
            ENVIRONMENT.how_to_give()
        ))
    })
}

/// How many targets are worked on in parallel.
pub(crate) fn workers(settings: &Settings) -> Result<usize> {
    Ok(number(settings, &WORKERS, 1, 64)? as usize)
}

/// How many requests one control plane gets in a second; 0 for any number.
pub(crate) fn rate(settings: &Settings) -> Result<u32> {
    number(settings, &RATE, 0, 1000)
}

/// The number that a setting with a default is set to.
fn number(settings: &Settings, setting: &Setting, least: u32, most: u32) -> Result<u32> {
    let parse = |text: &str| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from {least} to {most}")),
    };
    Ok(settings
        .parsed(setting, parse)?
        .map_or(least, |found| found.value))
}

static TARGET_NAME: Setting = Setting::text(
    &[],
    "name of the target in the output; the private space unless given",
)
.toml(&["cloudhub_v2.target.name"]);

static DOMAINS: Setting = Setting::list(
    &[],
    "domains that the target takes, such as *.acme.example; all unless given",
)
.toml(&["cloudhub_v2.target.domains"]);

/// The lists of the TOML file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Lists {
    #[serde(default)]
    pub(crate) cloudhub_v2: Section,
}

/// The lists of `[cloudhub_v2]`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Section {
    #[serde(default)]
    pub(crate) target: Vec<TargetEntry>,
}

/// `[[cloudhub_v2.target]]`: private spaces to serve, with an account of their own if need be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TargetEntry {
    /// Name of the target in the output; the private space unless given.
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) private_space: Option<OneOrMany>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret_file: Option<String>,
    pub(crate) client_secret_env: Option<String>,
    pub(crate) tls_context_name: Option<String>,
    pub(crate) truststore: Option<String>,
    pub(crate) ciphers: Option<OneOrMany>,
    /// Domains that this target takes, such as `*.acme.example`; all unless given.
    pub(crate) domains: Vec<String>,
}
