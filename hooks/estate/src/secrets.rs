//! The secret variables of each program, which it alone is handed on.
//!
//! Written by `scripts/generate.sh` from the programs' registries, and held to them by a test.

const OF_PROGRAMS: &[(&str, &str)] = &[
    ("dns_cf", "CF_Key"),
    ("dns_cf", "CF_Token"),
    ("dns_cf", "CF_Zone_Token"),
    ("cloudhub_v2", "ANYPOINT_BEARER"),
    ("cloudhub_v2", "ANYPOINT_CLIENT_SECRET"),
    ("cloudhub_v2", "CH2_CLIENT_SECRET"),
    ("cloudhub_v2", "CH2_KEY_PASSPHRASE"),
    ("flex-renew", "ANYPOINT_BEARER"),
    ("flex-renew", "ANYPOINT_CLIENT_SECRET"),
    ("flex-renew", "FLEX_CLIENT_SECRET"),
    ("flex-renew", "FLEX_PASSWORD"),
    ("basic-auth-policy", "ANYPOINT_BEARER"),
    ("basic-auth-policy", "ANYPOINT_CLIENT_SECRET"),
    ("basic-auth-policy", "BASIC_AUTH_PASSWORD"),
    ("basic-auth-policy", "PLATFORM_CLIENT_SECRET"),
];

/// Those of one program.
pub(crate) fn of(program: &str) -> impl Iterator<Item = &'static str> {
    OF_PROGRAMS
        .iter()
        .filter(move |(owner, _)| *owner == program)
        .map(|(_, variable)| *variable)
}
