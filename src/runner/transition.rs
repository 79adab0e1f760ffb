//! Which phase follows which: the whole table.

use crate::model::phase::Phase;

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// As it should.
    Well,
    /// It could not do its part: not ready, not steady, not applied, not put back.
    Failed,
    /// A stop condition or a hard limit ended it.
    Stopped,
    /// A signal asks to end.
    Cancelled,
}

/// The phase after this one. There is no way past `Rollback` once `Inject` was entered.
pub(super) const fn next(phase: Phase, ended: Ended) -> Phase {
    match (phase, ended) {
        (Phase::SetUp, Ended::Well) => Phase::Baseline,
        (Phase::Baseline, Ended::Well) => Phase::Inject,
        (Phase::SetUp | Phase::Baseline, _) => Phase::TearDown,
        (Phase::Inject, Ended::Well) => Phase::Observe,
        (Phase::Inject | Phase::Observe, _) => Phase::Rollback,
        // With something left in place there is nothing to recover from yet.
        (Phase::Rollback, Ended::Cancelled | Ended::Failed) | (Phase::Recovery, _) => Phase::TearDown,
        (Phase::Rollback, Ended::Well | Ended::Stopped) => Phase::Recovery,
        (Phase::TearDown | Phase::Done, _) => Phase::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, next};
    use crate::model::phase::Phase;

    const ENDINGS: [Ended; 4] = [Ended::Well, Ended::Failed, Ended::Stopped, Ended::Cancelled];

    fn walk(mut phase: Phase, endings: &[Ended]) -> Vec<Phase> {
        let mut phases = vec![phase];
        for ended in endings {
            phase = next(phase, *ended);
            phases.push(phase);
        }
        phases
    }

    #[test]
    fn a_run_that_goes_well_walks_every_phase_in_order() {
        let phases = walk(Phase::SetUp, &[Ended::Well; 7]);
        assert!(phases.is_sorted() && phases.len() == 8 && phases.last() == Some(&Phase::Done));
    }

    #[test]
    fn once_injecting_began_there_is_no_way_around_rollback() {
        for ended in ENDINGS {
            assert!(matches!(next(Phase::Inject, ended), Phase::Observe | Phase::Rollback));
            assert_eq!(next(Phase::Observe, ended), Phase::Rollback);
        }
    }

    #[test]
    fn what_was_set_up_is_torn_down_whatever_happens() {
        for first in ENDINGS {
            for second in ENDINGS {
                let mut phase = Phase::SetUp;
                let mut passed = Vec::new();
                for ended in [first, second].into_iter().cycle().take(16) {
                    passed.push(phase);
                    phase = next(phase, ended);
                }
                assert!(passed.contains(&Phase::TearDown) && phase == Phase::Done);
            }
        }
    }

    #[test]
    fn nothing_is_injected_when_the_baseline_is_not_steady() {
        assert_eq!(next(Phase::Baseline, Ended::Failed), Phase::TearDown);
        assert_eq!(next(Phase::Baseline, Ended::Cancelled), Phase::TearDown);
    }
}
