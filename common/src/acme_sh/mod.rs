//! acme.sh: its conf files in its own on-disk format, and its home.
//!
//! Whatever saves or reads settings uses it, and whatever walks over certificates.

mod conf;
mod home;

pub use conf::{Conf, check_writable, decode, update};
pub use home::{Home, Stored};
