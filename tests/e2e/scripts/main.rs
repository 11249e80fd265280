//! The shell side: the shims as acme.sh sources them, and the installer that places them.
//!
//! The executables are stand-ins that record how they were called; what the real ones do is tested elsewhere.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod checks;
mod crontab;
mod demo;
mod documents;
mod fixture;
mod homes;
mod install;
mod needs_acme_sh;
mod release;
mod shims;
mod systemd;
mod vanity_api;
