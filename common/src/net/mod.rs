//! The network: DNS, TLS and HTTP as the clients of the remote systems need them.

pub mod dns;
pub mod http;
mod timed;
pub mod tls;
