//! How long a run can take at most, when everything takes as long as it may.

use std::time::Duration;

use super::hands::LONGEST_ACT;
use super::put_back::LONGEST_UNDO;
use super::set_up;
use crate::model::experiment::Experiment;

/// What the phases need beside what is counted: judging, the last samples, a busy machine.
const MARGIN: Duration = Duration::from_secs(60);

/// The time after which a run that is not done hangs.
pub fn longest(experiment: &Experiment) -> Duration {
    let steps = set_up::steps(experiment).len() + experiment.faults.len();
    let each = (LONGEST_ACT + LONGEST_UNDO) * u32::try_from(steps).unwrap_or(u32::MAX);
    each + experiment.watched() + MARGIN
}
