//! What the programs send to the Anypoint Platform, and what the simulator answers, held against published descriptions.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

mod api_manager;
mod application_manager;
mod openapi;
mod tls_contexts;
