//! The commands, a file for each.

pub(crate) mod check;
pub(crate) mod inspect;
pub(crate) mod renew;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod status;
