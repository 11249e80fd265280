//! The whole road, with pebble as the ACME server.

mod faults;
mod kills;
mod permissions;
mod whole;
