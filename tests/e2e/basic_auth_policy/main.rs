//! `basic-auth-policy` against the simulated platform and the gateway on its ingress.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apply;
mod autodiscover;
mod check;
mod create_api;
mod deploy_hooks;
mod fixture;
mod hand_over;
mod hand_over_files;
mod kill;
mod listed;
mod official_tool;
mod password;
mod refusals;
mod rotate;
mod saved;
mod status;
mod verify;
