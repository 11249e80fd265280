//! The simulated time of day: the real one, moved forward at will.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that a test can put forward, so that tokens and certificates expire without waiting.
#[derive(Debug, Default, Clone, Copy)]
pub struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    /// What the simulated systems take for now.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
            .checked_add(self.ahead)
            .unwrap_or(Timestamp::MAX)
    }

    /// How far it is ahead of the real time.
    pub fn ahead(&self) -> SignedDuration {
        self.ahead
    }

    /// Puts the clock forward.
    pub fn advance(&mut self, by: Duration) {
        self.ahead = self
            .ahead
            .saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
    }
}

/// `now` and `later` as a span in whole seconds, 0 if `later` is past; rounded up.
pub fn seconds_until(now: Timestamp, later: Timestamp) -> u64 {
    let millis = later.as_millisecond().saturating_sub(now.as_millisecond());
    u64::try_from(millis).map_or(0, |ms| ms.div_ceil(1000))
}

/// `at` put off by `by`.
pub fn plus(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}
