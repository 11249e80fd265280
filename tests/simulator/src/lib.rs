//! A simulator of the remote world that the hooks talk to, for tests and demonstrations.
//!
//! [`Sim::start`] runs everything on threads of its own, so that a plain `#[test]` can use it:
//!
//! - one HTTPS port with Cloudflare's API under `/client/v4`, the Anypoint Platform under `/accounts`,
//!   `/runtimefabric`, …, and an administration interface under `/_sim`;
//! - an authoritative DNS server (UDP and TCP) answering from the same Cloudflare records;
//! - an ingress that terminates TLS with the deployed certificates, chosen by SNI.
//!
//! ```
//! use simulator::{Fault, Sim, SimConfig, faults::Action};
//!
//! let sim = Sim::start(SimConfig::default())?;
//! sim.world().cloudflare.add_zone("acme.example");
//! sim.faults().add(Fault::on("POST", "/client/v4/*", Action::Reset).after(1));
//! assert!(sim.requests().is_empty());
//! # anyhow::Ok(())
//! ```
//!
//! To add an API: write a file with a handler `fn(&mut World, &Request) -> Answer`, and add one line to the table in
//! [`routes`].

pub mod acme;
pub mod admin;
pub mod anypoint;
pub mod clock;
pub mod cloudflare;
pub mod dns;
pub mod faults;
pub mod http;
pub mod ingress;
pub mod kubernetes;
pub mod log;
pub mod pki;
pub mod registration;
pub mod routes;
pub mod seed;
pub mod server;
mod sim;
pub mod world;

pub use faults::Fault;
pub use log::Entry;
pub use seed::Seed;
pub use sim::{Sim, SimConfig};
pub use world::World;
