//! The secret variables of all programs, which no child program of any of them gets.
//!
//! Written by `scripts/generate.sh` from the programs' registries, and held to them by a test: one program does not know
//! the settings of another, but may well find its variables in the environment.

pub(super) const SECRETS: &[&str] = &[
    "ANYPOINT_BEARER",
    "ANYPOINT_CLIENT_SECRET",
    "BASIC_AUTH_PASSWORD",
    "CF_Key",
    "CF_Token",
    "CF_Zone_Token",
    "CH2_CLIENT_SECRET",
    "CH2_KEY_PASSPHRASE",
    "FLEX_CLIENT_SECRET",
    "FLEX_PASSWORD",
    "PLATFORM_CLIENT_SECRET",
];
