//! `apply`: the policy as it is desired, whatever is there already.

use std::cell::Cell;
use std::fmt::Write as _;

use common::anypoint::api_instances::{Activity, ApiInstance, Technology};
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Result};
use common::secret::Secret;
use common::settings::{ConfFile, Origin, Saving, Sourced};
use common::system::signals::{self, Signals};
use serde::Serialize;

use crate::args::ApplyArgs;
use crate::convergence::{Action, Convergence};
use crate::credentials;
use crate::desired::{DesiredPolicy, Rest};
use crate::hand_over::{Destinations, HandOver};
use crate::hand_over_file::{self, HandOverFile};
use crate::listed;
use crate::memory::Memory;
use crate::session::{self, Session};
use crate::settings::{ApiEntry, HAND_OVER, LOGIN};
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

/// What would be done.
#[derive(Debug, Serialize)]
struct Planned {
    api: String,
    api_instance_id: u64,
    dry_run: bool,
    action: Action,
    changes: Vec<String>,
}

impl Report for Planned {
    fn text(&self) -> String {
        let would = match self.action {
            Action::Created => "would be applied".to_owned(),
            Action::Changed => format!("would be changed: {}", self.changes.join(", ")),
            Action::Unchanged => "is up to date".to_owned(),
        };
        format!("{}: Basic Authentication {would}", self.api)
    }
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
    let entries = listed::entries(&call.settings)?;
    if entries.is_empty() {
        return one(call, args);
    }
    let stdin = args.password.password_stdin.then_some("--password-stdin");
    listed::each(call, &entries, stdin, |call, entry| {
        let mut args = args.clone();
        args.generate_password &= !entry.has_password();
        one(call, &args)
    })
}

fn one(call: &Invocation, args: &ApplyArgs) -> anyhow::Result<Outcome> {
    // What is refused without a request comes first, so that no password is generated or asked for in vain.
    let rest = Rest::read(call, args)?;
    session::selected_api(call)?;
    let accepted = Savings::prepare(call)?;
    let username = credentials::username(call)?;
    let source = Source::read(call, args)?;
    if let Source::Given(password) = &source {
        credentials::check_password(call, &username.value, password)?;
    }
    let selector = session::selected_api(call)?;
    let prepared = session::prepare(call)?;
    prepared.prove_credentials()?;
    if !args.dry_run {
        accepted.login.finish()?;
    }
    let session = prepared.log_in()?;
    let api = session.api(&selector)?;
    if api.technology == Technology::Other {
        call.log.warn(format!(
            "{} runs neither on Mule 4 nor on a Flex Gateway, as far as the platform says",
            api.shown()
        ));
    }
    signals::go_on()?;
    if args.dry_run {
        return plan(call, &session, &api, username, source, rest);
    }
    // What begins here ends with a password that somebody has.
    let _orderly = Signals::listen();
    let (password, mut hand_over) = source.password(call, &session, &api)?;
    let desired = DesiredPolicy {
        username,
        password,
        rest,
    };
    let work = Convergence {
        call,
        session: &session,
        api: &api,
        desired: &desired,
        memory: Memory::of(call),
        may_have_written: Cell::new(false),
    };
    let done = match work.run() {
        Ok(Some(done)) => done,
        Ok(None) => {
            hand_over.give_up(false);
            call.log.info("nothing was changed");
            return Ok(Outcome::Done);
        }
        Err(err) => {
            hand_over.give_up(work.may_have_written.get());
            return Err(err.into());
        }
    };
    hand_over.deliver(&desired.username.value, &desired.password.value)?;
    accepted.everything.finish()?;
    warn_if_not_active(call, &api);
    call.result(&Applied {
        api: api.shown(),
        api_instance_id: api.id.0,
        policy_id: done.id.0,
        action: done.action,
        changes: done.changes,
        version: done.version,
        order: done.order,
        instance: api.activity,
        password: hand_over
            .is_printed()
            .then(|| desired.password.value.expose().to_owned()),
        password_file: hand_over.file(),
        username: desired.username.value.clone(),
    })?;
    hand_over.printed();
    Ok(Outcome::Done)
}

/// Shows what would be done. A password that is yet to be generated is another one than that in force.
fn plan(
    call: &Invocation,
    session: &Session,
    api: &ApiInstance,
    username: Sourced,
    source: Source,
    rest: Rest,
) -> anyhow::Result<Outcome> {
    let desired = DesiredPolicy {
        username,
        password: source.password_so_far(),
        rest,
    };
    let work = Convergence {
        call,
        session,
        api,
        desired: &desired,
        memory: Memory::of(call),
        may_have_written: Cell::new(false),
    };
    let (action, changes) = work.planned()?;
    call.result(&Planned {
        api: api.shown(),
        api_instance_id: api.id.0,
        dry_run: true,
        action,
        changes,
    })?;
    Ok(Outcome::Done)
}

/// Where the password comes from, as far as that is known before the first request.
enum Source {
    Given(Sourced<Secret>),
    /// It is generated, unless an earlier run has done so.
    Generated {
        destinations: Destinations,
        /// The one that an earlier run has handed over.
        handed_over: Option<Secret>,
    },
}

impl Source {
    fn read(call: &Invocation, args: &ApplyArgs) -> Result<Self> {
        if !args.generate_password {
            let flags = HAND_OVER.iter().filter_map(|setting| {
                call.settings.flag(setting)?;
                Some(setting.flag?.name)
            });
            if let Some(flag) = flags.into_iter().next() {
                return Err(Error::config(format!("{flag} is for a generated password"))
                    .advise("Add --generate-password, or leave it out."));
            }
            return credentials::password(call, &args.password).map(Self::Given);
        }
        let urls = match call.settings.entry::<ApiEntry>()? {
            Some(entry) => entry.urls(),
            None => Vec::new(),
        };
        let files = HandOverFile::all(call, &urls)?;
        Ok(Self::Generated {
            handed_over: hand_over_file::handed_over(&files)?,
            destinations: Destinations::of_generated(call, files)?,
        })
    }

    /// The password as far as there is one; else an empty one, which no policy has.
    fn password_so_far(self) -> Sourced<Secret> {
        match self {
            Self::Given(given) => given,
            Self::Generated { handed_over, .. } => Sourced {
                value: handed_over.unwrap_or_else(|| Secret::new(String::new())),
                origin: Origin::Flag("--generate-password"),
            },
        }
    }

    /// The password, on disk if it is a new one.
    fn password(
        self,
        call: &Invocation,
        session: &Session,
        api: &ApiInstance,
    ) -> Result<(Sourced<Secret>, HandOver)> {
        let (destinations, handed_over) = match self {
            Self::Given(given) => {
                return Ok((
                    given,
                    Destinations::of_given(Vec::new())?.deliver_only(&call.log),
                ));
            }
            Self::Generated {
                destinations,
                handed_over,
            } => (destinations, handed_over),
        };
        let (value, over) = match destinations.resume(session, api, &call.log)? {
            Some((over, value)) => (value, over),
            None => match handed_over {
                // It goes to those files that do not have it yet.
                Some(value) => (value, destinations.deliver_only(&call.log)),
                None => {
                    let value = credentials::generated()?;
                    let over = destinations.keep(session, api, &value, &call.log)?;
                    (value, over)
                }
            },
        };
        let origin = Origin::Flag("--generate-password");
        Ok((Sourced { value, origin }, over))
    }
}

/// What is to be saved for the next renewal. A mistyped API or password must not replace what that can work with, so
/// most of it waits until the policy is applied.
struct Savings {
    login: Saving,
    everything: Saving,
}

impl Savings {
    fn prepare(call: &Invocation) -> Result<Self> {
        Ok(Self {
            login: call.settings.saving_of(ConfFile::Domain, LOGIN, &[])?,
            everything: call.settings.saving()?,
        })
    }
}
