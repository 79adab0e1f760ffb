//! The latest run of the same experiment on this machine, to say how much it scatters.

use super::run_folder::{self, RunFolder};
use super::stored;
use crate::analysis::{self, Analysis};
use crate::host::files;
use crate::model::event::{Event, EventKind};
use crate::model::experiment::Experiment;

/// So many runs are looked at, the latest first.
const RUNS: usize = 50;
/// The header of a run is no longer than this.
const HEADER: u64 = 1 << 20;
/// Longer records are not read for a plan.
const LONGEST: u64 = 128 << 20;

/// The id and the analysis of the latest complete run of an experiment with this name that compared anything; none is no
/// error, as a plan can
/// do without.
pub(super) fn run(experiment: &Experiment) -> Option<(String, Analysis)> {
    let folders = RunFolder::all(&run_folder::state(None).ok()?).ok()?;
    let same = folders.iter().rev().take(RUNS).filter(|folder| is_of(folder, experiment));
    same.filter_map(read).next()
}

fn is_of(folder: &RunFolder, experiment: &Experiment) -> bool {
    let start = files::read_start(&folder.events(), HEADER).unwrap_or_default();
    let header = start.split(|byte| *byte == b'\n').next().and_then(event);
    matches!(header, Some(Event { kind: EventKind::RunStarted(header), .. }) if header.experiment.name == experiment.name)
}

fn read(folder: &RunFolder) -> Option<(String, Analysis)> {
    if files::length(&folder.events()).ok()? > LONGEST {
        return None;
    }
    let run = Some(stored::read(folder).ok()?.run).filter(|run| run.ended)?;
    let analysis = analysis::analyse(&run);
    let compared = analysis.probes.iter().flat_map(|probe| &probe.expectations).any(|row| row.compared.is_some());
    compared.then(|| (folder.run(), analysis))
}

fn event(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}
