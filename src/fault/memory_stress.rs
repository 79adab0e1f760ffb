//! `memory.stress`: keeps memory resident.
//!
//! - breaks: the memory that the system under test finds on this machine
//! - mechanism: a worker process of ours that touches every page; the first victim of the OOM killer
//! - privileges: none
//! - dose: the size asked against the worker's resident bytes
//! - undo: the worker is stopped, the kernel takes the pages back
//! - remains: the page cache that was pushed out

use crate::fault::worker::worker_plan;
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{FaultSpec, MemorySize, MemoryStress};
use crate::model::step::Job;
use crate::model::units::Bytes;

/// What is always left to everybody else.
const FLOOR: u64 = 64 << 20;

pub(super) fn plan(fault: &FaultSpec, settings: &MemoryStress, facts: &Facts) -> Result<FaultPlan, String> {
    let size = asked(settings, facts);
    let most = facts.memory_available.saturating_sub(FLOOR);
    if size.0 > most {
        return Err(format!("{size} is asked for, but only {} can be taken safely", Bytes(most)));
    }
    Ok(worker_plan(fault, Job::Memory { size }))
}

fn asked(settings: &MemoryStress, facts: &Facts) -> Bytes {
    match settings.size {
        MemorySize::Bytes(bytes) => bytes,
        MemorySize::Available(share) => Bytes((facts.memory_available as f64 * share.0) as u64),
    }
}

pub(super) fn dose(settings: &MemoryStress, facts: &Facts, worker: &WorkerReading) -> Dose {
    let (asked, resident) = (asked(settings, facts), Bytes(worker.resident));
    Dose {
        parts: vec![words::part("resident memory", asked, resident, resident.0 as f64)],
        ineffective: ((resident.0 as f64) < 0.9 * asked.0 as f64)
            .then(|| format!("{resident} stayed resident where {asked} was asked")),
    }
}

#[cfg(test)]
mod tests {
    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault};
    use crate::model::dose::WorkerReading;
    use crate::model::fault::{FaultKind, MemorySize, MemoryStress, Target};
    use crate::model::units::{Bytes, Share};

    fn settings(size: MemorySize) -> MemoryStress {
        MemoryStress { size }
    }

    #[test]
    fn is_one_worker_that_is_stopped_again() {
        let size = MemorySize::Available(Share(0.5));
        conforms(&fault(FaultKind::MemoryStress(settings(size)), Target::Host));
    }

    #[test]
    fn never_takes_the_last_64_mib() {
        let asked = settings(MemorySize::Available(Share::ALL));
        let refused = plan(&fault(FaultKind::MemoryStress(asked.clone()), Target::Host), &asked, &facts());
        assert_eq!(refused, Err("4GiB is asked for, but only 3.94GiB can be taken safely".to_owned()));
    }

    #[test]
    fn memory_that_did_not_stay_resident_was_not_effective() {
        let asked = settings(MemorySize::Bytes(Bytes(100 << 20)));
        let reading = |resident| WorkerReading { resident, ..WorkerReading::default() };
        assert_eq!(dose(&asked, &facts(), &reading(101 << 20)).ineffective, None);
        assert!(dose(&asked, &facts(), &reading(50 << 20)).ineffective.is_some());
    }
}
