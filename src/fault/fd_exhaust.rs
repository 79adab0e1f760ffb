//! `fd.exhaust`: takes file descriptors from processes: so many may be opened still, and no more.

use crate::fault::victims::whom;
use crate::fault::{FaultPlan, words};
use crate::host::{Facts, OpenFiles};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, LimitReading, Meter};
use crate::model::fault::{FaultSpec, FdExhaust, TargetKind};
use crate::model::step::{Act, Check, SoftLimit, Step, Undo};
use crate::model::target::Victim;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "fd.exhaust",
    summary: "takes file descriptors from processes: so many may be opened still, and no more",
    breaks: "`accept`, `open` and `socket` fail with EMFILE, as after a leak",
    mechanism: "prlimit of the soft limit of open files; the hard limit is never touched, as it could not be \
        raised again",
    privileges: "none for processes of our own user, else CAP_SYS_RESOURCE",
    dose: "the limit that is in place, and how many descriptors are left below it",
    undo: "the soft limit that was there before, if the one there now is ours; else somebody changed it \
        meanwhile, which is left alone and reported",
    remains: "what the process did about the failures; a child that it started meanwhile and that is its child no \
        more when the limit is restored keeps the lowered one",
    targets: &[TargetKind::Process],
    needs: Need::Limits,
    example: &[],
};

pub(super) fn plan(fault: &FaultSpec, settings: &FdExhaust, facts: &Facts) -> Result<FaultPlan, String> {
    let whom = whom(fault, facts)?;
    let limits = whom.chosen.iter().map(|victim| lowered(victim, settings.leave, facts));
    let limits = limits.collect::<Result<Vec<SoftLimit>, String>>()?;
    Ok(FaultPlan {
        meter: Meter::OpenFiles { whom: whom.clone(), limits: limits.clone() },
        needs: "to be the user of those processes, or CAP_SYS_RESOURCE",
        steps: vec![Step {
            apply: Act::LimitOpenFiles { whom: whom.clone(), leave: settings.leave, limits: limits.clone() },
            undo: Undo::RestoreOpenFiles { whom: whom.clone(), limits: limits.clone() },
            verify: Check::OpenFilesRestored { whom, limits },
        }],
    })
}

/// The limit below which so many descriptors are free: it counts numbers, and open ones may leave gaps.
fn lowered(victim: &Victim, leave: u64, facts: &Facts) -> Result<SoftLimit, String> {
    let seen = facts.open_files.iter().find(|seen| seen.process == victim.process);
    let OpenFiles { soft, open, .. } = seen.ok_or_else(|| format!("the open files of {victim} cannot be seen"))?;
    let set = limit_leaving(leave, open);
    if set >= *soft {
        let free = soft.saturating_sub(open.len() as u64);
        return Err(format!(
            "{victim} has {free} descriptors left below its limit of {soft}, no more than are to be left"
        ));
    }
    Ok(SoftLimit { before: *soft, set })
}

/// `open` are the numbers in use, rising.
fn limit_leaving(leave: u64, open: &[u64]) -> u64 {
    let (mut limit, mut free) = (0, 0);
    for number in open {
        let gap = number - limit;
        if free + gap > leave {
            break;
        }
        free += gap;
        limit = number + 1;
    }
    limit + (leave - free)
}

pub(super) fn dose(settings: &FdExhaust, victims: &[LimitReading]) -> Dose {
    let parts = victims.iter().map(|victim| {
        let measured = match (victim.soft, victim.left) {
            (Some(soft), Some(left)) => format!("{left} left below {soft}"),
            (Some(soft), None) => format!("at most {soft} open"),
            (None, _) => "gone".to_owned(),
        };
        let asked = format!("{} left", settings.leave);
        words::part(&victim.name, asked, measured, victim.left.unwrap_or(0) as f64)
    });
    let wrong = victims.iter().find(|victim| victim.soft != Some(victim.set));
    let ineffective = match wrong {
        Some(LimitReading { name, soft: None, .. }) => Some(format!("{name} ended")),
        Some(LimitReading { name, soft: Some(soft), set, .. }) => {
            Some(format!("the limit of {name} is {soft}, where {set} was set: somebody changed it"))
        }
        None if victims.is_empty() => Some("no process was hit".to_owned()),
        None => None,
    };
    Dose { parts: parts.collect(), ineffective }
}

#[cfg(test)]
mod tests {
    use super::{dose, limit_leaving, plan};
    use crate::fault::testing::{conforms, facts, fault};
    use crate::host::OpenFiles;
    use crate::model::dose::LimitReading;
    use crate::model::fault::{FaultKind, FdExhaust, Target};
    use crate::model::step::{Act, SoftLimit};
    use crate::model::testing::whom;

    #[test]
    fn is_one_limit_that_is_restored() {
        conforms(&fault(FaultKind::FdExhaust(FdExhaust { leave: 0 }), Target::service("demo")));
    }

    #[test]
    fn exactly_so_many_stay_free_whatever_gaps_there_are() {
        for open in [vec![], vec![0, 1, 2], vec![0, 2, 5], vec![3], vec![0, 1, 2, 3, 9, 10]] {
            for leave in 0..6 {
                let limit = limit_leaving(leave, &open);
                let free = (0..limit).filter(|number| !open.contains(number)).count() as u64;
                assert_eq!(free, leave, "{limit} for {leave} of {open:?}");
            }
        }
    }

    fn planned(soft: u64, leave: u64) -> Result<Act, String> {
        let victims = whom("demo").chosen;
        let process = victims[0].process.clone();
        let seen = OpenFiles { process, soft, hard: 4096, open: vec![0, 1, 2, 7] };
        let facts = crate::host::Facts { victims, open_files: vec![seen], ..facts() };
        let settings = FdExhaust { leave };
        let fault = fault(FaultKind::FdExhaust(settings.clone()), Target::service("demo"));
        plan(&fault, &settings, &facts).map(|plan| plan.steps[0].apply.clone())
    }

    #[test]
    fn what_was_there_and_what_is_set_is_known_before_anything_is_touched() {
        let Ok(Act::LimitOpenFiles { limits, .. }) = planned(1024, 2) else { panic!("planned") };
        assert_eq!(limits, [SoftLimit { before: 1024, set: 5 }]);
        let refused = planned(6, 9).expect_err("2 are free");
        assert!(refused.contains("has 2 descriptors left below its limit of 6"), "{refused}");
    }

    #[test]
    fn a_limit_that_is_not_ours_any_more_was_not_effective() {
        let reading = |soft| LimitReading { name: "demo (pid 7)".into(), set: 5, soft, left: Some(0) };
        let told = |soft| dose(&FdExhaust { leave: 0 }, &[reading(soft)]).ineffective;
        assert_eq!(told(Some(5)), None);
        assert!(told(Some(1024)).expect("changed").contains("somebody changed it"));
        assert!(told(None).is_some() && dose(&FdExhaust { leave: 0 }, &[]).ineffective.is_some());
    }
}
