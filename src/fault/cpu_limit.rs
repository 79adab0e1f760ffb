//! `cpu.limit`: a target gets no more than a share of the time of some cores.

use crate::fault::group_limit::{limit_plan, unfelt};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::cgroup::Controller;
use crate::model::dose::{Dose, GroupReading};
use crate::model::fault::{CpuLimit, FaultKind, FaultSpec, TargetKind};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "cpu.limit",
    summary: "a target gets no more than a share of the time of some cores",
    breaks: "a container with too small a quota, a noisy neighbour that the scheduler puts first",
    mechanism: "the quota of the target's own control group (`cpu.max`, in version 1 `cpu.cfs_quota_us`)",
    privileges: "root, or control groups that were handed to this user",
    dose: "the quota is read back, and periods in which the group was held are counted",
    undo: "the old quota is set again, if ours is still there; in a group of ours the group goes, too",
    remains: "what the target's clients did about its slowness",
    targets: &[TargetKind::Process],
    needs: Need::Group(Controller::Cpu),
    example: &["quota: 50%"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &CpuLimit, facts: &Facts) -> Result<FaultPlan, String> {
    // A quota of everything there is holds nobody.
    if settings.quota.0 * f64::from(settings.cores) >= facts.cores.len() as f64 {
        let there = facts.cores.len();
        let asked = &settings.cores;
        return Err(format!("{} of {asked} core(s) is no limit on a machine with {there}", settings.quota));
    }
    let limit = FaultKind::CpuLimit(settings.clone()).limit();
    limit.map_or_else(|| Err("it limits nothing".to_owned()), |limit| limit_plan(fault, limit, facts))
}

pub(super) fn dose(settings: &CpuLimit, reading: &GroupReading) -> Dose {
    let most = Share(settings.quota.0 * f64::from(settings.cores));
    let held = Share(reading.throttled as f64 / reading.periods.max(1) as f64);
    let periods = format!("{held} ({} of {})", reading.throttled, reading.periods);
    let mut parts = vec![words::part("periods in which it was held", "some", periods, held.0)];
    let used = reading.cpu.filter(|_| !reading.elapsed.is_zero());
    if let Some(used) = used.map(|cpu| Share(cpu as f64 / reading.elapsed.as_nanos() as f64)) {
        parts.insert(0, words::part("CPU time, in cores", format!("at most {most}"), used, used.0));
    }
    let never = "the target was never held: it wanted no more CPU time than it may have";
    Dose { parts, ineffective: unfelt(reading, reading.throttled > 0, never) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault};
    use crate::model::dose::GroupReading;
    use crate::model::fault::{CpuLimit, FaultKind, Target};
    use crate::model::units::Share;

    fn settings(quota: f64, cores: u32) -> CpuLimit {
        CpuLimit { quota: Share(quota), cores }
    }

    #[test]
    fn is_one_value_that_is_set_back() {
        conforms(&fault(FaultKind::CpuLimit(settings(0.2, 1)), Target::service("demo")));
    }

    #[test]
    fn as_much_as_there_is_is_no_limit() {
        let all = settings(1.0, 2);
        let refused = plan(&fault(FaultKind::CpuLimit(all.clone()), Target::service("demo")), &all, &facts());
        assert_eq!(refused, Err("100% of 2 core(s) is no limit on a machine with 2".to_owned()));
    }

    #[test]
    fn only_a_group_that_was_held_had_a_dose() {
        let second = Duration::from_secs(1);
        let reading = GroupReading { elapsed: second, cpu: Some(200_000_000), periods: 10, ..GroupReading::default() };
        assert!(dose(&settings(0.2, 1), &reading).ineffective.is_some());
        let told = dose(&settings(0.2, 1), &GroupReading { throttled: 9, ..reading });
        assert_eq!(told.ineffective, None);
        assert_eq!((told.parts[0].measured.as_str(), told.parts[1].measured.as_str()), ("20%", "90% (9 of 10)"));
    }
}
