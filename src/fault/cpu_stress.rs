//! `cpu.stress`: burns a share of the time of some cores.

use std::time::Duration;

use crate::fault::victims::whom;
use crate::fault::worker::worker_plan;
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{CpuStress, FaultSpec, TargetKind};
use crate::model::step::Job;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "cpu.stress",
    summary: "burns a share of the time of some cores",
    breaks: "the time that the system under test finds on this machine's cores",
    mechanism: "a worker process of ours, one pinned thread a core, steered by its own CPU clock",
    privileges: "none",
    dose: "the load asked against the CPU time that the worker used, in all and in the second in which it strayed most",
    undo: "the worker is stopped; it dies with us in any case",
    remains: "nothing",
    targets: &[TargetKind::Host, TargetKind::Process],
    needs: Need::Cores,
    example: &["load: 80%", "cores: 1"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &CpuStress, facts: &Facts) -> Result<FaultPlan, String> {
    let cores = chosen(settings, facts);
    let wanted = settings.cores.map_or(1, |cores| cores as usize);
    if cores.len() < wanted {
        return Err(format!("{wanted} cores are asked for, but this process may use {}", facts.cores.len()));
    }
    let job = Job::Cpu { load: settings.load, cores, profile: settings.profile };
    Ok(worker_plan(fault, job, whom(fault, facts).ok()))
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
    let asked = Share(settings.load.0 * settings.profile.mean(Duration::ZERO, worker.elapsed));
    let what = format!("load of {cores} core(s)");
    let mut parts = vec![words::part(&what, format!("{asked}{}", settings.profile), load, load.0)];
    parts.extend(words::worst_part("load in its worst second", worker, |load| Share(load).to_string()));
    Dose {
        parts,
        ineffective: (load.0 < asked.0 / 2.0)
            .then(|| format!("the worker got {load} of the cores' time where {asked} was asked")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault};
    use crate::model::dose::{Strayed, WorkerReading};
    use crate::model::fault::{CpuStress, FaultKind, Target};
    use crate::model::profile::Profile;
    use crate::model::units::{Share, Timespan};

    fn settings(cores: Option<u32>) -> CpuStress {
        CpuStress { load: Share(0.5), cores, profile: Profile::Constant }
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
    fn a_ramp_asks_for_less_and_is_judged_by_that() {
        let asked = CpuStress { profile: Profile::Ramp(Timespan::seconds(10)), ..settings(Some(1)) };
        let reading = |seconds| WorkerReading {
            elapsed: Duration::from_secs(10),
            cpu: Duration::from_secs_f64(seconds),
            worst: Some(Strayed { at: Duration::from_secs(3), asked: 0.125, measured: 0.12 }),
            ..WorkerReading::default()
        };
        let told = dose(&asked, &facts(), &reading(2.5));
        assert_eq!((told.ineffective, told.parts[0].asked.as_str()), (None, "25%, reached in a ramp of 10s"));
        assert_eq!(
            (told.parts[1].what.as_str(), told.parts[1].asked.as_str(), told.parts[1].measured.as_str()),
            ("load in its worst second, at 3s", "12.5%", "12%")
        );
        assert!(dose(&asked, &facts(), &reading(1.2)).ineffective.is_some());
    }

    #[test]
    fn a_worker_that_hardly_ran_was_not_effective() {
        let reading = WorkerReading { elapsed: Duration::from_secs(10), ..WorkerReading::default() };
        assert!(dose(&settings(None), &facts(), &reading).ineffective.is_some());
    }
}
