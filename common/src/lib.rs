//! What the hooks share: wire formats and the operating system. Deciding what to do is theirs.

pub mod acmesh;
pub mod anypoint;
pub mod cert;
pub mod clock;
pub mod cloudflare;
pub mod config;
pub mod duration;
pub mod env;
pub mod error;
pub mod exit;
pub mod files;
pub mod fingerprints;
pub mod flexctl;
pub mod http;
pub mod names;
pub mod output;
pub mod pace;
pub mod process;
pub mod registration;
pub mod resolve;
pub mod secret;
pub mod settings;
mod timed;
pub mod tls;
