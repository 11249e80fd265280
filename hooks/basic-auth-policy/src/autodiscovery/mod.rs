//! What connects an application on CloudHub 2.0 to its API instance: properties that its autodiscovery element needs.
//!
//! The platform replaces all properties of an application at once and never returns protected values, so every change
//! here carries the whole set.

pub(crate) mod backup;
pub(crate) mod connection;
pub(crate) mod properties;
pub(crate) mod redeployment;
pub(crate) mod secrets;
pub(crate) mod undo;
