//! Staying below Cloudflare's rate limit, of which every answer tells what is left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::net::http::Reply;
use crate::net::http::rate_limiter::RateLimiter;
use crate::system::clock::SharedClock;

/// Delays requests once an answer has said that none are left.
#[derive(Debug, Default)]
pub(super) struct AnnouncedLimit {
    free_at: Mutex<Duration>,
}

impl AnnouncedLimit {
    /// Takes note of what an answer says.
    pub(super) fn note(&self, reply: &Reply, clock: &SharedClock) {
        if let Some(rest) = exhausted(reply) {
            *self.free_at.lock().unwrap_or_else(PoisonError::into_inner) = clock.elapsed() + rest;
        }
    }
}

impl RateLimiter for AnnouncedLimit {
    fn wait(&self, clock: &SharedClock) {
        let free_at = *self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = free_at.saturating_sub(clock.elapsed());
        if !wait.is_zero() {
            clock.sleep(wait);
        }
    }
}

/// How long until requests are allowed again, where an answer says that none are left.
pub(super) fn exhausted(reply: &Reply) -> Option<Duration> {
    reply.header("ratelimit").and_then(parse)
}

/// Reads a `Ratelimit` header: items such as `"default";r=0;t=120`, separated by commas; `r` requests are left, and
/// the count starts anew in `t` seconds.
fn parse(header: &str) -> Option<Duration> {
    header
        .split(',')
        .filter_map(|item| {
            let number = |name: &str| -> Option<u64> {
                item.split(';')
                    .find_map(|part| part.trim().strip_prefix(name)?.parse().ok())
            };
            (number("r=")? == 0).then(|| number("t="))?
        })
        .max()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_without_requests_left_tells_how_long_to_wait() {
        assert_eq!(parse("\"default\";r=1100;t=120"), None);
        assert_eq!(
            parse("\"default\";r=0;t=120"),
            Some(Duration::from_secs(120))
        );
        assert_eq!(
            parse("\"a\";r=3;t=9, \"b\"; r=0; t=7"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(parse("nonsense"), None);
    }
}
