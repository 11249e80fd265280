//! The commands, a file each.

pub(crate) mod apply;
pub(crate) mod autodiscover;
pub(crate) mod check;
pub(crate) mod create_api;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod remove;
pub(crate) mod rotate;
pub(crate) mod status;
pub(crate) mod verify;
