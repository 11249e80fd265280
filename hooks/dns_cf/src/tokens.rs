//! Until when the API tokens are valid.

use std::time::Duration;

use common::cli::Invocation;
use common::cli::monitoring::{Item, Kind as What, State};
use common::cloudflare::TokenState;
use common::error::{Error, Kind, Result};
use jiff::{SignedDuration, Timestamp};

use crate::zone::{Finder, ResolvedZone};

/// A token, or the global key that stands in for one.
#[derive(Debug)]
pub(crate) struct CheckedToken {
    /// Where it comes from.
    origin: String,
    account: String,
    /// Whether it reads zones and nothing else.
    is_for_zones: bool,
    /// What Cloudflare says of it. Nothing of a key, and not of every token.
    told: Option<TokenState>,
    expires: Option<Timestamp>,
    state: State,
    /// Why nothing is known of its expiry.
    unknown: Option<&'static str>,
}

impl CheckedToken {
    fn new(origin: String, account: Option<&str>) -> Self {
        Self {
            origin,
            account: account.unwrap_or_default().to_owned(),
            is_for_zones: false,
            told: None,
            expires: None,
            state: State::Ok,
            unknown: None,
        }
    }

    fn with(mut self, told: Option<TokenState>, now: Timestamp, within: Duration) -> Self {
        match &told {
            Some(told) => {
                let expires = told.expires_on.as_deref();
                self.expires = expires.and_then(|date| date.parse().ok());
                self.state = judge(&told.status, self.expires, now, within);
            }
            None => self.unknown = Some("its state cannot be read"),
        }
        self.told = told;
        self
    }

    /// Whether it is of no use.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, State::Expired | State::Missing)
    }

    /// What there is to report.
    pub(crate) fn item(&self, now: Timestamp) -> Item {
        let mut item =
            Item::new(What::ApiToken, &self.origin, self.state).at("account", &self.account);
        if let Some(told) = &self.told {
            item = item.at("status", &told.status);
        }
        if let Some(expires) = self.expires {
            item = item.until(expires, now);
        }
        item.detail = match self.state {
            State::Missing => Some("the token is switched off".to_owned()),
            _ => self.unknown.map(str::to_owned),
        };
        item.advice = (self.state != State::Ok).then(|| CURE.to_owned());
        item
    }

    /// The lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_for_zones {
            lines.push(format!(
                "zones are read with: API token from {}",
                self.origin
            ));
        }
        let told = self.told.as_ref().filter(|told| !told.status.is_empty());
        if let Some(told) = told {
            let end = match &told.expires_on {
                Some(date) => format!(", expires {date}"),
                None => String::new(),
            };
            let due = if self.state == State::Due {
                ": DUE"
            } else {
                ""
            };
            lines.push(format!("  status: {}{end}{due}", told.status));
        }
        lines
    }
}

/// What to do about a token that ends or has ended.
pub(crate) const CURE: &str =
    "Create a new one, or extend its validity (dash.cloudflare.com, API Tokens).";

fn judge(status: &str, expires: Option<Timestamp>, now: Timestamp, within: Duration) -> State {
    let left = expires.map(|expires| expires.duration_since(now));
    let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
    match (status, left) {
        ("expired", _) => State::Expired,
        (_, Some(left)) if left <= SignedDuration::ZERO => State::Expired,
        ("active" | "", Some(left)) if left <= within => State::Due,
        ("active" | "", _) => State::Ok,
        _ => State::Missing,
    }
}

/// The state of every token in use, from wherever its owner keeps it: a user or an account.
pub(crate) fn check(
    call: &Invocation,
    finder: &Finder,
    zones: &[&ResolvedZone],
    within: Duration,
) -> Result<Vec<CheckedToken>> {
    let now = call.clock.now();
    let account = zones
        .iter()
        .find_map(|zone| zone.details.as_ref())
        .map(|zone| zone.account.id.as_str());
    let account = account
        .or(finder
            .account
            .account_id
            .as_ref()
            .map(|found| found.value.as_str()))
        .filter(|id| !id.is_empty());
    let credentials = &finder.account.credentials;
    let own = CheckedToken::new(credentials.origin(), account);
    let own = if credentials.are_token() {
        let told = state(call, account, |account| finder.dns.verify_token(account))?;
        own.with(told, now, within)
    } else {
        CheckedToken {
            unknown: Some("a global API key, which does not expire"),
            ..own
        }
    };
    let mut tokens = vec![own];
    if let Some(origin) = finder.account.zone_token_origin() {
        let verify = |account: Option<&str>| finder.dns.verify_zone_token(account);
        let told = state(call, account, verify)?;
        tokens.push(CheckedToken {
            is_for_zones: true,
            ..CheckedToken::new(origin, account).with(told, now, within)
        });
    }
    Ok(tokens)
}

fn state(
    call: &Invocation,
    account: Option<&str>,
    verify: impl Fn(Option<&str>) -> Result<TokenState>,
) -> Result<Option<TokenState>> {
    let state = match (verify(None), account) {
        (Err(err), Some(account)) if err.kind() != Kind::Unreachable => verify(Some(account)),
        (state, _) => state,
    };
    match state {
        Ok(state) => Ok(Some(state)),
        Err(err) if err.kind() == Kind::Unreachable => Err(err),
        // It works for zones all the same, which is what matters.
        Err(err) => {
            call.log
                .debug(format!("the state of the token cannot be read: {err}"));
            Ok(None)
        }
    }
}

/// What the token that looks for zones has to do with it that none can be found: distinguishes a dead token from a live
/// one that lacks a permission.
pub(crate) fn explained(
    call: &Invocation,
    finder: &Finder,
    err: Error,
    within: Duration,
) -> (Vec<CheckedToken>, Error) {
    let for_zones = finder.account.zone_token_origin();
    let is_token = for_zones.is_some() || finder.account.credentials.are_token();
    if err.kind() != Kind::Credentials || !is_token {
        return (Vec::new(), err);
    }
    let mut tokens = Vec::new();
    let told = match finder.dns.verify_zone_token(None) {
        Ok(told) => {
            let text = format!("The token itself is known and {}.", told.status);
            let origin = for_zones.clone();
            let origin = origin.unwrap_or_else(|| finder.account.credentials.origin());
            let token = CheckedToken::new(origin, None);
            tokens.push(CheckedToken {
                is_for_zones: for_zones.is_some(),
                ..token.with(Some(told), call.clock.now(), within)
            });
            text
        }
        Err(verify) => match verify.remote() {
            Some(said) => format!("Asked about the token itself, Cloudflare says {said}."),
            None => return (tokens, err),
        },
    };
    let advice = err.advice().unwrap_or_default().to_owned();
    (tokens, err.advise(format!("{told} {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_due_before_it_ends_and_dead_when_it_has_ended_or_is_switched_off() {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let state = |status: &str, days: Option<i64>| {
            let expires = days.map(|days| now + SignedDuration::from_hours(24 * days));
            judge(status, expires, now, 30 * DAY)
        };
        assert_eq!(state("active", None), State::Ok);
        assert_eq!(state("", None), State::Ok);
        assert_eq!(state("active", Some(31)), State::Ok);
        assert_eq!(state("active", Some(30)), State::Due);
        assert_eq!(state("active", Some(0)), State::Expired);
        assert_eq!(state("expired", None), State::Expired);
        assert_eq!(state("disabled", Some(90)), State::Missing);
        assert_eq!(state("disabled", Some(-1)), State::Expired);
    }
}
