//! The Anypoint Platform: one client, a file for each family of endpoints.
//!
//! For every program that talks to the platform. It knows the settings that those have in common, and none of a single
//! program.

pub mod api_instances;
pub mod deployments;
pub mod directory;
pub mod endpoints;
pub mod exchange;
mod lenient;
pub mod login;
pub mod policies;
pub mod private_spaces;
pub mod redeployment;
pub mod settings;
pub mod standalone;
pub mod templates;
pub mod tls_contexts;

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Kind, Remote, Result};
use crate::net::http::{Http, Reply, Request, excerpt};
use crate::secret::Secret;

pub use login::Credentials;

/// The control plane of the United States, which is meant when none is named.
pub const DEFAULT_URL: &str = "https://anypoint.mulesoft.com";

/// The published control planes: name and host. Source: `docs.mulesoft.com` and the official `OpenAPI` files.
pub const PLANES: [(&str, &str); 8] = [
    ("US", "anypoint.mulesoft.com"),
    ("EU", "eu1.anypoint.mulesoft.com"),
    ("Government", "gov.anypoint.mulesoft.com"),
    ("Canada", "ca1.platform.mulesoft.com"),
    ("Japan", "jp1.platform.mulesoft.com"),
    ("India", "in1.platform.mulesoft.com"),
    ("Australia", "au1.platform.mulesoft.com"),
    ("United Kingdom", "gb1.platform.mulesoft.com"),
];

/// A permission that an endpoint needs: ids of the scopes that are each sufficient, as Access Management shows them.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    /// What it is for, as "to change TLS contexts".
    pub purpose: &'static str,
    /// Display name and id of each sufficient scope.
    pub scopes: &'static [(&'static str, &'static str)],
}

impl Permission {
    /// The advice that belongs to a refusal.
    pub fn advice(&self) -> String {
        let scopes: Vec<String> = self
            .scopes
            .iter()
            .map(|(name, id)| format!("\"{name}\" ({id})"))
            .collect();
        format!(
            "In Access Management > Connected Apps, give the app one of the scopes {} for this organization and \
             environment, {}.",
            scopes.join(", "),
            self.purpose
        )
    }
}

/// A client that is logged in, or will be with its first request. Clones share the token and the connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    credentials: Arc<Credentials>,
    token: Arc<Mutex<Option<Secret>>>,
}

impl Client {
    /// A client for the control plane that `http` points to.
    pub fn new(http: Http, credentials: Credentials) -> Self {
        Self {
            http,
            credentials: Arc::new(credentials),
            token: Arc::default(),
        }
    }

    /// The same client with a fresh deadline, for the next target.
    #[must_use]
    pub fn for_target(&self) -> Self {
        Self {
            http: self.http.for_target(),
            ..self.clone()
        }
    }

    /// Whether both are clones of one client, and so share its token.
    pub fn is_same_login(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.token, &other.token)
    }

    /// The HTTP client behind it.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Host of the control plane.
    pub fn host(&self) -> &str {
        self.http.base().host_str().unwrap_or_default()
    }

    /// Logs in, unless that is done already. Proves that the credentials are accepted.
    ///
    /// # Errors
    ///
    /// Those of [`login::token`].
    pub fn log_in(&self) -> Result<()> {
        self.bearer().map(drop)
    }

    /// Sends a request with the token. A token that has expired meanwhile is replaced once.
    ///
    /// # Errors
    ///
    /// Those of logging in and of [`Request::send`]. An answer of any status is a success: see [`refusal`].
    pub fn send(&self, request: impl for<'h> Fn(&'h Http) -> Request<'h>) -> Result<Reply> {
        let (bearer, fresh) = self.bearer()?;
        let reply = self.authorized(&bearer, &request)?;
        if reply.status() != 401 || fresh || !self.credentials.can_renew() {
            return Ok(reply);
        }
        self.forget(&bearer);
        let (bearer, _) = self.bearer()?;
        self.authorized(&bearer, &request)
    }

    fn authorized(
        &self,
        bearer: &Secret,
        request: &impl for<'h> Fn(&'h Http) -> Request<'h>,
    ) -> Result<Reply> {
        let header = Secret::new(format!("Bearer {}", bearer.expose()));
        request(&self.http.with_header("authorization", &header)?).send()
    }

    /// The token, and whether it was fetched just now. Others wait meanwhile: one token serves all.
    fn bearer(&self) -> Result<(Secret, bool)> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_ref() {
            return Ok((token.clone(), false));
        }
        let new = login::token(&self.http, &self.credentials)?;
        *token = Some(new.clone());
        Ok((new, true))
    }

    fn forget(&self, refused: &Secret) {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if token.as_ref() == Some(refused) {
            *token = None;
        }
    }
}

/// The error that a refusal is. `needs` is the permission that the endpoint asks for.
///
/// A 401 with a token that was accepted a moment ago means a missing scope as often as a 403 does; source: the
/// official Terraform provider treats both alike.
pub fn refusal(reply: &Reply, needs: &Permission) -> Error {
    let err = reply.error(said(reply));
    match err.kind() {
        Kind::Credentials => err.advise(format!(
            "{} Also check that the organization belongs to this control plane (ANYPOINT_URL) and the app to this \
             business group.",
            needs.advice()
        )),
        _ => err,
    }
}

/// What the platform said: its known fields only, since bodies may echo what was sent.
pub fn said(reply: &Reply) -> Remote {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Body {
        message: Option<Value>,
        code: Option<Value>,
        name: Option<Value>,
        title: Option<Value>,
        error: Option<Value>,
        error_description: Option<Value>,
        errors: Vec<Value>,
    }
    let text = |value: &Option<Value>| match value {
        Some(Value::String(text)) => Some(excerpt(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let Ok(body) = serde_json::from_slice::<Body>(reply.body()) else {
        return reply.remote_text();
    };
    let first = body.errors.first();
    let of_first = |key: &str| text(&first.and_then(|error| error.get(key)).cloned());
    let nested = |key: &str| {
        text(
            &body
                .error
                .as_ref()
                .and_then(|error| error.get(key))
                .cloned(),
        )
    };
    Remote {
        status: Some(reply.status()),
        code: of_first("code").or_else(|| text(&body.code)),
        message: text(&body.message)
            .or_else(|| of_first("message"))
            .or_else(|| text(&body.error_description))
            .or_else(|| nested("message"))
            .or_else(|| text(&body.error))
            .or_else(|| text(&body.title))
            .or_else(|| text(&body.name))
            .unwrap_or_default(),
    }
}
