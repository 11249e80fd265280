//! Which account, zone and API the user means.

use common::cli::Invocation;
use common::cloudflare::{Client, ZoneId};
use common::error::{Error, Result};
use common::net::dns::name::DnsName;
use common::secret::Secret;
use common::settings::{Setting, Settings, Sourced};

use crate::credentials::{Credentials, checked_token, unquoted};
use crate::cure;
use crate::listed::{self, ListedAccount};
use crate::settings::{ACCOUNT_ID, API, KEY, TOKEN, ZONE_ID, ZONE_TOKEN};

/// What the user has set.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) credentials: Credentials,
    zone_token: Option<Sourced<Secret>>,
    pub(crate) account_id: Option<Sourced>,
    pub(crate) zone_id: Option<Sourced<ZoneId>>,
    api: String,
    /// Which account of the TOML file this is.
    pub(crate) listed: Option<usize>,
}

impl Account {
    /// Reads and checks everything that can be checked without a request. Where the TOML file has an account for `name`,
    /// that one is meant.
    pub(crate) fn load(settings: &Settings, name: Option<&DnsName>) -> Result<Self> {
        let listed = match name {
            Some(name) => listed::account_of(settings, name)?,
            None => None,
        };
        Self::of(settings, listed.as_ref())
    }

    /// The same for an account of the TOML file, or for the one that is set beside its list.
    pub(crate) fn of(settings: &Settings, listed: Option<&ListedAccount<'_>>) -> Result<Self> {
        let zone_id = match listed {
            Some(listed) => of_listed(settings, &ZONE_ID, listed.zone_id()?)?,
            None => settings.text(&ZONE_ID)?,
        };
        let zone_id = zone_id
            .map(unquoted)
            .map(|found| {
                found
                    .try_map(|text| ZoneId::parse(&text))
                    .map_err(|err| err.advise("The id is in the dashboard: zone, Overview, API."))
            })
            .transpose()?;
        let zone_token = match listed {
            Some(listed) => listed.zone_token(settings)?,
            None => settings.secret(&ZONE_TOKEN)?,
        };
        Ok(Self {
            credentials: match listed {
                Some(listed) => Credentials::of_listed(listed, settings)?,
                None => Credentials::load(settings)?,
            },
            zone_token: zone_token.map(checked_token).transpose()?,
            account_id: match listed {
                Some(listed) => of_listed(settings, &ACCOUNT_ID, listed.account_id())?
                    .map(unquoted)
                    .map(checked_account_id)
                    .transpose()?,
                None => account_id(settings)?,
            },
            zone_id,
            api: settings.address(&API)?,
            listed: listed.map(|listed| listed.number),
        })
    }

    /// Where the token comes from that reads zones, if that is another one.
    pub(crate) fn zone_token_origin(&self) -> Option<String> {
        let token = self.zone_token.as_ref();
        token.map(|token| token.origin.to_string())
    }

    /// The client for these credentials.
    pub(crate) fn client(&self, call: &Invocation) -> Result<Client> {
        let http = call.http(&self.api)?;
        let label = self.credentials.label();
        call.log.debug(format!("credentials: {label}"));
        let client = Client::new(&http, &self.credentials.for_client(), &label)?;
        let client = match &self.zone_token {
            Some(token) => {
                let label = format!("API token for reading zones from {}", token.origin);
                call.log.debug(format!("zones are read with the {label}"));
                client.with_zone_token(&http, &token.value, &label)?
            }
            None => client,
        };
        Ok(client.with_cure(cure::of))
    }
}

/// An id that was given for this very call, else that of the account in the TOML file, else one that was saved for this
/// certificate. What goes with other credentials is not meant.
fn of_listed(
    settings: &Settings,
    setting: &Setting,
    own: Option<Sourced>,
) -> Result<Option<Sourced>> {
    let found = settings.text(setting)?;
    Ok(match found {
        Some(found) if settings.is_near(&found.origin) => Some(found),
        Some(found) if own.is_none() && settings.domain_conf_holds(&[setting]) => Some(found),
        _ => own,
    })
}

/// The id in `account.conf` belongs to the credentials there. A certificate that has its own may be of another account.
fn account_id(settings: &Settings) -> Result<Option<Sourced>> {
    let has_own_credentials = settings.domain_conf_holds(&[&TOKEN, &KEY]);
    settings
        .text(&ACCOUNT_ID)?
        .filter(|found| !(has_own_credentials && settings.is_of_account(&found.origin)))
        .map(unquoted)
        .map(checked_account_id)
        .transpose()
}

fn checked_account_id(found: Sourced) -> Result<Sourced> {
    let id = &found.value;
    if id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(found);
    }
    let what = if id.contains('@') {
        "contains an e-mail address"
    } else {
        "is not the id of an account, which has 32 hexadecimal digits"
    };
    Err(Error::config(format!("{} {what}", found.origin)).advise(
        "Unset it: it is needed only to tell zones of the same name in several accounts apart. Or take the id from the \
         dashboard: zone, Overview, API.",
    ))
}
