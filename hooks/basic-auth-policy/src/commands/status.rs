//! `status`: the policies of an API, or which APIs of an environment have no authentication.

use common::cli::{Invocation, Outcome};

use crate::args::StatusArgs;
use crate::survey;

pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let survey = survey::read(call, args.all)?;
    call.result(&survey.apis)?;
    match survey.failure {
        Some(failure) => Err(failure.into()),
        None if args.require && survey.apis.is_one_open() => Ok(Outcome::Due),
        None => Ok(Outcome::Done),
    }
}
