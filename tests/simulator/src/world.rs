//! Everything the simulator knows: the state of the remote world, and what is shared between its servers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::acme::Acme;
use crate::anypoint::Anypoint;
use crate::clock::Clock;
use crate::cloudflare::Cloudflare;
use crate::faults::Faults;
use crate::kubernetes::Kubernetes;
use crate::log::Log;
use crate::pki::Authority;

/// The state of the remote world. Tests seed and inspect it through [`Sim::world`](crate::Sim::world).
#[derive(Debug)]
pub struct World {
    /// The simulated time.
    pub clock: Clock,
    /// Cloudflare: credentials, zones, records.
    pub cloudflare: Cloudflare,
    /// The Anypoint Platform.
    pub anypoint: Anypoint,
    /// A Kubernetes cluster.
    pub kubernetes: Kubernetes,
    /// An ACME server, where [`Sim::front`](crate::Sim::front) has opened it.
    pub acme: Acme,
    /// Signs the simulator's own certificates.
    pub authority: Authority,
    /// Numbers, identifiers and tokens that no one has seen before.
    pub ids: Ids,
}

impl World {
    pub(crate) fn new(authority: Authority) -> Self {
        Self {
            clock: Clock::default(),
            cloudflare: Cloudflare::default(),
            anypoint: Anypoint::default(),
            kubernetes: Kubernetes::default(),
            acme: Acme::default(),
            authority,
            ids: Ids::default(),
        }
    }
}

/// Identifiers in the forms that the platforms use. The same run of calls gives the same ones.
#[derive(Debug, Default, Clone)]
pub struct Ids {
    last: u64,
}

impl Ids {
    /// 32 hexadecimal digits, as Cloudflare's.
    pub fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }

    /// A lower-case UUID, as Anypoint's.
    pub fn uuid(&mut self) -> String {
        let hex = self.hex();
        format!(
            "{}-{}-4{}-8{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }

    fn next(&mut self) -> u64 {
        // splitmix64: spreads a counter over all digits.
        self.last = self.last.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.last;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}

/// How long things take.
#[derive(Debug, Default, Clone, Copy)]
pub struct Latency {
    /// Added to each answer: one round trip.
    pub request: Duration,
    /// Added before each TLS handshake, for TCP's and TLS's own round trips.
    pub connect: Duration,
}

/// Shared by the servers.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    log: Mutex<Log>,
    faults: Mutex<Faults>,
    latency: Mutex<Latency>,
}

impl Shared {
    pub(crate) fn new(world: World, latency: Latency) -> Self {
        Self {
            world: Mutex::new(world),
            log: Mutex::default(),
            faults: Mutex::default(),
            latency: Mutex::new(latency),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn latency(&self) -> Latency {
        *lock(&self.latency)
    }

    pub(crate) fn set_latency(&self, latency: Latency) {
        *lock(&self.latency) = latency;
    }
}

/// A test that failed while it held the lock must not hide its message behind a second panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
