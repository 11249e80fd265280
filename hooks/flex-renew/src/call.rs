//! How `flexctl` is called for one renewal: by itself, or in a container of its own.

use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::flex::flexctl::Flexctl;
use common::settings::{Origin, Sourced};

use crate::containers::{self, Engine, Mounted};
use crate::discovery::FLEXCTL;
use crate::gateway::Gateway;
use crate::runtime::Runtime;

/// `flexctl` as it is called for one renewal.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) flexctl: Flexctl,
    /// The folder `work` as `flexctl` sees it.
    pub(crate) sees: PathBuf,
    /// How messages call it.
    pub(crate) described: String,
    /// The container to remove should the call not finish.
    container: Option<(Engine, String)>,
}

impl Call {
    /// How `flexctl` is run in `runtime` on what is in `work`. `mounted` are the gateway's own containers.
    ///
    /// # Errors
    ///
    /// Not found: the runtime is not installed. Configuration: a flag that does not apply to it.
    pub(crate) fn new(
        gateway: &Gateway,
        runtime: Runtime,
        work: &Path,
        mounted: &[Mounted],
    ) -> Result<Self> {
        let Some(engine) = Engine::of(runtime) else {
            refuse_flag(gateway.image.as_ref(), "in no container", runtime)?;
            let program = gateway
                .flexctl
                .as_ref()
                .map_or(FLEXCTL, |flexctl| &flexctl.value);
            return Ok(Self {
                flexctl: Flexctl::on_host(program, gateway.flexctl_timeout),
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
        let image = gateway
            .image
            .as_ref()
            .map(|image| image.value.clone())
            .or_else(|| mounted.first().map(|container| container.image.clone()))
            .unwrap_or_else(|| engine.default_image().to_owned());
        let name = Engine::container_name(work);
        Ok(Self {
            flexctl: Flexctl {
                program: engine.program().into(),
                before: engine.run_flexctl(&name, work, &image),
                limit: gateway.flexctl_timeout,
                hold: None,
                folder: None,
            },
            sees: PathBuf::from(containers::WORK),
            described: format!("flexctl of the image {image}"),
            container: Some((engine, name)),
        })
    }

    /// Stops a container that a call left running. The call's own error is the one that is shown.
    pub(crate) fn stop(&self) {
        if let Some((engine, name)) = &self.container {
            engine.remove(name);
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
