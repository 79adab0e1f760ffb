//! What each probe saw over time, in stretches of equal length: what a time line is drawn from.

use std::time::Duration;

use super::run::Run;
use crate::model::expectation::{Metric, Must};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Outcome, Sample};
use crate::model::statistics::quantile;

/// A run has about so many stretches.
const STRETCHES: u32 = 100;
/// More samples than this are too many to draw one by one.
const MOST_POINTS: usize = 3000;

/// One probe over the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The probe's name.
    pub probe: String,
    /// The word in `probe:`.
    pub kind: String,
    /// What is drawn: a value that the probe reads, or else its latency in seconds.
    pub is_value: bool,
    /// The limits that the expectations set for that, with the expectation.
    pub limits: Vec<(f64, String)>,
    /// How a number is told.
    pub unit: Option<Must>,
    /// Stretches that have samples, by time.
    pub stretches: Vec<Stretch>,
    /// Single samples, as far as they have a number; empty when they are too many.
    pub points: Vec<Point>,
}

/// The samples that were intended in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Its start.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// All samples.
    pub samples: usize,
    /// Those that failed.
    pub errors: usize,
    /// Those without evidence about the target.
    pub blind: usize,
    /// The median; none without a number.
    pub p50: Option<f64>,
    /// 95 % were no larger.
    pub p95: Option<f64>,
    /// 99 % were no larger.
    pub p99: Option<f64>,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it was intended.
    pub at: Duration,
    /// The value or the latency in seconds; of a timeout its limit.
    pub number: f64,
    /// It speaks against the target.
    pub is_error: bool,
}

/// Every probe over the run, in the order of the file.
pub fn timeline(run: &Run) -> Vec<Series> {
    let width = (run.last / STRETCHES).max(Duration::from_millis(1));
    let probes = run.experiment().steady_state.iter().enumerate();
    probes.map(|(place, probe)| series(run, place, probe, width)).collect()
}

fn series(run: &Run, place: usize, probe: &ProbeSpec, width: Duration) -> Series {
    let samples: Vec<&Sample> = run.samples.iter().filter(|sample| sample.probe() == place).collect();
    let is_value = samples.iter().any(|sample| sample.value().is_some());
    // A stretch holds a few samples at least: a median of one sample is that sample.
    let width = width.max(probe.interval.0 * 4);
    let stretches = samples.chunk_by(|a, b| number_of(a, width) == number_of(b, width));
    let few = samples.len() <= MOST_POINTS;
    Series {
        probe: probe.name.clone(),
        kind: probe.kind.word().to_owned(),
        is_value,
        limits: limits(probe, is_value),
        unit: unit(probe, is_value),
        stretches: stretches.map(|samples| stretch(probe, samples, width, is_value)).collect(),
        points: samples.iter().filter(|_| few).filter_map(|sample| point(probe, sample, is_value)).collect(),
    }
}

fn number_of(sample: &Sample, width: Duration) -> u128 {
    sample.intended().as_nanos() / width.as_nanos().max(1)
}

fn stretch(probe: &ProbeSpec, samples: &[&Sample], width: Duration, is_value: bool) -> Stretch {
    let number = samples.first().map_or(0, |sample| number_of(sample, width));
    let from = width * u32::try_from(number).unwrap_or(u32::MAX);
    let count = |is: fn(Outcome) -> bool| samples.iter().filter(|sample| is(sample.outcome())).count();
    let (errors, blind) = (count(Outcome::is_error), count(|outcome| !outcome.is_data()));
    let mut numbers: Vec<f64> = samples.iter().filter_map(|sample| point(probe, sample, is_value)?.counts()).collect();
    numbers.sort_by(f64::total_cmp);
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| quantile(&numbers, q));
    Stretch { from, to: from + width, samples: samples.len(), errors, blind, p50, p95, p99 }
}

fn point(probe: &ProbeSpec, sample: &Sample, is_value: bool) -> Option<Point> {
    let outcome = sample.outcome();
    let timed_out = outcome == Outcome::Timeout;
    let number = match is_value {
        true => sample.value()?,
        false if timed_out => probe.timeout.0.as_secs_f64(),
        false if outcome.is_data() => sample.latency().as_secs_f64(),
        false => return None,
    };
    // A refusal is quick and tells nothing of how long an answer takes.
    let is_error = outcome.is_error();
    (is_value || !is_error || timed_out).then_some(Point { at: sample.intended(), number, is_error })
}

impl Point {
    fn counts(self) -> Option<f64> {
        self.number.is_finite().then_some(self.number)
    }
}

fn bears(metric: Metric, must: &Must, is_value: bool) -> bool {
    !matches!(metric, Metric::SuccessRate | Metric::ErrorRate) && must.is_time() != is_value
}

fn limits(probe: &ProbeSpec, is_value: bool) -> Vec<(f64, String)> {
    let bearing = probe.expect.iter().filter(|expectation| bears(expectation.metric, &expectation.must, is_value));
    let ends = |must: &Must| match must {
        Must::Compare { limit, .. } => vec![limit.number()],
        Must::Within { tolerance, centre } => {
            vec![centre.number() - tolerance.number(), centre.number() + tolerance.number()]
        }
    };
    bearing.flat_map(|it| ends(&it.must).into_iter().map(|number| (number, it.text.clone()))).collect()
}

fn unit(probe: &ProbeSpec, is_value: bool) -> Option<Must> {
    let bearing = probe.expect.iter().find(|expectation| bears(expectation.metric, &expectation.must, is_value));
    bearing.map(|expectation| expectation.must)
}

#[cfg(test)]
mod tests {
    use super::timeline;
    use crate::analysis::testing::{Story, expecting, prometheus};
    use crate::model::sample::Outcome;

    #[test]
    fn no_sample_is_lost_between_the_stretches() {
        let run = Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell();
        let series = timeline(&run);
        let counted: usize = series[0].stretches.iter().map(|stretch| stretch.samples).sum();
        assert_eq!((counted, series[0].points.len()), (run.samples.len(), run.samples.len()));
        assert!(series[0].stretches.windows(2).all(|pair| pair[0].to <= pair[1].from));
        assert_eq!(series[0].limits, [(0.25, "p95 <= 250ms".to_owned())]);
    }

    #[test]
    fn a_stretch_tells_the_quantiles_of_its_own_samples() {
        let run = Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell();
        let series = &timeline(&run)[0];
        let at = |second: u64| series.stretches.iter().find(|s| s.from.as_secs() == second).expect("a stretch");
        assert_eq!((at(5).p50, at(5).p99), (Some(0.002), Some(0.002)));
        assert_eq!((at(15).p50, at(15).p99), (Some(0.412), Some(0.412)));
    }

    #[test]
    fn errors_are_counted_and_only_timeouts_have_a_latency() {
        let run = Story::slow_generator().fault(|_| (0.1, Outcome::Refused)).tell();
        let series = &timeline(&run)[0];
        let failing: Vec<_> = series.stretches.iter().filter(|stretch| stretch.errors > 0).collect();
        assert_eq!(failing.iter().map(|stretch| stretch.errors).sum::<usize>(), 500);
        assert!(failing.iter().filter(|s| s.errors == s.samples).all(|s| s.p50.is_none()));
        let run = Story::slow_generator().fault(|_| (1000.0, Outcome::Timeout)).tell();
        assert!(timeline(&run)[0].points.iter().any(|point| point.is_error && point.number == 1.0));
    }

    #[test]
    fn a_probe_that_reads_values_is_drawn_by_them() {
        let run =
            Story::slow_generator().also(expecting(prometheus("depth"), &["value within 5 of 10"]), |_| 7.0).tell();
        let series = &timeline(&run)[1];
        assert!(series.is_value && series.stretches.iter().any(|stretch| stretch.p50 == Some(7.0)));
        assert_eq!(series.limits.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [5.0, 15.0]);
    }
}
