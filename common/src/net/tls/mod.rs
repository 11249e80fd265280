//! Whom the programs trust, and what a server really serves.

mod judge;
mod probe;
#[cfg(test)]
mod test_support;
mod trust;

pub use judge::{Distrust, Judge};
pub use probe::{Limits, ProbeError, ProbeFault, Served, probe_address};
pub use trust::{Trust, TrustError, client_config};
