//! Before, during, after: which stretches of a run the estimates are made from. Samples belong by their intended time.

use std::time::Duration;

use super::run::{FaultRecord, Run};
use crate::model::phase::Phase;
use crate::model::sample::Sample;

/// A stretch of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its start.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
}

impl Window {
    /// From here to there; empty when `to` comes first.
    pub fn new(from: Duration, to: Duration) -> Self {
        Self { from, to: to.max(from) }
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        self.to - self.from
    }

    /// Whether a moment belongs to it.
    pub fn contains(self, moment: Duration) -> bool {
        self.from <= moment && moment < self.to
    }

    /// What is left of it without another one: nothing, one piece, or one on each side.
    pub fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let before = Self { to: self.to.min(other.from), ..self };
        let after = Self { from: self.from.max(other.to), ..self };
        [before, after].into_iter().filter(|piece| piece.from < piece.to)
    }

    /// Without the margin after its start, where the phases blend: one second, or a quarter of windows shorter than
    /// four seconds.
    pub fn settled(self) -> Self {
        let margin = Duration::from_secs(1).min(self.length() / 4);
        Self { from: self.from + margin, to: self.to }
    }
}

/// The samples of one probe that were intended in one of these windows; the samples are sorted by that.
pub fn samples_in<'a, 'w>(
    samples: &'a [Sample],
    probe: usize,
    windows: &'w [Window],
) -> impl Iterator<Item = &'a Sample> + use<'a, 'w> {
    let (from, to) = windows
        .iter()
        .fold((Duration::MAX, Duration::ZERO), |(from, to), window| (from.min(window.from), to.max(window.to)));
    // A million samples are not looked at one by one for each probe and window.
    let place = |moment| samples.partition_point(|sample| sample.intended() < moment);
    let (first, last) = (place(from), place(to));
    samples[first.min(last)..last].iter().filter(move |sample| {
        sample.probe() == probe && windows.iter().any(|window| window.contains(sample.intended()))
    })
}

/// The baseline up to its judgement, margin included. Its samples are those of [`Run::baseline`].
pub fn baseline(run: &Run) -> Option<Window> {
    run.phase(Phase::Baseline).map(|span| Window::new(span.start, run.baseline_judged_at.unwrap_or(span.end)))
}

/// When something was broken, margins included: from each fault's application until its undo began, overlapping
/// ones joined. The time between two faults is not part of it: it would dilute what the faults did. In observer mode
/// (and for an experiment without faults) it is the observe phase.
pub fn faults(run: &Run) -> Vec<Window> {
    if run.observes_only() || run.experiment().faults.is_empty() {
        return run.phase(Phase::Observe).map(|span| Window::new(span.start, span.end)).into_iter().collect();
    }
    joined(fault_spans(run).into_iter().flatten().collect())
}

/// When each fault was active: from its application until its undo began; none where it was not applied.
pub fn fault_spans(run: &Run) -> Vec<Option<Window>> {
    let rollback = run.phase(Phase::Rollback).map_or(run.last, |span| span.start);
    let span = |fault: &FaultRecord| {
        let end = fault.dose_read.or(fault.undone).unwrap_or(rollback).min(rollback);
        fault.applied.map(|applied| Window::new(applied, end))
    };
    run.faults.iter().map(span).collect()
}

/// From the verified undo to the end of the recovery phase; none when recovery was not watched.
pub fn recovery(run: &Run) -> Option<Window> {
    let phase = run.phase(Phase::Recovery)?;
    let from = run.verified_undo().unwrap_or(phase.start);
    Some(Window::new(from, phase.end))
}

/// In their order, overlapping ones joined.
pub(super) fn joined(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_by_key(|window| window.from);
    let mut joined: Vec<Window> = Vec::new();
    for next in windows {
        match joined.last_mut() {
            Some(last) if next.from <= last.to => last.to = last.to.max(next.to),
            _ => joined.push(next),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Window, faults, joined};
    use crate::analysis::testing::Story;

    fn window(from: u64, to: u64) -> Window {
        Window::new(Duration::from_secs(from), Duration::from_secs(to))
    }

    #[test]
    fn the_margin_is_a_second_but_never_more_than_a_quarter() {
        assert_eq!(window(10, 20).settled(), window(11, 20));
        assert_eq!(window(10, 12).settled().from, Duration::from_millis(10_500));
    }

    #[test]
    fn without_another_one_both_sides_are_left() {
        let left = |from, to| window(10, 20).without(window(from, to)).collect::<Vec<_>>();
        assert_eq!(left(12, 15), [window(10, 12), window(15, 20)]);
        assert_eq!(left(5, 15), [window(15, 20)]);
        assert_eq!(left(5, 25), []);
        assert_eq!(left(30, 40), [window(10, 20)]);
    }

    #[test]
    fn overlapping_faults_are_one_window_and_gaps_are_left_out() {
        let all = joined(vec![window(20, 25), window(0, 5), window(4, 9), window(9, 10)]);
        assert_eq!(all, [window(0, 10), window(20, 25)]);
    }

    #[test]
    fn a_window_that_ends_before_it_begins_is_empty() {
        assert_eq!(window(5, 3).length(), Duration::ZERO);
        assert!(!window(5, 3).contains(Duration::from_secs(5)));
    }

    #[test]
    fn observer_mode_looks_at_the_observe_phase() {
        let run = Story::slow_generator().observing().tell();
        let observe = run.phase(crate::model::phase::Phase::Observe).expect("observed");
        assert_eq!(faults(&run), [Window::new(observe.start, observe.end)]);
    }
}
