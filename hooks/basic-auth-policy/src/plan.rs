//! What is desired of the policy, compared with what is applied.

use std::num::NonZeroUsize;

use common::anypoint::policies::{Policy, PolicyId, Resource};
use common::error::{Error, Result};
use common::system::fingerprints::Match;
use semver::Version;

/// What to do about the requests that the policy is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Leave it as it is; all requests for a new policy.
    Keep,
    /// All requests.
    WholeApi,
    /// Only these.
    Resources(Vec<Resource>),
}

impl Scope {
    /// The resources that the policy is to have, `applied` being those that it has.
    pub(crate) fn resources(&self, applied: Option<&[Resource]>) -> Option<Vec<Resource>> {
        match self {
            Scope::Keep => applied.map(<[Resource]>::to_vec),
            Scope::WholeApi => None,
            Scope::Resources(resources) => Some(resources.clone()),
        }
    }

    /// What `--methods`, `--paths`, `--resource` and `--whole-api` say.
    pub(crate) fn of(
        methods: &[String],
        paths: &[String],
        resources: &[String],
        whole: bool,
    ) -> Result<Self> {
        if whole {
            return Ok(Scope::WholeApi);
        }
        let mut all = Vec::new();
        for text in resources {
            let (methods, path) = text.split_once(':').ok_or_else(|| {
                Error::config(format!("--resource {text:?} is not METHODS:REGEX"))
                    .advise("Write it as 'GET,PUT:/orders/.*'.")
            })?;
            let methods: Vec<String> = methods.split(',').map(str::to_owned).collect();
            all.push(resource("--resource", &methods, path)?);
        }
        if !methods.is_empty() || !paths.is_empty() {
            let any = [".*".to_owned()];
            for path in if paths.is_empty() { &any } else { paths } {
                all.push(resource("--methods", methods, path)?);
            }
        }
        Ok(if all.is_empty() {
            Scope::Keep
        } else {
            Scope::Resources(all)
        })
    }
}

fn resource(flag: &str, methods: &[String], path: &str) -> Result<Resource> {
    let methods: Vec<String> = methods
        .iter()
        .map(|method| method.trim().to_ascii_uppercase())
        .collect();
    if let Some(odd) = methods
        .iter()
        .find(|method| method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Err(
            Error::config(format!("{flag}: {odd:?} is not an HTTP method"))
                .advise("Write methods as GET,POST."),
        );
    }
    if path.is_empty() || path.chars().any(char::is_control) {
        return Err(Error::config(
            "a path condition is empty or holds control characters",
        ));
    }
    Ok(Resource {
        method_regex: if methods.is_empty() {
            ".*".to_owned()
        } else {
            methods.join("|")
        },
        uri_template_regex: path.to_owned(),
    })
}

/// What differs between an applied policy and the desired one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Differences {
    /// User and password are to be written.
    pub(crate) configuration: bool,
    /// Another version is desired.
    pub(crate) version: Option<String>,
    /// It is switched off.
    pub(crate) enable: bool,
    /// It is for other requests.
    pub(crate) resources: bool,
    /// The differences in words.
    pub(crate) words: Vec<String>,
}

impl Differences {
    /// Whether the policy has to be written. Its position among the others is another matter.
    pub(crate) fn any(&self) -> bool {
        !self.words.is_empty()
    }

    /// Compares. `version` is the desired one, `password` how the desired password compares with what was written last.
    pub(crate) fn between(
        applied: &Policy,
        username: &str,
        password: Match,
        version: &Version,
        scope: &Scope,
    ) -> Self {
        let mut found = Self::default();
        if applied.username.as_deref() != Some(username) {
            found.configuration = true;
            found.words.push(match &applied.username {
                Some(old) => format!("user {old} → {username}"),
                None => format!("user {username}"),
            });
        }
        match password {
            Match::Same => {}
            Match::Different => {
                found.configuration = true;
                found.words.push("password".to_owned());
            }
            // The platform does not give it back, so it is written once.
            Match::Unknown => {
                found.configuration = true;
                found
                    .words
                    .push("password (which one is set is not known)".to_owned());
            }
        }
        if !is_version(applied, version) {
            let old = applied.version.as_deref().unwrap_or("unknown");
            found.words.push(format!("version {old} → {version}"));
            found.version = Some(version.to_string());
        }
        if applied.disabled {
            found.enable = true;
            found.words.push("switched on again".to_owned());
        }
        if scope.resources(applied.resources.as_deref()) != applied.resources {
            found.resources = true;
            found.words.push("conditions".to_owned());
        }
        found
    }
}

fn is_version(applied: &Policy, version: &Version) -> bool {
    match applied.version.as_deref() {
        Some(text) => Version::parse(text).map_or(text == version.to_string(), |v| v == *version),
        None => false,
    }
}

/// The order of all policies in which `id` has the position `desired` (the last one at most), or none where it has that
/// already. Policies without a position are left alone.
pub(crate) fn reordered(
    policies: &[Policy],
    id: PolicyId,
    desired: NonZeroUsize,
) -> Option<Vec<PolicyId>> {
    let now: Vec<PolicyId> = policies
        .iter()
        .filter(|policy| policy.order.is_some() || policy.id == id)
        .map(|policy| policy.id)
        .collect();
    let mut then: Vec<PolicyId> = now.iter().copied().filter(|other| *other != id).collect();
    then.insert((desired.get() - 1).min(then.len()), id);
    (then != now).then_some(then)
}

/// Position of a policy among the others, from 1.
pub(crate) fn position(policies: &[Policy], id: PolicyId) -> Option<usize> {
    policies
        .iter()
        .filter(|policy| policy.order.is_some())
        .position(|policy| policy.id == id)
        .map(|index| index + 1)
}

/// Whether `applied` would let requests through that it refuses now.
pub(crate) fn narrows(applied: &Policy, scope: &Scope) -> bool {
    let Some(then) = scope.resources(applied.resources.as_deref()) else {
        return false;
    };
    if applied.disabled || then.iter().any(Resource::is_everything) {
        return false;
    }
    match &applied.resources {
        None => true,
        Some(now) => now.iter().any(|resource| !then.contains(resource)),
    }
}

/// The versions to try, best first: those that the platform offers. A policy is never taken back to an older one, and to
/// a new major version, which may ask for another configuration, only with `upgrade`.
pub(crate) fn versions(
    offered: Vec<Version>,
    applied: Option<&Policy>,
    upgrade: bool,
) -> Vec<Version> {
    match applied.and_then(version_of) {
        Some(current) => {
            let mut versions: Vec<Version> = offered
                .into_iter()
                .filter(|version| *version > current && (upgrade || version.major == current.major))
                .collect();
            versions.push(current);
            versions
        }
        None => offered,
    }
}

/// The newest version of those offered, where it is of a later major version than the one applied.
pub(crate) fn next_major<'v>(
    offered: &'v [Version],
    applied: Option<&Policy>,
) -> Option<&'v Version> {
    let current = applied.and_then(version_of)?;
    offered
        .iter()
        .max()
        .filter(|newest| newest.major > current.major)
}

fn version_of(policy: &Policy) -> Option<Version> {
    Version::parse(policy.version.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(id: u64, order: Option<i64>) -> Policy {
        Policy {
            id: PolicyId(id),
            group: None,
            asset: "http-basic-authentication".to_owned(),
            version: Some("1.3.1".to_owned()),
            order,
            disabled: false,
            username: Some("svc".to_owned()),
            resources: None,
            updated: None,
            technologies: Vec::new(),
        }
    }

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn numbers(ids: Option<Vec<PolicyId>>) -> Vec<u64> {
        ids.unwrap_or_default().iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_policy_that_is_as_desired_has_no_differences() {
        let found = Differences::between(
            &policy(1, Some(1)),
            "svc",
            Match::Same,
            &version("1.3.1"),
            &Scope::Keep,
        );
        assert_eq!(found, Differences::default());
    }

    #[test]
    fn every_difference_is_found_and_named() {
        let mut applied = policy(1, Some(1));
        applied.disabled = true;
        let scope = Scope::of(&["get".to_owned()], &[], &[], false).unwrap();
        let found = Differences::between(
            &applied,
            "other",
            Match::Different,
            &version("1.10.0"),
            &scope,
        );
        assert_eq!(
            found.words,
            [
                "user svc → other",
                "password",
                "version 1.3.1 → 1.10.0",
                "switched on again",
                "conditions"
            ]
        );
    }

    #[test]
    fn a_position_behind_the_last_is_the_last() {
        let at = |position| NonZeroUsize::new(position).unwrap();
        let policies = [policy(7, Some(1)), policy(8, Some(2)), policy(9, Some(5))];
        assert_eq!(numbers(reordered(&policies, PolicyId(9), at(1))), [9, 7, 8]);
        assert_eq!(
            numbers(reordered(&policies, PolicyId(7), at(99))),
            [8, 9, 7]
        );
        assert_eq!(reordered(&policies, PolicyId(9), at(3)), None);
        assert_eq!(reordered(&policies, PolicyId(9), at(99)), None);
        assert_eq!(position(&policies, PolicyId(9)), Some(3));
    }

    #[test]
    fn an_applied_version_is_never_taken_back() {
        let offered = || vec![version("1.10.0"), version("1.9.0")];
        let mut applied = policy(1, None);
        assert_eq!(versions(offered(), None, false), offered());
        applied.version = Some("1.9.0".to_owned());
        assert_eq!(versions(offered(), Some(&applied), false), offered());
        applied.version = Some("2.0.0".to_owned());
        for upgrade in [false, true] {
            assert_eq!(
                versions(offered(), Some(&applied), upgrade),
                [version("2.0.0")]
            );
        }
    }

    #[test]
    fn a_new_major_version_is_named_and_not_chosen_by_itself() {
        let offered = || vec![version("2.1.0"), version("1.10.0"), version("1.3.1")];
        let applied = policy(1, None);
        assert_eq!(
            versions(offered(), Some(&applied), false),
            [version("1.10.0"), version("1.3.1")]
        );
        assert_eq!(versions(offered(), Some(&applied), true), offered());
        assert_eq!(
            next_major(&offered(), Some(&applied)),
            Some(&version("2.1.0"))
        );
        assert_eq!(next_major(&offered()[1..], Some(&applied)), None);
        assert_eq!(next_major(&offered(), None), None);
    }

    #[test]
    fn a_policy_narrows_where_it_lets_more_through() {
        let resource = |methods: &str, path: &str| Resource {
            method_regex: methods.to_owned(),
            uri_template_regex: path.to_owned(),
        };
        let (get, put) = (resource("GET", ".*"), resource("PUT", "/a"));
        let some = Scope::Resources(vec![get.clone()]);
        let mut applied = policy(1, None);
        assert!(narrows(&applied, &some));
        for scope in [
            Scope::Keep,
            Scope::WholeApi,
            Scope::Resources(vec![resource(".*", ".*")]),
        ] {
            assert!(!narrows(&applied, &scope), "{scope:?}");
        }
        applied.resources = Some(vec![get.clone()]);
        assert!(!narrows(&applied, &some));
        let both = Scope::Resources(vec![put.clone(), get.clone()]);
        assert!(!narrows(&applied, &both));
        assert!(narrows(&applied, &Scope::Resources(vec![put.clone()])));
        applied.resources = Some(vec![put, get]);
        assert!(narrows(&applied, &some));
        applied.disabled = true;
        assert!(!narrows(&applied, &some), "it is open already");
    }

    #[test]
    fn methods_and_paths_become_resources() {
        let text = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let resource = |methods: &str, path: &str| Resource {
            method_regex: methods.to_owned(),
            uri_template_regex: path.to_owned(),
        };
        assert_eq!(
            Scope::of(
                &text(&["get", "PUT"]),
                &text(&["/a", "/b{1,2}"]),
                &[],
                false
            )
            .unwrap(),
            Scope::Resources(vec![
                resource("GET|PUT", "/a"),
                resource("GET|PUT", "/b{1,2}")
            ])
        );
        assert_eq!(
            Scope::of(&[], &[], &text(&["GET:/a:b", "PUT,POST:/c"]), false).unwrap(),
            Scope::Resources(vec![resource("GET", "/a:b"), resource("PUT|POST", "/c")])
        );
        assert!(Scope::of(&text(&["G|T"]), &[], &[], false).is_err());
        assert!(Scope::of(&[], &[], &text(&["/a"]), false).is_err());
        assert_eq!(Scope::of(&[], &[], &[], false).unwrap(), Scope::Keep);
    }
}
