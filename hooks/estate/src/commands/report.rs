//! `report`: everything that can expire or stands open, as a page.

use common::cli::{Invocation, Outcome, Report};
use serde::Serialize;

use crate::args::ReportArgs;
use crate::page;
use crate::view;

#[derive(Debug, Serialize)]
struct Written {
    file: String,
    rows: usize,
}

impl Report for Written {
    fn text(&self) -> String {
        let rows = match self.rows {
            1 => "1 row".to_owned(),
            more => format!("{more} rows"),
        };
        format!("{}: {rows}", self.file)
    }
}

pub(crate) fn run(call: &Invocation, args: &ReportArgs) -> anyhow::Result<Outcome> {
    // Before the checks: those of a large estate take their time.
    page::check_writable(&args.file)?;
    let call = &view::with_usual_home(call)?;
    let view = view::look(call)?;
    page::write(&args.file, &view)?;
    call.result(&Written {
        file: args.file.display().to_string(),
        rows: view.rows.len(),
    })?;
    view.conclude(call)
}
