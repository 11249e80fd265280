//! The operating system: files, processes, signals, time, the environment, and work done side by side.
//!
//! Everything above the ground uses it. It logs nothing: what went wrong is in the error.

mod attributes;
pub mod clock;
pub mod environment;
pub mod files;
pub mod fingerprints;
pub mod hold;
pub mod pending;
pub mod polling;
pub mod process;
pub mod signals;
mod streams;
pub mod temporary;
pub mod workers;
