//! When the probes noticed that something broke: a CUSUM from 2 % of bad events to 20 %, alarm at odds of 10^4.

use std::time::Duration;

use super::bad::BadEvents;
use super::cusum::{Cusum, reaches};
use super::findings::Detection;
use super::run::Run;
use super::window;
use crate::model::phase::Phase;
use crate::model::sample::Sample;

/// The odds of the alarm, as a power of ten.
pub const ALARM: f64 = 4.0;

/// The first alarm of any probe from the first fault to the rollback; in observer mode from the start of the observe
/// phase. None when nobody noticed.
pub fn detect(run: &Run, bad: &[BadEvents]) -> Option<Detection> {
    let from = window::faults(run).first()?.from;
    let to = run.phase(Phase::Rollback).map_or(run.last, |span| span.start);
    let watched = [window::Window::new(from, to)];
    let alarms = run.experiment().steady_state.iter().zip(bad).enumerate().filter_map(|(place, (probe, bad))| {
        let (onset, alarm) = first_alarm(bad, window::samples_in(&run.samples, place, &watched))?;
        Some(Detection { probe: probe.name.clone(), onset, alarm, time_to_detect: alarm.saturating_sub(from) })
    });
    alarms.min_by_key(|detection| detection.alarm)
}

/// The onset (the first event after the last zero of the sum) and the moment of the alarm, which is when the answer that
/// raised it was in.
fn first_alarm<'a>(bad: &BadEvents, samples: impl Iterator<Item = &'a Sample>) -> Option<(Duration, Duration)> {
    let cusum = Cusum::breakdown(bad.background);
    let mut sum = 0.0;
    let mut onset = None;
    for sample in samples {
        let Some(is_bad) = bad.is_bad(sample) else { continue };
        sum = cusum.next(sum, is_bad);
        onset = if sum > 0.0 { onset.or(Some(sample.intended())) } else { None };
        if reaches(sum, ALARM) {
            return onset.map(|onset| (onset, sample.done()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::analysis::analyse;
    use crate::analysis::testing::Story;
    use crate::model::sample::Outcome;

    #[test]
    fn an_outage_is_noticed_after_four_bad_events() {
        let run = Story::slow_generator().fault(|_| (1.0, Outcome::Refused)).tell();
        let detection = analyse(&run).detection.expect("noticed");
        let applied = run.first_applied().expect("applied");
        assert_eq!(detection.probe, "ask");
        assert!(detection.onset >= applied);
        assert!(detection.time_to_detect.as_millis() <= 100, "{detection:?}");
    }

    #[test]
    fn a_healthy_run_raises_no_alarm() {
        assert_eq!(analyse(&Story::slow_generator().tell()).detection, None);
    }

    #[test]
    fn single_errors_far_apart_raise_no_alarm() {
        let sparse = |i: usize| (2.0, if i.is_multiple_of(100) { Outcome::Wrong } else { Outcome::Ok });
        assert_eq!(analyse(&Story::slow_generator().fault(sparse).tell()).detection, None);
    }
}
