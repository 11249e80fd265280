//! How `flexctl` is called for one renewal: by itself, or in a container of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::cli::Invocation;
use common::error::{Error, Result};
use common::flex::flexctl::{Failed, Failure, Flexctl, Login, Renewal, Renewed};
use common::flex::registration::FILE_NAME;
use common::log::Log;
use common::settings::{Origin, Sourced};

use crate::container_network;
use crate::containers::{self, Engine, Mounted};
use crate::discovery::FLEXCTL;
use crate::gateway::{Gateway, UpdateUrls};
use crate::runtime::Runtime;
use crate::state;

/// Limit on asking for the version, which needs no network.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// `flexctl` as it is called for one renewal.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) flexctl: Flexctl,
    /// The folder `work` as `flexctl` sees it.
    sees: PathBuf,
    /// The same program, to be asked which version it is.
    plain: Flexctl,
    /// How messages call it.
    pub(crate) described: String,
    /// The container to remove should the call not finish.
    container: Option<(Engine, String)>,
}

impl Call {
    /// How `flexctl` is run in `runtime` on what is in `work`. `mounted` are the gateway's own containers. The newest
    /// image is fetched first where that is asked for.
    ///
    /// # Errors
    ///
    /// Not found: the runtime is not installed. Configuration: a flag that does not apply to it.
    pub(crate) fn new(
        gateway: &Gateway,
        runtime: Runtime,
        work: &Path,
        mounted: &[Mounted],
        call: &Invocation,
    ) -> Result<Self> {
        let log = &call.log;
        let Some(engine) = Engine::of(runtime) else {
            refuse_flag(gateway.image.as_ref(), "in no container", runtime)?;
            let program = gateway
                .flexctl
                .as_ref()
                .map_or(FLEXCTL, |flexctl| &flexctl.value);
            return Ok(Self {
                flexctl: Flexctl::on_host(program, gateway.flexctl_timeout),
                plain: Flexctl::on_host(program, VERSION_LIMIT),
                sees: work.to_owned(),
                described: program.to_owned(),
                container: None,
            });
        };
        refuse_flag(gateway.flexctl.as_ref(), "in a container", runtime)?;
        if !engine.exists() {
            return Err(Error::not_found(format!(
                "the program {} is not installed",
                engine.program()
            ))
            .advise("Install it, or choose another runtime with --runtime."));
        }
        let named = gateway.image.as_ref().map(|image| &image.value);
        let own = mounted.first().map(|container| &container.image);
        let image = match (named, own, gateway.pull) {
            (Some(named), _, pull) => fetched(engine, named, named, pull, log),
            (None, Some(own), pull) => fetched(engine, own, &containers::latest_of(own), pull, log),
            (None, None, pull) => fetched(
                engine,
                engine.default_image(),
                engine.default_image(),
                pull,
                log,
            ),
        };
        let name = Engine::container_name(work);
        let network = container_network::arguments(call, work)?;
        Ok(Self {
            flexctl: Flexctl {
                program: engine.program().into(),
                before: engine.run_flexctl(&name, work, network, &image),
                limit: gateway.flexctl_timeout,
                hold: None,
                folder: None,
            },
            plain: Flexctl {
                program: engine.program().into(),
                before: engine.ask_flexctl(&name, &image),
                limit: VERSION_LIMIT,
                hold: None,
                folder: None,
            },
            sees: PathBuf::from(containers::WORK),
            described: format!("flexctl of the image {image}"),
            container: Some((engine, name)),
        })
    }

    /// Has the registration in the folder `in` renewed into the folder [`state::NEW`]. A `flexctl` that cannot update
    /// URLs renews all the same, unless somebody asked for that.
    pub(crate) fn renew(
        &self,
        login: &Login,
        update_urls: UpdateUrls,
        log: &Log,
    ) -> Result<Renewed, Failed> {
        let (registration, output) = (
            self.sees.join("in").join(FILE_NAME),
            self.sees.join(state::NEW),
        );
        let renew = |update_urls| {
            self.flexctl.renew(&Renewal {
                login,
                registration: &registration,
                output: &output,
                update_urls,
            })
        };
        match renew(update_urls != UpdateUrls::No) {
            Err(failed)
                if failed.failure == Failure::CannotUpdateUrls
                    && update_urls == UpdateUrls::Usual =>
            {
                log.warn("this flexctl is too old to update the environment URLs in the registration: they stay");
                renew(false)
            }
            answered => answered,
        }
    }

    /// The version of `flexctl`, if it tells.
    pub(crate) fn version(&self, log: &Log) -> Option<String> {
        self.plain
            .version()
            .map_err(|err| {
                log.debug(format!("the version of flexctl is not known: {err}"));
                self.stop();
            })
            .ok()
    }

    /// Stops a container that a call left running. The call's own error is the one that is shown.
    pub(crate) fn stop(&self) {
        if let Some((engine, name)) = &self.container {
            engine.remove(name);
        }
    }
}

/// The image that is run: `newest` if it is to be fetched and can be, else `image`, which may be on this host.
fn fetched(engine: Engine, image: &str, newest: &str, pull: bool, log: &Log) -> String {
    if !pull {
        return image.to_owned();
    }
    log.info(format!("fetching the image {newest}"));
    match engine.pull(newest) {
        Ok(()) => newest.to_owned(),
        Err(err) => {
            log.warn(format!(
                "{newest} cannot be fetched, so {image} is used as it is: {err}"
            ));
            image.to_owned()
        }
    }
}

/// What was set for all gateways need not apply to each, but a flag is meant for this one.
fn refuse_flag(given: Option<&Sourced>, how: &str, runtime: Runtime) -> Result<()> {
    match given.map(|given| &given.origin) {
        Some(Origin::Flag(flag)) => Err(Error::config(format!(
            "{flag} does not apply: flexctl runs {how} here (runtime {runtime})"
        ))
        .advise(format!(
            "Leave out {flag}, or choose another runtime with --runtime."
        ))),
        _ => Ok(()),
    }
}
