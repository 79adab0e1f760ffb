//! Rules about the time after the undo.

use std::time::Duration;

use super::super::estimate::Tally;
use super::super::findings::{Advice, RecoveryStatus};
use super::super::window::{self, Window, samples_in};
use super::{Case, advice};
use crate::model::statistics::wilson;
use crate::model::units::Timespan;

/// What a system may need to notice that its dependency is back.
const GRACE: Duration = Duration::from_secs(10);

/// R06: significantly more errors than in the baseline, ten seconds and more after the verified undo.
pub(super) fn r06_errors_long_after(case: &Case<'_>) -> Option<Advice> {
    let window = window::recovery(case.run)?;
    let late = Window::new(window.from + GRACE, window.to);
    let (seen, after) = case.seen.iter().find_map(|seen| {
        let after = Tally::of(seen.probe, samples_in(&case.run.samples, seen.place, &[late]));
        let interval = |tally: &Tally| wilson(tally.failed() as u64, tally.evidence() as u64, 2.575_829);
        let more = after.evidence() >= 10 && interval(&after).0 > interval(&seen.baseline).1;
        more.then_some((seen, after))
    })?;
    advice(
        "R06",
        "Errors long after the fault is gone",
        format!(
            "{}: {} of {} samples failed more than 10s after the verified undo, {} of {} before the fault",
            seen.probe.name,
            after.failed(),
            after.evidence(),
            seen.baseline.failed(),
            seen.baseline.evidence()
        ),
        "Something does not come back by itself: no reconnect, a pool of dead connections, or a circuit breaker that \
         never half-opens. Reconnect with capped backoff, check connections before use, probe from the breaker.",
    )
}

/// R07: recovery takes longer than the fault lasted, or is not over after that long.
pub(super) fn r07_backlog(case: &Case<'_>) -> Option<Advice> {
    let fault: Duration = window::faults(case.run).iter().map(|window| window.length()).sum();
    let recovery = &case.analysis.recovery;
    let watched = window::recovery(case.run)?.length();
    let words = match (recovery.status, recovery.time_to_recover) {
        (RecoveryStatus::Recovered, Some(time)) if time > fault && time >= Duration::from_secs(1) => {
            format!("recovery took {}", Timespan(time))
        }
        (RecoveryStatus::NotRecovered, _) if watched > fault && watched >= Duration::from_secs(1) => {
            format!("recovery was not over after {}", Timespan(watched))
        }
        _ => return None,
    };
    advice(
        "R07",
        "Recovery takes longer than the fault lasted",
        format!("the fault lasted {}, {words}; {} samples failed in all", Timespan(fault), case.analysis.lost_requests),
        "A backlog, or a failure that feeds itself: shed load, bound every queue, drop what the caller no longer waits \
         for, and give retries a budget.",
    )
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised};
    use crate::model::sample::Outcome;

    #[test]
    fn errors_that_stay_after_the_undo_are_told() {
        let run = Story::failing_generator(1.0)
            .fault(|_| (2.0, Outcome::Wrong))
            .after(20.0, |_| (2.0, Outcome::Wrong))
            .not_recovered()
            .tell();
        let advice = advice_of(&run, "R06");
        assert!(advice.evidence.contains("0 of 450 before the fault"), "{advice:?}");
        assert!(advised(&run).contains(&"R07".to_owned()), "20 s after 10 s of fault");
    }

    #[test]
    fn errors_that_end_soon_after_the_undo_are_not() {
        let soon = |i: usize| (2.0, if i < 100 { Outcome::Wrong } else { Outcome::Ok });
        let run = Story::failing_generator(1.0).fault(|_| (2.0, Outcome::Wrong)).after(20.0, soon).tell();
        assert_eq!(advised(&run), ["R11"]);
    }

    #[test]
    fn a_recovery_that_outlasts_the_fault_is_a_backlog() {
        let long = |i: usize| if i < 600 { (900.0, Outcome::Ok) } else { (2.0, Outcome::Ok) };
        let run = Story::slow_generator().fault(|_| (402.0, Outcome::Ok)).after(20.0, long).tell();
        assert!(advice_of(&run, "R07").evidence.starts_with("the fault lasted 10s, recovery took 12s"));
    }
}
