//! The network: DNS, TLS and HTTP as the clients of the remote systems need them.
//!
//! It uses the ground (errors, secrets, the system, the log) and nothing of any single platform or program. What it is
//! to do comes as a [`Network`], which the settings make.

pub mod dns;
mod endpoint;
pub mod http;
mod network;
mod proxy;
mod route;
mod timed;
pub mod tls;

pub use endpoint::host_and_port;
pub use network::Network;
pub use proxy::Proxies;
pub use route::has_route;
