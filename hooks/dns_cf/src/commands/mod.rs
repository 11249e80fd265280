//! What each command does.

pub(crate) mod add;
pub(crate) mod check;
pub(crate) mod cname_rm;
pub(crate) mod cname_set;
pub(crate) mod rm;
pub(crate) mod sweep;
