//! With the real acme.sh.

mod conf;
mod needs_pebble;
mod walk;
