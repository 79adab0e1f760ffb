//! `process.slow`: stops processes again and again for a share of the time, so that they get along at a fraction of their pace.

use crate::fault::victims::{needs, whom};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, Meter, WorkerReading};
use crate::model::fault::{FaultSpec, ProcessSlow, TargetKind};
use crate::model::step::{Act, Check, Job, Step, Undo};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "process.slow",
    summary: "stops processes again and again for a share of the time, so that they get along at a fraction of their pace",
    breaks: "the pace of a process: a noisy neighbour, a throttled quota, long collections one after the other",
    mechanism: "SIGSTOP and SIGCONT by pidfd, from a worker of ours, in steady periods",
    privileges: "none for a service of the experiment and for processes of our own user, else root (CAP_KILL)",
    dose: "the share of the time for which they were kept stopped, and how often they were seen to be in state T",
    undo: "the worker is stopped, then SIGCONT to the very processes; also when the worker dies, however it dies",
    remains: "what its peers did about the slowness",
    targets: &[TargetKind::Process],
    needs: Need::Signals,
    example: &["share: 50%"],
};

/// How far the share that was reached may be from the one that was asked.
const TOLERANCE: f64 = 0.1;

pub(super) fn plan(fault: &FaultSpec, settings: &ProcessSlow, facts: &Facts) -> Result<FaultPlan, String> {
    let whom = whom(fault, facts)?;
    let worker = fault.name.clone();
    let job = Job::Slow { whom: whom.clone(), share: settings.share, period: settings.period };
    Ok(FaultPlan {
        meter: Meter::Slowed { worker: worker.clone(), whom: whom.clone() },
        needs: needs(&whom),
        steps: vec![
            // Undone last: whatever the worker did, they go on.
            Step {
                apply: Act::TakeCharge { whom: whom.clone() },
                undo: Undo::Resume { whom: whom.clone() },
                verify: Check::Running { whom },
            },
            Step {
                apply: Act::StartWorker { worker: worker.clone(), job, beside: None },
                undo: Undo::StopWorker { worker: worker.clone() },
                verify: Check::WorkerGone { worker },
            },
        ],
    })
}

pub(super) fn dose(settings: &ProcessSlow, worker: &WorkerReading) -> Dose {
    let elapsed = worker.elapsed.as_secs_f64();
    if elapsed <= 0.0 || worker.operations == 0 {
        return words::unmeasured("the worker has not told of one whole period");
    }
    let share = Share((worker.stopped.as_secs_f64() / elapsed).min(1.0));
    let seen = worker.operations - worker.failed.min(worker.operations);
    let often = format!("{seen} of {}", worker.operations);
    let ineffective = if (share.0 - settings.share.0).abs() > TOLERANCE {
        Some(format!("they were stopped for {share} of the time where {} was asked", settings.share))
    } else if seen * 2 < worker.operations {
        Some(format!("in only {often} looks they were stopped when they should be"))
    } else {
        None
    };
    Dose {
        parts: vec![
            words::part("share of the time stopped", settings.share, share, share.0),
            words::part("stops seen", "all", often, seen as f64),
        ],
        ineffective,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::WorkerReading;
    use crate::model::fault::{FaultKind, ProcessSlow, Target};
    use crate::model::units::{Share, Timespan};

    fn settings() -> ProcessSlow {
        ProcessSlow { share: Share(0.8), period: Timespan(Duration::from_millis(100)) }
    }

    #[test]
    fn is_a_charge_that_is_given_up_last_and_a_worker_that_is_stopped_first() {
        conforms(&fault(FaultKind::ProcessSlow(settings()), Target::service("demo")));
    }

    fn told(stopped: f64, operations: u64, failed: u64) -> Option<String> {
        let (elapsed, stopped) = (Duration::from_secs(10), Duration::from_secs_f64(stopped));
        let reading = WorkerReading { elapsed, stopped, operations, failed, ..WorkerReading::default() };
        dose(&settings(), &reading).ineffective
    }

    #[test]
    fn the_share_that_was_reached_must_be_near_and_the_stops_must_have_been_seen() {
        assert_eq!(told(8.1, 100, 3), None);
        assert!(told(6.0, 100, 0).expect("too little").contains("60%"));
        assert!(told(9.5, 100, 0).is_some(), "too much is no dose either");
        assert!(told(8.0, 100, 60).is_some(), "nobody saw it");
        assert!(told(0.0, 0, 0).is_some());
    }
}
