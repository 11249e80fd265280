//! The policies of an API, or of every API of an environment, as the platform knows them.

use std::sync::atomic::{AtomicUsize, Ordering};

use common::anypoint::api_instances::{Activity, ApiInstance, Location, Technology};
use common::anypoint::policies::{Policy, Resource};
use common::cli::{Invocation, Report, table};
use common::error::{Error, Kind, Result};
use common::system::workers::side_by_side;
use serde::Serialize;

use crate::judgment::{Gap, gap};
use crate::session::{self, Session};
use crate::settings::workers;

/// What was read.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Where the APIs are.
    pub(crate) at: Location,
    pub(crate) apis: Apis,
    /// Why some could not be read, unless that is a matter of these alone.
    pub(crate) failure: Option<Error>,
}

/// One API instance, or all of an environment.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Apis {
    One(Box<ApiStatus>),
    All(All),
}

/// An API instance and its policies.
#[derive(Debug, Serialize)]
pub(crate) struct ApiStatus {
    pub(crate) api_instance_id: u64,
    pub(crate) api: String,
    pub(crate) label: Option<String>,
    asset_version: Option<String>,
    pub(crate) technology: Technology,
    instance: Activity,
    last_active: Option<String>,
    /// Whether a gateway asks every caller who it is.
    authenticated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<Gap>,
    /// Why nothing is known of its policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unreadable: Option<String>,
    pub(crate) policies: Vec<PolicyStatus>,
}

/// A policy of an API instance.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PolicyStatus {
    pub(crate) policy_id: u64,
    pub(crate) policy: String,
    version: Option<String>,
    order: Option<i64>,
    pub(crate) enabled: bool,
    pub(crate) authenticates: bool,
    /// Whether it is one for the whole environment.
    pub(crate) automated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<Vec<Resource>>,
}

impl PolicyStatus {
    fn of(policy: &Policy, automated: bool) -> Self {
        Self {
            policy_id: policy.id.0,
            policy: policy.asset.clone(),
            version: policy.version.clone(),
            order: policy.order,
            enabled: !policy.disabled,
            authenticates: policy.authenticates(),
            automated,
            username: policy.username.clone().filter(|_| policy.is_basic()),
            resources: policy.resources.clone(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}", self.policy, self.version.as_deref().unwrap_or("?"));
        if !self.enabled {
            text += " (off)";
        }
        if self.automated {
            text += " (automated)";
        }
        if self.resources.is_some() {
            text += " (conditions)";
        }
        text
    }
}

impl Report for ApiStatus {
    fn text(&self) -> String {
        let api = self;
        let mut lines = vec![
            format!("API             {} ({})", api.api, api.api_instance_id),
            format!("label           {}", api.label.as_deref().unwrap_or("-")),
            format!("gateway         {}", api.technology),
            format!(
                "instance        {}{}",
                api.instance,
                api.last_active
                    .as_deref()
                    .map_or_else(String::new, |date| format!(", last report {date}"))
            ),
            match api.gap {
                None => "authentication  yes".to_owned(),
                Some(gap) => format!("authentication  NONE: {gap}"),
            },
        ];
        for policy in &api.policies {
            let order = policy
                .order
                .map_or_else(|| "-".to_owned(), |order| order.to_string());
            let mut line = format!("policy {order:<8} {} ({})", policy.text(), policy.policy_id);
            if let Some(user) = &policy.username {
                line += &format!(", user {user}");
            }
            lines.push(line);
            for resource in policy.resources.iter().flatten() {
                lines.push(format!(
                    "                only {} {}",
                    resource.method_regex, resource.uri_template_regex
                ));
            }
        }
        lines.join("\n")
    }
}

/// A whole environment.
#[derive(Debug, Serialize)]
pub(crate) struct All {
    environment: String,
    apis: Vec<ApiStatus>,
    without_authentication: usize,
    unreadable: usize,
}

impl Report for All {
    fn text(&self) -> String {
        let head = [
            "ID",
            "API",
            "LABEL",
            "GATEWAY",
            "INSTANCE",
            "AUTHENTICATION",
        ];
        let mut rows: Vec<[String; 6]> = vec![head.map(str::to_owned)];
        for api in &self.apis {
            rows.push([
                api.api_instance_id.to_string(),
                api.api.clone(),
                api.label.clone().unwrap_or_else(|| "-".to_owned()),
                api.technology.to_string(),
                api.instance.to_string(),
                match (&api.unreadable, api.gap) {
                    (Some(why), _) => format!("NOT KNOWN: {why}"),
                    (None, None) => api.authentication(),
                    (None, Some(Gap::NoPolicy)) => "NONE".to_owned(),
                    (None, Some(gap)) => format!("NONE: {gap}: {}", api.authentication()),
                },
            ]);
        }
        let mut text = table(&rows);
        text += &format!(
            "\n{} of {} APIs have no authentication",
            self.without_authentication,
            self.apis.len()
        );
        if self.unreadable > 0 {
            text += &format!("; {} could not be read", self.unreadable);
        }
        text
    }
}

impl Report for Apis {
    fn text(&self) -> String {
        match self {
            Apis::One(api) => api.text(),
            Apis::All(all) => all.text(),
        }
    }
}

impl Apis {
    /// Each of them.
    pub(crate) fn all(&self) -> &[ApiStatus] {
        match self {
            Apis::One(api) => std::slice::from_ref(api),
            Apis::All(all) => &all.apis,
        }
    }

    /// Whether one of them is open, or may be.
    pub(crate) fn is_one_open(&self) -> bool {
        self.all().iter().any(|api| !api.authenticated)
    }
}

/// Reads the API that is set; every API of the environment if none is, or if `all` says so.
pub(crate) fn read(call: &Invocation, all: bool) -> Result<Survey> {
    let selector = if all {
        None
    } else {
        session::selected_api_if_set(&call.settings)?
    };
    let session = session::prepare(call)?.log_in()?;
    let automated = automated(call, &session);
    let (apis, failure) = match selector {
        Some(selector) => {
            let api = session.api(&selector)?;
            let status = status(&session, &api, &automated)?;
            (Apis::One(Box::new(status)), None)
        }
        None => {
            let (all, failure) = environment(call, &session, &automated)?;
            (Apis::All(all), failure)
        }
    };
    Ok(Survey {
        at: session.at,
        apis,
        failure,
    })
}

fn environment(
    call: &Invocation,
    session: &Session,
    automated: &[Policy],
) -> Result<(All, Option<Error>)> {
    let listed = session.client.apis(&session.at, None)?;
    let progress = call.progress("reading policies");
    let limit = call.settings.network()?.deadline;
    let begun = AtomicUsize::new(0);
    let read = |api: &ApiInstance| {
        let number = begun.fetch_add(1, Ordering::Relaxed) + 1;
        progress.tick(limit, &format!("API {number} of {}", listed.len()));
        // Each instance is a target of its own, with a deadline of its own.
        let session = session.for_target();
        whole(&session, api).and_then(|api| status(&session, &api, automated))
    };
    let found = side_by_side(&listed, workers(&call.settings)?, read);
    drop(progress);
    let mut apis = Vec::new();
    let mut failed = Vec::new();
    for (api, found) in listed.iter().zip(found) {
        apis.push(match found {
            Ok(status) => status,
            // What is refused for one is refused for all.
            Err(err) if err.kind() == Kind::Credentials => return Err(err),
            Err(err) => {
                let status = unreadable(call, api, &err);
                // It may have been deleted meanwhile, and says nothing about the others.
                if !matches!(err.kind(), Kind::NotFound | Kind::Refused) {
                    failed.push((api, err));
                }
                status
            }
        });
    }
    let failure = failed.first().map(|(first, err)| {
        let what = format!(
            "{} of {} APIs could not be read, {} first",
            failed.len(),
            apis.len(),
            first.shown()
        );
        Error::new(err.kind(), what)
    });
    let unreadable = apis.iter().filter(|api| api.unreadable.is_some()).count();
    let open = apis.iter().filter(|api| !api.authenticated).count();
    let all = All {
        environment: session.at.environment.to_string(),
        apis,
        without_authentication: open - unreadable,
        unreadable,
    };
    Ok((all, failure))
}

/// Not being allowed to read them is no reason to say nothing: an API may then look more open than it is.
fn automated(call: &Invocation, session: &Session) -> Vec<Policy> {
    session
        .client
        .automated_policies(&session.at)
        .inspect_err(|err| {
            call.log.debug(format!(
                "automated policies cannot be read and do not count: {err}"
            ));
        })
        .unwrap_or_default()
}

fn status(session: &Session, api: &ApiInstance, automated: &[Policy]) -> Result<ApiStatus> {
    let own = session.client.policies(&session.at, api.id)?;
    let policies: Vec<PolicyStatus> = automated
        .iter()
        .map(|policy| PolicyStatus::of(policy, true))
        .chain(own.iter().map(|policy| PolicyStatus::of(policy, false)))
        .collect();
    let gap = gap(api, &own, automated);
    Ok(ApiStatus {
        authenticated: gap.is_none(),
        gap,
        policies,
        ..ApiStatus::of(api)
    })
}

/// What an environment's list of instances leaves out: it does not have to hold the status, nor the technology.
fn whole(session: &Session, listed: &ApiInstance) -> Result<ApiInstance> {
    if listed.activity == Activity::Unknown || listed.technology == Technology::Other {
        session.client.api(&session.at, listed.id)
    } else {
        Ok(listed.clone())
    }
}

fn unreadable(call: &Invocation, api: &ApiInstance, err: &Error) -> ApiStatus {
    call.log.warn(format!("{}: {err}", api.shown()));
    ApiStatus {
        unreadable: Some(err.to_string()),
        ..ApiStatus::of(api)
    }
}

impl ApiStatus {
    /// The policies that ask callers who they are.
    pub(crate) fn authentication(&self) -> String {
        let policies: Vec<String> = self
            .policies
            .iter()
            .filter(|policy| policy.authenticates)
            .map(PolicyStatus::text)
            .collect();
        policies.join(", ")
    }

    /// An instance of whose policies nothing is known yet.
    fn of(api: &ApiInstance) -> Self {
        Self {
            api_instance_id: api.id.0,
            api: api.asset.clone(),
            label: api.label.clone(),
            asset_version: api.asset_version.clone(),
            technology: api.technology,
            instance: api.activity,
            last_active: api.last_active.clone(),
            authenticated: false,
            gap: None,
            unreadable: None,
            policies: Vec::new(),
        }
    }
}
