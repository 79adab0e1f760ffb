//! Which samples are bad events: errors, timeouts, too slow ones and values that are not as they must be.

use super::tally::Tally;
use crate::model::expectation::{Metric, Must, Operator};
use crate::model::probe::ProbeSpec;
use crate::model::sample::Sample;

/// What is no slowness where nobody said what is slow, in seconds beyond the median of the baseline: so much may a busy
/// machine add to an answer that used to take a fraction of a millisecond. Whoever cares for less declares a limit.
const IMMATERIAL: f64 = 0.010;

/// Tells bad samples of one probe from good ones.
#[derive(Debug, Clone, PartialEq)]
pub struct BadEvents {
    /// Slower than this many seconds is bad.
    pub slow: Option<f64>,
    /// What every value must be.
    values: Vec<ValueRule>,
    /// The share of bad events in the baseline.
    pub background: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct ValueRule {
    must: Must,
    /// Values that the baseline showed too are not bad: for a mean or a quantile, single values may be beyond it.
    usual: Option<(f64, f64)>,
}

impl BadEvents {
    /// Learns what is bad from the expectations and the baseline of a probe.
    ///
    /// The limit for slow ones is the smallest time limit of a quantile, mean or maximum, but at least the p99 of the
    /// baseline (half of all healthy samples may be beyond a limit of the p50). Without a limit it is the largest
    /// of the baseline's p99, 1.5 times its p95, and its p50 and ten milliseconds.
    pub fn learn(probe: &ProbeSpec, baseline: &[&Sample]) -> Self {
        let tally = Tally::of(probe, baseline.iter().copied());
        let mut bad = Self { slow: slow_limit(probe, &tally), values: value_rules(probe, &tally), background: 0.0 };
        let judged: Vec<bool> = baseline.iter().filter_map(|sample| bad.is_bad(sample)).collect();
        bad.background = judged.iter().filter(|is_bad| **is_bad).count() as f64 / judged.len().max(1) as f64;
        bad
    }

    /// Whether a sample is bad; none when it is no evidence.
    pub fn is_bad(&self, sample: &Sample) -> Option<bool> {
        if !sample.outcome().is_data() {
            return None;
        }
        let slow = self.slow.is_some_and(|limit| sample.latency().as_secs_f64() > limit);
        let wrong = sample.value().is_some_and(|value| self.values.iter().any(|rule| rule.forbids(value)));
        Some(sample.outcome().is_error() || slow || wrong)
    }
}

impl ValueRule {
    fn forbids(&self, value: f64) -> bool {
        let usual = self.usual.is_some_and(|(low, high)| low <= value && value <= high);
        !usual && !self.must.holds(value)
    }
}

fn slow_limit(probe: &ProbeSpec, baseline: &Tally) -> Option<f64> {
    let upper = |q: f64| baseline.latency(q).filter(|latency| !latency.at_least).map(|latency| latency.number);
    let declared = probe.expect.iter().filter_map(|expectation| match (expectation.metric, &expectation.must) {
        (Metric::Quantile(_) | Metric::Mean | Metric::Max, must) if must.is_time() => upper_limit(must),
        _ => None,
    });
    match (declared.min_by(f64::total_cmp), upper(0.99)) {
        (Some(limit), p99) => Some(p99.map_or(limit, |p99| limit.max(p99))),
        // What reads a value is judged by the value, not by how long the reading took.
        (None, _) if probe.kind.has_value() => None,
        (None, p99) => {
            let (p99, p95, p50) = (p99?, upper(0.95)?, upper(0.5)?);
            Some(p99.max(1.5 * p95).max(p50 + IMMATERIAL))
        }
    }
}

fn upper_limit(must: &Must) -> Option<f64> {
    match *must {
        Must::Compare { operator: Operator::Less | Operator::AtMost, limit } => Some(limit.number()),
        Must::Compare { .. } => None,
        Must::Within { tolerance, centre } => Some(centre.number() + tolerance.number()),
    }
}

fn value_rules(probe: &ProbeSpec, baseline: &Tally) -> Vec<ValueRule> {
    let usual = baseline.values.first().copied().zip(baseline.values.last().copied());
    let rules = probe.expect.iter().filter_map(|expectation| match expectation.metric {
        Metric::SuccessRate | Metric::ErrorRate => None,
        Metric::Value => Some(ValueRule { must: expectation.must, usual: None }),
        _ if expectation.must.is_time() => None,
        _ => Some(ValueRule { must: expectation.must, usual }),
    });
    rules.collect()
}

#[cfg(test)]
mod tests {
    use super::BadEvents;
    use crate::analysis::testing::{expecting, http, prometheus, sample, value};
    use crate::model::probe::ProbeSpec;
    use crate::model::sample::{Outcome, Sample};

    fn learnt(probe: &ProbeSpec, baseline: &[Sample]) -> BadEvents {
        BadEvents::learn(probe, &baseline.iter().collect::<Vec<_>>())
    }

    fn answers(millis: &[f64]) -> Vec<Sample> {
        millis.iter().map(|millis| sample(0.0, *millis, Outcome::Ok)).collect()
    }

    #[test]
    fn the_declared_limit_tells_slow_from_fast() {
        let bad = learnt(&expecting(http("ask"), &["p95 <= 250ms"]), &answers(&[1.0, 2.0]));
        assert_eq!(bad.is_bad(&sample(0.0, 251.0, Outcome::Ok)), Some(true));
        assert_eq!(bad.is_bad(&sample(0.0, 249.0, Outcome::Ok)), Some(false));
    }

    #[test]
    fn a_limit_of_the_median_does_not_make_half_of_a_healthy_baseline_bad() {
        let healthy = answers(&[80.0, 90.0, 110.0, 150.0]);
        let bad = learnt(&expecting(http("ask"), &["p50 <= 100ms"]), &healthy);
        assert!(bad.background <= 0.25, "only the sample beyond the interpolated p99");
        assert_eq!(bad.is_bad(&sample(0.0, 111.0, Outcome::Ok)), Some(false));
    }

    #[test]
    fn without_a_limit_the_baseline_sets_it() {
        let bad = learnt(&expecting(http("ask"), &["success_rate >= 99%"]), &answers(&[100.0; 20]));
        assert_eq!(bad.is_bad(&sample(0.0, 149.0, Outcome::Ok)), Some(false));
        assert_eq!(bad.is_bad(&sample(0.0, 151.0, Outcome::Ok)), Some(true));
    }

    #[test]
    fn without_a_limit_a_few_milliseconds_of_a_busy_machine_are_not_slow() {
        let bad = learnt(&expecting(http("ask"), &["success_rate >= 99%"]), &answers(&[0.5; 20]));
        assert_eq!(bad.is_bad(&sample(0.0, 10.0, Outcome::Ok)), Some(false), "twenty times as slow, and nobody minds");
        assert_eq!(bad.is_bad(&sample(0.0, 11.0, Outcome::Ok)), Some(true));
    }

    #[test]
    fn errors_are_bad_however_fast_and_no_data_is_neither() {
        let bad = learnt(&http("ask"), &answers(&[1.0]));
        assert_eq!(bad.is_bad(&sample(0.0, 0.1, Outcome::Refused)), Some(true));
        assert_eq!(bad.is_bad(&sample(0.0, 0.1, Outcome::NoData)), None);
        assert_eq!(bad.is_bad(&sample(0.0, 9000.0, Outcome::Saturated)), None);
    }

    #[test]
    fn a_value_must_be_as_expected_however_long_its_reading_took() {
        let bad = learnt(&expecting(prometheus("depth"), &["value <= 10"]), &[value(0.0, 3.0)]);
        assert_eq!(bad.is_bad(&value(0.0, 11.0)), Some(true));
        assert_eq!(bad.is_bad(&value(0.0, 9.0)), Some(false));
    }

    #[test]
    fn a_single_value_beyond_a_limit_of_the_mean_is_bad_only_when_the_baseline_had_none() {
        let bad = learnt(&expecting(prometheus("depth"), &["mean <= 10"]), &[value(0.0, 3.0), value(0.0, 12.0)]);
        assert_eq!(bad.is_bad(&value(0.0, 12.0)), Some(false));
        assert_eq!(bad.is_bad(&value(0.0, 13.0)), Some(true));
    }
}
