//! What every fault that is one worker process shares.

use crate::fault::FaultPlan;
use crate::model::dose::Meter;
use crate::model::fault::FaultSpec;
use crate::model::step::{Act, Check, Job, Step, Undo};

/// The plan of any fault that is one worker process.
pub(super) fn worker_plan(fault: &FaultSpec, job: Job) -> FaultPlan {
    let worker = fault.name.clone();
    FaultPlan {
        meter: Meter::Worker { worker: worker.clone() },
        needs: "nothing: the worker is an ordinary process of ours",
        steps: vec![Step {
            apply: Act::StartWorker { worker: worker.clone(), job },
            undo: Undo::StopWorker { worker: worker.clone() },
            verify: Check::WorkerGone { worker },
        }],
    }
}
