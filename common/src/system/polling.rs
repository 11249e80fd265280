//! Looking again until something is so, or the time is over.

use std::time::Duration;

use crate::system::clock::Clock;

/// What one look brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<T, S> {
    /// It is so: nothing more to wait for.
    Done(T),
    /// Not yet, but this is what was seen.
    NotYet(S),
}

/// How long to wait between looks.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// The same pause each time.
    pub fn of(pause: Duration) -> Self {
        Self {
            next: pause,
            longest: pause,
        }
    }

    /// Each pause twice as long as the one before it, up to `longest`.
    pub fn doubling(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    fn take(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

/// Looks until it is so, or until `limit` has passed; the last look is taken when it has. What that brought is the
/// result, so [`Look::NotYet`] means that the time was over. `waiting` is told before each pause what was seen.
///
/// # Errors
///
/// That of a look: it ends the waiting.
pub fn poll<T, S, E>(
    clock: &dyn Clock,
    limit: Duration,
    mut pauses: Pauses,
    mut look: impl FnMut() -> Result<Look<T, S>, E>,
    mut waiting: impl FnMut(&S),
) -> Result<Look<T, S>, E> {
    let end = clock.elapsed() + limit;
    loop {
        let seen = match look()? {
            Look::NotYet(seen) if clock.elapsed() < end => seen,
            last => return Ok(last),
        };
        waiting(&seen);
        let left = end.saturating_sub(clock.elapsed());
        clock.sleep(pauses.take().min(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::Manual;

    /// The seconds at which looks were taken that saw nothing until `there`, and the last look.
    fn looks(limit: u64, pauses: Pauses, there: u64) -> (Vec<u64>, Look<u64, u64>) {
        let clock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let mut times = Vec::new();
        let mut told = Vec::new();
        let look = || -> Result<_, std::convert::Infallible> {
            let now = clock.elapsed().as_secs();
            times.push(now);
            Ok(if now >= there {
                Look::Done(now)
            } else {
                Look::NotYet(now)
            })
        };
        let limit = Duration::from_secs(limit);
        let Ok(last) = poll(clock.as_ref(), limit, pauses, look, |seen| told.push(*seen));
        assert_eq!(told, times[..times.len() - 1]);
        (times, last)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_looks_at_once_and_then_after_each_pause() {
        let every = |seconds| Pauses::of(SECOND * seconds);
        assert_eq!(looks(10, every(3), 0), (vec![0], Look::Done(0)));
        assert_eq!(looks(10, every(3), 5), (vec![0, 3, 6], Look::Done(6)));
    }

    #[test]
    fn the_last_look_is_taken_when_the_time_is_over() {
        let every = |seconds| Pauses::of(SECOND * seconds);
        assert_eq!(looks(7, every(3), 7), (vec![0, 3, 6, 7], Look::Done(7)));
        assert_eq!(looks(7, every(3), 99), (vec![0, 3, 6, 7], Look::NotYet(7)));
        assert_eq!(looks(0, every(3), 99), (vec![0], Look::NotYet(0)));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = Pauses::doubling(SECOND, SECOND * 5);
        assert_eq!(looks(30, pauses, 17).0, [0, 1, 3, 7, 12, 17]);
    }

    #[test]
    fn a_look_that_fails_ends_the_waiting() {
        let clock = Manual::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let look = || Err::<Look<(), ()>, _>("broken");
        let last = poll(clock.as_ref(), SECOND, Pauses::of(SECOND), look, |()| {});
        assert_eq!(last, Err("broken"));
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }
}
