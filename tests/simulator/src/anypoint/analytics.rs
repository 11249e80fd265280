//! The usage statistics that MuleSoft's command line tool sends.

use crate::http::{Answer, Request};
use crate::world::World;

/// Takes anything.
pub fn answer(_: &mut World, _: &Request) -> Answer {
    Answer::empty(202)
}
