//! Signals that ask this process to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};

/// While a program runs, a signal that would end this process is noted instead, so that the program, which is in a
/// group of its own and does not get it, can be killed and temporary files can be removed.
pub(super) struct Signals(&'static Listener);

struct Listener {
    arrived: Arc<AtomicBool>,
    /// While this is true, signals do what they always do.
    nothing_runs: Arc<AtomicBool>,
    running: Mutex<usize>,
}

static LISTENER: LazyLock<Listener> = LazyLock::new(|| {
    let listener = Listener {
        arrived: Arc::default(),
        nothing_runs: Arc::new(AtomicBool::new(true)),
        running: Mutex::new(0),
    };
    // Not SIGHUP: it may be ignored (nohup), and has to stay so.
    for signal in [SIGINT, SIGTERM] {
        // Where a handler cannot be set, the signal keeps its ordinary meaning.
        let _ = signal_hook::flag::register_conditional_default(
            signal,
            Arc::clone(&listener.nothing_runs),
        );
        let _ = signal_hook::flag::register(signal, Arc::clone(&listener.arrived));
    }
    listener
});

impl Signals {
    /// Notes signals from now on, until it goes out of scope.
    pub(super) fn listen() -> Self {
        let mut running = LISTENER
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        LISTENER.nothing_runs.store(false, Ordering::SeqCst);
        drop(running);
        Self(&LISTENER)
    }

    /// Whether one has arrived.
    pub(super) fn arrived(&self) -> bool {
        self.0.arrived.load(Ordering::SeqCst)
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

/// Whether this process was told to stop while a program ran: begin nothing new.
pub fn interrupted() -> bool {
    LISTENER.arrived.load(Ordering::SeqCst)
}
