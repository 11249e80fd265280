//! Who is asking, what they may do, and how often they have asked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::{self, Message, Refusal};
use super::{Cloudflare, Zone};
use crate::clock::{plus, seconds_until};
use crate::http::{Answer, Request};

/// An API token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// 40 characters, or `cfut_`/`cfat_` and more; made up if empty.
    pub value: String,
    /// 32 hexadecimal digits; made up if empty.
    pub id: String,
    /// Set for a token that an account owns, not a user.
    pub account: Option<String>,
    /// Whether it still works.
    pub status: Status,
    /// When it ends, if it does.
    pub expires_on: Option<Timestamp>,
    /// Zone / Zone / Read.
    pub zone_read: Reach,
    /// Zone / DNS / Read.
    pub dns_read: Reach,
    /// Zone / DNS / Edit, which includes reading.
    pub dns_edit: Reach,
    /// Whether it may list zones without naming one; restricted tokens are refused that with code 0.
    pub list_zones: bool,
}

impl Default for Token {
    fn default() -> Self {
        Self {
            value: String::new(),
            id: String::new(),
            account: None,
            status: Status::Active,
            expires_on: None,
            zone_read: Reach::All,
            dns_read: Reach::All,
            dns_edit: Reach::All,
            list_zones: true,
        }
    }
}

/// A token's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Usable.
    Active,
    /// Switched off.
    Disabled,
    /// Past its date.
    Expired,
}

/// The zones that a permission covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Every zone.
    All,
    /// No zone: the permission is missing.
    None,
    /// These zones, by id or name.
    Only(Vec<String>),
}

impl Reach {
    pub(super) fn covers(&self, zone: &Zone) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(zones) => zones
                .iter()
                .any(|known| *known == zone.id || *known == zone.name),
        }
    }
}

/// A global API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalKey {
    /// The user's address.
    pub email: String,
    /// 37 hexadecimal digits, or `cfk_` and more.
    pub key: String,
    /// Ids of the accounts that the user belongs to; empty for all.
    #[serde(default)]
    pub accounts: Vec<String>,
}

/// How often a credential was used in the running window.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    window_end: Timestamp,
    count: u32,
    refused_until: Option<Timestamp>,
}

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) credential: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Token(Box<Token>),
    Key(GlobalKey),
}

impl Caller {
    pub(super) fn sees(&self, zone: &Zone) -> bool {
        match &self.kind {
            Kind::Token(token) => {
                token
                    .account
                    .as_ref()
                    .is_none_or(|account| *account == zone.account.id)
                    && [&token.zone_read, &token.dns_read, &token.dns_edit]
                        .iter()
                        .any(|reach| reach.covers(zone))
            }
            Kind::Key(key) => key.accounts.is_empty() || key.accounts.contains(&zone.account.id),
        }
    }

    pub(super) fn reads_zone(&self, zone: &Zone) -> bool {
        self.sees(zone)
            && self
                .token()
                .is_none_or(|token| token.zone_read.covers(zone))
    }

    pub(super) fn reads_dns(&self, zone: &Zone) -> bool {
        self.sees(zone)
            && self
                .token()
                .is_none_or(|token| token.dns_read.covers(zone) || token.dns_edit.covers(zone))
    }

    pub(super) fn edits_dns(&self, zone: &Zone) -> bool {
        self.sees(zone) && self.token().is_none_or(|token| token.dns_edit.covers(zone))
    }

    pub(super) fn token(&self) -> Option<&Token> {
        match &self.kind {
            Kind::Token(token) => Some(token),
            Kind::Key(_) => None,
        }
    }

    pub(super) fn knows_account(&self, account: &str) -> bool {
        match &self.kind {
            Kind::Token(token) => token.account.as_ref().is_none_or(|own| own == account),
            Kind::Key(key) => {
                key.accounts.is_empty() || key.accounts.iter().any(|own| own == account)
            }
        }
    }
}

/// Form of the headers first, then the credentials.
pub(super) fn identify(
    api: &mut Cloudflare,
    request: &Request,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let bearer = request.header("authorization");
    let pair = (request.header("x-auth-email"), request.header("x-auth-key"));
    let both = bearer.is_some() && (pair.0.is_some() || pair.1.is_some());
    if both && api.switches.both_schemes_refused {
        return Err(Refusal::new(400, 10001, "Unable to authenticate request"));
    }
    if api
        .switches
        .lockout_after
        .is_some_and(|limit| api.failures >= limit)
    {
        let message = "Max auth failures reached, please check your Authentication header.";
        return Err(Refusal::new(403, 9109, message));
    }
    let caller = match (bearer, pair) {
        (Some(header), _) => by_token(api, header, request, now),
        (None, (Some(email), Some(key))) => by_key(api, email, key),
        (None, _) => {
            let message = "Missing X-Auth-Key, X-Auth-Email or Authorization headers";
            return Err(Refusal::bare(400, 9106, message));
        }
    };
    if caller.is_err() {
        api.failures += 1;
    }
    caller
}

fn by_token(
    api: &Cloudflare,
    header: &str,
    request: &Request,
    _now: Timestamp,
) -> Result<Caller, Refusal> {
    let value = header
        .strip_prefix("Bearer ")
        .filter(|value| is_token(value))
        .ok_or_else(|| Refusal::header(6111, "Authorization"))?;
    let verifying = request.path.ends_with("/tokens/verify");
    match api.tokens.iter().find(|token| token.value == value) {
        // Only the verification tells what has become of a token.
        Some(token) if token.status == Status::Active || verifying => Ok(Caller {
            credential: value.to_owned(),
            kind: Kind::Token(Box::new(token.clone())),
        }),
        None if verifying => Err(Refusal::new(401, 1000, "Invalid API Token")),
        _ => Err(Refusal::new(403, 9109, "Invalid access token")),
    }
}

fn by_key(api: &Cloudflare, email: &str, key: &str) -> Result<Caller, Refusal> {
    let (user, host) = email.split_once('@').unwrap_or_default();
    if user.is_empty() || !host.contains('.') || email.contains(char::is_whitespace) {
        return Err(Refusal::header(6102, "X-Auth-Email"));
    }
    if !is_key(key) {
        return Err(Refusal::header(6103, "X-Auth-Key"));
    }
    let known = api
        .keys
        .iter()
        .find(|known| known.email.eq_ignore_ascii_case(email) && known.key == key);
    match known {
        Some(known) => Ok(Caller {
            credential: known.email.clone(),
            kind: Kind::Key(known.clone()),
        }),
        None => Err(Refusal::new(
            403,
            9103,
            "Unknown X-Auth-Key or X-Auth-Email",
        )),
    }
}

/// <https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/>
fn is_token(value: &str) -> bool {
    let word = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    match value
        .strip_prefix("cfut_")
        .or_else(|| value.strip_prefix("cfat_"))
    {
        Some(rest) => rest.len() >= 40 && word(rest),
        None => value.len() == 40 && word(value),
    }
}

fn is_key(key: &str) -> bool {
    match key.strip_prefix("cfk_") {
        Some(rest) => rest.len() >= 40 && rest.bytes().all(|b| b.is_ascii_alphanumeric()),
        None => key.len() == 37 && key.bytes().all(|b| b.is_ascii_hexdigit()),
    }
}

/// What a refused request is counted under.
pub(super) fn raw_credential(request: &Request) -> String {
    ["authorization", "x-auth-email"]
        .iter()
        .find_map(|name| request.header(name))
        .unwrap_or("none")
        .to_owned()
}

/// The outcome of counting a request.
pub(super) struct Limit {
    pub(super) refusal: Option<Refusal>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// <https://developers.cloudflare.com/fundamentals/api/reference/limits/>
pub(super) fn count(api: &mut Cloudflare, credential: &str, now: Timestamp) -> Limit {
    let Some(limit) = api.switches.rate_limit else {
        return Limit {
            refusal: None,
            headers: Vec::new(),
        };
    };
    let window = std::time::Duration::from_secs(limit.window_s.into());
    let fresh = Usage {
        window_end: plus(now, window),
        count: 0,
        refused_until: None,
    };
    let usage = api.usage.entry(credential.to_owned()).or_insert(fresh);
    if usage.refused_until.unwrap_or(usage.window_end) <= now {
        *usage = fresh;
    }
    usage.count = usage.count.saturating_add(1);
    if usage.count > limit.quota && usage.refused_until.is_none() {
        usage.refused_until = Some(plus(now, window));
    }
    let wait = seconds_until(now, usage.refused_until.unwrap_or(usage.window_end));
    let left = limit.quota.saturating_sub(usage.count);
    let mut headers = vec![
        ("Ratelimit", format!("\"default\";r={left};t={wait}")),
        (
            "Ratelimit-Policy",
            format!("\"default\";q={};w={}", limit.quota, limit.window_s),
        ),
    ];
    let refusal = usage.refused_until.is_some().then(|| {
        headers.push(("Retry-After", wait.to_string()));
        let message = format!(
            "More than {} requests per {} seconds reached. Please wait and consider throttling your request speed",
            limit.quota, limit.window_s
        );
        Refusal::new(429, 10429, message)
    });
    Limit { refusal, headers }
}

#[derive(Serialize)]
struct Verified<'a> {
    id: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<Timestamp>,
}

pub(super) fn verify(
    api: &Cloudflare,
    caller: &Caller,
    account: Option<&str>,
) -> Result<Answer, Refusal> {
    let invalid = || Refusal::new(401, 1000, "Invalid API Token");
    let token = caller.token().ok_or_else(invalid)?;
    if token.account.as_deref() != account
        || account.is_some_and(|id| !api.accounts.iter().any(|a| a.id == id))
    {
        return Err(invalid());
    }
    let messages = match token.status {
        Status::Active => vec![Message {
            code: 10000,
            message: "This API Token is valid and active".to_owned(),
        }],
        Status::Disabled | Status::Expired => Vec::new(),
    };
    Ok(envelope::success_with_message(
        &Verified {
            id: &token.id,
            status: token.status,
            expires_on: token.expires_on,
        },
        &messages,
    ))
}

pub(super) fn accounts(
    api: &Cloudflare,
    caller: &Caller,
    request: &Request,
) -> Result<Answer, Refusal> {
    let own: Vec<_> = api
        .accounts
        .iter()
        .filter(|account| caller.knows_account(&account.id))
        .collect();
    envelope::page(&own, request, 20, 50)
}
