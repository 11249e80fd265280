//! `apply`: the policy as it is wanted, whatever is there already.

use std::fmt::Write as _;
use std::time::Duration;

use common::anypoint::api_instances::{Activity, ApiInstance, Technology};
use common::anypoint::policies::{
    BASIC_AUTHENTICATION, BasicChange, BasicConfiguration, MULESOFT_GROUP, NewBasic, Policy,
    PolicyId, lacks_implementation,
};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::{Format, Report};
use common::secret::Secret;
use common::settings::{Found, Key, Origin};
use common::system::fingerprints::{Fingerprints, Match};
use semver::Version;
use serde::Serialize;

use crate::args::ApplyArgs;
use crate::credentials::{self, HandOver};
use crate::plan::{self, Differences, Scope};
use crate::saved;
use crate::session::{Context, Session};

/// After a write the platform is read back for at most this long.
const READ_BACK: Duration = Duration::from_secs(30);

const POLICY_VERSION: Key =
    Key::new(&[], &["basic_auth_policy.policy_version"]).flag("--policy-version");

/// What is wanted.
struct Wanted {
    username: Found,
    password: Found<Secret>,
    version: Option<Version>,
    order: Option<usize>,
    scope: Scope,
}

impl Wanted {
    fn configuration(&self) -> BasicConfiguration<'_> {
        BasicConfiguration {
            username: &self.username.value,
            password: &self.password.value,
        }
    }
}

/// What was done.
#[derive(Debug, Serialize)]
struct Applied {
    api: String,
    api_instance_id: u64,
    policy_id: u64,
    /// `created`, `changed` or `unchanged`.
    action: &'static str,
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
        text += match self.action {
            "created" => "applied",
            "changed" => "changed",
            _ => "is as wanted",
        };
        if self.action == "changed" {
            let _ = write!(text, ": {}", self.changes.join(", "));
        }
        if let Some(file) = &self.password_file {
            let _ = write!(text, "\npassword in {file}");
        }
        text
    }
}

/// Runs the command.
pub(crate) fn run(context: &Context<'_>, args: &ApplyArgs) -> anyhow::Result<Outcome> {
    let (wanted, hand_over) = wanted(context, args)?;
    let outcome = carry_out(context, &wanted);
    if let Err(err) = &outcome {
        hand_over.give_up(
            err.effect_unknown() || err.kind() == Kind::Unproved,
            context.out,
        );
    }
    let mut applied = outcome?;
    hand_over.finish()?;
    if matches!(hand_over, HandOver::Json) {
        applied.password = Some(wanted.password.value.expose().to_owned());
    }
    applied.password_file = hand_over.path().map(|path| path.display().to_string());
    context.out.result(&applied)?;
    Ok(Outcome::Done)
}

fn wanted(context: &Context<'_>, args: &ApplyArgs) -> Result<(Wanted, HandOver)> {
    let scope = scope(context, args)?;
    let version = context
        .settings
        .text(&POLICY_VERSION, args.policy_version.as_deref())?
        .map(|found| {
            found.try_map(|text| {
                Version::parse(text.trim())
                    .map_err(|_| format!("{text:?} is not a version such as 1.3.2"))
            })
        })
        .transpose()?
        .map(|found| found.value);
    let order = match args.order {
        Some(order) => Some(order as usize),
        None => context
            .settings
            .file()
            .and_then(|file| file.config.basic_auth_policy.order)
            .map(|order| order as usize),
    };
    // What is refused without a request comes first, so that no password is made or asked for in vain.
    context.wanted_api()?;
    saved::check(context.settings)?;
    let username = credentials::username(context, args.username.as_deref())?;
    let (password, hand_over) = password(context, args, &username)?;
    credentials::check_password(
        context,
        &username.value,
        &password,
        args.password.allow_weak,
    )?;
    let wanted = Wanted {
        username,
        password,
        version,
        order,
        scope,
    };
    Ok((wanted, hand_over))
}

fn scope(context: &Context<'_>, args: &ApplyArgs) -> Result<Scope> {
    let given = Scope::of(&args.methods, &args.paths, &args.resource, args.whole_api)?;
    match (given, context.settings.file()) {
        (Scope::Keep, Some(file)) => {
            let table = &file.config.basic_auth_policy;
            Scope::of(&table.methods, &table.paths, &[], false)
        }
        (given, _) => Ok(given),
    }
}

fn password(
    context: &Context<'_>,
    args: &ApplyArgs,
    username: &Found,
) -> Result<(Found<Secret>, HandOver)> {
    if !args.generate_password {
        let given = credentials::password(
            context,
            args.password.password_file.as_deref(),
            args.password.password_stdin,
        )?;
        return Ok((
            given.ok_or_else(credentials::no_password)?,
            HandOver::NotNeeded,
        ));
    }
    context
        .out
        .debug(format!("making a password for {}", username.value));
    let generated = |value| Found {
        value,
        origin: Origin::Flag("--generate-password"),
    };
    let Some(path) = &args.password_out else {
        if context.out.format() != Format::Json {
            return Err(credentials::nowhere_to_hand_over());
        }
        return Ok((generated(credentials::generated()?), HandOver::Json));
    };
    if let Some((over, password)) = HandOver::resume(path, context.out)? {
        return Ok((generated(password), over));
    }
    if let Some(password) = credentials::handed_over(path)? {
        return Ok((password, HandOver::NotNeeded));
    }
    let password = credentials::generated()?;
    let over = HandOver::to_file(path, &password)?;
    Ok((generated(password), over))
}

fn carry_out(context: &Context<'_>, wanted: &Wanted) -> Result<Applied> {
    let out = context.out;
    let prepared = context.prepare()?;
    prepared.prove_credentials()?;
    saved::login(context)?;
    let session = prepared.log_in()?;
    let api = session.api(&context.wanted_api()?)?;
    if api.technology == Technology::Other {
        out.warn(format!(
            "{} runs neither on Mule 4 nor on a Flex Gateway, as far as the platform says",
            api.shown()
        ));
    }
    let task = Task {
        context,
        session: &session,
        api: &api,
        wanted,
        memory: memory(context),
    };
    let done = task.converge()?;
    saved::policy(context, &wanted.username, &wanted.password)?;
    warn_if_not_active(context, &api);
    Ok(done)
}

/// What was written last, if there is a place to remember it.
pub(crate) fn memory(context: &Context<'_>) -> Option<Fingerprints> {
    let memory = Fingerprints::of(context.settings.env(), "basic-auth-policy");
    if memory.is_none() {
        context.out.warn(
            "neither XDG_STATE_HOME nor HOME is set: what was written cannot be remembered, so the password is \
             written each time",
        );
    }
    memory
}

/// The name of a policy in the memory.
pub(crate) fn subject(session: &Session, api: &ApiInstance, policy: PolicyId) -> String {
    format!(
        "{}/{}/{}/{policy}",
        session.at.organization, session.at.environment, api.id
    )
}

/// Remembers what was written. Without it the next run writes once more, so a failure is only told.
pub(crate) fn remember(
    context: &Context<'_>,
    memory: Option<&Fingerprints>,
    subject: &str,
    configuration: BasicConfiguration<'_>,
    seen: Option<&str>,
) {
    let secret = [configuration.username, configuration.password.expose()];
    if let Some(Err(err)) = memory.map(|memory| memory.remember(subject, &secret, seen)) {
        context
            .out
            .warn(format!("{err}: the next run will write the password again"));
    }
}

/// Warns that a policy on this instance protects nothing yet.
pub(crate) fn warn_if_not_active(context: &Context<'_>, api: &ApiInstance) {
    let why = match api.activity {
        Activity::Active | Activity::Unknown => return,
        Activity::Inactive => "no gateway tracks it any more",
        Activity::Unregistered => "no gateway has ever tracked it",
    };
    context.out.warn(format!(
        "API instance {} is {}: {why}, so the policy protects nothing yet. Connect the application with \
         basic-auth-policy autodiscover, or check its autodiscovery and anypoint.platform properties",
        api.shown(),
        api.activity
    ));
}

struct Task<'a> {
    context: &'a Context<'a>,
    session: &'a Session,
    api: &'a ApiInstance,
    wanted: &'a Wanted,
    memory: Option<Fingerprints>,
}

/// What one round of writing did.
struct Written {
    action: &'static str,
    changes: Vec<String>,
}

impl Task<'_> {
    /// Looks, writes what differs, and reads back. When an answer was lost or somebody else was faster, it looks again:
    /// whatever is there then is only changed, so nothing is applied twice.
    fn converge(&self) -> Result<Applied> {
        let mut lost = false;
        loop {
            let before = self.policies()?;
            let applied = Session::basic(self.api, &before, self.context.target.policy_id)?;
            let written = match self.write(applied) {
                Ok(written) => written,
                Err(err) if !lost && (err.effect_unknown() || err.status() == Some(409)) => {
                    self.context
                        .out
                        .debug("the outcome is not known, looking what is there");
                    lost = true;
                    if err.status() == Some(409) && applied.is_none() {
                        self.must_be_there_now(err)?;
                    }
                    continue;
                }
                Err(err) if err.effect_unknown() => return Err(err.as_kind(Kind::Unproved)),
                Err(err) => return Err(err),
            };
            return self.finish(written);
        }
    }

    fn must_be_there_now(&self, refused: Error) -> Result<()> {
        let policies = self.policies()?;
        if policies.iter().any(Policy::is_basic) {
            return Ok(());
        }
        Err(refused.advise(
            "The platform says that the policy is applied already, but does not list it on this instance: it may be an \
             automated policy of the environment (API Manager > Automated Policies).",
        ))
    }

    fn policies(&self) -> Result<Vec<Policy>> {
        self.session.client.policies(&self.session.at, self.api.id)
    }

    fn write(&self, applied: Option<&Policy>) -> Result<Written> {
        let versions = self.versions(applied)?;
        match applied {
            None => self.create(&versions),
            Some(applied) => self.change(applied, &versions),
        }
    }

    fn versions(&self, applied: Option<&Policy>) -> Result<Vec<Version>> {
        if let Some(version) = &self.wanted.version {
            return Ok(vec![version.clone()]);
        }
        let offered = self.session.client.policy_versions(
            &self.session.at,
            self.api.id,
            MULESOFT_GROUP,
            BASIC_AUTHENTICATION,
        )?;
        let versions = plan::versions(offered, applied);
        if versions.is_empty() {
            return Err(Error::not_found(format!(
                "the platform offers no published version of Basic Authentication for {}",
                self.api.shown()
            ))
            .advise("Name the version with --policy-version, as 1.3.2."));
        }
        Ok(versions)
    }

    fn create(&self, versions: &[Version]) -> Result<Written> {
        let resources = self.wanted.scope.resources(None);
        let apply = |version: &str| {
            self.session.client.apply_basic(
                &self.session.at,
                self.api.id,
                &NewBasic {
                    version,
                    configuration: self.wanted.configuration(),
                    resources: resources.as_deref(),
                    order: self.wanted.order.map(|order| order as i64),
                },
            )
        };
        self.first_that_runs(versions, apply)?;
        Ok(Written {
            action: "created",
            changes: Vec::new(),
        })
    }

    fn change(&self, applied: &Policy, versions: &[Version]) -> Result<Written> {
        let password = self.compare(applied);
        let mut words = Vec::new();
        let write = |version: &Version| {
            let found = Differences::between(
                applied,
                &self.wanted.username.value,
                password,
                version,
                &self.wanted.scope,
            );
            words.clone_from(&found.words);
            if !found.any() {
                return Ok(());
            }
            let resources = self.wanted.scope.resources(applied.resources.as_deref());
            self.session.client.change_basic(
                &self.session.at,
                self.api.id,
                applied,
                &BasicChange {
                    version: found.version.as_deref(),
                    configuration: found.configuration.then(|| self.wanted.configuration()),
                    resources: resources.as_deref(),
                    disabled: found.enable.then_some(false),
                },
            )
        };
        self.first_version_that_runs(versions, write)?;
        Ok(Written {
            action: if words.is_empty() {
                "unchanged"
            } else {
                "changed"
            },
            changes: words,
        })
    }

    fn first_that_runs(
        &self,
        versions: &[Version],
        mut write: impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        self.first_version_that_runs(versions, |version| write(&version.to_string()))
    }

    /// Tries the versions, best first, for as long as the platform says that one has no implementation for the runtime.
    fn first_version_that_runs(
        &self,
        versions: &[Version],
        mut write: impl FnMut(&Version) -> Result<()>,
    ) -> Result<()> {
        let mut versions = versions.iter().peekable();
        while let Some(version) = versions.next() {
            match write(version) {
                Err(err) if lacks_implementation(&err) && versions.peek().is_some() => {
                    self.context.out.debug(format!(
                        "version {version} does not run on {}, trying the one before",
                        self.api.technology
                    ));
                }
                Err(err) if lacks_implementation(&err) => {
                    return Err(err.advise(format!(
                        "Version {version} of the policy does not run on this API's runtime: choose another one with \
                         --policy-version."
                    )));
                }
                Err(err) if err.status() == Some(400) => {
                    return Err(err.advise(
                        "The platform did not accept the policy's configuration; check --policy-version, --methods and \
                         --paths.",
                    ));
                }
                outcome => return outcome,
            }
        }
        Ok(())
    }

    fn compare(&self, applied: &Policy) -> Match {
        let Some(memory) = &self.memory else {
            return Match::Unknown;
        };
        let secret = [
            self.wanted.username.value.as_str(),
            self.wanted.password.value.expose(),
        ];
        let subject = subject(self.session, self.api, applied.id);
        memory
            .compare(&subject, &secret, applied.updated.as_deref())
            .unwrap_or_else(|err| {
                self.context.out.warn(err.to_string());
                Match::Unknown
            })
    }

    /// Reads back until everything is as wanted, brings the policy to its place, and remembers what was written.
    fn finish(&self, written: Written) -> Result<Applied> {
        let Written {
            mut action,
            mut changes,
        } = written;
        let (mut policies, mut id) = self.read_back()?;
        if let Some(order) = self.wanted.order
            && let Some(ids) = plan::reordered(&policies, id, order)
        {
            self.session
                .client
                .order_policies(&self.session.at, self.api.id, &ids)?;
            changes.push(format!("place {order}"));
            if action == "unchanged" {
                action = "changed";
            }
            (policies, id) = self
                .read_back_until(|policies, id| plan::reordered(policies, id, order).is_none())?;
        }
        let policy = policies.iter().find(|policy| policy.id == id);
        if action != "unchanged" {
            remember(
                self.context,
                self.memory.as_ref(),
                &subject(self.session, self.api, id),
                self.wanted.configuration(),
                policy.and_then(|policy| policy.updated.as_deref()),
            );
        }
        Ok(Applied {
            api: self.api.shown(),
            api_instance_id: self.api.id.0,
            policy_id: id.0,
            action,
            changes,
            version: policy.and_then(|policy| policy.version.clone()),
            username: self.wanted.username.value.clone(),
            order: plan::place(&policies, id),
            instance: self.api.activity,
            password: None,
            password_file: None,
        })
    }

    fn read_back(&self) -> Result<(Vec<Policy>, PolicyId)> {
        self.read_back_until(|_, _| true)
    }

    fn read_back_until(
        &self,
        also: impl Fn(&[Policy], PolicyId) -> bool,
    ) -> Result<(Vec<Policy>, PolicyId)> {
        let clock = self.session.client.http().clock();
        let start = clock.elapsed();
        let mut pause = Duration::from_secs(1);
        loop {
            let policies = self.policies().map_err(|err| {
                Error::new(
                    Kind::Unproved,
                    "the policy was written and cannot be read back",
                )
                .caused_by(err)
            })?;
            let found = Session::basic(self.api, &policies, self.context.target.policy_id)?;
            if let Some(policy) = found.filter(|policy| self.is_as_wanted(policy)) {
                let id = policy.id;
                if also(&policies, id) {
                    return Ok((policies, id));
                }
            }
            if clock.elapsed() - start + pause > READ_BACK {
                return Err(Error::new(
                    Kind::Unproved,
                    format!(
                        "the policy of {} was written, and the platform still lists it otherwise after {} s",
                        self.api.shown(),
                        READ_BACK.as_secs()
                    ),
                )
                .advise("Look with basic-auth-policy status, and run apply again."));
            }
            clock.sleep(pause);
            pause *= 2;
        }
    }

    fn is_as_wanted(&self, policy: &Policy) -> bool {
        let user = policy
            .username
            .as_deref()
            .is_none_or(|user| user == self.wanted.username.value);
        let scope = self.wanted.scope.resources(policy.resources.as_deref()) == policy.resources;
        user && scope && !policy.disabled
    }
}
