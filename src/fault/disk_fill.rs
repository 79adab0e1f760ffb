//! `disk.fill`: takes the room of a file system.
//!
//! 1 % of the file system and 64 MiB always stay free, and more where this run keeps its journal.

use crate::fault::worker::fill_plan;
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{DiskFill, FaultSpec, TargetKind};
use crate::model::step::Job;
use crate::model::units::Bytes;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "disk.fill",
    summary: "takes the room of a file system",
    breaks: "the room that the system under test finds on a disk",
    mechanism: "a worker process of ours holds a file that has no name, so the kernel frees its room with the worker; where a \
                file system has no such files, its name is there for a moment and says whose it is",
    privileges: "none beyond writing to the directory",
    dose: "the room asked against what the file has on the disk, and what is free before and after",
    undo: "the worker is stopped; a file that is named after the run is removed",
    remains: "nothing",
    targets: &[TargetKind::Host],
    needs: Need::Disk,
    example: &["path: /tmp", "size: 10%"],
};

/// Less than this of what was asked is no fill.
const ENOUGH: f64 = 0.99;

pub(super) fn plan(fault: &FaultSpec, settings: &DiskFill) -> FaultPlan {
    let DiskFill { path, size, leave_free } = settings.clone();
    fill_plan(fault, path.clone(), Job::Fill { path, size, leave_free })
}

pub(super) fn dose(settings: &DiskFill, worker: &WorkerReading) -> Dose {
    let Some(room) = worker.room else { return words::unmeasured("the worker reported nothing") };
    let (asked, taken) = (Bytes(room.asked), Bytes(room.taken));
    let told = settings.size.map_or_else(|| asked.to_string(), |size| format!("{asked} ({size})"));
    let free_now = Bytes(room.free_now);
    let at_least = settings.leave_free.map_or_else(|| "the rest".to_owned(), |free| format!("at least {free}"));
    let free = format!("{free_now}, of {} before", Bytes(room.free_before));
    Dose {
        parts: vec![
            words::part("room taken", told, taken, taken.0 as f64),
            words::part("room left free", at_least, free, free_now.0 as f64),
        ],
        ineffective: ((taken.0 as f64) < ENOUGH * asked.0 as f64)
            .then(|| format!("the file takes {taken} of the disk where {asked} was asked")),
    }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::{RoomReading, WorkerReading};
    use crate::model::fault::{Amount, DiskFill, FaultKind, Target};
    use crate::model::units::{Bytes, Share};

    fn settings() -> DiskFill {
        DiskFill { path: "/tmp".into(), size: Some(Amount::Available(Share(0.5))), leave_free: None }
    }

    fn reading(taken: u64) -> WorkerReading {
        let room = RoomReading { asked: 100 << 20, taken, free_before: 200 << 20, free_now: 100 << 20 };
        WorkerReading { room: Some(room), ..WorkerReading::default() }
    }

    #[test]
    fn is_one_worker_that_is_stopped_again_and_whose_file_is_looked_for() {
        conforms(&fault(FaultKind::DiskFill(settings()), Target::Host));
    }

    #[test]
    fn the_dose_is_the_room_that_the_file_has_and_what_is_free_before_and_after() {
        let told = dose(&settings(), &reading(100 << 20));
        let parts: Vec<_> = told.parts.iter().map(|part| (part.asked.as_str(), part.measured.as_str())).collect();
        assert_eq!(parts, [("100MiB (50% of what is free)", "100MiB"), ("the rest", "100MiB, of 200MiB before")]);
        assert_eq!(told.ineffective, None);
        let leave = DiskFill { size: None, leave_free: Some(Bytes(100 << 20)), ..settings() };
        assert_eq!(dose(&leave, &reading(100 << 20)).parts[1].asked, "at least 100MiB");
    }

    #[test]
    fn a_file_that_takes_less_than_asked_was_not_effective() {
        let why = dose(&settings(), &reading(90 << 20)).ineffective;
        assert_eq!(why.as_deref(), Some("the file takes 90MiB of the disk where 100MiB was asked"));
        assert!(dose(&settings(), &WorkerReading::default()).ineffective.is_some());
    }
}
