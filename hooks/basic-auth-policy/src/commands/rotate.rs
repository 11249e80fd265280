//! `rotate`: a new password, proved, handed over.

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::{BasicChange, BasicConfiguration, Policy};
use common::cli::{Format, Invocation, Outcome, Report};
use common::error::{Error, Kind, Result};
use common::secret::Secret;
use common::settings::{Origin, Sourced};
use common::system::fingerprints::Match;
use serde::Serialize;

use crate::args::RotateArgs;
use crate::credentials;
use crate::deploy_hooks::{self, Rotation};
use crate::hand_over::{self, HandOver};
use crate::memory::Memory;
use crate::proof::{Platform, Proof, Users, Verdicts};
use crate::read_back::read_back;
use crate::session::{self, Session};
use crate::settings::{PASSWORD, USERNAME};

/// Rounds that every address has to pass in a row: an API may have several replicas.
const ROUNDS: usize = 3;

#[derive(Debug, Serialize)]
struct Rotated {
    api: String,
    api_instance_id: u64,
    policy_id: u64,
    username: String,
    /// When the platform took the new password, RFC 3339.
    changed_at: String,
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
            "{}: user {} of policy {} has a new password since {}",
            self.api, self.username, self.policy_id, self.changed_at
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
    let selector = session::selected_api(call)?;
    let proof = Proof::prepare(call, &args.requests)?;
    let given = credentials::given(call, &args.password)?;
    if given.is_none() && args.password_out.is_none() && call.format != Format::Json {
        return Err(hand_over::nowhere().into());
    }
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
    let (password, hand_over) = new_password(call, args, given)?;
    let change = Change {
        call,
        session: &session,
        api: &api,
        policy,
        username: &username,
        password: &password.value,
    };
    let changed_at = match change.make(&password.origin) {
        Ok(moment) => moment,
        Err(err) => {
            hand_over.give_up(&err, &call.log);
            return Err(err.into());
        }
    };
    // From here on the password is in force: it is handed over whatever comes.
    hand_over.finish()?;
    update_deploy_hooks(&change);
    let verdicts = change.prove(&proof)?;
    let outcome = verdicts
        .as_ref()
        .map_or(Ok(Outcome::Done), Verdicts::outcome);
    call.result(&Rotated {
        api: api.shown(),
        api_instance_id: api.id.0,
        policy_id: policy.id.0,
        changed_at,
        proved_by: match (&verdicts, &outcome) {
            (None, _) => ProvedBy::ReadBack,
            (_, Ok(_)) => ProvedBy::Requests,
            (_, Err(_)) => ProvedBy::Failed,
        },
        password: matches!(hand_over, HandOver::Json).then(|| password.value.expose().to_owned()),
        password_file: hand_over.path().map(|path| path.display().to_string()),
        proof: verdicts,
        username,
    })?;
    Ok(outcome?)
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
    args: &RotateArgs,
    given: Option<Sourced<Secret>>,
) -> Result<(Sourced<Secret>, HandOver)> {
    let resumed = match &args.password_out {
        Some(path) => HandOver::resume(path, &call.log)?,
        None => None,
    };
    if let Some((over, value)) = resumed {
        let origin = Origin::Flag("--password-out");
        return Ok((Sourced { value, origin }, over));
    }
    let hand = |password: &Secret, needed: bool| match &args.password_out {
        Some(path) => HandOver::to_file(path, password),
        None if needed => Ok(HandOver::Json),
        None => Ok(HandOver::NotNeeded),
    };
    if let Some(given) = given {
        let over = hand(&given.value, false)?;
        return Ok((given, over));
    }
    let value = credentials::generated()?;
    let over = hand(&value, true)?;
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
}

impl Change<'_> {
    /// Changes the password, and returns the moment from which it is in force.
    fn make(&self, origin: &Origin) -> Result<String> {
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
             within a minute; there is no time in which both are accepted everywhere",
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
        let updated = self.read_back()?;
        memory.remember(
            self.session,
            self.api,
            self.policy.id,
            configuration,
            updated.as_deref(),
        );
        Ok(moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    /// The platform does not return the password; that the policy has changed is what can be read.
    fn read_back(&self) -> Result<Option<String>> {
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
        changed.map(|policy| policy.updated).ok_or_else(|| {
            Error::new(
                Kind::Unproved,
                "the platform took the new password and still lists the policy as it was",
            )
            .advise("Prove which password is in force with basic-auth-policy verify.")
        })
    }

    fn prove(&self, proof: &Proof) -> Result<Option<Verdicts>> {
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
        // The flag gives the new password; what is set otherwise was in force until now.
        let previous = self
            .call
            .settings
            .without_flag(&PASSWORD)
            .secret(&PASSWORD)?
            .map(|set| set.value)
            .filter(|set| {
                set != self.password && self.policy.username.as_deref() == Some(self.username)
            });
        let users = Users {
            username: self.username,
            password: self.password,
            previous: previous.as_ref(),
        };
        proof
            .run(self.call, &users, platform.as_ref(), ROUNDS)
            .map(Some)
    }
}
