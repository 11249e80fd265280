//! Every setting of the program: nothing else names its variables, their flags, or keys of the TOML file.

use common::settings::{ConfFile, List, Registry, Setting, fits};
use serde::Deserialize;

/// All of them.
pub(crate) static SETTINGS: Registry = Registry {
    program: "dns_cf",
    own: &[
        &TOKEN,
        &ZONE_TOKEN,
        &KEY,
        &EMAIL,
        &ACCOUNT_ID,
        &ZONE_ID,
        &API,
        &TTL,
    ],
    lists: &[List {
        name: "dns_cf.account",
        check: fits::<Lists>,
        keys: &[
            &ZONES,
            &TOKEN,
            &ZONE_TOKEN,
            &KEY,
            &EMAIL,
            &ACCOUNT_ID,
            &ZONE_ID,
        ],
    }],
    saves_to: ConfFile::Account,
};

/// The token that edits records.
pub(crate) static TOKEN: Setting = Setting::secret(
    &["CF_Token"],
    "API token with Zone / Zone / Read and Zone / DNS / Edit",
)
.toml(&["dns_cf.token"])
.saved();

/// The token that reads zones, where that is another one.
pub(crate) static ZONE_TOKEN: Setting = Setting::secret(
    &["CF_Zone_Token"],
    "second API token, which reads zones, for a first one that may not",
)
.toml(&["dns_cf.zone_token"])
.saved();

/// The global key.
pub(crate) static KEY: Setting = Setting::secret(&["CF_Key"], "global API key")
    .toml(&["dns_cf.key"])
    .partner(&EMAIL)
    .saved();

/// The address that belongs to the global key.
pub(crate) static EMAIL: Setting = Setting::text(
    &["CF_Email"],
    "e-mail address of the user whose global API key is given",
)
.toml(&["dns_cf.email"])
.saved();

/// The account that zones are looked for in.
pub(crate) static ACCOUNT_ID: Setting = Setting::text(
    &["CF_Account_ID"],
    "id of the account, to tell zones of the same name apart",
)
.flag("--account-id", "ID")
.heading("Cloudflare")
.toml(&["dns_cf.account_id"])
.saved();

/// The zone, so that it need not be looked for.
pub(crate) static ZONE_ID: Setting = Setting::text(
    &["CF_Zone_ID"],
    "id of the zone, for a token that may not read zones",
)
.flag("--zone-id", "ID")
.heading("Cloudflare")
.toml(&["dns_cf.zone_id"])
.saved();

/// Where the API is.
pub(crate) static API: Setting = Setting::address(&["CF_Api"], "address of the API")
    .flag("--api", "URL")
    .heading("Cloudflare")
    .toml(&["dns_cf.api"])
    .default(common::cloudflare::API)
    .saved();

/// Lifetime of a challenge's record: long enough for few questions, short enough for resolvers to notice a change soon.
pub(crate) static TTL: Setting = Setting::number(&["CF_TTL"], "lifetime of the record in seconds")
    .flag("--ttl", "SECONDS")
    .only_for(&["add"])
    .heading("Cloudflare")
    .toml(&["dns_cf.ttl"])
    .default("120")
    .saved();

static ZONES: Setting =
    Setting::list(&[], "zones that the account is used for").toml(&["dns_cf.account.zones"]);

/// The lists of the TOML file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Lists {
    #[serde(default)]
    pub(crate) dns_cf: Section,
}

/// The lists of `[dns_cf]`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Section {
    #[serde(default)]
    pub(crate) account: Vec<AccountEntry>,
}

/// One account, and the zones that it is used for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountEntry {
    pub(crate) zones: Vec<String>,
    pub(crate) token_file: Option<String>,
    pub(crate) token_env: Option<String>,
    pub(crate) zone_token_file: Option<String>,
    pub(crate) zone_token_env: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) key_env: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) zone_id: Option<String>,
}
