//! Whom the programs trust, and what a server really serves.
//!
//! The HTTP client takes its trust from here; a program that proves what an ingress serves probes and judges.

mod judge;
mod probe;
#[cfg(test)]
mod test_support;
mod trust;

pub use judge::{Distrust, Judge};
pub use probe::{Limits, ProbeError, ProbeFault, Served, probe_address};
pub use trust::{Trust, TrustError, client_config};
