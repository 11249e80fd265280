//! `flex-renew` from end to end, with a stand-in `flexctl`.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod begun;
mod check;
mod children;
mod cluster;
mod containers;
mod disk;
mod edge;
mod flags;
mod host;
mod kill;
mod log;
mod look;
mod many;
mod platform;
mod restore;
mod wrong;
