//! With the real acme.sh.

mod basic_auth_policy;
mod conf;
mod flex_renew;
mod needs_pebble;
mod walk;
