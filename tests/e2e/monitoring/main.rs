//! The forms of output for monitoring, which all checks share.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;
mod json;
mod nagios;
mod needs_promtool;
mod prometheus;
mod textfile;
