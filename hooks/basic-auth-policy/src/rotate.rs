//! `rotate`: a new password, proved, handed over.

use std::time::Duration;

use common::anypoint::api_instances::ApiInstance;
use common::anypoint::policies::{BasicChange, BasicConfiguration, Policy};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::{Format, Report};
use common::secret::Secret;
use common::settings::{Found, Origin};
use common::system::fingerprints::Match;
use serde::Serialize;

use crate::apply;
use crate::args::RotateArgs;
use crate::credentials::{self, HandOver};
use crate::saved;
use crate::session::{Context, Session};
use crate::verify::{Platform, Proof, Users, Verdicts};

/// Rounds that every address has to pass in a row: an API may have several replicas.
const ROUNDS: usize = 3;

/// After the write the platform is read back for at most this long.
const READ_BACK: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize)]
struct Rotated {
    api: String,
    api_instance_id: u64,
    policy_id: u64,
    username: String,
    /// When the platform took the new password, RFC 3339.
    changed_at: String,
    /// `requests`, `read back` or `failed`.
    proved_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Verdicts>,
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

/// Runs the command.
pub(crate) fn run(context: &Context<'_>, args: &RotateArgs) -> anyhow::Result<Outcome> {
    let wanted = context.wanted_api()?;
    let proof = Proof::prepare(context, &args.requests)?;
    let given = credentials::given(
        args.password.password_file.as_deref(),
        args.password.password_stdin,
    )?;
    if given.is_none() && args.password_out.is_none() && context.out.format() != Format::Json {
        return Err(credentials::nowhere_to_hand_over().into());
    }
    let username = args
        .username
        .as_deref()
        .map(|name| credentials::username(context, Some(name)))
        .transpose()?;
    let session = context.prepare()?.log_in()?;
    let api = session.api(&wanted)?;
    let policies = session.client.policies(&session.at, api.id)?;
    let policy = Session::basic(&api, &policies, context.target.policy_id)?
        .cloned()
        .ok_or_else(|| {
            Error::not_found(format!(
                "API {} has no Basic Authentication policy whose password could be changed",
                api.shown()
            ))
            .advise("Apply one with basic-auth-policy apply.")
        })?;
    let username = match username
        .map(|found| found.value)
        .or_else(|| policy.username.clone())
    {
        Some(name) => name,
        None => credentials::username(context, None)?.value,
    };
    let (password, hand_over) = new_password(context, args, given)?;
    let rotation = Rotation {
        context,
        session: &session,
        api: &api,
        policy: &policy,
        username: &username,
        password: &password.value,
    };
    let changed_at = match rotation.start(args, &password) {
        Ok(moment) => moment,
        Err(err) => {
            hand_over.give_up(
                err.effect_unknown() || err.kind() == Kind::Unproved,
                context.out,
            );
            return Err(err.into());
        }
    };
    // From here on the password is in force: it is handed over whatever comes.
    hand_over.finish()?;
    tell_hooks(context, &api, &password.value);
    let (outcome, proof) = rotation.prove(&proof)?;
    let report = Rotated {
        api: api.shown(),
        api_instance_id: api.id.0,
        policy_id: policy.id.0,
        username: username.clone(),
        changed_at,
        proved_by: match (&proof, &outcome) {
            (None, _) => "read back",
            (_, Ok(_)) => "requests",
            (_, Err(_)) => "failed",
        },
        password: matches!(hand_over, HandOver::Json).then(|| password.value.expose().to_owned()),
        password_file: hand_over.path().map(|path| path.display().to_string()),
        proof,
    };
    context.out.result(&report)?;
    outcome.map_err(Into::into)
}

/// Whatever runs `apply` with the old password would set it again.
fn tell_hooks(context: &Context<'_>, api: &ApiInstance, password: &Secret) {
    let out = context.out;
    match saved::rotated(context.settings, api, password) {
        Ok(domains) => {
            for domain in domains {
                out.info(format!(
                    "saved the new password for the deploy hook of {domain}"
                ));
            }
        }
        Err(err) => out.warn(format!(
            "the new password cannot be given to acme.sh's deploy hooks: {err}"
        )),
    }
    out.info(
        "give the new password to everybody who calls the API, and to whatever runs apply (BASIC_AUTH_PASSWORD, or the \
         file that BASIC_AUTH_PASSWORD_FILE names), which would set the old one again; deploy hooks of acme.sh are \
         told here when --home or LE_WORKING_DIR names its home",
    );
}

fn new_password(
    context: &Context<'_>,
    args: &RotateArgs,
    given: Option<Found<Secret>>,
) -> Result<(Found<Secret>, HandOver)> {
    let out = context.out;
    let resumed = match &args.password_out {
        Some(path) => HandOver::resume(path, out)?,
        None => None,
    };
    if let Some((over, value)) = resumed {
        let origin = Origin::Flag("--password-out");
        return Ok((Found { value, origin }, over));
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
    Ok((Found { value, origin }, over))
}

struct Rotation<'a> {
    context: &'a Context<'a>,
    session: &'a Session,
    api: &'a ApiInstance,
    policy: &'a Policy,
    username: &'a str,
    password: &'a Secret,
}

impl Rotation<'_> {
    /// Changes the password, and tells since when.
    fn start(&self, args: &RotateArgs, password: &Found<Secret>) -> Result<String> {
        let out = self.context.out;
        credentials::check_password(
            self.context,
            self.username,
            password,
            args.password.allow_weak,
        )?;
        let memory = apply::memory(self.context);
        let subject = apply::subject(self.session, self.api, self.policy.id);
        let secret = [self.username, self.password.expose()];
        let same = memory.as_ref().and_then(|memory| {
            memory
                .compare(&subject, &secret, self.policy.updated.as_deref())
                .ok()
        });
        if same == Some(Match::Same) {
            return Err(Error::config(format!(
                "{}: this is the password that the policy has",
                password.origin
            ))
            .advise("Give another one, or none to have one made."));
        }
        if self.policy.disabled {
            out.warn(format!(
                "policy {} is switched off and stays so: the API is open",
                self.policy.id
            ));
        }
        out.info(format!(
            "changing the password of {} now: the old one ends when the gateway hears of it, usually within a minute; \
             there is no time in which both are accepted everywhere",
            self.username
        ));
        let configuration = BasicConfiguration {
            username: self.username,
            password: self.password,
        };
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
        let moment = self.session.client.http().clock().now();
        let seen = self.read_back()?;
        apply::remember(
            self.context,
            memory.as_ref(),
            &subject,
            configuration,
            seen.as_deref(),
        );
        Ok(moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    /// The platform does not give the password back; that the policy has changed is what can be read.
    fn read_back(&self) -> Result<Option<String>> {
        let clock = self.session.client.http().clock();
        let start = clock.elapsed();
        let mut pause = Duration::from_secs(1);
        loop {
            let policies = self
                .session
                .client
                .policies(&self.session.at, self.api.id)
                .map_err(|err| {
                    Error::new(
                        Kind::Unproved,
                        "the password was changed and the policy cannot be read back",
                    )
                    .caused_by(err)
                })?;
            let found = policies.iter().find(|policy| policy.id == self.policy.id);
            if let Some(policy) = found {
                let user = policy
                    .username
                    .as_deref()
                    .is_none_or(|user| user == self.username);
                let moved = policy.updated.is_none() || policy.updated != self.policy.updated;
                if user && moved {
                    return Ok(policy.updated.clone());
                }
            }
            if clock.elapsed() - start + pause > READ_BACK {
                return Err(Error::new(
                    Kind::Unproved,
                    "the platform took the new password and still lists the policy as it was",
                )
                .advise("Prove which password is in force with basic-auth-policy verify."));
            }
            clock.sleep(pause);
            pause *= 2;
        }
    }

    fn prove(&self, proof: &Proof) -> Result<(Result<Outcome>, Option<Verdicts>)> {
        let out = self.context.out;
        if proof.is_empty() {
            out.warn(
                "no --url was given: the platform took the new password, and no request has proved that the gateway did",
            );
            return Ok((Ok(Outcome::Done), None));
        }
        let session = Session {
            client: self.session.client.for_target(),
            at: self.session.at.clone(),
        };
        let platform = Platform::of(session, self.api.clone(), Some(self.policy.id.0))
            .inspect_err(|err| out.debug(err.to_string()))
            .ok();
        let old = credentials::old_password(self.context.settings)?.filter(|old| {
            old != self.password && self.policy.username.as_deref() == Some(self.username)
        });
        let users = Users {
            username: self.username,
            password: self.password,
            old: old.as_ref(),
        };
        let verdicts = proof.run(out, &users, platform.as_ref(), ROUNDS)?;
        Ok((verdicts.outcome(), Some(verdicts)))
    }
}
