//! The flags that only checks have.

use std::path::PathBuf;

use clap::Args;

/// The flags of every check.
#[derive(Debug, Clone, Default, Args)]
pub struct MonitoringArgs {
    /// Also write the result into this file, as metrics for Prometheus' node exporter; also when the check fails
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,
}
