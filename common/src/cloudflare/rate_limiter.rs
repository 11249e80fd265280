//! Staying below Cloudflare's rate limit, of which every answer tells what is left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::net::http::Reply;
use crate::net::http::rate_limiter::RateLimiter;
use crate::system::clock::SharedClock;

/// What the documentation gives as the quota, for an answer that does not tell.
const QUOTA: u64 = 1200;

/// Below one part in so many of the quota, the rest is spread over the time until it is renewed. Whoever exceeds the
/// quota is refused everything for five minutes, and so is whoever else uses the same account.
const RESERVE: u64 = 20;

/// Delays requests as the last answer asks for.
#[derive(Debug, Default)]
pub(super) struct AnnouncedLimit {
    pause: Mutex<Pause>,
}

/// Until when requests are delayed.
#[derive(Debug, Default, Clone, Copy)]
struct Pause {
    until: Duration,
    /// Whether a request that comes earlier would be refused.
    strict: bool,
}

/// What an answer says about the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// No request is left for so long.
    Exhausted(Duration),
    /// Few are left: so long for each of them.
    Scarce(Duration),
}

impl AnnouncedLimit {
    /// Takes note of what an answer says.
    pub(super) fn note(&self, reply: &Reply, clock: &SharedClock) {
        let Some(rest) = announced(reply) else {
            return;
        };
        let (wait, strict) = match rest {
            Rest::Exhausted(wait) => (wait, true),
            Rest::Scarce(wait) => (wait, false),
        };
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = Pause {
            until: clock.elapsed().saturating_add(wait),
            strict,
        };
    }
}

impl RateLimiter for AnnouncedLimit {
    fn wait(&self, clock: &SharedClock, left: Duration) -> Result<(), Duration> {
        let pause = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = pause.until.saturating_sub(clock.elapsed());
        if wait.is_zero() {
            return Ok(());
        }
        if wait < left {
            clock.sleep(wait);
            return Ok(());
        }
        // What is still allowed is better done than left undone for the sake of others.
        if pause.strict { Err(wait) } else { Ok(()) }
    }
}

/// How long until requests are allowed again, where an answer says that none are left.
pub(super) fn exhausted(reply: &Reply) -> Option<Duration> {
    match announced(reply)? {
        Rest::Exhausted(wait) => Some(wait),
        Rest::Scarce(_) => None,
    }
}

fn announced(reply: &Reply) -> Option<Rest> {
    let policy = reply.header("ratelimit-policy").unwrap_or_default();
    rest(reply.header("ratelimit")?, policy)
}

/// Reads a `Ratelimit` header: items such as `"default";r=0;t=120`, separated by commas; `r` requests are left, and
/// the count starts anew in `t` seconds. Of how many, the item of the same name in `Ratelimit-Policy` tells as `q`.
fn rest(limit: &str, policy: &str) -> Option<Rest> {
    let rests = limit.split(',').filter_map(|item| {
        let left = number(item, "r=")?;
        let time = Duration::from_secs(number(item, "t=")?);
        let quota = policy
            .split(',')
            .find(|policy| name(policy) == name(item))
            .and_then(|policy| number(policy, "q="))
            .unwrap_or(QUOTA);
        match u32::try_from(left) {
            Ok(0) => Some(Rest::Exhausted(time)),
            Ok(few) if left < quota / RESERVE => Some(Rest::Scarce(time / few)),
            _ => None,
        }
    });
    rests.max_by_key(|rest| match rest {
        Rest::Exhausted(wait) => (true, *wait),
        Rest::Scarce(wait) => (false, *wait),
    })
}

fn name(item: &str) -> &str {
    item.split(';').next().unwrap_or_default().trim()
}

fn number(item: &str, name: &str) -> Option<u64> {
    item.split(';')
        .find_map(|part| part.trim().strip_prefix(name)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::Manual;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn few_requests_are_spread_and_without_any_the_wait_is_told() {
        let policy = "\"default\";q=1200;w=300";
        for (limit, expected) in [
            ("\"default\";r=1100;t=120", None),
            ("\"default\";r=60;t=120", None),
            ("\"default\";r=59;t=118", Some(Rest::Scarce(SECOND * 2))),
            ("\"default\";r=1;t=120", Some(Rest::Scarce(SECOND * 120))),
            ("\"default\";r=0;t=120", Some(Rest::Exhausted(SECOND * 120))),
            (
                "\"a\";r=3;t=9, \"b\"; r=0; t=7",
                Some(Rest::Exhausted(SECOND * 7)),
            ),
            ("nonsense", None),
        ] {
            assert_eq!(rest(limit, policy), expected, "{limit}");
        }
        let other = "\"other\";q=10;w=1, \"default\";q=100;w=300";
        assert_eq!(rest("\"default\";r=5;t=10", other), None);
        assert_eq!(
            rest("\"default\";r=4;t=8", other),
            Some(Rest::Scarce(SECOND * 2))
        );
        assert_eq!(
            rest("\"default\";r=50;t=100", ""),
            Some(Rest::Scarce(SECOND * 2))
        );
    }

    #[test]
    fn a_wait_beyond_the_deadline_is_refused_only_where_no_request_is_left() {
        let clock: SharedClock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let limiter = |until, strict| AnnouncedLimit {
            pause: Mutex::new(Pause { until, strict }),
        };
        assert_eq!(
            limiter(Duration::MAX, true).wait(&clock, SECOND),
            Err(Duration::MAX)
        );
        limiter(Duration::MAX, false).wait(&clock, SECOND).unwrap();
        assert_eq!(clock.elapsed(), Duration::ZERO);
        limiter(SECOND, true).wait(&clock, SECOND * 2).unwrap();
        assert_eq!(clock.elapsed(), SECOND);
    }
}
