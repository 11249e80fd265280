//! Where a value comes from: flag, environment, acme.sh's saved values, the TOML file, the default.
//!
//! [`Setting`] says what can be set, [`Settings`] finds what is in force, [`Saving`] keeps it for the next renewal. Only
//! this room knows that order; programs ask for a setting and get a value with its origin.

pub mod file;
pub mod general;
mod registry;
mod saving;
mod setting;
mod sources;
mod value;

pub use registry::{ConfFile, Form, List, Registry, fits};
pub use saving::Saving;
pub use setting::{Flag, Kind, Setting};
pub use sources::{Flags, Settings};
pub use value::{Origin, Sourced, secret_in};
