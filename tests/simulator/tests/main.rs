//! Tests of the simulator itself.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod anypoint;
mod cloudflare;
mod dns;
mod faults;

use reqwest::blocking::{Client, Response};
use serde_json::Value;
use simulator::{Seed, Sim, SimConfig};

/// A running simulator with the demonstration data, and a client that trusts it.
struct Bench {
    sim: Sim,
    http: Client,
}

impl Bench {
    fn new() -> Self {
        Self::with(SimConfig {
            seed: Seed::demo(),
            ..SimConfig::default()
        })
    }

    fn with(config: SimConfig) -> Self {
        // Fails if another test has installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Sim::start(config).unwrap();
        let ca = std::fs::read(sim.ca_pem_path()).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let http = Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .build()
            .unwrap();
        Self { sim, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sim.url())
    }
}

/// Status and JSON body; `null` if there is none.
fn parts(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().unwrap()).unwrap_or_default(),
    )
}
