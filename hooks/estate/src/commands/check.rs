//! `check`: everything that can expire or stands open.

use common::cli::{Invocation, Outcome};

use crate::args::CheckArgs;
use crate::view;

pub(crate) fn run(call: &Invocation, _args: &CheckArgs) -> anyhow::Result<Outcome> {
    let call = &view::with_usual_home(call)?;
    let view = view::look(call)?;
    view.conclude(call, &view.table(|_| true))
}
