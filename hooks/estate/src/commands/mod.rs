//! The commands, a file for each.

pub(crate) mod check;
pub(crate) mod init;
pub(crate) mod report;
pub(crate) mod run;
