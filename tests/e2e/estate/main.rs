//! `anypoint-estate`, with stand-ins for the four programs where one of them has to misbehave, else with the real ones.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod check;
mod children;
mod estate;
mod init;
mod needs_jq;
mod needs_prometheus;
mod needs_promtool;
mod notification;
mod plugin;
mod real;
mod report;
mod run;
mod scale;
mod signals;
mod state;
