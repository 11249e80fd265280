//! How the platform shows applied policies: three forms of the list, four of the password.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::instances::ApiInstance;
use super::policies::Policy;
use super::{MASK, Switches, bad_request};
use crate::http::{Answer, Request};

/// In which of its three forms the platform lists policies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListForm {
    /// A bare array of whole policies.
    #[default]
    Bare,
    /// An object with `policies` and their `template`.
    WithTemplate,
    /// An array whose entries name only the implementation.
    WithImplementation,
}

/// What a read shows of a password.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordForm {
    /// The field is absent.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// [`MASK`].
    Masked,
    /// As it is, as older platforms did.
    Plain,
}

pub(super) fn policy_json(instance: &ApiInstance, policy: &Policy, form: PasswordForm) -> Value {
    json!({
        "audit": {
            "created": { "date": policy.created.to_string() },
            "updated": policy.updated.map_or_else(|| json!({}), |date| json!({ "date": date.to_string() })),
        },
        "masterOrganizationId": instance.organization, "organizationId": instance.organization,
        "id": policy.id, "policyTemplateId": "348742", "groupId": policy.group, "assetId": policy.asset,
        "assetVersion": policy.version, "configurationData": shown(&policy.configuration, form),
        "order": policy.order, "disabled": policy.disabled, "pointcutData": policy.pointcut, "type": "system",
        "apiId": instance.id, "label": null, "implementationAsset": implementation(instance, policy),
    })
}

pub(super) fn list_policies(
    instance: &ApiInstance,
    request: &Request,
    switches: &Switches,
) -> Result<Answer, Answer> {
    let full = match request.param("fullInfo") {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(bad_request("fullInfo should be boolean")),
    };
    let mut policies: Vec<&Policy> = instance
        .policies
        .iter()
        .filter(|policy| !full || !policy.disabled)
        .collect();
    policies.sort_by_key(|policy| policy.order);
    let form = if full {
        ListForm::WithTemplate
    } else {
        switches.list_form
    };
    let date = |policy: &Policy| policy.updated.unwrap_or(policy.created).to_string();
    let entry = |policy: &Policy| match form {
        ListForm::Bare => policy_json(instance, policy, switches.password),
        ListForm::WithTemplate => {
            let mut value = json!({
                "policyId": policy.id, "policyTemplateId": 348_742, "type": "system", "version": date(policy),
                "order": policy.order, "pointcutData": policy.pointcut,
                "configuration": shown(&policy.configuration, switches.password),
                "template": { "groupId": policy.group, "assetId": policy.asset, "assetVersion": policy.version },
            });
            if policy.disabled {
                value["disabled"] = true.into();
            }
            value
        }
        ListForm::WithImplementation => json!({
            "policyId": policy.id, "order": policy.order, "disabled": policy.disabled,
            "configuration": shown(&policy.configuration, switches.password), "pointcutData": policy.pointcut,
            "upstreamIds": [], "implementationAsset": implementation(instance, policy),
            "audit": { "created": { "date": policy.created.to_string() }, "updated": { "date": date(policy) } },
        }),
    };
    let entries: Vec<Value> = policies
        .into_iter()
        .map(|policy| {
            let mut value = entry(policy);
            if let Value::Object(fields) = &mut value
                && switches.list_without_dates
            {
                fields.remove("audit");
                fields.remove("version");
            }
            value
        })
        .collect();
    Ok(match form {
        ListForm::WithTemplate => Answer::json(
            200,
            &json!({ "policies": entries, "tiers": { "values": [], "version": 0 } }),
        ),
        _ => Answer::json(200, &entries),
    })
}

/// The policies of an instance as a list with `fullInfo=false` shows them, in its bare form.
pub fn shown_policies(instance: &ApiInstance) -> Value {
    instance
        .policies
        .iter()
        .map(|policy| policy_json(instance, policy, PasswordForm::Absent))
        .collect()
}

pub(super) fn shown(configuration: &Map<String, Value>, form: PasswordForm) -> Value {
    let mut shown = configuration.clone();
    if shown.contains_key("password") {
        match form {
            PasswordForm::Absent => shown.remove("password"),
            PasswordForm::Null => shown.insert("password".to_owned(), Value::Null),
            PasswordForm::Masked => shown.insert("password".to_owned(), MASK.into()),
            PasswordForm::Plain => None,
        };
    }
    Value::Object(shown)
}

fn implementation(instance: &ApiInstance, policy: &Policy) -> Value {
    let suffix = if instance.technology == "flexGateway" {
        "flex"
    } else {
        "mule"
    };
    json!({
        "assetId": format!("{}-{suffix}", policy.asset), "groupId": policy.group, "version": policy.version,
        "technology": instance.technology, "minRuntimeVersion": "4.1.0", "supportedJavaVersions": ["8", "11", "17"],
    })
}
