//! What every fault that is one worker process shares.

use std::path::PathBuf;

use crate::fault::FaultPlan;
use crate::model::dose::Meter;
use crate::model::fault::FaultSpec;
use crate::model::step::{Act, Check, Job, Step, Undo};

/// The plan of any fault that is one worker process.
pub(super) fn worker_plan(fault: &FaultSpec, job: Job) -> FaultPlan {
    let worker = fault.name.clone();
    one_step(&worker, job, Undo::StopWorker { worker: worker.clone() }, Check::WorkerGone { worker: worker.clone() })
}

/// The same for one that takes room in this folder, with a file that may have a name.
pub(super) fn fill_plan(fault: &FaultSpec, folder: PathBuf, job: Job) -> FaultPlan {
    let worker = fault.name.clone();
    let undo = Undo::EndFill { worker: worker.clone(), folder: folder.clone() };
    one_step(&worker, job, undo, Check::FillGone { worker: worker.clone(), folder })
}

fn one_step(worker: &str, job: Job, undo: Undo, verify: Check) -> FaultPlan {
    FaultPlan {
        meter: Meter::Worker { worker: worker.to_owned() },
        needs: "nothing: the worker is an ordinary process of ours",
        steps: vec![Step { apply: Act::StartWorker { worker: worker.to_owned(), job }, undo, verify }],
    }
}
