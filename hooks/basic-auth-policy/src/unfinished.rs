//! What runs have begun and not finished, as far as this host knows.

use std::fs;
use std::path::{Path, PathBuf};

use common::anypoint::api_instances::{ApiId, Location};
use common::cli::Invocation;
use common::error::Result;
use common::net::http::segment;
use common::system::fingerprints::state_folder;
use common::system::pending::PendingSecret;

use crate::autodiscovery::backup::{Backup, Begun};
use crate::memory;
use crate::settings::HAND_OVER;

/// Something that was begun and not finished.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) work: Work,
    /// The file that says so.
    pub(crate) file: PathBuf,
}

/// What was begun.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A new password, which may be in force, has not been handed over. It is not always known for which API.
    Password(Option<OfApi>),
    /// An application was being connected to its API, or that taken back.
    Autodiscovery(Begun),
}

/// An API instance.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OfApi {
    pub(crate) organization: String,
    pub(crate) environment: String,
    pub(crate) api: u64,
}

impl Work {
    /// The API instance that it is for, where that is known.
    pub(crate) fn api(&self) -> Option<u64> {
        match self {
            Work::Password(of) => of.as_ref().map(|of| of.api),
            Work::Autodiscovery(begun) => Some(begun.api_instance),
        }
    }
}

/// Everything in the state folder of this user.
pub(crate) fn of_user(call: &Invocation) -> Vec<Unfinished> {
    let Some(folder) = state_folder(call.env()) else {
        return Vec::new();
    };
    let mut all = passwords(&folder);
    let records = Backup::unfinished(&folder).into_iter();
    all.extend(records.map(|(file, begun)| Unfinished {
        work: Work::Autodiscovery(begun),
        file,
    }));
    all
}

/// A password beside one of the files that are set: where there is no state folder, it waits there.
///
/// # Errors
///
/// Configuration: a path cannot be made out.
pub(crate) fn beside_files(call: &Invocation) -> Result<Option<Unfinished>> {
    if state_folder(call.env()).is_some() {
        return Ok(None);
    }
    for setting in HAND_OVER {
        if let Some(given) = call.settings.path(setting)? {
            let file = password_file_beside(&given.value);
            return Ok(PendingSecret::is_kept(&file).then_some(Unfinished {
                work: Work::Password(None),
                file,
            }));
        }
    }
    Ok(None)
}

/// Where a new password of an API waits until it has been handed over.
pub(crate) fn password_file(folder: &Path, at: &Location, api: ApiId) -> PathBuf {
    folder.join(format!(
        "{}{}-{}-{api}",
        prefix(),
        segment(at.organization.as_str()),
        segment(at.environment.as_str())
    ))
}

/// The same where there is no state folder: beside the file that it goes to.
pub(crate) fn password_file_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn prefix() -> String {
    format!("{}-password-", memory::PROGRAM)
}

fn passwords(folder: &Path) -> Vec<Unfinished> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut all: Vec<Unfinished> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let of = name.to_str()?.strip_prefix(&prefix())?;
            let file = entry.path();
            PendingSecret::is_kept(&file).then(|| Unfinished {
                work: Work::Password(parse(of)),
                file,
            })
        })
        .collect();
    all.sort_by(|a, b| a.file.cmp(&b.file));
    all
}

/// Reads `ORGANIZATION-ENVIRONMENT-API`: two UUIDs and a number.
fn parse(text: &str) -> Option<OfApi> {
    /// The characters of a UUID.
    const UUID: usize = 36;
    let (ids, api) = text.rsplit_once('-')?;
    let (organization, environment) = ids.split_at_checked(UUID)?;
    Some(OfApi {
        organization: organization.to_owned(),
        environment: environment.strip_prefix('-')?.to_owned(),
        api: api.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use common::anypoint::directory::{EnvironmentId, OrganizationId};

    use super::*;

    #[test]
    fn the_name_of_a_password_file_says_which_api_it_is_for() {
        let [organization, environment] = [
            "0a000000-0000-4000-8000-000000000001",
            "0e000000-0000-4000-8000-000000000002",
        ];
        let at = Location {
            organization: OrganizationId::new(organization),
            environment: EnvironmentId::new(environment),
        };
        let file = password_file(Path::new("/state"), &at, ApiId(7));
        let name = file.file_name().unwrap().to_str().unwrap();
        let of = parse(name.strip_prefix(&prefix()).unwrap());
        let expected = OfApi {
            organization: organization.to_owned(),
            environment: environment.to_owned(),
            api: 7,
        };
        assert_eq!(of, Some(expected));
        for other in ["", "7", "a-b-7", "é-7"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
