//! One stop condition over the samples of its probe.
//!
//! Without `for`, a share stops the run when the 99 % lower bound over the trailing ten seconds (at least ten
//! events) exceeds the threshold and the newest event is bad, or when so many are bad in a row as chance would hardly
//! bring about at the threshold. A naive window of one second stops nearly every healthy run sooner or later.
//! A quantile is a share too: `p99 > 2s` says that more than 1 % is slower than 2 s.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Fired;
use super::window::{Dot, Window};
use crate::model::event::StopCause;
use crate::model::expectation::{Limit, Metric, Must, Operator, StopCondition, Subject};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Outcome, Sample};
use crate::model::statistics::{at_least, wilson};
use crate::model::units::Share;

/// One-sided 99 % quantile of the normal distribution.
const Z99: f64 = 2.326_348;
const WINDOW: Duration = Duration::from_secs(10);
const LEAST: usize = 10;
/// Up to so many events the chance is counted exactly; beyond, Wilson's bound is close to it.
const COUNTED: u64 = 200;
/// Single values breach by so many in a row.
const VALUES_IN_A_ROW: usize = 3;
/// A run of bad events stops when its chance at the threshold is below this.
const HARDLY: f64 = 1e-4;

/// A condition and what it has seen.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) condition: StopCondition,
    pub(super) rule: Rule,
    pub(super) window: Window,
    /// Since when the condition has held without a break, and when the first bad event of that was due.
    holding: Option<(Duration, Duration)>,
    /// The samples under way that were counted as bad already, by when they were due.
    counted: BTreeSet<Duration>,
}

/// How events are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// Too large a share of bad events: more than the threshold.
    TooMany { threshold: f64 },
    /// The mean over the window is out of bounds.
    Mean,
    /// Single values out of bounds in a row.
    InARow,
    /// Not a condition over samples.
    Users,
}

impl Watched {
    pub fn new(condition: StopCondition, probe: Option<&ProbeSpec>) -> Self {
        let rule = rule_of(&condition, probe);
        let window = match condition.hold {
            Some(hold) => Window::new(hold.0.min(Duration::from_secs(1)), 5),
            None => Window::new(WINDOW, 0),
        };
        Self { condition, rule, window, holding: None, counted: BTreeSet::new() }
    }

    /// A sample came in.
    pub fn see(&mut self, sample: &Sample) -> Option<Fired> {
        if self.probe() != Some(sample.probe()) || self.counted.remove(&sample.intended()) {
            return None;
        }
        let dot = self.dot(sample)?;
        self.take(dot)
    }

    /// Some samples are under way still: those that are beyond the limit are bad whatever their answers will be.
    pub fn waiting(&mut self, now: Duration, under_way: &[(usize, Duration)]) -> Option<Fired> {
        let limit = self.slow_from()?;
        let ours =
            under_way.iter().filter(|(probe, due)| self.probe() == Some(*probe) && now.saturating_sub(*due) > limit);
        let slow: Vec<Duration> = ours.map(|(_, due)| *due).filter(|due| !self.counted.contains(due)).collect();
        slow.into_iter().find_map(|due| {
            self.counted.insert(due);
            self.take(Dot { at: now, due, bad: true, number: now.saturating_sub(due).as_secs_f64() })
        })
    }

    /// Sees samples as if they came in now, each at the moment at which it was known how it was.
    pub fn replay(&mut self, samples: &[Sample]) -> Option<Fired> {
        let ours = samples.iter().filter(|sample| self.probe() == Some(sample.probe()));
        let mut dots: Vec<Dot> =
            ours.filter_map(|sample| Some(Dot { at: self.known_at(sample), ..self.dot(sample)? })).collect();
        dots.sort_by_key(|dot| dot.at);
        dots.into_iter().find_map(|dot| self.take(dot))
    }

    fn take(&mut self, dot: Dot) -> Option<Fired> {
        self.window.push(dot);
        match self.condition.hold {
            None => self.at_once(),
            Some(hold) => self.held(hold.0, dot),
        }
    }

    fn probe(&self) -> Option<usize> {
        match self.condition.subject {
            Subject::Probe { probe, .. } => Some(probe),
            Subject::AffectedUsers => None,
        }
    }

    /// From when on an event is bad because it takes too long, which is known before its answer comes. None where events
    /// are not judged by that; a mean needs to know how long.
    fn slow_from(&self) -> Option<Duration> {
        match (self.rule, self.condition.breach) {
            (
                Rule::TooMany { .. },
                Must::Compare { operator: Operator::More | Operator::AtLeast, limit: Limit::Time(limit) },
            ) => Some(limit.0),
            _ => None,
        }
    }

    /// When it was known how a sample was.
    fn known_at(&self, sample: &Sample) -> Duration {
        let slow = self.slow_from().filter(|limit| sample.latency() > *limit);
        slow.map_or(sample.done(), |limit| sample.intended() + limit)
    }

    /// Whether more users are affected than may be.
    pub fn users(&self, now: Duration, users: u64) -> Option<Fired> {
        let breached = self.rule == Rule::Users && self.condition.breach.holds(users as f64);
        breached.then(|| self.fired(format!("{users} affected users"), now))
    }

    /// What a sample says about the condition; none when it says nothing.
    fn dot(&self, sample: &Sample) -> Option<Dot> {
        let Subject::Probe { metric, .. } = self.condition.subject else { return None };
        if !sample.outcome().is_data() {
            return None;
        }
        let error = sample.outcome().is_error();
        let latency = sample.latency().as_secs_f64();
        let number = if self.condition.breach.is_time() { latency } else { sample.value().unwrap_or(0.0) };
        let bad = match metric {
            Metric::SuccessRate | Metric::ErrorRate => error,
            // Errors other than timeouts have no latency and no value; the error rate is there to stop for them.
            _ if error && sample.outcome() != Outcome::Timeout => return None,
            _ if error => true,
            _ => self.condition.breach.holds(number),
        };
        Some(Dot { at: sample.done(), due: sample.intended(), bad, number })
    }

    fn at_once(&self) -> Option<Fired> {
        let (row, row_began) = self.window.run_of_bad();
        let breached = match self.rule {
            Rule::TooMany { threshold } => row >= bad_in_a_row(threshold) || (row > 0 && self.surely_over(threshold)),
            Rule::Mean => self.window.len() >= LEAST && self.condition.breach.holds(self.window.mean()),
            Rule::InARow => row >= VALUES_IN_A_ROW,
            Rule::Users => false,
        };
        if !breached {
            return None;
        }
        let began = if matches!(self.rule, Rule::InARow) { row_began } else { self.window.first_bad() };
        Some(self.fired(self.measured(), began.or(row_began).unwrap_or_default()))
    }

    /// Whether the true share is above the threshold with 99 % confidence. Wilson's bound is an approximation that says
    /// so far too often of a few events (of 27 with a true share of 5 %, in 4 % of the cases), so those are counted.
    fn surely_over(&self, threshold: f64) -> bool {
        let (bad, n) = (self.window.bad() as u64, self.window.len() as u64);
        let chance = if n <= COUNTED { at_least(bad, n, threshold) } else { None };
        n >= LEAST as u64 && chance.map_or_else(|| wilson(bad, n, Z99).0 > threshold, |chance| chance < 0.01)
    }

    /// With `for`: the condition must be true after every event of that time.
    fn held(&mut self, hold: Duration, dot: Dot) -> Option<Fired> {
        let true_now = match self.rule {
            Rule::TooMany { threshold } => self.window.bad() as f64 > threshold * self.window.len() as f64,
            Rule::Mean => self.condition.breach.holds(self.window.mean()),
            Rule::InARow => dot.bad,
            Rule::Users => false,
        };
        if !true_now {
            self.holding = None;
            return None;
        }
        let first_bad = self.window.first_bad().unwrap_or(dot.due);
        let (since, first_bad) = *self.holding.get_or_insert((dot.at, first_bad));
        (dot.at.saturating_sub(since) >= hold).then(|| self.fired(self.measured(), first_bad))
    }

    /// With `for`: how long it has been true by now, and how long it must be.
    pub fn beyond(&self) -> Option<(Duration, Duration)> {
        let since = self.holding.map(|(since, _)| since);
        let lasted = since.zip(self.window.newest_at()).map(|(since, now)| now.saturating_sub(since));
        self.condition.hold.map(|hold| (lasted.unwrap_or_default(), hold.0))
    }

    fn measured(&self) -> String {
        let (bad, n) = (self.window.bad(), self.window.len());
        match self.rule {
            Rule::TooMany { .. } => {
                let share = Share(bad as f64 / n.max(1) as f64);
                format!("{bad} bad of the last {n} samples ({share})")
            }
            Rule::Mean => {
                format!("a mean of {} over the last {n} samples", self.condition.breach.show(self.window.mean()))
            }
            Rule::InARow => format!("{} breaches in a row", self.window.run_of_bad().0),
            Rule::Users => String::new(),
        }
    }

    fn fired(&self, measured: String, first_bad: Duration) -> Fired {
        Fired { cause: StopCause::Condition, condition: self.condition.text.clone(), measured, first_bad }
    }
}

fn rule_of(condition: &StopCondition, probe: Option<&ProbeSpec>) -> Rule {
    let Subject::Probe { metric, .. } = condition.subject else { return Rule::Users };
    let of_values = !condition.breach.is_time() && probe.is_some_and(|probe| probe.kind.has_value());
    match (metric, condition.breach) {
        (Metric::ErrorRate, Must::Compare { limit, .. }) => Rule::TooMany { threshold: limit.number() },
        (Metric::SuccessRate, Must::Compare { limit, .. }) => Rule::TooMany { threshold: 1.0 - limit.number() },
        (Metric::Mean, _) => Rule::Mean,
        (Metric::Quantile(q), Must::Compare { operator, .. }) if !of_values => {
            // `p50 < 1ms` breaches when more than half is faster.
            let above = matches!(operator, Operator::More | Operator::AtLeast);
            Rule::TooMany { threshold: if above { 1.0 - q } else { q } }
        }
        (Metric::Max | Metric::Min, _) if !of_values => Rule::TooMany { threshold: 0.0 },
        _ => Rule::InARow,
    }
}

/// How many bad events in a row chance would hardly bring about when the true share is the threshold; at least 5.
fn bad_in_a_row(threshold: f64) -> usize {
    if threshold >= 0.99 {
        return usize::MAX;
    }
    let rare = HARDLY.ln() / threshold.max(1e-9).ln();
    (rare.ceil() as usize).max(5)
}

#[cfg(test)]
mod tests {
    use super::bad_in_a_row;

    #[test]
    fn a_run_of_bad_events_is_longer_where_bad_events_are_expected() {
        assert_eq!(bad_in_a_row(0.0), 5);
        assert_eq!(bad_in_a_row(0.05), 5);
        assert_eq!(bad_in_a_row(0.2), 6);
        assert_eq!(bad_in_a_row(0.5), 14);
    }
}
