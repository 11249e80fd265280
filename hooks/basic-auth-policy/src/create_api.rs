//! `create-api`: the Exchange asset where it is missing, and the API instance.

use std::time::Duration;

use common::anypoint::api_instances::{ApiId, ApiInstance, LONGEST_LABEL, NewApi, Technology};
use common::anypoint::exchange::{AssetName, Created, asset_id};
use common::cli::exit::Outcome;
use common::error::{Error, Kind, Result};
use common::log::Report;
use semver::Version;
use serde::Serialize;

use crate::args::{CreateApiArgs, Gateway, Runtime};
use crate::session::{Context, Session};

/// How long a new asset may take to show up.
const PUBLICATION: Duration = Duration::from_secs(30);

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

/// Runs the command.
pub(crate) fn run(context: &Context<'_>, args: &CreateApiArgs) -> anyhow::Result<Outcome> {
    let wanted = Wanted::read(context, args)?;
    let session = context.prepare()?.log_in()?;
    if let Some(known) = wanted.instance(&session)? {
        context
            .out
            .info(format!("API instance {} is there already", known.shown()));
        context.out.result(&CreatedApi {
            api_instance_id: known.id.0,
            asset_version: known.asset_version.unwrap_or_default(),
            asset: known.asset,
            label: known.label,
            asset_created: false,
            instance_created: false,
        })?;
        return Ok(Outcome::Done);
    }
    let (version, asset_created) = wanted.ensure_asset(context, &session)?;
    let id = wanted.create(&session, &version)?;
    context.out.info(format!(
        "created API instance {id} of {} {version}",
        wanted.asset
    ));
    context.out.result(&CreatedApi {
        api_instance_id: id.0,
        asset: wanted.asset.clone(),
        asset_version: version,
        label: wanted.label.map(str::to_owned),
        asset_created,
        instance_created: true,
    })?;
    Ok(Outcome::Done)
}

struct Wanted<'a> {
    args: &'a CreateApiArgs,
    asset: String,
    label: Option<&'a str>,
    technology: Technology,
    deployment_type: &'static str,
}

impl<'a> Wanted<'a> {
    fn read(context: &Context<'a>, args: &'a CreateApiArgs) -> Result<Self> {
        let asset = args.asset.clone().unwrap_or_else(|| asset_id(&args.name));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if asset.is_empty() || !asset.chars().all(fits) {
            return Err(Error::config(format!(
                "{asset:?} is no Exchange asset id, which consists of lower-case letters, digits and hyphens"
            ))
            .advise("Give one with --asset, as orders-api."));
        }
        Version::parse(&args.asset_version).map_err(|_| {
            Error::config(format!(
                "--asset-version {:?} is not a version such as 1.0.0",
                args.asset_version
            ))
        })?;
        let label = context.target.label.as_deref();
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
            label,
            technology: if flex {
                Technology::FlexGateway
            } else {
                Technology::Mule4
            },
            deployment_type: match (flex, args.runtime) {
                (true, _) | (_, Runtime::Hybrid) => "HY",
                (_, Runtime::Ch2) => "CH2",
                (_, Runtime::Ch) => "CH",
                (_, Runtime::Rtf) => "RF",
            },
        })
    }

    /// An instance that is there already: the same asset, label and kind of gateway.
    fn instance(&self, session: &Session) -> Result<Option<ApiInstance>> {
        let all = session.client.apis(&session.at, None)?;
        let candidates = all
            .into_iter()
            .filter(|api| api.asset == self.asset && api.label.as_deref() == self.label);
        let mut fitting = Vec::new();
        for candidate in candidates {
            // A list does not always tell the technology.
            let api = session.client.api(&session.at, candidate.id)?;
            if api.technology == self.technology {
                fitting.push(api);
            }
        }
        if fitting.len() > 1 {
            let shown: Vec<String> = fitting.iter().map(ApiInstance::shown).collect();
            return Err(Error::config(format!(
                "there are {} instances of {} already: {}",
                fitting.len(),
                self.asset,
                shown.join(", ")
            ))
            .advise("Use one of them by its number, or give another --label."));
        }
        Ok(fitting.pop())
    }

    /// Makes sure that the asset is in Exchange. A version that was deleted can never come back, so that the next major
    /// one is taken then.
    fn ensure_asset(&self, context: &Context<'_>, session: &Session) -> Result<(String, bool)> {
        let mut version = Version::parse(&self.args.asset_version)
            .map_err(|err| Error::config("--asset-version").caused_by(err))?;
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
                self.wait_for(session, &name)?;
                context.out.info(format!(
                    "created asset {} {version} in Exchange",
                    self.asset
                ));
                return Ok((version.to_string(), true));
            }
            if session.client.asset(&name)?.is_some() {
                return Ok((version.to_string(), false));
            }
            let next = Version::new(version.major + 1, 0, 0);
            context.out.warn(format!(
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

    fn wait_for(&self, session: &Session, name: &AssetName) -> Result<()> {
        let clock = session.client.http().clock();
        let start = clock.elapsed();
        loop {
            if session.client.asset(name)?.is_some() {
                return Ok(());
            }
            if clock.elapsed() - start > PUBLICATION {
                return Err(Error::new(
                    Kind::Unproved,
                    format!(
                        "Exchange took asset {} {} and does not show it after {} s",
                        name.asset,
                        name.version,
                        PUBLICATION.as_secs()
                    ),
                )
                .advise("Look for it in Exchange, and run create-api again."));
            }
            clock.sleep(Duration::from_secs(1));
        }
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
                match self.instance(session)? {
                    Some(api) => Ok(api.id),
                    None if err.status() == Some(409) => Err(err),
                    None => Err(err.as_kind(Kind::Unproved)),
                }
            }
            created => created,
        }
    }
}
