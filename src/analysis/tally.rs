//! The samples of one probe in one phase, counted and sorted.
//!
//! - **Latency** metrics look at the requests that were answered as wanted and at timeouts. A timeout is *censored* at
//!   the probe's limit T: all that is known is that it took at least T, so a quantile that falls there is `>= T`.
//!   Other errors are left out, lest a connection refused in 0.1 ms make the p95 look better.
//! - **Shares** are `ok / (ok + errors)`. Samples without data and samples that this tool could not send in time are
//!   no evidence about the target.
//! - **Values** are those that were read; `value` means every single one, and its worst is shown.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::batches::Spread;
use super::findings::OutcomeCount;
use super::formulas::quantile_ranks;
use crate::model::expectation::{Metric, Must, Operator};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Outcome, Sample};
use crate::model::statistics::quantile;

/// The samples of one probe in one phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// All samples.
    pub total: usize,
    /// Samples without error.
    pub ok: usize,
    /// Samples with an error, by kind; kinds that did not occur are absent.
    pub errors: Vec<OutcomeCount>,
    /// Samples without evidence: no data, or not sent in time.
    pub blind: Vec<OutcomeCount>,
    /// Latencies in seconds of answered requests and of timeouts, in rising order.
    pub latencies: Vec<f64>,
    /// The rank (from 0) of the first of them that is a timeout.
    first_censored: Option<usize>,
    /// Those of all samples with evidence; empty where none failed, as they are `latencies` then.
    with_errors: Vec<f64>,
    /// Values, in rising order.
    pub values: Vec<f64>,
    /// Half the width of the 95 % interval of the mean latency, in seconds; infinite where the samples are too few.
    pub latency_spread: f64,
    /// The same of the values.
    pub value_spread: f64,
}

/// A number that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Seconds, share 0-1, or the value's own unit.
    pub number: f64,
    /// The truth is this or more: it lies beyond the probe's timeout.
    pub at_least: bool,
    /// Samples it was made from.
    pub samples: usize,
}

impl Estimate {
    /// For people: `412ms`, `>= 1s`, `99.2%`.
    pub fn show(&self, must: &Must) -> String {
        let sign = if self.at_least { ">= " } else { "" };
        format!("{sign}{}", must.show(self.number))
    }
}

impl Tally {
    /// Counts the samples of one probe.
    pub fn of<'a>(probe: &ProbeSpec, samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut tally = Self::default();
        let mut censored = f64::INFINITY;
        let mut words = Words::default();
        for sample in samples {
            tally.count(probe, sample);
            words.hear(sample);
            if sample.outcome() == Outcome::Timeout {
                censored = probe.timeout.0.as_secs_f64();
            }
        }
        for counted in tally.errors.iter_mut().chain(&mut tally.blind) {
            counted.example = words.usual(counted.outcome);
        }
        tally.latency_spread = half_of_mean(&tally.latencies);
        tally.value_spread = half_of_mean(&tally.values);
        for numbers in [&mut tally.latencies, &mut tally.with_errors, &mut tally.values] {
            numbers.sort_unstable_by(f64::total_cmp);
        }
        let first = tally.latencies.partition_point(|latency| *latency < censored);
        tally.first_censored = censored.is_finite().then_some(first);
        tally
    }

    /// Latencies in seconds of all samples with evidence, errors included, in rising order.
    pub fn all_latencies(&self) -> &[f64] {
        if self.errors.is_empty() { &self.latencies } else { &self.with_errors }
    }

    /// Samples that say something about the system.
    pub fn evidence(&self) -> usize {
        self.ok + self.failed()
    }

    /// Samples with an error.
    pub fn failed(&self) -> usize {
        self.errors.iter().map(|errors| errors.count).sum()
    }

    /// How often this happened.
    pub fn count_of(&self, outcome: Outcome) -> usize {
        let all = self.errors.iter().chain(&self.blind);
        all.filter(|counted| counted.outcome == outcome).map(|counted| counted.count).sum()
    }

    /// Share of samples with an error; none without evidence.
    pub fn error_share(&self) -> Option<f64> {
        (self.evidence() > 0).then(|| self.failed() as f64 / self.evidence() as f64)
    }

    /// Share of samples that are no evidence.
    pub fn blind_share(&self) -> f64 {
        self.total.saturating_sub(self.evidence()) as f64 / self.total.max(1) as f64
    }

    /// A quantile of the latency of answered requests and timeouts.
    pub fn latency(&self, q: f64) -> Option<Estimate> {
        let number = quantile(&self.latencies, q)?;
        let rank = (q.clamp(0.0, 1.0) * (self.latencies.len() - 1) as f64).ceil() as usize;
        Some(Estimate { number, at_least: self.is_censored(rank), samples: self.latencies.len() })
    }

    /// The 95 % interval of a quantile of the latency in seconds: infinite where nothing bounds it, because the samples
    /// are too few or the bound is a timeout.
    pub fn latency_interval(&self, q: f64) -> (f64, f64) {
        let (low, high) = quantile_ranks(self.latencies.len(), q);
        let high = high.map(|rank| rank - 1).filter(|rank| !self.is_censored(*rank));
        (low.map_or(0.0, |rank| self.latencies[rank - 1]), high.map_or(f64::INFINITY, |rank| self.latencies[rank]))
    }

    /// The same of the values that were read.
    pub fn value_interval(&self, q: f64) -> (f64, f64) {
        let (low, high) = quantile_ranks(self.values.len(), q);
        let bound = |rank: Option<usize>, none: f64| rank.map_or(none, |rank| self.values[rank - 1]);
        (bound(low, f64::NEG_INFINITY), bound(high, f64::INFINITY))
    }

    /// What this metric is; read from the latency where the limit is a time. None when nothing bears on it.
    pub fn measure(&self, metric: Metric, must: &Must) -> Option<Estimate> {
        match metric {
            Metric::SuccessRate => self.error_share().map(|share| self.exact(1.0 - share)),
            Metric::ErrorRate => self.error_share().map(|share| self.exact(share)),
            Metric::Quantile(q) if must.is_time() => self.latency(q),
            Metric::Min if must.is_time() => self.latency(0.0),
            Metric::Max if must.is_time() => self.latency(1.0),
            Metric::Mean if must.is_time() => self.mean_latency(),
            Metric::Quantile(q) => self.value(quantile(&self.values, q)),
            Metric::Min => self.value(self.values.first().copied()),
            Metric::Max => self.value(self.values.last().copied()),
            Metric::Mean => self.value(mean(&self.values)),
            Metric::Value => self.value(self.worst_value(must)),
        }
    }

    fn is_censored(&self, rank: usize) -> bool {
        self.first_censored.is_some_and(|first| first <= rank)
    }

    fn count(&mut self, probe: &ProbeSpec, sample: &Sample) {
        self.total += 1;
        let outcome = sample.outcome();
        let latency = sample.latency().as_secs_f64();
        if outcome.is_error() && self.errors.is_empty() {
            self.with_errors.clone_from(&self.latencies);
        }
        match outcome {
            Outcome::Ok => {
                self.ok += 1;
                self.latencies.push(latency);
            }
            Outcome::Timeout => {
                self.latencies.push(probe.timeout.0.as_secs_f64());
                OutcomeCount::add(&mut self.errors, outcome);
            }
            outcome if outcome.is_error() => OutcomeCount::add(&mut self.errors, outcome),
            _ => OutcomeCount::add(&mut self.blind, outcome),
        }
        if outcome.is_data() {
            if !self.errors.is_empty() {
                self.with_errors.push(latency);
            }
            self.values.extend(sample.value());
        }
    }

    fn exact(&self, number: f64) -> Estimate {
        Estimate { number, at_least: false, samples: self.evidence() }
    }

    fn value(&self, number: Option<f64>) -> Option<Estimate> {
        number.map(|number| Estimate { number, at_least: false, samples: self.values.len() })
    }

    fn mean_latency(&self) -> Option<Estimate> {
        let at_least = self.first_censored.is_some();
        mean(&self.latencies).map(|number| Estimate { number, at_least, samples: self.latencies.len() })
    }

    /// The value that is furthest on the wrong side.
    fn worst_value(&self, must: &Must) -> Option<f64> {
        let (first, last) = (*self.values.first()?, *self.values.last()?);
        Some(match must {
            Must::Compare { operator: Operator::Less | Operator::AtMost, .. } => last,
            Must::Compare { operator: Operator::More | Operator::AtLeast, .. } => first,
            Must::Within { centre, .. } => {
                let centre = centre.number();
                if (first - centre).abs() > (last - centre).abs() { first } else { last }
            }
        })
    }
}

/// What samples said, counted.
#[derive(Default)]
struct Words<'a> {
    said: BTreeMap<(&'static str, &'a str), (usize, Reverse<usize>)>,
}

impl<'a> Words<'a> {
    fn hear(&mut self, sample: &'a Sample) {
        if let Some(words) = sample.detail() {
            let place = self.said.len();
            let key = (sample.outcome().word(), words);
            self.said.entry(key).or_insert((0, Reverse(place))).0 += 1;
        }
    }

    /// What most of the samples with this outcome said; the first of several said equally often.
    fn usual(&self, outcome: Outcome) -> Option<String> {
        let those = self.said.iter().filter(|((word, _), _)| *word == outcome.word());
        those.max_by_key(|(_, often)| **often).map(|((_, words), _)| (*words).to_owned())
    }
}

/// Half the width of the 95 % interval of the mean of numbers in the order they came, from the spread of groups of them.
fn half_of_mean(numbers: &[f64]) -> f64 {
    Spread::of(numbers).map_or(f64::INFINITY, Spread::half)
}

/// The arithmetic mean; none of nothing.
pub(super) fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::analysis::testing::{http, sample};
    use crate::model::sample::{Outcome, Sample};

    fn millis(latencies: impl IntoIterator<Item = (f64, Outcome)>) -> Tally {
        let samples: Vec<Sample> =
            latencies.into_iter().map(|(millis, outcome)| sample(0.0, millis, outcome)).collect();
        Tally::of(&http("ask"), &samples)
    }

    #[test]
    fn a_quantile_is_bounded_by_the_samples_around_it() {
        let tally = millis((1..=100).map(|n| (f64::from(n), Outcome::Ok)));
        assert_eq!(tally.latency_interval(0.5), (0.040, 0.061), "ranks 40 and 61");
        assert_eq!(tally.latency_interval(0.99).1, f64::INFINITY, "100 samples do not bound a p99");
    }

    #[test]
    fn a_timeout_bounds_nothing_from_above() {
        let tally = millis((1..=100).map(|n| if n > 90 { (1000.0, Outcome::Timeout) } else { (2.0, Outcome::Ok) }));
        assert_eq!(tally.latency_interval(0.9), (0.002, f64::INFINITY));
        assert_eq!(tally.latency(0.95).map(|p95| (p95.number, p95.at_least)), Some((1.0, true)));
        assert_eq!(tally.latency_interval(0.5), (0.002, 0.002));
    }
}
