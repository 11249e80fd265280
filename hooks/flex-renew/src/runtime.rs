//! Where a gateway can run.

use std::fmt;

use clap::ValueEnum;

/// Where the package, and the image, keep the configuration.
pub(crate) const CONF_FOLDER: &str = "/usr/local/share/mulesoft/flex-gateway/conf.d";

/// Where else a gateway on Linux reads.
pub(crate) const OTHER_CONF_FOLDER: &str = "/etc/mulesoft/flex-gateway/conf.d";

/// Where a gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// A package on this host, started by systemd.
    Linux,
    /// A Docker container.
    Docker,
    /// A Podman container.
    Podman,
    /// A deployment whose Secret holds the registration.
    Kubernetes,
}

impl Runtime {
    /// How each is written.
    pub(crate) const WORDS: &[&str] = &["linux", "docker", "podman", "kubernetes"];

    /// Those that `flexctl` can run in.
    pub(crate) const OF_FLEXCTL: &[&str] = &["linux", "docker", "podman"];

    /// Reads one, in whatever case.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::from_str(text, true)
            .map_err(|_| format!("{text:?} is not one of {}", Self::WORDS.join(", ")))
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Runtime::Linux => "linux",
            Runtime::Docker => "docker",
            Runtime::Podman => "podman",
            Runtime::Kubernetes => "kubernetes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_is_written_as_it_is_read() {
        let written: Vec<String> = Runtime::value_variants()
            .iter()
            .map(Runtime::to_string)
            .collect();
        assert_eq!(written, Runtime::WORDS);
        assert_eq!(Runtime::parse("Docker"), Ok(Runtime::Docker));
        assert_eq!(
            Runtime::parse("cloud").unwrap_err(),
            "\"cloud\" is not one of linux, docker, podman, kubernetes"
        );
    }
}
