//! Time, passed in wherever something waits or expires, so that tests of it take none.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::system::signals::interrupted;

/// How often a wait looks whether it has to end early.
const TICK: Duration = Duration::from_millis(50);

/// A clock to read and to wait on.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;
    /// The date and time of day.
    fn now(&self) -> Timestamp;
    /// Waits, but no longer than until this process is told to stop.
    fn sleep(&self, time: Duration);
}

/// A clock that can be shared.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clock.
pub fn system() -> SharedClock {
    Arc::new(System(Instant::now()))
}

#[derive(Debug)]
struct System(Instant);

impl Clock for System {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) {
        let started = Instant::now();
        // What still waits after that finishes what has begun.
        let may_be_stopped = !interrupted();
        while let Some(left) = time
            .checked_sub(started.elapsed())
            .filter(|left| !left.is_zero())
        {
            std::thread::sleep(left.min(TICK));
            if may_be_stopped && interrupted() {
                break;
            }
        }
    }
}

/// A clock that only moves when somebody sleeps on it, for tests.
#[derive(Debug)]
pub struct Manual {
    start: Timestamp,
    passed: Mutex<Duration>,
}

impl Manual {
    /// A clock that starts at `start`.
    pub fn starting_at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            start,
            passed: Mutex::new(Duration::ZERO),
        })
    }
}

impl Clock for Manual {
    fn elapsed(&self) -> Duration {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.start + self.elapsed()
    }

    fn sleep(&self, time: Duration) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}
