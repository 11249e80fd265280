//! Cloudflare's API v4: zones and DNS records.
//!
//! Facts: <https://developers.cloudflare.com/api/>. Every answer is an envelope of `success`, `errors`, `result` and, on
//! lists, `result_info`; refusals by Cloudflare's gateway lack some of these.
//!
//! For programs that change DNS records. What a program can do about a refusal it says itself: see [`Refusal`].

mod advice;
mod rate_limiter;
mod records;
mod zones;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::cloudflare::advice::Cure;
use crate::cloudflare::rate_limiter::AnnouncedLimit;
use crate::error::{Error, Kind, Remote, Result};
use crate::net::http::{self, Http, Reply, Request};
use crate::secret::Secret;

pub use advice::Refusal;
pub use records::{Change, Filter, NewRecord, Record, RecordId, txt_content, txt_value};
pub use zones::{Owner, Search, TokenState, Zone, ZoneId};

/// Where the API is unless another address is set.
pub const API: &str = "https://api.cloudflare.com/client/v4";

/// What a request is allowed by.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An API token, owned by a user or an account.
    Token(Secret),
    /// The global API key of a user.
    Key {
        /// The user's e-mail address.
        email: String,
        /// The key.
        key: Secret,
    },
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct Client {
    records: Access,
    zones: Access,
}

/// A connection with one set of credentials.
#[derive(Debug, Clone)]
struct Access {
    http: Http,
    rate_limiter: Arc<AnnouncedLimit>,
    /// What the credentials are and where they came from, for errors about them.
    label: String,
    cure: Option<fn(Refusal) -> &'static str>,
    accepted: Arc<AtomicBool>,
}

impl Client {
    /// A client over `http`, whose base address is that of the API. `label` says what the credentials are and where
    /// they came from.
    ///
    /// # Errors
    ///
    /// Configuration: the credentials hold a character that no header can carry.
    pub fn new(http: &Http, credentials: &Credentials, label: &str) -> Result<Self> {
        let access = Access::new(http, credentials, label)?;
        Ok(Self {
            zones: access.clone(),
            records: access,
        })
    }

    /// The same client that reads zones with a token of its own.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn with_zone_token(self, http: &Http, token: &Secret, label: &str) -> Result<Self> {
        Ok(Self {
            zones: Access::new(http, &Credentials::Token(token.clone()), label)?,
            records: self.records,
        })
    }

    /// The same client, whose errors advise what the program can do about a refusal.
    #[must_use]
    pub fn with_cure(self, cure: fn(Refusal) -> &'static str) -> Self {
        let with = |access: Access| Access {
            cure: Some(cure),
            ..access
        };
        Self {
            records: with(self.records),
            zones: with(self.zones),
        }
    }

    /// Whether Cloudflare has accepted all the credentials of this client.
    pub fn accepted(&self) -> bool {
        [&self.records, &self.zones]
            .iter()
            .all(|access| access.accepted.load(Ordering::Relaxed))
    }

    /// The same client with a fresh deadline, for the next target or after a wait.
    #[must_use]
    pub fn for_target(&self) -> Self {
        let fresh = |access: &Access| Access {
            http: access.http.for_target(),
            ..access.clone()
        };
        Self {
            records: fresh(&self.records),
            zones: fresh(&self.zones),
        }
    }

    /// The host that is asked.
    pub fn host(&self) -> &str {
        self.records.host()
    }

    /// How much time is left for requests.
    pub fn time_left(&self) -> Duration {
        self.records.http.left()
    }
}

impl Access {
    fn new(http: &Http, credentials: &Credentials, label: &str) -> Result<Self> {
        let http = match credentials {
            Credentials::Token(token) => http.with_header(
                "authorization",
                &Secret::new(format!("Bearer {}", token.expose())),
            )?,
            Credentials::Key { email, key } => http
                .with_header("x-auth-email", &Secret::new(email.as_str()))?
                .with_header("x-auth-key", key)?,
        };
        let rate_limiter = Arc::new(AnnouncedLimit::default());
        Ok(Self {
            http: http
                .limited_by(rate_limiter.clone())
                .with_asked_wait(rate_limiter::exhausted),
            rate_limiter,
            label: label.to_owned(),
            cure: None,
            accepted: Arc::default(),
        })
    }

    fn get(&self, path: &str) -> Request<'_> {
        self.http.get(path)
    }

    /// The result of a request. A success that cannot be read may have been a write, so its effect is unknown.
    fn fetch<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T> {
        let reply = self.send(request)?;
        let missing = || {
            Error::new(
                Kind::Unreachable,
                format!(
                    "{} answered {} without a result",
                    self.host(),
                    reply.status()
                ),
            )
        };
        reply
            .json::<Envelope<T>>()
            .and_then(|envelope| envelope.result.ok_or_else(missing))
            .map_err(Error::with_unknown_effect)
    }

    /// One page of a list.
    fn page<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<Page<T>> {
        let envelope: Envelope<Vec<T>> = self.send(request)?.json()?;
        Ok(Page {
            items: envelope.result.unwrap_or_default(),
            info: envelope.result_info.unwrap_or_default(),
        })
    }

    /// Sends, and makes an error of every answer that is not a success by status *and* by its own word.
    fn send(&self, request: Request<'_>) -> Result<Reply> {
        let reply = request.send()?;
        self.rate_limiter.note(&reply, self.http.clock());
        if reply.is_success() && reply.body().is_empty() {
            return Ok(reply);
        }
        let verdict = match reply.json::<Verdict>() {
            Ok(verdict) => verdict,
            Err(err) if reply.is_success() => return Err(err.with_unknown_effect()),
            Err(_) => return Err(reply.error(reply.remote_text())),
        };
        if reply.is_success() && verdict.success {
            self.accepted.store(true, Ordering::Relaxed);
            return Ok(reply);
        }
        let err = self.refusal(&reply, &verdict);
        // Credentials are judged before records are.
        if has_code(&err, |code| code >= advice::FIRST_OF_RECORDS) {
            self.accepted.store(true, Ordering::Relaxed);
        }
        Err(err)
    }

    fn refusal(&self, reply: &Reply, verdict: &Verdict) -> Error {
        let messages: Vec<&Message> = verdict
            .errors
            .iter()
            .flatten()
            .flat_map(|error| std::iter::once(error).chain(error.error_chain.iter().flatten()))
            .collect();
        let said = if messages.is_empty() {
            Remote {
                message: "no reason given".to_owned(),
                ..reply.remote_text()
            }
        } else {
            let join = |part: fn(&Message) -> String, by: &str| {
                messages
                    .iter()
                    .map(|m| part(m))
                    .collect::<Vec<_>>()
                    .join(by)
            };
            Remote {
                status: Some(reply.status()),
                code: Some(join(|m| m.code.to_string(), ", ")),
                message: http::excerpt(&join(|m| m.message.clone(), ": ")),
            }
        };
        let err = reply.error(said);
        // The innermost code is the most precise.
        let Some(known) = messages.iter().rev().find_map(|m| advice::of(m.code)) else {
            return match err.kind() {
                Kind::Credentials => {
                    err.advise(self.with_label("Check the credentials and their permissions."))
                }
                _ => err,
            };
        };
        let err = err.as_kind(known.kind);
        let cure = match known.cure {
            Cure::Plain(text) => Some(text),
            Cure::OfProgram(refusal) => self.cure.map(|cure| cure(refusal)),
        };
        let text = match cure {
            Some(cure) => format!("{} {cure}", known.cause),
            None => known.cause.to_owned(),
        };
        if known.kind == Kind::Credentials {
            err.advise(self.with_label(&text))
        } else {
            err.advise(text)
        }
    }

    fn with_label(&self, text: &str) -> String {
        format!("{text} The credentials used: {}.", self.label)
    }

    fn host(&self) -> &str {
        self.http.base().host_str().unwrap_or_default()
    }
}

/// Whether an error carries a code for which `wanted` holds. The API may give several.
fn has_code(err: &Error, wanted: impl Fn(i64) -> bool) -> bool {
    err.remote()
        .and_then(|remote| remote.code.as_deref())
        .is_some_and(|codes| {
            codes
                .split(", ")
                .filter_map(|code| code.parse().ok())
                .any(wanted)
        })
}

/// Whether a record was refused because the same one is there.
pub fn is_identical(err: &Error) -> bool {
    has_code(err, |code| matches!(code, 81057 | 81058))
}

/// Whether credentials that may be good were refused for want of a permission: 0 and 10000 say so, 9109 says that or
/// that they are unknown. The status is 403, but 400 and 401 have been seen.
pub fn may_lack_permission(err: &Error) -> bool {
    has_code(err, |code| matches!(code, 0 | 9109 | 10000))
}

/// Whether a record was refused because its name is an alias (CNAME).
pub fn is_beside_cname(err: &Error) -> bool {
    has_code(err, |code| matches!(code, 81053 | 81054))
}

#[derive(Debug, Deserialize)]
struct Verdict {
    #[serde(default, deserialize_with = "null_is_missing")]
    success: bool,
    #[serde(default)]
    errors: Option<Vec<Message>>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "null_is_missing")]
    code: i64,
    #[serde(default, deserialize_with = "null_is_missing")]
    message: String,
    #[serde(default)]
    error_chain: Option<Vec<Message>>,
}

#[derive(Debug, Deserialize)]
struct Envelope<T> {
    result: Option<T>,
    result_info: Option<PageInfo>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct PageInfo {
    total_count: Option<u64>,
    total_pages: Option<u64>,
}

/// Reads `null` as a missing field: which fields can be null differs between kinds of zones and over time.
fn null_is_missing<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// One page of a list.
#[derive(Debug)]
struct Page<T> {
    items: Vec<T>,
    info: PageInfo,
}

impl<T> Page<T> {
    /// Whether nothing comes after this page, the `number`th of `size` items.
    fn is_last(&self, number: u64, size: u64) -> bool {
        let full = self.items.len() as u64 >= size;
        self.items.is_empty()
            || match (self.info.total_pages, self.info.total_count) {
                (Some(pages), _) => number >= pages,
                (None, Some(count)) => number * size >= count,
                (None, None) => !full,
            }
    }
}

/// Follows every page. `fetch` takes the number of the page, from 1.
fn every_page<T>(size: u64, fetch: impl Fn(u64) -> Result<Page<T>>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for number in 1.. {
        let page = fetch(number)?;
        let last = page.is_last(number, size);
        all.extend(page.items);
        if last {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: usize, total_pages: Option<u64>, total_count: Option<u64>) -> Page<()> {
        Page {
            items: vec![(); items],
            info: PageInfo {
                total_count,
                total_pages,
            },
        }
    }

    #[test]
    fn a_list_ends_where_the_api_says_else_at_a_page_that_is_not_full() {
        assert!(page(50, Some(1), Some(50)).is_last(1, 50));
        assert!(!page(50, Some(2), Some(51)).is_last(1, 50));
        assert!(page(1, Some(2), Some(51)).is_last(2, 50));
        assert!(!page(50, None, Some(51)).is_last(1, 50));
        assert!(page(49, None, None).is_last(1, 50));
        assert!(!page(50, None, None).is_last(1, 50));
        // Some lists claim a page although they are empty.
        assert!(page(0, Some(9), None).is_last(1, 50));
    }

    #[test]
    fn fields_that_are_null_or_missing_do_no_harm() {
        let bare = r#"{"id":"0123456789abcdef0123456789abcdef","name":"example.com"}"#;
        let null = r#"{"id":"0123456789abcdef0123456789abcdef","name":"example.com","status":null,"account":null,
            "name_servers":null,"owner":{"x":1}}"#;
        for text in [bare, null] {
            let zone: Zone = serde_json::from_str(text).unwrap();
            assert!(zone.is_active() && zone.name_servers.is_empty());
        }
        let record: Record = serde_json::from_str(
            r#"{"id":"1","name":"a.example.com","type":"TXT","content":null,"ttl":null,"proxied":null,"comment":null}"#,
        )
        .unwrap();
        assert_eq!(
            (record.content.as_str(), record.ttl, record.proxied),
            ("", 0, false)
        );
    }

    #[test]
    fn one_of_several_codes_is_found() {
        let err = Error::new(Kind::Refused, "x").said(Remote {
            status: Some(400),
            code: Some("1004, 81058".into()),
            message: String::new(),
        });
        assert!(is_identical(&err));
        assert!(!is_beside_cname(&err));
    }
}
