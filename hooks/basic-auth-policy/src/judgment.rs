//! Whether an API is protected, as far as the platform can tell.

use std::fmt;

use common::anypoint::api_instances::{Activity, ApiInstance, Technology};
use common::anypoint::policies::Policy;
use serde::Serialize;

/// Why an API counts as open: how far the policy that comes nearest gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gap {
    /// No policy asks callers who they are.
    NoPolicy,
    /// It is switched off.
    Off,
    /// It is for all APIs of the environment that run on something else, or the platform does not say on what.
    OtherTechnology,
    /// It is for some methods or paths only.
    Conditions,
    /// No gateway enforces the policies of the instance.
    NotEnforced,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gap::NoPolicy => "no authentication policy",
            Gap::Off => "the policy is switched off",
            Gap::OtherTechnology => "the automated policy does not run on this gateway",
            Gap::Conditions => "the policy is for some methods or paths only",
            Gap::NotEnforced => "no gateway enforces it",
        })
    }
}

/// Why `api` is open; nothing where one of its `own` policies, or of the `automated` ones of its environment, lets nobody
/// in unasked: it is on, for every request, runs on what enforces the API, and a gateway reports that it does.
pub(crate) fn gap(api: &ApiInstance, own: &[Policy], automated: &[Policy]) -> Option<Gap> {
    let own = own.iter().map(|policy| of_policy(policy, None));
    let automated = automated
        .iter()
        .map(|policy| of_policy(policy, Some(api.technology)));
    let nearest = own.chain(automated).max_by_key(|gap| match gap {
        None => (1, None),
        Some(gap) => (0, Some(*gap)),
    });
    match nearest {
        Some(None) if api.activity == Activity::Active => None,
        Some(None) => Some(Gap::NotEnforced),
        Some(gap) => gap,
        None => Some(Gap::NoPolicy),
    }
}

/// `runs_on` is what an automated policy has to run on; one of the instance itself was chosen for it.
fn of_policy(policy: &Policy, runs_on: Option<Technology>) -> Option<Gap> {
    if !policy.authenticates() {
        Some(Gap::NoPolicy)
    } else if policy.disabled {
        Some(Gap::Off)
    } else if runs_on.is_some_and(|technology| !policy.technologies.contains(&technology)) {
        Some(Gap::OtherTechnology)
    } else if !policy.is_for_everything() {
        Some(Gap::Conditions)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use common::anypoint::api_instances::{ApiId, Endpoint};
    use common::anypoint::policies::{PolicyId, Resource};

    use super::*;

    fn api(technology: Technology, activity: Activity) -> ApiInstance {
        ApiInstance {
            id: ApiId(1),
            asset: "orders-api".to_owned(),
            asset_name: None,
            asset_version: None,
            label: None,
            technology,
            activity,
            last_active: None,
            endpoint: Endpoint::default(),
        }
    }

    fn policy(asset: &str) -> Policy {
        Policy {
            id: PolicyId(1),
            group: None,
            asset: asset.to_owned(),
            version: None,
            order: None,
            disabled: false,
            username: None,
            resources: None,
            updated: None,
            technologies: vec![Technology::Mule4],
        }
    }

    #[test]
    fn protected_is_what_a_gateway_enforces_for_every_request() {
        let on = policy("http-basic-authentication");
        let off = Policy {
            disabled: true,
            ..on.clone()
        };
        let some = Policy {
            resources: Some(vec![Resource {
                method_regex: "GET".to_owned(),
                uri_template_regex: ".*".to_owned(),
            }]),
            ..on.clone()
        };
        let other = policy("rate-limiting");
        let active = api(Technology::Mule4, Activity::Active);
        let own = |policies: &[&Policy]| {
            let policies: Vec<Policy> = policies.iter().copied().cloned().collect();
            gap(&active, &policies, &[])
        };
        assert_eq!(own(&[]), Some(Gap::NoPolicy));
        assert_eq!(own(&[&other]), Some(Gap::NoPolicy));
        assert_eq!(own(&[&off, &other]), Some(Gap::Off));
        assert_eq!(own(&[&some, &off]), Some(Gap::Conditions));
        assert_eq!(own(&[&some, &off, &on]), None);
        for activity in [
            Activity::Inactive,
            Activity::Unregistered,
            Activity::Unknown,
        ] {
            let api = api(Technology::Mule4, activity);
            assert_eq!(
                gap(&api, std::slice::from_ref(&on), &[]),
                Some(Gap::NotEnforced)
            );
        }
    }

    #[test]
    fn an_automated_policy_counts_only_for_what_it_runs_on() {
        let automated = [policy("jwt-validation")];
        let by = |technology| gap(&api(technology, Activity::Active), &[], &automated);
        assert_eq!(by(Technology::Mule4), None);
        assert_eq!(by(Technology::FlexGateway), Some(Gap::OtherTechnology));
    }
}
