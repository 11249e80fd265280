//! Requests that prove that an API is closed, and what it means when they do not.

mod address;
mod carried;
mod cause;
mod finding;
mod platform;
mod requests;
mod verdict;

pub(crate) use platform::Platform;
pub(crate) use requests::{Proof, Users};
pub(crate) use verdict::Verdicts;
