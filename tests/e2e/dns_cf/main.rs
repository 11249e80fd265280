//! `dns_cf` from end to end: the built program against the simulator.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod alias;
mod callers;
mod check;
mod cname;
mod failure;
mod fixture;
mod input;
mod mounted;
mod output;
mod records;
mod saved;
mod sweep;
mod wait;
mod zone;
