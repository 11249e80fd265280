//! One blocking HTTP client for every API: deadlines, retries, size limit, strict JSON.
//!
//! It knows no API: what one of them tells in its own way (a rate limit, an error's code) the client of that API reads.
//! Those clients are what uses it, and programs that probe an endpoint.

mod client;
pub mod rate_limiter;
mod reply;
mod retry;

pub use client::{Http, Request, base_url, segment};
pub use reply::{Reply, excerpt};
pub use retry::Repeat;
