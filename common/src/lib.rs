//! What the programs share: wire formats and the operating system. Deciding what to do is theirs.
//!
//! A room uses only the rooms above it in this list, and knows no variable, flag or command of a single program.

pub mod secret;

pub mod error;

pub mod duration;

pub mod system;

pub mod log;

pub mod cert;

pub mod net;

pub mod acme_sh;

pub mod settings;

pub mod cli;

pub mod cloudflare;

pub mod anypoint;

pub mod flex;
