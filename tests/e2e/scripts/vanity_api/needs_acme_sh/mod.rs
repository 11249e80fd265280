//! With the real acme.sh.

mod needs_pebble;
mod refusals;
