//! `chaos compare`: what changed from one stored run to another.

use super::arguments::{CompareArguments, FailOn, Output};
use super::{colour, run_folder, stored};
use crate::analysis::analyse;
use crate::analysis::two_runs::{Told, compare as compared};
use crate::host::output;
use crate::report;

/// Something got worse, and that was to be told by the exit code.
const REGRESSION: u8 = 1;

pub(super) fn compare(arguments: &CompareArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let (a, b) = (stored::named(&state, &arguments.a)?, stored::named(&state, &arguments.b)?);
    let (of_a, of_b) = (analyse(&a), analyse(&b));
    let comparison = compared(Told { run: &a, analysis: &of_a }, Told { run: &b, analysis: &of_b });
    output::stdout(&match arguments.output {
        Output::Text => report::comparison::text(&comparison, colour::style()),
        Output::Json => report::comparison::json(&comparison)?,
    });
    let fails = arguments.fail_on == Some(FailOn::Regression) && !comparison.regressions.is_empty();
    Ok(if fails { REGRESSION } else { 0 })
}
