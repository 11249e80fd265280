//! What a check has found, and the commands that mend it.

use common::anypoint::DEFAULT_URL;
use common::anypoint::api_instances::{Location, Technology};
use common::anypoint::policies::BASIC_AUTHENTICATION;
use common::cli::Invocation;
use common::cli::monitoring::{Item, Kind, State};
use common::net::http::base_url;
use common::settings::Setting;
use common::system::process::shell_word;

use crate::credentials;
use crate::judgment::Gap;
use crate::settings::{API, ENVIRONMENT, ORGANIZATION, PASSWORD, URL};
use crate::survey::{ApiStatus, Apis, PolicyStatus, Survey};
use crate::unfinished::{self, OfApi, Unfinished, Work};

const PROGRAM: &str = "basic-auth-policy";

/// One finding for each API that was read.
pub(crate) fn of_survey(call: &Invocation, survey: &Survey) -> Vec<Item> {
    let of_api = |api: &ApiStatus| of_api(call, &survey.at, api);
    survey.apis.all().iter().map(of_api).collect()
}

fn of_api(call: &Invocation, at: &Location, api: &ApiStatus) -> Item {
    let state = match (&api.unreadable, api.gap) {
        (Some(_), _) => State::Unknown,
        (None, Some(_)) => State::Open,
        (None, None) => State::Ok,
    };
    let name = match &api.label {
        Some(label) => format!("{}/{label}", api.api),
        None => api.api.clone(),
    };
    let mut item = Item::new(Kind::Api, name, state)
        .at("organization", at.organization.as_str())
        .at("environment", at.environment.as_str())
        .at("api_instance", api.api_instance_id.to_string());
    item.detail = match (&api.unreadable, api.gap) {
        (Some(why), _) => Some(why.clone()),
        (None, Some(Gap::NoPolicy)) => Some(Gap::NoPolicy.to_string()),
        (None, Some(gap)) => Some(format!("{gap}: {}", api.authentication())),
        (None, None) => Some(api.authentication()),
    };
    item.advice = api.gap.map(|gap| {
        let target = target(
            call,
            at.organization.as_str(),
            at.environment.as_str(),
            api.api_instance_id,
        );
        cure(call, api, gap, &target)
    });
    item
}

/// What closes the API.
fn cure(call: &Invocation, api: &ApiStatus, gap: Gap, target: &str) -> String {
    let apply = || format!("{PROGRAM} apply {target}{}", credentials_of(call));
    // The policy that the gap is about.
    let nearest = |is_it: &dyn Fn(&PolicyStatus) -> bool| {
        api.policies
            .iter()
            .filter(|policy| policy.authenticates && is_it(policy))
            // What can be mended by a command comes first.
            .min_by_key(|policy| !is_own_basic(policy))
    };
    match gap {
        Gap::NoPolicy | Gap::OtherTechnology => apply(),
        Gap::Off => match nearest(&|policy| !policy.enabled) {
            Some(own) if is_own_basic(own) => {
                format!("{PROGRAM} enable {target} --policy-id {}", own.policy_id)
            }
            Some(other) => format!("Switch on policy {} in API Manager.", other.policy),
            None => apply(),
        },
        Gap::Conditions => match nearest(&|policy| policy.resources.is_some()) {
            Some(own) if is_own_basic(own) => {
                format!("{} --whole-api --policy-id {}", apply(), own.policy_id)
            }
            Some(other) => format!(
                "Apply policy {} to all methods and resources in API Manager.",
                other.policy
            ),
            None => apply(),
        },
        Gap::NotEnforced if api.technology == Technology::Mule4 => {
            format!("{PROGRAM} autodiscover {target} --app APPLICATION")
        }
        Gap::NotEnforced => {
            "Deploy the API to a gateway that is connected, in API Manager.".to_owned()
        }
    }
}

fn is_own_basic(policy: &PolicyStatus) -> bool {
    !policy.automated && policy.policy == BASIC_AUTHENTICATION
}

/// The flags that name an API instance whatever else is set.
fn target(call: &Invocation, organization: &str, environment: &str, api: u64) -> String {
    let plane = match call.settings.address(&URL) {
        Ok(url) if url != DEFAULT_URL => format!("--anypoint-url {} ", shell_word(&url)),
        _ => String::new(),
    };
    let [organization, environment] = [organization, environment].map(shell_word);
    format!("{plane}--organization {organization} --environment {environment} --api {api}")
}

/// The flags for what is not set of user and password.
fn credentials_of(call: &Invocation) -> String {
    let mut flags = String::new();
    if !matches!(credentials::username_if_set(&call.settings), Ok(Some(_))) {
        flags += " --username NAME";
    }
    if !matches!(call.settings.secret(&PASSWORD), Ok(Some(_))) {
        flags += " --generate-password --password-out FILE";
    }
    flags
}

/// An API that nothing is known of.
pub(crate) fn unknown_api(call: &Invocation, name: Option<&str>, err: &anyhow::Error) -> Item {
    let api = set(call, &API);
    let name = name.or(api.as_deref()).unwrap_or_default();
    let item = Item::new(Kind::Api, name, State::Unknown);
    located(call, with(item, "api_instance", api)).because(err)
}

/// An environment that nothing is known of.
pub(crate) fn unknown_environment(call: &Invocation, err: &anyhow::Error) -> Item {
    let name = set(call, &ENVIRONMENT).unwrap_or_else(|| PROGRAM.to_owned());
    let url = call.settings.address(&URL).ok();
    let host = url.and_then(|url| base_url(&url).ok()?.host_str().map(str::to_owned));
    let item = Item::new(Kind::Platform, name, State::Unknown);
    located(call, with(item, "host", host)).because(err)
}

/// With the organization and the environment as they are set: nobody could be asked for their ids.
fn located(call: &Invocation, item: Item) -> Item {
    let item = with(item, "organization", set(call, &ORGANIZATION));
    with(item, "environment", set(call, &ENVIRONMENT))
}

fn with(item: Item, key: &str, value: Option<String>) -> Item {
    match value {
        Some(value) => item.at(key, value),
        None => item,
    }
}

fn set(call: &Invocation, setting: &Setting) -> Option<String> {
    let found = call.settings.text(setting).ok().flatten();
    found.map(|found| found.value)
}

/// Work that this host knows to be unfinished, and `waiting` beside it. Where one API alone is asked about, what is left
/// of others is for other calls.
pub(crate) fn of_unfinished<'a>(
    call: &Invocation,
    surveys: &[&Survey],
    waiting: impl IntoIterator<Item = &'a Unfinished>,
) -> Vec<Item> {
    let mut left = unfinished::of_user(call);
    if let [survey] = surveys
        && let Apis::One(api) = &survey.apis
    {
        left.retain(|left| left.work.api().is_none_or(|of| of == api.api_instance_id));
    }
    let of = |left: &Unfinished| of_work(call, left, surveys);
    let known = left.iter().map(of);
    known.chain(waiting.into_iter().map(of)).collect()
}

/// `surveys` tell which policy an API has.
fn of_work(call: &Invocation, left: &Unfinished, surveys: &[&Survey]) -> Item {
    let file = left.file.display().to_string();
    let (name, detail, advice) = match &left.work {
        Work::Password(of) => {
            let name = match of {
                Some(of) => format!("API {}", of.api),
                None => file.clone(),
            };
            let detail = "a new password may be in force and was not handed over";
            let advice = match of {
                Some(of) => hand_over(call, of, surveys),
                None => format!("{PROGRAM} rotate, with the same files"),
            };
            (name, detail, advice)
        }
        Work::Autodiscovery(begun) => {
            let target = target(
                call,
                &begun.organization,
                &begun.environment,
                begun.api_instance,
            );
            let (detail, undo) = if begun.undo {
                (
                    "taking autodiscover back was begun and not finished",
                    " --undo",
                )
            } else {
                ("autodiscover was begun and not finished", "")
            };
            let app = shell_word(&begun.application);
            let advice = format!("{PROGRAM} autodiscover {target} --app {app}{undo}");
            (begun.application.clone(), detail, advice)
        }
    };
    let mut item = Item::new(Kind::UnfinishedWork, name, State::Unfinished).at("target", file);
    item.detail = Some(detail.to_owned());
    item.advice = Some(advice);
    item
}

/// The line about such work for people.
pub(crate) fn line(item: &Item) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!(
        "UNFINISHED {}: {} ({}); {}",
        item.name,
        part(&item.detail),
        item.at.values().next().map_or("", String::as_str),
        part(&item.advice)
    )
}

/// What hands over a password that is waiting for it.
fn hand_over(call: &Invocation, of: &OfApi, surveys: &[&Survey]) -> String {
    let target = target(call, &of.organization, &of.environment, of.api);
    let known = surveys
        .iter()
        .flat_map(|survey| survey.apis.all())
        .find(|api| api.api_instance_id == of.api && api.unreadable.is_none());
    let was_never_applied = known.is_some_and(|api| !api.policies.iter().any(is_own_basic));
    if was_never_applied {
        let user = match credentials::username_if_set(&call.settings) {
            Ok(Some(_)) => "",
            _ => " --username NAME",
        };
        format!("{PROGRAM} apply {target}{user} --generate-password --password-out FILE")
    } else {
        format!("{PROGRAM} rotate {target} --password-out FILE")
    }
}
