//! `pids.limit`: a target starts no more processes and threads.

use crate::fault::group_limit::{limit_plan, unfelt};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::cgroup::Controller;
use crate::model::dose::{Dose, GroupReading};
use crate::model::fault::{FaultKind, FaultSpec, PidsLimit, TargetKind};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "pids.limit",
    summary: "a target starts no more processes and threads",
    breaks: "a container at its limit of processes, a pool of threads that cannot grow",
    mechanism: "`pids.max` of the target's own control group; who is there stays",
    privileges: "root, or control groups that were handed to this user",
    dose: "the limit is read back, and how often a new one was refused is counted",
    undo: "the old limit is set again, if ours is still there; in a group of ours the group goes, too",
    remains: "what the target did about the refusals",
    targets: &[TargetKind::Process],
    needs: Need::Group(Controller::Pids),
    example: &["leave: 10"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &PidsLimit, facts: &Facts) -> Result<FaultPlan, String> {
    let limit = FaultKind::PidsLimit(settings.clone()).limit();
    limit.map_or_else(|| Err("it limits nothing".to_owned()), |limit| limit_plan(fault, limit, facts))
}

pub(super) fn dose(settings: &PidsLimit, reading: &GroupReading) -> Dose {
    let asked = match (settings.max, settings.leave) {
        (Some(max), _) => format!("at most {max}"),
        (None, leave) => format!("at most {} more", leave.unwrap_or_default()),
    };
    let parts = vec![
        words::part("refused processes and threads", "some", reading.refused, reading.refused as f64),
        words::part("processes and threads", asked, reading.processes, reading.processes as f64),
    ];
    let never = "nothing was refused: the target started no more than it may";
    Dose { parts, ineffective: unfelt(reading, reading.refused > 0, never) }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::GroupReading;
    use crate::model::fault::{FaultKind, PidsLimit, Target};

    fn settings() -> PidsLimit {
        PidsLimit { max: None, leave: Some(2) }
    }

    #[test]
    fn is_one_value_that_is_set_back() {
        conforms(&fault(FaultKind::PidsLimit(settings()), Target::service("demo")));
    }

    #[test]
    fn only_a_refusal_is_a_dose() {
        assert!(dose(&settings(), &GroupReading::default()).ineffective.is_some());
        let told = dose(&settings(), &GroupReading { refused: 3, processes: 12, ..GroupReading::default() });
        assert_eq!((told.ineffective, told.parts[1].asked.as_str()), (None, "at most 2 more"));
    }
}
