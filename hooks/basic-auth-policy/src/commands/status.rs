//! `status`: the policies of an API, or which APIs of an environment have no authentication.

use std::sync::atomic::{AtomicUsize, Ordering};

use common::anypoint::api_instances::{Activity, ApiInstance, Technology};
use common::anypoint::policies::{Policy, Resource};
use common::cli::{Invocation, Outcome, Report, table};
use common::error::{Error, Kind, Result};
use common::system::workers::side_by_side;
use serde::Serialize;

use crate::args::StatusArgs;
use crate::judgment::{Gap, gap};
use crate::session::{self, Session};
use crate::settings::workers;

#[derive(Debug, Serialize)]
struct ApiStatus {
    api_instance_id: u64,
    api: String,
    label: Option<String>,
    asset_version: Option<String>,
    technology: Technology,
    instance: Activity,
    last_active: Option<String>,
    /// Whether a gateway asks every caller who it is.
    authenticated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    /// Why nothing is known of its policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    policies: Vec<PolicyStatus>,
}

#[derive(Debug, Clone, Serialize)]
struct PolicyStatus {
    policy_id: u64,
    policy: String,
    version: Option<String>,
    order: Option<i64>,
    enabled: bool,
    authenticates: bool,
    /// Whether it is one for the whole environment.
    automated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<Resource>>,
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

/// One API instance.
#[derive(Debug, Serialize)]
struct One(ApiStatus);

impl Report for One {
    fn text(&self) -> String {
        let api = &self.0;
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
struct All {
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
            let policies: Vec<String> = api
                .policies
                .iter()
                .filter(|policy| policy.authenticates)
                .map(PolicyStatus::text)
                .collect();
            rows.push([
                api.api_instance_id.to_string(),
                api.api.clone(),
                api.label.clone().unwrap_or_else(|| "-".to_owned()),
                api.technology.to_string(),
                api.instance.to_string(),
                match (&api.unreadable, api.gap) {
                    (Some(why), _) => format!("NOT KNOWN: {why}"),
                    (None, None) => policies.join(", "),
                    (None, Some(Gap::NoPolicy)) => "NONE".to_owned(),
                    (None, Some(gap)) => format!("NONE: {gap}: {}", policies.join(", ")),
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

pub(crate) fn run(call: &Invocation, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let selector = if args.all {
        None
    } else {
        session::selected_api_if_set(&call.settings)?
    };
    let session = session::prepare(call)?.log_in()?;
    let automated = automated(call, &session);
    let open = match selector {
        Some(selector) => {
            let api = session.api(&selector)?;
            let status = status(&session, &api, &automated)?;
            let open = usize::from(!status.authenticated);
            call.result(&One(status))?;
            open
        }
        None => environment(call, &session, &automated)?,
    };
    Ok(if args.require && open > 0 {
        Outcome::Due
    } else {
        Outcome::Done
    })
}

fn environment(call: &Invocation, session: &Session, automated: &[Policy]) -> Result<usize> {
    let listed = session.client.apis(&session.at, None)?;
    let progress = call.progress("reading policies");
    let limit = call.settings.network()?.deadline;
    let begun = AtomicUsize::new(0);
    let read = |api: &ApiInstance| {
        let number = begun.fetch_add(1, Ordering::Relaxed) + 1;
        progress.tick(limit, &format!("API {number} of {}", listed.len()));
        // Each instance is a target of its own, with a deadline of its own.
        let session = session.for_target();
        let found = whole(&session, api).and_then(|api| status(&session, &api, automated));
        match found {
            // It may have been deleted meanwhile, and says nothing about the others.
            Err(err) if matches!(err.kind(), Kind::NotFound | Kind::Refused) => {
                Ok(unreadable(call, api, &err))
            }
            found => found,
        }
    };
    let apis = side_by_side(&listed, workers(&call.settings)?, read)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    drop(progress);
    let unreadable = apis.iter().filter(|api| api.unreadable.is_some()).count();
    let open = apis.iter().filter(|api| !api.authenticated).count();
    call.result(&All {
        environment: session.at.environment.to_string(),
        apis,
        without_authentication: open - unreadable,
        unreadable,
    })?;
    Ok(open)
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
