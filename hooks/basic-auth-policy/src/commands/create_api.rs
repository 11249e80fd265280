//! `create-api`: the Exchange asset where it is missing, and the API instance.

use std::time::Duration;

use common::anypoint::api_instances::{ApiId, ApiInstance, LONGEST_LABEL, NewApi, Technology};
use common::anypoint::exchange::{AssetName, Created, asset_id};
use common::cli::{Invocation, Outcome, Report};
use common::error::{Error, Kind, Result};
use common::system::polling::{Look, Pauses, poll};
use semver::Version;
use serde::Serialize;

use crate::args::{CreateApiArgs, Gateway, Runtime};
use crate::session::{self, Session};
use crate::settings::{API, LABEL};

/// How long a new asset may take to show up.
const PUBLICATION: Duration = Duration::from_secs(30);

/// Version of an asset that is created here, unless another is given.
const FIRST_VERSION: &str = "1.0.0";

#[derive(Debug, Serialize)]
struct CreatedApi {
    api_instance_id: u64,
    asset: String,
    asset_version: String,
    label: Option<String>,
    asset_created: bool,
    instance_created: bool,
}

impl Report for CreatedApi {
    /// The number alone, so that a script can take it.
    fn text(&self) -> String {
        self.api_instance_id.to_string()
    }
}

pub(crate) fn run(call: &Invocation, args: &CreateApiArgs) -> anyhow::Result<Outcome> {
    let desired = DesiredApi::read(call, args)?;
    let session = session::prepare(call)?.log_in()?;
    let present = desired.instance(&session, args.asset_version.as_deref())?;
    if let Some(known) = present {
        return already_present(call, known);
    }
    if args.dry_run {
        call.log.info(format!(
            "there is no API instance of {} yet: one would be created",
            desired.asset
        ));
        return Ok(Outcome::Done);
    }
    let (version, asset_created) = desired.ensure_asset(call, &session)?;
    // An earlier run may have had to take another version as well.
    if let Some(known) = desired.instance(&session, Some(&version))? {
        return already_present(call, known);
    }
    let id = desired.create(&session, &version)?;
    call.log.info(format!(
        "created API instance {id} of {} {version}",
        desired.asset
    ));
    call.result(&CreatedApi {
        api_instance_id: id.0,
        asset: desired.asset.clone(),
        asset_version: version,
        label: desired.label.map(str::to_owned),
        asset_created,
        instance_created: true,
    })?;
    Ok(Outcome::Done)
}

fn already_present(call: &Invocation, known: ApiInstance) -> anyhow::Result<Outcome> {
    call.log
        .info(format!("API instance {} is already present", known.shown()));
    call.result(&CreatedApi {
        api_instance_id: known.id.0,
        asset_version: known.asset_version.unwrap_or_default(),
        asset: known.asset,
        label: known.label,
        asset_created: false,
        instance_created: false,
    })?;
    Ok(Outcome::Done)
}

struct DesiredApi<'a> {
    args: &'a CreateApiArgs,
    asset: String,
    version: Version,
    label: Option<&'a str>,
    technology: Technology,
    deployment_type: &'static str,
}

impl<'a> DesiredApi<'a> {
    fn read(call: &'a Invocation, args: &'a CreateApiArgs) -> Result<Self> {
        if call.settings.flag(&API).is_some() {
            return Err(Error::config(
                "--api has no effect: it names an API instance that is already present",
            )
            .advise("Leave it out, and choose the asset of the new instance with --asset."));
        }
        let asset = args.asset.clone().unwrap_or_else(|| asset_id(&args.name));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if asset.is_empty() || !asset.chars().all(fits) {
            return Err(Error::config(format!(
                "{asset:?} is not an Exchange asset id, which consists of lower-case letters, digits and hyphens"
            ))
            .advise("Give one with --asset, for example orders-api."));
        }
        let version = args.asset_version.as_deref().unwrap_or(FIRST_VERSION);
        let version = Version::parse(version).map_err(|_| {
            Error::config(format!(
                "--asset-version {version:?} is not a version such as 1.0.0"
            ))
        })?;
        let label = call.settings.flag(&LABEL);
        if label.is_some_and(|label| label.is_empty() || label.chars().count() > LONGEST_LABEL) {
            return Err(Error::config(format!(
                "--label is empty or longer than {LONGEST_LABEL} characters"
            )));
        }
        let flex = args.gateway == Gateway::Flex;
        if !flex && (args.upstream.is_some() || args.listen.is_some()) {
            return Err(Error::config(
                "--upstream and --listen are for --gateway flex",
            ));
        }
        Ok(Self {
            args,
            asset,
            version,
            label,
            technology: if flex {
                Technology::FlexGateway
            } else {
                Technology::Mule4
            },
            deployment_type: match (flex, args.runtime) {
                (true, _) | (_, Some(Runtime::Hybrid)) => "HY",
                (_, None | Some(Runtime::Ch2)) => "CH2",
                (_, Some(Runtime::Ch)) => "CH",
                (_, Some(Runtime::Rtf)) => "RF",
            },
        })
    }

    /// An instance that is there already: the same asset, of this version if one is given, label and kind of gateway.
    ///
    /// # Errors
    ///
    /// Configuration: there are several, or it is not as the command line says, which nothing here changes.
    fn instance(&self, session: &Session, version: Option<&str>) -> Result<Option<ApiInstance>> {
        let mut fitting = self.candidates(session)?;
        fitting.retain(|api| {
            api.technology == self.technology
                && version.is_none_or(|version| api.asset_version.as_deref() == Some(version))
        });
        if fitting.len() > 1 {
            let shown: Vec<String> = fitting.iter().map(ApiInstance::shown).collect();
            return Err(Error::config(format!(
                "{} instances of {} are already present: {}",
                fitting.len(),
                self.asset,
                shown.join(", ")
            ))
            .advise("Use one of them by its number, or give another --label."));
        }
        let found = fitting.pop();
        if let Some(api) = &found {
            self.must_not_differ(api)?;
        }
        Ok(found)
    }

    /// The instances of the asset with this label. One that is deleted meanwhile is none.
    fn candidates(&self, session: &Session) -> Result<Vec<ApiInstance>> {
        let all = session.client.apis(&session.at, None)?;
        let ours = all
            .into_iter()
            .filter(|api| api.asset == self.asset && api.label.as_deref() == self.label);
        let mut candidates = Vec::new();
        for listed in ours {
            // A list does not always hold the technology.
            match session.client.api(&session.at, listed.id) {
                Ok(api) => candidates.push(api),
                Err(err) if err.kind() == Kind::NotFound => {}
                Err(err) => return Err(err),
            }
        }
        Ok(candidates)
    }

    fn must_not_differ(&self, api: &ApiInstance) -> Result<()> {
        let endpoint = &api.endpoint;
        let runtime = self.args.runtime.map(|_| self.deployment_type);
        let differences: Vec<String> = [
            ("--upstream", self.args.upstream.as_deref(), &endpoint.uri),
            ("--listen", self.args.listen.as_deref(), &endpoint.proxy_uri),
            ("--runtime", runtime, &endpoint.deployment_type),
        ]
        .into_iter()
        .filter_map(|(flag, given, there)| {
            let given = given?.trim_end_matches('/');
            let there = there.as_deref().map(|there| there.trim_end_matches('/'));
            (there != Some(given))
                .then(|| format!("{flag} says {given}, it has {}", there.unwrap_or("none")))
        })
        .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::config(format!(
            "API instance {} is already present and is another: {}",
            api.shown(),
            differences.join("; ")
        ))
        .advise(
            "Change the instance in API Manager, or give another --label for one more. Nothing was changed.",
        ))
    }

    /// Makes sure that the asset is in Exchange. A version that was deleted can never come back: the next major one is
    /// taken then.
    fn ensure_asset(&self, call: &Invocation, session: &Session) -> Result<(String, bool)> {
        let mut version = self.version.clone();
        // Each version that was ever deleted costs one round.
        for _ in 0..10 {
            let name = AssetName {
                organization: session.at.organization.clone(),
                asset: self.asset.clone(),
                version: version.to_string(),
            };
            if session.client.asset(&name)?.is_some() {
                return Ok((version.to_string(), false));
            }
            let created =
                session
                    .client
                    .create_http_api(&name, &self.args.name, &self.args.api_version)?;
            if created == Created::Yes {
                wait_for(call, session, &name)?;
                call.log.info(format!(
                    "created asset {} {version} in Exchange",
                    self.asset
                ));
                return Ok((version.to_string(), true));
            }
            if session.client.asset(&name)?.is_some() {
                return Ok((version.to_string(), false));
            }
            let next = Version::new(version.major + 1, 0, 0);
            call.log.warn(format!(
                "version {version} of asset {} was deleted from Exchange and can never be published again: taking {next}",
                self.asset
            ));
            version = next;
        }
        Err(Error::new(
            Kind::Refused,
            format!(
                "ten versions of asset {} are used up in Exchange",
                self.asset
            ),
        )
        .advise("Choose another --asset, or a higher --asset-version."))
    }

    fn create(&self, session: &Session, version: &str) -> Result<ApiId> {
        let created = session.client.create_api(
            &session.at,
            &NewApi {
                group: session.at.organization.as_str(),
                asset: &self.asset,
                version,
                label: self.label,
                technology: self.technology,
                deployment_type: self.deployment_type,
                uri: self.args.upstream.as_deref(),
                proxy_uri: self.args.listen.as_deref(),
            },
        );
        match created {
            // The instance may have been created although no answer came.
            Err(err) if err.effect_unknown() || err.status() == Some(409) => {
                match self.instance(session, Some(version))? {
                    Some(api) => Ok(api.id),
                    None if err.status() == Some(409) => Err(self.explained(session, err)),
                    None => Err(err.as_kind(Kind::Unproved)),
                }
            }
            created => created,
        }
    }

    /// What the platform may mean by a conflict.
    fn explained(&self, session: &Session, conflict: Error) -> Error {
        let present: Vec<String> = (self.candidates(session).into_iter().flatten())
            .map(|api| {
                let version = api.asset_version.as_deref().unwrap_or("unknown");
                format!("{} of version {version} on {}", api.shown(), api.technology)
            })
            .collect();
        if present.is_empty() {
            return conflict;
        }
        conflict.advise(format!(
            "Already present: {}. Give another --label for one more.",
            present.join(", ")
        ))
    }
}

fn wait_for(call: &Invocation, session: &Session, name: &AssetName) -> Result<()> {
    let pauses = Pauses::of(Duration::from_secs(1));
    let look = || -> Result<Look<(), ()>> {
        Ok(match session.client.asset(name)? {
            Some(_) => Look::Done(()),
            None => Look::NotYet(()),
        })
    };
    match poll(call.clock.as_ref(), PUBLICATION, pauses, look, |()| {})? {
        Look::Done(()) => Ok(()),
        Look::NotYet(()) => Err(Error::new(
            Kind::Unproved,
            format!(
                "Exchange took asset {} {} and does not show it after {} s",
                name.asset,
                name.version,
                PUBLICATION.as_secs()
            ),
        )
        .advise("Look for it in Exchange, and run create-api again.")),
    }
}
