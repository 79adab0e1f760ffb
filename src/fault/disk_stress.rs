//! `disk.stress`: reads and writes blocks at a steady pace.

use std::time::Duration;

use crate::fault::worker::worker_plan;
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, WorkerReading};
use crate::model::fault::{DiskStress, FaultSpec, TargetKind};
use crate::model::step::Job;
use crate::model::units::{ByteRate, Rate};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "disk.stress",
    summary: "reads and writes blocks at a steady pace",
    breaks: "the operations per second that the system under test finds on a file system",
    mechanism: "a worker process of ours on a file that has no name, so the kernel removes it with the worker; every operation has its own moment, and they go past the page cache where the file system can",
    privileges: "none beyond writing to the directory",
    dose: "the operations asked against those completed, in all and in the second in which it strayed most",
    undo: "the worker is stopped",
    remains: "nothing",
    targets: &[TargetKind::Host],
    needs: Need::Disk,
    example: &["path: /tmp", "iops: 200/s"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &DiskStress) -> FaultPlan {
    let iops = pace(settings);
    let job = Job::Disk {
        path: settings.path.clone(),
        iops,
        bandwidth: ByteRate(iops.0 * settings.block_size.0 as f64),
        block_size: settings.block_size,
        read: settings.read,
        file_size: settings.file_size,
        profile: settings.profile,
    };
    worker_plan(fault, job, None)
}

/// The operations a second of the whole dose. A file that says neither is refused when it is read.
fn pace(settings: &DiskStress) -> Rate {
    let of_bandwidth = settings.bandwidth.map_or(0.0, |bytes| bytes.0 / settings.block_size.0 as f64);
    settings.iops.unwrap_or(Rate(of_bandwidth))
}

pub(super) fn dose(settings: &DiskStress, worker: &WorkerReading) -> Dose {
    if worker.elapsed.is_zero() {
        return words::unmeasured("the worker reported nothing");
    }
    let elapsed = worker.elapsed.as_secs_f64();
    let reached = Rate(worker.operations as f64 / elapsed);
    let asked = Rate(pace(settings).0 * settings.profile.mean(Duration::ZERO, worker.elapsed));
    let told = format!("{asked}{}", settings.profile);
    let count = format!("{reached} ({} of {:.0})", worker.operations, asked.0 * elapsed);
    let mut parts = vec![words::part("disk operations", told, count, reached.0)];
    parts.extend(settings.bandwidth.map(|_| {
        let of = |rate: Rate| ByteRate(rate.0 * settings.block_size.0 as f64);
        words::part("bandwidth", of(asked), of(reached), of(reached).0)
    }));
    parts.extend(words::worst_part("disk operations in its worst second", worker, |rate| Rate(rate).to_string()));
    let past = if worker.direct { "yes" } else { "no, the file system cannot" };
    parts.push(words::part("past the page cache", "where it can be", past, f64::from(u8::from(worker.direct))));
    if worker.failed > 0 {
        parts.push(words::part("failed operations", 0, worker.failed, worker.failed as f64));
    }
    Dose {
        parts,
        ineffective: (reached.0 < asked.0 / 2.0)
            .then(|| format!("the disk completed {reached} where {asked} was asked")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dose, plan};
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::WorkerReading;
    use crate::model::fault::{DiskStress, FaultKind, Target};
    use crate::model::profile::Profile;
    use crate::model::step::{Act, Job};
    use crate::model::units::{ByteRate, Bytes, Rate, Share, Timespan};

    fn settings() -> DiskStress {
        DiskStress {
            path: "/tmp".into(),
            iops: Some(Rate(200.0)),
            bandwidth: None,
            block_size: Bytes(4096),
            read: Share(0.5),
            file_size: Bytes(64 << 20),
            profile: Profile::Constant,
        }
    }

    fn reading(operations: u64) -> WorkerReading {
        WorkerReading { elapsed: Duration::from_secs(10), operations, direct: true, ..WorkerReading::default() }
    }

    #[test]
    fn is_one_worker_that_is_stopped_again() {
        conforms(&fault(FaultKind::DiskStress(settings()), Target::Host));
    }

    #[test]
    fn the_dose_is_what_the_disk_completed_of_what_was_asked() {
        let told = dose(&settings(), &reading(1990));
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "199/s (1990 of 2000)"));
    }

    #[test]
    fn a_bandwidth_is_so_many_operations() {
        let asked = DiskStress { iops: None, bandwidth: Some(ByteRate(1_024_000.0)), ..settings() };
        let plan = plan(&fault(FaultKind::DiskStress(asked.clone()), Target::Host), &asked);
        let Act::StartWorker { job: Job::Disk { iops, bandwidth, .. }, .. } = &plan.steps[0].apply else { panic!() };
        assert_eq!((*iops, *bandwidth), (Rate(250.0), ByteRate(1_024_000.0)));
        let told = dose(&asked, &reading(2500));
        assert_eq!((told.parts[1].what.as_str(), told.parts[1].measured.as_str()), ("bandwidth", "1000KiB/s"));
    }

    #[test]
    fn a_disk_that_did_less_than_half_makes_the_run_invalid() {
        assert!(dose(&settings(), &reading(900)).ineffective.is_some());
        let ramp = DiskStress { profile: Profile::Ramp(Timespan::seconds(10)), ..settings() };
        assert_eq!(dose(&ramp, &reading(1000)).ineffective, None, "half as much was asked");
    }

    #[test]
    fn operations_through_the_page_cache_are_told() {
        let cached = WorkerReading { direct: false, ..reading(2000) };
        let told = dose(&settings(), &cached);
        assert_eq!(told.parts.last().map(|part| part.measured.as_str()), Some("no, the file system cannot"));
    }
}
