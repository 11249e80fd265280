//! Why an address is not proved, and whether waiting helps.

use std::time::Duration;

use common::anypoint::api_instances::Activity;
use common::anypoint::policies::Policy;
use serde::Serialize;

use super::address::Address;
use super::finding::Finding;
use super::platform::Application;

/// What is known beside the answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts<'a> {
    pub(super) activity: Option<Activity>,
    /// None: not known. `Some(None)`: there is none.
    pub(super) policy: Option<Option<&'a Policy>>,
    pub(super) application: Option<Application>,
    /// Some requests of the same kind were refused.
    pub(super) some_refuse: bool,
    /// Another address of the same run is proved.
    pub(super) another_is_closed: bool,
}

/// Why an address is not proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    NotApplied,
    Disabled,
    NotCovered,
    NotActive,
    GatekeeperDisabled,
    Blocked,
    Bypass,
    NotEnforced,
    PartlyEnforced,
    OtherAuthentication,
    OldPasswordAccepted,
    CredentialsRefused,
    UnexpectedAnswer,
    Redirect,
    Unreachable,
}

/// A cause in words, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explanation {
    pub(super) cause: Cause,
    pub(super) why: String,
    pub(super) advice: String,
}

impl Explanation {
    fn new(cause: Cause, why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            cause,
            why: why.into(),
            advice: advice.into(),
        }
    }
}

/// Whether time can help.
pub(super) fn is_worth_waiting(finding: &Finding, facts: &Facts<'_>, address: &Address) -> bool {
    match finding {
        Finding::Redirect(_) | Finding::Unexpected(_) => false,
        Finding::Open(_) | Finding::WrongAccepted(_) => match facts.policy {
            Some(None) => false,
            Some(Some(policy)) => {
                !policy.disabled && address.is_covered_by(policy.resources.as_deref())
            }
            None => true,
        },
        _ => true,
    }
}

/// Why `finding` is what was still seen at `address` after `waited`; nothing where it is the proof.
pub(super) fn explain(
    address: &Address,
    finding: &Finding,
    facts: &Facts<'_>,
    waited: Duration,
) -> Option<Explanation> {
    Some(match finding {
        Finding::Proved => return None,
        Finding::Open(_) | Finding::WrongAccepted(_) => explain_open(address, facts, waited),
        Finding::OtherChallenge => Explanation::new(
            Cause::OtherAuthentication,
            "something else asks for credentials, another policy or the application itself",
            "Look at the policies with basic-auth-policy status, and at the application.",
        ),
        Finding::Unavailable => explain_blocked(facts, waited),
        Finding::PreviousAccepted(_) => Explanation::new(
            Cause::OldPasswordAccepted,
            "some replicas have not picked up the new password yet",
            "Both passwords work until every gateway has asked the platform again; verify once more with a longer \
             --timeout.",
        ),
        Finding::RightRefused => Explanation::new(
            Cause::CredentialsRefused,
            "the policy is enforced with another user or password",
            "Check BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD, or set them with basic-auth-policy apply; a second \
             Basic Authentication policy, for example an automated one, would refuse everybody too.",
        ),
        Finding::Unexpected(status) => Explanation::new(
            Cause::UnexpectedAnswer,
            "the policy let the request pass, and the application answered that",
            format!(
                "Choose a resource that answers with success, with --path and --method, or say that this is right: \
                 --expect {status}."
            ),
        ),
        Finding::Odd(_) => Explanation::new(
            Cause::UnexpectedAnswer,
            "neither a challenge nor the application's answer",
            "Look at the gateway or load balancer in front of the API, and at the other policies.",
        ),
        Finding::Redirect(_) => Explanation::new(
            Cause::Redirect,
            "the API is somewhere else",
            "Give the address that it redirects to.",
        ),
        Finding::Unreachable(_) => Explanation::new(
            Cause::Unreachable,
            "nothing can be said about the policy",
            "Check the address, DNS and the network; with a certificate authority of your own set CA_BUNDLE.",
        ),
    })
}

/// Requests pass without credentials, or with wrong ones.
fn explain_open(address: &Address, facts: &Facts<'_>, waited: Duration) -> Explanation {
    if let Some(policy) = facts.policy
        && let Some(found) = explain_by_policy(address, policy)
    {
        return found;
    }
    if facts.some_refuse {
        return Explanation::new(
            Cause::PartlyEnforced,
            format!(
                "a replica or an address enforces the policy, and another did not within {} s",
                waited.as_secs()
            ),
            "Look for a replica that runs an older deployment or cannot reach the platform, and restart it; gateways that \
             have just started need about a minute: --timeout.",
        );
    }
    if facts.another_is_closed {
        return Explanation::new(
            Cause::Bypass,
            "another address of the API is closed, so this one leads past the gateway",
            "Close the way past the gateway, or remove this address.",
        );
    }
    if let Some(application) = &facts.application
        && let Some(found) = explain_by_application(address, application)
    {
        return found;
    }
    match facts.activity {
        Some(activity @ (Activity::Unregistered | Activity::Inactive)) => Explanation::new(
            Cause::NotActive,
            format!("the API instance is {activity}, so what answers there is not connected to it"),
            "Connect the application with basic-auth-policy autodiscover: instance number, client id and secret of the \
             environment, and outside the US the platform's address.",
        ),
        _ => Explanation::new(
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
            "Gateways ask for policies about once a minute: allow more with --timeout. Otherwise the address leads past \
             the gateway, or the autodiscovery element names another flow.",
        ),
    }
}

fn explain_by_policy(address: &Address, policy: Option<&Policy>) -> Option<Explanation> {
    let Some(policy) = policy else {
        return Some(Explanation::new(
            Cause::NotApplied,
            "the API instance has no Basic Authentication policy",
            "Apply it with basic-auth-policy apply.",
        ));
    };
    if policy.disabled {
        return Some(Explanation::new(
            Cause::Disabled,
            format!("policy {} is switched off", policy.id),
            "Switch it on with basic-auth-policy enable.",
        ));
    }
    (!address.is_covered_by(policy.resources.as_deref())).then(|| {
        Explanation::new(
            Cause::NotCovered,
            format!("policy {} is only for other methods or paths", policy.id),
            "Look at its conditions with basic-auth-policy status; apply --whole-api drops them.",
        )
    })
}

fn explain_by_application(address: &Address, application: &Application) -> Option<Explanation> {
    if application.gatekeeper.as_deref() == Some("disabled") {
        return Some(Explanation::new(
            Cause::GatekeeperDisabled,
            format!(
                "application {} lets requests pass until its policies have arrived: anypoint.platform.gatekeeper is \
                 disabled",
                application.name
            ),
            "Set it to flexible or strict with basic-auth-policy autodiscover.",
        ));
    }
    let hosts = &application.hosts;
    let is_elsewhere = !hosts.is_empty() && !hosts.contains(&address.host);
    is_elsewhere.then(|| {
        Explanation::new(
            Cause::Bypass,
            format!(
                "application {} with this API is at {}, so this address leads past the gateway",
                application.name,
                hosts.join(" and ")
            ),
            "Verify the application's own address; close this one, or connect what answers there to its own API instance.",
        )
    })
}

/// 503: the gatekeeper, or something in front of it.
fn explain_blocked(facts: &Facts<'_>, waited: Duration) -> Explanation {
    let seconds = waited.as_secs();
    match facts.activity {
        Some(activity @ (Activity::Unregistered | Activity::Inactive)) => Explanation::new(
            Cause::NotActive,
            format!("the API is not active yet ({activity}): its gatekeeper holds requests back"),
            "The application could not fetch its policies. Check api.id, anypoint.platform.client_id, \
             anypoint.platform.client_secret and, outside the US, anypoint.platform.base_uri: basic-auth-policy \
             autodiscover sets them. Where they are right and it stays at 503, autodiscover --gatekeeper disabled, then \
             --gatekeeper flexible, is the last resort: in between, requests pass without policies.",
        ),
        _ => Explanation::new(
            Cause::Blocked,
            format!(
                "the gatekeeper holds requests back for more than {seconds} s, or nothing runs there"
            ),
            "A policy with a configuration that the gateway cannot use keeps an API at 503 until it is removed: look \
             at the application's log and at basic-auth-policy status.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use common::anypoint::policies::{PolicyId, Resource};
    use reqwest::Method;

    use super::*;

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
            technologies: Vec::new(),
        }
    }

    fn cause(finding: &Finding, facts: &Facts<'_>) -> Option<Cause> {
        let address = Address::parse(
            "https://api.example.com/base/orders?limit=1",
            None,
            &Method::GET,
        );
        explain(&address.unwrap(), finding, facts, Duration::from_secs(60)).map(|found| found.cause)
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
                hosts: vec![host.to_owned()],
            })
        };
        let with = |application| Facts {
            application,
            ..facts(Some(&on), Activity::Active)
        };
        let beside_a_closed_replica = Facts {
            some_refuse: true,
            ..facts(Some(&on), Activity::Active)
        };
        let beside_a_closed_one = Facts {
            another_is_closed: true,
            ..facts(Some(&on), Activity::Active)
        };
        for (facts, expected) in [
            (facts(None, Activity::Active), Cause::NotApplied),
            (facts(Some(&off), Activity::Active), Cause::Disabled),
            (facts(Some(&other), Activity::Active), Cause::NotCovered),
            (facts(Some(&on), Activity::Unregistered), Cause::NotActive),
            (facts(Some(&on), Activity::Active), Cause::NotEnforced),
            (beside_a_closed_replica, Cause::PartlyEnforced),
            (beside_a_closed_one, Cause::Bypass),
            (
                with(application("disabled", "api.example.com")),
                Cause::GatekeeperDisabled,
            ),
            (
                with(application("flexible", "other.example.com")),
                Cause::Bypass,
            ),
            (
                with(application("flexible", "api.example.com")),
                Cause::NotEnforced,
            ),
        ] {
            assert_eq!(cause(&open, &facts), Some(expected));
        }
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
}
