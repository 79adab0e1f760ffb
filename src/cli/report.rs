//! `chaos report`: the report of a stored run, in any format.

use super::arguments::ReportArguments;
use super::{colour, run_folder, stored};
use crate::analysis;
use crate::host::output;

pub(super) fn report(arguments: &ReportArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let run = stored::named(&state, &arguments.run)?;
    let analysis = analysis::analyse(&run);
    output::stdout(&arguments.format.render(&run, &analysis, colour::style()));
    Ok(0)
}
