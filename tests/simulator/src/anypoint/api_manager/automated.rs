//! Automated policies, which apply to all APIs of an environment.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::policies::Policy;
use super::views::{PasswordForm, shown};
use super::{ApiManager, VENDOR_GROUP, VIEW_POLICIES};
use crate::anypoint::accounts::authorize;
use crate::http::{Answer, Request};
use crate::world::World;

impl ApiManager {
    /// Adds an automated policy for Mule 4 to an environment.
    pub fn automate(&mut self, environment: &str, asset: &str, now: Timestamp) {
        let id = self.next_id();
        let policy = Policy {
            id,
            created: now,
            ..Policy::applied(asset, "1.0.0")
        };
        self.automated.push((environment.to_owned(), policy));
    }
}

pub(super) fn list(world: &mut World, request: &Request, org: &str) -> Result<Answer, Answer> {
    let now = world.clock.now();
    let anypoint = &world.anypoint;
    let env = request.param("environmentId");
    authorize(anypoint, request, now, VIEW_POLICIES, org, env)?;
    let policies: Vec<Value> = anypoint
        .api_manager
        .automated
        .iter()
        .filter(|(environment, _)| env.is_none_or(|env| env == environment))
        .map(|(environment, policy)| {
            json!({
                "audit": { "created": { "date": policy.created.to_string() }, "updated": {} },
                "id": policy.id, "groupId": policy.group, "assetId": policy.asset, "assetVersion": policy.version,
                "ruleOfApplication": { "organizationId": org, "environmentId": environment },
                "configurationData": shown(&policy.configuration, PasswordForm::Absent),
                "pointcutData": policy.pointcut, "order": policy.order, "disabled": policy.disabled,
                "implementationAssets": [ {
                    "organizationId": VENDOR_GROUP, "groupId": VENDOR_GROUP, "assetId": format!("{}-mule", policy.asset),
                    "name": policy.asset, "version": policy.version, "technology": "mule4", "minRuntimeVersion": "4.1.0",
                } ],
            })
        })
        .collect();
    Ok(Answer::json(
        200,
        &json!({ "total": policies.len(), "automatedPolicies": policies }),
    ))
}
