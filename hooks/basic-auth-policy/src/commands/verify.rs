//! `verify`: proves by requests that an API is closed.

use common::cli::{Invocation, Outcome};
use common::error::Error;

use crate::args::VerifyArgs;
use crate::credentials;
use crate::proof::{Platform, Proof, Users};

pub(crate) fn run(call: &Invocation, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let proof = Proof::prepare(call, &args.requests)?;
    if proof.is_empty() {
        return Err(Error::config("no address to verify is given")
            .advise(
                "Give the address that consumers use, for example --url https://api.example.com/orders.",
            )
            .into());
    }
    let username = credentials::username(call)?;
    let password = credentials::password(call, &args.password)?;
    let platform = Platform::look(call)?;
    let users = Users {
        username: &username.value,
        password: &password.value,
        previous: None,
    };
    let report = proof.run(call, &users, platform.as_ref())?;
    call.result(&report)?;
    Ok(report.outcome()?)
}
