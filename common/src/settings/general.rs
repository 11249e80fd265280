//! The settings that every program has: where settings come from, and how the network is used.

use super::setting::Setting;

/// All of them.
pub const SETTINGS: &[&Setting] = &[
    &CONFIG,
    &HOME,
    &CONFIG_HOME,
    &CA_BUNDLE,
    &CA_PATH,
    &SSL_CERT_FILE,
    &INSECURE,
    &USER_AGENT,
    &CONNECT_TIMEOUT,
    &REQUEST_TIMEOUT,
    &DEADLINE,
];

/// The TOML file.
pub static CONFIG: Setting = Setting::file(&["ANYPOINT_HOOKS_CONFIG"], "TOML configuration file")
    .flag("--config", "FILE")
    .saved();

/// acme.sh's home.
pub static HOME: Setting = Setting::file(
    &["LE_WORKING_DIR"],
    "home of acme.sh, whose saved values are read",
)
.flag("--home", "DIR");

/// acme.sh's other home, for what changes.
pub static CONFIG_HOME: Setting = Setting::file(
    &["LE_CONFIG_HOME"],
    "configuration home of acme.sh, where it is not the home itself",
)
.flag("--config-home", "DIR");

/// Certificates to trust.
pub static CA_BUNDLE: Setting = Setting::file(
    &["CA_BUNDLE"],
    "PEM file of certificates to trust in addition to the system's",
)
.flag("--ca-bundle", "FILE")
.toml(&["network.ca_bundle"]);

/// A folder of certificates to trust.
pub static CA_PATH: Setting = Setting::file(
    &["CA_PATH"],
    "folder of PEM files of certificates to trust in addition to the system's",
)
.toml(&["network.ca_path"]);

/// Certificates to trust and no others.
pub static SSL_CERT_FILE: Setting = Setting::file(
    &["SSL_CERT_FILE"],
    "PEM file of certificates to trust instead of the system's",
);

/// Trust anybody.
pub static INSECURE: Setting = Setting::switch(
    &["HTTPS_INSECURE"],
    "do not verify server certificates; any value counts, as in acme.sh",
)
.flag("--insecure", "");

/// The header of that name.
pub static USER_AGENT: Setting =
    Setting::text(&["USER_AGENT"], "the `User-Agent` header").toml(&["network.user_agent"]);

/// Limit on making a connection.
pub static CONNECT_TIMEOUT: Setting = Setting::duration(
    &["ANYPOINT_HOOKS_CONNECT_TIMEOUT"],
    "limit on making a connection",
)
.flag("--connect-timeout", "TIME")
.toml(&["network.connect_timeout"])
.default("10s");

/// Limit on one request.
pub static REQUEST_TIMEOUT: Setting =
    Setting::duration(&["ANYPOINT_HOOKS_REQUEST_TIMEOUT"], "limit on one request")
        .flag("--request-timeout", "TIME")
        .toml(&["network.request_timeout"])
        .default("60s");

/// Limit on everything for one target.
pub static DEADLINE: Setting = Setting::duration(
    &["ANYPOINT_HOOKS_DEADLINE"],
    "limit on all requests for one target, retries included",
)
.flag("--deadline", "TIME")
.toml(&["network.deadline"])
.default("5m");
