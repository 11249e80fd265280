//! What a check has found, in the forms that monitoring systems read. It is the same for the checks of all programs.
//!
//! A check gives its findings to its invocation, and returns an outcome or an error as every command does. In which form
//! they are shown, and that a failure is shown in that form as well, is decided here.

mod args;
mod check;
mod checked;
mod findings;
mod nagios;
mod prometheus;
mod textfile;

pub use args::MonitoringArgs;
pub use checked::{Checked, Item, Kind, SCHEMA_VERSION, Severity, State};
pub use nagios::counted;

pub(super) use check::Check;
pub(super) use findings::Findings;
pub(super) use nagios::{is_asked_for, refusal};
pub(super) use textfile::Textfile;
