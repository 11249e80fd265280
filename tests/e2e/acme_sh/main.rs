//! The main job with real software: acme.sh issues from pebble through `dns_cf`, `cloudhub_v2` deploys, renewals run by
//! themselves; and values go between acme.sh's own functions, its stock hook and the programs, both ways.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod fixture;
mod needs_acme_sh;
