//! Rules about the time after the undo.

use std::time::Duration;

use super::super::tally::Tally;
use super::super::window::{self, Window, samples_in};
use super::{Case, Found, Seen, advice};
use crate::model::sample::Sample;
use crate::model::statistics::wilson;
use crate::model::units::{Share, Timespan};

/// What a system may need to notice that its dependency is back.
const GRACE: Duration = Duration::from_secs(10);
/// Too few good answers for so long are a state of their own, not the tail of the fault.
const LINGERING: Duration = Duration::from_secs(30);
/// Fewer good answers than this share of the usual are too few.
const LOW_GOODPUT: f64 = 0.9;
/// Loads that differ by no more than this are equal.
const LOAD_TOLERANCE: f64 = 0.1;

/// R06: significantly more errors than in the baseline, ten seconds and more after the verified undo.
pub(super) fn r06_errors_long_after(case: &Case<'_>) -> Option<Found> {
    let window = window::recovery(case.run)?;
    let late = Window::new(window.from + GRACE, window.to);
    let (seen, after) = case.seen.iter().find_map(|seen| {
        let after = Tally::of(seen.probe, samples_in(&case.run.samples, seen.place, &[late]));
        let interval = |tally: &Tally| wilson(tally.failed() as u64, tally.evidence() as u64, 2.575_829);
        let more = after.evidence() >= 10 && interval(&after).0 > interval(&seen.baseline).1;
        more.then_some((seen, after))
    })?;
    advice(
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

/// R07: the system came back, but later than the fault lasted; or it answers and is still not what it was after
/// [`LINGERING`]. A system that does not answer at all has no backlog to work off: that is R06.
pub(super) fn r07_backlog(case: &Case<'_>) -> Option<Found> {
    let (title, evidence) = slow_recovery(case).or_else(|| low_goodput(case))?;
    advice(
        title,
        evidence,
        "A backlog, or a failure that feeds itself: shed load, bound every queue, drop what the caller no longer waits \
         for, and give retries a budget.",
    )
}

fn slow_recovery(case: &Case<'_>) -> Option<(&'static str, String)> {
    let fault: Duration = window::faults(case.run).iter().map(|window| window.length()).sum();
    let time = case.analysis.recovery.time_to_recover?;
    (time > fault && time >= Duration::from_secs(1)).then(|| {
        let (fault, time, failed) = (Timespan(fault), Timespan(time), case.analysis.lost_requests);
        let evidence = format!("the fault lasted {fault}, recovery took {time}; {failed} samples failed in all");
        ("Recovery takes longer than the fault lasted", evidence)
    })
}

/// Answered in part, and for sure fewer than 90 % as many good answers as before, at equal load.
fn low_goodput(case: &Case<'_>) -> Option<(&'static str, String)> {
    let whole = window::recovery(case.run).filter(|window| window.length() >= LINGERING)?;
    let late = [Window::new(whole.to.saturating_sub(LINGERING), whole.to)];
    let before = [window::baseline(case.run)?.settled()];
    let requests = case.seen.iter().filter(|seen| !seen.probe.kind.has_value());
    requests.into_iter().find_map(|seen| {
        let after = goodput(seen, samples_in(&case.run.samples, seen.place, &late));
        let usual = goodput(seen, case.run.baseline_in(seen.place, &before));
        let rate = |goodput: &Goodput, window: &[Window; 1]| goodput.judged as f64 / window[0].length().as_secs_f64();
        let equal_load = (rate(&after, &late) / rate(&usual, &before) - 1.0).abs() <= LOAD_TOLERANCE;
        let low = wilson(after.good, after.judged, 2.575_829).1 < LOW_GOODPUT * usual.share();
        (equal_load && after.answered > 0 && after.judged >= 10 && low).then(|| {
            let (now, usual) = (Share(after.share()), Share(usual.share()));
            let since = Timespan(LINGERING);
            let evidence = format!(
                "{}: {now} of the samples were good in the last {since} of {} after the verified undo, {usual} before \
                 the fault, at equal load",
                seen.probe.name,
                Timespan(whole.length())
            );
            ("It answers again, and does not get back to what it was", evidence)
        })
    })
}

/// Samples with evidence, those with an answer, and those that were neither failed nor too slow.
#[derive(Default)]
struct Goodput {
    judged: u64,
    answered: u64,
    good: u64,
}

impl Goodput {
    fn share(&self) -> f64 {
        self.good as f64 / self.judged.max(1) as f64
    }
}

fn goodput<'a>(seen: &Seen<'_>, samples: impl Iterator<Item = &'a Sample>) -> Goodput {
    samples.fold(Goodput::default(), |mut goodput, sample| {
        if let Some(bad) = seen.bad.is_bad(sample) {
            goodput.judged += 1;
            goodput.answered += u64::from(!sample.outcome().is_error());
            goodput.good += u64::from(!bad);
        }
        goodput
    })
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised};
    use crate::model::sample::Outcome;
    use crate::model::units::Timespan;

    #[test]
    fn errors_that_stay_after_the_undo_are_told() {
        let run = Story::failing_generator(1.0)
            .fault(|_| (2.0, Outcome::Wrong))
            .after(20.0, |_| (2.0, Outcome::Wrong))
            .not_recovered()
            .tell();
        let advice = advice_of(&run, "R06");
        assert!(advice.evidence.contains("0 of 450 before the fault"), "{advice:?}");
        assert!(!advised(&run).contains(&"R07".to_owned()), "what answers nothing has no backlog");
    }

    /// A system that was down for ten seconds, and what it did for so many seconds after the undo.
    fn afterwards(seconds: f64, sight: fn(usize) -> (f64, Outcome)) -> Vec<String> {
        let story = Story::failing_generator(1.0).fault(|_| (2.0, Outcome::Refused)).not_recovered();
        let story = story.after(seconds, sight).with(|experiment| experiment.recovery.within = Timespan::seconds(40));
        advised(&story.tell()).into_iter().filter(|rule| rule == "R06" || rule == "R07").collect()
    }

    #[test]
    fn what_never_comes_back_is_no_backlog_however_long_it_is_watched() {
        assert_eq!(afterwards(40.0, |_| (1.0, Outcome::Refused)), ["R06"]);
        assert_eq!(afterwards(9.0, |_| (1.0, Outcome::Refused)), [""; 0], "too early for either");
    }

    #[test]
    fn answers_that_stay_slow_are_a_backlog_without_errors() {
        assert_eq!(afterwards(40.0, |_| (900.0, Outcome::Ok)), ["R07"]);
        assert_eq!(afterwards(25.0, |_| (900.0, Outcome::Ok)), [""; 0], "not for 30 s");
    }

    #[test]
    fn a_share_of_errors_that_stays_is_both() {
        let every_third = |i: usize| (2.0, if i.is_multiple_of(3) { Outcome::Timeout } else { Outcome::Ok });
        assert_eq!(afterwards(40.0, every_third), ["R06", "R07"]);
        let one_in_twenty = |i: usize| (2.0, if i.is_multiple_of(20) { Outcome::Wrong } else { Outcome::Ok });
        assert_eq!(afterwards(40.0, one_in_twenty), ["R06"], "95 % of the usual are enough");
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
