//! What a check has found, in the forms that monitoring systems read. It is the same for the checks of all programs.

mod checked;

pub use checked::{Checked, Item, Kind, SCHEMA_VERSION, Severity, State};
