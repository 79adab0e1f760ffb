//! What a run will be able to show, said beforehand: from the rates and lengths of its file, and from how much an earlier
//! run of the same experiment scattered. Without one, requests are assumed to be independent of each other, with
//! latencies that are log-normal with [`SIGMA`], and not to fail: a real system scatters more or less than that, and the
//! report of the run says what it did show.

use std::time::Duration;

use serde::Serialize;

use super::degradation::least_baseline;
use super::findings::{Analysis, Compared};
use super::formulas::{Z95, newcombe, normal_cdf, quantile_ranks, student_quantile};
use super::judge::{enough, least_samples, wants_all};
use super::window::Window;
use crate::model::expectation::{Expectation, Metric};
use crate::model::experiment::Experiment;
use crate::model::probe::ProbeSpec;
use crate::model::units::Timespan;

/// The assumed deviation of the logarithm of a latency: two of three lie within a factor of 1.65 of the median.
pub const SIGMA: f64 = 0.5;

/// What a run will be able to show of one expectation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Foresight {
    /// The probe's name.
    pub probe: String,
    /// The expectation as written.
    pub expected: String,
    /// Samples of the baseline that will count.
    pub before: usize,
    /// Samples of the fault that will count.
    pub during: usize,
    /// So many good ones are needed in each to say that it held; absent where no number of them would say.
    pub needed: Option<usize>,
    /// The smallest degradation that will be confirmed, as a share of the baseline; absent where none will, or where
    /// nothing is known of the scatter.
    pub smallest_visible: Option<f64>,
    /// A baseline of this length would be enough to compare with, where the file's is not.
    pub longer_baseline: Option<Timespan>,
    /// It is known from an earlier run, not assumed.
    pub from_earlier: bool,
}

impl Foresight {
    /// Whether the samples can say that it held.
    pub fn can_hold(&self) -> bool {
        self.needed.is_some_and(|needed| needed <= self.before && needed <= self.during)
    }
}

/// What a run of this experiment will be able to show, an entry for each expectation; `earlier` is an analysis of a run of
/// the same experiment.
pub fn foresee(experiment: &Experiment, earlier: Option<&Analysis>) -> Vec<Foresight> {
    let rows = experiment.steady_state.iter().flat_map(|probe| probe.expect.iter().map(move |row| (probe, row)));
    rows.map(|(probe, expectation)| one(experiment, probe, expectation, earlier)).collect()
}

fn one(experiment: &Experiment, probe: &ProbeSpec, expectation: &Expectation, earlier: Option<&Analysis>) -> Foresight {
    let count = |windows: &[Window]| windows.iter().map(|window| samples(probe, *window)).sum::<usize>();
    let baseline = Window::new(Duration::ZERO, experiment.baseline.0);
    let (before, during) = (count(&[baseline]), count(&faults(experiment)));
    let least = least_baseline(expectation.metric, &expectation.must);
    let known = earlier.and_then(|earlier| scatter(earlier, probe, expectation));
    let visible = match known {
        _ if before < least => None,
        Some((compared, counts)) => scaled(compared, counts, (before, during)),
        None => assumed(expectation, (before, during)),
    };
    let longer = probe.interval.0.saturating_mul(u32::try_from(least).unwrap_or(u32::MAX));
    Foresight {
        probe: probe.name.clone(),
        expected: expectation.text.clone(),
        before,
        during,
        needed: needed(expectation),
        smallest_visible: visible,
        // The margin after its start comes on top.
        longer_baseline: (before < least)
            .then(|| Timespan(Duration::from_secs((longer + Duration::from_secs(1)).as_secs_f64().ceil() as u64))),
        from_earlier: known.is_some(),
    }
}

/// Samples that will count in a window: those after its margin.
fn samples(probe: &ProbeSpec, window: Window) -> usize {
    (window.settled().length().as_secs_f64() / probe.interval.0.as_secs_f64() + 1e-9) as usize
}

/// When something will be broken, overlapping faults joined; without faults as long as the baseline.
fn faults(experiment: &Experiment) -> Vec<Window> {
    if experiment.faults.is_empty() {
        return vec![Window::new(Duration::ZERO, experiment.baseline.0)];
    }
    super::window::joined(experiment.faults.iter().map(|fault| Window::new(fault.start.0, fault.end().0)).collect())
}

/// How many good samples say that an expectation holds.
fn needed(expectation: &Expectation) -> Option<usize> {
    let (metric, must) = (expectation.metric, &expectation.must);
    let least = least_samples(metric, must);
    let best = match metric {
        Metric::SuccessRate => 1.0,
        Metric::ErrorRate => 0.0,
        Metric::Quantile(q) => return (least..).find(|n| quantile_ranks(*n, q).1.is_some()),
        _ => return Some(least),
    };
    if wants_all(metric, must) {
        return Some(least);
    }
    must.holds(best).then(|| enough(must, best))?.map(|samples| least.max(samples as usize))
}

/// What an earlier run could have shown, and from how many samples.
fn scatter<'a>(
    earlier: &'a Analysis,
    probe: &ProbeSpec,
    expectation: &Expectation,
) -> Option<(&'a Compared, (usize, usize))> {
    let findings = earlier.probes.iter().find(|findings| findings.name == probe.name)?;
    let row = findings.expectations.iter().find(|row| row.expected == expectation.text)?;
    Some((row.compared.as_ref()?, (findings.baseline.samples, findings.fault.samples)))
}

/// The width of an interval falls with the root of the number of samples.
fn scaled(compared: &Compared, then: (usize, usize), now: (usize, usize)) -> Option<f64> {
    let spread = |(before, during): (usize, usize)| 1.0 / before as f64 + 1.0 / during as f64;
    let wider = (spread(now) / spread(then)).sqrt();
    compared.smallest_visible.map(|visible| (visible.ln_1p() * wider).exp_m1()).filter(|visible| visible.is_finite())
}

/// By the assumptions of [`SIGMA`].
fn assumed(expectation: &Expectation, (before, during): (usize, usize)) -> Option<f64> {
    let all = |samples: usize| (samples as u64, samples as u64);
    let deviation = match expectation.metric {
        Metric::SuccessRate | Metric::ErrorRate => return Some(newcombe(all(before), all(during), Z95).1),
        _ if !expectation.must.is_time() => return None,
        Metric::Quantile(q) => SIGMA * (q * (1.0 - q)).sqrt() / density_at(q),
        Metric::Mean => ((SIGMA * SIGMA).exp() - 1.0).sqrt(),
        Metric::Min | Metric::Max | Metric::Value => return None,
    };
    let error = deviation * (1.0 / before as f64 + 1.0 / during as f64).sqrt();
    let batches = (10 * during / before).clamp(2, 10) as f64;
    Some((student_quantile(0.975, 8.0 + batches) * error).exp_m1())
}

/// The density of the standard normal distribution at its `q` quantile, which is found by halving.
fn density_at(q: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal_cdf(middle) < q { low = middle } else { high = middle }
    }
    (-low * low / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{Foresight, density_at, foresee};
    use crate::analysis::analyse;
    use crate::analysis::testing::{Story, every, expecting, http};
    use crate::model::sample::Outcome;
    use crate::model::units::Timespan;

    fn foreseen(baseline: u64, text: &str) -> Foresight {
        let run = Story::slow_generator()
            .with(|experiment| {
                experiment.baseline = Timespan::seconds(baseline);
                experiment.steady_state = vec![every(0.01, expecting(http("ask"), &[text]))];
            })
            .tell();
        foresee(run.experiment(), None).remove(0)
    }

    #[test]
    fn the_density_matches_published_values() {
        // Abramowitz and Stegun, table 26.1.
        assert!((density_at(0.5) - 0.398_942_28).abs() < 1e-6);
        assert!((density_at(0.975_002_105) - 0.058_440_94).abs() < 1e-6);
    }

    #[test]
    fn a_short_baseline_is_told_with_the_length_that_would_do() {
        let short = foreseen(5, "p95 <= 250ms");
        assert_eq!((short.before, short.during, short.needed), (400, 900, Some(100)));
        assert!(short.can_hold());
        assert_eq!((short.smallest_visible, short.longer_baseline), (None, Some(Timespan::seconds(11))));
        let long = foreseen(11, "p95 <= 250ms");
        assert_eq!(long.longer_baseline, None);
        assert!(long.smallest_visible.is_some_and(|visible| (0.08..0.12).contains(&visible)), "{long:?}");
    }

    #[test]
    fn a_share_that_cannot_be_confirmed_is_told_beforehand() {
        let short = foreseen(3, "success_rate >= 99%");
        assert_eq!((short.before, short.needed, short.can_hold()), (225, Some(381), false));
        assert!(foreseen(5, "success_rate >= 99%").can_hold());
        assert_eq!(foreseen(5, "success_rate >= 100%").needed, Some(10));
        assert!(foreseen(5, "success_rate >= 99%").smallest_visible.is_some_and(|visible| visible < 0.01));
    }

    /// What is foreseen from a run is what a run like it did show.
    #[test]
    fn an_earlier_run_says_more_than_an_assumption() {
        let noisy = |i: usize| (2.0 + (i * 7919 % 1009) as f64 * 0.001, Outcome::Ok);
        let run = Story::slow_generator().often().baseline(noisy).fault(noisy).tell();
        let earlier = analyse(&run);
        let foreseen = foresee(run.experiment(), Some(&earlier)).remove(1);
        let shown = earlier.probes[0].expectations[1].compared.as_ref().and_then(|compared| compared.smallest_visible);
        assert!(foreseen.from_earlier);
        let (foreseen, shown) = (foreseen.smallest_visible.expect("known"), shown.expect("shown"));
        assert!((foreseen / shown - 1.0).abs() < 0.01, "{foreseen} {shown}");
    }
}
