//! The policy as the user wants it.

use std::num::NonZeroUsize;

use common::anypoint::policies::BasicConfiguration;
use common::cli::Invocation;
use common::error::Result;
use common::secret::Secret;
use common::settings::Sourced;
use semver::Version;

use crate::args::ApplyArgs;
use crate::plan::Scope;
use crate::settings::{ApiEntry, Conditions, Lists, ORDER, POLICY_VERSION};

/// The policy as it is to be.
#[derive(Debug)]
pub(crate) struct DesiredPolicy {
    pub(crate) username: Sourced,
    pub(crate) password: Sourced<Secret>,
    pub(crate) rest: Rest,
}

/// What it is to be beside its user and password.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) version: Option<Version>,
    /// Position among the policies, from 1.
    pub(crate) order: Option<NonZeroUsize>,
    pub(crate) scope: Scope,
    /// Move to a new major version.
    pub(crate) upgrade: bool,
    /// Let more requests through without asking.
    pub(crate) may_narrow: bool,
}

impl DesiredPolicy {
    /// User and password as the platform takes them.
    pub(crate) fn configuration(&self) -> BasicConfiguration<'_> {
        BasicConfiguration {
            username: &self.username.value,
            password: &self.password.value,
        }
    }
}

impl Rest {
    /// Reads the settings and the command line.
    pub(crate) fn read(call: &Invocation, args: &ApplyArgs) -> Result<Self> {
        let version = call.settings.parsed(&POLICY_VERSION, |text| {
            Version::parse(text).map_err(|_| format!("{text:?} is not a version such as 1.3.2"))
        })?;
        let order = call.settings.parsed(&ORDER, |text| {
            text.parse()
                .map_err(|_| format!("{text:?} is not a position: they count from 1"))
        })?;
        Ok(Self {
            version: version.map(|found| found.value),
            order: order.map(|found| found.value),
            scope: scope(call, args)?,
            upgrade: args.upgrade,
            may_narrow: args.yes,
        })
    }
}

/// What the command line says about the requests replaces all that the TOML file says about them, and what that says of
/// this API what it says of all.
fn scope(call: &Invocation, args: &ApplyArgs) -> Result<Scope> {
    let given = Scope::of(&args.methods, &args.paths, &args.resource, args.whole_api)?;
    if given != Scope::Keep {
        return Ok(given);
    }
    if let Some(entry) = call.settings.entry::<ApiEntry>()? {
        let own = Scope::of(&entry.methods, &entry.paths, &[], false)?;
        if own != Scope::Keep {
            return Ok(own);
        }
    }
    match call.settings.file() {
        Some(file) => {
            let Conditions { methods, paths } = file.lists::<Lists>()?.basic_auth_policy.conditions;
            Scope::of(&methods, &paths, &[], false)
        }
        None => Ok(Scope::Keep),
    }
}
