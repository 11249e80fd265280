//! `rotate`: a new password, proved, handed over.

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::{BasicChange, BasicConfiguration, Policy};
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Kind, Result};
use common::secret::Secret;
use common::settings::{Origin, Sourced};
use common::system::fingerprints::Match;
use common::system::signals::{self, Signals};
use serde::Serialize;

use crate::args::RotateArgs;
use crate::credentials;
use crate::deploy_hooks::{self, Rotation};
use crate::hand_over::{Destinations, HandOver};
use crate::hand_over_file::{self, HandOverFile};
use crate::listed;
use crate::memory::Memory;
use crate::proof::{Platform, Proof, Users, Verdicts};
use crate::read_back::read_back;
use crate::session::{self, Session};
use crate::settings::{PASSWORD, USERNAME};

#[derive(Debug, Serialize)]
struct Rotated {
    api: String,
    api_instance_id: u64,
    policy_id: u64,
    username: String,
    /// When the platform took the new password, RFC 3339; not known where an interrupted run has told it.
    changed_at: Option<String>,
    proved_by: ProvedBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Verdicts>,
}

/// What proves that the new password is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ProvedBy {
    Requests,
    #[serde(rename = "read back")]
    ReadBack,
    /// Nothing: requests showed otherwise.
    Failed,
}

impl Report for Rotated {
    fn text(&self) -> String {
        let mut lines = vec![format!(
            "{}: user {} of policy {} has a new password{}",
            self.api,
            self.username,
            self.policy_id,
            match &self.changed_at {
                Some(moment) => format!(" since {moment}"),
                None => ", set by an earlier run".to_owned(),
            }
        )];
        if let Some(file) = &self.password_file {
            lines.push(format!("password in {file}"));
        }
        if let Some(proof) = &self.proof {
            lines.push(proof.text());
        }
        lines.join("\n")
    }
}

pub(crate) fn run(call: &Invocation, args: &RotateArgs) -> anyhow::Result<Outcome> {
    let entries = listed::entries(&call.settings)?;
    if entries.is_empty() {
        return one(call, args);
    }
    let url = (!args.requests.url.is_empty()).then_some("--url");
    let stdin = args.password.password_stdin.then_some("--password-stdin");
    listed::each(call, &entries, url.or(stdin), |call, entry| {
        let mut args = args.clone();
        args.requests.url = entry.urls();
        one(call, &args)
    })
}

fn one(call: &Invocation, args: &RotateArgs) -> anyhow::Result<Outcome> {
    let selector = session::selected_api(call)?;
    let proof = Proof::prepare(call, &args.requests)?;
    let given = credentials::given(call, &args.password)?;
    let files = HandOverFile::all(call, &args.requests.url)?;
    let destinations = match given {
        Some(_) => Destinations::of_given(files.clone())?,
        None => Destinations::of_generated(call, files.clone())?,
    };
    let username = match call.settings.flag(&USERNAME) {
        Some(_) => Some(credentials::username(call)?.value),
        None => None,
    };
    let session = session::prepare(call)?.log_in()?;
    let api = session.api(&selector)?;
    let policies = session.policies(&api)?;
    let policy = session::basic(call, &api, &policies)?.ok_or_else(|| {
        Error::not_found(format!(
            "API {} has no Basic Authentication policy whose password could be changed",
            api.shown()
        ))
        .advise("Apply one with basic-auth-policy apply.")
    })?;
    let username = match username.or_else(|| policy.username.clone()) {
        Some(name) => name,
        None => credentials::username(call)?.value,
    };
    // The hand-over file may be the one that the settings name, so it is read while it holds the old password.
    let previous = previous_password(call, &files, &policy.username, &username);
    signals::go_on()?;
    // What begins here ends with a password that somebody has: a signal only shortens the proof.
    let _orderly = Signals::listen();
    let (password, mut hand_over) = new_password(call, &destinations, given, &session, &api)?;
    let change = Change {
        call,
        session: &session,
        api: &api,
        policy,
        username: &username,
        password: &password.value,
        may_be_in_force: hand_over.resumed || hand_over.file().is_some(),
    };
    let changed_at = match change.write(&password.origin) {
        Ok(moment) => moment,
        Err(err) => {
            hand_over.give_up(err.kind() == Kind::Unproved);
            return Err(err.into());
        }
    };
    // From here on the password is in force: it is handed over whatever comes.
    hand_over.deliver(&username, &password.value)?;
    let read_back = match changed_at {
        Some(_) => change.read_back(),
        None => Ok(()),
    };
    update_deploy_hooks(&change);
    let verdicts = match read_back {
        Ok(()) => change.prove(&proof, previous.as_ref())?,
        Err(_) => None,
    };
    let outcome = read_back.and_then(|()| {
        verdicts
            .as_ref()
            .map_or(Ok(Outcome::Done), Verdicts::outcome)
    });
    call.result(&Rotated {
        api: api.shown(),
        api_instance_id: api.id.0,
        policy_id: policy.id.0,
        changed_at,
        proved_by: match (&verdicts, &outcome) {
            (_, Err(_)) => ProvedBy::Failed,
            (None, _) => ProvedBy::ReadBack,
            (_, Ok(_)) => ProvedBy::Requests,
        },
        password: hand_over
            .is_printed()
            .then(|| password.value.expose().to_owned()),
        password_file: hand_over.file(),
        proof: verdicts,
        username,
    })?;
    hand_over.printed();
    Ok(outcome?)
}

/// The password that was in force until now, as far as it is known: the flag gives the new one, so it is what is set
/// otherwise, or what was handed over last. It is only needed for the proof.
fn previous_password(
    call: &Invocation,
    files: &[HandOverFile],
    applied: &Option<String>,
    username: &str,
) -> Option<Secret> {
    if applied.as_deref() != Some(username) {
        return None;
    }
    let set = call.settings.without_flag(&PASSWORD).secret(&PASSWORD);
    let known = match set {
        Ok(Some(set)) => Ok(Some(set.value)),
        Ok(None) => hand_over_file::handed_over(files),
        // The file that the settings name comes into being now.
        Err(err) if err.kind() == Kind::NotFound => Ok(None),
        Err(err) => Err(err),
    };
    known.unwrap_or_else(|err| {
        call.log.warn(format!(
            "{err}: that the old password is refused is not tried"
        ));
        None
    })
}

/// Whatever runs `apply` with the old password would set it again.
fn update_deploy_hooks(change: &Change<'_>) {
    let log = &change.call.log;
    let rotation = Rotation {
        session: change.session,
        api: change.api,
        username: change.username,
        password: change.password,
    };
    if let Err(err) = deploy_hooks::update(change.call, &rotation) {
        log.warn(format!(
            "the new password cannot be saved for acme.sh's deploy hooks: {err}"
        ));
    }
    log.info(
        "give the new password to everybody who calls the API, and to whatever runs apply (BASIC_AUTH_PASSWORD, or the \
         file that BASIC_AUTH_PASSWORD_FILE names), which would set the old one again; acme.sh's deploy hooks get it \
         here when --home or LE_WORKING_DIR names its home",
    );
}

fn new_password(
    call: &Invocation,
    destinations: &Destinations,
    given: Option<Sourced<Secret>>,
    session: &Session,
    api: &ApiInstance,
) -> Result<(Sourced<Secret>, HandOver)> {
    if let Some(given) = given {
        return Ok((given, destinations.deliver_only(&call.log)));
    }
    let (value, over) = match destinations.resume(session, api, &call.log)? {
        Some((over, value)) => (value, over),
        None => {
            let value = credentials::generated()?;
            let over = destinations.keep(session, api, &value, &call.log)?;
            (value, over)
        }
    };
    let origin = Origin::Flag("--generate-password");
    Ok((Sourced { value, origin }, over))
}

struct Change<'a> {
    call: &'a Invocation,
    session: &'a Session,
    api: &'a ApiInstance,
    policy: &'a Policy,
    username: &'a str,
    password: &'a Secret,
    /// That it is in force already is no mistake: an earlier run was interrupted before it was handed over.
    may_be_in_force: bool,
}

impl Change<'_> {
    /// Changes the password, and returns the moment from which it is in force; none where it was already.
    fn write(&self, origin: &Origin) -> Result<Option<String>> {
        let log = &self.call.log;
        let password = Sourced {
            value: self.password.clone(),
            origin: origin.clone(),
        };
        credentials::check_password(self.call, self.username, &password)?;
        let configuration = BasicConfiguration {
            username: self.username,
            password: self.password,
        };
        let memory = Memory::of(self.call);
        let known = memory.compare(self.session, self.api, self.policy, configuration);
        if known == Match::Same && self.may_be_in_force {
            log.info("the password is in force already");
            return Ok(None);
        }
        if known == Match::Same {
            return Err(Error::config(format!(
                "{origin}: this is the password that the policy has"
            ))
            .advise("Give another one, or none to have one generated."));
        }
        if self.policy.disabled {
            log.warn(format!(
                "policy {} is switched off and stays so: the API is open",
                self.policy.id
            ));
        }
        log.info(format!(
            "changing the password of {} now: the old one stops working when the gateway picks up the new one, usually \
             within a minute; at no time are both accepted everywhere",
            self.username
        ));
        self.session
            .client
            .change_basic(
                &self.session.at,
                self.api.id,
                self.policy,
                &BasicChange {
                    configuration: Some(configuration),
                    resources: self.policy.resources.as_deref(),
                    ..BasicChange::default()
                },
            )
            .map_err(|err| {
                if err.effect_unknown() {
                    err.as_kind(Kind::Unproved)
                } else {
                    err
                }
            })?;
        let moment = self.call.clock.now();
        Ok(Some(moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
    }

    /// The platform does not return the password; that the policy has changed is what can be read.
    fn read_back(&self) -> Result<()> {
        let has_changed = |policy: &Policy| {
            let user = policy.username.as_deref();
            let moved = policy.updated.is_none() || policy.updated != self.policy.updated;
            moved && user.is_none_or(|user| user == self.username)
        };
        let changed = read_back(self.call, self.session, self.api, |policies| {
            let policy = policies
                .into_iter()
                .find(|policy| policy.id == self.policy.id);
            Ok(policy.filter(has_changed))
        })?;
        let changed = changed.ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                "the platform took the new password and still lists the policy as it was",
            )
            .advise("Prove which password is in force with basic-auth-policy verify.")
        })?;
        Memory::of(self.call).remember(
            self.session,
            self.api,
            self.policy.id,
            BasicConfiguration {
                username: self.username,
                password: self.password,
            },
            changed.updated.as_deref(),
        );
        Ok(())
    }

    fn prove(&self, proof: &Proof, previous: Option<&Secret>) -> Result<Option<Verdicts>> {
        let log = &self.call.log;
        if proof.is_empty() {
            log.warn(
                "no --url was given: the platform took the new password, and no request has proved that the gateway did",
            );
            return Ok(None);
        }
        let platform = Platform::of(self.session.for_target(), self.api.clone(), self.policy.id)
            .inspect_err(|err| log.debug(err.to_string()))
            .ok();
        let users = Users {
            username: self.username,
            password: self.password,
            previous: previous.filter(|previous| *previous != self.password),
        };
        proof.run(self.call, &users, platform.as_ref()).map(Some)
    }
}
