//! Staying below a rate that a platform publishes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::SharedClock;
use crate::http::Pace;

/// Requests leave evenly, but on the way they may move together by this much.
const SLACK: Duration = Duration::from_millis(50);

/// At most so many requests in any second, in bursts as far as that allows: a few requests are not delayed at all.
#[derive(Debug)]
pub struct PerSecond {
    limit: usize,
    /// When the last requests left.
    sent: Mutex<VecDeque<Duration>>,
}

impl PerSecond {
    /// At most `limit` requests in any second; one if `limit` is 0.
    pub fn new(limit: u32) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX).max(1),
            sent: Mutex::default(),
        }
    }
}

impl Pace for PerSecond {
    fn wait(&self, clock: &SharedClock) {
        // Whoever comes next queues at the lock, and could not go before this one anyway.
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= self.limit
            && let Some(oldest) = sent.pop_front()
        {
            let free = oldest + Duration::from_secs(1) + SLACK;
            let wait = free.saturating_sub(clock.elapsed());
            if !wait.is_zero() {
                clock.sleep(wait);
            }
        }
        sent.push_back(clock.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;

    #[test]
    fn no_second_holds_more_requests_than_allowed_and_a_few_are_not_delayed() {
        let clock: SharedClock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let pace = PerSecond::new(15);
        let times: Vec<Duration> = (0..100)
            .map(|_| {
                pace.wait(&clock);
                clock.elapsed()
            })
            .collect();
        assert_eq!(times[14], Duration::ZERO);
        for window in times.windows(16) {
            assert!(window[15] - window[0] > Duration::from_secs(1));
        }
        // Six more bursts: a twentieth above the 6 s that the rate allows.
        assert_eq!(times[99], Duration::from_millis(6300));
    }
}
