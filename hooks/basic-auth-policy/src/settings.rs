//! Every setting of this program: its variables, flags and keys of the TOML file.

use std::fmt;

use common::anypoint::DEFAULT_URL;
use common::anypoint::settings::{self as shared, BEARER, CLIENT_ID, CLIENT_SECRET};
use common::error::Result;
use common::settings::file::OneOrMany;
use common::settings::{ConfFile, List, Registry, Setting, Settings, fits};
use serde::Deserialize;

/// The commands that take a user and a password.
const WITH_A_USER: &[&str] = &["apply", "rotate", "verify"];

/// The commands that hand a password over.
const HANDS_OVER: &[&str] = &["apply", "rotate"];

/// The settings of the program.
pub(crate) static SETTINGS: Registry = Registry {
    program: "basic-auth-policy",
    own: &[
        &API,
        &LABEL,
        &ENVIRONMENT,
        &ORGANIZATION,
        &URL,
        &POLICY_ID,
        &CLIENT_ID,
        &CLIENT_SECRET,
        &BEARER,
        // Where both are given, the name itself is what is saved.
        &USERNAME_FILE,
        &USERNAME,
        &PASSWORD,
        &ALLOW_WEAK,
        &POLICY_VERSION,
        &ORDER,
        &PLATFORM_CLIENT_ID,
        &PLATFORM_CLIENT_SECRET,
        &PASSWORD_OUT,
        &ENV_OUT,
        &POSTMAN_OUT,
        &NETRC_OUT,
        &NETRC_MACHINE,
        &WORKERS,
        &RATE,
    ],
    lists: &[
        List {
            name: LIST,
            check: fits::<Lists>,
            keys: &[
                &API_NAME,
                &VERIFY_URL,
                &METHODS,
                &PATHS,
                &API,
                &LABEL,
                &ENVIRONMENT,
                &ORGANIZATION,
                &URL,
                &CLIENT_ID,
                &CLIENT_SECRET,
                &USERNAME,
                &PASSWORD,
                &ALLOW_WEAK,
                &POLICY_VERSION,
                &ORDER,
                &PASSWORD_OUT,
                &ENV_OUT,
                &POSTMAN_OUT,
                &NETRC_OUT,
                &NETRC_MACHINE,
            ],
        },
        List {
            name: "basic_auth_policy.methods",
            check: fits::<Lists>,
            keys: &[],
        },
        List {
            name: "basic_auth_policy.paths",
            check: fits::<Lists>,
            keys: &[],
        },
    ],
    saves_to: ConfFile::Domain,
};

/// The list of APIs in the TOML file.
pub(crate) const LIST: &str = "basic_auth_policy.api";

/// What is saved as soon as the platform has accepted the credentials, even if the rest fails.
pub(crate) static LOGIN: &[&Setting] = &[&URL, &ORGANIZATION, &CLIENT_ID, &CLIENT_SECRET];

/// The API instance.
pub(crate) static API: Setting = Setting::text(
    &["API_INSTANCE_ID"],
    "API instance, by its number, or by the name or asset id of the API",
)
.flag("--api", "ID|NAME")
.heading("Target")
.toml(&["basic_auth_policy.api_instance"])
.saved();

/// Label of the instance.
pub(crate) static LABEL: Setting = Setting::text(
    &[],
    "label of the API instance, where an API has several instances",
)
.flag("--label", "LABEL")
.heading("Target")
.toml(&["basic_auth_policy.label"]);

/// The environment.
pub(crate) static ENVIRONMENT: Setting = Setting::text(
    &["ENVIRONMENT_ID", "ANYPOINT_ENV"],
    "environment, by name or id",
)
.flag("--environment", "ENV")
.heading("Target")
.toml(&["basic_auth_policy.environment", "anypoint.environment"])
.saved();

/// The organization or business group.
pub(crate) static ORGANIZATION: Setting = shared::ORGANIZATION.heading("Target");

/// The control plane. `--url` is the API's here.
pub(crate) static URL: Setting = Setting::address(
    &["ANYPOINT_URL", "ANYPOINT_HOST"],
    "address of the control plane",
)
.flag("--anypoint-url", "URL")
.heading("Target")
.toml(&["anypoint.url"])
.default(DEFAULT_URL)
.saved();

/// The policy, where an API has several Basic Authentication policies.
pub(crate) static POLICY_ID: Setting = Setting::number(
    &[],
    "the policy to work on, where an API has several Basic Authentication policies",
)
.flag("--policy-id", "ID")
.heading("Target");

/// The user.
pub(crate) static USERNAME: Setting = Setting::text(
    &["BASIC_AUTH_USERNAME"],
    "the one user that the policy lets in; rotate keeps the policy's own unless the flag is given",
)
.flag("--username", "NAME")
.only_for(WITH_A_USER)
.toml(&["basic_auth_policy.username"])
.saved();

/// File that holds the user name.
pub(crate) static USERNAME_FILE: Setting = Setting::file(
    &["BASIC_AUTH_USERNAME_FILE"],
    "file that holds the user name",
)
.saved();

/// The password.
pub(crate) static PASSWORD: Setting =
    Setting::secret(&["BASIC_AUTH_PASSWORD"], "password of the user")
        .flag("--password-file", "FILE")
        .only_for(WITH_A_USER)
        .toml(&["basic_auth_policy.password"])
        .saved();

/// Accepting a weak password, in the TOML file for good.
pub(crate) static ALLOW_WEAK: Setting =
    Setting::switch(&[], "accept a password that is easy to guess")
        .flag("--allow-weak", "")
        .only_for(&["apply", "rotate"])
        .toml(&["basic_auth_policy.allow_weak"]);

/// Version of the policy.
pub(crate) static POLICY_VERSION: Setting = Setting::text(
    &[],
    "version of the policy, instead of the latest that the platform offers for the API",
)
.flag("--policy-version", "VERSION")
.only_for(&["apply"])
.toml(&["basic_auth_policy.policy_version"]);

/// Place among the policies.
pub(crate) static ORDER: Setting =
    Setting::number(&[], "position among the policies of the API, from 1")
        .flag("--order", "N")
        .only_for(&["apply"])
        .toml(&["basic_auth_policy.order"]);

/// The client id of the environment.
pub(crate) static PLATFORM_CLIENT_ID: Setting = Setting::text(
    &["PLATFORM_CLIENT_ID"],
    "client id of the environment, instead of the one that Access Management gives",
)
.flag("--platform-client-id", "ID")
.only_for(&["autodiscover"]);

/// Its secret.
pub(crate) static PLATFORM_CLIENT_SECRET: Setting = Setting::secret(
    &["PLATFORM_CLIENT_SECRET"],
    "client secret of the environment, instead of the one that Access Management gives",
);

/// The file for a password alone.
pub(crate) static PASSWORD_OUT: Setting = Setting::file(
    &[],
    "file for a new password; of a generated one, what is in it already is used again",
)
.flag("--password-out", "FILE")
.only_for(HANDS_OVER)
.heading("Hand-over")
.toml(&["basic_auth_policy.password_out"]);

/// The file for variables.
pub(crate) static ENV_OUT: Setting = Setting::file(
    &[],
    "file of variables (dotenv) that gets BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD",
)
.flag("--env-out", "FILE")
.only_for(HANDS_OVER)
.heading("Hand-over")
.toml(&["basic_auth_policy.env_out"]);

/// The Postman environment.
pub(crate) static POSTMAN_OUT: Setting = Setting::file(
    &[],
    "exported Postman environment whose username and password are set",
)
.flag("--postman-out", "FILE")
.only_for(HANDS_OVER)
.heading("Hand-over")
.toml(&["basic_auth_policy.postman_out"]);

/// The file of logins by host.
pub(crate) static NETRC_OUT: Setting = Setting::file(
    &[],
    "file of logins (netrc) whose entry for the host of the API is set",
)
.flag("--netrc-out", "FILE")
.only_for(HANDS_OVER)
.heading("Hand-over")
.toml(&["basic_auth_policy.netrc_out"]);

/// The host that a login in it is for.
pub(crate) static NETRC_MACHINE: Setting = Setting::text(
    &[],
    "host of the entry in the file of logins; that of the first --url unless given",
)
.flag("--netrc-machine", "HOST")
.only_for(HANDS_OVER)
.heading("Hand-over")
.toml(&["basic_auth_policy.netrc_machine"]);

/// Where a new password goes.
pub(crate) static HAND_OVER: [&Setting; 4] = [&PASSWORD_OUT, &ENV_OUT, &POSTMAN_OUT, &NETRC_OUT];

/// How much is done at once.
pub(crate) static WORKERS: Setting = Setting::number(&[], "how many APIs to work on in parallel")
    .flag("--workers", "N")
    .only_for(&["apply", "rotate", "status", "check"])
    .toml(&["basic_auth_policy.workers"])
    .default("8");

/// API Manager publishes no rate, and what it refuses for being too many is tried again when it says so. This is what a
/// handful of people in its pages cause.
pub(crate) static RATE: Setting = Setting::number(
    &[],
    "requests per second to one control plane, 0 for no limit",
)
.flag("--rate", "N")
.only_for(&["apply", "rotate", "status", "check"])
.toml(&["basic_auth_policy.rate"])
.default("50");

/// How many APIs are worked on in parallel.
pub(crate) fn workers(settings: &Settings) -> Result<usize> {
    Ok(number(settings, &WORKERS, 1, 64)? as usize)
}

/// How many requests one control plane gets in a second; 0 for any number.
pub(crate) fn rate(settings: &Settings) -> Result<u32> {
    number(settings, &RATE, 0, 1000)
}

fn number(settings: &Settings, setting: &Setting, least: u32, most: u32) -> Result<u32> {
    let parse = |text: &str| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from {least} to {most}")),
    };
    Ok(settings
        .parsed(setting, parse)?
        .map_or(least, |found| found.value))
}

static API_NAME: Setting = Setting::text(
    &[],
    "what the API is called in the output; the API unless given",
)
.toml(&["basic_auth_policy.api.name"]);

static VERIFY_URL: Setting = Setting::list(&[], "addresses where rotate proves the change")
    .toml(&["basic_auth_policy.api.verify_url"]);

static METHODS: Setting =
    Setting::list(&[], "HTTP methods that the policy is for; all unless given")
        .toml(&["basic_auth_policy.api.methods"]);

static PATHS: Setting = Setting::list(
    &[],
    "regular expressions of the paths that the policy is for; all unless given",
)
.toml(&["basic_auth_policy.api.paths"]);

/// What the TOML file holds beside settings.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Lists {
    /// The table of this program.
    #[serde(default)]
    pub(crate) basic_auth_policy: Table,
}

/// Its lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Table {
    /// The requests that the policy is for, unless an API says otherwise.
    #[serde(flatten)]
    pub(crate) conditions: Conditions,
    pub(crate) api: Vec<ApiEntry>,
}

/// The requests that the policy is for. A path is a regular expression, which may hold commas.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Conditions {
    /// Only these methods.
    pub(crate) methods: Vec<String>,
    /// Only paths that one of these matches.
    pub(crate) paths: Vec<String>,
}

/// `[[basic_auth_policy.api]]`: one of many APIs. Its keys are settings, which are read as such; see
/// [`Settings::for_entry`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApiEntry {
    /// What it is called in the output; the API unless given.
    pub(crate) name: Option<String>,
    /// Addresses that `rotate` proves the change at.
    pub(crate) verify_url: Option<OneOrMany>,
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) api_instance: Option<TextOrNumber>,
    pub(crate) password_file: Option<String>,
    pub(crate) password_env: Option<String>,
    label: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret_file: Option<String>,
    pub(crate) client_secret_env: Option<String>,
    username: Option<String>,
    allow_weak: Option<bool>,
    policy_version: Option<String>,
    order: Option<u64>,
    password_out: Option<String>,
    env_out: Option<String>,
    postman_out: Option<String>,
    netrc_out: Option<String>,
    netrc_machine: Option<String>,
}

/// An id may be all digits.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum TextOrNumber {
    Text(String),
    Number(u64),
}

impl fmt::Display for TextOrNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl ApiEntry {
    /// The addresses that it is proved at.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.verify_url
            .as_ref()
            .map(OneOrMany::entries)
            .unwrap_or_default()
    }

    /// Whether the password of this API is given.
    pub(crate) fn has_password(&self) -> bool {
        self.password_file.is_some() || self.password_env.is_some()
    }
}
