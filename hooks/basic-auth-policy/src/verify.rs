//! `verify`: requests that prove that an API is closed, and what it means when they do not.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::anypoint::Credentials;
use common::anypoint::api_instances::{Activity, ApiInstance};
use common::anypoint::policies::{Policy, Resource};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::net::Network;
use common::net::http::{Http, Repeat, Reply};
use common::secret::Secret;
use common::system::clock::{self, SharedClock};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::args::{ProofArgs, RequestArgs};
use crate::credentials;
use crate::session::{Context, Session};

/// Between two rounds of requests.
const PAUSE: Duration = Duration::from_secs(2);

/// Applications that are read to find out what is wrong, at most.
const APPLICATIONS_READ: usize = 25;

/// Runs the command.
pub(crate) fn run(context: &Context<'_>, args: &ProofArgs) -> anyhow::Result<Outcome> {
    let proof = Proof::prepare(context, &args.requests)?;
    if proof.places.is_empty() {
        return Err(Error::config("no address to verify is given")
            .advise("Give the address that consumers use: --url https://api.example.com/orders.")
            .into());
    }
    let username = credentials::username(context, args.username.as_deref())?;
    let password =
        credentials::password(context, args.password_file.as_deref(), args.password_stdin)?
            .ok_or_else(credentials::no_password)?;
    let platform = Platform::look(context)?;
    let users = Users {
        username: &username.value,
        password: &password.value,
        old: None,
    };
    let report = proof.run(context.out, &users, platform.as_ref(), 1)?;
    context.out.result(&report)?;
    report.outcome().map_err(Into::into)
}

/// Whose requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Users<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a Secret,
    /// The password of before, which is to be refused.
    pub(crate) old: Option<&'a Secret>,
}

/// The requests of a proof.
#[derive(Debug)]
pub(crate) struct Proof {
    places: Vec<Place>,
    expect: Vec<u16>,
    timeout: Duration,
    clock: SharedClock,
}

/// One address.
#[derive(Debug)]
struct Place {
    shown: String,
    /// Where the request is sent: path and query.
    target: String,
    path: String,
    host: String,
    method: Method,
    http: Http,
}

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Status {
        status: u16,
        basic: bool,
        redirect: Option<String>,
    },
    None(String),
}

/// What the answers of one round mean.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// Refused without credentials and with wrong ones, let in with the right ones.
    Proved,
    /// Let in without credentials.
    Open(u16),
    /// 401 that does not ask for Basic authentication.
    OtherChallenge,
    /// 503.
    Unavailable,
    /// Let in with wrong credentials.
    WrongAccepted(u16),
    /// The password of before still works.
    OldAccepted(u16),
    /// The right credentials are refused.
    RightRefused,
    /// Let in, and the application answers something that was not expected.
    Unexpected(u16),
    /// Something else without credentials.
    Odd(u16),
    /// A redirect, which is not followed with credentials.
    Redirect(String),
    /// No answer.
    Unreachable(String),
}

/// What the platform says about the API.
#[derive(Debug)]
pub(crate) struct Platform {
    session: Session,
    api: ApiInstance,
    policy: Option<Policy>,
}

/// An application whose autodiscovery names the API.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Application {
    name: String,
    gatekeeper: Option<String>,
    host: Option<String>,
}

/// Facts that tell findings apart.
#[derive(Debug, Clone, Default)]
struct Facts<'a> {
    activity: Option<Activity>,
    /// None: not known. `Some(None)`: there is none.
    policy: Option<Option<&'a Policy>>,
    application: Option<Application>,
    /// Another address of the same run is proved.
    another_is_closed: bool,
}

/// Why an address is not proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Cause {
    NotApplied,
    Disabled,
    NotCovered,
    NotActive,
    GatekeeperDisabled,
    Blocked,
    Bypass,
    NotEnforced,
    OtherAuthentication,
    OldPasswordAccepted,
    CredentialsRefused,
    UnexpectedAnswer,
    Redirect,
    Unreachable,
}

/// What came of one address.
#[derive(Debug, Serialize)]
struct Verdict {
    url: String,
    method: String,
    proved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// What came of all.
#[derive(Debug, Serialize)]
pub(crate) struct Verdicts {
    verdicts: Vec<Verdict>,
    seconds: u64,
}

impl Report for Verdicts {
    fn text(&self) -> String {
        let lines: Vec<String> = self
            .verdicts
            .iter()
            .map(|verdict| {
                let sign = if verdict.proved {
                    "closed"
                } else {
                    "NOT PROVED"
                };
                format!(
                    "{sign}  {} {}: {}",
                    verdict.method, verdict.url, verdict.text
                )
            })
            .collect();
        lines.join("\n")
    }
}

impl Verdicts {
    /// Whether everything is proved.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        let Some(first) = self.verdicts.iter().find(|verdict| !verdict.proved) else {
            return Ok(Outcome::Done);
        };
        let kind = match first.cause {
            Some(Cause::Unreachable) => Kind::Unreachable,
            _ => Kind::Unproved,
        };
        let err = Error::new(kind, format!("{}: {}", first.url, first.text));
        Err(match &first.advice {
            Some(advice) => err.advise(advice),
            None => err,
        })
    }
}

impl Proof {
    /// Reads the addresses, without a request.
    pub(crate) fn prepare(context: &Context<'_>, args: &RequestArgs) -> Result<Self> {
        let network = context.settings.network()?;
        let method = Method::from_bytes(args.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| Error::config(format!("--method {:?} is no HTTP method", args.method)))?;
        if let Some(odd) = args
            .expect
            .iter()
            .find(|status| !(200..600).contains(*status) || **status == 401)
        {
            return Err(Error::config(format!(
                "--expect {odd} cannot be told from a refusal, or is no status"
            ))
            .advise("Give statuses such as 200,204."));
        }
        let clock = clock::system();
        let places = args
            .url
            .iter()
            .map(|url| {
                place(
                    url,
                    args.path.as_deref(),
                    &method,
                    &network,
                    &clock,
                    context.out,
                )
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            places,
            expect: args.expect.clone(),
            timeout: args.timeout,
            clock,
        })
    }

    /// Whether there is no address.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Sends requests until every address is proved `rounds` times in a row, or the time is over.
    pub(crate) fn run(
        &self,
        out: &Output,
        users: &Users<'_>,
        platform: Option<&Platform>,
        rounds: usize,
    ) -> Result<Verdicts> {
        // A user with this password would be a strange accident.
        let wrong = Secret::generate(20)
            .map_err(|err| Error::config("no password can be made").caused_by(err))?;
        let start = self.clock.elapsed();
        let progress = out.progress("waiting for the gateway");
        let mut proved = vec![0; self.places.len()];
        let mut findings: Vec<Finding> = Vec::new();
        loop {
            findings.clear();
            for (place, proved) in self.places.iter().zip(&mut proved) {
                let finding = if *proved >= rounds {
                    Finding::Proved
                } else {
                    place.examine(users, &wrong, &self.expect)
                };
                *proved = if finding == Finding::Proved {
                    *proved + 1
                } else {
                    0
                };
                out.debug(format!(
                    "{} {}: {}",
                    place.method,
                    place.shown,
                    finding.text()
                ));
                findings.push(finding);
            }
            let over = self.clock.elapsed() - start + PAUSE > self.timeout;
            let can_wait = |index: usize| {
                let facts = self.facts(platform, index, &findings, None);
                is_worth_waiting(&findings[index], &facts, &self.places[index])
            };
            let waits = proved
                .iter()
                .enumerate()
                .any(|(index, &times)| times < rounds && can_wait(index));
            if over || !waits {
                break;
            }
            let open = findings.iter().find(|finding| **finding != Finding::Proved);
            let seen = open.map_or_else(|| "closed, looking once more".to_owned(), Finding::text);
            progress.tick(self.timeout, &seen);
            self.clock.sleep(PAUSE);
        }
        drop(progress);
        let application = findings
            .iter()
            .any(|finding| matches!(finding, Finding::Open(_)))
            .then(|| platform.and_then(|platform| platform.application(out)))
            .flatten();
        let verdicts = (0..self.places.len())
            .map(|index| {
                let facts = self.facts(platform, index, &findings, application.clone());
                verdict(&self.places[index], &findings[index], &facts, self.timeout)
            })
            .collect();
        Ok(Verdicts {
            verdicts,
            seconds: (self.clock.elapsed() - start).as_secs(),
        })
    }

    fn facts<'a>(
        &self,
        platform: Option<&'a Platform>,
        index: usize,
        findings: &[Finding],
        application: Option<Application>,
    ) -> Facts<'a> {
        Facts {
            activity: platform.map(|platform| platform.api.activity),
            policy: platform.map(|platform| platform.policy.as_ref()),
            application,
            another_is_closed: findings
                .iter()
                .enumerate()
                .any(|(other, finding)| other != index && *finding == Finding::Proved),
        }
    }
}

fn place(
    url: &str,
    path: Option<&str>,
    method: &Method,
    network: &Network,
    clock: &SharedClock,
    out: &Output,
) -> Result<Place> {
    let bad = || {
        Error::config(format!(
            "--url {url:?} is not an address such as https://api.example.com/orders"
        ))
    };
    let mut parsed = Url::parse(url).map_err(|_| bad())?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(bad());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::config("--url holds credentials, which others can see in the list of processes")
            .advise("Give the address alone; user and password come from BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD."));
    }
    parsed.set_fragment(None);
    if let Some(path) = path {
        let joined = format!(
            "{}/{}",
            parsed.path().trim_end_matches('/'),
            path.trim_start_matches('/')
        );
        let (path, query) = match joined.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (joined.as_str(), None),
        };
        parsed.set_path(path);
        if query.is_some() {
            parsed.set_query(query);
        }
    }
    if parsed.scheme() == "http" {
        out.warn(format!(
            "{parsed} is not encrypted: everybody on the way can read user and password"
        ));
    }
    let host = parsed.host_str().ok_or_else(bad)?.to_owned();
    let origin = parsed.origin().ascii_serialization();
    let target = match parsed.query() {
        Some(query) => format!("{}?{query}", parsed.path()),
        None => parsed.path().to_owned(),
    };
    Ok(Place {
        http: Http::new("basic-auth-policy", &origin, network, clock.clone(), out)?,
        path: parsed.path().to_owned(),
        target,
        shown: parsed.to_string(),
        host,
        method: method.clone(),
    })
}

impl Place {
    fn examine(&self, users: &Users<'_>, wrong: &Secret, expect: &[u16]) -> Finding {
        let without = self.ask(None);
        if let Some(finding) = judge_without(&without) {
            return finding;
        }
        if let Some(finding) = judge_wrong(&self.ask(Some((users.username, wrong)))) {
            return finding;
        }
        let right = judge_right(&self.ask(Some((users.username, users.password))), expect);
        if right != Finding::Proved {
            return right;
        }
        match users.old.map(|old| self.ask(Some((users.username, old)))) {
            Some(Answer::Status { status, .. }) if status != 401 => Finding::OldAccepted(status),
            Some(Answer::None(why)) => Finding::Unreachable(why),
            _ => Finding::Proved,
        }
    }

    fn ask(&self, user: Option<(&str, &Secret)>) -> Answer {
        self.request(user).map_or_else(
            |err| Answer::None(err.to_string()),
            |reply| Answer::Status {
                status: reply.status(),
                basic: reply.header("www-authenticate").is_some_and(asks_for_basic),
                redirect: reply
                    .header("location")
                    .filter(|_| (300..400).contains(&reply.status()))
                    .map(common::net::http::excerpt),
            },
        )
    }

    fn request(&self, user: Option<(&str, &Secret)>) -> Result<Reply> {
        let mut http = self.http.for_target();
        if let Some((username, password)) = user {
            let pair = format!("{username}:{}", password.expose());
            let header = Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)));
            http = http.with_header("authorization", &header)?;
        }
        http.request(self.method.clone(), &self.target)
            .repeat(Repeat::Never)
            .send()
    }
}

/// Whether a `WWW-Authenticate` header offers Basic, perhaps among others.
fn asks_for_basic(header: &str) -> bool {
    header.split(',').any(|challenge| {
        challenge
            .split_whitespace()
            .next()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
    })
}

fn judge_without(answer: &Answer) -> Option<Finding> {
    Some(match answer {
        Answer::None(why) => Finding::Unreachable(why.clone()),
        Answer::Status {
            status: 401,
            basic: true,
            ..
        } => return None,
        Answer::Status { status: 401, .. } => Finding::OtherChallenge,
        Answer::Status { status: 503, .. } => Finding::Unavailable,
        Answer::Status {
            redirect: Some(to), ..
        } => Finding::Redirect(to.clone()),
        Answer::Status {
            status: status @ (403 | 407 | 429 | 500 | 502 | 504),
            ..
        } => Finding::Odd(*status),
        // Even a 404 comes from the application, which nobody may reach without credentials.
        Answer::Status { status, .. } => Finding::Open(*status),
    })
}

fn judge_wrong(answer: &Answer) -> Option<Finding> {
    Some(match answer {
        Answer::None(why) => Finding::Unreachable(why.clone()),
        Answer::Status { status: 401, .. } => return None,
        Answer::Status { status: 503, .. } => Finding::Unavailable,
        Answer::Status { status, .. } => Finding::WrongAccepted(*status),
    })
}

fn judge_right(answer: &Answer, expect: &[u16]) -> Finding {
    match answer {
        Answer::None(why) => Finding::Unreachable(why.clone()),
        Answer::Status { status, .. } if expect.contains(status) => Finding::Proved,
        Answer::Status { status: 401, .. } => Finding::RightRefused,
        Answer::Status { status: 503, .. } => Finding::Unavailable,
        Answer::Status { status, .. } if expect.is_empty() && (200..300).contains(status) => {
            Finding::Proved
        }
        Answer::Status {
            redirect: Some(to), ..
        } => Finding::Redirect(to.clone()),
        Answer::Status { status, .. } => Finding::Unexpected(*status),
    }
}

impl Finding {
    fn text(&self) -> String {
        match self {
            Finding::Proved => {
                "401 without credentials, 401 with wrong ones, success with the right ones"
                    .to_owned()
            }
            Finding::Open(status) => format!("{status} without credentials"),
            Finding::OtherChallenge => "401 that does not ask for Basic authentication".to_owned(),
            Finding::Unavailable => "503".to_owned(),
            Finding::WrongAccepted(status) => format!("{status} with wrong credentials"),
            Finding::OldAccepted(status) => format!("{status} with the password of before"),
            Finding::RightRefused => "401 with the right credentials".to_owned(),
            Finding::Unexpected(status) => format!("{status} with the right credentials"),
            Finding::Odd(status) => format!("{status} without credentials"),
            Finding::Redirect(to) => {
                format!("redirects to {to}, which is not followed with credentials")
            }
            Finding::Unreachable(why) => why.clone(),
        }
    }
}

/// Whether time can help.
fn is_worth_waiting(finding: &Finding, facts: &Facts<'_>, place: &Place) -> bool {
    match finding {
        Finding::Redirect(_) | Finding::Unexpected(_) => false,
        Finding::Open(_) | Finding::WrongAccepted(_) => match facts.policy {
            Some(None) => false,
            Some(Some(policy)) => !policy.disabled && covers(policy.resources.as_deref(), place),
            None => true,
        },
        // Proved once, and to be proved again.
        _ => true,
    }
}

/// Whether the conditions of a policy take in a request. What the base path of the application is, is not known here, so
/// that every end of the path is tried.
fn covers(resources: Option<&[Resource]>, place: &Place) -> bool {
    resources.is_none_or(|resources| {
        resources.iter().any(|resource| {
            whole(&resource.method_regex, place.method.as_str())
                && place
                    .path
                    .match_indices('/')
                    .any(|(index, _)| whole(&resource.uri_template_regex, &place.path[index..]))
        })
    })
}

/// Whether a regular expression matches a whole text. One that this library cannot read is taken to match.
fn whole(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(&format!("^(?:{pattern})$")).map_or(true, |regex| regex.is_match(text))
}

fn verdict(place: &Place, finding: &Finding, facts: &Facts<'_>, waited: Duration) -> Verdict {
    let (cause, text, advice) = match explain(place, finding, facts, waited) {
        None => (None, finding.text(), None),
        Some((cause, why, advice)) => (
            Some(cause),
            format!("{}: {why}", finding.text()),
            Some(advice),
        ),
    };
    Verdict {
        url: place.shown.clone(),
        method: place.method.to_string(),
        proved: *finding == Finding::Proved,
        cause,
        text,
        advice,
    }
}

fn explain(
    place: &Place,
    finding: &Finding,
    facts: &Facts<'_>,
    waited: Duration,
) -> Option<(Cause, String, String)> {
    let say = |cause, why: &str, advice: &str| Some((cause, why.to_owned(), advice.to_owned()));
    match finding {
        Finding::Proved => None,
        Finding::Open(_) | Finding::WrongAccepted(_) => Some(explain_open(place, facts, waited)),
        Finding::OtherChallenge => say(
            Cause::OtherAuthentication,
            "something else asks for credentials, another policy or the application itself",
            "Look at the policies with basic-auth-policy status, and at the application.",
        ),
        Finding::Unavailable => Some(explain_blocked(facts, waited)),
        Finding::OldAccepted(_) => say(
            Cause::OldPasswordAccepted,
            "some replicas have not heard of the new password yet",
            "Both passwords work until every gateway has asked the platform again; verify once more with a longer \
             --timeout.",
        ),
        Finding::RightRefused => say(
            Cause::CredentialsRefused,
            "the policy is enforced with another user or password",
            "Check BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD, or set them with basic-auth-policy apply; a second \
             Basic Authentication, as an automated policy, would refuse everybody too.",
        ),
        Finding::Unexpected(status) => Some((
            Cause::UnexpectedAnswer,
            "the policy let the request pass, and the application answered that".to_owned(),
            format!(
                "Choose a resource that answers with success, with --path and --method, or say that this is right: \
                 --expect {status}."
            ),
        )),
        Finding::Odd(_) => say(
            Cause::UnexpectedAnswer,
            "neither a challenge nor the application's answer",
            "Look at the gateway or load balancer in front of the API, and at the other policies.",
        ),
        Finding::Redirect(_) => say(
            Cause::Redirect,
            "the API is somewhere else",
            "Give the address that it redirects to.",
        ),
        Finding::Unreachable(_) => say(
            Cause::Unreachable,
            "nothing can be said about the policy",
            "Check the address, DNS and the network; behind a certificate authority of your own set CA_BUNDLE.",
        ),
    }
}

/// Requests pass without credentials, or with wrong ones.
fn explain_open(place: &Place, facts: &Facts<'_>, waited: Duration) -> (Cause, String, String) {
    let say = |cause, why: String, advice: &str| (cause, why, advice.to_owned());
    match facts.policy {
        Some(None) => {
            return say(
                Cause::NotApplied,
                "the API instance has no Basic Authentication policy".to_owned(),
                "Apply it with basic-auth-policy apply.",
            );
        }
        Some(Some(policy)) if policy.disabled => {
            return say(
                Cause::Disabled,
                format!("policy {} is switched off", policy.id),
                "Switch it on with basic-auth-policy enable.",
            );
        }
        Some(Some(policy)) if !covers(policy.resources.as_deref(), place) => {
            return say(
                Cause::NotCovered,
                format!("policy {} is only for other methods or paths", policy.id),
                "Look at its conditions with basic-auth-policy status; apply --whole-api drops them.",
            );
        }
        _ => {}
    }
    if facts.another_is_closed {
        return say(
            Cause::Bypass,
            "another address of the API is closed, so this one leads past the gateway".to_owned(),
            "Close the way past the gateway, or remove this address.",
        );
    }
    if let Some(application) = &facts.application {
        if application.gatekeeper.as_deref() == Some("disabled") {
            return say(
                Cause::GatekeeperDisabled,
                format!(
                    "application {} lets requests pass until its policies have arrived: anypoint.platform.gatekeeper is \
                     disabled",
                    application.name
                ),
                "Set it to flexible or strict with basic-auth-policy autodiscover.",
            );
        }
        if let Some(host) = application
            .host
            .as_deref()
            .filter(|host| *host != place.host)
        {
            return say(
                Cause::Bypass,
                format!(
                    "application {} with this API is at {host}, so this address leads past the gateway",
                    application.name
                ),
                "Verify the application's own address; close this one, or connect what answers there with its own API \
                 instance.",
            );
        }
    }
    match facts.activity {
        Some(activity @ (Activity::Unregistered | Activity::Inactive)) => say(
            Cause::NotActive,
            format!(
                "the API instance is {activity}, so what answers there is not connected with it"
            ),
            "Connect the application with basic-auth-policy autodiscover: instance number, client id and secret of the \
             environment, and outside the US the platform's address.",
        ),
        _ => say(
            Cause::NotEnforced,
            format!(
                "the policy is on{} and was not enforced within {} s",
                if facts.activity == Some(Activity::Active) {
                    ", a gateway tracks the API,"
                } else {
                    ""
                },
                waited.as_secs()
            ),
            "Gateways ask for policies about once a minute: allow more with --timeout. Else the address leads past the \
             gateway, or the autodiscovery element names another flow.",
        ),
    }
}

/// 503: the gatekeeper, or something in front of it.
fn explain_blocked(facts: &Facts<'_>, waited: Duration) -> (Cause, String, String) {
    let seconds = waited.as_secs();
    match facts.activity {
        Some(activity @ (Activity::Unregistered | Activity::Inactive)) => (
            Cause::NotActive,
            format!("the API is not active yet ({activity}): its gatekeeper holds requests back"),
            "The application could not fetch its policies. Check api.id, anypoint.platform.client_id, \
             anypoint.platform.client_secret and, outside the US, anypoint.platform.base_uri: basic-auth-policy \
             autodiscover sets them."
                .to_owned(),
        ),
        _ => (
            Cause::Blocked,
            format!("the gatekeeper holds requests back for more than {seconds} s, or nothing runs there"),
            "A policy with a configuration that the gateway cannot use keeps an API at 503 until it is removed: look \
             at the application's log and at basic-auth-policy status."
                .to_owned(),
        ),
    }
}

impl Platform {
    /// What the platform says about the API, where a target and credentials for the platform are given.
    pub(crate) fn look(context: &Context<'_>) -> Result<Option<Self>> {
        let Some(wanted) = context.wanted_api_if_set()? else {
            context
                .out
                .debug("no API instance is given: the platform is not asked");
            return Ok(None);
        };
        if Credentials::general(context.settings).is_err() {
            context
                .out
                .debug("no credentials for the platform are given: it is not asked");
            return Ok(None);
        }
        let session = context.prepare()?.log_in()?;
        let api = session.api(&wanted)?;
        Self::of(session, api, context.target.policy_id).map(Some)
    }

    /// What the platform says about `api`.
    pub(crate) fn of(session: Session, api: ApiInstance, only: Option<u64>) -> Result<Self> {
        let policies = session.client.policies(&session.at, api.id)?;
        let policy = Session::basic(&api, &policies, only)?.cloned();
        Ok(Self {
            session,
            api,
            policy,
        })
    }

    /// The application whose properties name the API. Not being allowed to look only makes the answer vaguer.
    fn application(&self, out: &Output) -> Option<Application> {
        let Session { client, at } = &self.session;
        let id = self.api.id.to_string();
        let listed = client
            .deployments(at)
            .inspect_err(|err| out.debug(format!("applications cannot be read: {err}")))
            .ok()?;
        listed
            .iter()
            .take(APPLICATIONS_READ)
            .filter_map(|listed| client.deployment(at, &listed.id).ok())
            .find(|deployment| deployment.properties.values().any(|value| *value == id))
            .map(|deployment| Application {
                gatekeeper: deployment
                    .properties
                    .get("anypoint.platform.gatekeeper")
                    .map(|value| value.to_ascii_lowercase()),
                host: deployment
                    .public_url
                    .as_deref()
                    .and_then(|url| Url::parse(url).ok()?.host_str().map(str::to_owned)),
                name: deployment.name,
            })
    }
}

#[cfg(test)]
mod tests {
    use common::anypoint::policies::PolicyId;
    use common::net::tls::Trust;

    use super::*;

    fn somewhere() -> Place {
        let network = Network {
            trust: Trust {
                insecure: true,
                ..Trust::default()
            },
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(1),
            ..Network::default()
        };
        let url = "https://api.example.com/base/orders?limit=1";
        place(
            url,
            None,
            &Method::GET,
            &network,
            &clock::system(),
            &Output::quiet(),
        )
        .unwrap()
    }

    fn status(status: u16, challenge: Option<&str>) -> Answer {
        Answer::Status {
            status,
            basic: challenge.is_some_and(asks_for_basic),
            redirect: None,
        }
    }

    fn policy(disabled: bool, resources: Option<Vec<Resource>>) -> Policy {
        Policy {
            id: PolicyId(1),
            group: None,
            asset: "http-basic-authentication".to_owned(),
            version: None,
            order: None,
            disabled,
            username: None,
            resources,
            updated: None,
        }
    }

    fn cause(finding: &Finding, facts: &Facts<'_>) -> Option<Cause> {
        explain(&somewhere(), finding, facts, Duration::from_secs(60)).map(|(cause, ..)| cause)
    }

    #[test]
    fn only_a_basic_challenge_counts_as_one() {
        assert_eq!(
            judge_without(&status(401, Some("Basic realm=\"mule-realm\""))),
            None
        );
        assert_eq!(
            judge_without(&status(401, Some("Bearer, basic realm=\"x\""))),
            None
        );
        assert_eq!(
            judge_without(&status(401, Some("Bearer realm=\"Basic\""))),
            Some(Finding::OtherChallenge)
        );
        assert_eq!(
            judge_without(&status(401, None)),
            Some(Finding::OtherChallenge)
        );
        assert_eq!(judge_without(&status(404, None)), Some(Finding::Open(404)));
        assert_eq!(
            judge_without(&status(503, None)),
            Some(Finding::Unavailable)
        );
    }

    #[test]
    fn success_is_2xx_or_exactly_what_is_expected() {
        assert_eq!(judge_right(&status(204, None), &[]), Finding::Proved);
        assert_eq!(
            judge_right(&status(404, None), &[]),
            Finding::Unexpected(404)
        );
        assert_eq!(judge_right(&status(404, None), &[404]), Finding::Proved);
        assert_eq!(
            judge_right(&status(200, None), &[204]),
            Finding::Unexpected(200)
        );
        assert_eq!(judge_right(&status(401, None), &[]), Finding::RightRefused);
    }

    #[test]
    fn an_open_api_is_explained_by_what_the_platform_says() {
        let open = Finding::Open(200);
        let on = policy(false, None);
        let off = policy(true, None);
        let other = policy(
            false,
            Some(vec![Resource {
                method_regex: "POST".to_owned(),
                uri_template_regex: "/orders".to_owned(),
            }]),
        );
        let facts = |policy, activity| Facts {
            policy: Some(policy),
            activity: Some(activity),
            ..Facts::default()
        };
        let application = |gatekeeper: &str, host: &str| {
            Some(Application {
                name: "orders".to_owned(),
                gatekeeper: Some(gatekeeper.to_owned()),
                host: Some(host.to_owned()),
            })
        };
        assert_eq!(
            cause(&open, &facts(None, Activity::Active)),
            Some(Cause::NotApplied)
        );
        assert_eq!(
            cause(&open, &facts(Some(&off), Activity::Active)),
            Some(Cause::Disabled)
        );
        assert_eq!(
            cause(&open, &facts(Some(&other), Activity::Active)),
            Some(Cause::NotCovered)
        );
        assert_eq!(
            cause(&open, &facts(Some(&on), Activity::Unregistered)),
            Some(Cause::NotActive)
        );
        assert_eq!(
            cause(&open, &facts(Some(&on), Activity::Active)),
            Some(Cause::NotEnforced)
        );
        let beside_a_closed_one = Facts {
            another_is_closed: true,
            ..facts(Some(&on), Activity::Active)
        };
        assert_eq!(cause(&open, &beside_a_closed_one), Some(Cause::Bypass));
        let with = |application| Facts {
            application,
            ..facts(Some(&on), Activity::Active)
        };
        assert_eq!(
            cause(&open, &with(application("disabled", "api.example.com"))),
            Some(Cause::GatekeeperDisabled)
        );
        assert_eq!(
            cause(&open, &with(application("flexible", "other.example.com"))),
            Some(Cause::Bypass)
        );
        assert_eq!(
            cause(&open, &with(application("flexible", "api.example.com"))),
            Some(Cause::NotEnforced)
        );
    }

    #[test]
    fn a_503_tells_an_api_that_is_not_active_from_one_that_is_stuck() {
        let facts = |activity| Facts {
            activity: Some(activity),
            ..Facts::default()
        };
        assert_eq!(
            cause(&Finding::Unavailable, &facts(Activity::Unregistered)),
            Some(Cause::NotActive)
        );
        assert_eq!(
            cause(&Finding::Unavailable, &facts(Activity::Active)),
            Some(Cause::Blocked)
        );
    }

    #[test]
    fn conditions_are_tried_without_the_base_path() {
        let resource = |path: &str| {
            Some(vec![Resource {
                method_regex: "GET|PUT".to_owned(),
                uri_template_regex: path.to_owned(),
            }])
        };
        let covered = |path| covers(resource(path).as_deref(), &somewhere());
        assert!(covered("/orders"));
        assert!(covered("/base/.*"));
        assert!(!covered("/order"));
        assert!(
            covered("(?<=look)behind"),
            "what cannot be read is taken to match"
        );
    }
}
