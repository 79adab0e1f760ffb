//! When the steady state is back. The runner watches live with [`RecoveryWatch`], the report afterwards with the same.
//!
//! Probes of at least ten samples a second are judged by a mirrored CUSUM from 8 % of bad events to 1 %, accepted at
//! odds of 10^3; slower probes and those that read a value by three good samples in a row. The moment of recovery is
//! that of the first sample of the good series, not of the last. A relapse (four bad events in quick succession, or
//! one for the slow probes) takes it back, so that the last recovery counts.

use std::time::Duration;

use super::bad::BadEvents;
use super::cusum::{Cusum, reaches};
use super::detection::ALARM;
use crate::model::experiment::Experiment;
use crate::model::probe::ProbeSpec;
use crate::model::sample::Sample;

/// The odds of acceptance, as a power of ten.
const ACCEPTED: f64 = 3.0;
/// Good samples in a row for slow probes and values.
const STREAK: u32 = 3;
/// From this many samples a second on, the CUSUM decides.
const FAST: f64 = 10.0;

/// Watches whether every probe is steady again.
///
/// Give it the samples that were intended after the verified undo, in any order: they arrive as they are answered.
#[derive(Debug, Clone)]
pub struct RecoveryWatch {
    probes: Vec<ProbeWatch>,
    patience: Duration,
}

#[derive(Debug, Clone)]
struct ProbeWatch {
    bad: BadEvents,
    rule: Rule,
    /// By intended time, each with the state after it, so that a late answer only recomputes what follows it.
    seen: Vec<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    intended: Duration,
    is_bad: Option<bool>,
    after: State,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Cusum { recovery: Cusum, relapse: Cusum },
    Streak,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The first sample of the present good series.
    since: Option<Duration>,
    sum: f64,
    streak: u32,
    accepted: Option<Duration>,
    relapse: f64,
    relapses: u32,
}

impl RecoveryWatch {
    /// A watch over the probes of an experiment, which learns from the samples of its baseline what good is.
    pub fn new(experiment: &Experiment, baseline: &[Sample]) -> Self {
        let probes = &experiment.steady_state;
        let bad = probes.iter().enumerate().map(|(place, probe)| {
            let own: Vec<&Sample> = baseline.iter().filter(|sample| sample.probe() == place).collect();
            BadEvents::learn(probe, &own)
        });
        Self::knowing(probes, bad.collect())
    }

    /// A watch that knows already what is bad for each probe.
    pub(super) fn knowing(probes: &[ProbeSpec], bad: Vec<BadEvents>) -> Self {
        let watches: Vec<ProbeWatch> = probes.iter().zip(bad).map(|(probe, bad)| ProbeWatch::new(probe, bad)).collect();
        let patience = probes.iter().zip(&watches).map(|(probe, watch)| watch.patience(probe)).max();
        Self { probes: watches, patience: patience.unwrap_or_default() }
    }

    /// Takes one more sample into account. Samples of unknown probes are ignored.
    pub fn see(&mut self, sample: &Sample) {
        if let Some(probe) = self.probes.get_mut(sample.probe()) {
            probe.see(sample);
        }
    }

    /// The moment, since the start of the run, from which on every probe has been good; none while that is not sure.
    pub fn recovered(&self) -> Option<Duration> {
        let moments: Option<Vec<Duration>> = self.probes.iter().map(|probe| probe.state().accepted).collect();
        moments?.into_iter().max()
    }

    /// How often a probe seemed recovered and was not.
    pub fn relapses(&self) -> u32 {
        self.probes.iter().map(|probe| probe.state().relapses).sum()
    }

    /// How long the watch needs to be sure of a recovery that has already happened. Wait this much longer than the
    /// objective: a recovery in its last second counts, but needs this long to show.
    pub fn patience(&self) -> Duration {
        self.patience
    }
}

impl ProbeWatch {
    fn new(probe: &ProbeSpec, bad: BadEvents) -> Self {
        let fast = 1.0 / probe.interval.0.as_secs_f64() >= FAST - 1e-9;
        let rule = if fast && !probe.kind.has_value() {
            Rule::Cusum { recovery: Cusum::recovery(bad.background), relapse: Cusum::breakdown(bad.background) }
        } else {
            Rule::Streak
        };
        Self { bad, rule, seen: Vec::new() }
    }

    fn state(&self) -> State {
        self.seen.last().map(|seen| seen.after).unwrap_or_default()
    }

    fn see(&mut self, sample: &Sample) {
        let place = self.seen.partition_point(|seen| seen.intended <= sample.intended());
        let seen = Seen { intended: sample.intended(), is_bad: self.bad.is_bad(sample), after: State::default() };
        self.seen.insert(place, seen);
        let before = place.checked_sub(1).map(|last| self.seen[last].after);
        let mut state = before.unwrap_or_default();
        for seen in &mut self.seen[place..] {
            state = self.rule.next(state, seen.intended, seen.is_bad);
            seen.after = state;
        }
    }

    fn patience(&self, probe: &ProbeSpec) -> Duration {
        let samples = match self.rule {
            Rule::Cusum { recovery, .. } => {
                recovery.good_events_to(ACCEPTED * std::f64::consts::LN_10).unwrap_or(STREAK)
            }
            Rule::Streak => STREAK,
        };
        probe.interval.0.saturating_mul(samples) + probe.timeout.0
    }
}

impl Rule {
    fn next(self, state: State, intended: Duration, is_bad: Option<bool>) -> State {
        match (self, state.accepted, is_bad) {
            (Self::Cusum { recovery, .. }, None, Some(is_bad)) => climb(recovery, state, intended, is_bad),
            (Self::Cusum { relapse, .. }, Some(_), Some(is_bad)) => fall(relapse, state, is_bad),
            (Self::Streak, None, Some(false)) => lengthen(state, intended),
            // Without data nothing is known to be good.
            (Self::Streak, None, _) => State { relapses: state.relapses, ..State::default() },
            (Self::Streak, Some(_), Some(true)) => State { relapses: state.relapses + 1, ..State::default() },
            (Self::Streak, Some(_), _) | (Self::Cusum { .. }, _, None) => state,
        }
    }
}

fn climb(recovery: Cusum, state: State, intended: Duration, is_bad: bool) -> State {
    let sum = recovery.next(state.sum, is_bad);
    let since = if sum > 0.0 { state.since.or(Some(intended)) } else { None };
    let accepted = since.filter(|_| reaches(sum, ACCEPTED));
    State { since, sum, accepted, relapse: 0.0, ..state }
}

fn fall(relapse: Cusum, state: State, is_bad: bool) -> State {
    let sum = relapse.next(state.relapse, is_bad);
    if reaches(sum, ALARM) {
        State { relapses: state.relapses + 1, ..State::default() }
    } else {
        State { relapse: sum, ..state }
    }
}

fn lengthen(state: State, intended: Duration) -> State {
    let since = state.since.or(Some(intended));
    let streak = state.streak + 1;
    State { since, streak, accepted: since.filter(|_| streak >= STREAK), ..state }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::RecoveryWatch;
    use crate::analysis::testing::{every, expecting, experiment, http, prometheus, sample, value};
    use crate::model::sample::{Outcome, Sample};

    /// Fifty samples a second for so many seconds, bad where this says so.
    fn samples(seconds: usize, is_bad: impl Fn(usize) -> bool) -> Vec<Sample> {
        let outcome = |i| if is_bad(i) { Outcome::Wrong } else { Outcome::Ok };
        (0..seconds * 50).map(|i| sample(i as f64 * 0.02, 2.0, outcome(i))).collect()
    }

    fn watch_over(samples: &[Sample]) -> RecoveryWatch {
        let mut watch = RecoveryWatch::new(&experiment(vec![http("ask")]), &[sample(0.0, 2.0, Outcome::Ok)]);
        samples.iter().for_each(|sample| watch.see(sample));
        watch
    }

    fn recovered_millis(samples: &[Sample]) -> Option<u128> {
        watch_over(samples).recovered().map(|moment| moment.as_millis())
    }

    #[test]
    fn a_sudden_recovery_is_dated_to_its_first_good_sample() {
        assert_eq!(recovered_millis(&samples(10, |i| i < 100)), Some(2000));
    }

    #[test]
    fn a_system_that_was_never_bad_is_recovered_from_the_first_sample_on() {
        assert_eq!(recovered_millis(&samples(3, |_| false)), Some(0));
    }

    #[test]
    fn one_good_sample_is_no_recovery() {
        assert_eq!(recovered_millis(&samples(1, |i| i != 49)), None);
        assert_eq!(recovered_millis(&samples(1, |_| false)), None, "fifty good ones are not enough either");
    }

    #[test]
    fn one_percent_of_background_errors_does_not_hide_a_recovery() {
        let recovered = recovered_millis(&samples(30, |i| i < 100 || i % 100 == 57)).expect("recovered");
        assert!((2000..6000).contains(&recovered), "{recovered}");
    }

    #[test]
    fn eight_percent_of_errors_are_no_recovery() {
        assert_eq!(recovered_millis(&samples(30, |i| i % 12 == 0)), None);
    }

    #[test]
    fn after_a_relapse_the_last_recovery_counts() {
        let flapping = samples(20, |i| i < 50 || (400..450).contains(&i));
        let watch = watch_over(&flapping);
        assert_eq!(watch.recovered(), Some(Duration::from_secs(9)));
        assert_eq!(watch.relapses(), 1);
    }

    #[test]
    fn a_relapse_at_the_end_is_not_recovered() {
        assert_eq!(recovered_millis(&samples(10, |i| !(50..450).contains(&i))), None);
    }

    #[test]
    fn answers_may_arrive_in_any_order() {
        let mut shuffled = samples(20, |i| i < 100 || i == 300);
        let in_order = recovered_millis(&shuffled);
        shuffled.sort_by_key(|sample| (sample.intended().as_millis() * 7919) % 1009);
        assert_eq!(recovered_millis(&shuffled), in_order);
        assert_eq!(in_order, Some(2000));
    }

    #[test]
    fn a_steady_state_with_many_errors_is_recovered_when_it_is_as_before() {
        let often = |i: usize| i.is_multiple_of(10);
        let baseline = samples(10, often);
        let mut watch = RecoveryWatch::new(&experiment(vec![http("ask")]), &baseline);
        samples(60, |i| i < 200 || often(i)).iter().for_each(|sample| watch.see(sample));
        assert!(watch.recovered().is_some_and(|moment| moment >= Duration::from_millis(3900)));
    }

    #[test]
    fn slow_probes_and_values_need_three_good_samples_in_a_row() {
        let probes = vec![every(1.0, expecting(prometheus("depth"), &["value <= 10"]))];
        let mut watch = RecoveryWatch::new(&experiment(probes), &[]);
        let mut recovered = |second: f64, depth: f64| {
            watch.see(&value(second, depth));
            watch.recovered()
        };
        for (second, depth) in [(0.0, 50.0), (1.0, 9.0), (2.0, 9.0), (3.0, 20.0), (4.0, 9.0), (5.0, 8.0)] {
            assert_eq!(recovered(second, depth), None, "at {second} s");
        }
        assert_eq!(recovered(6.0, 7.0), Some(Duration::from_secs(4)));
        assert_eq!(recovered(7.0, 70.0), None, "a relapse");
    }

    #[test]
    fn no_data_does_not_count_as_good() {
        let probes = vec![every(1.0, expecting(prometheus("depth"), &["value <= 10"]))];
        let mut watch = RecoveryWatch::new(&experiment(probes), &[]);
        for blind in [value(0.0, 1.0), value(1.0, 1.0), sample(2.0, 1.0, Outcome::NoData), value(3.0, 1.0)] {
            watch.see(&blind);
        }
        assert_eq!(watch.recovered(), None);
    }

    #[test]
    fn every_probe_must_be_good_and_the_last_one_dates_it() {
        let other = |second: f64, outcome| {
            let first = sample(second, 2.0, outcome);
            Sample::new(1, first.phase(), [first.intended(), first.sent(), first.done()], first.measurement())
        };
        let mut watch = RecoveryWatch::new(&experiment(vec![http("ask"), every(1.0, http("health"))]), &[]);
        samples(5, |_| false).iter().for_each(|sample| watch.see(sample));
        assert_eq!(watch.recovered(), None);
        watch.see(&other(0.0, Outcome::Refused));
        (1..4).for_each(|second| watch.see(&other(f64::from(second), Outcome::Ok)));
        assert_eq!(watch.recovered(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn patience_is_what_ninety_five_good_samples_take() {
        let watch = watch_over(&[]);
        assert_eq!(watch.patience(), Duration::from_millis(95 * 20 + 1000));
    }
}
