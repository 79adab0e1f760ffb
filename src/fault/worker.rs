//! What every fault that is one worker process shares.

use std::path::PathBuf;

use crate::fault::FaultPlan;
use crate::model::dose::Meter;
use crate::model::fault::FaultSpec;
use crate::model::step::{Act, Check, Job, Step, Undo};
use crate::model::target::Victims;

/// The plan of any fault that is one worker process: in the control group of these, where it is meant for somebody.
pub(super) fn worker_plan(fault: &FaultSpec, job: Job, beside: Option<Victims>) -> FaultPlan {
    let worker = fault.name.clone();
    let undo = Undo::StopWorker { worker: worker.clone() };
    one_step(&worker, job, beside, undo, Check::WorkerGone { worker: worker.clone() })
}

/// The same for one that takes room in this folder, with a file that may have a name.
pub(super) fn fill_plan(fault: &FaultSpec, folder: PathBuf, job: Job) -> FaultPlan {
    let worker = fault.name.clone();
    let undo = Undo::EndFill { worker: worker.clone(), folder: folder.clone() };
    one_step(&worker, job, None, undo, Check::FillGone { worker: worker.clone(), folder })
}

fn one_step(worker: &str, job: Job, beside: Option<Victims>, undo: Undo, verify: Check) -> FaultPlan {
    FaultPlan {
        meter: Meter::Worker { worker: worker.to_owned() },
        needs: "nothing: the worker is an ordinary process of ours",
        steps: vec![Step { apply: Act::StartWorker { worker: worker.to_owned(), job, beside }, undo, verify }],
    }
}
