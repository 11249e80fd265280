//! What this program can do about a refusal of the platform's.

use common::anypoint::tls_contexts::{self, Refusal};
use common::error::Error;

/// How to make room in a private space.
const MAKE_ROOM: &str = "`cloudhub_v2 list` shows them, `cloudhub_v2 remove DOMAIN` removes one.";

/// The error, with the settings and commands that help beside what the client advises.
pub(crate) fn of(err: Error) -> Error {
    let own = match Refusal::of(&err) {
        Some(Refusal::Denied) => "`cloudhub_v2 check --planes` tries the other control planes.",
        Some(Refusal::NoSuchSpace) => "Check CH2_PRIVATE_SPACE_ID as well.",
        Some(Refusal::BadName) => "Set CH2_TLS_CONTEXT_NAME.",
        Some(Refusal::Full) => MAKE_ROOM,
        Some(Refusal::Duplicate) => {
            "`cloudhub_v2 list` shows them; set CH2_TLS_CONTEXT_NAME to the name of the one to replace, or remove it."
        }
        Some(Refusal::TooManyRequests) => "A lower --rate leaves room for other programs.",
        Some(Refusal::Rejected | Refusal::NotJson) | None => return err,
    };
    let advice = match err.advice() {
        Some(general) => format!("{general} {own}"),
        None => own.to_owned(),
    };
    err.advise(advice)
}

/// What to do when a private space holds as many contexts as it can.
pub(crate) fn full() -> String {
    format!("{} {MAKE_ROOM}", tls_contexts::full())
}
