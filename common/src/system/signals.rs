//! Signals that ask this process to end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Kind, Result};

/// While one of these lives, the first signal that would end this process is noted instead, so that what has begun comes
/// to an orderly end; the second one ends the process all the same.
///
/// Every program that is run has one. Whoever has several steps to take, none of which may be left half done, has one for
/// all of them, and asks [`interrupted`] before each.
#[derive(Debug)]
pub struct Signals(&'static Listener);

#[derive(Debug)]
struct Listener {
    arrived: Arc<AtomicBool>,
    which: Arc<AtomicUsize>,
    /// While this is true, signals do what they always do.
    nothing_runs: Arc<AtomicBool>,
    running: Mutex<usize>,
}

/// On its own, so that asking whether one has arrived changes nothing about signals.
static ARRIVED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

static LISTENER: LazyLock<Listener> = LazyLock::new(|| {
    let listener = Listener {
        arrived: Arc::clone(&ARRIVED),
        which: Arc::default(),
        nothing_runs: Arc::new(AtomicBool::new(true)),
        running: Mutex::new(0),
    };
    // Not SIGHUP: it may be ignored (nohup), and has to stay so.
    for (signal, number) in [(SIGINT, INTERRUPT), (SIGTERM, TERMINATE)] {
        // Where a handler cannot be set, the signal keeps its ordinary meaning.
        for condition in [&listener.nothing_runs, &listener.arrived] {
            let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(condition));
        }
        let _ = signal_hook::flag::register_usize(signal, Arc::clone(&listener.which), number);
        let _ = signal_hook::flag::register(signal, Arc::clone(&listener.arrived));
    }
    listener
});

/// What [`Listener::which`] holds.
const INTERRUPT: usize = 1;
const TERMINATE: usize = 2;

impl Signals {
    /// Notes signals from now on, until it goes out of scope.
    pub fn listen() -> Self {
        let mut running = LISTENER
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        LISTENER.nothing_runs.store(false, Ordering::SeqCst);
        drop(running);
        Self(&LISTENER)
    }

    /// The one that has arrived.
    pub(super) fn arrived(&self) -> Option<Signal> {
        if !self.0.arrived.load(Ordering::SeqCst) {
            return None;
        }
        Some(match self.0.which.load(Ordering::SeqCst) {
            INTERRUPT => Signal::INT,
            _ => Signal::TERM,
        })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running -= 1;
        if *running == 0 {
            self.0.nothing_runs.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether this process was told to stop while it was not to be ended at once: begin nothing new.
pub fn interrupted() -> bool {
    ARRIVED.load(Ordering::SeqCst)
}

/// Ends what waits: nothing is wrong unless [`interrupted`].
///
/// # Errors
///
/// Unreachable: this process was told to stop.
pub fn go_on() -> Result<()> {
    if interrupted() {
        Err(Error::new(Kind::Unreachable, "stopped by a signal"))
    } else {
        Ok(())
    }
}
