//! The commands, a file for each.

pub(crate) mod check;
pub(crate) mod deploy;
pub(crate) mod dns;
pub(crate) mod expose;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod reconcile;
pub(crate) mod remove;
pub(crate) mod spaces;
pub(crate) mod status;
pub(crate) mod verify;
