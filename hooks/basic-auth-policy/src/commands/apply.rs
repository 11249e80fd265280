//! `apply`: the policy as it is desired, whatever is there already.

use std::fmt::Write as _;

use common::anypoint::api_instances::{Activity, ApiInstance, Technology};
use common::cli::{Format, Invocation, Outcome, Report};
use common::error::Result;
use common::secret::Secret;
use common::settings::{ConfFile, Origin, Sourced};
use serde::Serialize;

use crate::args::ApplyArgs;
use crate::convergence::{Action, Converged, Convergence};
use crate::credentials;
use crate::desired::{DesiredPolicy, Rest};
use crate::hand_over::{self, HandOver};
use crate::memory::Memory;
use crate::session;
use crate::settings::LOGIN;
use crate::switch::warn_if_not_active;

/// What was done.
#[derive(Debug, Serialize)]
struct Applied {
    api: String,
    api_instance_id: u64,
    policy_id: u64,
    action: Action,
    changes: Vec<String>,
    version: Option<String>,
    username: String,
    order: Option<usize>,
    instance: Activity,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<String>,
}

impl Report for Applied {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: Basic Authentication {} (policy {}, user {}) ",
            self.api,
            self.version.as_deref().unwrap_or("of unknown version"),
            self.policy_id,
            self.username
        );
        match self.action {
            Action::Created => text += "applied",
            Action::Changed => {
                let _ = write!(text, "changed: {}", self.changes.join(", "));
            }
            Action::Unchanged => text += "is up to date",
        }
        if let Some(file) = &self.password_file {
            let _ = write!(text, "\npassword in {file}");
        }
        text
    }
}

pub(crate) fn run(call: &Invocation, args: &ApplyArgs) -> anyhow::Result<Outcome> {
    // What is refused without a request comes first, so that no password is generated or asked for in vain.
    let rest = Rest::read(call, args)?;
    session::selected_api(call)?;
    call.settings.saving()?;
    let username = credentials::username(call)?;
    let (password, hand_over) = password(call, args, &username)?;
    let desired = DesiredPolicy {
        username,
        password,
        rest,
    };
    let outcome = check_and_carry_out(call, &desired);
    if let Err(err) = &outcome {
        hand_over.give_up(err, &call.log);
    }
    let (api, done) = outcome?;
    hand_over.finish()?;
    call.result(&Applied {
        api: api.shown(),
        api_instance_id: api.id.0,
        policy_id: done.id.0,
        action: done.action,
        changes: done.changes,
        version: done.version,
        order: done.order,
        instance: api.activity,
        password: matches!(hand_over, HandOver::Json)
            .then(|| desired.password.value.expose().to_owned()),
        password_file: hand_over.path().map(|path| path.display().to_string()),
        username: desired.username.value,
    })?;
    Ok(Outcome::Done)
}

fn password(
    call: &Invocation,
    args: &ApplyArgs,
    username: &Sourced,
) -> Result<(Sourced<Secret>, HandOver)> {
    if !args.generate_password {
        let given = credentials::password(call, &args.password)?;
        return Ok((given, HandOver::NotNeeded));
    }
    call.log
        .debug(format!("generating a password for {}", username.value));
    let generated = |value| Sourced {
        value,
        origin: Origin::Flag("--generate-password"),
    };
    let Some(path) = &args.password_out else {
        if call.format != Format::Json {
            return Err(hand_over::nowhere());
        }
        return Ok((generated(credentials::generated()?), HandOver::Json));
    };
    if let Some((over, password)) = HandOver::resume(path, &call.log)? {
        return Ok((generated(password), over));
    }
    if let Some(value) = hand_over::handed_over(path)? {
        let origin = Origin::Flag("--password-out");
        return Ok((Sourced { value, origin }, HandOver::NotNeeded));
    }
    let password = credentials::generated()?;
    let over = HandOver::to_file(path, &password)?;
    Ok((generated(password), over))
}

fn check_and_carry_out(
    call: &Invocation,
    desired: &DesiredPolicy,
) -> Result<(ApiInstance, Converged)> {
    credentials::check_password(call, &desired.username.value, &desired.password)?;
    let selector = session::selected_api(call)?;
    let prepared = session::prepare(call)?;
    let login = call.settings.saving_of(ConfFile::Domain, LOGIN, &[])?;
    let everything = call.settings.saving()?;
    prepared.prove_credentials()?;
    login.finish()?;
    let session = prepared.log_in()?;
    let api = session.api(&selector)?;
    if api.technology == Technology::Other {
        call.log.warn(format!(
            "{} runs neither on Mule 4 nor on a Flex Gateway, as far as the platform says",
            api.shown()
        ));
    }
    let done = Convergence {
        call,
        session: &session,
        api: &api,
        desired,
        memory: Memory::of(call),
    }
    .run()?;
    // A mistyped API or password must not replace what the next renewal can work with.
    everything.finish()?;
    warn_if_not_active(call, &api);
    Ok((api, done))
}
