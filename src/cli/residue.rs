//! What earlier runs left on this machine: `run` refuses while something is there, other commands warn.

use std::path::Path;

use super::run_folder::{self, RunFolder};
use crate::diagnostic::clean::clean;
use crate::host::output;
use crate::journal::recover::Recovery;
use crate::journal::survey::Standing;

/// An error while an earlier run left something on the machine: a second fault on top of it could not be told from it.
pub(super) fn refuse(state: &Path) -> anyhow::Result<()> {
    match found(state)?.as_slice() {
        [] => Ok(()),
        left => anyhow::bail!("{}", told(left, state)),
    }
}

/// Says on standard error what earlier runs left, where runs are usually kept.
pub(super) fn warn() {
    let Ok(state) = run_folder::state(None) else { return };
    if let Ok(left @ [_, ..]) = found(&state).as_deref() {
        output::stderr(&format!("warning: {}\n", told(left, &state)));
    }
}

/// What may be rolled back, for somebody who did not say what.
pub(super) fn what_to_roll_back(state: &Path) -> String {
    let ways = "say what to roll back: the id of a RUN, --all for every run that was killed, or --scan for what no journal \
                tells of";
    match found(state).as_deref() {
        Ok(left @ [_, ..]) => format!("{ways}; {}", told(left, state)),
        Ok([]) => format!("{ways}; no run in {} was killed and left something", state.display()),
        Err(_) => ways.to_owned(),
    }
}

/// The runs whose tool is dead and of which something is there still.
fn found(state: &Path) -> anyhow::Result<Vec<String>> {
    Ok(left(state)?.iter().map(RunFolder::run).collect())
}

/// Their folders.
pub(super) fn left(state: &Path) -> anyhow::Result<Vec<RunFolder>> {
    Ok(RunFolder::all(state)?.into_iter().filter(leaves_something).collect())
}

/// What cannot be read cannot be called clean.
fn leaves_something(folder: &RunFolder) -> bool {
    match Recovery::open(&folder.journal()).and_then(|recovery| recovery.survey()) {
        Ok(Standing::Finished | Standing::Running(_)) => false,
        Ok(Standing::Left(remains)) => remains.are_real(),
        Err(_) => true,
    }
}

fn told(left: &[String], state: &Path) -> String {
    let (what, which) = match left {
        [run] => (format!("run {run} was killed and left"), run.as_str()),
        _ => (format!("{} runs were killed and left", left.len()), "--all"),
    };
    let place = run_folder::state_words(state);
    clean(&format!("{what} something on this machine; put it back: chaos rollback {which}{place}"))
}
