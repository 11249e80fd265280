//! Access Management: tokens, the caller's identity, organizations, environments, scopes.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Anypoint, refusal};
use crate::clock::plus;
use crate::http::{Answer, Request};
use crate::routes;
use crate::world::{Ids, World};

/// An organization, or a business group below one.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Organization {
    /// UUID; made up if empty.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Set for a business group.
    pub parent_id: Option<String>,
    /// Environments.
    pub environments: Vec<Environment>,
}

/// An environment.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// UUID; made up if empty.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Production, or sandbox.
    pub is_production: bool,
    /// `anypoint.platform.client_id`; made up if empty.
    pub client_id: String,
    /// `anypoint.platform.client_secret`.
    pub client_secret: String,
}

/// A connected app that acts on its own behalf.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectedApp {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// Id of the organization that it belongs to.
    pub organization: String,
    /// What it may do.
    pub scopes: Vec<Grant>,
}

/// A scope, bound or not. In JSON the bare name will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "GrantForm")]
pub struct Grant {
    /// `manage:api_policies` and so on; `full` for everything.
    pub scope: String,
    /// Id of the organization that it holds for; absent for the app's own.
    pub org: Option<String>,
    /// Id of the environment that it holds for; absent for all.
    pub env: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GrantForm {
    Name(String),
    Bound {
        scope: String,
        #[serde(default)]
        org: Option<String>,
        #[serde(default)]
        env: Option<String>,
    },
}

impl From<GrantForm> for Grant {
    fn from(form: GrantForm) -> Self {
        match form {
            GrantForm::Name(scope) => Self {
                scope,
                org: None,
                env: None,
            },
            GrantForm::Bound { scope, org, env } => Self { scope, org, env },
        }
    }
}

impl Grant {
    /// A scope for the app's own organization and all its environments.
    pub fn of(scope: &str) -> Self {
        Self {
            scope: scope.to_owned(),
            org: None,
            env: None,
        }
    }
}

/// A user who logs in with a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Id of the organization; the user may do everything in it.
    pub organization: String,
    /// Whether a second factor is asked for, which no program can give.
    #[serde(default)]
    pub multi_factor: bool,
}

/// A token that was issued.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// When it ends.
    pub expires: Timestamp,
    /// Id of the organization of the app or user.
    pub organization: String,
    /// The connected app; absent for a user.
    pub client_id: Option<String>,
    /// What it may do: a copy, since a token keeps the scopes of its issue.
    pub scopes: Vec<Grant>,
}

/// Body of a 401 from the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadCredentials {
    /// `Unauthorized`.
    PlainText,
    /// An OAuth2 error.
    Json,
    /// Nothing.
    Empty,
}

const PREFIX: &str = "/accounts";

/// Answers a request under `/accounts`.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments(PREFIX);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let World {
        anypoint,
        ids,
        clock,
        ..
    } = world;
    let now = clock.now();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["api", "v2", "oauth2", "token"]) => token(anypoint, ids, request, now),
        ("POST", ["api", "v2", "oauth2", "revoke"]) => revoke(anypoint, request),
        ("POST", ["login"]) => login(anypoint, ids, request, now),
        ("GET", segments @ ["api", ..]) => {
            read(anypoint, request, now, &segments[1..]).unwrap_or_else(|answer| answer)
        }
        _ => routes::not_modelled(request),
    }
}

fn token(anypoint: &mut Anypoint, ids: &mut Ids, request: &Request, now: Timestamp) -> Answer {
    let fields = if request.is_json() {
        match request.json() {
            Ok(body) => body,
            Err(why) => return oauth_error(400, "invalid_request", &why),
        }
    } else {
        request
            .form()
            .into_iter()
            .map(|(key, value)| (key, Value::from(value)))
            .collect()
    };
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("grant_type") {
        "client_credentials" => {}
        "" => return oauth_error(400, "invalid_request", "grant_type is required"),
        "authorization_code" | "refresh_token" | "password" => {
            return oauth_error(400, "unauthorized_client", "the app acts on its own behalf");
        }
        _ => return oauth_error(400, "unsupported_grant_type", "Unsupported grant_type"),
    }
    let app = anypoint.apps.iter().find(|app| {
        app.client_id == field("client_id") && app.client_secret == field("client_secret")
    });
    let Some(app) = app else {
        return unauthorized(anypoint.switches.bad_credentials);
    };
    let bearer = Bearer {
        expires: now,
        organization: app.organization.clone(),
        client_id: Some(app.client_id.clone()),
        scopes: app.scopes.clone(),
    };
    issued(anypoint, ids, bearer, now)
}

fn login(anypoint: &mut Anypoint, ids: &mut Ids, request: &Request, now: Timestamp) -> Answer {
    let body = request.json().unwrap_or_default();
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let user = anypoint
        .users
        .iter()
        .find(|user| user.username == field("username") && user.password == field("password"));
    let Some(user) = user else {
        return unauthorized(anypoint.switches.bad_credentials);
    };
    if user.multi_factor {
        return Answer::json(
            200,
            &json!({ "url": "https://login.example.com/", "body": "mfa" }),
        );
    }
    let bearer = Bearer {
        expires: now,
        organization: user.organization.clone(),
        client_id: None,
        scopes: vec![Grant::of("full")],
    };
    issued(anypoint, ids, bearer, now)
}

fn issued(anypoint: &mut Anypoint, ids: &mut Ids, bearer: Bearer, now: Timestamp) -> Answer {
    let lifetime = anypoint.switches.token_lifetime_s;
    let value = ids.uuid();
    let expires = plus(now, Duration::from_secs(lifetime.into()));
    let by_password = bearer.client_id.is_none();
    anypoint
        .bearers
        .insert(value.clone(), Bearer { expires, ..bearer });
    if by_password {
        return Answer::json(
            200,
            &json!({ "access_token": value, "token_type": "bearer", "redirectUrl": "/home/" }),
        );
    }
    Answer::json(
        200,
        &json!({ "access_token": value, "token_type": "bearer", "expires_in": lifetime }),
    )
}

fn revoke(anypoint: &mut Anypoint, request: &Request) -> Answer {
    if let Some((_, token)) = request.form().into_iter().find(|(key, _)| key == "token") {
        anypoint.bearers.remove(&token);
    }
    Answer::empty(200)
}

fn oauth_error(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}

fn unauthorized(form: BadCredentials) -> Answer {
    match form {
        BadCredentials::PlainText => Answer::text(401, "Unauthorized"),
        BadCredentials::Json => oauth_error(401, "invalid_client", "Invalid client credentials"),
        BadCredentials::Empty => Answer::empty(401),
    }
}

/// The caller, if the request carries a token that holds.
pub fn bearer(anypoint: &Anypoint, request: &Request, now: Timestamp) -> Result<Bearer, Answer> {
    let token = request.header("authorization").and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let known = token
        .and_then(|token| anypoint.bearers.get(token))
        .filter(|bearer| bearer.expires > now);
    known.cloned().ok_or_else(|| refusal(401, "Invalid token"))
}

/// The caller, if one of `scopes` was granted for this organization and environment.
pub fn authorize(
    anypoint: &Anypoint,
    request: &Request,
    now: Timestamp,
    scopes: &[&str],
    org: &str,
    env: Option<&str>,
) -> Result<Bearer, Answer> {
    let bearer = bearer(anypoint, request, now)?;
    let granted = bearer.scopes.iter().any(|grant| {
        (grant.scope == "full" || scopes.contains(&grant.scope.as_str()))
            && grant.org.as_deref().unwrap_or(&bearer.organization) == org
            && (grant.env.is_none() || env.is_none() || grant.env.as_deref() == env)
    });
    if granted {
        return Ok(bearer);
    }
    Err(refusal(
        anypoint.switches.missing_scope_status,
        "You are not authorized to perform this request",
    ))
}

fn read(
    anypoint: &Anypoint,
    request: &Request,
    now: Timestamp,
    segments: &[&str],
) -> Result<Answer, Answer> {
    let caller = bearer(anypoint, request, now)?;
    match segments {
        ["me"] => Ok(Answer::json(200, &me(anypoint, &caller))),
        ["users", "me"] => Ok(Answer::json(200, &user(anypoint, &caller))),
        ["cs", "scopes"] => Ok(Answer::json(200, &scopes())),
        ["connectedApplications", client, "scopes"]
        | [
            "organizations",
            _,
            "connectedApplications",
            client,
            "scopes",
        ] => app_scopes(anypoint, client),
        ["organizations", org] => {
            let org = organization(anypoint, &caller, org)?;
            Ok(Answer::json(200, &organization_json(anypoint, org, true)))
        }
        ["organizations", org, "environments", rest @ ..] => {
            if anypoint.switches.environments_need_scope {
                let scopes = [
                    "view:environment",
                    "read:orgenvironments",
                    "read:organization",
                ];
                authorize(anypoint, request, now, &scopes, org, None)?;
            }
            let org = organization(anypoint, &caller, org)?;
            match rest {
                [] => environments(org, request),
                [id] => {
                    let environment = org
                        .environments
                        .iter()
                        .find(|environment| environment.id == *id);
                    let environment =
                        environment.ok_or_else(|| refusal(404, "Environment not found"))?;
                    Ok(Answer::json(200, &environment_json(org, environment)))
                }
                _ => Err(routes::not_modelled(request)),
            }
        }
        ["organizations", org, "clients", client] => {
            let org = organization(anypoint, &caller, org)?;
            let owner = org
                .environments
                .iter()
                .find(|environment| environment.client_id == *client);
            let owner = owner.ok_or_else(|| refusal(404, "Client not found"))?;
            Ok(Answer::json(
                200,
                &json!({
                    "client_id": owner.client_id, "client_secret": owner.client_secret, "name": owner.name,
                }),
            ))
        }
        _ => Err(routes::not_modelled(request)),
    }
}

fn organization<'a>(
    anypoint: &'a Anypoint,
    caller: &Bearer,
    id: &str,
) -> Result<&'a Organization, Answer> {
    let known = anypoint.organizations.iter().find(|known| known.id == id);
    let reachable = known.filter(|known| {
        let own = |id: &str| {
            caller.organization == id
                || caller
                    .scopes
                    .iter()
                    .any(|grant| grant.org.as_deref() == Some(id))
        };
        own(&known.id) || known.parent_id.as_deref().is_some_and(own)
    });
    reachable.ok_or_else(|| refusal(403, "You are not authorized to perform this request"))
}

fn organization_json(anypoint: &Anypoint, org: &Organization, with_environments: bool) -> Value {
    let children: Vec<&str> = anypoint
        .organizations
        .iter()
        .filter(|other| other.parent_id.as_deref() == Some(&org.id))
        .map(|other| other.id.as_str())
        .collect();
    let mut value = json!({
        "id": org.id, "name": org.name, "parentId": org.parent_id, "isRoot": org.parent_id.is_none(),
        "isMaster": org.parent_id.is_none(), "subOrganizationIds": children, "tenantOrganizationIds": [],
        "parentOrganizationIds": org.parent_id.iter().collect::<Vec<_>>(), "domain": "acme", "entitlements": {},
    });
    if with_environments {
        value["environments"] = org
            .environments
            .iter()
            .map(|env| environment_json(org, env))
            .collect();
    }
    value
}

fn environment_json(org: &Organization, environment: &Environment) -> Value {
    json!({
        "id": environment.id, "organizationId": org.id, "name": environment.name,
        "isProduction": environment.is_production,
        "type": if environment.is_production { "production" } else { "sandbox" },
        "clientId": environment.client_id,
    })
}

fn environments(org: &Organization, request: &Request) -> Result<Answer, Answer> {
    let mut found: Vec<&Environment> = org.environments.iter().collect();
    let (mut offset, mut limit) = (0, 25);
    for (key, value) in &request.query {
        let bad = |_| refusal(400, &format!("invalid {key}"));
        match key.as_str() {
            "name" => found.retain(|environment| environment.name == *value),
            "search" => found.retain(|env| env.name.to_lowercase().contains(&value.to_lowercase())),
            "type" => found.retain(|env| {
                (if env.is_production {
                    "production"
                } else {
                    "sandbox"
                }) == value
            }),
            "isProduction" => {
                found.retain(|environment| environment.is_production.to_string() == *value);
            }
            "offset" => offset = value.parse().map_err(bad)?,
            "limit" => limit = value.parse::<usize>().map_err(bad)?.min(500),
            "expandAll" => {}
            _ => {
                return Err(refusal(400, "unknown parameter")
                    .unexpected(format!("query parameter {key}={value}")));
            }
        }
    }
    let total = found.len();
    let data: Vec<Value> = found
        .into_iter()
        .skip(offset)
        .take(limit)
        .map(|env| environment_json(org, env))
        .collect();
    Ok(Answer::json(200, &json!({ "data": data, "total": total })))
}

/// A `client_credentials` app shows the data of the user who created it.
fn user(anypoint: &Anypoint, caller: &Bearer) -> Value {
    let member: Vec<Value> = anypoint
        .organizations
        .iter()
        .filter(|org| {
            org.id == caller.organization || org.parent_id.as_deref() == Some(&caller.organization)
        })
        .map(|org| organization_json(anypoint, org, false))
        .collect();
    json!({
        "id": "5f0c1c1e-1111-4222-8333-444455556666", "username": "admin", "firstName": "Ada", "lastName": "Acme",
        "email": "admin@acme.example", "organizationId": caller.organization,
        "organization": member.first(), "memberOfOrganizations": member, "properties": {},
        "organizationPreferences": {},
    })
}

fn me(anypoint: &Anypoint, caller: &Bearer) -> Value {
    let app = caller
        .client_id
        .as_ref()
        .and_then(|id| anypoint.apps.iter().find(|app| app.client_id == *id));
    let mut value = json!({ "user": user(anypoint, caller) });
    if let Some(app) = app {
        value["client"] = json!({
            "client_id": app.client_id, "name": app.name, "org_id": app.organization,
            "grant_types": ["client_credentials"],
        });
    }
    value
}

fn app_scopes(anypoint: &Anypoint, client: &str) -> Result<Answer, Answer> {
    let app = anypoint
        .apps
        .iter()
        .find(|app| app.client_id == client)
        .ok_or_else(|| refusal(404, "Not Found"))?;
    let data: Vec<Value> = app
        .scopes
        .iter()
        .map(|grant| {
            let org = grant.org.as_ref().unwrap_or(&app.organization);
            json!({ "scope": grant.scope, "context_params": { "org": org, "envId": grant.env } })
        })
        .collect();
    Ok(Answer::json(
        200,
        &json!({ "total": data.len(), "data": data }),
    ))
}

fn scopes() -> Vec<Value> {
    [
        ("admin:cloudhub", "Cloudhub Organization Admin"),
        ("manage:cloudhub_networking", "CloudHub Network Administrator"),
        ("manage:private_spaces", "Manage Private Spaces"),
        ("read:cloudhub_networking", "CloudHub Network Viewer"),
        ("read:api_policies", "View Policies"),
        ("manage:api_policies", "Manage Policies"),
        ("read:api_configuration", "View APIs Configuration"),
        ("manage:api_configuration", "Manage APIs Configuration"),
        ("view:exchange", "Exchange Viewer"),
        ("edit:exchange", "Exchange Contributor"),
        ("read:applications", "Read Applications"),
        ("create:applications", "Create Applications"),
        ("manage:application_settings", "Manage Settings"),
        ("view:environment", "View Environment"),
        ("read:servers", "Read Servers"),
        ("manage:servers", "Manage Servers"),
        ("read:organization", "View Organization"),
        ("full", "Full Access"),
    ]
    .iter()
    .map(|(scope, name)| json!({ "scope": scope, "displayName": name, "description": name, "internal": false }))
    .collect()
}
