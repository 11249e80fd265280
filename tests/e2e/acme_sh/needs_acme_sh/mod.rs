//! With the real acme.sh.

mod basic_auth_policy;
mod conf;
mod needs_pebble;
