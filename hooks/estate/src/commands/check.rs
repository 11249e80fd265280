//! `check`: everything that can expire or stands open.

use common::cli::{Format, Invocation, Outcome};

use crate::args::CheckArgs;
use crate::view;

pub(crate) fn run(call: &Invocation, _args: &CheckArgs) -> anyhow::Result<Outcome> {
    let call = &view::with_usual_home(call)?;
    let view = view::look(call)?;
    let text = match call.format {
        Format::Text => view.table(|_| true),
        _ => String::new(),
    };
    view.conclude(call, &text)
}
