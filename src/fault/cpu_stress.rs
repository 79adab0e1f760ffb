//! `cpu.stress`: burns a share of the time of some cores.
//!
//! - breaks: the time that the system under test finds on this machine's cores
//! - mechanism: a worker process of ours, one pinned thread a core, steered by its own CPU clock
//! - privileges: none
//! - dose: the load asked against the CPU time that the worker used
//! - undo: the worker is stopped; it dies with us in any case
//! - remains: nothing

use crate::fault::worker::worker_plan;
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{CpuStress, FaultSpec};
use crate::model::step::Job;
use crate::model::units::Share;

pub(super) fn plan(fault: &FaultSpec, settings: &CpuStress, facts: &Facts) -> Result<FaultPlan, String> {
    let cores = chosen(settings, facts);
    let wanted = settings.cores.map_or(1, |cores| cores as usize);
    if cores.len() < wanted {
        return Err(format!("{wanted} cores are asked for, but this process may use {}", facts.cores.len()));
    }
    Ok(worker_plan(fault, Job::Cpu { load: settings.load, cores }))
}

fn chosen(settings: &CpuStress, facts: &Facts) -> Vec<usize> {
    let most = settings.cores.map_or(usize::MAX, |cores| cores as usize);
    facts.cores.iter().copied().take(most).collect()
}

pub(super) fn dose(settings: &CpuStress, facts: &Facts, worker: &WorkerReading) -> Dose {
    let cores = chosen(settings, facts).len();
    let available = worker.elapsed.as_secs_f64() * cores as f64;
    if available <= 0.0 {
        return words::unmeasured("the worker reported nothing");
    }
    let load = Share(worker.cpu.as_secs_f64() / available);
    let what = format!("load of {cores} core(s)");
    Dose {
        parts: vec![words::part(&what, settings.load, load, load.0)],
        ineffective: (load.0 < settings.load.0 / 2.0)
            .then(|| format!("the worker got {load} of the cores' time where {} was asked", settings.load)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault};
    use crate::model::dose::WorkerReading;
    use crate::model::fault::{CpuStress, FaultKind, Target};
    use crate::model::units::Share;

    fn settings(cores: Option<u32>) -> CpuStress {
        CpuStress { load: Share(0.5), cores }
    }

    #[test]
    fn is_one_worker_that_is_stopped_again() {
        conforms(&fault(FaultKind::CpuStress(settings(None)), Target::Host));
    }

    #[test]
    fn more_cores_than_there_are_is_refused() {
        let asked = settings(Some(3));
        let refused = plan(&fault(FaultKind::CpuStress(asked.clone()), Target::Host), &asked, &facts());
        assert_eq!(refused, Err("3 cores are asked for, but this process may use 2".to_owned()));
    }

    #[test]
    fn the_load_is_cpu_time_over_elapsed_time_of_all_its_cores() {
        let reading =
            WorkerReading { elapsed: Duration::from_secs(10), cpu: Duration::from_secs(9), ..WorkerReading::default() };
        let told = dose(&settings(None), &facts(), &reading);
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "45%"));
    }

    #[test]
    fn a_worker_that_hardly_ran_was_not_effective() {
        let reading = WorkerReading { elapsed: Duration::from_secs(10), ..WorkerReading::default() };
        assert!(dose(&settings(None), &facts(), &reading).ineffective.is_some());
    }
}
