//! `chaos doctor`: what protects this machine, what its kernel has, what was left behind, and which faults work here. It measures by trying,
//! and changes nothing.

mod faults;
mod kernel;
mod left;
mod safety;
mod unit;

use super::arguments::{DoctorArguments, Output};
use super::{colour, run_folder};
use crate::host::output;
use crate::host::storage::Storage;
use crate::host::trial::Trials;
use crate::report::doctor::{self as report, Finding};

pub(super) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let state = std::path::absolute(&state).unwrap_or(state);
    if arguments.print_unit {
        output::stdout(&unit::text(&unit::this_binary()?, &state, crate::host::process::user())?);
        return Ok(0);
    }
    let (trials, storage) = (Trials::perform(), Storage::look(&state));
    let mut findings: Vec<Finding> = safety::findings(&trials, &storage);
    findings.push(unit::finding());
    findings.extend(kernel::findings());
    findings.extend(left::findings(&state));
    findings.extend(faults::findings(&trials));
    output::stdout(&match arguments.output {
        Output::Text => report::text(&findings, colour::style()),
        Output::Json => report::json(&findings)?,
    });
    Ok(report::exit_code(&findings))
}
