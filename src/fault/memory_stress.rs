//! `memory.stress`: keeps memory resident.

use crate::fault::victims::whom;
use crate::fault::worker::worker_plan;
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{Amount, FaultSpec, MemoryStress, TargetKind};
use crate::model::step::Job;
use crate::model::units::Bytes;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "memory.stress",
    summary: "keeps memory resident",
    breaks: "the memory that the system under test finds on this machine",
    mechanism: "a worker process of ours that makes every page resident and gives memory back rather than take of what must stay free; the first victim of the OOM killer",
    privileges: "none",
    dose: "the size asked against the worker's resident bytes, now and when it strayed most",
    undo: "the worker is stopped, the kernel takes the pages back",
    remains: "the page cache that was pushed out",
    targets: &[TargetKind::Host, TargetKind::Process],
    needs: Need::Memory,
    example: &["size: 25%"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &MemoryStress, facts: &Facts) -> Result<FaultPlan, String> {
    let (size, leave_free) = (asked(settings, facts), settings.leave_free);
    let most = facts.memory_available.saturating_sub(leave_free.0);
    if size.0 > most {
        return Err(format!("{size} is asked for, but only {} can be taken safely", Bytes(most)));
    }
    let job = Job::Memory { size, leave_free, profile: settings.profile };
    Ok(worker_plan(fault, job, whom(fault, facts).ok()))
}

fn asked(settings: &MemoryStress, facts: &Facts) -> Bytes {
    match settings.size {
        Amount::Bytes(bytes) => bytes,
        Amount::Available(share) => Bytes((facts.memory_available as f64 * share.0) as u64),
    }
}

pub(super) fn dose(settings: &MemoryStress, facts: &Facts, worker: &WorkerReading) -> Dose {
    let (size, resident) = (asked(settings, facts), Bytes(worker.resident));
    let asked = Bytes((size.0 as f64 * settings.profile.level(worker.elapsed)) as u64);
    let told = format!("{asked}{}", settings.profile);
    let mut parts = vec![words::part("resident memory", told, resident, resident.0 as f64)];
    parts.extend(words::worst_part("resident memory at its worst", worker, |size| Bytes(size as u64).to_string()));
    let held_back = Bytes(worker.held_back);
    if held_back.0 > 0 {
        let part = words::part("left, to keep memory free", Bytes(0), held_back, held_back.0 as f64);
        parts.push(part);
    }
    let free = settings.leave_free;
    let why = if held_back.0 > 0 { format!(", as {free} must stay free") } else { String::new() };
    Dose {
        parts,
        ineffective: ((resident.0 as f64) < 0.9 * asked.0 as f64)
            .then(|| format!("{resident} stayed resident where {asked} was asked{why}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault};
    use crate::model::dose::{Strayed, WorkerReading};
    use crate::model::fault::{Amount, FaultKind, MemoryStress, Target};
    use crate::model::profile::{Profile, Steps};
    use crate::model::units::{Bytes, Share, Timespan};

    fn settings(size: Amount) -> MemoryStress {
        MemoryStress { size, leave_free: Bytes(64 << 20), profile: Profile::Constant }
    }

    fn hundred() -> MemoryStress {
        settings(Amount::Bytes(Bytes(100 << 20)))
    }

    #[test]
    fn is_one_worker_that_is_stopped_again() {
        let size = Amount::Available(Share(0.5));
        conforms(&fault(FaultKind::MemoryStress(settings(size)), Target::Host));
    }

    #[test]
    fn never_takes_what_must_stay_free() {
        let asked = settings(Amount::Available(Share::ALL));
        let refused = plan(&fault(FaultKind::MemoryStress(asked.clone()), Target::Host), &asked, &facts());
        assert_eq!(refused, Err("4GiB is asked for, but only 3.94GiB can be taken safely".to_owned()));
        let generous = MemoryStress { leave_free: Bytes(4000 << 20), ..hundred() };
        let refused = plan(&fault(FaultKind::MemoryStress(generous.clone()), Target::Host), &generous, &facts());
        assert_eq!(refused, Err("100MiB is asked for, but only 96MiB can be taken safely".to_owned()));
    }

    #[test]
    fn memory_that_did_not_stay_resident_was_not_effective() {
        let reading = |resident| WorkerReading { resident, ..WorkerReading::default() };
        assert_eq!(dose(&hundred(), &facts(), &reading(101 << 20)).ineffective, None);
        assert!(dose(&hundred(), &facts(), &reading(50 << 20)).ineffective.is_some());
    }

    #[test]
    fn on_the_way_up_no_more_is_asked_than_its_step() {
        let profile = Profile::Steps(Steps { count: 4, every: Timespan::seconds(5) });
        let reading = WorkerReading {
            elapsed: Duration::from_secs(7),
            resident: 50 << 20,
            worst: Some(Strayed {
                at: Duration::from_secs(5),
                asked: f64::from(50 << 20),
                measured: f64::from(26 << 20),
            }),
            ..WorkerReading::default()
        };
        let told = dose(&MemoryStress { profile, ..hundred() }, &facts(), &reading);
        assert_eq!((told.ineffective, told.parts[0].asked.as_str()), (None, "50MiB, reached in 4 steps of 5s"));
        assert_eq!((told.parts[1].asked.as_str(), told.parts[1].measured.as_str()), ("50MiB", "26MiB"));
    }

    #[test]
    fn what_the_floor_kept_back_is_told() {
        let reading = WorkerReading { resident: 20 << 20, held_back: 80 << 20, ..WorkerReading::default() };
        let told = dose(&hundred(), &facts(), &reading);
        let why = "20MiB stayed resident where 100MiB was asked, as 64MiB must stay free";
        assert_eq!((told.ineffective.as_deref(), told.parts[1].measured.as_str()), (Some(why), "80MiB"));
    }
}
