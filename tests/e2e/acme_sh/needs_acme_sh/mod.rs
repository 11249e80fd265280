//! With the real acme.sh.

mod conf;
mod flex_renew;
mod needs_pebble;
mod walk;
