//! What one probe saw of late, second by second.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::expectation::Must;
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Outcome, Sample};
use crate::model::statistics::quantile;
use crate::model::units::{Rate, Share, Timespan};

/// So many seconds are remembered: the longest sparkline.
pub(super) const SECONDS: usize = 60;
/// Rate, errors and quantiles are those of the last seconds, or of as many more as five samples take.
const LATELY: u64 = 5;

/// The last seconds of one probe.
#[derive(Debug, Clone)]
pub(super) struct Gauge {
    interval: Duration,
    timeout: Duration,
    is_value: bool,
    unit: Option<Must>,
    seconds: VecDeque<Second>,
}

/// What was known in one second.
#[derive(Debug, Clone, Default)]
struct Second {
    /// Its number, from the start of the run.
    number: u64,
    samples: usize,
    errors: usize,
    /// Values, or latencies in seconds of answers and timeouts.
    numbers: Vec<f64>,
}

/// What a probe saw of late, for people.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub rate: String,
    pub errors: String,
    pub is_failing: bool,
    pub p50: String,
    pub p95: String,
}

impl Gauge {
    pub(super) fn new(probe: &ProbeSpec) -> Self {
        let is_value = probe.kind.has_value();
        let mut musts = probe.expect.iter().map(|expectation| expectation.must);
        Self {
            interval: probe.interval.0,
            timeout: probe.timeout.0,
            is_value,
            unit: musts.find(|must| is_value && !must.is_time()),
            seconds: VecDeque::new(),
        }
    }

    /// A sample was known.
    pub(super) fn see(&mut self, sample: &Sample) {
        let number = sample.done().as_secs();
        // What comes late belongs to the newest second: there are no gaps to fill behind it.
        if self.seconds.back().is_none_or(|newest| newest.number < number) {
            self.seconds.push_back(Second { number, ..Second::default() });
        }
        while self.seconds.front().is_some_and(|oldest| oldest.number + SECONDS as u64 <= number) {
            self.seconds.pop_front();
        }
        let number = self.number_of(sample);
        if let Some(second) = self.seconds.back_mut() {
            second.samples += 1;
            second.errors += usize::from(sample.outcome().is_error());
            second.numbers.extend(number);
        }
    }

    /// A refusal is quick and tells nothing of how long an answer takes.
    fn number_of(&self, sample: &Sample) -> Option<f64> {
        match sample.outcome() {
            _ if self.is_value => sample.value(),
            Outcome::Ok => Some(sample.latency().as_secs_f64()),
            Outcome::Timeout => Some(self.timeout.as_secs_f64()),
            _ => None,
        }
    }

    /// How it stands at a moment of the run.
    pub(super) fn reading(&self, at: Duration) -> Reading {
        let (now, lately) = (at.as_secs(), LATELY.max((self.interval * 5).as_secs()).min(SECONDS as u64 - 1));
        let from = now.saturating_sub(lately);
        let those = self.seconds.iter().filter(|second| second.number >= from);
        let (mut samples, mut errors, mut numbers) = (0, 0, Vec::new());
        for second in those {
            samples += second.samples;
            errors += second.errors;
            numbers.extend_from_slice(&second.numbers);
        }
        numbers.sort_unstable_by(f64::total_cmp);
        let began = self.seconds.front().map_or(now, |first| first.number).max(from);
        let time = at.saturating_sub(Duration::from_secs(began)).as_secs_f64().max(1.0);
        let [p50, p95] = [0.5, 0.95].map(|q| quantile(&numbers, q).map_or_else(|| "-".to_owned(), |n| self.show(n)));
        let share = Share((errors as f64 / samples.max(1) as f64 * 1e3).round() / 1e3);
        Reading {
            rate: if samples == 0 { "0/s".to_owned() } else { Rate(samples as f64 / time).to_string() },
            errors: if samples == 0 { "-".to_owned() } else { share.to_string() },
            is_failing: errors > 0,
            p50,
            p95,
        }
    }

    /// The p95 of each of the last seconds that are over, the oldest first, and whether something failed in it; none
    /// where nothing was measured.
    pub(super) fn history(&self, at: Duration, count: usize) -> Vec<(Option<f64>, bool)> {
        let now = at.as_secs();
        let second = |number: u64| self.seconds.iter().find(|second| second.number == number);
        let numbers = (now.saturating_sub(count as u64)..now).map(|number| match second(number) {
            None => (None, false),
            Some(second) => {
                let mut numbers = second.numbers.clone();
                numbers.sort_unstable_by(f64::total_cmp);
                (quantile(&numbers, 0.95), second.errors > 0)
            }
        });
        numbers.collect()
    }

    fn show(&self, number: f64) -> String {
        match self.unit {
            Some(unit) => unit.show(number),
            None if self.is_value => format!("{number:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
            None => Timespan(Duration::try_from_secs_f64(number).unwrap_or_default()).to_string(),
        }
    }
}
