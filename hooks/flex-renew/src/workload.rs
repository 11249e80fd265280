//! What runs a gateway's pods in a cluster.

use std::fmt;
use std::str::FromStr;

/// A kind of object that runs pods and restarts them by a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// An object that runs a gateway's pods, written `NAME` where it is a deployment, else `statefulset/NAME` or
/// `daemonset/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Workload {
    /// As `kubectl` takes it: `deployment/ingress`.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Part of the name of a registration. No object has an equals sign in its name.
    pub(crate) fn part(&self) -> String {
        match self.kind {
            Kind::Deployment => self.name.clone(),
            other => format!("{other}={}", self.name),
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            None => (Kind::Deployment, text),
            Some(("deployment" | "deploy", name)) => (Kind::Deployment, name),
            Some(("statefulset" | "sts", name)) => (Kind::StatefulSet, name),
            Some(("daemonset" | "ds", name)) => (Kind::DaemonSet, name),
            Some((other, _)) => {
                return Err(format!(
                    "{other:?} is not one of deployment, statefulset, daemonset"
                ));
            }
        };
        if name.is_empty() || name.contains('/') {
            return Err(format!("{text:?} is not NAME or KIND/NAME"));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Deployment => "deployment",
            Kind::StatefulSet => "statefulset",
            Kind::DaemonSet => "daemonset",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_a_deployment_unless_its_kind_is_said() {
        let reference = |text: &str| text.parse::<Workload>().map(|read| read.reference());
        for (text, read) in [
            ("ingress", "deployment/ingress"),
            ("deploy/ingress", "deployment/ingress"),
            ("statefulset/edge", "statefulset/edge"),
            ("sts/edge", "statefulset/edge"),
            ("ds/edge", "daemonset/edge"),
        ] {
            assert_eq!(reference(text).as_deref(), Ok(read));
        }
        for text in ["", "pod/edge", "sts/", "sts/a/b"] {
            assert!(reference(text).is_err(), "{text}");
        }
    }
}
