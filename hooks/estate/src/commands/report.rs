//! `report`: everything that can expire or stands open, as a page.

use common::cli::{Invocation, Outcome};

use crate::args::ReportArgs;
use crate::page;
use crate::view;

pub(crate) fn run(call: &Invocation, args: &ReportArgs) -> anyhow::Result<Outcome> {
    // Before the checks: those of a large estate take their time.
    page::check_writable(&args.file)?;
    let call = &view::with_usual_home(call)?;
    let view = view::look(call)?;
    page::write(&args.file, &view)?;
    let written = format!("{} is written", args.file.display());
    view.conclude(call, &written)
}
