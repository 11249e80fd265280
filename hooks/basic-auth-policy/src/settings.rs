//! Every setting of this program: its variables, flags and keys of the TOML file.

use common::anypoint::DEFAULT_URL;
use common::anypoint::settings::{self as shared, BEARER, CLIENT_ID, CLIENT_SECRET};
use common::settings::{ConfFile, List, Registry, Setting, fits};
use serde::Deserialize;

/// The commands that take a user and a password.
const WITH_A_USER: &[&str] = &["apply", "rotate", "verify"];

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
    ],
    lists: &[
        List {
            name: "basic_auth_policy.methods",
            check: fits::<Lists>,
        },
        List {
            name: "basic_auth_policy.paths",
            check: fits::<Lists>,
        },
    ],
    saves_to: ConfFile::Domain,
};

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

/// What the TOML file holds beside settings.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Lists {
    /// The table of this program.
    #[serde(default)]
    pub(crate) basic_auth_policy: Conditions,
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
