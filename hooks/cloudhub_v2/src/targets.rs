//! Where to deploy: private spaces from flag, environment, saved values or the TOML file, and who logs in there.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use common::anypoint::directory::{OrganizationId, is_uuid};
use common::anypoint::private_spaces::{self, PrivateSpace, SpaceId};
use common::anypoint::tls_contexts::{CIPHERS, Ciphers, TlsContext, check_name, limits};
use common::anypoint::{self, Client, Credentials};
use common::cert::Certificate;
use common::error::{Error, Kind, Result};
use common::log::Output;
use common::net::http::Http;
use common::net::http::rate_limiter::{PerSecond, RateLimiter};
use common::secret::Secret;
use common::settings::file::{CloudhubTarget, ConfigFile};
use common::settings::{Found, Key, Origin, Settings};
use common::system::clock;
use common::system::files;

use crate::args::TargetArgs;
use crate::cure;
use crate::material::canonical;

pub(crate) const CLIENT_ID: Key = Key::new(
    &["CH2_CLIENT_ID", "ANYPOINT_CLIENT_ID"],
    &["cloudhub_v2.client_id", "anypoint.client_id"],
);
pub(crate) const CLIENT_SECRET: Key = Key::new(
    &["CH2_CLIENT_SECRET", "ANYPOINT_CLIENT_SECRET"],
    &["cloudhub_v2.client_secret", "anypoint.client_secret"],
);
pub(crate) const PRIVATE_SPACE: Key =
    Key::new(&["CH2_PRIVATE_SPACE_ID"], &["cloudhub_v2.private_space"]).flag("--private-space");
pub(crate) const CONTEXT_NAME: Key =
    Key::new(&["CH2_TLS_CONTEXT_NAME"], &["cloudhub_v2.tls_context_name"]).flag("--context-name");
pub(crate) const KEY_PASSPHRASE: Key =
    Key::new(&["CH2_KEY_PASSPHRASE"], &["cloudhub_v2.key_passphrase"]);
pub(crate) const TRUSTSTORE: Key = Key::new(&["CH2_TRUSTSTORE"], &["cloudhub_v2.truststore"]);
pub(crate) const CIPHER_LIST: Key = Key::new(&["CH2_CIPHERS"], &["cloudhub_v2.ciphers"]);
pub(crate) const VERIFY: Key = Key::new(&["CH2_VERIFY"], &["cloudhub_v2.verify"]);
const WORKERS: Key = Key::new(&[], &["cloudhub_v2.workers"]).flag("--workers");
const RATE: Key = Key::new(&[], &["cloudhub_v2.rate"]).flag("--rate");

const DEFAULT_WORKERS: usize = 8;

/// Credentials in use for one organization on one control plane. What it has looked up is kept for all its targets.
#[derive(Debug)]
pub(crate) struct Account {
    client: Client,
    /// Whether nobody but the settings shared by all targets describes it.
    shared: bool,
    organization: Found,
    /// What became of the login. A refusal is not tried again for each target: that could lock the app out.
    login: Mutex<Option<std::result::Result<(), Refusal>>>,
    id: Mutex<Option<OrganizationId>>,
    spaces: Mutex<Option<Arc<Vec<PrivateSpace>>>>,
}

/// An error to be told again for each target that it concerns.
#[derive(Debug, Clone)]
struct Refusal {
    kind: Kind,
    what: String,
    advice: String,
}

/// One private space to work on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What it is called in the output.
    pub(crate) name: String,
    pub(crate) account: Arc<Account>,
    /// The private space as it was given, id or name.
    pub(crate) space: String,
    /// Name of the TLS context, if not the one made from the domain.
    pub(crate) context_name: Option<String>,
    pub(crate) trust_store: Option<TrustStoreFile>,
    pub(crate) ciphers: Option<Ciphers>,
}

/// PEM of the authorities that clients are authenticated with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustStoreFile {
    pub(crate) pem: String,
    pub(crate) file_name: String,
}

/// A target with its lookups done.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) organization: OrganizationId,
    pub(crate) space: SpaceId,
}

impl Account {
    /// Logs in, once. Proves that the credentials are accepted.
    pub(crate) fn log_in(&self) -> Result<()> {
        let mut login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = login.get_or_insert_with(|| {
            self.client.log_in().map_err(|err| Refusal {
                kind: err.kind(),
                what: err.to_string(),
                advice: err.advice().unwrap_or_default().to_owned(),
            })
        });
        outcome
            .clone()
            .map_err(|refusal| Error::new(refusal.kind, refusal.what).advise(refusal.advice))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether its credentials are those that acme.sh's conf files may keep.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// The organization's id. A name is looked up once.
    pub(crate) fn organization(&self) -> Result<OrganizationId> {
        let mut known = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = known.as_ref() {
            return Ok(id.clone());
        }
        let id = self.client.organization(&self.organization)?;
        *known = Some(id.clone());
        Ok(id)
    }

    /// The organization's private spaces, listed once.
    pub(crate) fn spaces(&self) -> Result<Arc<Vec<PrivateSpace>>> {
        let organization = self.organization()?;
        let mut known = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spaces) = known.as_ref() {
            return Ok(Arc::clone(spaces));
        }
        let spaces = Arc::new(self.client.private_spaces(&organization)?);
        *known = Some(Arc::clone(&spaces));
        Ok(spaces)
    }
}

impl Target {
    /// Finds organization and private space. Ids are taken as they are, without a request.
    pub(crate) fn place(&self) -> Result<Place> {
        self.account.log_in()?;
        let organization = self.account.organization()?;
        let space = if is_uuid(&self.space) {
            SpaceId::new(self.space.to_ascii_lowercase())
        } else {
            let spaces = self.account.spaces()?;
            let host = self.account.client.host();
            SpaceId::new(&private_spaces::pick(&spaces, &self.space, &organization, host)?.id)
        };
        Ok(Place {
            client: self.account.client.for_target(),
            organization,
            space,
        })
    }

    /// The private space with everything that is known of it.
    pub(crate) fn private_space(&self) -> Result<PrivateSpace> {
        let place = self.place()?;
        match place
            .client
            .private_space(&place.organization, &place.space)?
        {
            Some(space) => Ok(space),
            None => Err(self.no_such_space(&place.organization)),
        }
    }

    /// The TLS contexts that are there.
    pub(crate) fn contexts(&self, place: &Place) -> Result<Vec<TlsContext>> {
        match place.client.tls_contexts(&place.organization, &place.space) {
            // The answer does not say which part of the address is wrong; the list of private spaces does.
            Err(err) if err.kind() == Kind::NotFound => {
                Err(self.no_such_space(&place.organization))
            }
            answer => answer.map_err(cure::of),
        }
    }

    fn no_such_space(&self, organization: &OrganizationId) -> Error {
        match self.account.spaces() {
            Ok(spaces) => {
                let host = self.account.client.host();
                private_spaces::no_such_space(&spaces, &self.space, organization, host)
            }
            Err(err) => err,
        }
    }
}

/// Every target that is set. `domain` limits those of the TOML file to the ones that take it.
pub(crate) fn load(
    settings: &Settings,
    flags: &TargetArgs,
    domain: Option<&str>,
    out: &Output,
) -> Result<Vec<Target>> {
    load_with(&mut Logins::default(), settings, flags, domain, out)
}

/// As [`load`], with the logins that other certificates have led to.
pub(crate) fn load_with(
    logins: &mut Logins,
    settings: &Settings,
    flags: &TargetArgs,
    domain: Option<&str>,
    out: &Output,
) -> Result<Vec<Target>> {
    let mut accounts = Accounts {
        settings,
        flags,
        out,
        logins,
    };
    let given = settings.text(&PRIVATE_SPACE, flags.private_space.as_deref())?;
    let near = given
        .as_ref()
        .is_some_and(|found| matches!(found.origin, Origin::Flag(_) | Origin::Environment(_)));
    match settings.file() {
        Some(file) if !near && !file.config.cloudhub_v2.target.is_empty() => {
            from_file(&mut accounts, file, domain)
        }
        _ => from_settings(&mut accounts, given),
    }
}

/// The one account that flags, environment and saved values describe.
pub(crate) fn account(
    settings: &Settings,
    flags: &TargetArgs,
    out: &Output,
) -> Result<Arc<Account>> {
    let mut accounts = Accounts {
        settings,
        flags,
        out,
        logins: &mut Logins::default(),
    };
    accounts.get(None)
}

fn from_settings(accounts: &mut Accounts<'_, '_>, given: Option<Found>) -> Result<Vec<Target>> {
    let (settings, flags) = (accounts.settings, accounts.flags);
    // Credentials first: somebody who has set nothing should hear about them first.
    let account = accounts.get(None)?;
    let given = given.ok_or_else(|| {
        Error::config("no private space is given").advise(format!(
            "Set {} to the id or the name of a private space, or to several separated by commas; \
             `cloudhub_v2 spaces` lists them.",
            PRIVATE_SPACE.how_to_give()
        ))
    })?;
    let spaces = entries(&given.value);
    if spaces.is_empty() {
        return Err(Error::config(format!(
            "{}: no private space in it",
            given.origin
        )));
    }
    let context_name = context_name(settings.text(&CONTEXT_NAME, flags.context_name.as_deref())?)?;
    let trust_store = settings
        .text(&TRUSTSTORE, None)?
        .map(|found| trust_store(settings, &found))
        .transpose()?;
    let ciphers = settings
        .text(&CIPHER_LIST, None)?
        .map(|found| ciphers(&found))
        .transpose()?;
    Ok(spaces
        .into_iter()
        .map(|space| Target {
            name: space.clone(),
            account: Arc::clone(&account),
            space,
            context_name: context_name.clone(),
            trust_store: trust_store.clone(),
            ciphers: ciphers.clone(),
        })
        .collect())
}

fn from_file(
    accounts: &mut Accounts<'_, '_>,
    file: &ConfigFile,
    domain: Option<&str>,
) -> Result<Vec<Target>> {
    let (settings, flags) = (accounts.settings, accounts.flags);
    let mut targets = Vec::new();
    for (index, target) in file.config.cloudhub_v2.target.iter().enumerate() {
        if domain.is_some_and(|domain| !takes(target, domain)) {
            continue;
        }
        let entry = Entry {
            target,
            file,
            number: index + 1,
        };
        let account = accounts.get(Some(entry))?;
        let spaces = target
            .private_space
            .as_ref()
            .map(|spaces| spaces.entries())
            .unwrap_or_default();
        if spaces.is_empty() {
            return Err(Error::config(format!(
                "{} is missing",
                entry.at("private_space")
            )));
        }
        let name = match entry.found("tls_context_name", target.tls_context_name.as_ref()) {
            Some(own) => Some(own),
            None => settings.text(&CONTEXT_NAME, flags.context_name.as_deref())?,
        };
        let context_name = context_name(name)?;
        let pem = match entry.found("truststore", target.truststore.as_ref()) {
            Some(own) => Some(own),
            None => settings.text(&TRUSTSTORE, None)?,
        };
        let trust_store = pem.map(|found| trust_store(settings, &found)).transpose()?;
        let list = match entry.found("ciphers", target.ciphers.as_ref()) {
            Some(own) => Some(own),
            None => settings.text(&CIPHER_LIST, None)?,
        };
        let ciphers = list.map(|found| ciphers(&found)).transpose()?;
        let several = spaces.len() > 1;
        for space in spaces {
            targets.push(Target {
                name: match &target.name {
                    Some(name) if several => format!("{name}/{space}"),
                    Some(name) => name.clone(),
                    None => space.clone(),
                },
                account: Arc::clone(&account),
                space,
                context_name: context_name.clone(),
                trust_store: trust_store.clone(),
                ciphers: ciphers.clone(),
            });
        }
    }
    match domain {
        Some(domain) if targets.is_empty() => Err(Error::config(format!(
            "no [[cloudhub_v2.target]] in {} takes {domain}",
            file.path.display()
        ))
        .advise("Add the domain to the `domains` of a target, or leave `domains` out to take every one.")),
        _ => Ok(targets),
    }
}

/// Whether a target takes a domain: it lists the domain itself, or a pattern whose `*` stands for one label.
fn takes(target: &CloudhubTarget, domain: &str) -> bool {
    let domain = canonical(domain);
    target.domains.is_empty()
        || target.domains.iter().any(|pattern| {
            let pattern = canonical(pattern);
            pattern == "*"
                || pattern == domain
                || pattern.strip_prefix("*.").is_some_and(|parent| {
                    domain
                        .split_once('.')
                        .is_some_and(|(_, rest)| rest == parent)
                })
        })
}

fn entries(list: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for entry in list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        if !all.iter().any(|known| known == entry) {
            all.push(entry.to_owned());
        }
    }
    all
}

fn context_name(found: Option<Found>) -> Result<Option<String>> {
    found
        .map(|found| match check_name(&found.value) {
            Ok(()) => Ok(found.value),
            Err(err) => {
                Err(err
                    .advise("Use letters, digits, blanks and hyphens: set CH2_TLS_CONTEXT_NAME."))
            }
        })
        .transpose()
}

fn ciphers(found: &Found) -> Result<Ciphers> {
    let names: Vec<&str> = found
        .value
        .split([',', ' ', ':'])
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Err(Error::config(format!("{}: no cipher in it", found.origin)));
    }
    Ciphers::only(names).map_err(|unknown| {
        Error::config(format!(
            "{}: {unknown:?} is no cipher of the platform",
            found.origin
        ))
        .advise(format!("Those that it knows are {}.", CIPHERS.join(", ")))
    })
}

fn trust_store(settings: &Settings, found: &Found) -> Result<TrustStoreFile> {
    let (path, origin) = (settings.path(found), &found.origin);
    let pem = files::read_text("the trust store", &path, 4 * limits::TRUST_STORE as u64)?;
    let authorities = Certificate::parse_all(&pem).map_err(|err| {
        Error::config(format!("{origin}: {}: {err}", path.display()))
            .advise("It has to hold the certificates of the authorities that issue client certificates, as PEM.")
    })?;
    let pem: String = authorities.iter().map(Certificate::to_pem).collect();
    if pem.len() > limits::TRUST_STORE {
        return Err(Error::config(format!(
            "{origin}: the trust store is {} characters long, and the platform takes {}",
            pem.len(),
            limits::TRUST_STORE
        ))
        .advise("Take out authorities that are not needed."));
    }
    let file_name = path
        .file_name()
        .map_or_else(|| "truststore.pem".into(), |name| name.to_string_lossy())
        .chars()
        .take(limits::FILE_NAME)
        .collect();
    Ok(TrustStoreFile { pem, file_name })
}

/// One `[[cloudhub_v2.target]]` and where it stands.
#[derive(Clone, Copy)]
struct Entry<'a> {
    target: &'a CloudhubTarget,
    file: &'a ConfigFile,
    /// Its place among the others, from 1.
    number: usize,
}

impl Entry<'_> {
    fn at(&self, key: &str) -> Origin {
        Origin::Toml {
            key: format!("cloudhub_v2.target[{}].{key}", self.number),
            path: self.file.path.clone(),
        }
    }

    fn found(&self, key: &str, value: Option<&String>) -> Option<Found> {
        value.map(|value| Found {
            value: value.clone(),
            origin: self.at(key),
        })
    }

    /// The credentials that it has of its own.
    fn credentials(&self, settings: &Settings) -> Result<Option<Credentials>> {
        let target = self.target;
        let secret = match (&target.client_secret_env, &target.client_secret_file) {
            (Some(variable), _) => {
                let value = settings.env().get(variable).ok_or_else(|| {
                    Error::config(format!(
                        "{} names the variable {variable}, which is not set",
                        self.at("client_secret_env")
                    ))
                })?;
                Some(Found {
                    value: Secret::new(value),
                    origin: Origin::Environment(variable.clone()),
                })
            }
            (None, Some(path)) => {
                let path = self.file.path_of(path);
                let named_by = self.at("client_secret_file").to_string();
                Some(Found {
                    value: common::settings::secret_in(&named_by, &path)?,
                    origin: Origin::File { named_by, path },
                })
            }
            (None, None) => None,
        };
        match (self.found("client_id", target.client_id.as_ref()), secret) {
            (Some(id), Some(secret)) => Ok(Some(Credentials::App { id, secret })),
            (None, None) => Ok(None),
            (Some(id), None) => Err(Error::config(format!(
                "{} is given without client_secret_file or client_secret_env",
                id.origin
            ))),
            (None, Some(_)) => Err(Error::config(format!(
                "{} is missing, while its secret is given",
                self.at("client_id")
            ))),
        }
    }
}

/// Who has logged in where: one login for each control plane and credential.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    clients: Vec<(String, Credentials, Client)>,
    /// One for each control plane: the platform counts the requests of an address, whoever logs in.
    rate_limiters: HashMap<String, Arc<PerSecond>>,
    accounts: Vec<(Client, Arc<Account>)>,
}

/// Makes accounts.
struct Accounts<'a, 'l> {
    settings: &'a Settings,
    flags: &'a TargetArgs,
    out: &'a Output,
    logins: &'l mut Logins,
}

impl Accounts<'_, '_> {
    fn get(&mut self, own: Option<Entry<'_>>) -> Result<Arc<Account>> {
        let url = match own.and_then(|entry| entry.target.url.clone()) {
            Some(url) => url,
            None => anypoint::url(self.settings, self.flags.url.as_deref())?,
        };
        let own_credentials = match own {
            Some(entry) => entry.credentials(self.settings)?,
            None => None,
        };
        let shared = own_credentials.is_none();
        let credentials = match own_credentials {
            Some(own) => own,
            None => Credentials::from_settings(self.settings, &CLIENT_ID, &CLIENT_SECRET)?,
        };
        let own_organization =
            own.and_then(|entry| entry.found("organization", entry.target.organization.as_ref()));
        let organization = match own_organization {
            Some(own) => own,
            None => anypoint::organization(self.settings, self.flags.organization.as_deref())?,
        };
        let client = self.client(&url, credentials)?;
        let known = self.logins.accounts.iter().find(|(other, account)| {
            other.is_same_login(&client) && account.organization.value == organization.value
        });
        if let Some((_, account)) = known {
            return Ok(Arc::clone(account));
        }
        let account = Arc::new(Account {
            client: client.clone(),
            shared,
            organization,
            login: Mutex::default(),
            id: Mutex::default(),
            spaces: Mutex::default(),
        });
        self.logins.accounts.push((client, Arc::clone(&account)));
        Ok(account)
    }

    fn client(&mut self, url: &str, credentials: Credentials) -> Result<Client> {
        let known = self
            .logins
            .clients
            .iter()
            .find(|(at, who, _)| at == url && who.are_same(&credentials));
        if let Some((.., client)) = known {
            return Ok(client.clone());
        }
        let network = self.settings.network()?;
        let http = Http::new("cloudhub_v2", url, &network, clock::system(), self.out)?;
        let client = Client::new(self.limited(http, url)?, credentials.clone());
        self.logins
            .clients
            .push((url.to_owned(), credentials, client.clone()));
        Ok(client)
    }

    fn limited(&mut self, http: Http, url: &str) -> Result<Http> {
        let rate = number(self.settings, &RATE, self.flags.rate, 0..=1000)?;
        let rate = rate.unwrap_or(private_spaces::REQUESTS_PER_SECOND);
        if rate == 0 {
            return Ok(http);
        }
        let limiters = &mut self.logins.rate_limiters;
        let limiter = limiters
            .entry(url.to_owned())
            .or_insert_with(|| Arc::new(PerSecond::new(rate)));
        Ok(http.limited_by(Arc::clone(limiter) as Arc<dyn RateLimiter>))
    }
}

/// How many targets are worked on side by side.
pub(crate) fn workers(settings: &Settings, flags: &TargetArgs) -> Result<usize> {
    let count = number(settings, &WORKERS, flags.workers, 1..=64)?;
    Ok(count.map_or(DEFAULT_WORKERS, |count| count as usize))
}

fn number(
    settings: &Settings,
    key: &Key,
    flag: Option<u32>,
    allowed: RangeInclusive<u32>,
) -> Result<Option<u32>> {
    let flag = flag.map(|number| number.to_string());
    let Some(found) = settings.text(key, flag.as_deref())? else {
        return Ok(None);
    };
    match found.value.trim().parse() {
        Ok(number) if allowed.contains(&number) => Ok(Some(number)),
        _ => Err(Error::config(format!(
            "{}: {:?} is not a number from {} to {}",
            found.origin,
            found.value,
            allowed.start(),
            allowed.end()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_takes_the_domains_that_it_lists() {
        let target = |domains: &[&str]| CloudhubTarget {
            domains: domains.iter().map(ToString::to_string).collect(),
            ..CloudhubTarget::default()
        };
        assert!(takes(&target(&[]), "api.example.com"));
        assert!(takes(&target(&["*.Acme.example"]), "*.acme.example"));
        assert!(takes(&target(&["*.acme.example"]), "api.acme.example"));
        assert!(takes(&target(&["a.example", "b.example"]), "B.example."));
        assert!(!takes(&target(&["*.acme.example"]), "acme.example"));
        assert!(!takes(&target(&["*.acme.example"]), "a.b.acme.example"));
    }

    #[test]
    fn a_space_that_is_listed_twice_is_one_target() {
        assert_eq!(entries(" a, b,,a "), ["a", "b"]);
    }
}
