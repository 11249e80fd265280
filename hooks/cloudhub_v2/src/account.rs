//! Who logs in where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::anypoint::directory::OrganizationId;
use common::anypoint::private_spaces::PrivateSpace;
use common::anypoint::{Client, Credentials};
use common::cli::Invocation;
use common::error::{Error, Kind, Result};
use common::net::http::Http;
use common::net::http::rate_limiter::{PerSecond, RateLimiter};
use common::settings::Sourced;

use crate::settings;

/// Credentials in use for one organization on one control plane. What it has looked up is kept for all its targets.
#[derive(Debug)]
pub(crate) struct Account {
    client: Client,
    /// Whether nobody but the settings shared by all targets describes it.
    shared: bool,
    organization: Sourced,
    login: Once<()>,
    id: Once<OrganizationId>,
    spaces: Once<Arc<Vec<PrivateSpace>>>,
}

/// What becomes of a request whose outcome holds for all targets. A failure is not tried again for each of them: refused
/// logins could lock the app out, and a control plane that does not answer would keep every target waiting in turn.
#[derive(Debug)]
struct Once<T>(Mutex<Option<std::result::Result<T, Refusal>>>);

/// An error to be reported again for each target that it concerns.
#[derive(Debug, Clone)]
struct Refusal {
    kind: Kind,
    what: String,
    advice: Option<String>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Once<T> {
    /// The outcome; the first to ask finds it out.
    fn get(&self, find_out: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = known.get_or_insert_with(|| {
            find_out().map_err(|err| Refusal {
                kind: err.kind(),
                what: err.to_string(),
                advice: err.advice().map(str::to_owned),
            })
        });
        outcome.clone().map_err(|refusal| {
            let err = Error::new(refusal.kind, refusal.what);
            match refusal.advice {
                Some(advice) => err.advise(advice),
                None => err,
            }
        })
    }
}

/// What describes an account.
#[derive(Debug)]
pub(crate) struct Login {
    /// Address of the control plane.
    pub(crate) url: String,
    pub(crate) credentials: Credentials,
    /// Whether the credentials are those of no single target.
    pub(crate) shared: bool,
    pub(crate) organization: Sourced,
}

/// Who has logged in where: one login for each control plane and credential.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    clients: Vec<(String, Credentials, Client)>,
    /// One for each control plane: the platform counts the requests of an address, whoever logs in.
    rate_limiters: HashMap<String, Arc<PerSecond>>,
    accounts: Vec<(Client, Arc<Account>)>,
}

impl Account {
    /// Logs in, once. Proves that the credentials are accepted.
    pub(crate) fn log_in(&self) -> Result<()> {
        self.login.get(|| self.fresh().log_in())
    }

    /// The client as work on a target begins: accounts are made before it, and others may have taken their time since.
    pub(crate) fn fresh(&self) -> Client {
        self.client.for_target()
    }

    /// Host of the control plane.
    pub(crate) fn host(&self) -> &str {
        self.client.host()
    }

    /// Whether its credentials are those that acme.sh's conf files may keep.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// The organization's id. A name is looked up once.
    pub(crate) fn organization(&self) -> Result<OrganizationId> {
        self.id
            .get(|| self.fresh().organization(&self.organization))
    }

    /// The organization's private spaces, listed once.
    pub(crate) fn spaces(&self) -> Result<Arc<Vec<PrivateSpace>>> {
        let organization = self.organization()?;
        self.spaces
            .get(|| self.fresh().private_spaces(&organization).map(Arc::new))
    }
}

impl Logins {
    /// The account that `login` describes, which earlier targets may have led to already.
    pub(crate) fn account(&mut self, call: &Invocation, login: Login) -> Result<Arc<Account>> {
        let client = self.client(call, &login.url, login.credentials)?;
        let known = self.accounts.iter().find(|(other, account)| {
            other.is_same_login(&client) && account.organization.value == login.organization.value
        });
        if let Some((_, account)) = known {
            return Ok(Arc::clone(account));
        }
        let account = Arc::new(Account {
            client: client.clone(),
            shared: login.shared,
            organization: login.organization,
            login: Once::default(),
            id: Once::default(),
            spaces: Once::default(),
        });
        self.accounts.push((client, Arc::clone(&account)));
        Ok(account)
    }

    fn client(&mut self, call: &Invocation, url: &str, credentials: Credentials) -> Result<Client> {
        let known = self
            .clients
            .iter()
            .find(|(at, who, _)| at == url && who.are_same(&credentials));
        if let Some((.., client)) = known {
            return Ok(client.clone());
        }
        let http = self.limited(call, call.http(url)?, url)?;
        let client = Client::new(http, credentials.clone());
        self.clients
            .push((url.to_owned(), credentials, client.clone()));
        Ok(client)
    }

    fn limited(&mut self, call: &Invocation, http: Http, url: &str) -> Result<Http> {
        let rate = settings::rate(&call.settings)?;
        if rate == 0 {
            return Ok(http);
        }
        let limiter = self
            .rate_limiters
            .entry(url.to_owned())
            .or_insert_with(|| Arc::new(PerSecond::new(rate)));
        Ok(http.limited_by(Arc::clone(limiter) as Arc<dyn RateLimiter>))
    }
}
