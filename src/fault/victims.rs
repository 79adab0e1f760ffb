//! What every fault that hits processes shares.

use crate::host::Facts;
use crate::model::fault::{FaultSpec, Target};
use crate::model::target::Victims;

/// Those that were chosen for this fault; nobody yet in a plan. An error says that it has no processes to hit.
pub(super) fn whom(fault: &FaultSpec, facts: &Facts) -> Result<Victims, String> {
    match &fault.target {
        Target::Process(target) => Ok(Victims { target: target.clone(), chosen: facts.victims.clone() }),
        other => Err(format!("{} hits processes, and {} is none", fault.kind.word(), other.describe())),
    }
}

/// What this user must be allowed to do to signal them.
pub(super) fn needs(whom: &Victims) -> &'static str {
    match whom.target.by.service() {
        Some(_) => "nothing: the service is ours",
        None => "to be the user of those processes, or CAP_KILL",
    }
}
