//! The private spaces behind many targets, each once.

use anyhow::Context as _;
use common::anypoint::directory::OrganizationId;
use common::anypoint::private_spaces::SpaceId;
use common::anypoint::tls_contexts::TlsContext;
use common::system::workers;

use crate::target::{ResolvedTarget, Target};

/// A private space, whose contexts are listed once however many targets lead there.
pub(crate) struct Space<'a> {
    /// The first of them.
    pub(crate) target: &'a Target,
    resolved: ResolvedTarget,
    /// The places of all of them in the list that was given.
    pub(crate) members: Vec<usize>,
}

impl Space<'_> {
    /// The id of the organization that it belongs to.
    pub(crate) fn organization(&self) -> &OrganizationId {
        &self.resolved.organization
    }

    /// Its id.
    pub(crate) fn id(&self) -> &SpaceId {
        &self.resolved.space
    }

    pub(crate) fn contexts(&self) -> anyhow::Result<Vec<TlsContext>> {
        let contexts = self.target.contexts(&self.resolved);
        contexts.with_context(|| format!("private space {}", self.target.name))
    }
}

/// Why a private space is not known, and the control plane that was to say so.
pub(crate) struct Refused {
    pub(crate) host: String,
    pub(crate) err: anyhow::Error,
}

/// The private spaces behind `targets`, and why others are not known.
pub(crate) fn distinct<'a>(
    targets: &[&'a Target],
    workers: usize,
) -> (Vec<Space<'a>>, Vec<Refused>) {
    let resolved = workers::side_by_side(targets, workers, |target| {
        let resolved = target.resolve();
        resolved.with_context(|| format!("private space {}", target.name))
    });
    let mut spaces: Vec<Space<'a>> = Vec::new();
    let mut refused: Vec<Refused> = Vec::new();
    for (at, (target, resolved)) in targets.iter().zip(resolved).enumerate() {
        match resolved {
            Ok(resolved) => {
                let mut known = spaces.iter_mut();
                match known.find(|space| space.resolved.is_same_space(&resolved)) {
                    Some(space) => space.members.push(at),
                    None => spaces.push(Space {
                        target,
                        resolved,
                        members: vec![at],
                    }),
                }
            }
            // A hundred certificates meet the same refusal.
            Err(err) => {
                let text = format!("{err:#}");
                if !refused
                    .iter()
                    .any(|known| format!("{:#}", known.err) == text)
                {
                    let host = target.account.host().to_owned();
                    refused.push(Refused { host, err });
                }
            }
        }
    }
    (spaces, refused)
}
