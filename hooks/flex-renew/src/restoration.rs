//! Putting a registration back that a renewal replaced.

use std::path::PathBuf;

use common::cli::{Invocation, Report};
use common::error::{Error, Result};
use common::flex::registration::{Files, Registration};
use common::system::signals::Signals;
use jiff::Timestamp;
use serde::Serialize;

use crate::dates::day;
use crate::due::Due;
use crate::gateway::Gateway;
use crate::gateway_log::Seen;
use crate::installation::Installation;
use crate::renewal::Procedure;
use crate::restart::Restart;
use crate::state::{self, Begun, State};

/// What became of a registration.
#[derive(Debug, Serialize)]
pub(crate) struct Restored {
    gateway: String,
    /// Folder of the backup that is installed now.
    restored: PathBuf,
    /// Folder of the backup of what was installed before.
    replaced: PathBuf,
    /// End of the certificate that is installed now.
    expires: Timestamp,
    /// What was restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted: Option<String>,
}

impl Report for Restored {
    fn text(&self) -> String {
        let restarted = match &self.restarted {
            Some(what) => format!("restarted {what}"),
            None => "not restarted".to_owned(),
        };
        format!(
            "{}: restored from {}, valid until {}; {restarted}",
            self.gateway,
            self.restored.display(),
            day(self.expires)
        )
    }
}

/// Installs a backup, the last that differs from what is installed unless one is named, and restarts the gateway with it.
/// What was installed is kept as a backup, so that this can be taken back as well.
///
/// # Errors
///
/// Not found: there is no such backup. Configuration: it cannot be used, or a renewal has to be finished first. Else those
/// of an installation; what was there before goes back then.
pub(crate) fn restore(
    call: &Invocation,
    gateway: &Gateway,
    backup: Option<&str>,
) -> anyhow::Result<Restored> {
    let (runtime, why) = gateway.runtime()?;
    let mut installation = Installation::of(gateway)?;
    let folder = installation.state_folder(gateway, call.env())?;
    call.log.info(format!("runtime {runtime}: {why}"));
    let state = State::open(&folder, gateway.flexctl_timeout, &call.log)?;
    if state::is_unfinished(&folder) {
        return Err(Error::config("a renewal was begun and not finished")
            .advise("Finish it first: flex-renew renew. It goes back by itself if the gateway does not start.")
            .into());
    }
    let procedure = Procedure {
        gateway,
        call,
        runtime,
        state: &state,
        force: true,
    };
    let installed = installation.read()?;
    let (restored, new) = chosen(&state, backup, &installed)?;
    let registration = usable(&new, &restored)?;
    // One that cannot be read is all the more reason to restore another.
    let present = installed.parse(&installation.name());
    if let Some(difference) = present.ok().and_then(|there| there.differs(&registration)) {
        call.log.warn(format!(
            "the backup is not of the gateway that is installed: {difference}"
        ));
    }
    let mounted = procedure.mounted(&installation)?;
    let restart = procedure.prepare(&mut installation, &mounted, &[])?;
    let _signals = Signals::listen();
    let begun = Begun {
        before: installation.read_with(&new)?,
        new,
        containers: restart.containers(),
    };
    state.begin(&begun)?;
    let (replaced, _, seen) = procedure.install(&installation, begun, &restart)?;
    state.end()?;
    if let Seen::Missing(what) = &seen {
        call.log.warn(what);
    }
    if Due::of(&registration.certificate, gateway.within, call.clock.now()) == Due::Yes {
        call.log
            .warn("it is due: the next run of flex-renew renews it, unless that is stopped");
    }
    Ok(Restored {
        gateway: gateway.name.clone(),
        restored,
        replaced,
        expires: registration.expiry(),
        restarted: match &restart {
            Restart::Nothing => None,
            restart => Some(restart.to_string()),
        },
    })
}

fn chosen(state: &State, named: Option<&str>, installed: &Files) -> Result<(PathBuf, Files)> {
    let all = state.backups();
    let name = |folder: &PathBuf| {
        folder
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let found = match named {
        Some(named) => match all.iter().find(|folder| name(folder) == named) {
            Some(folder) => Some((folder.clone(), state::read_backup(folder)?)),
            None => None,
        },
        None => all.iter().rev().find_map(|folder| {
            let files = state::read_backup(folder).ok()?;
            (files != *installed && usable(&files, folder).is_ok()).then(|| (folder.clone(), files))
        }),
    };
    found.ok_or_else(|| {
        let names: Vec<String> = all.iter().map(name).collect();
        let what = match named {
            Some(named) => format!("there is no backup {named}"),
            None => {
                "there is no usable backup of another registration than the one that is installed"
                    .to_owned()
            }
        };
        Error::not_found(what).advise(if names.is_empty() {
            "No registration has been replaced here yet.".to_owned()
        } else {
            format!("There are: {}. Name one with --backup.", names.join(", "))
        })
    })
}

fn usable(files: &Files, folder: &std::path::Path) -> Result<Registration> {
    let name = folder.display().to_string();
    let registration = files.parse(&name)?;
    registration.check_key(&name)?;
    Ok(registration)
}
