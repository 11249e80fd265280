//! What the hooks share: wire formats and the operating system. Deciding what to do is theirs.

pub mod env;
pub mod error;
pub mod exit;
pub mod output;
pub mod secret;
pub mod tls;
