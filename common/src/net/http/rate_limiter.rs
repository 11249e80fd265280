//! Staying below a rate that a platform publishes.
//!
//! Own code: the crates that do this (`governor`) count when requests are sent, not when they can have arrived, and wait
//! on a clock of their own.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::system::clock::SharedClock;

/// Something that delays requests to stay below a rate.
pub trait RateLimiter: std::fmt::Debug + Send + Sync {
    /// Returns when the next request may go out.
    ///
    /// # Errors
    ///
    /// How long that would take, where it is more than `left`. Then nothing was waited for.
    fn wait(&self, clock: &SharedClock, left: Duration) -> Result<(), Duration>;

    /// Takes note that a request was answered, or failed, and how long that took.
    fn answered(&self, _clock: &SharedClock, _round_trip: Duration) {}
}

const SECOND: Duration = Duration::from_secs(1);

/// Clocks and networks are not exact.
const SLACK: Duration = Duration::from_millis(20);

/// At most so many requests in any second, in bursts as far as that allows: a few requests are not delayed at all.
///
/// The platform counts when requests *arrive*, which a new connection can delay by several round trips. So a request
/// counts from when its answer came, less the shortest round trip that was seen.
#[derive(Debug)]
pub struct PerSecond {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug)]
struct State {
    /// Requests that may go out at once.
    unused: u32,
    /// When the last requests were answered, oldest first.
    answers: VecDeque<Duration>,
    /// The shortest round trip so far.
    round_trip: Duration,
}

impl PerSecond {
    /// At most `limit` requests in any second; one if `limit` is 0.
    pub fn new(limit: u32) -> Self {
        Self {
            state: Mutex::new(State {
                unused: limit.max(1),
                answers: VecDeque::new(),
                round_trip: Duration::MAX,
            }),
            answered: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RateLimiter for PerSecond {
    fn wait(&self, clock: &SharedClock, left: Duration) -> Result<(), Duration> {
        let end = clock.elapsed() + left;
        let mut state = self.lock();
        let free = loop {
            if let Some(unused) = state.unused.checked_sub(1) {
                state.unused = unused;
                return Ok(());
            }
            let now = clock.elapsed();
            if let Some(answer) = state.answers.front().copied() {
                let free = answer + SECOND + SLACK - state.round_trip.min(answer);
                if free > end {
                    return Err(free - now);
                }
                state.answers.pop_front();
                break free;
            }
            // As many requests as may be are under way.
            let left = end.saturating_sub(now);
            if left.is_zero() {
                return Err(SECOND);
            }
            (state, _) = self
                .answered
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        let wait = free.saturating_sub(clock.elapsed());
        if !wait.is_zero() {
            clock.sleep(wait);
        }
        Ok(())
    }

    fn answered(&self, clock: &SharedClock, round_trip: Duration) {
        let mut state = self.lock();
        state.round_trip = state.round_trip.min(round_trip);
        state.answers.push_back(clock.elapsed());
        drop(state);
        self.answered.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::Manual;

    /// When requests go out whose answers take `round_trip`, one after the other.
    fn times(count: usize, round_trip: Duration) -> Vec<Duration> {
        let clock: SharedClock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let limiter = PerSecond::new(15);
        let send = |_| {
            limiter.wait(&clock, SECOND * 60).unwrap();
            let sent = clock.elapsed();
            clock.sleep(round_trip);
            limiter.answered(&clock, round_trip);
            sent
        };
        (0..count).map(send).collect()
    }

    #[test]
    fn no_second_holds_more_requests_than_allowed_and_a_few_are_not_delayed() {
        let times = times(100, Duration::ZERO);
        assert_eq!(times[14], Duration::ZERO);
        for window in times.windows(16) {
            assert!(window[15] - window[0] > Duration::from_secs(1));
        }
        // Six more bursts: hardly above the 6 s that the rate allows.
        assert_eq!(times[99], Duration::from_millis(6120));
    }

    #[test]
    fn a_steady_round_trip_costs_no_rate() {
        let times = times(100, Duration::from_millis(60));
        for window in times.windows(16) {
            assert!(window[15] - window[0] > Duration::from_secs(1));
        }
        assert!(times[99] < Duration::from_millis(7000), "{:?}", times[99]);
    }

    #[test]
    fn what_would_take_longer_than_there_is_time_is_not_waited_for() {
        let clock: SharedClock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let limiter = PerSecond::new(1);
        limiter.wait(&clock, Duration::ZERO).unwrap();
        assert!(limiter.wait(&clock, Duration::ZERO).is_err());
        limiter.answered(&clock, Duration::ZERO);
        let wait = limiter.wait(&clock, SECOND).unwrap_err();
        assert_eq!((wait, clock.elapsed()), (SECOND + SLACK, Duration::ZERO));
        limiter.wait(&clock, wait).unwrap();
        assert_eq!(clock.elapsed(), wait);
    }

    #[test]
    fn a_request_that_arrived_late_counts_from_then() {
        let clock: SharedClock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let limiter = PerSecond::new(1);
        let round_trip = Duration::from_millis(100);
        limiter.answered(&clock, round_trip);
        limiter.wait(&clock, SECOND * 60).unwrap();
        clock.sleep(round_trip * 5);
        limiter.answered(&clock, round_trip * 5);
        limiter.wait(&clock, SECOND * 60).unwrap();
        limiter.wait(&clock, SECOND * 60).unwrap();
        // Answered at 500 ms, so it arrived after 400 ms at the latest.
        assert!(clock.elapsed() >= Duration::from_millis(1400));
    }
}
