//! `disk.stress`: reads and writes blocks at a steady pace.
//!
//! - breaks: the operations per second that the system under test finds on a file system
//! - mechanism: a worker process of ours on a file that has no name, so the kernel removes it with the worker
//! - privileges: none beyond writing to the directory
//! - dose: the operations per second asked against those completed
//! - undo: the worker is stopped
//! - remains: nothing

use crate::fault::worker::worker_plan;
use crate::fault::{FaultPlan, words};
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{DiskStress, FaultSpec};
use crate::model::step::Job;
use crate::model::units::Rate;

pub(super) fn plan(fault: &FaultSpec, settings: &DiskStress) -> FaultPlan {
    let job = Job::Disk {
        path: settings.path.clone(),
        iops: settings.iops,
        block_size: settings.block_size,
        read: settings.read,
        file_size: settings.file_size,
    };
    worker_plan(fault, job)
}

pub(super) fn dose(settings: &DiskStress, worker: &WorkerReading) -> Dose {
    if worker.elapsed.is_zero() {
        return words::unmeasured("the worker reported nothing");
    }
    let reached = Rate(worker.operations as f64 / worker.elapsed.as_secs_f64());
    let mut parts = vec![words::part("disk operations", settings.iops, reached, reached.0)];
    if worker.failed > 0 {
        parts.push(words::part("failed operations", 0, worker.failed, worker.failed as f64));
    }
    Dose {
        parts,
        ineffective: (reached.0 < settings.iops.0 / 2.0)
            .then(|| format!("the disk completed {reached} where {} was asked", settings.iops)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::WorkerReading;
    use crate::model::fault::{DiskStress, FaultKind, Target};
    use crate::model::units::{Bytes, Rate, Share};

    fn settings() -> DiskStress {
        DiskStress {
            path: "/tmp".into(),
            iops: Rate(200.0),
            block_size: Bytes(4096),
            read: Share(0.5),
            file_size: Bytes(64 << 20),
        }
    }

    #[test]
    fn is_one_worker_that_is_stopped_again() {
        conforms(&fault(FaultKind::DiskStress(settings()), Target::Host));
    }

    #[test]
    fn the_dose_is_what_the_disk_completed() {
        let reading = WorkerReading { elapsed: Duration::from_secs(10), operations: 1990, ..WorkerReading::default() };
        let told = dose(&settings(), &reading);
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "199/s"));
    }

    #[test]
    fn a_disk_that_did_less_than_half_makes_the_run_invalid() {
        let reading = WorkerReading { elapsed: Duration::from_secs(10), operations: 900, ..WorkerReading::default() };
        assert!(dose(&settings(), &reading).ineffective.is_some());
    }
}
