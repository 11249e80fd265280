//! Which account and zone the user means: chosen, checked, and saved as acme.sh's own hook saves it.

use std::path::PathBuf;

use common::acme_sh::{self, Conf};
use common::cloudflare::{self, Client, Credentials, ZoneId};
use common::error::{Error, Result};
use common::log::Output;
use common::net::http::{self, Http};
use common::secret::Secret;
use common::settings::{Found, Key, Origin, Settings};
use common::system::clock;

use crate::args::CloudflareArgs;
use crate::cure;
use crate::zone::Finder;

const TOKEN: Key = Key::new(&["CF_Token"], &["dns_cf.token"]);
const ZONE_TOKEN: Key = Key::new(&["CF_Zone_Token"], &["dns_cf.zone_token"]);
const KEY: Key = Key::new(&["CF_Key"], &["dns_cf.key"]);
const EMAIL: Key = Key::new(&["CF_Email"], &["dns_cf.email"]);
const ACCOUNT_ID: Key = Key::new(&["CF_Account_ID"], &["dns_cf.account_id"]).flag("--account-id");
const ZONE_ID: Key = Key::new(&["CF_Zone_ID"], &["dns_cf.zone_id"]).flag("--zone-id");
const API: Key = Key::new(&["CF_Api"], &["dns_cf.api"]).flag("--api");
const TTL: Key = Key::new(&["CF_TTL"], &["dns_cf.ttl"]).flag("--ttl");

/// Long enough for resolvers to notice a change soon; what acme.sh's own hook and lego use.
const DEFAULT_TTL: u32 = 120;

/// What the user has set.
#[derive(Debug)]
pub(crate) struct Account {
    scheme: Scheme,
    zone_token: Option<Found<Secret>>,
    pub(crate) account_id: Option<Found>,
    pub(crate) zone_id: Option<Found<ZoneId>>,
    api: Option<Found>,
    ttl: Option<Found<u32>>,
}

/// How requests are allowed.
#[derive(Debug)]
enum Scheme {
    Token(Found<Secret>),
    Key { email: Found, key: Found<Secret> },
}

impl Account {
    /// Reads and checks everything that can be checked without a request.
    pub(crate) fn load(settings: &Settings, args: &CloudflareArgs) -> Result<Self> {
        let account_id = settings.text(&ACCOUNT_ID, args.account_id.as_deref())?;
        let account_id = account_id
            .map(unquoted)
            .map(checked_account_id)
            .transpose()?;
        let zone_id = settings
            .text(&ZONE_ID, args.zone_id.as_deref())?
            .map(unquoted)
            .map(|found| {
                found.try_map(|text| ZoneId::parse(&text)).map_err(|err| {
                    err.advise("The id stands in the dashboard: zone, Overview, API.")
                })
            })
            .transpose()?;
        Ok(Self {
            scheme: scheme(settings)?,
            zone_token: settings
                .secret(&ZONE_TOKEN)?
                .map(checked_token)
                .transpose()?,
            account_id,
            zone_id,
            api: settings.text(&API, args.api.as_deref())?,
            ttl: settings
                .text(&TTL, None)?
                .map(|found| {
                    found.try_map(|text| {
                        let seconds = text.trim().parse().map_err(|_| {
                            Error::config(format!("{text:?} is not a number of seconds"))
                        })?;
                        checked_ttl(seconds)
                    })
                })
                .transpose()?,
        })
    }

    /// The client for these credentials.
    pub(crate) fn client(&self, settings: &Settings, out: &Output) -> Result<Client> {
        let base = self
            .api
            .as_ref()
            .map_or(cloudflare::API, |api| api.value.as_str());
        if let Some(api) = &self.api {
            http::base_url(&api.value)
                .map_err(|err| Error::config(format!("{}: {err}", api.origin)))?;
        }
        let http = Http::new("dns_cf", base, &settings.network()?, clock::system(), out)?;
        out.debug(format!("credentials: {}", self.label()));
        let client = match &self.scheme {
            Scheme::Token(token) => Client::new(
                &http,
                &Credentials::Token(token.value.clone()),
                &self.label(),
            )?,
            Scheme::Key { email, key } => {
                let credentials = Credentials::Key {
                    email: email.value.clone(),
                    key: key.value.clone(),
                };
                Client::new(&http, &credentials, &self.label())?
            }
        };
        let client = match &self.zone_token {
            Some(token) => {
                let label = format!("API token for reading zones from {}", token.origin);
                out.debug(format!("zones are read with the {label}"));
                client.with_zone_token(&http, &token.value, &label)?
            }
            None => client,
        };
        Ok(client.with_cure(cure::of))
    }

    /// What the credentials are and where they came from.
    pub(crate) fn label(&self) -> String {
        match &self.scheme {
            Scheme::Token(token) => format!("API token from {}", token.origin),
            Scheme::Key { email, key } => {
                format!(
                    "global API key from {} with the e-mail address from {}",
                    key.origin, email.origin
                )
            }
        }
    }

    /// Whether an API token is used, and not the global key.
    pub(crate) fn uses_token(&self) -> bool {
        matches!(self.scheme, Scheme::Token(_))
    }

    /// The lifetime of a new challenge record.
    pub(crate) fn ttl(&self, flag: Option<u32>) -> Result<u32> {
        match (flag, &self.ttl) {
            (Some(seconds), _) => {
                checked_ttl(seconds).map_err(|err| Error::config(format!("--ttl: {err}")))
            }
            (None, Some(found)) => Ok(found.value),
            (None, None) => Ok(DEFAULT_TTL),
        }
    }
}

/// A TTL that Cloudflare takes.
pub(crate) fn checked_ttl(seconds: u32) -> Result<u32> {
    if seconds == 1 || (30..=86_400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Error::config(format!(
            "{seconds} is no TTL that Cloudflare takes: 1 (automatic) or 60 to 86400 seconds, on Enterprise from 30"
        )))
    }
}

/// The nearest source decides; a token beats key and e-mail address of the same source, and half of a pair.
fn scheme(settings: &Settings) -> Result<Scheme> {
    let token = || -> Result<Option<Scheme>> {
        let token = settings.secret(&TOKEN)?;
        Ok(token.map(checked_token).transpose()?.map(Scheme::Token))
    };
    let pair = || -> Result<Option<Scheme>> {
        let Some((email, key)) = settings.pair(&EMAIL, &KEY, None)? else {
            return Ok(None);
        };
        Ok(Some(Scheme::Key {
            email: checked_email(unquoted(email))?,
            key: checked_key(key)?,
        }))
    };
    let found = match settings.nearest(&[&TOKEN, &KEY]) {
        Some(0) => token()?,
        Some(_) if settings.text(&EMAIL, None)?.is_none() => match token()? {
            Some(token) => Some(token),
            None => pair()?,
        },
        Some(_) => pair()?,
        None => None,
    };
    found.map_or_else(|| Err(no_credentials(settings)), Ok)
}

fn no_credentials(settings: &Settings) -> Error {
    let what = match settings.text(&EMAIL, None) {
        Ok(Some(email)) => format!("CF_Key is missing, while {} is given", email.origin),
        _ => "no Cloudflare credentials: CF_Token is missing".to_owned(),
    };
    let sources = if settings.home().is_none() && !settings.env().acme_is_calling() {
        " To use those that acme.sh has saved, give --home."
    } else {
        ""
    };
    Error::config(what).advise(format!(
        "Set CF_Token to an API token with Zone / Zone / Read and Zone / DNS / Edit (or CF_Token_FILE to the path of \
         a file that holds it), or CF_Key and CF_Email to the global API key and the address you log in with.{sources}"
    ))
}

/// acme.sh's own hook drops quotation marks within values, and people have saved some.
fn unquoted(found: Found) -> Found {
    Found {
        value: found.value.replace('"', ""),
        origin: found.origin,
    }
}

fn checked_account_id(found: Found) -> Result<Found> {
    let id = &found.value;
    if id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(found);
    }
    let what = if id.contains('@') {
        "holds an e-mail address"
    } else {
        "is not the id of an account, which has 32 hexadecimal digits"
    };
    Err(Error::config(format!("{} {what}", found.origin)).advise(
        "Unset it, for it is needed only to tell zones of the same name in several accounts apart; or take the id from \
         the dashboard: zone, Overview, API.",
    ))
}

fn checked_email(found: Found) -> Result<Found> {
    let whole = found.value.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !found.value.contains(char::is_whitespace)
    });
    if whole {
        Ok(found)
    } else {
        Err(Error::config(format!(
            "{}: {:?} is not an e-mail address",
            found.origin, found.value
        ))
        .advise("Set CF_Email to the address you log in to Cloudflare with."))
    }
}

fn checked_token(found: Found<Secret>) -> Result<Found<Secret>> {
    let found = checked_form(found, "an API token")?;
    let value = found.value.expose();
    if is_global_key(value) {
        return Err(Error::config(format!(
            "{} holds a global API key, not an API token",
            found.origin
        ))
        .advise(
            "Put it into CF_Key and set CF_Email, or better create an API token for CF_Token.",
        ));
    }
    Ok(found)
}

fn checked_key(found: Found<Secret>) -> Result<Found<Secret>> {
    let found = checked_form(found, "a global API key")?;
    let value = found.value.expose();
    let classic_token = value.len() == 40 && !value.starts_with("cfk_");
    if classic_token || value.starts_with("cfut_") || value.starts_with("cfat_") {
        return Err(Error::config(format!(
            "{} holds an API token, not the global API key",
            found.origin
        ))
        .advise("Put it into CF_Token, and unset CF_Key and CF_Email."));
    }
    Ok(found)
}

/// Finds what is pasted along by mistake, which Cloudflare would refuse with 6003 and 6111.
fn checked_form(found: Found<Secret>, what: &str) -> Result<Found<Secret>> {
    let bare = found.value.expose().replace('"', "");
    let wrong = if bare
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("bearer ")
    {
        Some("begins with `Bearer`")
    } else if bare.contains(char::is_whitespace) {
        Some("holds a blank or line break")
    } else if bare.is_empty() {
        Some("is empty")
    } else if bare.contains(['\'', '`', '“', '”', '‘', '’']) {
        Some("holds quotation marks")
    } else if !bare.bytes().all(|b| b.is_ascii_graphic()) {
        Some("holds a character that no such credential has")
    } else {
        None
    };
    match wrong {
        Some(wrong) => Err(
            Error::config(format!("{} {wrong}", found.origin)).advise(format!(
                "Give {what} alone, exactly as Cloudflare showed it."
            )),
        ),
        None => Ok(Found {
            value: Secret::new(bare),
            origin: found.origin,
        }),
    }
}

/// 37 hexadecimal digits of old, `cfk_` today.
fn is_global_key(value: &str) -> bool {
    value.starts_with("cfk_") || (value.len() == 37 && value.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What remains to be saved in acme.sh's conf files, once Cloudflare has accepted the credentials.
///
/// Which value goes where follows acme.sh's own `dnsapi/dns_cf.sh` (3.1.4), so that a user can go back to it.
#[derive(Debug, Default)]
pub(crate) struct Saving {
    edits: Vec<(PathBuf, Vec<Edit>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Edit {
    Set(String, String),
    Clear(String),
}

impl Edit {
    fn set(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Set(key.into(), value.into())
    }

    fn apply(&self, conf: &mut Conf) {
        match self {
            Edit::Set(key, value) => conf.set(key, value),
            Edit::Clear(key) => conf.clear(key),
        }
    }
}

impl Account {
    /// What is to be saved; nothing unless acme.sh is calling and something would change.
    ///
    /// # Errors
    ///
    /// Configuration: a conf file that has to be changed cannot be written.
    pub(crate) fn saving(&self, settings: &Settings) -> Result<Saving> {
        if !self.is_savable() {
            return Ok(Saving::default());
        }
        let mut edits = Vec::new();
        let domain = settings.domain_conf_to_save();
        if let Some(path) = settings.account_conf_to_save() {
            edits.push((path.to_owned(), self.account_edits(domain.is_some())));
        }
        if let Some(path) = domain {
            edits.push((path.to_owned(), self.domain_edits()));
        }
        let mut saving = Saving::default();
        for (path, edits) in edits {
            let before = Conf::load(&path)?;
            let mut after = before.clone();
            edits.iter().for_each(|edit| edit.apply(&mut after));
            if after != before {
                acme_sh::check_writable(&path)?;
                saving.edits.push((path, edits));
            }
        }
        Ok(saving)
    }

    /// Values from the TOML file stay there: a saved copy would win over a later change.
    fn is_savable(&self) -> bool {
        match &self.scheme {
            Scheme::Token(token) => is_users(&token.origin, "CF_Token"),
            Scheme::Key { key, .. } => is_users(&key.origin, "CF_Key"),
        }
    }

    fn account_edits(&self, domain_conf_is_known: bool) -> Vec<Edit> {
        let mut edits = Vec::new();
        let saved = |name: &str, value: String| {
            [
                Edit::set(format!("SAVED_{name}"), value),
                Edit::Clear(name.to_owned()),
            ]
        };
        let cleared = |name: &str| {
            [
                Edit::Clear(format!("SAVED_{name}")),
                Edit::Clear(name.to_owned()),
            ]
        };
        match &self.scheme {
            Scheme::Token(_) if self.zone_id.is_some() && domain_conf_is_known => {}
            Scheme::Token(token) => {
                for (name, value) in secret_lines("CF_Token", Some(token)) {
                    match value {
                        Some(value) => edits.extend(saved(&name, value)),
                        None => edits.extend(cleared(&name)),
                    }
                }
                edits.extend(saved(
                    "CF_Account_ID",
                    value_of(self.account_id.as_ref(), "CF_Account_ID"),
                ));
                edits.extend(cleared("CF_Zone_ID"));
                for (name, value) in secret_lines("CF_Zone_Token", self.zone_token.as_ref()) {
                    match value {
                        Some(value) => edits.extend(saved(&name, value)),
                        None => edits.extend(cleared(&name)),
                    }
                }
            }
            Scheme::Key { email, key } => {
                for (name, value) in secret_lines("CF_Key", Some(key)) {
                    match value {
                        Some(value) => edits.extend(saved(&name, value)),
                        None => edits.extend(cleared(&name)),
                    }
                }
                edits.extend(saved("CF_Email", email.value.clone()));
                for name in TOKEN_NAMES {
                    edits.extend(cleared(name));
                }
            }
        }
        match &self.api {
            Some(api)
                if api.value.trim_end_matches('/') != cloudflare::API
                    && is_users(&api.origin, "CF_Api") =>
            {
                edits.extend(saved("CF_Api", api.value.clone()));
            }
            _ => edits.extend(cleared("CF_Api")),
        }
        match &self.ttl {
            Some(ttl) if ttl.value != DEFAULT_TTL && is_users(&ttl.origin, "CF_TTL") => {
                edits.extend(saved("CF_TTL", ttl.value.to_string()));
            }
            _ => edits.extend(cleared("CF_TTL")),
        }
        edits
    }

    fn domain_edits(&self) -> Vec<Edit> {
        match (&self.scheme, &self.zone_id) {
            (Scheme::Token(token), Some(zone_id)) => {
                let mut edits = Vec::new();
                let secrets = [
                    secret_lines("CF_Token", Some(token)),
                    secret_lines("CF_Zone_Token", self.zone_token.as_ref()),
                ];
                for (name, value) in secrets.into_iter().flatten() {
                    edits.push(value.map_or_else(
                        || Edit::Clear(name.clone()),
                        |value| Edit::set(name.clone(), value),
                    ));
                }
                edits.push(Edit::set(
                    "CF_Account_ID",
                    value_of(self.account_id.as_ref(), "CF_Account_ID"),
                ));
                if is_users(&zone_id.origin, "CF_Zone_ID") {
                    edits.push(Edit::set("CF_Zone_ID", zone_id.value.to_string()));
                }
                edits
            }
            // A token left here would win over the values in the account conf at the next renewal.
            _ => ["CF_Token", "CF_Token_FILE"]
                .map(|name| Edit::Clear(name.to_owned()))
                .to_vec(),
        }
    }
}

impl Saving {
    /// Saves if Cloudflare has accepted the credentials, even if the rest has failed: a renewal needs them again.
    pub(crate) fn finish(&self, dns: &Client, finder: &Finder<'_>, out: &Output) {
        if !dns.accepted() || finder.refuted_account() {
            return;
        }
        for (path, edits) in &self.edits {
            match acme_sh::update(path, |conf| edits.iter().for_each(|edit| edit.apply(conf))) {
                Ok(()) => out.debug(format!("settings saved in {}", path.display())),
                // The challenge itself may be well; that the next renewal will miss the settings has to be said.
                Err(err) => out.warn(common::log::sentence(&err.into())),
            }
        }
    }
}

const TOKEN_NAMES: [&str; 6] = [
    "CF_Token",
    "CF_Token_FILE",
    "CF_Zone_Token",
    "CF_Zone_Token_FILE",
    "CF_Account_ID",
    "CF_Zone_ID",
];

/// The lines for a secret: the value, or the path of the file that holds it, never both.
fn secret_lines(name: &str, found: Option<&Found<Secret>>) -> [(String, Option<String>); 2] {
    let file = format!("{name}_FILE");
    let (value, path) = match found {
        Some(found) => match &found.origin {
            Origin::File { path, .. } => {
                // From cron another folder is the current one.
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                (None, Some(path.to_string_lossy().into_owned()))
            }
            origin if is_users(origin, name) => (Some(found.value.expose().to_owned()), None),
            _ => (None, None),
        },
        None => (None, None),
    };
    [(name.to_owned(), value), (file, path)]
}

fn value_of(found: Option<&Found>, name: &str) -> String {
    found
        .filter(|found| is_users(&found.origin, name))
        .map(|found| found.value.clone())
        .unwrap_or_default()
}

/// Whether a value was given for `name` itself: by flag, environment or an earlier run, not by the TOML file.
fn is_users(origin: &Origin, name: &str) -> bool {
    match origin {
        Origin::Flag(_) | Origin::Saved { .. } => true,
        Origin::Environment(variable) => variable == name,
        Origin::File { named_by, .. } => *named_by == format!("{name}_FILE"),
        Origin::Toml { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use common::settings::SettingsArgs;
    use common::system::environment::Env;

    use super::*;

    const CLASSIC_TOKEN: &str = "abcdefghij_ABCDEFGHIJ-0123456789_abcdef0";
    const CLASSIC_KEY: &str = "0123456789abcdef0123456789abcdef01234";

    fn account(pairs: &[(&str, &str)]) -> Result<Account> {
        let settings = Settings::load(
            &Env::from_pairs(pairs.iter().copied()),
            &SettingsArgs::default(),
            None,
        )?;
        Account::load(&settings, &CloudflareArgs::default())
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        account(pairs).unwrap_err().to_string()
    }

    #[test]
    fn tokens_and_keys_are_told_apart_by_their_form() {
        let email = ("CF_Email", "a@example.com");
        for token in [CLASSIC_TOKEN, "cfut_0123456789", "cfat_0123456789"] {
            assert!(account(&[("CF_Token", token)]).unwrap().uses_token());
            assert!(
                error(&[("CF_Key", token), email]).contains("holds an API token"),
                "{token}"
            );
        }
        for key in [CLASSIC_KEY, "cfk_0123456789"] {
            assert!(!account(&[("CF_Key", key), email]).unwrap().uses_token());
            assert!(
                error(&[("CF_Token", key)]).contains("holds a global API key"),
                "{key}"
            );
        }
    }

    #[test]
    fn the_label_names_the_source_and_never_the_value() {
        let account = account(&[("CF_Key", CLASSIC_KEY), ("CF_Email", "a@example.com")]).unwrap();
        assert_eq!(
            account.label(),
            "global API key from CF_Key (environment) with the e-mail address from CF_Email (environment)"
        );
    }

    #[test]
    fn with_a_zone_id_but_without_a_domain_conf_the_account_conf_takes_the_token() {
        let id = "0123456789abcdef0123456789abcdef";
        let account = account(&[("CF_Token", CLASSIC_TOKEN), ("CF_Zone_ID", id)]).unwrap();
        let token = Edit::set("SAVED_CF_Token", CLASSIC_TOKEN);
        assert!(account.account_edits(false).contains(&token));
        assert!(!account.account_edits(true).contains(&token));
        assert!(
            account
                .domain_edits()
                .contains(&Edit::set("CF_Zone_ID", id))
        );
    }

    #[test]
    fn a_ttl_is_one_that_cloudflare_takes() {
        for seconds in [1, 30, 120, 86_400] {
            assert_eq!(checked_ttl(seconds).unwrap(), seconds);
        }
        for seconds in [0, 2, 29, 86_401] {
            assert!(checked_ttl(seconds).is_err(), "{seconds}");
        }
    }
}
