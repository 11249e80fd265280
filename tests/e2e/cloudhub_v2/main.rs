//! `cloudhub_v2` from end to end: the built program against the simulator.

#![allow(clippy::unwrap_used, reason = "tests")]

mod callers;
mod chain;
mod contexts;
mod deploy;
mod dns;
mod expose;
mod fixture;
mod input;
mod look;
mod prune;
mod reconcile;
mod remove;
mod saved;
mod targets;
mod trust_store;
mod verify;
