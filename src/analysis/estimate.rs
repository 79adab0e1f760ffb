//! What the samples of a phase say about an expectation.
//!
//! - **Latency** metrics look at the requests that were answered as wanted and at timeouts. A timeout is *censored* at
//!   the probe's limit T: all that is known is that it took at least T, so a quantile that falls there is `>= T`.
//!   Other errors are left out, lest a connection refused in 0.1 ms make the p95 look better.
//! - **Shares** are `ok / (ok + errors)`. Samples without data and samples that this tool could not send in time are
//!   no evidence about the target; more than a tenth of them make every result inconclusive.
//! - **Values** are those that were read; `value` means every single one, and its worst is shown.
//! - Too few samples are inconclusive, never a pass: see [`least_samples`].

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::findings::{Actual, OutcomeCount, Standing};
use crate::model::expectation::{Expectation, Metric, Must, Operator};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Outcome, Sample};
use crate::model::statistics::quantile;
use crate::model::units::Share;

/// The largest share of samples without evidence that a result bears.
const BLIND: f64 = 0.1;

/// The samples of one probe in one phase, counted and sorted.
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
    latencies: Vec<Latency>,
    /// Latencies in seconds of all samples with evidence, errors included, in rising order.
    pub all_latencies: Vec<f64>,
    /// Values, in rising order.
    pub values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Latency {
    seconds: f64,
    censored: bool,
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

impl Tally {
    /// Counts the samples of one probe.
    pub fn of<'a>(probe: &ProbeSpec, samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut tally = Self::default();
        let samples: Vec<&Sample> = samples.into_iter().collect();
        for sample in &samples {
            tally.count(probe, sample);
        }
        for counted in tally.errors.iter_mut().chain(&mut tally.blind) {
            counted.example = usual_words(&samples, counted.outcome);
        }
        tally.latencies.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        tally.all_latencies.sort_by(f64::total_cmp);
        tally.values.sort_by(f64::total_cmp);
        tally
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

    /// A quantile of the latency of answered requests and timeouts.
    pub fn latency(&self, q: f64) -> Option<Estimate> {
        let seconds: Vec<f64> = self.latencies.iter().map(|latency| latency.seconds).collect();
        let number = quantile(&seconds, q)?;
        let rank = (q.clamp(0.0, 1.0) * (seconds.len() - 1) as f64).ceil() as usize;
        let at_least = self.latencies[..=rank].iter().any(|latency| latency.censored);
        Some(Estimate { number, at_least, samples: seconds.len() })
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

    fn count(&mut self, probe: &ProbeSpec, sample: &Sample) {
        self.total += 1;
        let outcome = sample.measurement.outcome;
        let latency = sample.latency().as_secs_f64();
        match outcome {
            Outcome::Ok => {
                self.ok += 1;
                self.latencies.push(Latency { seconds: latency, censored: false });
            }
            Outcome::Timeout => {
                self.latencies.push(Latency { seconds: probe.timeout.0.as_secs_f64(), censored: true });
                OutcomeCount::add(&mut self.errors, outcome);
            }
            outcome if outcome.is_error() => OutcomeCount::add(&mut self.errors, outcome),
            _ => OutcomeCount::add(&mut self.blind, outcome),
        }
        if outcome.is_data() {
            self.all_latencies.push(latency);
            self.values.extend(sample.measurement.value);
        }
    }

    fn exact(&self, number: f64) -> Estimate {
        Estimate { number, at_least: false, samples: self.evidence() }
    }

    fn value(&self, number: Option<f64>) -> Option<Estimate> {
        number.map(|number| Estimate { number, at_least: false, samples: self.values.len() })
    }

    fn mean_latency(&self) -> Option<Estimate> {
        let seconds: Vec<f64> = self.latencies.iter().map(|latency| latency.seconds).collect();
        let at_least = self.latencies.iter().any(|latency| latency.censored);
        mean(&seconds).map(|number| Estimate { number, at_least, samples: seconds.len() })
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

    fn blind_share(&self) -> f64 {
        self.total.saturating_sub(self.evidence()) as f64 / self.total.max(1) as f64
    }
}

impl Estimate {
    /// For people: `412ms`, `>= 1s`, `99.2%`.
    pub fn show(&self, must: &Must) -> String {
        let sign = if self.at_least { ">= " } else { "" };
        format!("{sign}{}", must.show(self.number))
    }

    /// Whether it is as it must be; none when that can not be known, because the truth lies beyond the timeout.
    pub fn holds(&self, must: &Must) -> Option<bool> {
        if !self.at_least {
            return Some(must.holds(self.number));
        }
        match *must {
            Must::Compare { operator: Operator::More | Operator::AtLeast, .. } => {
                must.holds(self.number).then_some(true)
            }
            Must::Compare { .. } => (!must.holds(self.number)).then_some(false),
            Must::Within { tolerance, centre } => (self.number > centre.number() + tolerance.number()).then_some(false),
        }
    }
}

/// How many samples a result needs: 10 for shares and mean latencies, `5 / (1 - q)` for a quantile (100 for p95; at
/// least 10, at most 1000) so that a handful of samples lies beyond it, 3 for values.
pub fn least_samples(metric: Metric, must: &Must) -> usize {
    match metric {
        Metric::SuccessRate | Metric::ErrorRate => 10,
        Metric::Quantile(q) => {
            let beyond = q.min(1.0 - q).max(0.005);
            // Rounded first: 5 / (1 - 0.95) is a hair above 100.
            ((5.0 / beyond * 1e6).round() / 1e6).ceil().clamp(10.0, 1000.0) as usize
        }
        Metric::Mean if must.is_time() => 10,
        Metric::Mean | Metric::Min | Metric::Max | Metric::Value => 3,
    }
}

/// Judges one expectation by the samples of one phase.
pub fn judge(expectation: &Expectation, tally: &Tally) -> Actual {
    let must = &expectation.must;
    if tally.total == 0 {
        return Actual::missing(Standing::NotMeasured, "no samples");
    }
    if tally.blind_share() > BLIND {
        let why = format!("{} of the samples are no evidence", Share(tally.blind_share()));
        return Actual::missing(Standing::Inconclusive, &why);
    }
    let Some(estimate) = tally.measure(expectation.metric, must) else {
        return unanswered(tally);
    };
    let holds = estimate.holds(must);
    let least = least_samples(expectation.metric, must);
    // One value on the wrong side proves that not every value is on the right one.
    let proven = expectation.metric == Metric::Value && holds == Some(false);
    let few = estimate.samples < least && !proven;
    if few && mostly_errors(tally) {
        return unanswered(tally);
    }
    let (standing, why) = match holds {
        _ if few => (Standing::Inconclusive, Some(format!("{} of at least {least} samples", estimate.samples))),
        Some(true) => (Standing::Held, None),
        Some(false) => (Standing::Deviated, None),
        None => (Standing::Inconclusive, Some("beyond the probe's timeout".to_owned())),
    };
    Actual {
        number: Some(estimate.number),
        at_least: estimate.at_least,
        shown: estimate.show(must),
        samples: estimate.samples,
        result: standing,
        why,
    }
}

/// Hardly an answer to measure: when that is because most samples failed, the expectation did not hold.
fn unanswered(tally: &Tally) -> Actual {
    if mostly_errors(tally) {
        let why = format!("{} errors", Share(tally.error_share().unwrap_or_default()));
        Actual { shown: "no answers".to_owned(), ..Actual::missing(Standing::Deviated, &why) }
    } else {
        Actual::missing(Standing::Inconclusive, "nothing to measure it by")
    }
}

fn mostly_errors(tally: &Tally) -> bool {
    tally.failed() >= 3 && tally.error_share().is_some_and(|share| share > 0.5)
}

/// What most of the samples with this outcome said; the first of several said equally often.
fn usual_words(samples: &[&Sample], outcome: Outcome) -> Option<String> {
    let those = samples.iter().filter(|sample| sample.measurement.outcome == outcome);
    let mut said: BTreeMap<&str, (usize, Reverse<usize>)> = BTreeMap::new();
    for (place, words) in those.filter_map(|sample| sample.measurement.detail.as_deref()).enumerate() {
        said.entry(words).or_insert((0, Reverse(place))).0 += 1;
    }
    said.into_iter().max_by_key(|(_, often)| *often).map(|(words, _)| words.to_owned())
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::{Standing, Tally, judge, least_samples};
    use crate::analysis::testing::{expect, http, prometheus, sample, value};
    use crate::model::expectation::Metric;
    use crate::model::sample::{Outcome, Sample};

    fn answers(count: usize, millis: f64) -> Vec<Sample> {
        (0..count).map(|i| sample(i as f64 * 0.02, millis, Outcome::Ok)).collect()
    }

    fn failures(count: usize, outcome: Outcome, millis: f64) -> Vec<Sample> {
        (0..count).map(|i| sample(i as f64 * 0.02, millis, outcome)).collect()
    }

    #[test]
    fn a_timeout_is_censored_at_its_limit() {
        let samples = [answers(90, 2.0), failures(10, Outcome::Timeout, 1000.4)].concat();
        let tally = Tally::of(&http("ask"), &samples);
        let p95 = judge(&expect("p95 <= 250ms"), &tally);
        assert_eq!((p95.shown.as_str(), p95.result), (">= 1s", Standing::Deviated));
        assert_eq!(judge(&expect("p50 <= 250ms"), &tally).shown, "2ms");
    }

    #[test]
    fn what_lies_beyond_the_timeout_can_not_be_judged_against_a_later_limit() {
        let tally = Tally::of(&http("ask"), &failures(200, Outcome::Timeout, 1000.0));
        let p95 = judge(&expect("p95 <= 5s"), &tally);
        assert_eq!(p95.result, Standing::Inconclusive);
    }

    #[test]
    fn a_fast_refusal_does_not_make_the_latency_look_better() {
        let slow = answers(200, 400.0);
        let refused = [slow.clone(), failures(150, Outcome::Refused, 0.1)].concat();
        let p50 = |samples: &[Sample]| judge(&expect("p50 <= 250ms"), &Tally::of(&http("ask"), samples)).number;
        assert_eq!(p50(&slow), p50(&refused));
    }

    #[test]
    fn without_answers_a_latency_did_not_hold() {
        let tally = Tally::of(&http("ask"), &failures(200, Outcome::Refused, 0.1));
        let p95 = judge(&expect("p95 <= 250ms"), &tally);
        assert_eq!((p95.shown.as_str(), p95.result), ("no answers", Standing::Deviated));
    }

    #[test]
    fn too_few_samples_are_never_a_pass() {
        for (text, enough) in [("p95 <= 250ms", 100), ("p50 <= 250ms", 10), ("success_rate >= 99%", 10)] {
            let result = |n| judge(&expect(text), &Tally::of(&http("ask"), &answers(n, 2.0))).result;
            assert_eq!(result(enough - 1), Standing::Inconclusive, "{text}");
            assert_eq!(result(enough), Standing::Held, "{text}");
        }
    }

    #[test]
    fn without_samples_nothing_was_measured() {
        let nothing = judge(&expect("p95 <= 250ms"), &Tally::default());
        assert_eq!(nothing.result, Standing::NotMeasured);
    }

    #[test]
    fn more_than_a_tenth_without_data_is_inconclusive() {
        let mostly = [answers(90, 2.0), failures(11, Outcome::NoData, 0.0)].concat();
        let enough = [answers(90, 2.0), failures(10, Outcome::Saturated, 0.0)].concat();
        let result =
            |samples: &[Sample]| judge(&expect("success_rate >= 99%"), &Tally::of(&http("ask"), samples)).result;
        assert_eq!(result(&mostly), Standing::Inconclusive);
        assert_eq!(result(&enough), Standing::Held);
    }

    #[test]
    fn no_data_is_neither_good_nor_bad() {
        let samples = [answers(99, 2.0), failures(1, Outcome::Wrong, 2.0), failures(8, Outcome::NoData, 0.0)].concat();
        let rate = judge(&expect("success_rate >= 99%"), &Tally::of(&http("ask"), &samples));
        assert_eq!((rate.shown.as_str(), rate.samples), ("99%", 100));
    }

    #[test]
    fn every_single_value_must_be_right_and_the_worst_is_shown() {
        let probe = prometheus("depth");
        let tally = |values: &[f64]| Tally::of(&probe, &values.iter().map(|v| value(0.0, *v)).collect::<Vec<_>>());
        let within = expect("value within 5 of 10");
        assert_eq!(judge(&within, &tally(&[9.0, 10.0, 14.0])).shown, "14");
        let wrong = judge(&within, &tally(&[10.0, 3.0]));
        assert_eq!((wrong.shown.as_str(), wrong.result), ("3", Standing::Deviated), "one is proof enough");
        assert_eq!(judge(&within, &tally(&[10.0, 9.0])).result, Standing::Inconclusive);
        assert_eq!(judge(&expect("value >= 4"), &tally(&[9.0, 5.0, 7.0])).shown, "5");
    }

    #[test]
    fn rare_quantiles_need_many_samples() {
        let must = expect("p99 <= 1s").must;
        let needed = [0.5, 0.9, 0.95, 0.99, 0.999].map(|q| least_samples(Metric::Quantile(q), &must));
        assert_eq!(needed, [10, 50, 100, 500, 1000]);
    }
}
